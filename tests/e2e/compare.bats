#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline compare: what changed between two recordings, and where it comes from.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
}

record() { # FILE COMMAND
	"$STARTLINE" run -q -n 6 --trace "$1" -- sh -c "$2"
}

compare() {
	"$STARTLINE" compare "$@" --format json >comparison.json
}

c() {
	jq -r "$1" comparison.json
}

@test "a longer sleep is found, sized and named" {
	require_bpf
	record base.slt 'sleep 0.05; ls / >/dev/null'
	record head.slt 'sleep 0.15; ls / >/dev/null'
	compare base.slt head.slt
	[ "$(c '.changes.rows[] | select(.id == "time.wall") | .verdict')" = regressed ]
	[ "$(c '.changes.rows[] | select(.id == "proc.execs") | .verdict')" = unchanged ]
	# It is the first row, and its size is right.
	[ "$(c '.contributions.rows[0].cause')" = sleep ]
	near "$(c '.contributions.rows[0].delta_ns')" 100000000 5
	[ "$(c '.contributions.rows[0].delta_low_ns > 0')" = true ]
}

@test "the rows add up to the difference of the totals" {
	require_bpf
	record base.slt 'ls / >/dev/null; sleep 0.01'
	record head.slt 'ls / >/dev/null; ls / >/dev/null'
	compare base.slt head.slt
	"$STARTLINE" compare base.slt head.slt >text
	c '[.contributions.rows[] | .head_ns - .base_ns == .delta_ns] | all' >sums
	[ "$(cat sums)" = true ]
	# Totals of the middle half of six runs: the four in the middle.
	middle() {
		"$STARTLINE" report "$1" --format json |
			jq '[.runs[].startup.total_ns] | sort | .[1:5] | add / 4 | round'
	}
	[ "$(c '[.contributions.rows[].base_ns] | add')" = "$(middle base.slt)" ]
	[ "$(c '[.contributions.rows[].head_ns] | add')" = "$(middle head.slt)" ]
}

@test "a recording does not differ from itself" {
	record base.slt 'ls / >/dev/null'
	compare base.slt base.slt
	[ "$(c '[.changes.rows[].verdict] | map(select(. == "regressed" or . == "improved" or . == "changed")) | length')" = 0 ]
	[ "$(c '[.contributions.rows[].delta_ns | select(. != 0)] | length')" = 0 ]
}

@test "documents compare like the recordings they came from" {
	record base.slt 'ls / >/dev/null'
	record head.slt 'ls / >/dev/null; true'
	compare base.slt head.slt
	"$STARTLINE" report base.slt --format json -o base.json
	"$STARTLINE" report head.slt --format json -o head.json
	"$STARTLINE" compare base.json head.json --format json >again.json
	diff comparison.json again.json
}

@test "text fits 80 columns and every format works" {
	record base.slt 'ls / >/dev/null'
	record head.slt 'sleep 0.02'
	"$STARTLINE" compare base.slt head.slt >text
	[ "$(wc -L <text)" -le 80 ]
	for format in json csv markdown; do
		"$STARTLINE" compare base.slt head.slt --format $format >out
		[ -s out ]
	done
}

@test "the last recording is compared when only one is named" {
	"$STARTLINE" run -q --probes none -- true
	"$STARTLINE" report --format json -o base.json
	"$STARTLINE" compare base.json >out
	grep -q time.wall out
}

@test "mistakes are one line and status 2" {
	for arguments in "" "missing.slt" "a b c"; do
		status=0
		# shellcheck disable=SC2086 # several words
		"$STARTLINE" compare $arguments >out 2>messages || status=$?
		[ "$status" = 2 ]
		[ ! -s out ]
		[ -s messages ]
	done
}
