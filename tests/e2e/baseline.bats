#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline baseline: measurements under names, in a store.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
	unset STARTLINE_STORE
}

teardown() {
	remove_public_copy
}

record() {
	"$STARTLINE" run -q -n 3 --probes none -- "$@" >stdout
}

baseline() { # standard output in ./out, messages in ./messages, the status in $status
	status=0
	"$STARTLINE" baseline "$@" >out 2>messages || status=$?
}

save() {
	baseline save "$@"
	[ "$status" = 0 ]
}

@test "a recording is saved, listed, shown, compared with and removed" {
	record ls /
	save main --note 'the first one'
	[ "$(cat out)" = 'saved @main: 3 runs of ls /' ]
	baseline list --format json
	[ "$(jq -r '.rows[0] | .name + "|" + .scenario + "|" + .note' out)" = 'main|ls /|the first one' ]
	baseline show main
	grep -q 'the first one' out
	grep -q 'ls /' out
	"$STARTLINE" compare @main >out
	grep -q time.wall out
	"$STARTLINE" report @main >out
	baseline rm main
	[ "$status" = 0 ]
	baseline show main
	[ "$status" = 2 ]
	grep -q "no baseline 'main'" messages
}

@test "a baseline does not change" {
	record true
	save main
	record ls /
	baseline save main
	[ "$status" = 2 ]
	grep -q 'baseline rm main' messages
	baseline show main
	grep -q '^true' out
}

@test "an exported baseline is the same REF" {
	record ls /
	save main
	baseline export main -o main.json
	[ "$(jq -r .schema main.json)" = startline.report/1 ]
	"$STARTLINE" report --format json >report.json
	diff main.json report.json
	# Saved elsewhere it is the same session: the same id.
	save main main.json --store other.db
	baseline list --format json
	id=$(jq -r '.rows[0].id' out)
	baseline list --format json --store other.db
	[ "$(jq -r '.rows[0].id' out)" = "$id" ]
}

@test "numbers typed by hand make a baseline" {
	save pre --value time.wall=120..300s --value mem.peak_rss=2GB --value cpu.utilization=80%
	baseline export pre
	[ "$(jq -c '.metrics[] | select(.id == "time.wall") | [.min, .median, .max]' out)" = \
		'[120000000000,210000000000,300000000000]' ]
	[ "$(jq -c '.metrics[] | select(.id == "mem.peak_rss") | .values' out)" = '[2000000000]' ]
	[ "$(jq -c '.metrics[] | select(.id == "cpu.utilization") | .values' out)" = '[0.8]' ]
	for bad in time.wall time.wall= =5s time.wall=5..1s time.wall=2GB time.wall=1..x; do
		baseline save bad --value "$bad"
		[ "$status" = 2 ]
		grep -q METRIC=VALUE messages
	done
}

@test "failed runs are refused unless forced" {
	record false || true
	baseline save main
	[ "$status" = 2 ]
	grep -q -- --force messages
	baseline list --format json
	[ "$(jq '.rows | length' out)" = 0 ]
	save --force main
}

@test "commit and branch come from git" {
	git init -q -b trunk .
	git -c user.name=t -c user.email=t@t commit -q --allow-empty -m one
	record true
	save main
	baseline list --format json
	[ "$(jq -r '.rows[0] | .branch + " " + .commit' out)" = "trunk $(git rev-parse HEAD)" ]
}

@test "names with SQL and escape sequences do no harm" {
	record true
	save "'; DROP TABLE sl_session; --" --note "\$(touch pwned)'\"; DELETE FROM sl_baseline;"
	baseline save "$(printf 'x\033[31my')"
	[ "$status" = 2 ]
	save plain --note "$(printf 'x\033[31my\n::error::z')"
	baseline list
	[ "$(grep -c . out)" = 4 ]
	# No control byte reaches the terminal.
	[ "$(tr -d '\n' <out | LC_ALL=C grep -c '[[:cntrl:]]')" = 0 ]
	[ ! -e pwned ]
	baseline rm "'; DROP TABLE sl_session; --"
	[ "$status" = 0 ]
}

@test "run --save and --against do it on one line" {
	"$STARTLINE" run -n 3 --probes none --save main -o one -- ls / >stdout
	baseline list --format json
	[ "$(jq -r '.rows[0] | .name + "|" + .scenario' out)" = 'main|ls /' ]
	# Below the report, what compare prints.
	"$STARTLINE" run -n 3 --probes none --against @main -o both -- ls / >stdout
	"$STARTLINE" report >report.txt
	"$STARTLINE" compare @main >compare.txt
	{ cat report.txt && echo && cat compare.txt; } >expected
	diff expected both
	# Programs get one document.
	"$STARTLINE" run -n 3 --probes none --against ~1 --format json -o both.json -- ls / >stdout
	"$STARTLINE" compare ~2 --format json >compare.json
	diff compare.json both.json
	# Quiet, it is saved all the same.
	"$STARTLINE" run -q -n 1 --probes none --save quiet -- true
	baseline show quiet
	[ "$status" = 0 ]
}

@test "what is wrong with --save or --against is told before the command runs" {
	record true
	save main
	for arguments in "--save main" "--save @x" "--against @nothing" "--against none.slt"; do
		status=0
		# shellcheck disable=SC2086 # several words
		"$STARTLINE" run $arguments --probes none -- touch ran 2>messages || status=$?
		[ "$status" = 125 ]
		[ ! -e ran ]
		[ -s messages ]
	done
}

@test "run --save keeps no failed run, and its status is the program's" {
	status=0
	"$STARTLINE" run --probes none --save main -- sh -c 'exit 7' 2>messages || status=$?
	[ "$status" = 7 ]
	grep -q 'not saved as a baseline' messages
	baseline show main
	[ "$status" = 2 ]
}

@test "when the store fails, what was measured is in a file" {
	for url in /dev/null postgresql://127.0.0.1:1/x; do
		status=0
		"$STARTLINE" run --probes none --save main --store "$url" -- ls / >stdout 2>messages || status=$?
		[ "$status" = 125 ]
		file=$(sed -n "s/.*what was measured is in '\([^']*\)'.*/\1/p" messages)
		[ "$(jq -r '.command | join(" ")' "$file")" = 'ls /' ]
		"$STARTLINE" report --format json >report.json
		diff report.json "$file"
		save main "$file"
		baseline rm main
	done
}

@test "prune keeps what baselines name" {
	record true
	save one
	record ls /
	save two
	baseline rm two
	baseline prune --keep 0
	[ "$(cat out)" = 'removed 1 run' ]
	baseline show one
	[ "$status" = 0 ]
	baseline prune
	[ "$status" = 2 ]
}

@test "a store that does not work is status 6 and a remedy" {
	record true
	echo 'this is not a database, and long enough to be read as a header of one' >junk.db
	for url in junk.db /dev/null /proc/nowhere/history.db postgresql://127.0.0.1:1/x; do
		baseline save x --store "$url"
		[ "$status" = 6 ]
		grep -q -- '--store' messages
		STARTLINE_STORE=$url baseline save x
		[ "$status" = 6 ]
	done
	baseline save x --store postgresql://u:secret@127.0.0.1:1/x
	! grep -q secret messages
	baseline save x --store mysql://x/y
	[ "$status" = 2 ]
}

@test "a store of a newer startline is refused" {
	record true
	save main
	python3 -c 'import sqlite3
c = sqlite3.connect(".startline/history.db")
c.execute("UPDATE sl_store SET version = 99")
c.commit()'
	baseline list
	[ "$status" = 6 ]
	grep -q newer messages
}

@test "under sudo the store is the user's" {
	[ "$(id -u)" = 0 ] || skip "not root"
	public_copy
	mkdir -m 777 "$PUBLIC/work"
	cd "$PUBLIC/work"
	export SUDO_UID=65534 SUDO_GID=65534
	"$STARTLINE" run -q --probes none -- true
	save main
	[ "$(stat -c '%u %a' .startline/history.db)" = '65534 600' ]
	# Where they may not write, neither does startline for them.
	mkdir -m 700 "$PUBLIC/closed"
	baseline save main --store "$PUBLIC/closed/history.db"
	[ "$status" = 6 ]
	[ ! -e "$PUBLIC/closed/history.db" ]
}

@test "a store that cannot be written is read, and not saved to" {
	[ "$(id -u)" = 0 ] || skip "not root"
	record true
	save main
	public_copy
	mkdir "$PUBLIC/cache"
	cp .startline/history.db "$PUBLIC/cache/a store?%.db"
	chmod 644 "$PUBLIC"/cache/*
	chmod 555 "$PUBLIC/cache"
	as_nobody() {
		status=0
		(cd / && setpriv --reuid 65534 --regid 65534 --clear-groups "$STARTLINE" "$@" \
			--store "$PUBLIC/cache/a store?%.db") >out 2>messages || status=$?
	}
	as_nobody report @main
	[ "$status" = 0 ]
	as_nobody baseline list --format json
	[ "$(jq -r '.rows[0].name' out)" = main ]
	as_nobody baseline rm main
	[ "$status" = 6 ]
	grep -q 'permissions' messages
	grep -q -- '--store' messages
	[ "$(ls "$PUBLIC/cache")" = 'a store?%.db' ]
}

@test "mistakes are one line and status 2" {
	for arguments in "" frobnicate save "save a b c" show "list x" "rm a b" "save --keep x a"; do
		# shellcheck disable=SC2086 # several words
		baseline $arguments
		[ "$status" = 2 ]
		[ ! -s out ]
		[ -s messages ]
	done
}
