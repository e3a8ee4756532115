#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What must hold under every kernel, each check touching what kernels do differently: run by
# tools/kernels in a virtual machine, some ten times slower than a real one, so that times are
# compared generously. tests/e2e has the strict ones.

load ../e2e/helpers
load ../e2e/net_helpers

MS=100000000 # what `same` takes for one time, in ns: the host may take the only CPU away

setup() {
	setup_workdir
}

# What startline said, for who reads why a check failed.
teardown() {
	cat messages 2>/dev/null || true
}

# ready_by HOW EVENT: of the server that sleeps 150 ms, listens, and computes 230 ms before it waits.
ready_by() {
	observe --ready accept -- "$WORKLOADS/net_server" "$1"
	[ "$status" -eq 0 ]
	check_session
	[ "$(event accept_ready 3)" = "$2" ]
	same "$(event listen 1)" "$(logged listen after)"
	same "$(event accept_ready 1)" "$(logged ready)"
	q '.runs[0].listeners[0] | .accept_ready_ns - .listen_ns >= 230e6' | grep -qx true
}

# segments CAUSE: how long the critical path was in it, in ns.
segments() {
	q "[.runs[0].startup.segments[] | select(.cause == \"$1\").duration_ns] | add"
}

# kernel_before VERSION: is this one older?
kernel_before() {
	[ "$(printf '%s\n' "$1" "$(uname -r)" | sort -V | head -n 1)" != "$1" ]
}

@test "every program that the kernel has a tracepoint for loads and attaches" {
	"$STARTLINE" doctor --format json >doctor
	[ "$(jq -r '.rows[] | select(.name == "kernel probes").state' doctor)" = ok ]
	# What this kernel has, it also takes.
	jq -r '.rows[] | select((.name | startswith("probe: ")) and .state != "ok").found' doctor >lacking
	fails grep -v 'this kernel does not have it' lacking
	"$STARTLINE" run -vv --probes bpf -- true >log 2>&1
	if grep -a 'failed to load' log; then
		grep -a -B 20 'END PROG LOAD LOG' log
		return 1
	fi
	grep -aq "found program 'handle_switch'" log # what libbpf says is there to be searched
}

@test "what memory is made of, and how fast the CPU was" {
	session -- "$WORKLOADS/resident" give file
	[ "$status" -eq 0 ]
	# Files of a system that is all in memory are shared memory.
	q '.runs[0].processes[0].rss.peak | .anonymous_bytes >= 29e6 and .file_bytes + .shared_bytes >= 29e6' | grep -qx true
	session --stacks 999 -- "$WORKLOADS/burn" 300
	q '.runs[0].tree.cpu_speed > 0' | grep -qx true
}

@test "true: complete, adds up" {
	session -- true
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].processes[0].argv | join(" ")')" = true ]
}

@test "redis-server: ready to accept" {
	port=$(free_port)
	session --ready accept -- redis-server --port "$port" --save ''
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].ready.level')" = accept_ready ]
	[ "$(q '.runs[0].ready.endpoint' | sed 's/.*://')" = "$port" ]
}

@test "python3 -m http.server: ready by poll" {
	port=$(free_port)
	session --ready accept -- python3 -m http.server --bind 127.0.0.1 "$port"
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].ready.endpoint')" = "tcp 127.0.0.1:$port" ]
}

@test "nginx: a worker is ready, on the master's listener" {
	port=$(free_port)
	nginx_session "$port"
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].listeners[0].process')" = 1 ]
	[ "$(q '.runs[0].ready.process')" -gt 1 ]
}

@test "a port that lies for 230 ms, by accept" {
	ready_by accept accept
}

@test "… by poll; 150 ms of sleep, 230 ms of computing" {
	ready_by poll poll
	near "$(segments sleep)" 150000000 10
	# No upper bound: what the host takes from the machine is running time in it.
	[ "$(segments cpu)" -ge 200000000 ]
}

@test "… by select" {
	ready_by select select
}

@test "… by epoll, and by a set inside a set" {
	ready_by epoll epoll
	ready_by nested epoll
}

@test "… by io_uring, also when a kernel thread submits" {
	ready_by io_uring io_uring
	ready_by sqpoll io_uring
}

@test "… by io_uring, a multishot accept" {
	! kernel_before 5.19 || skip "io_uring has them since Linux 5.19"
	ready_by multishot io_uring
}

@test "an inherited listener is found" {
	observe_activated
	[ "$(event inherited 6)" = 9 ]
	same "$(event accept_ready 1)" "$(logged ready)"
}

@test "a connect that waits 170 ms, with its peer; also an abstract name" {
	observe -- "$WORKLOADS/net_client" unix
	[ "$(event connect 11 '' 2)" = "unix:log.sock" ]
	same "$(event connect 1 '' 2)" "$(logged connect after)"
	near "$(segments connect)" 170000000 20
	observe -- "$WORKLOADS/net_client" abstract
	[ "$(event connect 11 '' 2)" = "unix:@log.sock" ]
}

@test "a connect by io_uring" {
	observe -- "$WORKLOADS/net_client" uring
	[ "$(count connect)" = 1 ]
}

@test "a reply after 170 ms; bytes sent and received" {
	observe -- "$WORKLOADS/net_client" reply
	near "$(q '.runs[0].connections[0].reply_ns')" 170000000 20
	q '[.metrics[] | select(.id == "net.rx" or .id == "net.tx") | .values[0]] | add' | grep -qx 128
}

@test "500 fork and exec: each with its command line, none lost" {
	echo 'i=0; while [ $i -lt 500 ]; do /bin/true $i; i=$((i+1)); done' >storm.sh
	session --probes bpf -- sh storm.sh
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '[.runs[0].processes[] | select(.exit_code == 0) | .argv[1] // "none"] | unique | length')" = 501 ]
}

@test "a path of 20 components, whole" {
	deep=$PWD
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		deep=$deep/component-$i-of-a-long-path
	done
	mkdir -p "$deep"
	cp /bin/true "$deep/true"
	session --probes bpf -- "$deep/true"
	[ "$(q '.runs[0].processes[0].exe')" = "$deep/true" ]
}

@test "a child's sleep is the parent's wait" {
	session --probes bpf -- sh -c '(sleep 0.3); exit 7'
	[ "$status" -eq 7 ]
	check_session
	near "$(segments sleep)" 300000000 10
}

@test "the peak of resident memory is the kernel's" {
	session --probes bpf -- python3 -c 'x = b"x" * 40000000
del x
print([l.split()[1] for l in open("/proc/self/status") if l.startswith("VmHWM")][0])'
	near "$(q '.metrics[] | select(.id == "mem.peak_rss").values[0]')" "$(($(cat stdout) * 1024))" 3
}
