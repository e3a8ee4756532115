#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Findings about what resident memory consists of: programs that have the reason, and some that nearly do.
bats_require_minimum_version 1.5.0

load helpers

setup() {
	setup_workdir
}

# found MODE [run options]: the ids of what was found.
found() {
	rm -f ready go
	session --ready file:ready --timeout 30 "${@:2}" -- "$WORKLOADS/memory_findings" "$1" ready "${LAST:-}"
	q '[.runs[0].findings[]? | select(.id | test("dominant-mapping|thread-arenas|unshared-pages")) | .id] | join(" ")' >ids
	q '.runs[0].findings[]?.evidence' >evidence
	cat ids evidence
}

@test "a file that is most of the memory" {
	LAST=file.data found file
	[ "$(cat ids)" = dominant-mapping ]
	grep -qE 'file.data is 43.0 MB of the 4[3-9].[0-9] MB that memory_findings\[[0-9]+\] has resident when ready' evidence
	found blocks
	[ "$(cat ids)" = "" ]
}

@test "arenas of threads that are mostly free" {
	found arenas
	[ "$(cat ids)" = thread-arenas ]
	grep -q "of malloc's arenas for threads when ready" evidence
	found kept
	[ "$(cat ids)" = "" ]
	# Without counts nobody knows what of it is live.
	found arenas --heap off
	[ "$(cat ids)" = "" ]
}

# after MODE: both children have done what they do when the tree is ended.
after() {
	rm -f ready go
	(
		for _ in $(seq 200); do
			[ ! -s ready ] || break
			sleep 0.05
		done
		sleep 1.5
		touch go
	) &
	local pid=$!
	LAST=go found "$1" --until 4s
	wait "$pid" # not for whatever else bats has in the background
}

@test "workers that write to what they inherited" {
	after writers
	[ "$(cat ids)" = unshared-pages ]
	grep -qE 'after readiness 2 processes unshared 4[5-9]\.[0-9] MB together, of 4[0-9]\.[0-9] MB .*: 2[2-5]\.[0-9] MB, mainly its heap' evidence
	after readers
	[ "$(cat ids)" = "" ]
}
