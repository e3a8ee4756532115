#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Where the heap is judged its stacks are sampled, though nobody asked for it: a verdict names the code.
bats_require_minimum_version 1.5.0

load helpers

setup() {
	setup_workdir
}

@test "ab: what the heap has more of at exit is a function's" {
	"$STARTLINE" ab --gate heap.exit --pairs 6 -o text \
		--base "$WORKLOADS/heap_sites 757" --head "$WORKLOADS/heap_sites 1511"
	grep -qE '^heap.exit 3.4 MB -> 6.5 MB, \+90.5 %: regressed' text
	grep -qE '^ *[2-4]\.[0-9]+ MB .* heap.exit +load_catalog' text
	grep -qE '^cause: \+3.1 MB .*: load_catalog \+[2-4]\.[0-9] MB' text
	# What is not judged is only counted, and that is said.
	"$STARTLINE" ab --gate time.wall --pairs 2 -o text \
		--base "$WORKLOADS/heap_sites 757" --head "$WORKLOADS/heap_sites 1511"
	! grep -q 'load_catalog +' text
}

@test "check: a budget on call sites, over and kept" {
	for story in "20MB 1 red" "50MB 0 green"; do
		read -r limit expected color <<<"$story"
		rm -f ready
		cat >startline.yml <<-END
			scenarios:
			  - name: start
			    command: $WORKLOADS/memory_findings blocks ready
			    ready: file:ready
			    runs: 3
			    budgets:
			      "heap.site[take]": "< $limit"
		END
		run -"$expected" --separate-stderr "$STARTLINE" check -o text
		grep -qE "^$color +heap.site\[take\] +< $limit +43\.[0-9] MB" text
	done
}
