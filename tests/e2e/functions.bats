#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# From samples to answers: which functions, how sure, in the report, as a metric and in a comparison.
# `stacks plain` spends 70 of 100 units in heavy() and 30 in light().

load helpers

setup() {
	setup_workdir
}

# of FUNCTION KEY: of the critical path, from ./functions.json.
of() {
	jq -r --arg f "$1" --arg k "$2" \
		'.rows[] | select(.function == $f and .path == "critical") | .[$k]' functions.json
}

@test "functions have their shares, intervals that hold, and what they called" {
	require_bpf
	"$STARTLINE" run --stacks 999 -o report -- "$WORKLOADS/stacks" plain 300
	"$STARTLINE" report --view functions --format json >functions.json
	near "$(jq -n "$(of heavy self_share) * 100 | floor")" 70 0 6
	near "$(jq -n "$(of light self_share) * 100 | floor")" 30 0 6
	[ "$(of heavy self_samples)" -gt 60 ]
	# As wide as so many throws make it, which a fast machine has fewer of: 0.11 of 300.
	n=$(jq '[.rows[] | select(.path == "critical") | .self_samples] | add' functions.json)
	[ "$(jq -n "$(of heavy self_high) - $(of heavy self_low) < 4.4 * (0.21 / $n | sqrt)")" = true ]
	[ "$(jq -n "$(of heavy_caller total_share) > 0.6 and $(of heavy_caller self_share) < 0.05")" = true ]
	[ "$(jq -n "$(of main total_share) > 0.95")" = true ]
	# The tree has the same numbers, the waterfall says where to look.
	"$STARTLINE" report --view stacks >tree
	grep -Eq '^ +heavy_caller > heavy +[0-9.]+ ms +[67][0-9]' tree
	grep -Eq 'main .*cpu.* \(?[67][0-9] % in heavy' report
	grep -Eq '^stacks: [0-9]+ ' report
	# Half of the time, unless others kept it from a CPU.
	[ "$("$STARTLINE" report --format json | jq '.runs[0] | [.findings[] | select(.id == "hot-function")] as $f
		| if .startup.total_ns < 1.3 * ([.samples[].weight_ns] | add)
		then ($f | length == 1 and (.[0].evidence | startswith("heavy"))) else true end')" = true ]
}

@test "the samples of the document weigh what the critical path ran" {
	require_bpf
	"$STARTLINE" run --stacks 999 --format json -o s.json -- "$WORKLOADS/stacks" thread 100
	"$ROOT/tests/e2e/validate" s.json
	[ "$(jq '.runs[0] | ([.samples[] | select(.critical) | .weight_ns] | add)
		- ([.startup.segments[] | select(.state == "running") | .duration_ns] | add)' s.json)" = 0 ]
	# All that stacks refer to is there.
	[ "$(jq '(.frames | length) as $n | [.stacks[].frames[] | select(. >= $n)] | length' s.json)" = 0 ]
	[ "$(jq '(.stacks | length) as $n | [.runs[].samples[].stack | select(. != null and . >= $n)] | length' s.json)" = 0 ]
	# heavy() in the thread that main waits for.
	"$STARTLINE" report s.json --view metrics --format csv >metrics
	heavy=$(awk -F, '$1 == "cpu.function[heavy]" { print int($5 / 1000000) }' metrics)
	[ "$heavy" -gt 20 ]
}

@test "a wait is told with the function that waited" {
	require_bpf
	"$STARTLINE" run -o report -- "$WORKLOADS/stacks" sleep 150
	grep -Eq 'main +sleep in retry_connect' report
	"$STARTLINE" report --view startup --format csv >rows
	grep -q ',sleep,.*,retry_connect,' rows
}

@test "without stacks a report says why, and the metric is missing" {
	"$STARTLINE" run --stacks off -o report -- "$WORKLOADS/stacks" plain 10
	fails grep -q '^stacks:' report
	"$STARTLINE" report --view functions >functions
	grep -q 'no stacks: .*--stacks off' functions
	"$STARTLINE" report --format json | jq -e '.runs[0].samples == null'
}

@test "a comparison names the function that takes longer" {
	require_bpf
	"$STARTLINE" run -n 6 --stacks 999 --trace a.slt -o report -- "$WORKLOADS/stacks" plain 40
	"$STARTLINE" run -n 6 --stacks 999 --trace b.slt -o report -- "$WORKLOADS/stacks" plain 100
	"$STARTLINE" compare a.slt b.slt --format json >c.json
	# By what they take on the CPU: others may keep both waiting for one.
	[ "$(jq -r '[.contributions.rows[] | select(.cause == "cpu")] | sort_by(-.delta_ns) | .[0].function' c.json)" = heavy ]
	[ "$(jq -r '[.contributions.rows[] | select(.function == "light" and .delta_low_ns > 0)] | length' c.json)" = 1 ]
	"$STARTLINE" compare a.slt b.slt >text
	grep -Eq 'main +cpu +heavy' text
	grep -Eq '^cpu.function\[heavy\] ' text
}
