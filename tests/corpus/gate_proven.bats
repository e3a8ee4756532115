#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Work that takes half of the runs ten times as long hides a longer sleep from the whole, and not from the
# rows of the breakdown: what they prove is the headline, with its cause, and of the rest it is said that
# nothing is.
bats_require_minimum_version 1.5.0
load ../e2e/helpers

setup() {
	setup_workdir
	require_bpf
	for side in base:0.005 head:0.02; do
		mkdir "${side%:*}"
		cat >"${side%:*}/noisy" <<-END
			#!/bin/sh
			ms=2
			[ \$((\$(od -An -N1 -tu1 /dev/urandom) % 2)) = 0 ] || ms=40
			$WORKLOADS/burn \$ms
			sleep ${side#*:}
		END
		chmod +x "${side%:*}/noisy"
	done
	cause='\+1[4-9][0-9.]* ms sleep in child: sleep 0.005 -> sleep 0.02'
	rest='is proven by rows of its breakdown, of the rest nothing'
}

# folded FILE: however its lines break, and without what Markdown and XML escape.
folded() {
	tr -s ' \n' ' ' <"$1" | sed 's/\\//g; s/&gt;/>/g; s/%25/%/g'
}

compared() {
	"$STARTLINE" ab --pairs 8 --base-directory base --head-directory head -- ./noisy >text
	grep -Eq '^time.wall .*: regressed$' text
	grep -Eq "^cause: $cause" text
	folded text | grep -q "$rest; the whole is estimated at"
	grep -Eq '^time.wall .* inconclusive$' text # the row of the whole
}

@test "ab: a sleep behind noisy work" {
	attempts compared
}

checked() {
	status=0
	"$STARTLINE" check --out json=json --out junit=junit --out github=github \
		--out markdown=markdown >text 2>messages || status=$?
	[ $status = 1 ]
	grep -q '^noisy: regressed: time.wall' text
	for output in text json junit github markdown; do
		folded $output >output
		grep -Eq "$cause" output
		grep -q "$rest" output
	done
	jq -e '.outcomes[0].judgements[0] | .level == "red" and .verdict == "regressed"' json
	grep -q '<failure ' junit
	grep -q '^::error .*noisy%3A regressed' github
	grep -q 'startline: failed$' markdown
}

@test "check: the same in text, markdown, JUnit and annotation" {
	cat >startline.yml <<-'END'
		scenarios:
		  - name: noisy
		    command: ./noisy
		    directory: head
		    base: { directory: base }
		    max_time: 3500 ms
		    gate: time.wall
	END
	attempts checked
}
