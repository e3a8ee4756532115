#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A listener is a socket: not a descriptor, not a process, not a port.

load helpers
load net_helpers

setup() {
	setup_workdir
	require_bpf
}

# shared HOW EVENT_HOW: one listener, ready when the log says so first.
shared() {
	observe --ready accept -- "$WORKLOADS/net_share" "$1"
	[ "$status" -eq 0 ] &&
		[ "$(count listen)" = 1 ] &&
		[ "$(count accept_ready)" = 1 ] &&
		[ "$(event accept_ready 3)" = "$2" ] &&
		[ "$(event accept_ready 7)" = "$(event listen 7)" ] &&
		same "$(event accept_ready 1)" "$(logged ready)"
}

@test "a duplicated descriptor is the same listener" {
	attempts shared dup accept
	[ "$(event accept_ready 6)" != "$(event listen 6)" ]
}

@test "pre-fork: the first child that is ready counts, for the parent's listener" {
	attempts shared fork accept
	[ "$(event accept_ready 9)" != "$(event listen 9)" ]
}

@test "pre-fork: the others do not count again" {
	observe --until 300ms -- "$WORKLOADS/net_share" fork
	[ "$(wc -l <log)" -eq 3 ]
	[ "$(count accept_ready)" = 1 ]
}

@test "a descriptor passed over a UNIX socket is the same listener" {
	attempts shared pass poll
	[ "$(event accept_ready 9)" != "$(event listen 9)" ]
}

@test "a listener inherited through exec" {
	attempts shared exec accept
	[ "$(count inherited)" = 1 ]
	[ "$(event inherited 7)" = "$(event listen 7)" ]
	[ "$(event inherited 11)" = "$(event listen 11)" ]
}

@test "a listener that startline's own parent opened: socket activation" {
	observe_activated
	[ "$(count listen)" = 0 ]
	[ "$(event inherited 6)" = 9 ]
	[ "$(event accept_ready 7)" = "$(event inherited 7)" ]
	q '.runs[0].listeners | length' | grep -qx 1
	q '.runs[0].listeners[0] | .listen_ns == null and .accept_ready_ns > 0' | grep -qx true
}

both_of_a_port() {
	observe --ready accept:all -- "$WORKLOADS/net_share" reuseport
	[ "$status" -eq 0 ] &&
		[ "$(count accept_ready)" = 2 ] &&
		same "$(event accept_ready 1 '' 1)" "$(logged ready before 1)" &&
		same "$(event accept_ready 1 '' 2)" "$(logged ready before 2)"
}

@test "SO_REUSEPORT: two sockets of one port are ready one by one" {
	attempts both_of_a_port
	[ "$(event accept_ready 7 '' 1)" != "$(event accept_ready 7 '' 2)" ]
	[ "$(event accept_ready 11 '' 1)" = "$(event accept_ready 11 '' 2)" ]
	q '.runs[0].listeners | length' | grep -qx 2
}

@test "a listener that was closed is not taken for the one that follows" {
	observe --ready accept:all -- "$WORKLOADS/net_share" restart
	[ "$(count listen)" = 2 ]
	[ "$(count accept_ready)" = 1 ]
	[ "$(event accept_ready 7)" = "$(event listen 7 '' 2)" ]
	[ "$(event accept_ready 7)" != "$(event listen 7 '' 1)" ]
}

# one_truth ENDPOINT_NUMBER: headline, ladder, metrics and the listener of that number (from 0) say the
# same, and only that one is called the main one.
one_truth() {
	q ".runs[0] as \$r | \$r.listeners[$1] as \$l | [
		\$l.main, ([\$r.listeners[] | select(.main)] | length) == 1,
		\$r.ready.endpoint == \$l.endpoint, \$r.ready.time_ns == \$l.accept_ready_ns,
		(\$r.milestones[] | select(.name == \"listen\").time_ns) == \$l.listen_ns,
		(\$r.milestones[] | select(.name == \"accept_ready\").time_ns) == \$l.accept_ready_ns,
		(.metrics[] | select(.id == \"startup.listen\").values[0]) == \$l.listen_ns,
		(.metrics[] | select(.id == \"startup.accept_ready\").values[0]) == \$l.accept_ready_ns
	] | all" | grep -qx true || { q '.runs[0] | .ready, .listeners, .milestones'; return 1; }
}

@test "ten listeners: the first that listened, though it is the last to be waited on" {
	cat >ten.py <<-'END'
		import select, socket, time
		all = [socket.create_server(("127.0.0.1", 0)) for _ in range(10)]
		e = select.epoll()
		for s in reversed(all):
		    time.sleep(0.02)
		    e.register(s, select.EPOLLIN)
		    e.poll(0)
		time.sleep(9)
	END
	session --ready accept -- python3 ten.py
	[ "$status" = 0 ]
	one_truth 0
	[ "$(q '[.runs[0].listeners[] | select(.accept_ready_ns == null)] | length')" = 0 ]
	q '.runs[0].findings[] | select(.id == "early-listen").cost_ns
		>= 180000000' | grep -qx true
}

@test "SO_REUSEPORT: the socket that is served first is the headline's, and not another of its port" {
	cat >pair.py <<-'END'
		import socket, sys, time
		def listener(port):
		    s = socket.socket()
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
		    s.bind(("127.0.0.1", port))
		    s.listen()
		    return s
		a = listener(int(sys.argv[1]))
		time.sleep(0.05)
		b = listener(int(sys.argv[1]))
		time.sleep(0.05)
		b.settimeout(0.1)
		try: b.accept()
		except TimeoutError: a.accept()
	END
	port=$(free_port)
	session --ready "accept:$port" -- python3 pair.py "$port"
	[ "$status" = 0 ]
	one_truth 1
	session --ready accept -- python3 pair.py "$port"
	[ "$status" = 0 ]
	one_truth 0
	session --ready accept:all -- python3 pair.py "$port"
	[ "$status" = 0 ]
	one_truth 0
}

@test "SO_REUSEPORT, edge-triggered: a connection proves the socket that the kernel chose" {
	cat >pair.py <<-'END'
		import select, socket, time
		def listener(port):
		    s = socket.socket()
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
		    s.bind(("127.0.0.1", port))
		    s.listen()
		    s.setblocking(False)
		    return s
		a = listener(0)
		b = listener(a.getsockname()[1])
		e = select.epoll()
		for s in a, b:
		    e.register(s, select.EPOLLIN | select.EPOLLET)
		while True:
		    for fd, _ in e.poll():
		        (a if fd == a.fileno() else b).accept()
	END
	# Either may be chosen; it is asked until it is the one that is waited for.
	for i in 1 2 3 4; do
		session --ready accept --timeout 5s -- python3 pair.py
		[ "$status" = 0 ] || { cat messages; return 1; }
		one_truth 0
		q '.runs[0].listeners[0].evidence' | grep -qx 'edge-triggered, confirmed by a connection'
	done
}

@test "a helper that listened and ended is not waited for" {
	cat >helped.sh <<-'END'
		python3 -c 'import socket
		s = socket.socket(socket.AF_UNIX); s.bind("helper"); s.listen()
		t = socket.create_server(("127.0.0.1", 0))'
		exec python3 -c 'import socket; socket.create_server(("127.0.0.1", 0)).accept()'
	END
	for probes in auto shim; do
		rm -f helper
		session --ready accept --timeout 8s --probes "$probes" -- sh helped.sh
		[ "$status" = 0 ] || { cat messages; return 1; }
		one_truth 2
	done
}
