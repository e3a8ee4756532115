# SPDX-License-Identifier: MIT
# Without kernel probes the shim reports sockets: the same milestones, close to the
# server's own clock.
load helpers

setup() {
	setup_workdir
}

# logged STEP: when the server's log says it happened, in ns; of two lines the first.
logged() {
	awk -v step="$1" '$1 == step { printf "%.0f\n", ($2 + $3) / 2; exit }' log
}

serves() { # how the server waits, expected evidence
	rm -f log # it is appended to
	session --probes shim --ready accept --timeout 10s -- "$WORKLOADS/net_server" "$1" log
	[ "$status" = 0 ] || { echo "$1: status $status"; cat messages; return 1; }
	wanted=$(($(logged ready) - $(logged listen)))
	seen=$(q '.runs[0].listeners[0] | .accept_ready_ns - .listen_ns')
	near "$seen" "$wanted" 0 10000000 # two processors, other tests beside it
}

@test "bind, listen and accept_ready of accept, poll, select and epoll" {
	for how in accept poll select epoll nested polled deep late; do
		serves "$how" || { echo "$how failed"; return 1; }
	done
}

@test "a server on redis, on python and on node" {
	port=$(free_port)
	for server in "redis-server --port $port --save ''" "python3 -m http.server $port"; do
		session --probes shim --ready "accept:$port" --timeout 20s -- sh -c "exec $server"
		[ "$status" = 0 ] || { echo "$server: status $status"; return 1; }
		[ "$(q '.runs[0].listeners[0].accept_ready_ns > 0')" = true ]
	done
}

@test "a connection to the server is reported by both sides" {
	cat >both.py <<-EOF
		import socket
		s = socket.create_server(("127.0.0.1", 0))
		c = socket.create_connection(s.getsockname())
		a, _ = s.accept()
	EOF
	session --probes shim -- python3 both.py
	[ "$status" = 0 ]
	[ "$(q '.runs[0].connections | length')" = 1 ]
	[ "$(q '.runs[0].connections[0].result')" = ok ]
	[ "$(q '.runs[0].listeners[0].first_accept_ns > 0')" = true ]
}

@test "what this tier does not see of a connection is said, not taken for silence" {
	cat >answer.py <<-EOF
		import socket
		s = socket.create_server(("127.0.0.1", 0))
		c = socket.create_connection(s.getsockname())
		a, _ = s.accept()
		c.sendall(b"question"), a.recv(9), a.sendall(b"answer"), c.recv(9)
	EOF
	session --probes shim -- python3 answer.py
	[ "$(q '.runs[0].milestones[] | select(.name == "first_byte") | [.time_ns, .evidence] | tojson')" = \
		'[null,"not seen without kernel probes"]' ]
	[ "$(q '.runs[0].connections[0].reply_ns')" = null ]
	"$STARTLINE" report session.json | grep -F 'not seen: first_byte (not seen without kernel probes)'
	"$STARTLINE" report --view connections session.json | grep -F 'reply: not seen without'
}

@test "a refused connection, in the background too" {
	port=$(free_port)
	cat >refused.py <<-EOF
		import select, socket
		s = socket.socket()
		try:
		    s.connect(("127.0.0.1", $port))
		except ConnectionRefusedError:
		    pass
		s = socket.socket()
		s.setblocking(False)
		s.connect_ex(("127.0.0.1", $port))
		select.select([], [s], [], 5)
		assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 111
	EOF
	session --probes shim -- python3 refused.py
	[ "$status" = 0 ]
	[ "$(q '[.runs[0].connections[].result] | map(select(. == "ok")) | length')" = 0 ]
	[ "$(q '.runs[0].connections | length')" = 2 ]
}

# serves_like SCRIPT: that Python script, which serves on port $port at last, is found ready.
serves_like() {
	port=$(free_port)
	{
		echo 'import os, select, socket, sys'
		echo 'def server(port=0): return socket.create_server(("127.0.0.1", port))'
		echo 'port = int(sys.argv[1])'
		cat
	} >server.py
	session --probes shim --ready "accept:$port" --timeout 5s -- python3 server.py "$port"
	[ "$status" = 0 ] || { cat messages; return 1; }
	[ "$(q '.runs[0] | "\(.complete) \(.losses.shim) \(.ready.endpoint)"')" = \
		"true 0 tcp 127.0.0.1:$port" ]
}

@test "the last of three hundred listeners" {
	serves_like <<-EOF
		others = [server() for i in range(300)]
		last = server(port)
		set = select.epoll()
		set.register(last, select.EPOLLIN)
		set.poll()
	EOF
}

@test "a set within a set, after forty other descriptors" {
	serves_like <<-EOF
		outer, inner = select.epoll(), select.epoll()
		for i in range(40):
		    outer.register(os.pipe()[0], select.EPOLLIN)
		outer.register(inner, select.EPOLLIN)
		last = server(port)
		inner.register(last, select.EPOLLIN)
		outer.poll()
	EOF
}

@test "a listener in ten sets, of which the last is waited on" {
	serves_like <<-EOF
		last = server(port)
		sets = [select.epoll() for i in range(10)]
		for set in sets:
		    set.register(last, select.EPOLLIN)
		sets[-1].poll()
	EOF
}

@test "a poll that names the set, not the listener" {
	serves_like <<-EOF
		last = server(port)
		set = select.epoll()
		set.register(last, select.EPOLLIN)
		select.select([set], [], [])
	EOF
}

@test "a listener under other numbers" {
	serves_like <<-EOF
		first = server(port)
		os.dup2(first.fileno(), 77)
		first.close()
		poll = select.poll()
		poll.register(77, select.POLLIN)
		poll.poll()
	EOF
}

@test "a listener taken out of a set is not waited for" {
	port=$(free_port)
	cat >removed.py <<-EOF
		import select, socket
		s = socket.create_server(("127.0.0.1", $port))
		set = select.epoll()
		set.register(s, select.EPOLLIN)
		set.unregister(s)
		set.poll(0.1)
		set.register(s, select.EPOLLOUT)
		set.poll(0.1)
	EOF
	session --probes shim -- python3 removed.py
	[ "$(q '.runs[0].listeners[0].accept_ready_ns')" = null ]
}

@test "a listener that was closed, or is never served, costs other waits next to nothing" {
	command -v strace >/dev/null || skip "no strace"
	for end in 'closed.close()' 'pass'; do
		cat >waits.py <<-EOF
			import os, select, socket
			closed = socket.create_server(("127.0.0.1", 0))
			$end
			poll = select.poll()
			for i in range(20):
			    poll.register(os.pipe()[0], select.POLLIN)
			for i in range(1009):
			    poll.poll(0)
		EOF
		strace -f -qq -o calls "$STARTLINE" run -q -o /dev/null --probes shim -- python3 waits.py
		[ "$(grep -c ' poll(' calls)" -ge 1009 ]
		# Beside each wait at most one call that is not the program's, not one a descriptor.
		[ "$(grep -c ' fstat(\| newfstatat(\| rt_sigprocmask(' calls)" -lt 2500 ]
	done
}
