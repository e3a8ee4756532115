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

@test "the worst comes first, and within it the most" {
	rows() { # DIRECTORY NS...: six files of a process each
		local directory=$1 file
		shift
		mkdir "$directory"
		for file in 1 2 3 4 5 6; do
			awk -v file=$file -v all="$*" 'BEGIN {
				n = split(all, ns)
				for (i = 1; i <= n; i++)
					for (run = 0; run < 3; run++)
						printf "Benchmark%d-2 1000 %d ns/op\n", i, ns[i] + file + run
			}' >"$directory/$file.txt"
		done
	}
	# The first improves, the second stays, the others get worse.
	rows base 2000 2000 2000 2000
	rows head 1000 2000 3000 8000
	compare base head
	[ "$(c '[.changes.rows[].id] | join(" ")')" = 'bench[4-2] bench[3-2] bench[1-2] bench[2-2]' ]
	# As does what people read.
	"$STARTLINE" compare base head >text
	[ "$(sed -n '/^changes/,$ s/^bench.\([1-4]\).*/\1/p' text | paste -sd ' ')" = '4 3 1 2' ]
}

@test "an entry of a baseline, and one that it does not have" {
	n=1000
	for side in Old New; do
		for i in $(seq 20); do echo "Benchmark$side-2 1000 $((n + i % 3)) ns/op"; done
		n=2000
	done >both.txt
	"$STARTLINE" baseline save both both.txt
	compare @both#Old-2 @both#New-2
	[ "$(c '.changes.rows[] | "\(.id) \(.base | round) \(.head | round)"')" = 'bench 1001 2001' ]
	run -2 --separate-stderr "$STARTLINE" compare @both#nothing both.txt
	grep -qF "'both': it has no entry 'nothing'; there are 'Old-2', 'New-2'" <<<"$stderr"
	run -2 --separate-stderr "$STARTLINE" compare @none#Old-2 both.txt
	grep -qF "there is no baseline 'none'" <<<"$stderr"
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

@test "the width: COLUMNS, else that of the terminal, else 120 in a CI job and 80" {
	python3 -c 'import json
print(json.dumps([{"name": "x" * 300 + str(i), "value": i + 1, "unit": "ns"} for i in range(3)]))' >long.json
	wide() { # on a terminal of 90 columns
		script -qec "stty cols 90; $* '$STARTLINE' compare long.json long.json" /dev/null </dev/null |
			tr -d '\r' | sed 's/\x1b\[[0-9;]*m//g' | wc -L
	}
	piped() {
		env "$@" "$STARTLINE" compare long.json long.json | wc -L
	}
	[ "$(wide) $(wide CI=1) $(wide COLUMNS=100 CI=1)" = '90 90 100' ]
	[ "$(piped) $(piped CI=1) $(piped COLUMNS=100) $(piped COLUMNS=100 CI=1)" = '80 120 100 100' ]
}

@test "steps of a document are bounded: their number, how deep they are, what they lack" {
	python3 - <<-'END'
		import json
		def document(steps):
		    return {"schema": "startline.report/1", "version": "0", "command": [], "host": {}, "design": {},
		            "metrics": [{"id": "time.wall", "unit": "ns", "values": [1e6, 2e6, 3e6]}], "runs": [],
		            "steps": steps}
		def write(name, steps):
		    with open(name, "w") as f:
		        json.dump(document(steps), f)
		write("many.json", [{"name": "same", "session": {}}] * 30000)
		deep = document([{"name": "a"}])
		for _ in range(100):
		    deep = document([{"name": "a", "session": deep}])
		write("deep.json", deep["steps"])
		write("odd.json", [{}, {"name": None, "session": None}, {"session": {"runs": [{}]}}])
	END
	timeout 20 "$STARTLINE" compare many.json many.json >out
	grep -q 'too many steps to be compared' out
	timeout 20 "$STARTLINE" compare deep.json deep.json >out
	grep -q 'together 0 ns of 2.00 ms: a 0 ns;' out
	timeout 20 "$STARTLINE" compare odd.json odd.json >out 2>messages || grep -q 'odd.json' messages
	sed 's/"steps": \[/"steps": [7, /' odd.json >wrong.json
	run -2 "$STARTLINE" compare wrong.json odd.json
	[[ "$output" == *'steps[0]'* ]]
}
