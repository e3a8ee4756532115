#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A start of 300 ms beside two busy loops: 10 % more work is caught in at least 17 of LIVE_BUSY (20) comparisons
# of at most 30 pairs, and of twice as many with itself none is called a change. Takes two minutes for each of LIVE_BUSY, and
# more the busier the machine is besides.
bats_require_minimum_version 1.5.0
export BATS_TEST_TIMEOUT=14400
load ../e2e/helpers
load planted/build.bash

LIVE_BUSY=${LIVE_BUSY:-20}

setup() {
	setup_workdir
	require_bpf
	build_start old
	build_start new -DWORK_13=45
	neighbours "${LIVE_NEIGHBOURS:-2}"
	SECONDS=0
}

teardown() {
	neighbours_end
}

# compare N HEAD: N comparisons of ./old with HEAD: a line "VERDICTS PAIRS METRICS" for each in ./verdicts.
compare() {
	: >verdicts
	for ((i = 0; i < $1; i++)); do
		"$STARTLINE" ab -q --base-directory old --head-directory "$2" --out json=v.json -o text -- ./start
		jq -r '.outcomes[0] | [.judgements[] | select(.metric | test("^(time|startup)[.]"))] as $j |
			([$j[].verdict] | join(",")) + " \(.interleaved.pairs) " + ([$j[].metric] | join(","))' \
			v.json >>verdicts
	done
	awk -v seconds="$SECONDS" -v what="$BATS_TEST_DESCRIPTION" '
		{ pairs += $2; red += $1 ~ /regressed/; good += $1 ~ /improved/; same += $1 ~ /unchanged/ }
		END { printf "# live: %s: %d comparisons: regressed %d, improved %d, unchanged %d; %.1f pairs and %.0f s each\n",
			what, NR, red, good, same, pairs / NR, seconds / NR }' verdicts >&3
	cat verdicts
}

@test "10 % more work beside two busy loops" {
	compare "$LIVE_BUSY" new
	[ "$(grep -c regressed verdicts)" -ge $((LIVE_BUSY * 17 / 20)) ]
}

@test "itself beside two busy loops" {
	compare $((LIVE_BUSY * 2)) old
	! grep -E 'regressed|improved' verdicts
}
