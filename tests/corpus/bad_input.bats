#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What goes wrong: each a one-line message that says what to do, or it simply works. Nothing that
# was recorded is lost, nothing of the target reaches the terminal alive, nothing is left behind.
bats_require_minimum_version 1.5.0
load ../e2e/helpers

setup() {
	setup_workdir
}

# one_message PATTERN: stderr was one line of startline, and says that.
one_message() {
	[ "$(grep -c '^startline' messages)" = 1 ]
	grep -qE "$1" messages
}

# start...: startline in the background; $pid is its process, $target the program's.
start() {
	"$STARTLINE" run -q "$@" -- sh -c 'echo $$ >target.new; mv target.new target; exec sleep 30' \
		</dev/null >out 2>messages 3>&- &
	pid=$!
	for _ in $(seq 200); do
		[ -s target ] && break
		sleep 0.02
	done
	target=$(cat target)
}

@test "a program that does not exist: 127" {
	session -- ./nothing-here
	[ "$status" = 127 ]
	one_message "cannot execute './nothing-here': No such file"
	session -- nothing-in-path
	[ "$status" = 127 ]
}

@test "a program that may not be executed: 126" {
	echo hello >text
	session -- ./text
	[ "$status" = 126 ]
	one_message 'Permission denied'
	session -- /tmp
	[ "$status" = 126 ]
}

@test "a program in a format nobody knows: 126" {
	printf '\177ELFrubbish' >program
	chmod +x program
	session -- ./program
	[ "$status" = 126 ] || [ "$status" = 127 ] || [ "$status" = 2 ]
}

@test "nothing to run: 125" {
	status=0
	"$STARTLINE" run 2>messages || status=$?
	[ "$status" = 125 ]
	grep -q 'no command' messages
}

@test "unknown options and values: 125, with what is allowed" {
	for words in '--nonsense' '--probes magic' '--heap exactly' '--ring 1' '-n 0' '--timeout soon' \
		'--until later' '--stop-signal NOSUCH' '--format yaml' '--redact [' '--until ready' \
		'--user nobody-at-all'; do
		status=0
		# shellcheck disable=SC2086 # option and value
		"$STARTLINE" run $words -- true 2>messages || status=$?
		echo "$words: $status"
		[ "$status" = 125 ]
		[ -s messages ]
	done
}

@test "a --ready that cannot be parsed: 125, with what is allowed" {
	for spec in nonsense accept:port listen:99999999 log: 'log:[' tcp:nohost http:; do
		status=0
		"$STARTLINE" run --ready "$spec" -- true 2>messages || status=$?
		echo "$spec: $status"
		[ "$status" = 125 ]
		one_message 'ready'
	done
	for words in '--probes none --ready accept' '--probes shim --ready first-byte'; do
		status=0
		# shellcheck disable=SC2086 # options and values
		"$STARTLINE" run $words -- touch ran 2>messages || status=$?
		[ "$status" = 125 ]
		one_message 'can tell'
		[ ! -e ran ]
	done
}

@test "unknown commands and views: a suggestion" {
	status=0
	"$STARTLINE" rnu 2>messages || status=$?
	[ "$status" = 2 ]
	grep -q "did you mean 'run'" messages
	status=0
	"$STARTLINE" stat 2>messages || status=$?
	[ "$status" = 2 ]
	grep -q 'see `startline help`' messages
	session -- true
	status=0
	"$STARTLINE" report --view nonsense 2>messages || status=$?
	[ "$status" = 2 ]
	grep -q startup messages
}

@test "recordings that cannot be read: 2" {
	echo 'not a recording' >foreign
	: >empty
	mkdir directory
	for file in foreign empty directory missing /dev/null; do
		status=0
		"$STARTLINE" report "$file" >out 2>messages || status=$?
		echo "$file: $status"
		[ "$status" = 2 ]
		[ ! -s out ]
		one_message "$(basename "$file")"
	done
}

@test "no recording yet: 2, and how to make one" {
	status=0
	XDG_STATE_HOME=$PWD/state "$STARTLINE" report 2>messages || status=$?
	[ "$status" = 2 ]
	one_message 'startline run'
}

@test "a truncated recording is read up to its end and marked" {
	session --trace t.slt -- sh -c 'for i in 1 2 3 4 5 6 7 8; do ls >/dev/null; done'
	size=$(stat -c %s t.slt)
	head -c $((size - 10)) t.slt >cut.slt
	"$STARTLINE" report cut.slt >out 2>messages
	grep -q truncated messages
	for part in 1 20 32 60 200; do
		head -c $part t.slt >cut.slt
		status=0
		"$STARTLINE" report cut.slt >out 2>messages || status=$?
		[ "$status" = 2 ] || [ "$status" = 0 ]
		[ -s messages ]
	done
}

@test "a port that never opens: 124 at the timeout" {
	start=$(date +%s%N)
	session --ready accept:1 --timeout 500ms -- sleep 30
	elapsed=$((($(date +%s%N) - start) / 1000000))
	[ "$status" = 124 ]
	[ "$elapsed" -lt 3000 ]
	one_message 'not ready after'
}

@test "a server that dies before it is ready" {
	session --ready accept -- sh -c 'echo dying >&2; exit 9'
	[ "$status" = 9 ]
	one_message 'ended before it was ready'
}

@test "no permission: as nobody, everything still works, with less" {
	[ "$(id -u)" = 0 ] || skip "needs root to become nobody"
	mkdir locked
	chmod 755 . locked
	cd locked
	status=0
	HOME=/nonexistent setpriv --reuid nobody --regid nogroup --clear-groups \
		"$STARTLINE" run -- sh -c 'exit 3' 2>../messages || status=$?
	[ "$status" = 3 ]
	grep -q 'no place to keep the recording' ../messages
	grep -q '^done in' ../messages
	status=0
	setpriv --reuid nobody --regid nogroup --clear-groups \
		"$STARTLINE" run --probes bpf -- true 2>../messages || status=$?
	[ "$status" = 125 ]
	grep -q 'not root' ../messages
}

@test "the disk is full: the program goes on, what was written is kept, 125" {
	[ "$(id -u)" = 0 ] || skip "needs root to mount"
	mkdir disk
	unshare -m sh -c 'mount -t tmpfs -o size=160k none disk && cd disk &&
		dd if=/dev/zero of=filler bs=1k count=30 2>/dev/null
		"$1" run --trace t.slt -- sh -c "i=0; while [ \$i -lt 400 ]; do /bin/true; i=\$((i+1)); done; echo done >../finished; exit 3"
		echo $? >../status; "$1" report t.slt >../out 2>../report_messages; echo $? >../report_status' \
		sh "$STARTLINE" 2>messages
	[ "$(cat finished)" = done ]
	[ "$(cat status)" = 125 ]
	[ "$(grep -c "^startline: error" messages)" = 1 ]
	grep -q 'No space' messages
	[ "$(cat report_status)" = 0 ]
}

@test "past the file size limit: as on a full disk, and the program still has its own signal" {
	# 512-byte blocks, or 1024.
	status=0
	sh -c 'ulimit -f 300; exec "$0" run --trace t.slt -- sh -c "$1"' "$STARTLINE" '
		i=0
		while [ $i -lt 20000 ]; do true </nothing-here; true </dev/null; i=$((i+1)); done 2>/dev/null
		head -c 4000000 /dev/zero >big; echo $? >finished; exit 3' 2>messages || status=$?
	if have_bpf; then
		[ "$status" = 125 ]
		[ "$(grep -c "^startline: error" messages)" = 1 ]
		grep -q 'File too large' messages
	fi
	[ "$(cat finished)" = $((128 + $(kill -l XFSZ))) ]
	"$STARTLINE" report t.slt >out
	if have_bpf; then
		sh -c 'ulimit -f 20; exec "$0" run --trace t.slt -- true' "$STARTLINE" 2>messages
		tr -s '\n ' ' ' <messages | grep -q 'no kernel events: the file size limit is too small'
	fi
}

@test "SIGXFSZ is the program's as it was startline's" {
	"$STARTLINE" run -q -- grep SigIgn /proc/self/status >seen
	grep SigIgn /proc/self/status >bare
	cmp seen bare
	sh -c 'trap "" XFSZ; "$0" run -q -- grep SigIgn /proc/self/status' "$STARTLINE" >seen
	sh -c 'trap "" XFSZ; grep SigIgn /proc/self/status' >bare
	cmp seen bare
}

@test "shared memory is full: not counted, and the program does not notice" {
	[ "$(id -u)" = 0 ] || skip "needs root to mount"
	unshare -m sh -c 'mount -t tmpfs -o size=8k none /dev/shm && dd if=/dev/zero of=/dev/shm/f bs=4k count=1 2>/dev/null
		exec "$1" run -q --format json -o session.json -- sh -c "echo fine; exit 5"' sh "$STARTLINE" >out 2>messages || status=$?
	[ "$status" = 5 ]
	[ "$(cat out)" = fine ]
	[ ! -s messages ]
	[ "$(q '.runs[0].processes[0].heap')" = null ] || [ "$(q '.runs[0].processes[0].heap.allocs')" = null ]
}

@test "TERM to startline: the program gets it, the recording is kept" {
	start --trace t.slt
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ "$status" = 143 ]
	gone "$target"
	"$STARTLINE" report t.slt >out
	grep -q 'sleep 30' out
}

@test "KILL to startline: the program lives on, nothing stays behind" {
	start --trace t.slt
	sleep 1.2 # the last block is written after a second at most
	sed -n 's/^link_id:[[:space:]]*//p' /proc/$pid/fdinfo/* >links
	kill -KILL $pid
	wait $pid || true
	kill -0 "$target"
	kill "$target"
	"$STARTLINE" report t.slt >out 2>messages
	grep -q truncated messages
	if have_bpf; then
		grep -q 'sleep 30' out
	fi
	# The next one tidies up what the dead one could not.
	sleep 5
	if have_bpf; then
		[ "$(wc -l <links)" -gt 10 ]
		bpftool -j link | jq '.[].id' >attached
		run ! grep -qxFf attached links
	fi
	session -- true
	[ -z "$(find /sys/fs/cgroup -name "startline-$pid-*" 2>/dev/null)" ]
}

@test "the first Ctrl-C is the program's, the second ends startline, which keeps what it has" {
	start --trace t.slt
	kill -INT $pid
	sleep 0.3
	kill -0 $pid
	kill -INT $pid
	status=0
	wait $pid || status=$?
	[ "$status" = 130 ]
	kill "$target"
	"$STARTLINE" report t.slt >out
}

@test "KILL to startline before the program was released: nothing is left" {
	"$STARTLINE" run -q -n 1000 -- "$(command -v true)" </dev/null >out 2>&1 3>&- &
	pid=$!
	sleep 0.53
	kill -KILL $pid
	wait $pid || true
	sleep 0.2
	[ -z "$(pgrep -f "^$STARTLINE run -q -n 1000")" ]
}

@test "two startlines at once" {
	"$STARTLINE" run -q --format json -o a.json -- sh -c 'sleep 0.5; ls / >/dev/null; exit 3' 3>&- &
	a=$!
	"$STARTLINE" run -q --format json -o b.json -- sh -c 'sleep 0.5; ls / >/dev/null; exit 4' 3>&- &
	b=$!
	status=0
	wait $a || status=$?
	[ "$status" = 3 ]
	status=0
	wait $b || status=$?
	[ "$status" = 4 ]
	for file in a.json b.json; do
		[ "$(jq '.runs[0].complete' $file)" = true ]
		[ "$(jq '.runs[0].processes | length' $file)" = "$(jq '.runs[0].processes | length' a.json)" ]
	done
}

@test "startline under startline" {
	status=0
	"$STARTLINE" run -q --format json -o outer.json -- \
		"$STARTLINE" run -q --format json -o inner.json -- sh -c 'ls / >/dev/null; exit 7' || status=$?
	[ "$status" = 7 ]
	[ "$(jq '.runs[0].exit.code' inner.json)" = 7 ]
	[ "$(jq '.runs[0].exit.code' outer.json)" = 7 ]
}

@test "arguments of 1 MiB" {
	args=()
	for _ in $(seq 11); do
		args+=("$(printf '%0100000d' 0)")
	done
	session -- sh -c 'exit $#' "${args[@]}"
	[ "$status" = 10 ]
	if have_bpf; then
		[ "$(q '.runs[0].processes[0].execs[0].argv_bytes > 1000000')" = true ]
		[ "$(q '.runs[0].processes[0].execs[0].truncated')" = true ]
	fi
	"$STARTLINE" report >out
	[ "$(wc -c <out)" -lt 20000 ]
}

@test "arguments with escapes, HTML, newlines and bytes that are not UTF-8" {
	args=($'\e[31mred\e]0;title\a' '<script>alert(1)</script>' $'two\nlines' $'\xff\xfe\x80' $'\u202eltr' '' '::error::x')
	session -- sh -c 'exit $#' x "${args[@]}"
	[ "$status" = 7 ]
	python3 -c 'import json; d = json.loads(open("session.json", encoding="utf-8").read())
argv = d["runs"][0]["processes"][0]["argv"]
assert argv[5] == "<script>alert(1)</script>", argv
assert argv[6] == "two\nlines", argv
assert argv[9] == "", argv
assert len(argv) == 11, argv'
	for view in '' '--view processes' '--view startup' '--view events'; do
		# shellcheck disable=SC2086 # option and value
		"$STARTLINE" report $view >out
		run ! grep -q $'\e' out
		run ! grep -q $'\u202e' out
		run ! grep -q '^::error' out
		iconv -f UTF-8 -t UTF-8 out >/dev/null
	done
	"$STARTLINE" report --format markdown >out
	run ! grep -q '<script' out
}

@test "no TERM, no colour; a dumb locale, no UTF-8" {
	env -u TERM "$STARTLINE" run -- true 2>out
	grep -q '^done in' out
	run ! grep -q $'\e' out
	LC_ALL=C "$STARTLINE" report >out
	run ! grep -qP '[^\x00-\x7f]' out
}

@test "standard output that cannot be written: 6" {
	session -- true
	status=0
	"$STARTLINE" report >/dev/full 2>messages || status=$?
	[ "$status" = 6 ]
	one_message 'standard output'
	status=0
	"$STARTLINE" report >&- 2>messages || status=$?
	[ "$status" = 6 ]
	status=0
	"$STARTLINE" report -o /nonexistent/report 2>messages || status=$?
	[ "$status" = 6 ]
}

@test "a link planted in place of the recording is not followed" {
	echo precious >precious
	ln -s precious t.slt
	"$STARTLINE" run -q --trace t.slt -- true || true
	[ "$(cat precious)" = precious ]
}

@test "a back-reference, with which one line could take minutes, is refused" {
	session --ready 'log:(.*)(.*)(.*)\3\2\1x' --timeout 1s -- sh -c 'head -c 2000 /dev/zero | tr "\0" a; sleep 5'
	[ "$status" = 125 ]
	one_message 'back-reference'
	session --redact '(a*)\1' -- true
	[ "$status" = 125 ]
	grep -q 'back-reference' messages
	session --redact '[\1]|\(1\)' -- true
	[ "$status" = 0 ]
}

@test "-h is --help, of every command, and all of it is ASCII where the locale is" {
	"$STARTLINE" -h >short
	"$STARTLINE" --help | cmp - short
	for command in $(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' short); do
		LC_ALL=C "$STARTLINE" "$command" -h >short
		LC_ALL=C "$STARTLINE" "$command" --help | cmp - short
		fails env LC_ALL=C grep -n '[^ -~]' short
	done
	"$STARTLINE" run -n 2 -h | grep -q '^Usage: startline run'
}
