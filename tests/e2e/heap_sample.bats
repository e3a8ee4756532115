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
