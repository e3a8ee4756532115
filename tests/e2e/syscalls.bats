#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# System calls, summed by process and name.

load helpers

setup() {
	setup_workdir
	require_bpf
	[ -x "$WORKLOADS/syscalls.static" ] || skip "no static libc here"
}

# sums NAMES...: calls/errors of the whole tree, of each name.
sums() {
	for name; do
		q "[.runs[0].processes[].syscalls[] | select(.name == \"$name\")] |
		   \"$name \" + (map(.calls) | add | tostring) + \"/\" + (map(.errors) | add | tostring)"
	done | paste -sd, -
}

@test "calls of threads, of forked and of executed children are counted exactly" {
	session -- "$WORKLOADS/syscalls.static"
	[ "$status" -eq 0 ]
	q '.runs[0].complete' | grep -qx true
	[ "$(sums openat fchdir close getppid getpgid getcpu execve)" = \
		"openat 23/0,fchdir 37/37,close 29/29,getppid 31/0,getpgid 13/0,getcpu 11/0,execve 2/0" ]
	# What libc needs at its start, once an image, is not planted.
	[ "$(sums getrandom)" = "getrandom 43/0" ]
	q '.runs[0].processes[1].syscalls[] | select(.name == "openat") | .calls' | grep -qx 5
	q '.runs[0].processes[2].syscalls[] | select(.name == "getcpu") | .calls' | grep -qx 11
	# More numbers than a thread has sums for.
	q '[.runs[0].processes[2].syscalls[] | select(.calls == 3)] | length' | grep -qx 40
	# Quick ones are counted, and not timed.
	q '[.runs[0].processes[].syscalls[] | select(.name == "getppid").total_ns] | unique' |
		tr -d ' \n' | grep -qx '\[null\]'
	q '.metrics[] | select(.id == "sys.calls[openat]") | "\(.class) \(.values[0])"' |
		grep -qx 'exact 23'
	"$STARTLINE" report --view syscalls >table
	grep -qE '^fchdir +37 +37 ' table
	"$STARTLINE" report --view syscalls --format csv >table.csv
	grep -qE '^1,[^,]*,openat,18,0,' table.csv
	grep -qE '^,,openat,23,0,' table.csv
}

@test "they are those that strace counts" {
	command -v strace >/dev/null || skip "no strace here"
	session -- "$WORKLOADS/syscalls.static"
	strace -f -c -o strace.txt "$WORKLOADS/syscalls.static"
	# Whether a thread waits for another is chance, and strace has waits begin anew.
	q '[.runs[0].processes[].syscalls[]] | group_by(.name)[] |
	   "\(.[0].name) \(map(.calls) | add) \(map(.errors) | add)"' | grep -vE '^(futex|wait4) ' | sort >ours
	awk '/^ *[0-9]/ && $NF != "total" && $NF !~ /^(futex|wait4)$/ { print $NF, $4, NF == 6 ? $5 : 0 }' \
		strace.txt | sort >theirs
	diff ours theirs
}

@test "time waited is told from time on the CPU" {
	session -- sh -c 'sleep 0.2'
	q '.runs[0].processes[].syscalls[] | select(.name == "clock_nanosleep") |
	   .calls == 1 and .total_ns >= 200000000 and .cpu_ns < 20000000' | grep -qx true
}

@test "what still runs is counted at readiness and at the end" {
	session --ready log:done -- "$WORKLOADS/syscalls.static" leave
	[ "$status" -eq 0 ]
	q '.runs[0].complete' | grep -qx true
	q '.runs[0].processes[0].syscalls[] | select(.name == "openat").ready_calls' | grep -qx 18
	[ "$(sums openat alarm)" = "openat 23/0,alarm 17/0" ]
	session --until 900ms -- "$WORKLOADS/syscalls.static" leave
	[ "$(sums openat alarm)" = "openat 23/0,alarm 17/0" ]
}

@test "numbers without a name have a place, and more than there is room for are a loss" {
	session --probes bpf -- perl -e 'for $n (500 .. 510) { syscall($n) for 1 .. 7 }'
	q '.runs[0].complete' | grep -qx true
	q '.runs[0].processes[0].syscalls[] | select(.name == "syscall 510") | "\(.calls) \(.errors)"' |
		grep -qx '7 7'
	session --probes bpf -- perl -e 'syscall($_) for 500 .. 540'
	q '.runs[0].complete' | grep -qx false
	q '.runs[0].losses.kinds[] | select(.kind == "calls").count >= 21' | grep -qx true
}

@test "calls of 32 bits are counted under the name they have with 64, or together" {
	[ "$("$WORKLOADS/int80")" = done ] || skip "no 32-bit system calls here"
	touch there
	session --probes bpf -- "$WORKLOADS/int80"
	q '[.runs[0].processes[].syscalls[] | select(.name == "open").errors] | add' | grep -qx 41
}

@test "a comparison names the calls that moved" {
	"$STARTLINE" run -q --trace base.slt -- perl -e 'syscall(39) for 1 .. 23'
	"$STARTLINE" run -q --trace head.slt -- perl -e 'syscall(39) for 1 .. 64; syscall(74, -1) for 1 .. 7'
	"$STARTLINE" compare base.slt head.slt >changes
	grep -qE '^sys\.calls\[getpid\] +2[0-9] +6[0-9] ' changes
	grep -qE '^sys\.calls\[fsync\] +0 +7 ' changes
}
