#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Opens, and what is printed.

load helpers

setup() {
	setup_workdir
	require_bpf
	touch there
}

need_static() {
	[ -x "$WORKLOADS/opens.static" ] || skip "no static libc here"
}

# Through forks, execs that the shim looks at beforehand, and a loader that opens the shim.
@test "opens of the shim and of the loader for it are not the program's" {
	command='cat there; sh -c "cat missing | wc -l"; perl -e "fork; open F, q(missing)"'
	session --probes bpf -- sh -c "$command"
	q '.runs[0].files' >bare
	q '.runs[0].files.misses > 3' | grep -qx true
	session -- sh -c "$command"
	q '.runs[0].processes[0].coverage.heap' | grep -qx counted
	q '.runs[0].files' | diff bare -
	"$STARTLINE" report --view events | grep -q 'open .*/startline-.*/tree'
}

@test "opens and misses are counted exactly" {
	need_static
	session --ready 'log:^\.+ready$' -- "$WORKLOADS/opens.static"
	[ "$status" -eq 0 ]
	q '.runs[0].files.opens' | grep -qx 23
	q '.runs[0].files.misses' | grep -qx 43
	q '.metrics[] | select(.id == "files.opens" or .id == "files.misses") | .values[0]' |
		paste -sd, | grep -qx 23,43
}

@test "a line written in pieces, longer than is kept of one write, is seen" {
	need_static
	session --ready 'log:\.ready$' --timeout 5s -- "$WORKLOADS/opens.static"
	[ "$status" -eq 0 ]
	q '.runs[0].ready.level' | grep -qx notified
	[ "$(wc -c <stdout)" -eq 5006 ]
}

@test "a line that is not written is not seen" {
	need_static
	session --ready 'log:^ready' --timeout 700ms -- "$WORKLOADS/opens.static"
	[ "$status" -eq 124 ]
}
