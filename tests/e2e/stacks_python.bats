#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Functions of a Python program in its stacks. That frames are read rightly: tests/corpus/python.bats.

load helpers
load stacks_helpers

setup() {
	setup_workdir
	require_bpf
	version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	case $version in 3.11 | 3.13) ;; *) skip "frames of Python $version are not read" ;; esac
	cat >split.py <<-'END'
		import os, sys, threading, time

		def burn(n):
		    while n:
		        n -= 1

		def heavy(unit):
		    burn(7 * unit)

		class Rest:
		    def light(self, unit):
		        burn(3 * unit)

		def split_work(end):
		    rest, n = Rest(), 0
		    while time.thread_time() < end:
		        # Rounds that took 2 ms each would keep step with the samples: 16 lengths, in turn.
		        n = (n * 5 + 3) % 16
		        unit = 4000 + 500 * n
		        heavy(unit)
		        rest.light(unit)

		def wait_for_it():
		    time.sleep(0.15)

		def in_thread():
		    thread = threading.Thread(target=split_work, args=(0.4,))
		    thread.start()
		    thread.join()

		def in_child():
		    if os.fork() == 0:
		        split_work(0.4)
		        os._exit(0)
		    os.wait()

		{"main": lambda: split_work(0.4), "thread": in_thread, "fork": in_child, "sleep": wait_for_it}[sys.argv[1]]()
	END
}

# A share of 150 samples lies within 12 of 70 in 998 of 1,000 cases.
is_split_right() {
	near "$(share ';burn;heavy;split_work;')" 70 0 13
	near "$(share ';burn;Rest.light;split_work;')" 30 0 13
}

@test "functions of Python get their shares, in the program, a thread and a child" {
	for where in main thread fork; do
		record --stacks 499 -- /usr/bin/python3 split.py "$where"
		is_split_right
	done
	# The interpreter's frames are in the places of its evaluation, from the first frame to the last one.
	grep -q ';burn;heavy;split_work;in_child;<lambda>;\|;burn;heavy;split_work;in_child;<module>;' samples
	grep -qE '^timer.*;burn;heavy;split_work;.*;Py_BytesMain;.*;_start;$' samples
}

@test "versions whose frames cannot be read are named, once each" {
	# What it is shows in the name of its file.
	for name in python3.9 pypy3.10; do
		cp "$WORKLOADS/stacks" "$name"
	done
	record -n 2 -- sh -c './python3.9 plain 5; ./python3.9 plain 5; ./pypy3.10 plain 5'
	tr -s '\n ' ' ' <report >line
	[ "$(grep -o 'Python 3.9, PyPy: time in it' line | wc -l)" = 1 ]
	grep -q 'read of Python 3.11 and 3.13 only' line
	record -- /usr/bin/python3 split.py sleep
	fails grep -q 'time in it shows' report
	record -n 2 --probes none -- /usr/bin/python3 split.py fork
	[ "$(tr -s '\n ' ' ' <report | grep -o 'is read with kernel probes only' | wc -l)" = 1 ]
}

# unshare's command is the first one there.
@test "in a pid namespace Python's functions are known, also where startline lives in it" {
	record --stacks 499 -- unshare -pf --mount-proc /usr/bin/python3 split.py thread
	is_split_right
	printf '#!/bin/sh\nexec unshare -pf --mount-proc %s "$@"\n' "$STARTLINE" >inside
	chmod +x inside
	for deeper in "" "unshare -pf --mount-proc"; do
		# shellcheck disable=SC2086 # a command, or none
		STARTLINE=./inside record --stacks 499 -- $deeper /usr/bin/python3 split.py thread
		is_split_right
		# Samples are of the threads that were seen to run.
		"$STARTLINE" report --format json r.slt >session.json
		q '[.runs[0].samples[] | select(.stack != null and .critical).weight_ns] | add > 300000000' |
			grep -qx true
	done
}

@test "a wait in Python has the function and the line that waited" {
	record -- /usr/bin/python3 split.py sleep
	grep -qE '^wait .*;wait_for_it;<module>;' samples
	frame=$(sed -n "s/.*function .*frame=\([0-9]*\) depth=0 line=[0-9]* .*wait_for_it.*/\1/p" events)
	[ -n "$frame" ]
}
