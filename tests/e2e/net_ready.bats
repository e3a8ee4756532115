#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# When a program first stands ready to accept, in each way there is, against its own clock.

load helpers
load net_helpers

setup() {
	setup_workdir
	require_bpf
}

# ready_by WORKLOAD_HOW EVENT_HOW [SLACK_NS]: binds, sleeps 150 ms, listens, computes 230 ms, waits.
ready_by() {
	observe --ready accept -- "$WORKLOADS/net_server" "$1"
	[ "$status" -eq 0 ] &&
		[ "$(count listen)" = 1 ] &&
		[ "$(count accept_ready)" = 1 ] &&
		[ "$(event accept_ready 3)" = "$2" ] &&
		[ "$(event accept_ready 7)" = "$(event listen 7)" ] &&
		[ "$(event accept_ready 11)" = "$(event bind 11)" ] &&
		same "$(event listen 1)" "$(logged listen after)" &&
		same "$(event accept_ready 1)" "$(logged ready)" "${3:-$MS}" &&
		q '.runs[0].listeners[0] | (.accept_ready_ns - .listen_ns) >= 230e6' | grep -qx true
}

@test "accept: ready when it blocks" {
	attempts ready_by accept accept
}

@test "poll: ready when it polls the listener" {
	attempts ready_by poll poll
}

@test "poll: also when the call returns at once for another descriptor" {
	attempts ready_by busy poll
}

@test "select: ready when the listener is in the set, beyond its first word" {
	attempts ready_by select select
}

@test "epoll: ready at the wait, not when the listener is added" {
	attempts ready_by epoll epoll
}

@test "epoll: a set inside the one that is waited on counts" {
	attempts ready_by nested epoll
}

@test "poll, select: an epoll set among the descriptors counts for what it holds" {
	attempts ready_by polled epoll
	attempts ready_by deep epoll
}

@test "epoll: a listener added while a thread waits counts at once, for that thread" {
	attempts ready_by late epoll
	[ "$(event accept_ready 9)" = "$(event listen 9)" ]
	[ "$(event accept_ready 10)" != "$(event listen 10)" ]
}

@test "io_uring: ready when the accept is submitted" {
	attempts ready_by io_uring io_uring
}

@test "io_uring: multishot accept" {
	attempts ready_by multishot io_uring
}

@test "io_uring: submitted by a kernel thread, still the process's" {
	attempts ready_by sqpoll io_uring $((11 * MS)) # that thread has to get a CPU first
	[ "$(event accept_ready 9)" = "$(event listen 9)" ]
}

@test "io_uring: bind and listen without a system call" {
	status=0
	"$WORKLOADS/net_server" ring log & server=$!
	sleep 0.3
	kill "$server" || true
	wait "$server" || status=$?
	[ "$status" -ne 77 ] || skip "no IORING_OP_LISTEN before Linux 6.11"
	attempts ready_by ring io_uring
}

@test "io_uring: a registered file" {
	attempts ready_by fixed io_uring
}

edge_until_accept() {
	observe --until 1500ms -- "$WORKLOADS/net_server" edge
	[ "$status" -eq 0 ] &&
		same "$(event accept_ready 1 epoll_edge)" "$(logged ready)" &&
		same "$(event accept_ready 1 edge_accept)" "$(logged accept)" &&
		[ "$(event accept 5)" = -11 ]
}

@test "edge-triggered: unconfirmed at the wait, ready at the first accept try 170 ms later" {
	attempts edge_until_accept
	q '.runs[0].listeners[0].evidence' | grep -qx 'edge-triggered, first accept'
	near "$(q '.runs[0].listeners[0] | .accept_ready_ns - .listen_ns')" \
		$(($(logged accept) - $(logged listen after))) 0 "$MS"
}

# datagrams HOW EVIDENCE: binds, waits 150 ms, and receives in that way.
datagrams() {
	cat >datagrams.py <<-'END'
		import select, socket, sys, time
		how, log = sys.argv[1:3]
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind(("127.0.0.1", 0))
		time.sleep(0.15)
		e = select.epoll()
		e.register(s, select.EPOLLIN | (select.EPOLLET if how == "edge" else 0))
		p = select.poll()
		p.register(s, select.POLLIN)
		call = {"recvfrom": lambda: s.recvfrom(9), "recvmsg": lambda: s.recvmsg(9), "poll": p.poll,
		        "epoll": e.poll, "edge": e.poll, "sleep": lambda: time.sleep(9)}[how]
		now = time.monotonic_ns()
		with open(log, "w") as f:
		    f.write("ready %d %d\n" % (now, now))
		call()
	END
	observe --ready accept --timeout 2s -- python3 datagrams.py "$1"
	[ "$status" = 0 ] && same "$(event accept_ready 1)" "$(logged ready)" $((2 * MS)) &&
		[ "$(q '.runs[0].listeners[0].evidence')" = "$2" ] &&
		[ "$(q '.runs[0] | .ready.time_ns == .listeners[0].accept_ready_ns')" = true ] &&
		q '.runs[0].ready.endpoint' | grep -q '^udp 127.0.0.1:'
}

@test "datagrams: where nothing listens, ready at the first wait to receive on a bound socket" {
	attempts datagrams recvfrom receive
	attempts datagrams recvmsg receive
	attempts datagrams poll poll
	attempts datagrams epoll epoll_wait
	attempts datagrams edge epoll_wait
}

@test "datagrams: a socket that nobody waits on is named by the timeout, a client's is no listener" {
	datagrams sleep '' || true
	[ "$status" = 124 ]
	grep -F 'nothing listens; udp 127.0.0.1:' messages
	session -- python3 -c 'import socket
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(("127.0.0.1", 0))
	s.settimeout(0.2)
	try: s.recv(9)
	except socket.timeout: pass'
	[ "$(q '.runs[0].listeners | length')" = 0 ]
}

@test "datagrams: a listener that comes later is what counts" {
	cat >both.py <<-'END'
		import socket, time
		d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		d.bind(("127.0.0.1", 0))
		d.setblocking(False)
		try: d.recv(9)
		except BlockingIOError: pass
		s = socket.create_server(("127.0.0.1", 0))
		time.sleep(0.3)
		s.accept()
	END
	session --ready accept --timeout 5s -- python3 both.py
	[ "$status" = 0 ]
	q '.runs[0].ready.endpoint' | grep -q '^tcp'
	[ "$(q '.runs[0].listeners | length')" = 1 ]
}
