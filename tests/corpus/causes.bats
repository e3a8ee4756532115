#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What time was spent on, against what programs say themselves.

load ../e2e/helpers

setup() {
	setup_workdir
	require_bpf
}

# spent JQ-CONDITION: ns of the critical path.
spent() {
	q "[.runs[0].startup.segments[] | select($1) | .duration_ns] | add // 0"
}

# The worker is done between two ticks, which come every 20 or 100 ms: what it says at a tick may come after
# that has woken who waits.
# waits SHAPE WORKER TICKERS: the stretch is the worker's, and only what came after its end is sleep.
waits() {
	session -- "$WORKLOADS/timed_waits" "$1" "$2" "$3" 410
	[ "$status" -eq 0 ] || return 1
	check_session || return 1
	local worker ran late
	worker=$(awk '$1 == "worker" { print $2 }' stdout)
	ran=$(awk '$1 == "worker" { print $3 }' stdout)
	late=$(awk '$1 == "late" { print $2 }' stdout)
	echo "$1 $2 $3: worker ${worker}: $(spent ".thread == $worker") of $ran, asleep $(spent '.cause == "sleep"') of $late" >>events
	near "$(spent ".thread == $worker")" "$ran" 2 1000000 &&
		[ "$(spent '.cause == "sleep"')" -le $((late + 1000000)) ] &&
		[ "$(spent '.cause == "unknown"')" -le 1000000 ]
}

# all_wait "SHAPE WORKER TICKERS"...
all_wait() {
	for words in "$@"; do
		# shellcheck disable=SC2086 # three words
		attempts waits $words
	done
}

@test "a worker thread, polled for, has its time" {
	all_wait 'poll thread 1' 'poll thread 3' 'poll thread 10' 'condition thread 1' \
		'condition thread 3' 'condition thread 10' 'epoll thread 0' 'epoll thread 1' \
		'epoll thread 3' 'epoll thread 10' 'flag thread 3'
}

@test "a worker process, polled for, has its time" {
	all_wait 'poll child 1' 'poll grandchild 3' 'condition child 3' 'condition grandchild 10' \
		'epoll child 10' 'epoll grandchild 1' 'reap child 1' 'reap child 3' 'reap child 10' \
		'reap grandchild 3'
}

really_sleeps() { # WORKER
	session -- "$WORKLOADS/timed_waits" sleep "$1" 1 400
	[ "$status" -eq 0 ] || return 1
	near "$(spent '.cause == "sleep"')" 400000000 2
}

@test "a sleep in a loop beside a worker is a sleep" {
	attempts really_sleeps thread
	attempts really_sleeps child
}

timer_sleeps() { # HOW
	session -- "$WORKLOADS/timed_waits" timer "$1" 0 100
	[ "$status" -eq 0 ] || return 1
	near "$(spent '.cause == "sleep"')" 100000000 2 && [ "$(spent '.cause == "unknown"')" = 0 ]
}

@test "waiting for a timerfd is a sleep" {
	for how in read poll epoll; do
		attempts timer_sleeps "$how"
	done
}

# tries REFUSALS: connects every 20 ms until it was refused that often.
tries() {
	session -- python3 -c 'import socket, sys, time
for i in range(int(sys.argv[2])):
	s = socket.socket()
	try:
		s.connect(("127.0.0.1", int(sys.argv[1])))
	except OSError:
		time.sleep(0.02)' "$(free_port)" "$1"
	[ "$status" -eq 0 ] || return 1
	near "$(spent '.cause == "connect"')" $(($1 * 20000000)) 4
}

@test "a peer that is tried again and again is named, and what to do" {
	attempts tries 15
	q '.runs[0].startup.segments[] | select(.cause == "connect").detail' >details
	grep -qx 'tcp 127.0.0.1:[0-9]*, refused 15 times, polled every 20 ms' details
	[ "$(q '.runs[0].findings | length')" = 1 ]
	[ "$(q '.runs[0].findings[0].id')" = retry-sleep ]
	q '.runs[0].findings[0].evidence' | grep -q 'refused 15 times'
	q '.runs[0].findings[0].remedy' | grep -q 'startline wait'
}

# sleeps_at_most MS FILE [ARGUMENT]: of a program that computes for 400 ms elsewhere.
sleeps_at_most() {
	session -- /usr/bin/python3 "$2" ${3:+"$3"}
	[ "$status" -eq 0 ] || return 1
	[ "$(spent '.state != "blocked"')" -ge 400000000 ] || return 1
	[ "$(spent '.cause == "sleep"')" -le $(($1 * 1000000)) ]
}

@test "Python's loops: a process with a time-out, an executor beside tickers" {
	cat >process.py <<-'END'
		import subprocess, sys
		subprocess.run([sys.executable, "-c", "import time\nend = time.monotonic() + 0.4\n"
		                "while time.monotonic() < end: pass"], timeout=30)
	END
	cat >tickers.py <<-'END'
		import asyncio, sys, time
		def compute():
		    end = time.monotonic() + 0.4
		    while time.monotonic() < end: pass
		async def tick(seconds):
		    while True: await asyncio.sleep(seconds)
		async def main():
		    kept = [asyncio.create_task(tick(0.02 + i / 1000)) for i in range(int(sys.argv[1]))]
		    await asyncio.get_running_loop().run_in_executor(None, compute)
		asyncio.run(main())
	END
	attempts sleeps_at_most 60 process.py # it looks every 50 ms
	for tickers in 1 3 10; do
		attempts sleeps_at_most 10 tickers.py "$tickers"
	done
}
