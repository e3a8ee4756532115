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
