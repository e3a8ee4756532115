#!/usr/bin/env bats
# The gate with real servers on a real machine: what did not change raises no alarm, what did is
# caught, and its cause is the first row. GATE_TRIES=N: fewer comparisons than 200 and 20.
bats_require_minimum_version 1.5.0
load ../e2e/helpers

setup() {
	setup_workdir
	require_bpf
	port=$(free_port)
	# The shell that runs it is part of both sides.
	cat >server <<-'EOF2'
		#!/bin/sh
		# PORT [DELAY]
		[ -z "$2" ] || sleep "$2"
		exec redis-server --port "$1" --save ""
	EOF2
	chmod +x server
}

# 200 of them would be hours if each went on to its thirtieth pair: what is decided is decided by
# the twelfth.
ab() {
	"$STARTLINE" ab -q --pairs "${PAIRS:-12}" --format json --trace t.slt -o ab.json "$@"
	rm -f t.slt
}

a() {
	jq -r ".outcomes[0] | $1" ab.json
}

no_alarms() { # AB-ARGUMENTS...
	alarms=0
	for _ in $(seq "${GATE_TRIES:-100}"); do
		ab "$@"
		case $(a '.judgements[0].verdict') in
		regressed | improved)
			alarms=$((alarms + 1))
			cat ab.json >&3
			;;
		unchanged | inconclusive) ;;
		*) return 1 ;;
		esac
	done
	echo "$alarms false alarms in ${GATE_TRIES:-100}" >>"$BATS_FILE_TMPDIR/alarms"
}

@test "redis against itself" {
	no_alarms --ready accept --base "./server $port" --head "./server $port"
}

@test "python against itself" {
	no_alarms --base "python3 -c pass" --head "python3 -c pass"
}

@test "of all of these at most one is a false alarm" {
	cat "$BATS_FILE_TMPDIR/alarms"
	[ "$(wc -l <"$BATS_FILE_TMPDIR/alarms")" = 2 ]
	[ "$(awk '{ n += $1 } END { print n }' "$BATS_FILE_TMPDIR/alarms")" -le 1 ]
}

@test "15 ms before listen are caught, and their cause is named first" {
	for _ in $(seq "${GATE_TRIES:-20}"); do
		PAIRS=30 ab --ready accept --base "./server $port" --head "./server $port 0.015"
		[ "$(a '.judgements[0].verdict')" = regressed ]
		[ "$(a '.comparison.contributions[0].cause')" = sleep ]
		[ "$(a '.comparison.contributions[0].process')" = 'sleep 0.015' ]
		# Where the shell waits for a CPU meanwhile, that much of the sleep costs nothing.
		near "$(a '.comparison.contributions[0].delta_ns')" 15000000 30
	done
}

@test "10 % more work is caught, and its cause is named first" {
	"$STARTLINE" doctor --format json >doctor.json
	for row in load contention steal; do
		found=$(jq -r --arg row $row '.rows[] | select(.name == $row and .state != "ok") | .found' doctor.json)
		[ -z "$found" ] || skip "too busy to prove 10 %: $row: $found"
	done
	for _ in $(seq "${GATE_TRIES:-20}"); do
		PAIRS=30 ab --base "$WORKLOADS/burn 100" --head "$WORKLOADS/burn 110"
		[ "$(a '.judgements[0].verdict')" = regressed ]
		[ "$(a '.comparison.contributions[0].cause')" = cpu ]
	done
}
