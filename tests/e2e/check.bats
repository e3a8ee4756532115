#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline check: scenarios, budgets and the exit status that CI sees. Each kind of
# budget is shown green, yellow, red and inconclusive where it can be, scaled down to fractions of a
# second.
bats_require_minimum_version 1.5.0
load helpers
load check_helpers

setup() {
	setup_workdir
	require_bpf
}

# scenario NAME COMMAND BUDGETS [MORE]: startline.yml with one scenario.
scenario() {
	cat >startline.yml <<-END
		scenarios:
		  - name: $1
		    command: "$2"
		    shell: true
		    runs: 6
		    budgets: { $3 }
		    $4
	END
}

# --- reading --------------------------------------------------------------------------------------

@test "another tool's plan loads as it is" {
	cat >startline.yml <<-'END'
		scenarios:
		  - name: "Full Test Suite"
		    command: "python -m pytest -v -n 2 --cov=."
		    target: "< 180 seconds"
		  - name: "Quick Tests Only"
		    command: "python -m pytest -v -n 2 -m 'not slow'"
		    target: "< 120 seconds"
		  - name: "Single Worker"
		    command: "python -m pytest -v --cov=."
		    target: "< 300 seconds"
		  - name: "Parallel Workers"
		    command: "python -m pytest -v -n 4 --cov=."
		    target: "< 150 seconds"
	END
	"$STARTLINE" check --list >text
	grep -q '^Full Test Suite .*time.wall  < 180 seconds' text
	grep -q '^4 scenarios in startline.yml' text
	"$STARTLINE" check --list --format json >list.json
	[ "$(jq -r '[.rows[] | .target] | join(",")' list.json)" = \
		'< 180 seconds,< 120 seconds,< 300 seconds,< 150 seconds' ]
	[ "$(jq -r '.rows[1].command' list.json)" = "python -m pytest -v -n 2 -m 'not slow'" ]
	"$STARTLINE" check --list 'S*' --format json | jq -e '.rows | length == 1'
	run -2 "$STARTLINE" check --list Quick
	[[ "$output" == *"no such scenario"* ]]
}

@test "the whole format, as it is documented" {
	# The example of the manual page, as it is.
	awk '/^    store:/ { on = 1 } /^## / { on = 0 } on' \
		"$ROOT/docs/man/startline.yml.5.md" >startline.yml
	"$STARTLINE" check --list >text
	grep -q '^5 scenarios in startline.yml' text
	grep -q 'net.connect\[tcp \*:5432\]  max < 10 ms' text
	grep -q '^suite  *-  *time.wall  *scaling(workers) <= -0.5' text
	grep -q 'build  time.wall  *< 120 seconds' text
}

@test "a mistake has its place, and nothing runs" {
	scenario a 'touch ran' 'time.wal: "< 1 s"'
	run -2 "$STARTLINE" check
	[[ "$output" == *"startline.yml:6:16: there is no metric 'time.wal'; did you mean 'time.wall'?"* ]]
	[ ! -e ran ]
	run -125 "$STARTLINE" check --bisect
	rm startline.yml
	run -2 "$STARTLINE" check
	[[ "$output" == *"there is no 'startline.yml' here"* ]]
	run -2 "$STARTLINE" check --out nonsense=x
}

# --- budgets --------------------------------------------------------------------------------------

@test "a server in three modes: limit, stricter limit, range" {
	cat >startline.yml <<-END
		levels: { budget: { warn: 0 %, fail: 200 % } }
		scenarios:
		  - name: memory
		    command: $WORKLOADS/tiny_server
		    ready: accept
		    runs: 6
		    target: "< 1 s"
		  - name: persistent
		    command: sh -c 'sleep 0.11; exec $WORKLOADS/tiny_server'
		    ready: accept
		    runs: 6
		    budgets: { startup.ready: ["< 2 s", "< 60 ms", "< 25 ms"] }
		  - name: distributed
		    command: sh -c 'sleep 0.1; exec $WORKLOADS/tiny_server'
		    ready: accept
		    runs: 6
		    budgets: { startup.ready: ["5-15 s", "50-500 ms", "5-20 ms"] }
	END
	check
	[ "$status" -eq 1 ]
	says 'startup.ready < 1 s: green' \
		'startup.ready < 2 s: green' 'startup.ready < 60 ms: yellow' 'startup.ready < 25 ms: red' \
		'startup.ready 5-15 s: yellow' 'startup.ready 50-500 ms: green' 'startup.ready 5-20 ms: red'
	v '.outcomes[2].judgements[] | select(.target == "5-15 s") | .reason' >reason
	grep -q 'did it do all of its work? it made no connection' reason
}

@test "levels on absolute budgets: warn at 10 %, fail at 20 %" {
	# 23 programs are executed: a count, so that no load on the machine shifts it.
	scenario execs 'for i in $(seq 21); do /bin/true; done' \
		'proc.execs: ["<= 23", "<= 22", "<= 20", "<= 15"]' \
		'levels: { budget: { warn: 10 %, fail: 20 % } }'
	check
	[ "$status" -eq 1 ]
	says 'proc.execs <= 23: green' 'proc.execs <= 22: over, tolerated' \
		'proc.execs <= 20: yellow' 'proc.execs <= 15: red'
	# Yellow alone passes.
	sed -i 's/, "<= 15"//' startline.yml
	check
	[ "$status" -eq 0 ]
}

@test "an interval across the limit is inconclusive, and fails only when that is asked for" {
	# 20 and 80 ms in turns: the median of ten such runs may be anything in between.
	scenario turns 'n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) >n; sleep 0.0$((n % 2 * 6 + 2))' \
		'time.wall: ["< 50 ms", "cv < 5 %", "cv < 500 %"]'
	sed -i 's/runs: 6/runs: 10/' startline.yml
	check
	[ "$status" -eq 1 ]
	says 'time.wall < 50 ms: inconclusive' 'time.wall cv < 5 %: red' 'time.wall cv < 500 %: green'
	sed -i 's/, "cv < 5 %"//' startline.yml
	check
	[ "$status" -eq 0 ]
	check --strict
	[ "$status" -eq 5 ]
	run -125 "$STARTLINE" check --bisect
}

@test "memory of the tree, and how busy the processors are" {
	cat >startline.yml <<-END
		scenarios:
		  - name: memory
		    command: dd if=/dev/zero of=/dev/null bs=32M count=1
		    runs: 6
		    budgets: { mem.peak_rss: ["< 2 GB", "< 20 MB"] }
		    levels: { budget: { fail: 20 % } }
		  - name: busy
		    command: $WORKLOADS/burn 60
		    runs: 6
		    budgets: { cpu.utilization: "< 1 %" }
		  - name: idle
		    command: sleep 0.05
		    runs: 6
		    budgets: { cpu.utilization: "< 80 %" }
	END
	check
	[ "$status" -eq 1 ]
	says 'mem.peak_rss < 2 GB: green' 'mem.peak_rss < 20 MB: red' \
		'cpu.utilization < 1 %: red' 'cpu.utilization < 80 %: green'
}

@test "connections and replies, by peer and by quantile" {
	cat >startline.yml <<-END
		scenarios:
		  - name: quick
		    command: $WORKLOADS/net_client udp log
		    runs: 1
		    budgets: { "net.reply[udp *]": ["< 10 ms", "< 2 s"] }
		  - name: late
		    command: $WORKLOADS/net_client unix late
		    runs: 1
		    budgets: { "net.connect[unix late*]": "max < 10 ms" }
		  - name: many
		    command: $WORKLOADS/net_client progress log
		    runs: 20
		    budgets: { "net.connect[tcp *]": "p95 < 100 ms" }
	END
	check
	[ "$status" -eq 1 ]
	says 'net.reply[udp *] < 10 ms: red' 'net.reply[udp *] < 2 s: green' \
		'net.connect[unix late*] max < 10 ms: red' 'net.connect[tcp *] p95 < 100 ms: green'
}

@test "a quantile of too few values, and what was not captured" {
	cat >startline.yml <<-END
		scenarios:
		  - name: few
		    command: $WORKLOADS/net_client progress log
		    runs: 3
		    budgets: { "net.connect[tcp *]": "p95 < 10 ms" }
	END
	check
	[ "$status" -eq 2 ]
	v '.outcomes[0].reason' | grep -q 'needs 20 values, there are 3'
	sed -i 's/tcp \*/tcp *:1/; s/p95 //' startline.yml
	check
	[ "$status" -eq 4 ]
	v '.outcomes[0].reason' | grep -q 'was not captured'
}

@test "a part of a suite by its command line" {
	printf '#!/bin/sh\nsleep 0.05\n' >coverage
	chmod +x coverage
	scenario suite 'sleep 0.05; ./coverage report --fail-under=80' \
		'"time.child[coverage report*]": ["< 30 s", "< 900 ms", "< 30 ms"]'
	check
	[ "$status" -eq 1 ]
	says 'time.child[coverage report*] < 30 s: green' \
		'time.child[coverage report*] < 900 ms: green' 'time.child[coverage report*] < 30 ms: red'
}

@test "a pipeline has budgets on its steps and on the sum" {
	cat >startline.yml <<-END
		scenarios:
		  - name: pipeline
		    runs: 6
		    steps:
		      - { name: build, command: sleep 0.05, target: "< 40 ms" }
		      - { name: start, command: $WORKLOADS/tiny_server, ready: accept, target: "< 1 s" }
		      - { name: test, command: sleep 0.02, budgets: { proc.execs: "<= 1" } }
		    budgets: { time.wall: ["< 65 ms", "< 5 s"], proc.execs: "<= 2" }
		    levels: { budget: { fail: 50 % } }
	END
	check
	[ "$status" -eq 0 ]
	says 'build: time.wall < 40 ms: yellow' 'start: startup.ready < 1 s: green' \
		'test: proc.execs <= 1: green' 'time.wall < 65 ms: yellow' 'time.wall < 5 s: green' \
		'proc.execs <= 2: yellow'
}

@test "over a matrix: how time grows, and what each worker is worth" {
	cat >startline.yml <<-'END'
		matrix: { n: [1, 2, 4] }
		scenarios:
		  - name: linear
		    command: sh -c 'sleep $(awk "BEGIN { print {n} * 0.02 }")'
		    runs: 6
		    budgets: { time.wall: ["scaling(n) <= 1.1", "scaling(n) <= 0.5"] }
		  - name: workers
		    command: sh -c 'sleep $(awk "BEGIN { print 0.2 / {n} }")'
		    runs: 6
		    budgets: { time.wall: ["efficiency(n) >= 10 %", "efficiency(n) >= 99 %"] }
	END
	check
	[ "$status" -eq 1 ]
	says 'time.wall scaling(n) <= 1.1: green' 'time.wall scaling(n) <= 0.5: red' \
		'time.wall efficiency(n) >= 10 %: green' 'time.wall efficiency(n) >= 99 %: red'
	[ "$(v '.outcomes | map(.scenario) | last')" = workers ]
	"$STARTLINE" check --list | grep -q '^linear \[n=4\]'
}

@test "a suite twice as fast as what was typed by hand" {
	"$STARTLINE" baseline save pre --value time.wall=0.12..0.3s
	"$STARTLINE" baseline save slow --value time.wall=120..300s
	scenario suite 'sleep 0.08' 'time.wall: ["<= 50 % of @slow", "improve >= 50 % of @slow",
		 "<= 50 % of @pre", "<= 20 % of @pre"]'
	check
	[ "$status" -eq 1 ]
	says 'time.wall <= 50 % of @slow: green' 'time.wall improve >= 50 % of @slow: green' \
		'time.wall <= 50 % of @pre: inconclusive' 'time.wall <= 20 % of @pre: red'
}

# --- what goes wrong ------------------------------------------------------------------------------

@test "each scenario meets the signals that startline was given" {
	cat >startline.yml <<-END
		scenarios:
		  - { name: first, command: "true", runs: 1, target: "< 5 s" }
		  - { name: second, command: grep -q 'SigBlk.*0000$' /proc/self/status, runs: 1, target: "< 5 s" }
	END
	check
	[ "$status" -eq 0 ]
}

@test "a command that fails is no regression" {
	cat >startline.yml <<-'END'
		scenarios:
		  - { name: fails, command: sh -c 'exit 23', target: "< 1 s" }
		  - { name: dies, command: sh -c 'kill -SEGV $$', target: "< 1 s" }
		  - { name: hangs, command: sleep 9, timeout: 100 ms, target: "< 1 s" }
		  - { name: ends, command: "true", ready: accept, target: "< 1 s" }
		  - { name: nowhere, command: ./nowhere, target: "< 1 s" }
		  - { name: fine, command: "true", runs: 1, target: "< 1 s" }
	END
	check
	[ "$status" -eq 3 ]
	[ "$(v '[.outcomes[].kind] | join(",")')" = \
		'target failed,target failed,target failed,target failed,target failed,judged' ]
	v '.outcomes[].reason' >reasons
	grep -q 'run 1: exit status 23' reasons
	grep -q 'run 1: killed by signal 11' reasons
	grep -q 'run 1: not done after 100 ms' reasons
	grep -q 'run 1: exit status 0, before it was ready' reasons
	grep -q "run 1: cannot execute './nowhere'" reasons
	run -125 "$STARTLINE" check --bisect
}

@test "what judges nothing does not pass" {
	printf 'scenarios:\n  - { name: a, command: "true", runs: 1 }\n' >startline.yml
	check
	[ "$status" -eq 4 ]
	v '.outcomes[0].reason' | grep -q 'nothing to judge it by'
}

@test "the output of the commands stays out of the verdict" {
	scenario loud 'echo ::error::injected; echo noise >&2' 'time.wall: "< 5 s"'
	"$STARTLINE" check >text 2>messages
	! grep -q -e injected -e noise text messages
	"$STARTLINE" check -v >text 2>messages
	! grep -q injected text
	grep -q injected messages
}

@test "names and output are inert" {
	cat >startline.yml <<-'END'
		scenarios:
		  - name: "x\e[31m\n::error::boo <b>|`@team"
		    command: "true"
		    runs: 1
		    target: "< 1 s"
	END
	"$STARTLINE" check --out github=gh --out markdown=md >text 2>messages
	"$STARTLINE" check --list >>text
	! grep -q -e "$(printf '\033')" -e '^::error::boo' text messages gh md
	! grep -q '<b>' md
}
