#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Debug information from a debuginfod server, when it is asked for and not before.

load ../e2e/helpers

setup() {
	setup_workdir
	command -v debuginfod >/dev/null || skip "no debuginfod here"
	export DEBUGINFOD_CACHE_PATH=$PWD/cache
	mkdir served
	cat >work.c <<-'END'
		#include <time.h>

		static volatile unsigned long sink;

		static __attribute__((noinline)) void crunch_numbers(double seconds)
		{
			struct timespec t;
			do {
				for (int i = 0; i < 10000; i++)
					sink += i;
				clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
			} while (t.tv_sec + t.tv_nsec / 1e9 < seconds);
		}

		void call(void (*function)(double), double seconds);

		int main(void)
		{
			call(crunch_numbers, 0.15);
			return 0;
		}
	END
	echo 'void call(void (*f)(double), double x) { f(x); __asm__(""); }' >unserved.c
	gcc -O1 -fPIC -shared -Wl,--build-id -o libunserved.so unserved.c
	gcc -O1 -g -Wl,--build-id,-rpath,"$PWD" -o work work.c libunserved.so
	objcopy --only-keep-debug work served/work.debug
	strip work libunserved.so
}

teardown() {
	[ -z "${server:-}" ] || kill "$server"
}

# Answers once it has looked at what it serves.
serve() {
	port=$(free_port)
	debuginfod -F served -p "$port" -d :memory: -t 0 >server.log 2>&1 3>&- &
	server=$!
	export DEBUGINFOD_URLS=http://127.0.0.1:$port
	for _ in $(seq 100); do
		curl -s "$DEBUGINFOD_URLS/metrics" | grep -Eq '^thread_work_total\{role="scan"\} [1-9]' && return
		sleep 0.1
	done
	cat server.log && return 1
}

# record OPTIONS: names of the program's functions are in ./names, notes in ./notes.
record() {
	session --trace t.slt "$@" -- ./work
	[ "$status" -eq 0 ] || return 1
	"$STARTLINE" report t.slt --view functions --format json |
		jq -r '.rows[] | select((.module // "") | endswith("/work")) | .label' >names
	q '.notes[]' >notes
}

@test "a stripped program has names and lines from a server, if asked for" {
	serve
	# The variable alone is no wish.
	record
	grep -qxF "work+0x..." names
	fails grep -q crunch_numbers names
	[ ! -e cache ]
	record --debuginfod 20s
	grep -qx crunch_numbers names
	"$STARTLINE" report t.slt | tr -s '\n ' '  ' | grep -q 'crunch_numbers (.*work\.c:[0-9]*)'
	# Nobody serves the library's.
	grep -q 'no debuginfod server has debug information of.*libunserved\.so' notes
	fails grep -q 'of.* work\b' notes
}

@test "what debuginfod does not give costs names alone, and is said" {
	record --debuginfod 5s
	grep -q 'no debug information was fetched: DEBUGINFOD_URLS names no server' notes
	DEBUGINFOD_URLS=http://127.0.0.1:1 record --debuginfod 5s
	grep -q 'no debug information from debuginfod:.*work: Connection refused' notes
	q '.complete' | grep -qx true || q '.runs[0].complete' | grep -qx true
	run "$STARTLINE" run --debuginfod 0 -- true
	[ "$status" -eq 125 ]
	grep -q "a duration such as 30s" <<<"$output"
}

@test "a debuginfod that never answers takes the time it was given" {
	python3 -c 'import socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(8)
print(s.getsockname()[1], flush=True)
time.sleep(30)' >port 3>&- &
	server=$!
	until [ -s port ]; do sleep 0.1; done
	start=$SECONDS
	DEBUGINFOD_URLS=http://127.0.0.1:$(cat port) record --debuginfod 2s
	[ $((SECONDS - start)) -lt 12 ]
	grep -q 'the time for debuginfod was over before that of.*work' notes
}
