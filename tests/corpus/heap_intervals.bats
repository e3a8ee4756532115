#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Estimates from samples of the heap against what exact mode records of the same: a thousand programs that allocate as
# their seeds say.
load ../e2e/helpers

setup() {
	setup_workdir
	require_bpf
}

# replays MODE FILE: of the seeds 1 to 1000, one after the other, one thread each.
replays() {
	# shellcheck disable=SC2016 # for the inner shell
	session --heap "$1" --on-overrun slow --stacks off -- sh -c \
		'for seed in $(seq 1000); do "$0" books "$seed" 1 1009 0 || exit 1; done' "$WORKLOADS/replay"
	[ "$status" -eq 0 ]
	q '.runs[0].complete' | grep -qx true
	mv session.json "$2"
}

@test "93 to 97 % of estimates are within their intervals" {
	replays exact exact.json
	replays sample=4K sampled.json
	# A row: what is estimated, of how many sites of programs, and how many of these were within.
	"$BATS_TEST_DIRNAME/heap_intervals.py" exact.json sampled.json >seen
	cat seen
	[ "$(wc -l <seen)" -eq 3 ]
	while read -r what n within; do
		[ "$n" -ge 1000 ]
		awk -v what="$what" -v n="$n" -v within="$within" 'BEGIN {
			exit !(within >= 0.93 * n && within <= 0.97 * n) }'
	done <seen
}
