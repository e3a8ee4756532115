#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a scenario has beside its command: environment, preparation, load, services, containers.
bats_require_minimum_version 1.5.0
load helpers
load check_helpers

setup() {
	setup_workdir
	require_bpf
	port=$(free_port)
	# ask [TEXT]: one request, which is noted in ./asked.
	cat >ask <<-END
		#!/bin/bash
		exec 3<>/dev/tcp/127.0.0.1/\${PORT:-$port} || exit 9
		read -r answer <&3 && echo "\$answer" >>"$PWD/asked"
		printf '%s' "\$1" >&3
	END
	chmod +x ask
}

# none_left NAME: no process of this test is called that.
none_left() {
	for i in $(seq 50); do
		grep -lzx "BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR" /proc/[0-9]*/environ 2>/dev/null |
			grep -v -e "/$$/" | while IFS=/ read -r _ _ pid _; do
			tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -F "$1" || true
		done >left
		[ -s left ] || return 0
		sleep 0.1
	done
	cat left
	return 1
}

# --- env, prepare ---------------------------------------------------------------------------------

@test "env: the command, what prepares it and the load have it, per cell and per step" {
	cat >startline.yml <<-'END'
		env: { OUTER: top, MODE: top }
		matrix: { m: [fast, slow] }
		scenarios:
		  - name: modes
		    command: sh -c 'echo "$OUTER $MODE [$EMPTY]" >>seen'
		    env: { MODE: "{m}", EMPTY: "" }
		    prepare: echo "$MODE" >>prepared
		    runs: 2
		    budgets: { time.wall: "< 60 s" }
		  - name: steps
		    env: { MODE: scenario }
		    runs: 1
		    steps:
		      - { name: one, command: "sh -c 'echo $MODE >>steps'" }
		      - { name: two, command: "program", env: { MODE: step, PATH: "bin:/usr/bin:/bin" }, prepare: "echo prepared {m} >>steps" }
		    target: "< 60 s"
		    matrix: { m: [here] }
	END
	mkdir bin
	# Found in the PATH that it gets.
	printf '#!/bin/sh\necho $MODE >>steps\n' >bin/program
	chmod +x bin/program
	check
	[ "$status" -eq 0 ]
	[ "$(paste -sd, seen)" = "top fast [],top fast [],top slow [],top slow []" ]
	[ "$(paste -sd, prepared)" = "fast,fast,slow,slow" ]
	[ "$(paste -sd, steps)" = "scenario,prepared here,step" ]
}

@test "env: an LD_PRELOAD of the scenario is joined to ours" {
	cat >marked.c <<-'END'
		#include <fcntl.h>
		#include <unistd.h>
		__attribute__((constructor)) static void mark(void) { close(open("marked", O_CREAT, 0600)); }
	END
	cc -shared -fPIC -o marked.so marked.c
	cat >startline.yml <<-END
		scenarios:
		  - name: a
		    command: sh -c "$WORKLOADS/heap_counts || exit 0"
		    env: { LD_PRELOAD: "$PWD/marked.so" }
		    runs: 1
		    budgets: { heap.allocs: ">= 64" }
	END
	check
	[ "$status" -eq 0 ]
	says 'heap.allocs >= 64: green'
	[ -e marked ]
}

@test "prepare: before each run of both sides, where each is, and not measured" {
	mkdir old
	cat >startline.yml <<-'END'
		scenarios:
		  - name: naps
		    command: sh -c 'sleep $(cat nap)'
		    base: { directory: old }
		    prepare: "[ -e startline.yml ] && n=0.08 || n=0.04; echo $n >nap; echo x >>runs; sleep 0.05"
		    gate: time.wall
	END
	check
	[ "$status" -eq 1 ]
	# A preparation of 50 ms is in neither.
	[ "$(v '.outcomes[0].judgements[0].verdict')" = regressed ]
	pairs=$(v '.outcomes[0].interleaved.pairs')
	[ "$(wc -l <runs)" -ge "$pairs" ]
	[ "$(wc -l <old/runs)" -gt "$(wc -l <runs)" ]
}

@test "prepare: fails or takes too long: said with its status, and nothing is run" {
	cat >startline.yml <<-'END'
		scenarios:
		  - name: broken
		    command: touch never
		    prepare: exit 3
		    budgets: { time.wall: "< 5 s" }
		  - name: slow
		    command: touch never
		    timeout: 300 ms
		    prepare: sleep 23.17 & sleep 23.17
		    budgets: { time.wall: "< 5 s" }
		  - name: interleaved
		    command: touch never
		    prepare: kill -9 $$
		    base: { command: touch never }
	END
	check
	[ "$status" -eq 3 ]
	[ "$(v '.outcomes[0].reason')" = "run 1: prepare 'exit 3': exit status 3; -v shows its output" ]
	v '.outcomes[1].reason' | grep -q "run 1: prepare 'sleep 23.17 & sleep 23.17': not done after 300 ms: stopped it"
	v '.outcomes[2].reason' | grep -q "prepare 'kill -9 \$\$': killed by signal 9 (Killed)"
	[ ! -e never ]
	none_left 'sleep 23.17'
}

# --- load -----------------------------------------------------------------------------------------

@test "load: runs once it is ready, ends the run, and is not in what is measured" {
	cat >startline.yml <<-END
		scenarios:
		  - name: served
		    command: $WORKLOADS/served $port
		    ready: accept
		    load: for i in 1 2 3 4 5; do ./ask; done; sleep 0.3
		    runs: 2
		    budgets: { time.wall: "0.3-5 s", startup.ready: "< 0.3 s", heap.allocs: [">= 115", "<= 115"], proc.execs: "<= 1" }
	END
	check
	cat messages
	[ "$status" -eq 0 ]
	says 'time.wall 0.3-5 s: green' 'startup.ready < 0.3 s: green' 'heap.allocs >= 115: green' \
		'heap.allocs <= 115: green' 'proc.execs <= 1: green'
	[ "$(grep -c served asked)" = 10 ]
	none_left "served $port"
}

@test "load: both sides of a comparison have it" {
	cat >startline.yml <<-END
		scenarios:
		  - name: served
		    command: $WORKLOADS/served $port
		    ready: accept
		    load: ./ask; ./ask
		    base: { command: $WORKLOADS/served $port }
		    gate: heap.allocs
	END
	check
	[ "$status" -eq 0 ]
	[ "$(v '.outcomes[0].judgements[0].verdict')" = unchanged ]
	[ "$(v '.outcomes[0].judgements[0] | "\(.base) \(.actual)"')" = "46 46" ]
	[ "$(($(wc -l <asked) % 2))" = 0 ]
}

@test "load: its failure and a crash under it are told apart" {
	cat >startline.yml <<-END
		scenarios:
		  - name: load fails
		    command: $WORKLOADS/served $port
		    ready: accept
		    load: ./ask; exit 4
		    budgets: { time.wall: "< 5 s" }
		  - name: it crashes
		    command: $WORKLOADS/served $port
		    ready: accept
		    load: ./ask die; sleep 0.1; ./ask
		    budgets: { time.wall: "< 5 s" }
		  - name: too long
		    command: $WORKLOADS/served $port
		    ready: accept
		    timeout: 400 ms
		    load: sleep 23.19
		    budgets: { time.wall: "< 5 s" }
	END
	check
	[ "$status" -eq 3 ]
	[ "$(v '.outcomes[0].reason')" = "run 1: load './ask; exit 4': exit status 4; -v shows its output" ]
	[ "$(v '.outcomes[1].reason')" = "run 1: exit status 7, while the load was on it; -v shows its output" ]
	[ "$(v '.outcomes[2].reason')" = "run 1: load 'sleep 23.19': not done after 400 ms: stopped it; -v shows its output" ]
	none_left "served $port"
	none_left "sleep 23.19"
}

@test "load: Ctrl-C ends it, and what it started" {
	cat >startline.yml <<-END
		scenarios:
		  - name: served
		    command: $WORKLOADS/served $port
		    ready: accept
		    load: setsid -f sleep 23.23; touch begun; sleep 23.23
		    budgets: { time.wall: "< 5 s" }
	END
	"$STARTLINE" check >out 2>messages &
	pid=$!
	for i in $(seq 100); do [ -e begun ] && break; sleep 0.05; done
	[ -e begun ]
	kill -INT "$pid"
	wait "$pid" || true
	none_left "served $port"
	none_left "sleep 23.23"
}

# --- background -----------------------------------------------------------------------------------

@test "background: services answer while it is measured, and nothing of them is left" {
	cat >startline.yml <<-END
		scenarios:
		  - name: client
		    command: ./ask
		    env: { PORT: $port }
		    prepare: ./ask
		    background:
		      db: { command: $WORKLOADS/served $port, ready: "accept:$port" }
		      idle: { command: "setsid -f sleep 24.1; echo \$NAME >named; exec sleep 24.1", shell: true, env: { NAME: idle } }
		    runs: 2
		    budgets: { time.wall: "< 5 s", proc.execs: "<= 1" }
	END
	check
	[ "$status" -eq 0 ]
	says 'time.wall < 5 s: green' 'proc.execs <= 1: green'
	[ "$(grep -c served asked)" = 4 ]
	[ "$(cat named)" = idle ]
	none_left "served $port"
	none_left "sleep 24.1"
}

@test "background: what does not start, does not get ready or dies is named" {
	for service in "broken|sh -c 'exit 5'|accept:$port" "none|./nothing|accept:$port" \
		"late|sleep 24.3|cmd:true\", \"tcp:localhost:$port" "dies|$WORKLOADS/served $port|accept:$port"; do
		IFS='|' read -r name command ready <<<"$service"
		printf -- "  - name: %s\n    command: ./ask die\n    runs: 1\n    background: { s: { command: \"%s\", ready: [\"%s\"], timeout: 300 ms } }\n    budgets: { time.wall: '< 5 s' }\n" \
			"$name" "$command" "$ready"
	done >cases
	{ echo scenarios:; cat cases; } >startline.yml
	check
	[ "$status" -eq 3 ]
	v '.outcomes[].reason' >reasons
	sed -n 1p reasons | grep -q "background s: 'sh -c 'exit 5'': exit status 5, before it was ready; -v"
	sed -n 2p reasons | grep -q "background s: './nothing': cannot execute: No such file"
	sed -n 3p reasons | grep -q "background s: 'sleep 24.3': not ready after 300 ms, without tcp:localhost:$port (Connection refused)"
	sed -n 4p reasons | grep -q "exit status 7, while the command was measured"
	none_left "sleep 24.3"
	none_left "served $port"
	# Of a port that somebody else has it is not ready.
	"$WORKLOADS/served" "$port" &
	other=$!
	for i in $(seq 100); do ./ask && break; sleep 0.02; done
	sed -i 's/tcp:localhost/accept/' startline.yml
	check late
	kill "$other"
	[ "$status" -eq 3 ]
	v '.outcomes[0].reason' | grep -q 'background s: somebody else serves there'
	grep -q "served (process $other) serves it" messages
}

@test "background: neither Ctrl-C nor the end of startline leaves anything behind" {
	cat >startline.yml <<-END
		scenarios:
		  - name: client
		    command: sh -c 'touch begun; sleep 3.9'
		    background:
		      db: { command: $WORKLOADS/served $port, ready: "accept:$port" }
		      more: { command: setsid -f sleep 24.7; sleep 24.7, shell: true }
		    budgets: { time.wall: "< 5 s" }
	END
	for signal in TERM KILL; do
		rm -f begun
		"$STARTLINE" check >out 2>messages &
		pid=$!
		for i in $(seq 100); do [ -e begun ] && break; sleep 0.05; done
		[ -e begun ]
		kill -$signal "$pid"
		wait "$pid" || true
		none_left "served $port"
		none_left "sleep 24.7"
	done
}

# signalled: check, ended by TERM once ./begun is there. Asynchronous commands of a shell ignore SIGINT.
signalled() {
	rm -f begun
	status=0
	"$STARTLINE" check --format json >verdict.json 2>messages &
	pid=$!
	for i in $(seq 100); do [ -e begun ] && break; sleep 0.05; done
	[ -e begun ]
	kill -TERM "$pid"
	wait "$pid" || status=$?
}

@test "a signal while a service starts, or in prepare: what there is is judged, nothing is left" {
	cat >startline.yml <<-END
		runs: 3
		scenarios:
		  - { name: done, command: "true", target: "< 5 s" }
		  - name: starting
		    command: touch measured
		    background:
		      first: { command: sleep 25.1 }
		      db: { command: "setsid -f sleep 25.1; touch begun; sleep 25.1", shell: true, ready: "accept:$port" }
		    target: "< 5 s"
		  - { name: not begun, command: touch measured, target: "< 5 s" }
	END
	signalled
	[ "$status" -eq 4 ]
	[ "$(v '[.outcomes[].kind] | join(",")')" = 'judged,cannot judge,cannot judge' ]
	[ "$(v '.outcomes[1].reason')" = 'interrupted before its services were ready' ]
	[ "$(v '.outcomes[2].reason')" = 'interrupted before it began' ]
	says 'time.wall < 5 s: green'
	none_left "sleep 25.1"
	[ ! -e measured ]
	# The third run is not one: it was prepared, and never began.
	for target in "< 5 s|4" "< 1 us|1"; do
		rm -f prepared measured
		cat >startline.yml <<-END
			scenarios:
			  - name: prepared
			    command: sh -c 'echo >>measured'
			    prepare: echo >>prepared; [ "\$(wc -l <prepared)" -lt 3 ] || { setsid -f sleep 25.3; touch begun; sleep 25.3; }
			    runs: 5
			    target: "${target%|*}"
		END
		signalled
		[ "$status" -eq "${target#*|}" ]
		[ "$(v '.outcomes[0].reason')" = 'interrupted after 2 of 5 runs' ]
		[ "$(wc -l <measured)" = 2 ]
		none_left "sleep 25.3"
	done
	# In turns with a base.
	sed -i 's/target:.*/base: { command: "true" }/; s/-lt 3/-lt 12/' startline.yml
	rm -f prepared
	signalled
	[ "$status" -eq 4 ]
	v '.outcomes[0].reason' | grep -qE '^interrupted after [1-4] pairs?$'
	none_left "sleep 25.3"
}

# --- containers -----------------------------------------------------------------------------------

# A daemon that starts processes in cgroups of their own, and ./compose, which asks it to.
start_daemon() {
	root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[ -n "$root" ] || skip "no cgroup of version 2 is mounted"
	id=$(printf '%064x' "$$$RANDOM")
	group=startline-test-$$
	mkdir "$root/$group"
	"$BATS_TEST_DIRNAME/container_daemon" "$root/$group" "$PWD/daemon.sock" 3>&- &
	daemon=$!
	for i in $(seq 100); do [ -S daemon.sock ] && break; sleep 0.02; done
	cat >compose <<-END
		#!/usr/bin/python3
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect("$PWD/daemon.sock")
		s.sendall(" ".join(sys.argv[1:]).encode() + b"\n")
		s.recv(5)
	END
	chmod +x compose
}

teardown() {
	[ -n "${daemon:-}" ] || return 0
	kill "$daemon" && wait "$daemon" || true
	rmdir "$root/$group"
}

@test "containers: what a runtime starts for the command is the run's, up, test and down" {
	start_daemon
	cat >startline.yml <<-END
		scenarios:
		  - name: stack
		    command: ./compose up docker-$id.scope $WORKLOADS/served $port && until ./ask; do sleep 0.02; done; ./compose up other sleep 25.3; ./compose down other; sleep 0.2; ./compose down docker-$id.scope
		    shell: true
		    containers: true
		    runs: 1
		    budgets:
		      "time.child[$WORKLOADS/served $port]": ["> 0.2 s", "< 10 s"]
	END
	check
	cat messages
	[ "$status" -eq 0 ]
	says "time.child[$WORKLOADS/served $port] > 0.2 s: green" "time.child[$WORKLOADS/served $port] < 10 s: green"
	"$STARTLINE" report '~1' --format json >session.json
	# Another cgroup is nobody's container, and the daemon itself was there before.
	[ "$(q '[.runs[].processes[] | select(.argv[0] == "sleep" and .argv[1] == "25.3" or .pid == '"$daemon"')] | length')" = 0 ]
	[ "$(q '[.runs[].processes[] | select(.argv[0] | endswith("/served"))] | length')" = 1 ]
	# Without the key it is nobody's either.
	sed -i '/containers:/d' startline.yml
	check
	[ "$status" -ne 0 ]
}

@test "containers: they are waited for and loaded, and not startline's to end" {
	start_daemon
	cat >startline.yml <<-END
		scenarios:
		  - name: served
		    command: ./compose up $id $WORKLOADS/served $port; sleep 25.7
		    shell: true
		    ready: tcp:localhost:$port
		    load: ./ask; ./ask
		    containers: true
		    runs: 1
		    budgets: { startup.ready: "< 5 s" }
	END
	start=$SECONDS
	check
	cat messages
	[ "$status" -eq 0 ]
	# It is not killed after 5 s because it still runs.
	[ $((SECONDS - start)) -lt 5 ]
	pgrep -f "served $port" >/dev/null
	[ "$(grep -c served asked)" = 2 ]
	none_left 'sleep 25.7'
}

@test "containers: what cannot be followed is said" {
	cat >startline.yml <<-'END'
		containers: true
		scenarios:
		  - { name: a, command: sh ./make, runs: 1, budgets: { time.wall: "< 5 s" } }
	END
	id=$(printf '%064x' "$$$RANDOM")
	old=$(awk '$3 == "cgroup" { print $2; exit }' /proc/mounts)
	echo "${old:+mkdir $old/docker-$id.scope; rmdir $old/docker-$id.scope}" >make
	REFUSE_BPF=load:handle_cgroup_mkdir LD_PRELOAD="$WORKLOADS/refuse_bpf.so" \
		"$STARTLINE" check >out 2>messages
	"$STARTLINE" report '~1' --format json >session.json
	q '.. | strings' | grep -q 'what a container runtime starts is not followed'
	[ -n "$old" ] || return 0
	check
	[ "$status" -eq 0 ]
	"$STARTLINE" report '~1' --format json >session.json
	q '.. | strings' | grep -q 'containers were started in cgroups of version 1'
}

@test "follow_cgroup: what runs in that cgroup is the run's, also what moves itself there" {
	start_daemon
	cat >startline.yml <<-END
		scenarios:
		  - name: stack
		    command: sh -c './compose up mine $WORKLOADS/served $port; sleep 0.2; ./compose down mine'
		    follow_cgroup: $root/$group
		    runs: 1
		    budgets: { "time.child[$WORKLOADS/served $port]": "> 0.1 s" }
	END
	check
	cat messages
	[ "$status" -eq 0 ]
	says "time.child[$WORKLOADS/served $port] > 0.1 s: green"
}

@test "retries: there are none, and why" {
	cat >startline.yml <<-'END'
		scenarios:
		  - { name: a, command: "true", retries: 3 }
	END
	run -2 "$STARTLINE" check --list
	[[ "$output" == *'startline.yml:2:'*'nothing but luck'* ]]
}

@test "a signal in setup ends it with all that it started, and is told" {
	mkdir base
	cat >startline.yml <<-'END'
		scenarios:
		  - name: a
		    command: "true"
		    base: { directory: base, setup: "echo $$ >../setup.pid; sleep 41; true" }
	END
	# Asynchronous commands of a shell ignore SIGINT.
	"$STARTLINE" check >out 2>&1 &
	pid=$!
	for ((i = 0; i < 500; i++)); do
		[ ! -s setup.pid ] || break
		sleep 0.02
	done
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	cat out
	[ "$status" = 4 ]
	grep -qF 'interrupted in' out
	run ! kill -0 "$(cat setup.pid)"
	none_left 'sleep 41'
}
