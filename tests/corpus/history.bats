#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# History of stores that have grown for years: how long it takes.
bats_require_minimum_version 1.5.0
load ../e2e/helpers

FILL="$ROOT/build/tests/tools/fill_store"
export BATS_TEST_TIMEOUT=300

setup() {
	setup_workdir
	unset STARTLINE_STORE
}

# runs N: lines for fill_store, ten minutes apart, 5 % more in every other fifth, 3 % of noise.
runs() {
	awk -v n="$1" 'BEGIN {
		srand(23)
		for (i = 0; i < n; i++) {
			noise = 0
			for (k = 0; k < 12; k++)
				noise += rand() - 0.5
			printf "%d c0ffee%034x %f\n", 1500000000 + 600 * i, i,
				4e8 * (1 + 0.05 * (int(i * 5 / n) % 2)) * (1 + 0.03 * noise)
		}
	}'
}

# CPU time in ms of a command, the least of seven: the machine may be busy.
cpu_ms() {
	python3 - "$@" <<-'EOF'
		import os, subprocess, sys
		best = None
		for _ in range(7):
		    before = os.times()
		    subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
		    after = os.times()
		    spent = (after.children_user - before.children_user
		             + after.children_system - before.children_system)
		    best = spent if best is None else min(best, spent)
		print(round(best * 1000))
	EOF
}

# Times are held against the machine's own: four times the runs may take little more than four times as
# long. One pass over all pairs of runs would take sixteen.
@test "the trend of 100,000 runs takes at most six times as long as that of 25,000" {
	runs 100000 | "$FILL" large.db server sha256:a startup.ready ns
	runs 25000 | "$FILL" small.db server sha256:a startup.ready ns
	"$STARTLINE" history startup.ready --store large.db --format json >out
	[ "$(jq '.changes.rows | length' out)" = 4 ]
	large=$(cpu_ms "$STARTLINE" history startup.ready --store large.db)
	small=$(cpu_ms "$STARTLINE" history startup.ready --store small.db)
	echo "# 100,000 runs: $large ms, 25,000: $small ms" >&3
	[ "$large" -le $((6 * small)) ]
}

@test "the overview of 300 metrics takes at most six times as long as that of 75" {
	runs 1000 >lines
	for i in $(seq 300); do
		"$FILL" large.db server sha256:a "net.connect[tcp 10.0.0.$i:5432]" ns <lines
		[ "$i" != 75 ] || cp large.db small.db
	done
	large=$(cpu_ms "$STARTLINE" history --store large.db)
	small=$(cpu_ms "$STARTLINE" history --store small.db)
	echo "# 300 metrics of 1000 runs: $large ms, 75: $small ms" >&3
	[ "$large" -le $((6 * small)) ]
}
