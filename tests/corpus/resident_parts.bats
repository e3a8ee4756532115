#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What resident memory consists of, and what pages count for that several processes have: a program with known
# parts, against what the kernel says of it while it stands still.
bats_require_minimum_version 1.5.0

load ../e2e/helpers

MIB=1048576

setup() {
	setup_workdir
	PARTS=$WORKLOADS/parts
}

teardown() {
	[ -z "${RECORDER:-}" ] || kill "$RECORDER" 2>/dev/null || true
}

# rss LOOK PART [NAME]: bytes of the first process.
rss() {
	q "[.runs[0].processes[0].rss.at_$1.parts[] | select(.part == \"$2\" and (.name | test(\"${3:-}\"))) | .rss_bytes] | add // 0"
}

tree() {
	q ".runs[0].tree.$1"
}

# in_background WORKERS: the program, stopped after three seconds; returns when it is ready.
in_background() {
	session --ready cmd:'test -s ready' --until 3s --timeout 30 -- "$PARTS" "$1" file ready go &
	RECORDER=$!
	for _ in $(seq 500); do
		[ ! -s ready ] || return 0
		sleep 0.02
	done
	echo "not ready"
	return 1
}

# Sums over all pids of the program of what smaps_rollup says, in bytes: KEY.
rollup() {
	local pid
	for pid in $(cat ready); do cat "/proc/$pid/smaps_rollup"; done |
		awk -v key="$1:" '$1 == key { sum += $2 } END { print sum * 1024 }'
}

@test "each kind of memory is a row of its own" {
	for probes in bpf,shim shim none; do
		[ "$probes" != bpf,shim ] || have_bpf || continue
		rm -f ready
		session --probes "$probes" --ready cmd:'test -s ready' --timeout 30 -- "$PARTS" 0 file ready go
		"$BATS_TEST_DIRNAME/../e2e/validate" session.json
		near "$(rss ready malloc)" $((20 * MIB)) 2
		near "$(rss ready heap)" $((10 * MIB)) 3
		near "$(rss ready arenas)" $((5 * MIB)) 4
		near "$(rss ready thread_stacks)" $((1 * MIB)) 5
		near "$(rss ready shared)" $((11 * MIB)) 1
		near "$(rss ready file '/file$')" $((13 * MIB)) 0
		# Names need a kernel that keeps them.
		named=$(rss ready named)
		[ "$named" = 0 ] || near "$named" $((7 * MIB)) 0
		near "$(($(rss ready anonymous) + named))" $((7 * MIB)) 2
		# They are the whole; and it is at the peak.
		q '.runs[0].processes[0].rss | .at_ready, .at_peak | (.parts | map(.rss_bytes) | add) == .rss_bytes' >sums
		[ "$(sort -u sums)" = true ]
		near "$(q '.runs[0].processes[0].rss.at_ready.rss_bytes')" "$(tree ready_rss_bytes)" 1
	done
}

@test "what is startline's is told, and subtracted" {
	session --probes shim --ready cmd:'test -s ready' --timeout 30 -- "$PARTS" 0 file ready go
	own=$(rss ready own)
	[ "$own" -gt 20000 ]
	q '.runs[0] | [.processes[0].rss.at_ready.parts[] | select(.part == "own") | .pss_bytes] as $own
	   | .processes[0].rss.at_ready.pss_bytes - ($own | add) == .tree.ready_pss_bytes' | grep -qx true
	rm -f ready
	session --probes none --ready cmd:'test -s ready' --timeout 30 -- "$PARTS" 0 file ready go
	[ "$(rss ready own)" = 0 ]
}

@test "what processes share counts once, as the kernel says while they stand still" {
	in_background 7
	rollup Pss >pss
	rollup Rss >rss
	echo $(($(rollup Private_Clean) + $(rollup Private_Dirty))) >private
	wait "$RECORDER"
	near "$(tree ready_pss_bytes)" "$(cat pss)" 2
	near "$(tree ready_rss_bytes)" "$(cat rss)" 2
	near "$(tree ready_shared_bytes)" "$(($(cat pss) - $(cat private)))" 2
	near "$(tree peak_pss_bytes)" "$(cat pss)" 2
	# Of 43 MiB and more in each of eight.
	[ "$(tree ready_rss_bytes)" -gt $((8 * 43 * MIB)) ]
	[ "$(tree ready_pss_bytes)" -lt $((90 * MIB)) ]
	for metric in ready_pss ready_shared peak_pss; do
		[ "$(q ".metrics[] | select(.id == \"mem.$metric\") | .median")" = "$(tree "${metric}_bytes")" ]
	done
}

@test "what workers write of it is theirs at the end" {
	in_background 3
	sleep 0.5
	touch go
	sleep 0.5
	rollup Pss >pss
	wait "$RECORDER"
	q '.runs[0].processes[1:] | map(.rss | .at_end.private_bytes - .at_ready.private_bytes) | .[]' >grown
	[ "$(wc -l <grown)" = 3 ]
	while read -r bytes; do near "$bytes" $((3 * MIB)) 2; done <grown
	near "$(tree peak_pss_bytes)" "$(cat pss)" 2
}

@test "on its way up it is looked at, so that the peak is known" {
	# 30 MiB of its own, 20 of a file and 10 that are shared; all given back before it ends.
	session -- "$WORKLOADS/resident" give file
	"$BATS_TEST_DIRNAME/../e2e/validate" session.json
	[ "$(tree ready_pss_bytes)" = null ]
	pss=$(tree peak_pss_bytes)
	error=$(tree peak_pss_error_bytes)
	[ $((pss + error)) -ge $((60 * MIB)) ]
	[ "$pss" -le $((66 * MIB)) ]
}
