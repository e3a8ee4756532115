#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Opens, and what is printed.

load helpers

setup() {
	setup_workdir
	require_bpf
	[ -x "$WORKLOADS/opens.static" ] || skip "no static libc here"
	touch there
}

@test "opens and misses are counted exactly" {
	session --ready 'log:^\.+ready$' -- "$WORKLOADS/opens.static"
	[ "$status" -eq 0 ]
	q '.runs[0].files.opens' | grep -qx 23
	q '.runs[0].files.misses' | grep -qx 43
	q '.metrics[] | select(.id == "files.opens" or .id == "files.misses") | .values[0]' |
		paste -sd, | grep -qx 23,43
}

@test "a line written in pieces, longer than is kept of one write, is seen" {
	session --ready 'log:\.ready$' --timeout 5s -- "$WORKLOADS/opens.static"
	[ "$status" -eq 0 ]
	q '.runs[0].ready.level' | grep -qx notified
	[ "$(wc -c <stdout)" -eq 5006 ]
}

@test "a line that is not written is not seen" {
	session --ready 'log:^ready' --timeout 700ms -- "$WORKLOADS/opens.static"
	[ "$status" -eq 124 ]
}
