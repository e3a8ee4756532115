#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Kernels that refuse probes, one by one and by kind: the others tell what they tell, and what is
# lost is named. A preloaded library plays the kernel (tests/workloads/refuse_bpf.c).
bats_require_minimum_version 1.5.0

load helpers

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
