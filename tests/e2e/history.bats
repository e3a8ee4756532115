#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline history: a metric over time.
bats_require_minimum_version 1.5.0
load helpers

FILL="$ROOT/build/tests/tools/fill_store"
DAY=86400
START=1767225600 # 2026-01-01

setup() {
	setup_workdir
	unset STARTLINE_STORE
	export LC_ALL=C.UTF-8
	mkdir .startline
}

# series [AT FACTOR]...: lines for fill_store of 60 runs, a day apart, two to a commit, of 400 ms with 2 %
# of noise, which is the same each time; FACTOR times that from run AT on.
series() {
	awk -v start=$START -v day=$DAY -v steps="$*" 'BEGIN {
		n = split(steps, s, " ")
		seed = 41
		for (i = 0; i < 60; i++) {
			noise = 0
			for (k = 0; k < 12; k++) { # a sum of uniform numbers is nearly normal
				seed = (seed * 16807) % 2147483647
				noise += seed / 2147483647 - 0.5
			}
			value = 400e6 * (1 + 0.02 * noise)
			for (k = 1; k < n; k += 2)
				if (i >= s[k]) value *= s[k + 1]
			printf "%d c0ffee%034x %f\n", start + i * day, int(i / 2), value
		}
	}'
}

fill() { # SCENARIO HOST_CLASS METRIC UNIT <lines
	"$FILL" .startline/history.db "$@"
}

# try STATUS [arguments...]: of history; output in ./out, messages in ./messages.
try() {
	local expected=$1 status=0
	shift
	"$STARTLINE" history "$@" >out 2>messages || status=$?
	[ "$status" = "$expected" ] && return 0
	echo "status $status"
	cat messages
	return 1
}

o() {
	jq -r "$1" out
}

@test "a change is found, dated, sized and named" {
	series 37 1.1 | fill server sha256:a startup.ready ns
	try 0 startup.ready --format json
	[ "$(o .schema)" = startline.history/1 ]
	[ "$(o '.points.rows | length')" = 60 ]
	[ "$(o '.changes.rows | length')" = 1 ]
	[ "$(o '.changes.rows[0] | .date + " " + .verdict')" = '2026-02-07 regressed' ]
	[ "$(o '.changes.rows[0].commit')" = "c0ffee$(printf %034x 18)" ]
	near "$(o '.changes.rows[0].ratio')" 1.1 2
	[ "$(o '.changes.rows[0] | .ratio_low < 1.1 and .ratio_high > 1.1')" = true ]
	[ "$(o '.points.rows[37].mark')" = change ]
	[ "$(o '.drift.rows[0].verdict')" = regressed ]
	try 0 startup.ready
	[ "$(wc -L <out)" -le 80 ]
	grep -q '▲' out
	grep -q '^2026-02-07  c0ffee00 .*regressed$' out
	LC_ALL=C try 0 startup.ready
	! grep -qP '[^\x00-\x7f]' out
	try 0 startup.ready --format csv
	[ "$(wc -l <out)" = 61 ]
	try 0 startup.ready --format markdown
	grep -q '^### changes' out
}

@test "without a metric there is a line for each" {
	series 37 1.1 | fill server sha256:a startup.ready ns
	series | awk '{ print $1, $2, 8500000 }' | fill server sha256:a mem.peak_rss bytes
	series | fill other sha256:a time.wall ns
	try 0 --scenario server
	[ "$(wc -L <out)" -le 80 ]
	grep -q '^startup.ready .*2026-02-07 +' out
	# What never moves is not listed, but it is there.
	! grep -q mem.peak_rss out
	grep -q 'not listed: 1' out
	try 0 --scenario server --format csv
	grep -q '^mem.peak_rss,bytes,8500000,' out
	! grep -q time.wall out
	try 0 --format json
	[ "$(o '.rows | length')" -ge 1 ]
	grep -q -- --scenario out
}

@test "noise and spikes are no changes" {
	series 20 1.5 22 0.6666666667 45 2 46 0.5 | fill server sha256:a startup.ready ns
	try 0 startup.ready --format json
	[ "$(o '.changes.rows | length')" = 0 ]
	[ "$(o '[.points.rows[] | select(.mark == "spike")] | length')" = 3 ]
}

@test "an accepted change stays listed and is no drift" {
	series 37 1.1 | fill server sha256:a startup.ready ns
	series 37 1.2 | fill server sha256:a time.wall ns
	try 0 startup.ready --format json
	id=$(o '.changes.rows[0].id')
	try 0 startup.ready --accept "${id:0:8}" --note 'TLS by default'
	grep -q '^accepted: startup.ready +' out
	try 0 startup.ready --format json
	[ "$(o '.changes.rows[0].accepted')" = 'TLS by default' ]
	[ "$(o '.drift.rows[0] | .ratio_low < 1 and .ratio_high > 1')" = true ]
	near "$(o '.drift.rows[0].accepted_ratio')" 1.1 3
	try 0 startup.ready
	grep -q '△' out
	tr -s ' \n' '  ' <out | tr -s ' ' | grep -q 'accepted: TLS by default'
	# The other metric's was not; by commit, and of all metrics at once.
	try 0 time.wall --format json
	[ "$(o '.changes.rows[0].accepted')" = null ]
	try 0 --accept "$(o '.changes.rows[0].commit')"
	[ "$(wc -l <out)" = 2 ]
	try 0 time.wall --format json
	[ "$(o '.changes.rows[0].accepted')" = "" ]
	try 2 --accept "c0ffee$(printf %034x 3)"
	grep -q 'no change of any metric' messages
	# What was accepted is not pruned.
	"$STARTLINE" baseline prune --keep 1 >stdout
	try 0 time.wall --format json
	[ "$(o '[.points.rows[].mark] | length')" = 2 ]
	[ "$(o '.points.rows[0].note')" = "" ]
}

@test "several series are told apart" {
	series 37 1.1 | fill server sha256:aa startup.ready ns
	series | awk '{ print $1 + 1, $2, $3 }' | fill server sha256:bb startup.ready ns
	try 0 startup.ready --format json
	[ "$(o '.series.rows[0].host_class')" = sha256:bb ]
	[ "$(o '.changes.rows | length')" = 0 ]
	try 0 startup.ready --host-class sha256:a --format json
	[ "$(o '.changes.rows | length')" = 1 ]
	try 2 startup.ready --host-class sha256:c
	grep -q "begins with 'sha256:c'" messages
	try 2 startup.ready --scenario nobody
	grep -q "there are 'server'" messages
	try 2 nothing
	grep -q "there are 'startup.ready'" messages
}

@test "the window and the anchor" {
	series 20 1.1 50 1.1 | fill server sha256:a startup.ready ns
	try 0 startup.ready --format json
	[ "$(o '.changes.rows | length')" = 2 ]
	try 0 startup.ready --last 30 --format json
	[ "$(o '.points.rows | length')" = 30 ]
	[ "$(o '.changes.rows | length')" = 1 ]
	try 0 startup.ready --since 2026-02-10 --format json
	[ "$(o '.points.rows[0].date')" = '2026-02-10 00:00' ]
	try 0 startup.ready --since 2026-02-10 --anchor 2026-01-05 --format json
	[ "$(o '.points.rows[0].date')" = '2026-01-05 00:00' ]
	near "$(o '.drift.rows[0].ratio')" 1.21 3
	id=$(o '.points.rows[26].id')
	try 0 startup.ready --anchor "$id" --format json
	[ "$(o '.drift.rows[0].anchor_id')" = "$id" ]
	near "$(o '.drift.rows[0].ratio')" 1.1 3
	try 2 startup.ready --anchor ffffffff
	grep -q -- --anchor messages
	try 2 startup.ready --anchor @nobody
	try 2 startup.ready --since yesterday
	grep -q 90d messages
	try 2 startup.ready --since 2026-12-01
	grep -q 'no runs since' messages
}

@test "hostile names do nothing" {
	name=$'\033[31m<b>x</b>|\n::error::it ##[endgroup]\x27"; DROP TABLE sl_point; --'
	series 37 1.1 | fill "$name" "$name" "$name" ns
	for format in text json csv markdown; do
		try 0 --format $format
		[ -s out ]
		! grep -q $'\033' out
		! grep -q '^::' out
		[ $format != markdown ] || ! grep -q '<b>' out
		[ $format = json ] || [ $format = csv ] || ! grep -qF '##[endgroup]' out
	done
	# It is known by the name that is shown.
	try 0 --format json
	metric=$(o '.rows[0].metric')
	try 0 "$metric" --format json
	[ "$(o '.changes.rows | length')" = 1 ]
	id=$(o '.changes.rows[0].id')
	try 0 "$metric" --accept "$id" --note "$name"
	! grep -q $'\033' out
	try 0 "$metric"
	! grep -q $'\033' out
	grep -q 'accepted' out
}

@test "what is not there is said, with what to type" {
	try 2
	grep -q 'startline baseline save' messages
	[ ! -s out ]
	try 2 startup.ready --note x
	try 2 a b
	try 2 --last x
	try 6 --store .
	printf 'not a database, %4096s' '' >damaged.db
	try 6 --store damaged.db
	[ -s messages ]
	"$STARTLINE" baseline save only --value time.wall=1s
	try 0 time.wall
	grep -q '1 run since' out
	grep -q 'too few runs' out
	try 2 time.wall --accept 0000
	grep -q 'no change' messages
}

@test "what is saved is in the history" {
	for i in 100 101 102; do
		"$STARTLINE" run -q --probes none -- sleep 0.00$i
		"$STARTLINE" baseline save "b$i" --force
	done
	"$STARTLINE" baseline list --format json >list
	try 0 time.wall --scenario "$(jq -r '.rows[1].scenario' list)" --anchor @b101 --format json
	[ "$(o '.points.rows[0].id')" = "$(jq -r '.rows[1].id[:15]' list)" ]
	near "$(o '.points.rows[0].median')" 2000000 0 5000000000
}
