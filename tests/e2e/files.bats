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
	q '.runs[0].files | .opens, .misses, ([.paths[] | select(.first_ns != null) | [.path, .opens, .misses]] | sort)' >bare
	q '.runs[0].files.misses > 3' | grep -qx true
	session -- sh -c "$command"
	q '.runs[0].processes[0].coverage.heap' | grep -qx counted
	q '.runs[0].files | .opens, .misses, ([.paths[] | select(.first_ns != null) | [.path, .opens, .misses]] | sort)' | diff bare -
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

@test "each path has a row, with its opens, misses and times" {
	need_static
	session --ready 'log:^\.+ready$' -- "$WORKLOADS/opens.static"
	q '.runs[0].files.paths[] | select(.path == "there" or .path == "missing") |
	   "\(.path) \(.opens) \(.misses) \(.process) \(.open_ns > 0) \(.first_ns > 0)"' |
		paste -sd, | grep -qx 'there 23 0 1 true true,missing 0 41 1 true true'
	q '.runs[0].files | .cut, ([.paths[].opens] | add) == .opens, ([.paths[].misses] | add) == .misses' |
		paste -sd, | grep -qx 0,true,true
	"$STARTLINE" report --view files >table
	grep -qE '^missing +0 +41 ' table
}

@test "a difference in opens and misses names the paths" {
	"$STARTLINE" run -q --trace base.slt -- perl -e 'open F, "<there" for 1 .. 3; open F, "<gone"'
	"$STARTLINE" run -q --trace head.slt -- perl -e 'open F, "<there" for 1 .. 8; open F, "<lost"'
	"$STARTLINE" compare base.slt head.slt >changes
	grep -qE '^ +5 +3 +8 +files\.opens +there$' changes
	"$STARTLINE" compare --format json base.slt head.slt >changes.json
	jq -r '.files.rows[] | "\(.metric) \(.path) \(.delta)"' changes.json | sort | paste -sd, |
		grep -qx 'files.misses gone -1,files.misses lost 1,files.opens there 5'
}

# Number 5 is open with 32 bits, fstat with 64; number 2 is fork and open.
@test "system calls of 32 bits are not taken for those of 64" {
	for program in int80 int80.m32; do
		[ -x "$WORKLOADS/$program" ] || continue
		[ "$("$WORKLOADS/$program")" = done ] || skip "no 32-bit system calls here"
		session --probes bpf -- "$WORKLOADS/$program"
		[ "$status" -eq 0 ]
		"$STARTLINE" report --view events >events
		[ "$(grep -c ' open .*there' events)" -eq 23 ]
		[ "$(grep -c ' open .*missing' events)" -eq 41 ]
		q '.runs[0].processes | length' | grep -qx 4
		q '.runs[0].losses.bpf' | grep -qx 0
	done
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
