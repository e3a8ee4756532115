#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What got worse is told with the object behind it, in every output: the file that is missed, the program
# that is executed, the process whose memory grew.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
}

# A program that in "head" misses a file, runs another program, and takes 60 MB more in a third.
write_app() {
	cat >app <<-'END'
		#!/bin/sh
		size=4M
		if [ "$1" = head ]; then
			cat /nonexistent/app.conf 2>/dev/null
			/bin/true planted
			size=64M
		fi
		dd if=/dev/zero of=/dev/null bs=$size count=1 2>/dev/null
	END
	chmod +x app
}

# each_output WORDS: they are in all that the check wrote.
each_output() {
	tr -s ' \n' ' ' <text >folded # lines of a report may break anywhere
	for output in folded json junit github markdown; do
		grep -qF -- "$1" $output || {
			echo "$output does not say: $1"
			cat $output
			return 1
		}
	done
}

@test "the missed file, the new program, the process that grew: in all outputs" {
	require_bpf
	write_app
	cat >startline.yml <<-'END'
		levels: { baseline: { warn: 0 %, fail: 0 % } }
		scenarios:
		  - name: app
		    command: ./app head
		    base: { command: ./app base }
		    runs: 3
		    gate: [files.misses, proc.execs, mem.peak_rss]
	END
	status=0
	"$STARTLINE" check --out json=json --out junit=junit --out github=github \
		--out markdown=md >text 2>messages || status=$?
	[ $status = 1 ]
	# What Markdown has to escape is not what this is about.
	sed 's/\\//g' md >markdown
	each_output 'missed /nonexistent/app.conf +1'
	each_output 'executed true planted +1'
	# Nobody waits for readiness, so nobody knows the phase: that is said, too.
	jq -r '.outcomes[].judgements[].cause' json >causes
	grep -qE '^\+6[0-9]\.[0-9] MB dd .*; when is not known \(no --ready\); anonymous memory \+6[0-9]\.[0-9] MB \(heap \+6[0-9]' causes
	each_output 'when is not known (no --ready)'
	"$BATS_TEST_DIRNAME/validate" json
}

@test "a pipeline names the step that moved, and of that what moved: in all outputs" {
	require_bpf
	printf '#!/bin/sh\nsleep 0.03\n' >build
	cp build start
	chmod +x build start
	cat >startline.yml <<-'END'
		baseline: main
		scenarios:
		  - name: pipeline
		    runs: 8
		    gate: [time.wall, proc.execs]
		    steps:
		      - { name: build, command: ./build }
		      - { name: start, command: ./start }
	END
	"$STARTLINE" check --save >/dev/null 2>messages
	printf '#!/bin/sh\n/bin/true planted\nsleep 0.03\nsleep 0.1\n' >start
	status=0
	"$STARTLINE" check --out json=json --out junit=junit --out github=github \
		--out markdown=md >text 2>messages || status=$?
	[ $status = 1 ]
	sed 's/\\//g' md >markdown
	jq -r '.outcomes[0].judgements[] | select(.metric == "time.wall") | .cause' json | tee cause
	grep -qE '^step start \+1[0-4][0-9] ms: \+(9[5-9]|10[0-9])[.0-9]* ms sleep in child: sleep 0.1$' cause
	each_output "$(cat cause)"
	jq -r '.outcomes[0].judgements[] | select(.metric == "proc.execs") | .cause' json | tee cause
	grep -q '^step start +2: executed .*true planted +1' cause
	each_output "$(cat cause)"
	# The rows of all steps are the difference, to the nanosecond.
	jq -e '.outcomes[0].comparison | .head_total_ns - .base_total_ns ==
		([.contributions[].delta_ns] | add)' json
	jq -e '[.outcomes[0].comparison.contributions[] | select(.step == "start").delta_ns] | add |
		. > 95e6 and . < 150e6' json
	jq -e '[.outcomes[0].comparison.contributions[] | select(.step == "build").delta_ns] | add |
		. > -30e6 and . < 30e6' json
	grep -qE '^step +delta' text
	"$BATS_TEST_DIRNAME/validate" json
	# What is stored has the steps, and no steps in these.
	"$STARTLINE" baseline export main:pipeline -o stored.json
	"$BATS_TEST_DIRNAME/validate" stored.json
	[ "$(jq -c '[.steps[].name, .steps[1].session.steps]' stored.json)" = '["build","start",null]' ]
}

@test "a budget that is over names what most of it is" {
	require_bpf
	write_app
	cat >startline.yml <<-'END'
		scenarios:
		  - name: app
		    command: ./app head
		    runs: 2
		    budgets: { mem.peak_rss: "< 10 MB", files.opens: "< 1" }
	END
	status=0
	"$STARTLINE" check --format csv >csv 2>messages || status=$?
	[ $status = 1 ]
	grep -E '^app,red,mem.peak_rss,.*"?6[0-9]\.[0-9] MB dd if=' csv
	grep -E '^app,red,files.opens,.*opened /' csv
}
