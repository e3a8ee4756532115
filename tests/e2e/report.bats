#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline report: the same recording, printed again, in all ways.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
	"$STARTLINE" run --trace t.slt -- sh -c 'ls / >/dev/null; exit 3' 2>printed || true
}

@test "report prints what run printed" {
	"$STARTLINE" report t.slt >again
	diff printed again
}

@test "~N counts back from the last recording, which is the default" {
	"$STARTLINE" run -q --probes none -- sh -c 'exit 0'
	"$STARTLINE" run -q --probes none -- true
	"$STARTLINE" report >a
	"$STARTLINE" report '~1' >b
	diff a b
	grep -q '^true' a
	"$STARTLINE" report '~2' >c
	grep -q "exit 0" c
	for ref in '~3' '~0' '~x'; do
		status=0
		"$STARTLINE" report "$ref" 2>messages || status=$?
		[ "$status" = 2 ]
		[ "$(wc -l <messages)" = 1 ]
	done
}

@test "a session document can be read back and says the same" {
	"$STARTLINE" report t.slt --format json -o one.json
	"$STARTLINE" report one.json --format json -o two.json
	diff one.json two.json
}

@test "every view has every format" {
	for view in startup memory processes connections libraries waits findings; do
		for format in text json csv markdown; do
			echo "$view $format"
			"$STARTLINE" report t.slt --view $view --format $format >out
			[ -s out ]
			[ $format != json ] || jq . out >/dev/null
		done
	done
}

@test "text fits 80 columns" {
	"$STARTLINE" report t.slt >out
	[ "$(wc -L <out)" -le 80 ]
}

@test "the events themselves" {
	"$STARTLINE" report t.slt --view events >out
	grep -q ' exec ' out
	grep -q ' end ' out
}

@test "-o writes a file, as the user's" {
	"$STARTLINE" report t.slt -o out
	"$STARTLINE" report t.slt >again
	diff out again
	"$STARTLINE" report t.slt -o - >again
	diff out again
	[ ! -e - ]
}

@test "help ends with examples" {
	"$STARTLINE" report --help | grep -q '^EXAMPLES'
	"$STARTLINE" report --view help | grep -q startup
}

@test "the overhead is there, and its parts add up" {
	for probes in shim auto; do
		"$STARTLINE" run -q --probes $probes --trace overhead.slt -- sh -c 'ls / >/dev/null; true'
		"$STARTLINE" report overhead.slt --format json >overhead.json
		jq -e '.runs[0] | .overhead_ns > 0 and .overhead_ns < .tree.wall_ns' overhead.json
		jq -e '.runs[0] | ((.overhead_probes_ns // 0) + .overhead_shim_ns + (.overhead_stacks_ns // 0) - .overhead_ns) | fabs <= 1' overhead.json
		jq -e '.runs[0].overhead_error_ns > 0' overhead.json
		"$STARTLINE" report overhead.slt >overhead.txt
		grep -A1 '^overhead: ' overhead.txt | tr -s '\n ' ' ' |
			grep -q '^overhead: [0-9].* +- [0-9].* shim [0-9]'
	done
}

@test "on a busy machine the overhead is an estimate, too" {
	pids=
	for _ in 1 2 3 4; do
		"$WORKLOADS/burn" 4000 &
		pids="$pids $!"
	done
	for _ in 1 2 3 4 5; do
		session -- sh -c 'ls / >/dev/null; true'
		q '.runs[0] | "\(.overhead_ns) \(.overhead_error_ns)"' >>known
	done
	# shellcheck disable=SC2086 # one word each
	kill $pids
	cat known
	[ "$(wc -l <known)" -eq 5 ]
	fails grep null known
}

@test "a view of several runs is of the run that the report is of" {
	: >count
	session -n 3 -- sh -c 'sleep 0.$(wc -l <count); echo >>count'
	"$STARTLINE" report session.json >report
	grep -q '^Run 2 of 3' report # 0, 0.1 and 0.2 s
	"$STARTLINE" report session.json --view processes --format json >view
	pid=$(q '.runs[1].processes[0].pid')
	grep -q "$pid" view
	"$STARTLINE" report session.json --view processes | grep -q 'run 2 of 3, the median one'
}

@test "events are text, and say so" {
	session -- true
	"$STARTLINE" report --view events | grep -q ' exec '
	run "$STARTLINE" report --view events --format json
	[ "$status" = 2 ]
	[[ "$output" == *"as text only"* ]]
}
