#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What startline check leaves in the store.
bats_require_minimum_version 1.5.0
load helpers
load check_helpers

setup() {
	setup_workdir
	unset STARTLINE_STORE
	cat >startline.yml <<-'EOF'
		scenarios:
		  - { name: lists, command: ls /, runs: 3, budgets: { time.wall: "< 1 h" } }
		  - { name: sleeps, command: sleep 0.01, runs: 2, budgets: { time.wall: "< 1 h" } }
	EOF
}

n_runs() { # of the scenario in the store
	python3 - "$1" <<-'EOF'
		import os, sqlite3, sys
		path = ".startline/history.db"
		print(sqlite3.connect(path).execute("SELECT COUNT(*) FROM sl_session WHERE scenario = ?",
		      sys.argv[1:]).fetchone()[0] if os.path.exists(path) else 0)
	EOF
}

@test "runs are kept under the scenario's name, for history" {
	check
	[ "$status" = 0 ]
	check lists
	[ "$status" = 0 ]
	[ "$(n_runs lists)" = 2 ]
	[ "$(n_runs sleeps)" = 1 ]
	"$STARTLINE" history --scenario lists time.wall >out
	grep -q lists out
}

@test "neither --list, --bisect nor --trusted write history, and no failed run is kept" {
	check --list
	check --bisect
	[ "$status" = 0 ]
	git init -q .
	git add startline.yml
	git -c user.name=t -c user.email=t@t commit -q -m one
	check --trusted HEAD
	[ "$status" = 0 ]
	[ "$(n_runs lists)" = 0 ]
	sed -i 's/sleep 0.01/false/' startline.yml
	check
	[ "$status" = 3 ]
	[ "$(n_runs lists)" = 1 ]
	[ "$(n_runs sleeps)" = 0 ]
}

@test "when the store fails there is a verdict, a file with each measurement, and status 6" {
	check --store /dev/null
	[ "$status" = 6 ]
	[ "$(v '.outcomes | map(.scenario) | join(" ")')" = 'lists sleeps' ]
	grep -q -- '--store' messages
	sed -n "s/.*what was measured is in '\\([^']*\\)'.*/\\1/p" messages >files
	[ "$(sort -u files | wc -l)" = 2 ]
	[ "$(jq -r '.command | join(" ")' "$(head -n 1 files)")" = 'ls /' ]
	"$STARTLINE" baseline save main "$(head -n 1 files)"
}

# documented_queries OLD NEW: the queries of docs/store.md about two commits, of that store, a row a line with tabs, "-- N" before the N-th.
documented_queries() {
	python3 - "$ROOT/docs/store.md" "$@" <<-'EOF'
		import re, sqlite3, sys
		store = sqlite3.connect(".startline/history.db")
		for n, query in enumerate(re.findall(r"```sql\n(.*?)```", open(sys.argv[1]).read(), re.S), 1):
		    print("--", n)
		    for row in store.execute(query.replace("0a1b", sys.argv[2]).replace("2c3d", sys.argv[3])):
		        print(*row, sep="\t")
	EOF
}

@test "the documented queries find what was stored" {
	git init -q . && git -c user.name=x -c user.email=x@x commit -q --allow-empty -m x
	commit=$(git rev-parse HEAD)
	for n in 1 2; do printf '[{"name":"time.wall","unit":"ms","values":[%s]}]' "$((n * 20))" >"$n.json"; done
	printf 'scenarios:\n  - { name: server, command: ls /, runs: 2, budgets: { time.wall: "< 1 h" } }\n' >startline.yml
	check
	git -c user.name=x -c user.email=x@x commit -q --allow-empty -m y
	later=$(git rev-parse HEAD)
	check
	git checkout -q "$commit"
	"$STARTLINE" baseline save main 1.json
	# As if a change had been accepted.
	python3 - <<-'EOF'
		import sqlite3
		store = sqlite3.connect(".startline/history.db")
		store.execute("INSERT INTO sl_annotation SELECT series, session, created_ns, 'a new disk' FROM sl_point"
		              " JOIN sl_series ON number = series WHERE scenario = 'server' AND metric = 'time.wall'")
		store.commit()
	EOF
	documented_queries "$commit" "$later" >rows
	[ "$(grep -c '^-- ' rows)" = 6 ]
	sed -n '/^-- 1$/,/^-- 2$/p' rows | grep -qP "^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\t$commit\t2\t[0-9.]+$"
	sed -n '/^-- 2$/,/^-- 3$/p' rows | grep -qP '^proc.count\t1.0\tcount$'
	sed -n '/^-- 3$/,/^-- 4$/p' rows | grep -qP '^[a-z._]+(\t[0-9.e-]+){3}$'
	sed -n '/^-- 4$/,/^-- 5$/p' rows | grep -qP '^server\t2\t1\t'
	sed -n '/^-- 5$/,/^-- 6$/p' rows | grep -qP "^main\t$commit\t20.0$"
	sed -n '/^-- 6$/,$p' rows | grep -qP '\tserver\ttime.wall\ta new disk$'
}
