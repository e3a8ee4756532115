#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The process tree as the kernel probes see it: complete, or with an exact count of what is missing.

load helpers

setup() {
	setup_workdir
	require_bpf
	EXECS="$WORKLOADS/execs"
}

# events KIND: the recording's events of that kind, one per line.
events() {
	"$STARTLINE" report --view events recording.slt | awk -v kind="$1" '$2 == kind'
}

# storm COUNT: a shell script that forks and executes /bin/true that often.
storm() {
	echo "i=0; while [ \$i -lt $1 ]; do /bin/true; i=\$((i+1)); done" >storm.sh
}

# lost KIND: how many records of that kind the probes could not write.
lost() {
	events drops | awk -v of="kind=$1" '$0 ~ of " " { sub(/.*count=/, ""); print; n = 1 } END { if (!n) print 0 }'
}

@test "5,000 fork and exec under a shell: none is lost with the default ring" {
	storm 5000
	session --probes bpf -- sh storm.sh
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].processes | length')" = 5001 ]
	[ "$(q '[.runs[0].processes[] | select(.argv == ["/bin/true"] and .exit_code == 0)] | length')" = 5000 ]
	[ "$(q '[.runs[0].processes[1:][] | .parent] | unique | join(",")')" = 1 ]
}

# The reader is stopped while the storm goes on, so that a ring of 64 KiB must overflow.
@test "with a ring of 64 KiB what is lost and what is seen add up to 5,000" {
	storm 5000
	"$STARTLINE" run --probes bpf --ring 64K --trace recording.slt --format json -o session.json \
		-- sh -c 'kill -STOP $PPID; sh storm.sh; kill -CONT $PPID' >stdout 2>messages
	seen=$(events exec | grep -c "true<bin<")
	missing=$(lost exec)
	echo "seen $seen, lost $missing"
	[ "$missing" -gt 0 ]
	# The shell, its child and the storm itself may be among those lost.
	total=$((seen + missing))
	other=$(events exec | grep -vc "true<bin<" || true)
	[ $((total + other)) -eq 5002 ]
	[ "$(q '.runs[0].complete')" = false ]
	[ "$(q '.runs[0].losses.bpf')" -ge "$missing" ]
}

@test "an exec from another thread than the leader" {
	session --probes bpf --trace recording.slt -- "$EXECS" thread
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].processes | length')" = 1 ]
	[ "$(q '.runs[0].processes[0].argv | join(" ")')" = "true from thread" ]
	[ "$(q '.runs[0].processes[0].threads_peak')" = 3 ]
	[ "$(q '.runs[0].processes[0].exit_code')" = 0 ]
	# Called by another thread than the one it goes on as.
	events exec | tail -1 | grep -oE '[0-9]+/[0-9]+ .*caller=[0-9]+' >last
	[ "$(sed 's/\/.*//' last)" != "$(sed 's/.*caller=//' last)" ]
	# The process ended once.
	[ "$(events exit | grep -c ' process')" = 1 ]
	[ "$(events usage | wc -l)" = 1 ]
}

@test "vfork" {
	session --probes bpf --trace recording.slt -- "$EXECS" vfork
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].processes | length')" = 2 ]
	[ "$(q '.runs[0].processes[1].argv | join(" ")')" = "true from vfork" ]
	events task | grep -q 'shares_mm vfork'
}

@test "an exec that fails is recorded with its path" {
	session --probes bpf --trace recording.slt -- "$EXECS" fail /no/such/program
	[ "$status" -eq 7 ]
	check_session
	events execfail | grep -q "'/no/such/program' = ENOENT"
	[ "$(q '.runs[0].processes[0].exit_code')" = 7 ]
}

@test "100,000 bytes of argv are recorded exactly" {
	session --probes bpf -- "$EXECS" long 100000
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].processes[0].execs[-1].argv_bytes')" = 100000 ]
	[ "$(q '.runs[0].processes[0].execs[-1].truncated')" = false ]
	q '.runs[0].processes[0].argv | join(" ")' >argv
	[ "$(tr -d '\n' <argv | wc -c)" = 99999 ]
	awk 'BEGIN { s = "execs end "; n = 100000 - 11; for (i = 0; i < n; i++) s = s sprintf("%c", 33 + i % 89); print s }' >expected
	cmp argv expected
}

@test "argv beyond 128 KiB is cut, and its true length is known" {
	session --probes bpf -- sh -c 'exec "$0" end $(yes 123456789 | head -20000)' "$EXECS"
	[ "$status" -eq 0 ]
	# "execs" is the path here: its length and NUL, "end", 20,000 words of 10 bytes.
	[ "$(q '.runs[0].processes[0].execs[-1].argv_bytes')" = $((${#EXECS} + 1 + 4 + 200000)) ]
	[ "$(q '.runs[0].processes[0].execs[-1].truncated')" = true ]
	check_session
}

@test "a nested pid namespace is followed" {
	session --probes bpf --trace recording.slt -- \
		unshare -fp --mount-proc sh -c '/bin/true one; /bin/true two; /bin/true three'
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '[.runs[0].processes[] | select(.argv[0] == "/bin/true") | .argv[1]] | join(" ")')" = "one two three" ]
	# The shell is process 1 in there.
	events task | grep -q ' ns=1/1 '
}

@test "two processes with the same pid are two processes" {
	session --probes bpf -- "$EXECS" reuse
	[ "$status" -eq 0 ]
	check_session
	q '.runs[0].processes[] | select(.argv[0] == "true").pid' >first
	q '.runs[0].processes[] | select(.argv[0] == "echo").pid' >second
	cmp first second
	[ "$(q '[.runs[0].processes[] | select(.argv[0] == "echo") | .argv[1]] | join(" ")')" = second ]
}

@test "killing startline takes the probes out and leaves the program running" {
	"$STARTLINE" run --probes bpf -- sh -c 'echo $PPID >pid; until [ -e go ]; do sleep 0.02; done
		kill -KILL $PPID; sleep 0.3; echo alive' >stdout 2>messages &
	startline=$!
	until [ -s pid ]; do sleep 0.02; done
	sed -n 's/^prog_id:[[:space:]]*//p' "/proc/$(cat pid)/fdinfo/"* | sort -u >programs
	[ "$(wc -l <programs)" -gt 5 ]
	bpftool prog show id "$(head -1 programs)" >/dev/null
	touch go
	wait "$startline" || true
	sleep 0.5
	grep -qx alive stdout
	while read -r id; do
		! bpftool prog show id "$id" >/dev/null 2>&1 || return 1
	done <programs
}

@test "a followed cgroup brings in what others started there" {
	root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[ -n "$root" ] || skip "no cgroup of version 2 is mounted"
	group=$root/startline-test-$$
	mkdir "$group"
	sh -c 'until [ -e go ]; do sleep 0.02; done; /bin/true inside' &
	worker=$!
	echo "$worker" >"$group/cgroup.procs"
	sh -c 'echo $$ >mover; until [ -e moved ]; do sleep 0.02; done; /bin/true moved' &
	mover=$!
	session --probes bpf --until 800ms --follow-cgroup "$group" -- \
		sh -c "echo $mover >$group/cgroup.procs; touch go moved; sleep 5"
	wait "$worker" "$mover" || true
	rmdir "$group"
	[ "$(q '[.runs[0].processes[].argv | select(.[0] == "/bin/true") | .[1]] | sort | join(" ")')" = "inside moved" ]
	# Nothing that is not in there.
	[ "$(q "[.runs[0].processes[] | select(.pid == $worker or .pid == $mover)] | length")" = 2 ]
}

@test "page faults are system time, as in getrusage" {
	command -v python3 >/dev/null || skip "no python3"
	session --probes bpf -- python3 -c 'x = bytearray(70000000)'
	[ "$(q '[.metrics[] | select(.id == "cpu.user" or .id == "cpu.system") | .values[0]] | .[1] > .[0]')" = true ]
}

@test "forked processes are shown by what they call themselves" {
	cat >named.c <<-'END'
		#include <string.h>
		#include <sys/prctl.h>
		#include <sys/wait.h>
		#include <unistd.h>
		int main(int argc, char **argv)
		{
			if (argc > 1 && fork() == 0) {
				memset(argv[0], 0, strlen(argv[0]));
				strcpy(argv[0], "srv: x ");
				return 0;
			}
			if (fork() == 0)
				return prctl(PR_SET_NAME, "worker-7");
			if (fork() == 0)
				return 0;
			while (wait(NULL) > 0)
				;
			return 0;
		}
	END
	gcc -o named named.c
	session -- ./named one two
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '[.runs[0].processes[].name] | tojson')" = '[null,"srv: x","worker-7",null]' ]
	"$STARTLINE" report session.json >report
	grep -q '^srv: x  *[0-9]' report
	grep -q '^worker-7  *[0-9]' report
	# What it executes is what it is.
	session -- python3 -c 'import os
if os.fork() == 0: os.execv("/bin/true", ["true"])
os.wait()'
	[ "$(q '[.runs[0].processes[] | select(.argv[0] == "true").name] | tojson')" = '[null]' ]
}
