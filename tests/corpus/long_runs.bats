#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Millions of events: what is kept then, and what the recorder needs for it.
bats_require_minimum_version 1.5.0
load ../e2e/helpers

MEMORY_KIB=65536 # docs/architecture.md: the recorder's own, without the ring

setup() {
	setup_workdir
	require_bpf
}

# Switches after readiness past which there are sums, as in userspace/collect/run/launch.c.
LIMIT=2000000

@test "past two million switches after readiness there are sums, which are right" {
	session --trace t.slt --ready 'log:^ready$' --until exit -- "$WORKLOADS/pingpong" 23 1100000
	[ "$status" = 0 ]
	check_session
	"$STARTLINE" report t.slt >report
	"$STARTLINE" report t.slt --view events >events
	# By thread: its switches, kept singly and in sums; for how many ms the scheduler says that it
	# ran, and was off the CPU by the sums. For both together the sums lie between two figures: what
	# the singles leave of the time that passed, as one is off while the other runs (others may run,
	# too), and of what both lived less what they ran (which leaves out what a hypervisor stole).
	awk '
		function value(key, i) {
			for (i = 4; i <= NF; i++)
				if (index($i, key "=") == 1)
					return substr($i, length(key) + 2)
		}
		{ split($3, id, "/"); tid = id[2] }
		$2 == "offcpu" {
			if (!(tid in n))
				born += / new / ? value("out") : 0
			n[tid]++
			single += $1 - value("out")
		}
		$2 == "schedsum" {
			off[tid] += (value("blocked") + value("runnable")) / 1e6
			sum[tid] += value("count")
		}
		$2 == "exit" {
			ran[tid] = value("run") / 1e6
			run += ran[tid]
			lived += $1
			end = $1
		}
		END {
			for (tid in ran) {
				print tid, n[tid] + sum[tid], sum[tid], ran[tid], off[tid]
				all += off[tid]
			}
			print all, end - single, lived - born - run - single >"off"
		}
	' events >threads
	cat threads off stdout
	[ "$(wc -l <threads)" = 2 ]
	read -r all least most <off
	awk -v all="$all" -v least="$least" -v most="$most" \
		'BEGIN { exit !(0.97 * least <= all && all <= 1.03 * most && least <= 1.03 * most) }'
	while read -r tid switches sum ran off; do
		# Each thread counts itself, a moment before its end and from before R0 on.
		near "$switches" "$(awk -v t="$tid" '$2 == t { print $4 }' stdout)" 0 30
		near "$ran" "$(awk -v t="$tid" '$2 == t { print $6 / 1e6 }' stdout)" 1
		# They take turns: each is off the CPU while the other runs.
		near "$off" "$(echo "$all" | awk '{ print $1 / 2 }')" 10
	done <threads
	# What the scheduler counted for all, less the singles: the limit, and what came before.
	switches=$(q '[.metrics[] | select(.id == "ctx.voluntary" or .id == "ctx.involuntary").values[0]] | add')
	summed=$(q '.runs[0].tree.switches_summed')
	[ "$summed" = "$(awk '{ n += $3 } END { print n }' threads)" ]
	[ $((switches - summed)) -ge $LIMIT ]
	[ $((switches - summed)) -lt $((LIMIT + 300)) ]
	grep -q "note: $summed switches after readiness kept as sums" report
}

# watch PID: the most that the process PID had for itself, in KiB, until ./over is there.
watch() {
	most=0
	while [ ! -e over ] && kill -0 "$1"; do
		now=$(awk '/^Private_Dirty/ { print $2 }' "/proc/$1/smaps_rollup") || break
		[ "${now:-0}" -le $most ] || most=$now
		sleep 0.05
	done
	echo $most
}

# Those of the tree, by number: what is not there has one that no process can have.
no_phantoms() {
	[ "$(q '[.runs[0].processes[] | select(.pid <= 0 or .pid > 4194304)] | length')" = 0 ]
}

@test "stacks that are new all the time: the recorder needs at most 64 MiB for itself" {
	cp "$WORKLOADS/stacks_plugin.so" .
	for how in depths libraries processes; do
		rm -f over
		# With a readiness to wait for it does not thin out.
		"$STARTLINE" run -q --format json -o session.json --stacks 999 --trace t.slt --ready log:^over$ --until exit -- \
			sh -c '"$0" 18 "$1" "$2"; touch over; echo over; sleep 0.2' "$WORKLOADS/new_stacks" $how \
			stacks_plugin.so </dev/null >out 2>messages 3>&- &
		pid=$!
		most=$(watch $pid)
		wait $pid
		n=$("$STARTLINE" report t.slt --view events | awk '$2 == "stack" { n++ } END { print n }')
		echo "# $how: $most KiB, $n stacks and callers, $(stat -c %s t.slt) bytes of recording" >&3
		[ "$most" -gt 0 ]
		[ "$most" -le $MEMORY_KIB ]
		[ "$n" -gt 1000 ]
		[ "$(q '.runs[0].complete')" = true ]
		no_phantoms
	done
}

@test "ten thousand libraries of one process: each has its own functions, and they cost no memory" {
	# Without the C library beside it, or glibc compares each with all others for minutes.
	echo 'long sink; void plugin_work(long n) { for (long i = 0; i < 50000 * n; i++) sink += i; }' |
		gcc -O1 -shared -nostdlib -fPIC -x c -o tiny.so -
	"$STARTLINE" run -q --format json -o session.json --stacks 999 --trace t.slt -- \
		sh -c '"$0" 10000 keep tiny.so; touch over; sleep 0.2' "$WORKLOADS/new_stacks" </dev/null >out 2>messages 3>&- &
	pid=$!
	most=$(watch $pid)
	wait $pid
	"$STARTLINE" report t.slt --view events >events
	n=$(grep -c ' module .*copy[0-9]*\.so' events)
	echo "# $most KiB, $n of them met" >&3
	[ "$most" -le $MEMORY_KIB ]
	[ "$n" -gt 100 ]
	[ "$(q '.runs[0].complete')" = true ]
	grep -q "function .*'plugin_work" events
}

@test "ten million events: all are kept, and the recorder needs at most 64 MiB for itself" {
	"$STARTLINE" run -q --format json -o session.json --trace t.slt -- \
		sh -c '"$0" 10000019; touch over; sleep 0.2' "$WORKLOADS/open_storm" </dev/null >out 2>messages 3>&- &
	pid=$!
	most=$(watch $pid)
	wait $pid
	echo "# $most KiB, $(stat -c %s t.slt) bytes of recording" >&3
	[ "$most" -gt 0 ]
	[ "$most" -le $MEMORY_KIB ]
	check_session
	[ "$(q '.runs[0].files.misses')" -ge 10000019 ]
	# Reading it takes its size in memory; 70 bytes an event here.
	start=$(date +%s)
	prlimit --as=$((2 << 30)) "$STARTLINE" report t.slt >report
	[ $(($(date +%s) - start)) -lt 60 ]
	grep -q 'complete: yes' report
}

@test "a long run is sampled less densely after ten seconds, and still adds up" {
	session --trace t.slt -- "$WORKLOADS/burn" 16000
	[ "$status" = 0 ]
	"$STARTLINE" report t.slt --view events >events
	# For how much CPU time samples stand, and into how many densities they fall.
	awk '
		$2 == "sample" && $6 == "timer" {
			for (i = 4; i <= NF; i++)
				if ($i ~ /^period=/)
					period = substr($i, 8) + 0
			all += period
			least = least && least < period ? least : period
			most = most > period ? most : period
		}
		END { printf "%d %.1f\n", all / 1e6, most / least }
	' events >sums
	cat sums
	read -r all spread <sums
	near "$all" 16000 15
	[ "${spread%.*}" -ge 2 ]
}

# Of what Python can do with its own library, for so many seconds of CPU time.
busy_python() {
	cat >busy.py <<-'END'
		import argparse, ast, difflib, inspect, json, re, sys, time
		source = inspect.getsource(argparse)
		while time.process_time() < float(sys.argv[1]):
		    ast.parse(source)
		    json.loads(json.dumps({str(i): [i] * 3 for i in range(300)}))
		    re.compile(f"(a|b)*c{time.time_ns()}")
		    difflib.SequenceMatcher(None, source[:2000], source[500:2500]).ratio()
	END
}

# waited STACKS: milliseconds between the end of ten seconds of that and the end of startline.
waited() {
	"$STARTLINE" run --stacks "$1" --trace t.slt -o report -- \
		sh -c '/usr/bin/python3 busy.py 10; date +%s%N >ended' </dev/null
	echo $((($(date +%s%N) - $(cat ended)) / 1000000))
}

is_soon_there() {
	with=$(waited 999)
	echo "# the report came after $with ms, without stacks after $without ms" >&3
	[ $((with - without)) -le 500 ]
}

@test "after ten seconds of stacks the report comes half a second later at most" {
	busy_python
	without=$(waited off)
	attempts is_soon_there
	grep -q '^stacks: [0-9]* (' report
}
