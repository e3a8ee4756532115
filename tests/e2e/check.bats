#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline check: what it reads, what goes wrong, and the exit status that CI sees. Budgets and their
# levels are in check_levels.bats.
bats_require_minimum_version 1.5.0
load helpers
load check_helpers

setup() {
	setup_workdir
	require_bpf
}

# scenario NAME COMMAND BUDGETS: startline.yml with one scenario.
scenario() {
	cat >startline.yml <<-END
		scenarios:
		  - name: $1
		    command: "$2"
		    shell: true
		    runs: 6
		    budgets: { $3 }
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
	grep -q '^memory mode against @main: startup.ready, mem.peak_rss' text
	grep -q '^pipeline against @main: time.wall$' text
}

@test "--list shows what happens around the commands, and no value of the environment" {
	mkdir sub
	cat >startline.yml <<-'END'
		scenarios:
		  - name: served
		    command: ./server
		    directory: sub
		    ready: accept
		    env: { TOKEN: secret, MODE: fast }
		    prepare: ./reset-db
		    load: ./smoke
		    background: { db: { command: ./db, ready: accept:5432 } }
		    target: "< 1 s"
	END
	"$STARTLINE" check --list | tr -s '\n ' ' ' >text
	grep -qF 'served: env TOKEN, MODE; db: in the background ./db; in sub; prepare ./reset-db; load ./smoke' text
	fails grep -q secret text
	"$STARTLINE" check --list --format json | jq -e '.rows[0] |
		[.prepare, .load, .background, .directory] == ["./reset-db", "./smoke", "db", "sub"]'
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
	v '.outcomes[0].reason' | grep -q 'was not captured; there is net.connect\[tcp 127.0.0.1:'
	# Nobody listens there: that is why.
	scenario refused "$WORKLOADS/net_client refused log" '"net.connect[tcp *]": "< 10 ms"'
	check
	v '.outcomes[0].reason' | grep -q 'was not captured: tcp 127.0.0.1:[0-9]*: ECONNREFUSED'
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

@test "Ctrl-C keeps and judges what is there, and passes nothing" {
	cat >startline.yml <<-'END'
		scenarios:
		  - { name: done, command: "true", runs: 1, target: "< 5 s" }
		  - { name: under way, command: sleep 0.2, runs: 500, max_time: 1 min, target: "< 5 s" }
		  - { name: not begun, command: touch begun, runs: 1, target: "< 5 s" }
	END
	# interrupted: check, until two runs of the second scenario are over.
	interrupted() {
		status=0
		"$STARTLINE" check -v --format json "$@" >verdict.json 2>messages &
		for _ in $(seq 200); do
			grep -q 'under way, 2 of 3: run 3 ' messages && break
			sleep 0.05
		done
		kill -INT $!
		wait $! || status=$?
	}
	interrupted
	[ "$status" -eq 4 ]
	[ "$(v '[.outcomes[].kind] | join(",")')" = 'judged,cannot judge,cannot judge' ]
	v '.outcomes[1].reason' | grep -qE '^interrupted after [0-9]+ of 500 runs$'
	[ "$(v '.outcomes[2].reason')" = 'interrupted before it began' ]
	[ ! -e begun ]
	says 'time.wall < 5 s: green' 'time.wall < 5 s: green'
	# The run that was cut short is none of those, and its time is in no value.
	[ "$(v '.outcomes[1].judgements[0].actual | . > 150e6')" = true ]
	"$STARTLINE" report ~1 --format json | jq -e '[.runs[].exit.reason] | unique == ["exit"]'
	# What is red is red already.
	sed -i '/under way/s/< 5 s/< 100 ms/' startline.yml
	interrupted
	[ "$status" -eq 1 ]
	v '.outcomes[1].reason' | grep -q '^interrupted after'
}

@test "progress names the scenario, the run and the time left, on a terminal alone" {
	cat >startline.yml <<-'END'
		scenarios:
		  - { name: first, command: sleep 0.01, runs: 2, target: "< 5 s" }
		  - { name: second, command: sleep 0.01, base: { command: sleep 0.01 }, max_time: 1 s, gate: proc.count }
	END
	script -qec "'$STARTLINE' check" /dev/null >terminal </dev/null
	grep -q 'first, 1 of 2: run 2 of at most 2, at most [0-9]* s left' terminal
	grep -qE 'second, 2 of 2: pair 2 of at most [0-9]+, (base|head|control), at most [0-9]* s left' terminal
	"$STARTLINE" check >out 2>messages
	[ ! -s messages ]
}
