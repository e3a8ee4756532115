#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Kernels that refuse probes, one by one and by kind: the others tell what they tell, and what is
# lost is named. A preloaded library plays the kernel (tests/workloads/refuse_bpf.c).
bats_require_minimum_version 1.5.0

load ../e2e/helpers

setup() {
	setup_workdir
	require_bpf
	# Sleeps in a child, opens a file, listens and connects to itself, makes a thread.
	cat >work.py <<-'END'
		import os, socket, subprocess, threading
		l = socket.socket()
		l.bind(("127.0.0.1", 0))
		l.listen()
		c = socket.socket()
		c.connect(l.getsockname())
		s = l.accept()[0]
		c.send(b"x" * 23)
		s.recv(23)
		try:
		    open("missing")
		except OSError:
		    pass
		t = threading.Thread(target=lambda: sum(range(300000)))
		t.start()
		t.join()
		subprocess.run(["/bin/sleep", "0.05"])
		os._exit(41)
	END
}

# refusing WORDS [OPTIONS...] -- COMMAND: a session in ./session.json.
refusing() {
	local words=$1
	shift
	status=0
	REFUSE_BPF=$words LD_PRELOAD="$WORKLOADS/refuse_bpf.so" \
		"$STARTLINE" run --format json -o session.json --trace t.slt "$@" \
		>stdout 2>messages || status=$?
	"$ROOT/tests/e2e/validate" session.json
}

# value ID: a metric's value in the first run.
value() {
	q ".metrics[] | select(.id == \"$1\").values[0]"
}

# nulls: ids of metrics that are null; without families, which have a peer's port in their names.
nulls() {
	q '[.metrics[] | select(.values[0] == null).id | select(contains("[") | not)] | sort | .[]'
}

# What an unhindered kernel tells of the same program.
unhindered() {
	refusing "" -- python3 work.py
	[ "$(q '[.coverage.probes[] | select(.error != null and .lost != null)] | length')" = 0 ]
	nulls >usually_null
}

# What must be as ever where the needed probes are there: all but what is said to be lost.
holds() {
	[ "$status" = 41 ]
	[ "$(q '.runs[0] | .complete and .losses.bpf == 0')" = true ]
	[ "$(q '.runs[0].exit.code')" = 41 ]
	[ "$(q '.runs[0].processes | length')" = 2 ]
	[ "$(q '.runs[0].processes[1].argv | join(" ")')" = "/bin/sleep 0.05" ]
	[ "$(q '.runs[0].processes[1].coverage.kernel')" = bpf ]
	[ "$(value proc.count) $(value proc.execs)" = "2 2" ]
	q '.coverage.probes[].metrics[] | select(endswith("[]") | not)' | sort -u - usually_null >expected
	nulls | diff expected -
	# No segment has a cause that is said to be lost.
	[ "$(q '[.coverage.probes[].causes[]] as $lost
		| [.runs[0].startup.segments // [] | .[].cause | select(IN($lost[]))] | length')" = 0 ]
}

@test "each probe that is refused costs only what it alone tells" {
	unhindered
	while read -r program name; do
		echo "refused: $program"
		refusing "load:$program" -- python3 work.py
		holds
		[[ "$(q ".coverage.probes[] | select(.name == \"$name\").error")" = *"Operation not permitted" ]]
	done <<-'END'
		handle_sys_enter system calls
		handle_sys_exit system calls
		handle_switch switches
		handle_waking wake-ups
		handle_rss_stat resident memory
		handle_page_fault page faults
		handle_inet_sock_set_state socket states
		handle_sock_send_length socket bytes
		handle_sock_recv_length socket bytes
		handle_submit_req io_uring submissions
		handle_poll_arm io_uring polls
		handle_uring_complete io_uring completions
		handle_walk walk over tasks
	END
}

@test "the same where it is loaded, and cannot be attached" {
	unhindered
	for program in handle_switch handle_waking handle_page_fault handle_submit_req handle_walk; do
		echo "refused: $program"
		refusing "attach:$program" -- python3 work.py
		holds
		[ "$(q '[.coverage.probes[] | select(.error != null)] | length')" -ge 1 ]
	done
}

@test "whatever else is refused, fork, exec and exit suffice" {
	unhindered
	all="load:handle_sys_enter load:handle_switch load:handle_waking load:handle_rss_stat
	     load:handle_page_fault load:handle_inet_soc load:handle_sock_sen load:handle_submit_r
	     load:handle_submit_s load:handle_poll_arm load:handle_uring_co load:handle_walk"
	refusing "$(echo $all)" -- python3 work.py
	holds
	[ "$(q '.runs[0].startup.segments')" = null ]
	# By other errors, too: a verifier's, one of memory.
	refusing "13 $(echo $all)" -- python3 work.py
	holds
	refusing "12 $(echo $all)" -- python3 work.py
	holds
}

@test "a kernel without iterators, and one without perf events" {
	unhindered
	refusing "load:@iter" -- python3 work.py
	holds
	[ "$(q '.coverage.probes[] | select(.name == "names of wait places").mechanism')" = /proc/kallsyms ]
	refusing "attach:@iter" -- python3 work.py
	holds
	refusing "load:@perf_event" -- python3 work.py
	holds
	[ "$(q '[.coverage.probes[] | select(.error != null and .lost != null).name] | join(",")')" = 'frames of Python and Go' ]
}

@test "a needed one that is refused leaves the other sources, and is said first" {
	for words in load:handle_fork load:handle_exec load:handle_exit attach:handle_exec load:@tp_btf load:@raw_tp; do
		echo "refused: $words"
		refusing "$words" -- python3 work.py
		[ "$status" = 41 ]
		[ "$(q '.runs[0].exit.code')" = 41 ]
		[ "$(q '.runs[0].losses.bpf')" = null ]
		[ "$(q '.runs[0].startup.segments')" = null ]
		[ "$(value proc.count) $(value files.opens)" = "null null" ]
		[[ "$(q '.coverage.probes[] | [.name, .mechanism, .error] | join("|")')" = "kernel events||"*[a-z]* ]]
		[[ "$(q '.runs[0].processes[0].coverage.kernel')" = "no bpf: "* ]]
		"$STARTLINE" report t.slt >report
		head -n 4 report | grep -qE '^no kernel events: .*(refused|not permitted)'
		[ "$(grep -c 'no kernel events' report)" = 1 ]
	done
}

@test "wait places have their names by the iterator, else by kallsyms" {
	for words in load:handle_sys_enter "load:handle_sys_enter load:handle_walk"; do
		refusing "$words" -- sleep 0.1
		[ "$status" = 0 ]
		q '.runs[0].startup.segments[] | select(.cause == "kernel") | .detail' >details
		grep -qx 'hrtimer_nanosleep' details
	done
	# More than one visit to a task can print, in a namespace that has few.
	[ "$(q '.coverage.probes[] | select(.name == "names of wait places").error')" != null ]
}

@test "memory at readiness and at its peak comes from /proc then" {
	cat >server.py <<-'END'
		import socket, time
		block = bytearray(64 << 20)
		s = socket.socket()
		s.bind(("127.0.0.1", 0))
		s.listen()
		s.accept()
	END
	for words in load:handle_rss_stat load:handle_walk; do
		refusing "$words" --ready accept -- python3 server.py
		[ "$status" = 0 ]
		[ "$(q '.runs[0].ready.level')" = accept_ready ]
		[ "$(value mem.ready_rss)" -gt 67000000 ]
		[ "$(value mem.ready_rss)" -lt 120000000 ]
	done
}

@test "without system calls the shim tells who listens, and output goes through a pipe" {
	cat >server.py <<-'END'
		import socket, time
		s = socket.socket()
		s.bind(("127.0.0.1", 0))
		s.listen()
		print("up", flush=True)
		time.sleep(0.1)
		s.accept()
	END
	for spec in accept log:up; do
		refusing load:handle_sys_exit --ready $spec --timeout 20s -- /usr/bin/python3 server.py
		[ "$status" = 0 ]
		[ "$(cat stdout)" = up ]
		[ "$(q '.runs[0].processes | length')" = 1 ]
		[ "$(q '.runs[0] | .complete and .losses.bpf == 0')" = true ]
		[ "$(q '.coverage.probes[] | select(.name == "system calls").mechanism')" = "the shim" ]
		[ "$(value startup.listen)" -gt 0 ]
		[ "$(value startup.ready)" -ge "$(value startup.listen)" ]
		[ "$(value files.opens)" = null ]
		[ "$(q '.runs[0].processes[0].syscalls')" = null ]
		q '.metrics[].id' | fails grep -q '^sys.calls'
	done
	refusing load:handle_sys_exit --ready accept --timeout 20s -- /usr/bin/python3 server.py
	[ "$(q '.runs[0].listeners[0] | .accept_ready_ns - .listen_ns > 99000000')" = true ]
	[ "$(q '.runs[0].milestones[] | select(.name == "listen").source')" = shim ]
	# Of a static program it sees nothing, and says so.
	refusing load:handle_sys_exit -- "$WORKLOADS/opens.static"
	[ "$(q '.runs[0].milestones[] | select(.name == "listen").evidence')" = "the shim saw no listening socket" ]
	# Nor is waited for what nobody can tell.
	status=0
	REFUSE_BPF=load:handle_sys_exit LD_PRELOAD="$WORKLOADS/refuse_bpf.so" "$STARTLINE" run -q \
		--probes bpf --ready accept -- /usr/bin/python3 server.py >stdout 2>messages || status=$?
	[ "$status" = 125 ]
	grep -q 'neither kernel probes nor the shim can tell' messages
}

@test "reports and doctor name what is lost, and what to do" {
	words="load:handle_waking load:handle_rss_stat"
	refusing "$words" -- true
	"$STARTLINE" report t.slt >report
	grep -q '^What this kernel does not tell' report
	grep -q 'wake-ups: tp_btf/sched_waking: Operation not permitted' report
	grep -q 'what to do: ' report
	[ "$(wc -L <report)" -le 80 ]
	"$STARTLINE" report t.slt --view probes --format json >probes
	[ "$(jq -r '.rows[] | select(.name == "resident memory") | .mechanism' probes)" = /proc ]
	[ "$(jq -r '.rows[] | select(.name == "wake-ups") | .mechanism' probes)" = null ]
	REFUSE_BPF=$words LD_PRELOAD="$WORKLOADS/refuse_bpf.so" "$STARTLINE" doctor --format json >doctor
	[ "$(jq -r '.rows[] | select(.name == "probe: wake-ups") | .state' doctor)" = missing ]
	[ "$(jq -r '.rows[] | select(.name == "probe: wake-ups") | .metrics' doctor | grep -c startup.main)" = 1 ]
	[ "$(jq -r '.rows[] | select(.name == "probe: resident memory") | .state' doctor)" = limited ]
	[ "$(jq -r '.rows[] | select(.name == "kernel probes") | .state' doctor)" = ok ]
	[ "$(grep -c 'who woke whom' report)" = 1 ]
	# An unhindered kernel: nothing of that. A comparison says what one side lacks.
	mv session.json refused.json
	refusing "" -- true
	"$STARTLINE" compare session.json refused.json | grep -q '^head: wake-ups: who woke whom'
	"$STARTLINE" report t.slt >report
	fails grep -q "does not tell" report
}

@test "each program is in the table, under a name that the kernel keeps" {
	cat "$ROOT"/bpf/*.bpf.c | sed -n '/^SEC("[a-z_]*\//{n;s/^int \([a-z0-9_]*\)(.*/\1/p}' | sort >programs
	[ "$(wc -l <programs)" -gt 10 ]
	while read -r program; do
		grep -q "\"$program\"" "$ROOT/userspace/collect/bpf/probes.c" || {
			echo "$program has no row"
			return 1
		}
	done <programs
	[ "$(cut -c1-15 programs | sort -u | wc -l)" = "$(wc -l <programs)" ]
}
