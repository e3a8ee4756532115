#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A run that goes on after readiness: what nothing later needs is detached.
bats_require_minimum_version 1.5.0

load helpers

setup() {
	setup_workdir
	require_bpf
	cat >server.py <<-'END'
		import socket, sys, time
		s = socket.socket()
		s.bind(("127.0.0.1", 0))
		s.listen()
		s.settimeout(0.8)
		try:
		    s.accept()
		except OSError:
		    pass
	END
}

# links PID: how many attached probes the process holds.
links() {
	grep -l '^link_id' /proc/"$1"/fdinfo/* 2>/dev/null | wc -l
}

# watch OPTION...: runs the server; the numbers of links that were seen, one a line, are in ./seen.
watch() {
	"$STARTLINE" run -q --format json -o session.json --trace t.slt "$@" -- \
		/usr/bin/python3 server.py </dev/null >out 2>messages 3>&- &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		links $pid
		sleep 0.02
	done >seen
	wait $pid
}

@test "after readiness there are fewer probes, and the recording says since when" {
	watch --until exit
	# The last ones are seen while it ends.
	all=$(sort -n seen | tail -n 1)
	watch --ready accept --until exit
	[ "$(sort -n seen | uniq -c | sort -n | tail -n 1 | awk '{ print $2 }')" = $((all - 1)) ]
	check_session
	"$STARTLINE" report t.slt --view events >events
	awk '/ accept_ready / && !ready { ready = $1 }
	     /source.bpf.detached=page_fault_user/ { off = $1 }
	     END { exit !(ready > 0 && off >= ready && off < ready + 200) }' events
	# The rest of the run is seen all the same.
	[ "$(q '.runs[0].processes[0].exit_code')" = 0 ]
	[ "$(q '.runs[0].startup.total_ns == .runs[0].ready.time_ns')" = true ]
	[ "$(q '[.metrics[] | select(.id | IN("time.wall", "cpu.system", "mem.peak_rss", "ctx.voluntary")) | .values[0] > 0] | all')" = true ]
}

@test "the next run has them again" {
	watch --ready accept --until exit -n 2
	check_session
	[ "$("$STARTLINE" report t.slt --view events | grep -c source.bpf.detached)" = 2 ]
	[ "$(q '.runs | length')" = 2 ]
}

@test "after readiness nobody hurries, and output is no longer looked at" {
	cat >busy.py <<-'END'
		import os, re, socket, sys, time
		def wakes():
		    status = open("/proc/%d/status" % os.getppid()).read()
		    return int(re.search(r"\nvoluntary_ctxt_switches:\s*(\d+)", status).group(1))
		def listen():
		    s = socket.socket()
		    s.bind(("127.0.0.1", 0))
		    s.listen()
		    s.close()
		    time.sleep(0.0005)
		os.write(1, b"warming up\n")
		before = wakes()
		for i in range(500):
		    listen()
		first = wakes()
		os.write(1, b"ready\n")
		time.sleep(0.1)
		start = time.monotonic()
		between = wakes()
		for i in range(500):
		    listen()
		n = wakes() - between
		periods = (time.monotonic() - start) / 0.01
		os.write(1, b"more\n")
		print(first - before, n, int(periods))
	END
	session --probes bpf --trace t.slt --ready 'log:^ready' --until exit -- /usr/bin/python3 busy.py
	[ "$status" = 0 ]
	cat stdout
	check_session
	read -r before after periods < <(tail -n 1 stdout)
	[ "$before" -ge 450 ]
	[ "$after" -le $((periods * 2 + 50)) ]
	[ "$after" -lt 400 ]
	[ "$(q '.runs[0].listeners | length')" = 1000 ]
	"$STARTLINE" report t.slt --view events >events
	grep -q "output.*'ready" events
	run ! grep -q "output.*'more" events
}

@test "where readiness is the end nothing is detached for it" {
	session --ready accept -- /usr/bin/python3 server.py
	[ "$status" = 0 ]
	"$STARTLINE" report --view events >events
	run ! grep -q source.bpf.detached events
	check_session
}
