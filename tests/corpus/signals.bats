#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs that play with signals and process groups, bare and recorded side by side: status and output
# do not differ, in any tier.
bats_require_minimum_version 1.5.0
load ../e2e/helpers

setup() {
	setup_workdir
}

# beside COMMAND...: both ways, each in a session of its own.
beside() {
	local with=0 without=0
	setsid -w "$@" >without 2>/dev/null </dev/null || without=$?
	# shellcheck disable=SC2086 # options
	setsid -w "$STARTLINE" run $options -q -o report -- "$@" >with 2>/dev/null </dev/null || with=$?
	[ $with = $without ] && cmp without with && [ -s report ] && return
	echo "differs: $*: status $without and $with"
	diff without with
	return 1
}

@test "signals to oneself and one's group do the same" {
	all='n = [0]
def count(*_): n[0] += 1
numbers = (1, 2, 3, 10, 12, 13, 14, 15, 29, 30, 34, 40)
for s in numbers: signal.signal(s, count)
for s in numbers: os.killpg(0, s)
time.sleep(0.1); print(n[0])'
	masks='print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
print([s for s in range(1, 65) if s not in (32, 33) and signal.getsignal(s) is signal.SIG_IGN])'
	for options in "--probes auto" "--probes shim" "--probes none" \
		"--probes none --until exit --ready log:never"; do
		beside sh -c 'trap "echo t" TERM; kill -TERM 0; sleep 0.1; echo end'
		beside sh -c 'trap "" TERM; kill -TERM 0; echo end; exit 3'
		beside sh -c 'kill -TERM $$'
		beside bash -c 'trap "echo u1" USR1; trap "echo u2" USR2
			kill -USR1 0; kill -USR2 0; kill -USR1 0; echo end'
		beside bash -c 'trap "echo a" ALRM; kill -ALRM 0; kill -RTMIN 0; echo x'
		beside sh -c 'sleep 5 & p=$!; kill $p; wait $p; echo $?'
		beside bash -c 'set -m; sleep 5 & kill -STOP %1; sleep 0.1; kill -CONT %1; kill %1; wait; echo $?'
		for signal in USR1 PIPE ABRT XFSZ VTALRM PROF IO; do
			beside sh -c "ulimit -c 0; kill -$signal 0; sleep 0.1; echo no"
		done
		beside sh -c 'kill -WINCH 0; kill -URG 0; kill -CONT 0; kill -CHLD 0; echo yes'
		beside sh -c 'ulimit -c 0; kill -SEGV $$'
		beside sh -c 'yes | head -n 1; exit 5'
		beside bash -c 'yes | head -n 1; echo ${PIPESTATUS[0]}'
		beside timeout 0.3 sleep 5
		beside python3 -c "import os, signal, time
$all"
		beside python3 -c "import signal
$masks"
	done
}
