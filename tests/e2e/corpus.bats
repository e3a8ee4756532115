#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Real programs, from the outside: ladder right, process tree complete with full argv, breakdown
# adds up, no losses, exit status right.

load helpers

setup() {
	setup_workdir
	require_bpf
}

# ladder_holds: exec < bind <= listen <= accept_ready, all captured.
ladder_holds() {
	q '.runs[0].listeners[0] | .bind_ns != null and .listen_ns != null and .accept_ready_ns != null
	   and .bind_ns > 0 and .bind_ns <= .listen_ns and .listen_ns <= .accept_ready_ns' | grep -qx true
	[ "$(q '.runs[0].ready.level')" = accept_ready ]
	[ "$(q '.runs[0].ready.time_ns')" = "$(q '.runs[0].startup.total_ns')" ]
	[ "$(q '.runs[0].exit.reason')" = ready ]
}

server_gone() {
	! ss -Hltn "sport = :$1" | grep -q .
}

@test "redis-server is ready when it first waits in epoll" {
	port=$(free_port)
	session --ready accept -- redis-server --port "$port" --bind 127.0.0.1 --save '' --daemonize no
	[ "$status" -eq 0 ]
	check_session
	ladder_holds
	[ "$(q '.runs[0].ready.endpoint')" = "tcp 127.0.0.1:$port" ]
	[ "$(q '.runs[0].processes[0].exe')" = "$(readlink -f "$(command -v redis-server)")" ]
	[ "$(q '.runs[0].processes[0].argv | join(" ")')" = \
		"redis-server --port $port --bind 127.0.0.1 --save  --daemonize no" ]
	server_gone "$port"
}

@test "nginx: the first worker makes the master's listener ready" {
	port=$(free_port)
	nginx_session "$port"
	[ "$status" -eq 0 ]
	check_session
	ladder_holds
	# The master listened, a worker stands ready.
	[ "$(q '.runs[0].listeners[0].process')" = 1 ]
	[ "$(q '.runs[0].ready.process')" -gt 1 ]
	[ "$(q '.runs[0].ready.process as $id | .runs[0].processes[] | select(.id == $id).parent')" = 1 ]
	# The worker runs the image that the master executed.
	[ "$(q '[.runs[0].milestones[] | select(.name == "linked" or .name == "main")
	        | .process == 1 and .time_ns > 0] | all')" = true ]
	server_gone "$port"
}

@test "python3 -m http.server" {
	port=$(free_port)
	session --ready accept -- python3 -m http.server --bind 127.0.0.1 "$port"
	[ "$status" -eq 0 ]
	check_session
	ladder_holds
	[ "$(q '.runs[0].files.opens')" -gt 23 ]
	[ "$(q '.runs[0].files.misses')" -gt 0 ]
}

@test "a statically linked server" {
	session --ready accept -- "$WORKLOADS/tiny_server.static"
	[ "$status" -eq 0 ]
	check_session
	ladder_holds
	[ "$(q '.runs[0].processes[0].coverage.heap')" = static ]
	[ "$(q '.runs[0].processes[0].heap')" = null ]
}

@test "a static musl server" {
	session --ready accept -- "$WORKLOADS/tiny_server.musl-static"
	[ "$status" -eq 0 ]
	check_session
	ladder_holds
	[ "$(q '.runs[0].processes[0].coverage.heap')" = static ]
}

@test "a shell entry point that sleeps 150 ms and becomes the server" {
	cat >entry.sh <<-END
		#!/bin/sh
		sleep 0.15
		exec $WORKLOADS/tiny_server "\$@"
	END
	chmod +x entry.sh
	session --ready accept -- ./entry.sh one 'two words'
	[ "$status" -eq 0 ]
	check_session
	ladder_holds
	# One process, two images, both with their full argv.
	[ "$(q '.runs[0].processes[0].execs | map(select(.result == "ok")) | length')" = 2 ]
	[ "$(q '.runs[0].processes[0].execs[0].argv | join("|")')" = "/bin/sh|./entry.sh|one|two words" ]
	[ "$(q '.runs[0].processes[0].argv | join("|")')" = "$WORKLOADS/tiny_server|one|two words" ]
	near "$(q '[.runs[0].startup.segments[] | select(.cause == "sleep") | .duration_ns] | add')" 150000000 2
}

@test "make -j2 of a small project" {
	mkdir src
	for i in 1 2 3 4 5 6 7; do echo "int f$i(void) { return $i; }" >"src/f$i.c"; done
	printf 'libf.a: $(patsubst %%.c,%%.o,$(wildcard src/*.c))\n\tar rcs $@ $^\n' >Makefile
	session -- make -j2 CC=gcc
	[ "$status" -eq 0 ]
	[ -f libf.a ]
	check_session
	[ "$(q '[.runs[0].processes[].exe | select(endswith("/cc1"))] | length')" = 7 ]
	[ "$(q '[.runs[0].processes[].argv | select(.[-1] == "-c" or .[0] == "ar")] | length')" -ge 1 ]
	[ "$(q '[.runs[0].processes[] | select(.exit_ns == null or .exit_code != 0)] | length')" = 0 ]
	[ "$(q '.runs[0].ready')" = null ]
	[ "$(q '.runs[0].exit | "\(.code) \(.signal) \(.reason)"')" = "0 null exit" ]
}

@test "a tree of scripts like a test suite's" {
	mkdir t
	for i in 1 2 3; do printf '#!/bin/sh\npython3 -c "import json; print(%s)"\nsleep 0.0%s\n' "$i" "$i" >"t/test_$i.sh"; done
	printf '#!/bin/sh\nfor t in t/test_*.sh; do sh "$t" & done\nwait\nexit 23\n' >suite.sh
	session -- sh suite.sh
	[ "$status" -eq 23 ]
	check_session
	[ "$(q '.runs[0].exit.code')" = 23 ]
	[ "$(q '[.runs[0].processes[] | select(.argv[0] == "python3")] | length')" = 3 ]
	[ "$(q '[.runs[0].processes[] | select(.argv[0] == "sleep")] | length')" = 3 ]
	[ "$(q '[.runs[0].processes[] | select(.argv[0] == "python3").argv[2]] | sort | .[0]')" = \
		"import json; print(1)" ]
	sort stdout | tr '\n' ' ' | grep -qx '1 2 3 '
}

running_is_cpu() { # COMMAND
	session -- sh -c "exec $1"
	[ "$status" -eq 0 ]
	running=$(q '[.runs[0].startup.segments[] | select(.state == "running" and .process == 1) | .duration_ns] | add')
	cpu=$(q '.runs[0].processes[0] | .user_ns + .system_ns')
	near "$running" "$cpu" 2 200000
}

@test "running time of single-threaded programs is the scheduler's own" {
	for command in "$WORKLOADS/burn 410" "python3 -c pass" "gcc --version"; do
		attempts running_is_cpu "$command"
		check_session
	done
}
