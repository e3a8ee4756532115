#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What `startline ab` claims, against real programs on this machine: no difference where there is none,
# and the planted ones found and named. LIVE comparisons of a program with itself (200) and a tenth of
# that of each planted difference. Takes about LIVE x 5 s. Where runs differ by 10 % among themselves a
# change of 10 % takes more than 30 pairs to prove, so the planted ones may have 120, as the report
# advises; one that is still inconclusive counts as missed.
bats_require_minimum_version 1.5.0
export BATS_TEST_TIMEOUT=7200
load ../e2e/helpers

LIVE=${LIVE:-200}

setup() {
	setup_workdir
	require_bpf
	port=$(free_port)
	redis="redis-server --port $port --bind 127.0.0.1 --save '' --appendonly no"
	# A server that imports what servers import, then spins and sleeps as it is told to.
	cat >server.py <<-'END'
		import asyncio, http.server, json, socket, sys, time
		port, spin, sleep = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
		end = time.thread_time() + spin
		while time.thread_time() < end:
		    pass
		if sleep:
		    time.sleep(sleep)
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("127.0.0.1", port))
		s.listen()
		s.accept()
	END
	: >verdicts
	SECONDS=0
}

# one OPTIONS...: a comparison; a line "VERDICT PAIRS CAUSE" in ./verdicts.
one() {
	"$STARTLINE" ab -q --trace t.slt --ready accept --out json=v.json -o text "$@"
	echo "$(jq -r '.outcomes[0] | "\(.judgements[0].verdict) \(.interleaved.pairs)"' v.json)" \
		"$(sed -n 's/^cause: //p' text)" >>verdicts
	rm -f t.slt
}

# Prints what came out, also where all is well.
say() { # what
	awk -v what="$1" -v seconds=$SECONDS '
		{ n++; pairs += $2; verdicts[$1]++ }
		END {
			line = n " comparisons, " what ":"
			for (v in verdicts)
				line = line " " verdicts[v] " " v ","
			printf "# live: %s %.1f pairs and %.2f s each\n", line, pairs / n, seconds / n
		}' verdicts >&3
}

count() { # pattern
	grep -cE "$1" verdicts || true
}

# Over all that are run, whatever the program.
at_most_one_alarm() {
	count '^(regressed|improved)' >>"$BATS_FILE_TMPDIR/alarms"
	[ "$(awk '{ n += $1 } END { print n }' "$BATS_FILE_TMPDIR/alarms")" -le 1 ]
}

@test "redis against itself: at most one false alarm" {
	for ((i = 0; i < (LIVE + 1) / 2; i++)); do
		one --base "$redis" --head "$redis"
	done
	say 'redis against itself'
	at_most_one_alarm
}

@test "python against itself: at most one false alarm in all" {
	for ((i = 0; i < (LIVE + 1) / 2; i++)); do
		one --base "/usr/bin/python3 server.py $port 0 0" \
			--head "/usr/bin/python3 server.py $port 0 0"
	done
	say 'python against itself'
	at_most_one_alarm
}

@test "10 % more work: caught, and named first" {
	"$STARTLINE" run -q -n 10 --ready accept --trace t.slt -- \
		/usr/bin/python3 server.py "$port" 0 0
	ready=$("$STARTLINE" report t.slt --format json |
		jq '.metrics[] | select(.id == "startup.ready").median')
	rm -f t.slt
	spin=$(awk -v ns="$ready" 'BEGIN { print ns / 1e10 }')
	for ((i = 0; i < (LIVE + 9) / 10; i++)); do
		one --pairs 120 --base "/usr/bin/python3 server.py $port 0 0" \
			--head "/usr/bin/python3 server.py $port $spin 0"
	done
	say "python, $spin s more of work"
	cat verdicts
	[ "$(count '^regressed [0-9]+ \+[0-9.]+ ms cpu in main')" = "$(wc -l <verdicts)" ]
}

@test "15 ms of sleep before it listens: caught, and named first" {
	for ((i = 0; i < (LIVE + 9) / 10; i++)); do
		one --pairs 120 --base "sh -c \"exec $redis\"" --head "sh -c \"sleep 0.015; exec $redis\""
	done
	say 'redis, 15 ms later'
	cat verdicts
	[ "$(count '^regressed [0-9]+ \+1[0-9.]+ ms sleep in child: sleep 0.015')" = "$(wc -l <verdicts)" ]
}
