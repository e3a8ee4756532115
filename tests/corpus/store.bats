#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The store under load, and on a real PostgreSQL.
bats_require_minimum_version 1.5.0
load ../e2e/helpers

UNIT="$ROOT/build/tests/unit"
export BATS_TEST_TIMEOUT=600

# A server of its own in a directory of its own, reached through a socket there.
setup_file() {
	PG_BIN=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1)")
	export PG_BIN
	[ -x "$PG_BIN/initdb" ] || return 0
	PG=$(mktemp -d /tmp/startline-pg.XXXXXX)
	export PG
	chmod 755 "$PG"
	[ "$(id -u)" != 0 ] || chown nobody "$PG"
	as_server "$PG_BIN/initdb" -D "$PG/data" -U perf -A trust --no-sync >"$PG.log" 2>&1 3>&-
	as_server "$PG_BIN/pg_ctl" -D "$PG/data" -l "$PG/log" -w -t 60 \
		-o "-c listen_addresses= -c unix_socket_directories=$PG" start >>"$PG.log" 2>&1 3>&-
}

teardown_file() {
	[ -n "${PG:-}" ] || return 0
	as_server "$PG_BIN/pg_ctl" -D "$PG/data" -w -m immediate stop >/dev/null 2>&1 || true
	rm -rf "$PG" "$PG.log"
}

setup() {
	setup_workdir
	unset STARTLINE_STORE
}

as_server() { # PostgreSQL refuses to run as root
	if [ "$(id -u)" = 0 ]; then
		(cd / && setpriv --reuid nobody --regid nogroup --clear-groups "$@")
	else
		"$@"
	fi
}

# A database of that name, empty; its URL in $url.
database() {
	[ -n "${PG:-}" ] || skip "no PostgreSQL server here (Debian package: postgresql)"
	"$PG_BIN/psql" -q -h "$PG" -U perf postgres -c "CREATE DATABASE $1"
	url="postgresql://perf@/$1?host=$PG"
}

psql() {
	"$PG_BIN/psql" -qAt -h "$PG" -U perf "$@"
}

# Runs a unit test and shows its figures.
prove() {
	"$UNIT/test_store_$1" >figures 2>&1 || {
		cat figures
		return 1
	}
	grep '^# ' figures >&3
}

# try STATUS [arguments...]: of startline; output in ./out, messages in ./messages.
try() {
	local expected=$1 status=0
	shift
	"$STARTLINE" "$@" >out 2>messages || status=$?
	[ "$status" = "$expected" ] && return 0
	echo "status $status"
	cat messages
	return 1
}

@test "SQLite: 32 writers and 500 kills lose no committed run" {
	STARTLINE_TEST_WRITERS=32 STARTLINE_TEST_KILLS=500 prove writers
}

@test "PostgreSQL: 32 writers and 500 kills lose no committed run" {
	database writers
	STARTLINE_TEST_STORE=$url STARTLINE_TEST_WRITERS=32 STARTLINE_TEST_KILLS=500 prove writers
}

@test "SQLite and PostgreSQL answer 200 queries alike" {
	database alike
	STARTLINE_TEST_STORE=$url prove both
}

@test "100,000 runs: a trend takes at most 200 ms" {
	database trend
	STARTLINE_TEST_STORE=$url STARTLINE_TEST_RUNS=100000 prove trend
	# CPU time: other programs' share of this machine does not count.
	ms=$(sed -n 's/^# SQLite.* all in \([0-9]*\)\..*/\1/p' figures)
	[ "$ms" -le 200 ]
}

@test "PostgreSQL: save, list, compare, remove" {
	database commands
	export STARTLINE_STORE=$url
	"$STARTLINE" run -q -n 3 --probes none -- ls / >stdout
	try 0 baseline save main --note "it's"
	try 2 baseline save main
	grep -q 'baseline rm main' messages
	try 0 baseline list --format json
	[ "$(jq -r '.rows[0] | .name + "|" + .note' out)" = "main|it's" ]
	try 0 compare @main
	grep -q time.wall out
	try 0 baseline export main
	cp out main.json
	try 0 report --format json
	diff main.json out
	try 0 baseline rm main
	try 2 report @main
	[ ! -e .startline/history.db ]
}

@test "PostgreSQL: whoever may only read can compare, and not save" {
	database readers
	psql postgres -c "CREATE ROLE reader LOGIN"
	"$STARTLINE" run -q --probes none -- true
	try 0 baseline save main --store "$url"
	psql readers -c "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
	export STARTLINE_STORE="postgresql://reader@/readers?host=$PG"
	try 0 compare @main
	try 6 baseline save mine
	grep -q 'permission denied' messages
	grep -q -- '--store' messages
}

@test "PostgreSQL: a store of an older schema is brought up to date" {
	database older
	export STARTLINE_STORE=$url
	"$STARTLINE" run -q --probes none -- true
	try 0 baseline save main
	# What schemas 1 and 2 did not have.
	psql older -c 'DROP VIEW session, history, metric, baseline, annotation' -c 'ALTER TABLE sl_session DROP COLUMN is_dirty' -c 'DROP TABLE sl_annotation' \
		-c 'UPDATE sl_store SET version = 1'
	try 0 baseline list --format json
	[ "$(jq -r '.rows[0].name' out)" = main ]
	[ "$(psql older -c 'SELECT version FROM sl_store')" = 3 ]
	[ "$(psql older -c 'SELECT COUNT(*) FROM sl_annotation')" = 0 ]
	[ "$(psql older -c 'SELECT name FROM baseline')" = main ]
}

@test "PostgreSQL: the documented queries" {
	database queries
	"$STARTLINE" run -q --probes none -- true
	try 0 baseline save main --store "$url"
	sed -n '/^```sql$/,/^```$/p' "$ROOT/docs/store.md" | grep -v '^```' >queries.sql
	"$PG_BIN/psql" -qAt -v ON_ERROR_STOP=1 -h "$PG" -U perf queries -f queries.sql >rows
	grep -qE '^main\|.*\|[0-9.]+$' rows
	psql queries -c "SELECT time FROM history LIMIT 1" | grep -qE '^[0-9]{4}-[0-9]{2}-[0-9]{2} '
}

@test "PostgreSQL: locked, newer, gone: status 6 and a remedy" {
	database trouble
	"$STARTLINE" run -q --probes none -- true
	try 0 baseline save main --store "$url"
	psql trouble -c "BEGIN" -c "LOCK TABLE sl_session" -c "SELECT pg_sleep(14)" 3>&- &
	holder=$!
	sleep 1
	try 6 baseline save other --store "$url"
	grep -q 'locked by another' messages
	wait "$holder"
	psql trouble -c "UPDATE sl_store SET version = 99"
	try 6 compare @main --store "$url"
	grep -q newer messages
	try 6 baseline list --store "postgresql://perf@/nowhere?host=$PG"
	grep -q -- '--store' messages
	try 6 baseline list --store "postgresql://perf@127.0.0.1:1/x"
}

@test "SQLite: a locked store is waited for, then status 6 and a remedy" {
	"$STARTLINE" run -q --probes none -- true
	try 0 baseline save main
	python3 -c 'import sqlite3, time
c = sqlite3.connect(".startline/history.db", isolation_level=None)
c.execute("BEGIN IMMEDIATE")
open("locked", "w")
time.sleep(14)' 3>&- &
	holder=$!
	until [ -e locked ]; do sleep 0.1; done
	# Readers do not wait.
	try 0 baseline list
	try 6 baseline save other
	grep -q 'locked by another' messages
	wait "$holder"
	try 0 baseline save other
}
