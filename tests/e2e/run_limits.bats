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
		pid=$!
		for _ in {1..200}; do [ -s begun ] && break || sleep 0.05; done
		sleep 1.5
		kill -KILL $pid
		wait $pid || true
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

# limited BYTES: makes a memory cgroup of version 1 with that limit, $group.
limited() {
	[ "$(id -u)" = 0 ] || skip "needs root to make a cgroup"
	local mount=/sys/fs/cgroup/memory
	[ -e $mount/memory.limit_in_bytes ] || skip "no memory controller of version 1"
	group=$mount/startline-test.$$.$BATS_TEST_NUMBER
	mkdir "$group" "$group/inner"
	echo "$1" >"$group/memory.limit_in_bytes"
}

teardown() {
	# What closes the probes behind startline is in there a moment longer.
	[ -z "${group:-}" ] || for _ in {1..100}; do
		rmdir "$group/inner" "$group" 2>/dev/null && break || sleep 0.05
	done
}

# in_group COMMAND...: runs it as a member of $group/inner.
in_group() {
	sh -c 'echo 0 >"$0/cgroup.procs" && exec "$@"' "$group/inner" "$@"
}

@test "a limit of memory is the program's: startline takes nothing of it" {
	require_bpf
	limited 40M
	cat >eat.py <<-'EOF2'
		import sys
		print(*[line for line in open("/proc/self/cgroup") if ":memory:" in line])
		x = b"x" * int(sys.argv[1])
		print(len(x))
	EOF2
	in_group /usr/bin/python3 eat.py 24000000 >bare
	status=0
	in_group "$STARTLINE" run --format json -o session.json -- /usr/bin/python3 eat.py 24000000 >with || status=$?
	[ "$status" = 0 ]
	[ "$(cat "$group/memory.failcnt")" = 0 ]
	[ "$(tail -n 1 with)" = 24000000 ]
	# It is where it would have been.
	head -n 1 with | grep -q "/startline-test.$$.*/inner"
	check_session
	# Who takes too much is ended, and startline tells of it.
	status=0
	in_group "$STARTLINE" run -o report -- /usr/bin/python3 eat.py 90000000 >with || status=$?
	[ "$status" = 137 ]
	grep -q '^killed after' report
	[ -z "$(find "$group" -name 'startline-[0-9]*')" ]
}

@test "a limit of memory that startline cannot leave makes it small" {
	require_bpf
	limited 64M
	# As a container shows it: what lies above is not to be seen.
	in_group unshare -m sh -c 'mount --bind "$0" /sys/fs/cgroup/memory && exec "$@"' "$group" \
		"$STARTLINE" run --trace t.slt -q -- sh -c 'grep VmHWM /proc/$PPID/status' >out
	[ "$(awk '{ print $2 }' out)" -lt 14000 ]
	"$STARTLINE" report --view events t.slt | grep -q 'source.bpf.ring_bytes=2097152'
}

@test "what is measured in two ways is not compared" {
	require_bpf
	threads='import threading, time
for i in range(4): threading.Thread(target=time.sleep, args=(0.1,)).start()'
	"$STARTLINE" run -q -n 2 --trace with.slt -- /usr/bin/python3 -c "$threads"
	"$STARTLINE" run -q -n 2 --probes shim --trace without.slt -- /usr/bin/python3 -c "$threads"
	"$STARTLINE" report --format json without.slt >without.json
	for head in without.slt without.json; do
		"$STARTLINE" compare with.slt $head >report
		grep -qF 'incomparable: only one has kernel events, base' report
		fails grep -qE 'regressed|improved' report
		"$STARTLINE" compare --format csv with.slt $head >table
		for metric in time.wall proc.threads_peak cpu.user mem.peak_rss; do
			grep -q "^$metric,.*,incomparable" table
		done
		# The shim counts alike.
		grep -qE '^heap.allocs,.*,(unchanged|inconclusive)' table
	done
	# A gate cannot judge it.
	"$STARTLINE" run -q -n 2 --probes shim --trace it.slt -o /dev/null --save main -- /usr/bin/python3 -c pass 2>/dev/null
	cat >startline.yml <<-END
		baseline: main
		scenarios:
		  - name: it
		    command: /usr/bin/python3 -c pass
		    runs: 2
	END
	status=0
	"$STARTLINE" check >report 2>&1 || status=$?
	[ "$status" = 4 ]
	grep -q 'kernel events in head only' report
}

@test "the time without kernel events begins when the program does, not when startline has prepared it" {
	# The first run of a recording has to join a cgroup, which takes long; later ones are quick at it.
	is_alike() {
		session --probes none -n 9 -- /bin/true
		least=$(q '.metrics[] | select(.id == "time.wall") | .min')
		for _ in 1 2 3 4 5; do
			session --probes none -- /bin/true
			q '.metrics[] | select(.id == "time.wall") | .min'
		done | sort -n | head -n 1 >first
		echo "$least ns in a series, $(cat first) ns alone"
		[ "$(cat first)" -lt $((least * 3)) ]
	}
	attempts is_alike
}
