#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline run where something runs out or is taken away: memory, startline itself, its shared memory,
# the kernel's probes. The program runs on; what is said is what was seen.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
}

@test "a start that fails leaves nothing in shared memory" {
	[ "$(id -u)" = 0 ] || skip "needs root for a /dev/shm of its own"
	for command in /nonexistent /etc/passwd; do
		for _ in 1 2 3; do
			unshare -m sh -c 'mount -t tmpfs none /dev/shm
				"$@" 2>/dev/null
				ls /dev/shm' sh "$STARTLINE" run -q -- $command >left
			[ ! -s left ]
		done
	done
}

@test "a recording that breaks off claims no total" {
	for probes in auto none; do
		"$STARTLINE" run --probes $probes --trace t.slt -- sh -c \
			'echo $$ >begun; for i in $(seq 30); do /bin/true; sleep 0.1; done' 3>&- &
		sleep 1.8
		kill -KILL $!
		wait $! || true
		"$STARTLINE" report t.slt >report
		grep -q '^still running where the recording breaks off, after ' report
		fails grep -q '^done in' report
		"$STARTLINE" report --format json t.slt >session.json
		[ "$(q '.runs[0].exit.reason')" = truncated ]
		for metric in time.wall cpu.user proc.count startup.main mem.peak_rss; do
			[ "$(q ".metrics[] | select(.id == \"$metric\") | .median")" = null ]
		done
		status=0
		"$STARTLINE" baseline save it t.slt 2>messages || status=$?
		[ "$status" = 2 ]
		grep -q 'the recording ends before it' messages
		kill "$(cat begun)"
		rm begun
	done
}

@test "what no kernel event told is not there" {
	for probes in shim none; do
		session --probes $probes -- python3 -c 'import threading, time
for i in range(4): threading.Thread(target=time.sleep, args=(0.1,)).start()'
		[ "$(q '.metrics[] | select(.id == "proc.threads_peak") | .median')" = null ]
		[ "$(q '.runs[0].processes[0].threads_peak')" = null ]
		q '.runs[0].milestones[0].evidence' | grep -q 'released by startline'
		"$STARTLINE" report >report
		fails grep -qE 'at most .* thread|entered the kernel' report
	done
}
