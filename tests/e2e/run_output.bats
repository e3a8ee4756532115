#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline run --ready log: without kernel probes: output goes through a pipe, and that is all that the
# program may notice, whatever becomes of startline and of who reads.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
}

# piped [run options...] -- CMD
piped() {
	"$STARTLINE" run --probes none --until exit --ready 'log:never said' -o report "$@"
}

# Writes a line a moment, both itself and in the background, and says how it ended.
cat_writer() {
	cat >writer.sh <<-'EOF'
		echo $$ >begun
		(for i in $(seq 20); do echo "behind $i"; sleep 0.1; done; echo done >behind) &
		for i in $(seq 20); do echo "line $i"; echo "error $i" >&2; sleep 0.1; done
		echo done >ended
	EOF
}

all_is_there() {
	for _ in {1..100}; do [ -e behind ] && [ -e ended ] && break || sleep 0.1; done
	[ -e behind ] && [ -e ended ]
	sleep 0.2
	[ "$(grep -c '^line' out)" = 20 ]
	[ "$(grep -c '^behind' out)" = 20 ]
	[ "$(grep -c '^error' err)" = 20 ]
}

@test "output: who kills startline does not harm the program" {
	cat_writer
	"$STARTLINE" run --probes none --ready 'log:never said' -- sh writer.sh >out 2>err 3>&- &
	for _ in {1..100}; do [ -e begun ] && break || sleep 0.05; done
	sleep 0.5
	kill -KILL $!
	wait $! || true
	all_is_there
}

@test "output: what runs on behind startline is not harmed" {
	cat_writer
	"$STARTLINE" run --probes none --ready 'log:behind 3' --until exit -o report -- \
		sh -c 'sh writer.sh & sleep 0.3' >out 2>err 3>&-
	[ -s report ]
	all_is_there
}

@test "output: all of it comes, in order, before the report" {
	for _ in 1 2 3; do
		"$STARTLINE" run --probes none --until exit --ready 'log:never said' -- seq 50000 >both 2>&1
		head -n 50000 both | cmp - <(seq 50000)
		sed -n 50001p both | grep -q '^ended before it was ready'
	done
	echo before >appended
	piped -- seq 300000 >>appended
	cmp appended <(echo before; seq 300000)
	piped -- seq 300000 | cmp - <(seq 300000)
	piped -- sh -c 'exit 23' || [ $? = 23 ]
}

@test "output: the program learns that its reader has gone" {
	piped -- sh -c 'yes; echo $? >status' | head -n 1 >/dev/null
	sh -c 'yes; echo $? >bare' | head -n 1 >/dev/null
	cmp status bare
}

@test "output: a reader that does not read keeps nobody from ending" {
	mkfifo fifo
	sleep 20 <fifo 3>&- &
	reader=$!
	start=$(date +%s%N)
	status=0
	"$STARTLINE" run -q --probes none --ready 'log:never said' --timeout 500ms -- yes >fifo 2>messages || status=$?
	[ "$status" = 124 ]
	[ $((($(date +%s%N) - start) / 1000000)) -lt 9000 ]
	kill $reader
}

@test "output: the line is found wherever it stands" {
	for spec in '^server is up$' 'is +up' '(up|down)$' '^server is [a-z]p'; do
		"$STARTLINE" run -q --probes none --ready "log:$spec" --timeout 9s -- python3 -c '
import os, sys, time
for i in range(40000):
    os.write(1, b"server is not there, line %d\n" % i)
os.write(1, b"x" * 100000 + b"\nserv")
time.sleep(0.1)
os.write(1, b"er is u")
time.sleep(0.1)
os.write(1, b"p\r\nserver is here\n")
time.sleep(30)' >out
	done
	# One that is not finished counts as well.
	"$STARTLINE" run -q --probes none --ready 'log:^> ' --timeout 9s -- \
		sh -c 'echo hello; printf "> "; sleep 30' >out
}

# seconds COMMAND...: the least of three.
seconds() {
	for _ in 1 2 3; do
		start=$(date +%s%N)
		"$@" >/dev/null
		echo $(($(date +%s%N) - start))
	done | sort -n | head -n 1
}

@test "output: it comes about as fast as without" {
	is_fast() {
		bare=$(seconds seq 20000000)
		with=$(seconds piped -- seq 20000000)
		echo "$bare ns without, $with ns with"
		# It goes through one more pipe; byte by byte it would be a hundred times.
		[ "$with" -lt $((bare * 6)) ]
	}
	attempts is_fast
}
