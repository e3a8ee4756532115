#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Estimates from samples of the heap against what exact mode records of the same: a thousand programs that allocate as
# their seeds say, each sampled three times.
load ../e2e/helpers

setup() {
	setup_workdir
	require_bpf
}

# replays MODE NAME: of the seeds 1 to 1000, fifty in a session, since sessions keep the largest sites only.
replays() {
	local first
	for first in $(seq 1 50 951); do
		# shellcheck disable=SC2016 # for the inner shell
		session --heap "$1" --on-overrun slow --stacks off -- sh -c \
			'for seed in $(seq "$1" $(($1 + 49))); do "$0" books "$seed" 1 1009 0 || exit 1; done' \
			"$WORKLOADS/replay" "$first"
		[ "$status" -eq 0 ]
		mv session.json "$2.$(printf %04d "$first").json"
	done
}

@test "93 to 97 % of estimates are within their intervals" {
	replays exact exact
	for pass in 1 2 3; do replays sample=4K "sampled.$pass"; done
	# A row: what is estimated, of how many sites of programs, and how many of these were within.
	"$BATS_TEST_DIRNAME/heap_intervals.py" exact.*.json -- sampled.*.json >seen
	cat seen
	[ "$(wc -l <seen)" -eq 3 ]
	while read -r what n within; do
		[ "$n" -ge 3000 ]
		awk -v what="$what" -v n="$n" -v within="$within" 'BEGIN {
			exit !(within >= 0.93 * n && within <= 0.97 * n) }'
	done <seen
}
