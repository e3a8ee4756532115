#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline run: what the user types, what the command notices (nothing), and what comes back.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
}

teardown() {
	remove_public_copy
}

@test "the exit status is the program's own" {
	session -- sh -c 'exit 41'
	[ "$status" = 41 ]
	[ "$(q '.runs[0].exit.code')" = 41 ]
	[ "$(q '.runs[0].exit.reason')" = exit ]
}

@test "death by a signal is 128 + its number" {
	session -- sh -c 'kill -SEGV $$'
	[ "$status" = 139 ]
	[ "$(q '.runs[0].exit.signal')" = 11 ]
}

@test "the environment is what it was" {
	env -u _ sh -c env | sort >without
	env -u _ "$STARTLINE" run -q -- sh -c env | sort >with
	diff without with
}

@test "input and output are the program's own" {
	printf 'a\nb\n' | "$STARTLINE" run -q -- sh -c 'tac; echo err >&2' >out 2>err
	[ "$(cat out)" = "b
a" ]
	[ "$(cat err)" = err ]
}

@test "descriptors, group, mask, dispositions and limits are what they were" {
	show='ls -l /proc/self/fd | sed "s/.*:.. //" | grep -v /proc/; ps -o pgid=,sid= -p $$
		grep -E "^(Sig|Shd)(Blk|Ign|Cgt)" /proc/self/status; ulimit -a; umask; pwd'
	echo input >input
	sh -c "$show" >without 2>&1 5<input <>input
	"$STARTLINE" run -q -- sh -c "$show" >with 2>&1 5<input <>input
	# The pipe to sed and the name of the output differ, nothing else may.
	sed -E 's/pipe:\[[0-9]+\]/pipe/; s/with(out)?$/file/' without >a
	sed -E 's/pipe:\[[0-9]+\]/pipe/; s/with(out)?$/file/' with >b
	diff a b
	grep -q SigIgn a
}

@test "a signal that was ignored stays ignored, SIGPIPE stays deadly" {
	(
		trap '' USR1
		"$STARTLINE" run -q -- sh -c 'kill -USR1 $$; exit 0'
	)
	status=0
	"$STARTLINE" run -q -- sh -c 'kill -PIPE $$' || status=$?
	[ "$status" = 141 ]
	# Who ignores SIGCHLD has its children reaped by the kernel.
	status=0
	timeout 10 env --ignore-signal=CHLD "$STARTLINE" run -q -o report -- \
		sh -c 'grep SigIgn /proc/$$/status >ignored; exit 23' || status=$?
	[ "$status" = 23 ]
	env --ignore-signal=CHLD "$STARTLINE" run -q -o report -- grep SigIgn /proc/self/status >ignored
	grep -q '10000$' ignored
}

@test "nohup: a hangup that is ignored does not end startline" {
	env --ignore-signal=HUP "$STARTLINE" run -q -o report -- \
		sh -c 'touch begun; sleep 0.3; exit 23' &
	for _ in {1..100}; do [ -e begun ] || sleep 0.05; done
	kill -HUP $!
	status=0
	wait $! || status=$?
	[ "$status" = 23 ]
}

@test "a script without #! is run by the shell, as execvp does" {
	printf 'exit 23\n' >script
	chmod +x script
	session -- ./script
	[ "$status" = 23 ]
}

@test "options end where the command begins" {
	status=0
	"$STARTLINE" run -q sh -c 'exit 7' -n 3 || status=$?
	[ "$status" = 7 ]
}

@test "closed descriptors stay closed for the program" {
	status=0
	"$STARTLINE" run -q -o report -- python3 -c 'import os
for fd in (0, 1, 2):
    try:
        os.fstat(fd)
        os._exit(fd + 1)
    except OSError:
        pass' <&- >&- 2>&- || status=$?
	[ "$status" = 0 ]
	[ -s report ]
}

@test "n runs: input is /dev/null from the second on" {
	echo once | "$STARTLINE" run -q -n 3 -- cat >out
	[ "$(cat out)" = once ]
}

@test "n runs: each is measured, warm-up is not" {
	session -n 3 --warmup 2 -- sh -c 'echo x >>count'
	[ "$status" = 0 ]
	[ "$(wc -l <count)" = 5 ]
	[ "$(q '.runs | length')" = 3 ]
	[ "$(q '.design.runs')" = 3 ]
	[ "$(q '.design.warmup')" = 2 ]
	[ "$(q '.metrics[] | select(.id == "time.wall") | .n')" = 3 ]
}

@test "n runs: the first that fails ends the series with its status" {
	session -n 5 -- sh -c 'echo x >>count; [ $(wc -l <count) -lt 3 ] || exit 9'
	[ "$status" = 9 ]
	[ "$(wc -l <count)" = 3 ]
	# It took as long as it takes to fail: it is no measurement, and that is said.
	[ "$(q '.runs | length')" = 2 ]
	[ "$(q '.metrics[] | select(.id == "time.wall") | .n')" = 2 ]
	q '.notes[]' | grep -qF 'run 3 of 5 failed (status 9): it is left out, and the series ended there'
	# A first one that fails is all there is.
	rm count
	session -n 5 -- sh -c 'exit 9'
	[ "$(q '.runs | length')" = 1 ]
	[ "$(q '.runs[0].exit.code')" = 9 ]
}

@test "ready: of several conditions those that do not hold are named" {
	status=0
	"$STARTLINE" run -q --ready file:up --ready file:never --ready listen:1 --timeout 0.3s -- \
		sh -c 'echo >up; sleep 5' 2>messages || status=$?
	[ "$status" = 124 ]
	grep -qF "was not ready after 300 ms, without file:never, listen:1: stopped it" messages
	status=0
	"$STARTLINE" run -q --ready file:new --ready file:never -- \
		sh -c 'echo >new; sleep 0.2' 2>messages || status=$?
	[ "$status" = 125 ]
	grep -qF "ended before it was ready, without file:never" messages
}

@test "ready: stopped with TERM, status 0" {
	session --ready file:up -- sh -c 'trap "echo term >got; exit 5" TERM; echo >up
		while :; do sleep 0.05; done'
	[ "$status" = 0 ]
	[ "$(cat got)" = term ]
	[ "$(q '.runs[0].exit.reason')" = ready ]
}

@test "ready: --stop-signal, by name and number" {
	# A shell cannot catch what was ignored when it started, as in a background job of another.
	session --ready file:up --stop-signal sigint -- env --default-signal=INT sh -c 'trap "echo int >got; exit" INT; echo >up
		while :; do sleep 0.05; done'
	[ "$(cat got)" = int ]
	rm up
	session --ready file:up --stop-signal 12 -- sh -c 'trap "echo usr2 >got; exit" USR2; echo >up
		while :; do sleep 0.05; done'
	[ "$(cat got)" = usr2 ]
}

@test "ready: what ignores TERM is killed after 5 s, children too" {
	start=$(date +%s%N)
	session --ready file:up -- sh -c 'trap "" TERM; sh -c "trap \"\" TERM; echo \$\$ >child
		while :; do sleep 0.1; done" & echo $$ >parent; sleep 0.2; echo >up
		while :; do sleep 0.1; done'
	elapsed=$((($(date +%s%N) - start) / 1000000))
	[ "$status" = 0 ]
	[ "$elapsed" -ge 5000 ]
	[ "$elapsed" -lt 9000 ]
	gone "$(cat parent)"
	gone "$(cat child)"
}

@test "ready: what outlives the command is stopped as well" {
	session --ready file:up -- sh -c 'sleep 60 & echo $! >child; echo >up; wait'
	[ "$status" = 0 ]
	gone "$(cat child)"
}

@test "ready: several conditions must all hold" {
	session --ready file:a --ready file:b -- sh -c 'echo >a; sleep 0.3; echo >b; sleep 30'
	[ "$status" = 0 ]
	near "$(q '.runs[0].ready.time_ns')" 300000000 30
}

@test "ready: a file left by an earlier run does not count" {
	echo old >pid
	session --ready file:pid -- sh -c 'sleep 0.2; echo new >pid; sleep 30'
	[ "$status" = 0 ]
	near "$(q '.runs[0].ready.time_ns')" 200000000 40
}

@test "ready: a log line, also over a pipe without kernel probes" {
	for probes in auto none; do
		"$STARTLINE" run -q --probes $probes --ready 'log:^server is [a-z]+$' -o report -- \
			python3 -c 'import os, time
os.dup2(1, 3)
os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
os.write(3, b"server is\n")
time.sleep(0.1)
os.write(3, b"server is up\n")
time.sleep(30)' >out
		[ "$(cat out)" = "server is
server is up" ]
		grep -q '^ready in' report
	done
	grep -q 'through a pipe' report
	# A command that never stops writing, to somebody who reads slowly.
	timeout -s KILL 20 "$STARTLINE" run -q --probes none --ready log:never --timeout 0.5 -o report -- yes |
		perl -e 'while (sysread STDIN, $b, 4096) { select undef, undef, undef, 0.002 }'
	[ "${PIPESTATUS[0]}" = 124 ]
}

@test "ready: sd_notify" {
	session --ready notify -- python3 -c '
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = os.environ["NOTIFY_SOCKET"]
name = "\0" + name[1:] if name[0] == "@" else name
s.sendto(b"STATUS=starting", name)
time.sleep(0.2)
s.sendto(b"READY=1\nSTATUS=up", name)
time.sleep(30)'
	[ "$status" = 0 ]
	[ "$(q '.runs[0].ready.time_ns > 200000000')" = true ]
}

@test "ready: quiet" {
	session --ready quiet -- sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 30'
	[ "$status" = 0 ]
	[ "$(q '.runs[0].ready.level')" = quiet ]
}

@test "ready: tcp, http and cmd are probed, and the report says so" {
	port=$(free_port)
	for spec in "tcp:127.0.0.1:$port" "http://localhost:$port/" "http:http://127.0.0.1:$port/no=404" \
		"cmd:python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", $port))'"; do
		session --ready "$spec" -- python3 -m http.server --bind 127.0.0.1 "$port"
		[ "$status" = 0 ]
		"$STARTLINE" report >report
		grep -q 'probed' report
		tr -s ' \n' ' ' <report | grep -qF "notified by ${spec%%:*}:"
	done
	session --timeout 4s --ready "http://localhost:$port/no" --ready 'cmd:exit 3' -- \
		python3 -m http.server --bind 127.0.0.1 "$port"
	[ "$status" = 124 ]
	cat messages
	grep -qF "without http://localhost:$port/no (status 404), cmd:exit 3 (exit status 3):" messages
	"$STARTLINE" report | tr -s ' \n' ' ' | grep -qF "notified (http://localhost:$port/no never held)"
}

@test "ready: tcp and http are the command's to serve; another's server is named" {
	port=$(free_port)
	for spec in "tcp:localhost:$port" "http://127.0.0.1:$port/"; do
		python3 -m http.server --bind 127.0.0.1 "$port" >stale 2>&1 & stale=$!
		timeout 5 sh -c "until python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", $port))'
			do sleep 0.1; done" 2>/dev/null
		session --ready "$spec" -- sh -c 'echo >started; sleep 9'
		kill "$stale"
		wait "$stale" || true
		[ "$status" = 125 ] && [ ! -e started ] || { cat messages; return 1; }
		grep -qF "it was open before the command was started: python3 (process $stale)" messages
	done
	# It comes while the command runs, which is stopped.
	(sleep 0.7; exec python3 -m http.server --bind 127.0.0.1 "$port") >stale 2>&1 & stale=$!
	session --ready "tcp:127.0.0.1:$port" -- sh -c 'trap "echo >stopped; exit" TERM
		echo >started; while :; do sleep 0.1; done'
	kill "$stale"
	wait "$stale" || true
	[ "$status" = 125 ] && [ -e started ] && [ -e stopped ] || { cat messages; return 1; }
	grep -qF "python3 (process $stale) serves it, not the command" messages
	# A daemon of the command's is the command's.
	session --ready "tcp:127.0.0.1:$port" -- sh -c "setsid python3 -m http.server --bind 127.0.0.1 $port & sleep 9"
	[ "$status" = 0 ] || { cat messages; return 1; }
}

@test "until exit: readiness is noted, nothing is stopped" {
	session --ready file:up --until exit -- sh -c 'sleep 0.1; echo >up; sleep 0.2; exit 3'
	[ "$status" = 3 ]
	[ "$(q '.runs[0].ready.time_ns < 250000000')" = true ]
	[ "$(q '.runs[0].exit.reason')" = exit ]
}

@test "until a duration" {
	session --until 300ms -- sleep 30
	[ "$status" = 0 ]
	near "$(q '.metrics[] | select(.id == "time.wall") | .median')" 300000000 40
}

@test "until a duration, also when the command leaves a daemon behind" {
	cat >daemon.py <<-EOF
		import os, time
		if os.fork():
		    os._exit(0)
		os.setsid()
		open("pid", "w").write(str(os.getpid()))
		time.sleep(30)
	EOF
	session --until 600ms -- python3 daemon.py
	[ "$status" = 0 ]
	gone "$(cat pid)"
	near "$(q '.runs[0].processes[1] | .exit_ns')" 600000000 0 200000000
}

@test "n runs: on a terminal each says which it is, on a line of its own" {
	script -qec "'$STARTLINE' run -n 2 -o report -- echo said" typescript >/dev/null
	grep -q '^startline: run 1/2.$' typescript
	[ "$(grep -c '^said.$' typescript)" = 2 ]
}

@test "timeout: 124, and the program is stopped" {
	session --ready accept --timeout 300ms -- sh -c 'echo $$ >pid; exec sleep 30'
	[ "$status" = 124 ]
	[ "$(q '.runs[0].exit.reason')" = timeout ]
	gone "$(cat pid)"
	grep -q 'not ready' messages
}

@test "exit before ready: its status, or 125 when that was 0" {
	session --ready accept -- sh -c 'exit 3'
	[ "$status" = 3 ]
	session --ready accept -- true
	[ "$status" = 125 ]
	grep -q 'ended before it was ready' messages
}

@test "a daemon that leaves its parent can still become ready" {
	require_bpf
	port=$(free_port)
	for probes in auto shim; do
		session --probes $probes --ready accept -- \
			sh -c "setsid python3 -m http.server --bind 127.0.0.1 $port >/dev/null 2>&1 & exit 0"
		[ "$status" = 0 ]
		[ "$(q '.runs[0].ready.level')" = accept_ready ]
		run ! python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))"
	done
}

@test "what runs on after the command ended is left alone" {
	start=$(date +%s%N)
	session -- sh -c 'sleep 20 >/dev/null 2>&1 & echo $! >child'
	elapsed=$((($(date +%s%N) - start) / 1000000))
	[ "$elapsed" -lt 3000 ]
	kill "$(cat child)"
}

@test "recordings are private and no part of a commit, 20 are kept" {
	git init -q .
	for i in $(seq 22); do
		"$STARTLINE" run -q --probes none -- true
	done
	[ "$(ls .startline/*.slt | wc -l)" = 20 ]
	[ "$(stat -c %a .startline)" = 700 ]
	[ "$(stat -c %a .startline/*.slt | sort -u)" = 600 ]
	git add .
	[ -z "$(git ls-files)" ]
}

@test "the heap is not counted with --heap off" {
	session --heap off -- true
	[ "$(q '.runs[0].processes[0].heap.allocs')" = null ]
	[ "$(q '.design.heap')" = off ]
}

@test "--redact masks arguments in the recording, also in large ones" {
	require_bpf
	big=$(printf '%016384d' 0)
	session --redact 'hunter2[0-9]' --redact 'hunter4.' --trace t.slt -- sh -c 'sh -c ": $1 $2 password=hunter23" x' x "$big" password=hunter41
	[ "$status" = 0 ]
	"$STARTLINE" report --view events t.slt >events
	run ! grep -q hunter events
	run ! grep -q hunter session.json
	grep -q 'password=\*' session.json
	[ "$(q '.runs[0].processes[0].execs[0].truncated')" = false ]
}

# A path whose secret part reaches over a slash, a program, a thread's name, a socket, a log line that
# comes in two pieces.
@test "--redact masks paths, sockets, names and what --ready was given" {
	mkdir -p cwd-s3cret/of-s3cret/s3cret-dir
	cd cwd-s3cret
	cp /bin/sleep of-s3cret/s3cret-dir/s3cret-tool
	cat >script.py <<-'END'
		import os, socket, subprocess, sys, time
		open("of-s3cret/s3cret-dir/x", "w")
		for path in "s3cret-sock", "\0s3cret-abstract":
		    s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen()
		    socket.socket(socket.AF_UNIX).connect(path)
		open("/proc/self/comm", "w").write("s3cret-name")
		subprocess.run(["of-s3cret/s3cret-dir/s3cret-tool", "0.1"])
		try: os.execv("no-s3cret", ["no-s3cret"])
		except OSError: pass
		os.write(1, b"now s3c"); os.write(1, b"ret-12 ready\n")
		time.sleep(0.2)
		open("s3cret-file", "w").close()
		time.sleep(10)
	END
	for probes in auto shim; do
		rm -f s3cret-sock s3cret-file
		session --probes $probes --redact 's3cret(/s3cret-d)?' --ready 'log:s3cret-[0-9]+ ready$' \
			--ready file:s3cret-file --ready 'cmd:test -e s3cret-file' --trace t.slt -- /usr/bin/python3 script.py
		[ "$status" = 0 ]
		grep -q 's3cret-12 ready' stdout
		for file in events text session.json; do
			[ $file != events ] || "$STARTLINE" report --view events t.slt >events
			[ $file != text ] || "$STARTLINE" report t.slt >text
			fails grep -qE 's3cret|s3c|ret-12' $file
		done
		[ "$(q '.design.ready[0]')" = 'log:******-[0-9]+ ready$' ]
		[ "$(q '.runs[0].ready.level')" = notified ]
		q '.runs[0].ready.time_ns > 300e6 and .runs[0].ready.time_ns < 5e9' | grep -qx true
		q '.runs[0].milestones[] | select(.name == "notified") | .evidence' | grep -qF '******'
		[ $probes = shim ] || grep -qF 'of-***************ir/' events
	done
	# A line alone: its time is that of the write, though nothing of it is stored.
	session --redact s3cret --ready 'log:s3cret' -- sh -c 'sleep 0.3; echo s3cret; sleep 5'
	[ "$status" = 0 ]
	q '.runs[0].ready.time_ns / 1e6 | . > 295 and . < 1500' | grep -qx true
	[ "$(q '.runs[0].ready.process')" = 1 ]
}

@test "--user runs it as somebody else, with nobody's rights" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	chmod 777 .
	session --user nobody -- sh -c 'id -un; grep CapEff /proc/self/status'
	[ "$status" = 0 ]
	[ "$(head -n 1 stdout)" = nobody ]
	grep -q 'CapEff:.0000000000000000' stdout
}

@test "under sudo the program and the files are the caller's" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	chown nobody .
	public_copy
	SUDO_UID=$(id -u nobody) SUDO_GID=$(id -g nobody) SUDO_USER=nobody \
		"$STARTLINE" run -q -o report -- sh -c 'id -u; id -G; grep CapPrm /proc/self/status' >out
	[ "$(sed -n 1p out)" = "$(id -u nobody)" ]
	[ "$(sed -n 2p out)" = "$(id -G nobody)" ]
	grep -q 'CapPrm:.0000000000000000' out
	[ "$(stat -c %U .startline .startline/.gitignore .startline/*.slt report | sort -u)" = nobody ]
}

@test "without root and without probes: less, and it says what" {
	[ "$(id -u)" = 0 ] || skip "needs root to become nobody"
	chmod 777 .
	public_copy
	port=$(free_port)
	setpriv --reuid nobody --regid nogroup --clear-groups \
		"$STARTLINE" run --ready accept -- redis-server --port "$port" --save '' >/dev/null 2>report
	grep -q '^ready in' report
	grep -q 'epoll_wait' report
	grep -q 'not root' report
	"$STARTLINE" run --probes none -- sh -c 'exit 0' 2>report
	grep -q '^done in' report
}

@test "the memory cgroup is removed again" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	"$STARTLINE" run -q -n 2 -- true 3>&- &
	pid=$!
	wait $pid
	[ -z "$(find /sys/fs/cgroup -name "startline-$pid-*" 2>/dev/null)" ]
}

@test "help ends with examples" {
	"$STARTLINE" run --help >help
	grep -q '^EXAMPLES' help
	"$STARTLINE" help run >help2
	diff help help2
	"$STARTLINE" help >help
	grep -q '^EXAMPLES' help
}
