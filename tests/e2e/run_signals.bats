#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline run: whose a signal is. What others send to startline is for the program; what the program
# sends to its own process group is its own business; a terminal serves both.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
	# Notes each signal in the file `got`; ends with 23 at the one named first, if any, or at exit.
	cat >notes.py <<-'EOF'
		import os, signal, sys, time
		got = os.open("got", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
		last = sys.argv[1] if len(sys.argv) > 1 else ""
		def note(number, frame):
		    name = signal.Signals(number).name[3:]
		    os.write(got, (name + "\n").encode())
		    if name == last:
		        time.sleep(0.1)
		        os._exit(23)
		for name in "INT QUIT TERM HUP USR1 USR2 ALRM CONT".split():
		    signal.signal(getattr(signal, "SIG" + name), note)
		open("begun", "w").write(str(os.getpid()))
		exec(sys.argv[2] if len(sys.argv) > 2 else "time.sleep(20)")
	EOF
}

# started COMMAND...: in a group of its own, as $pid; returns when notes.py has begun.
started() {
	rm -f begun got
	setsid "$@" 3>&- &
	pid=$!
	for _ in {1..200}; do [ -s begun ] && return || sleep 0.05; done
	return 1
}

# ends_with STATUS: the one that was started.
ends_with() {
	status=0
	wait "$pid" || status=$?
	[ "$status" = "$1" ] || {
		echo "ended with $status"
		return 1
	}
}

@test "signals: what the program sends to its group is its own" {
	for probes in auto shim none; do
		for signal in TERM HUP INT USR1 ALRM; do
			started "$STARTLINE" run --probes $probes -o report -- python3 notes.py "" \
				"os.killpg(0, signal.SIG$signal); time.sleep(0.2); os._exit(41)"
			ends_with 41
			[ "$(cat got)" = $signal ]
			grep -q '^done in' report
		done
		# … also when who sent it is a child that is gone at once.
		started "$STARTLINE" run --probes $probes -o report -- python3 notes.py "" \
			'pid = os.fork()
if pid == 0: os.kill(0, signal.SIGTERM); os._exit(0)
os.waitpid(pid, 0); time.sleep(0.2); os._exit(41)'
		ends_with 41
	done
}

@test "signals: sent to startline they reach the program, once" {
	for signal in TERM HUP INT USR1; do
		for probes in auto none; do
			started "$STARTLINE" run --probes $probes -o report -- python3 notes.py $signal
			kill -$signal "$pid"
			ends_with 23
			[ "$(cat got)" = $signal ]
			grep -q '^done in' report
		done
	done
	# One that the program does not handle ends it, as it would have.
	started "$STARTLINE" run -o report -- sh -c 'echo >begun; exec sleep 20'
	sleep 0.2
	kill -TERM "$pid"
	ends_with 143
}

@test "signals: sent to the group they reach the program once" {
	started "$STARTLINE" run -o report -- python3 notes.py TERM
	for signal in USR1 USR2 TERM; do
		kill -$signal -- -"$pid"
		sleep 0.2
	done
	ends_with 23
	[ "$(tr '\n' ' ' <got)" = "USR1 USR2 TERM " ]
	# Each one counts; of requests to end a second one at once is the first.
	started "$STARTLINE" run -o report -- python3 notes.py TERM
	for _ in 1 2; do
		kill -USR1 "$pid"
		sleep 0.05
	done
	/bin/kill -TERM "$pid"
	/bin/kill -TERM "$pid"
	ends_with 23
	[ "$(tr '\n' ' ' <got)" = "USR1 USR1 TERM " ]
	# timeout(1) sends to its child, and then to the group.
	started timeout 1.5 "$STARTLINE" run -o report -- python3 notes.py TERM
	ends_with 124
	[ "$(grep -c TERM got)" = 1 ]
	grep -q '^done in' report
}

@test "signals: a second one ends startline, which reports" {
	started "$STARTLINE" run --ready file:never -o report -- python3 notes.py
	kill -TERM "$pid"
	sleep 0.3
	kill -TERM "$pid"
	ends_with 143
	[ "$(cat got)" = TERM ]
	[ -s report ]
	kill -KILL "$(cat begun)"
}

@test "signals: a series ends with the run that was told to end" {
	started "$STARTLINE" run -n 5 --format json -o session.json -- sh -c \
		'trap "exit 0" TERM; echo $$ >begun; while :; do sleep 0.05; done'
	kill -TERM "$pid"
	ends_with 0
	[ "$(q '.runs | length')" = 1 ]
}

@test "signals: one that ends a program before it was ready is its status" {
	started "$STARTLINE" run --ready file:never -o report -- sh -c \
		'trap "exit 0" TERM; echo $$ >begun; while :; do sleep 0.05; done'
	kill -TERM "$pid"
	ends_with 143
}

@test "signals: Ctrl-C on a terminal is the program's, a second one startline's" {
	cat >press.py <<-'EOF'
		import os, pty, sys, time
		presses = int(sys.argv[1])
		pid, terminal = pty.fork()
		if pid == 0:
		    os.execvp(sys.argv[2], sys.argv[2:])
		while not os.path.exists("begun"):
		    time.sleep(0.02)
		for _ in range(presses):
		    time.sleep(0.3)
		    os.write(terminal, b"\x03")
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	EOF
	status=0
	timeout 20 python3 press.py 1 "$STARTLINE" run -o report -- python3 notes.py INT || status=$?
	[ "$status" = 23 ]
	[ "$(cat got)" = INT ]
	grep -q '^done in' report
	rm begun got
	status=0
	timeout 20 python3 press.py 2 "$STARTLINE" run -o report -- python3 notes.py || status=$?
	[ "$status" = 130 ]
	[ "$(head -n 2 got | tr "\n" " ")" = "INT INT " ]
	[ -s report ]
	kill -KILL "$(cat begun)"
}

@test "ready: who fails and leaves processes behind has failed at once" {
	for probes in auto shim none; do
		start=$(date +%s%N)
		session --probes $probes --ready file:never --timeout 9s -- \
			sh -c 'sleep 31 >/dev/null 2>&1 & echo $! >left; exit 7'
		[ "$status" = 7 ]
		[ $((($(date +%s%N) - start) / 1000000)) -lt 5000 ]
		kill "$(cat left)"
		session --probes $probes --until 9s -- sh -c 'sleep 31 >/dev/null 2>&1 & echo $! >left; kill -KILL $$'
		[ "$status" = 137 ]
		kill "$(cat left)"
	done
}
