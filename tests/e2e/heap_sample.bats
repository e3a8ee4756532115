#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Sampling of the heap: what it must not change.

load helpers

setup() {
	setup_workdir
}

# calls NAME: of the whole tree, and errors.
calls() {
	q "[.runs[0].processes[].syscalls[] | select(.name == \"$1\")] |
	   \"\(map(.calls) | add) \(map(.errors) | add)\""
}

@test "the calls by which the shim tells of blocks are not the program's" {
	require_bpf
	session --heap count -- "$WORKLOADS/heap_counts" threads
	[ "$status" -eq 3 ]
	counted="$(calls read)"
	session --heap sample=64 -- "$WORKLOADS/heap_counts" threads
	[ "$status" -eq 3 ]
	[ "$(calls read)" = "$counted" ]
	q '.runs[0].complete' | grep -qx true
}

# books OPTIONS... -- SEED THREADS STEPS CHILDREN [kill]: what the program's own books say, and what
# was counted, less what it is counted with when it does nothing.
books() {
	options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	session "${options[@]}" -- "$WORKLOADS/replay" idle "$1" "$2" 0 "$4" ${5:+"$5"}
	counted >before
	session "${options[@]}" -- "$WORKLOADS/replay" books "$@"
	counted >after
	od -An -v -td8 -w32 books | tr -s ' ' | sed 's/^ //' >expected
	paste -d' ' after before |
		awk '{ print $1 - $5, $2 - $6, $3 - $7, $4 - $8 }' >seen
	diff expected seen
	[ "$(cut -d' ' -f1 expected)" -gt 1000 ]
}

# Of the whole tree, and what the first process has left.
counted() {
	q '[.runs[0].processes[].heap] | [(map(.allocs) | add), (map(.frees) | add),
	   (map(.bytes) | add), .[0].exit_bytes] | join(" ")'
}

@test "counts and bytes are those of a program that keeps books, counting and sampling" {
	for mode in count sample=64 sample=4K; do
		for probes in shim bpf,shim; do
			[ "$probes" = shim ] || have_bpf || continue
			books --probes "$probes" --heap "$mode" -- 23 1 20011 0
			books --probes "$probes" --heap "$mode" -- 41 7 5003 5
			# More threads than there are counters of their own.
			books --probes "$probes" --heap "$mode" -- 43 37 997 2
		done
	done
}

@test "… and also when it is killed at any moment" {
	for seed in 3 5 7 11 13; do
		for mode in count sample=1K; do
			books --probes shim --heap "$mode" -- "$seed" 3 2003 1 kill
			[ "$status" = 137 ]
		done
	done
}
