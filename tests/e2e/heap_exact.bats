#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Every allocation with its stack.
load helpers

setup() {
	setup_workdir
	export XDG_CACHE_HOME=$PWD/cache
}

both() {
	if have_bpf; then echo shim bpf,shim; else echo shim; fi
}

# recorded: of each process, calls and bytes that were counted and not recorded, and the other way round.
recorded() {
	q '.runs[0].processes[].heap | select(. != null) | "\(.allocs - ([.sites[].total.samples] | add)) \(
		.exit_bytes - ([.sites[].exit.bytes] | add)) \(.peak_bytes - ([.sites[].peak.bytes] | add)) \(
		.peak_error_bytes)"'
}

@test "what is recorded is what is counted, and what the program's own books say" {
	for probes in $(both); do
		for story in "23 1 20011 0" "41 7 5003 5" "43 37 997 2"; do
			read -r seed threads steps children <<<"$story"
			session --probes "$probes" --heap exact -- "$WORKLOADS/replay" idle "$seed" "$threads" 0 "$children"
			before=$(q '[.runs[0].processes[].heap.allocs] | add')
			session --probes "$probes" --heap exact --on-overrun slow -- \
				"$WORKLOADS/replay" books "$seed" "$threads" "$steps" "$children"
			read -r allocs _ <<<"$(od -An -v -td8 -w32 books)"
			echo "$probes $story: $allocs"
			[ "$(q '[.runs[0].processes[].heap.allocs] | add')" = "$((allocs + before))" ]
			recorded | tee seen
			q .notes
			[ "$(sort -u seen)" = "0 0 0 0" ]
			[ "$(wc -l <seen)" = $((children + 1)) ]
			[ "$(q '.notes | map(select(contains("recorded") or contains("estimated"))) | length')" = 0 ]
		done
	done
}

@test "… and of a program that is killed at any moment" {
	for seed in 3 7 11; do
		session --probes shim --heap exact -- "$WORKLOADS/replay" books "$seed" 3 2003 1 kill
		[ "$status" = 137 ]
		# Of each thread one record may be on its way.
		recorded | while read -r calls bytes _; do
			echo "$seed: $calls $bytes"
			[ "${calls#-}" -le 4 ]
		done
	done
}

@test "what a handler allocates amid a record on another stack is not recorded, and spoils nothing" {
	for probes in $(both); do
		session --probes "$probes" --heap exact --on-overrun slow -- "$WORKLOADS/heap_signals"
		[ "$status" = 0 ]
		missing=$(recorded | cut -d ' ' -f 1)
		told=$(q '.notes | map(capture("^(?<n>[0-9]+) calls in signal handlers") | .n | tonumber) | add // 0')
		echo "$probes: $missing allocations are missing, $told calls are told"
		[ "$missing" -le "$told" ]
		[ "$told" -le $((997 * 6)) ]
		q '.notes[]'
		[ "$(q '.notes | map(select(contains("no sense"))) | length')" = 0 ]
	done
}

@test "functions have all that they allocated, and the peak is theirs" {
	for probes in $(both); do
		"$STARTLINE" run --probes "$probes" --heap exact -o out -- "$WORKLOADS/heap_sites"
		"$STARTLINE" report --view sites --format json | jq -r '.rows[] | select(.function != null and .function != "") |
			"\(.part) \(.function) \(.self_bytes) \(.self_blocks) \(.self_samples)"' >rows
		cat rows
		grep -qx "exit load_catalog $((757 * 4104)) 757 757" rows
		grep -qx "exit parse $((307 * 1016)) 307 307" rows
		grep -qx "temporary loop $((5003 * 504)) 5003 5003" rows
		grep -qx "tree_peak load_catalog $((757 * 4104)) 757 757" rows
		"$STARTLINE" report --view sites | tr -s '\n ' ' ' | grep -q 'every allocation was recorded'
	done
}

@test "from readiness on some stand for all" {
	for probes in $(both); do
		"$STARTLINE" run --probes "$probes" --heap exact --ready listen --until exit -o out -- \
			"$WORKLOADS/heap_until_ready"
		"$STARTLINE" report --view sites --format json | jq -r '.rows[] | select(.function != null and .function != "") |
			"\(.part) \(.function) \(.self_bytes) \(.self_low_bytes) \(.self_high_bytes) \(.self_samples)"' >rows
		cat rows
		# 2,003 blocks were there, all of them known.
		grep -qE "^ready load_catalog $((2003 * 3000)) $((2003 * 3000)) $((2003 * 3000)) 2003$" rows
		# Later 4,001 more of 5,000 bytes were kept, and 1,000 of the first given back.
		read -r _ _ bytes low high n <<<"$(grep "^exit serve " rows)"
		[ "$n" -lt 200 ] && [ "$n" -gt 5 ]
		[ "$low" -lt "$bytes" ] && [ "$high" -gt "$bytes" ]
		awk -v low="$low" -v high="$high" 'BEGIN { t = 4001 * 5000; exit !(low < t * 1.15 && high > t * 0.85) }'
		q_rows=$("$STARTLINE" report --format json |
			jq '[.runs[0].processes[].heap | .exit_bytes - ([.sites[].exit.bytes] | add)] | unique == [0]')
		[ "$q_rows" = true ]
		"$STARTLINE" report --view sites | tr -s '\n ' ' ' | grep -q 'recorded until it was ready'
	done
}

@test "who cannot have a file samples, and it is said" {
	session --probes shim --heap exact -- bash -c 'ulimit -f 1000; exec "$0"' "$WORKLOADS/heap_sites"
	[ "$status" -eq 0 ]
	q '.notes[]' | grep -q '1 processes\{0,1\} could not record every allocation'
	q '.runs[0].processes[0].heap.allocs' | grep -qxE '[0-9]{4,}'
}

@test "what recording costs is measured, and is more than counting" {
	for mode in count exact; do
		session --probes shim --heap $mode --on-overrun slow -- "$WORKLOADS/replay" idle 23 1 100000 0
		q '.runs[0].overhead_shim_ns' | tee $mode
	done
	[ "$(cat exact)" -gt $(($(cat count) * 3)) ]
}

@test "records that come faster than they are read end in samples, or slow the program down" {
	# startline stands still meanwhile.
	for policy in degrade slow; do
		"$STARTLINE" run -q --probes shim --heap exact --on-overrun $policy --format json -o session.json -- \
			"$WORKLOADS/heap_burst" &
		pid=$!
		for _ in $(seq 200); do
			[ ! -e burst ] || break
			sleep 0.02
		done
		kill -STOP $pid
		touch go
		sleep 1
		kill -CONT $pid
		wait $pid
		rm -f burst go
		jq -e '.runs[0].processes[0].heap | .allocs > 2000000 and .exit_bytes == ([.sites[].exit.bytes] | add)' session.json
		if [ $policy = degrade ]; then
			jq -e '.notes | map(select(contains("estimated from samples (--on-overrun slow"))) | length == 1' session.json
		else
			jq -e '.runs[0].processes[0].heap | .allocs == ([.sites[].total.samples] | add)' session.json
			jq -e '.notes | map(select(test("^threads waited [0-9]+ times .*: times are longer"))) | length == 1' session.json
		fi
	done
}

@test "--raw keeps each of them, with the stacks that call sites have" {
	for probes in $(both); do
		session --probes "$probes" --heap exact --raw --on-overrun slow --trace t.slt -- \
			"$WORKLOADS/replay" books 23 3 5003 0
		"$STARTLINE" report --view events t.slt | grep ' block ' >blocks
		[ "$(grep -vc freed blocks)" = "$(q '[.runs[0].processes[].heap.allocs] | add')" ]
		[ "$(grep -c freed blocks)" = "$(q '[.runs[0].processes[].heap.frees] | add')" ]
		[ "$(sed -n 's/.* bytes=\([0-9]*\) .*/\1/p' blocks | awk '{ sum += $1 } END { print sum }')" = \
			"$(q '[.runs[0].processes[].heap.sites[].total.bytes] | add')" ]
		# What was freed was there: of each process and address they take turns.
		awk '{ key = $3; for (i = 4; i <= NF; i++) if ($i ~ /^0x/) key = key " " $i
			freed = /freed/; if (freed != there[key] + 0) bad++; there[key] = !freed }
			END { exit bad + 0 > 0 }' blocks
	done
}
