#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Which code has the kernel give memory, and how much each phase has added, of programs whose heap nobody counts.
bats_require_minimum_version 1.5.0

load helpers

setup() {
	setup_workdir
	require_bpf
	GROWTH=$WORKLOADS/growth
}

# by FUNCTION FIELD: bytes of the first process that heap_place() would give to it: its frame is in the stack.
by() {
	q ".frames as \$f | .stacks as \$s | [.runs[0].processes[0].mapped.sites[]
	   | select(.stack as \$at | [\$s[\$at].frames[] as \$i | \$f[\$i].function] | index(\"$1\"))
	   | .$2.bytes] | add"
}

@test "a static program: each growth is its function's, before and after readiness" {
	session --ready accept --until exit --probes bpf -- "$GROWTH.static"
	[ "$status" -eq 0 ]
	"$BATS_TEST_DIRNAME/validate" session.json
	[ "$(by grow_a all)" = 8388608 ]
	[ "$(by grow_a ready)" = 8388608 ]
	[ "$(by grow_b all)" = 5242880 ]
	[ "$(by grow_b ready)" = 0 ]
	[ "$(by grow_break all)" = 1048576 ]
	# What was only reserved is not among it; small pieces are, without a stack.
	[ "$(q '.runs[0].processes[0].mapped.mmap.bytes')" = $((11 * 1048576 + 23 * 65536)) ]
	[ "$(q '.runs[0].processes[0].mapped.mmap.calls')" = 25 ]
	[ "$(q '.runs[0].processes[0].mapped.mremap.bytes')" = 2097152 ]
}

# touched FUNCTION FIELD: likewise, of what it made resident.
touched() {
	q ".frames as \$f | .stacks as \$s | [.runs[0].processes[0].mapped.touched_sites[]
	   | select(.stack as \$at | [\$s[\$at].frames[] as \$i | \$f[\$i].function] | index(\"$1\"))
	   | .$2.bytes] | add"
}

@test "what is touched is the function's that touched it, whoever had it mapped" {
	session --ready accept --until exit --probes bpf -- "$GROWTH.static"
	[ "$status" -eq 0 ]
	# A stack each 256 KiB or so, and a growing step.
	near "$(touched grow_a all)" 8388608 10
	near "$(touched grow_a ready)" 8388608 10
	near "$(touched grow_b all)" 5242880 20
	[ "$(touched grow_break all)" = null ]
	q '.runs[0].processes[0].mapped | .touched_bytes - ([.touched_sites[].all.bytes] | add)
	   | . >= 0 and . < 1048576' | grep -qx true
	"$STARTLINE" report --view touched --format json session.json |
		jq -e '.rows[0] | .function == "grow_a" and .share > 0.5' >/dev/null
	session --probes bpf --stacks off -- "$GROWTH.static"
	[ "$(q '.runs[0].processes[0].mapped | .touched_bytes > 13000000 and .touched_sites == []')" = true ]
}

@test "kinds of resident memory add up at each phase" {
	session --ready accept --until exit --probes bpf -- "$GROWTH.static"
	q '[.runs[0].memory.phases[] | select(.rss_bytes != null) | .rss_bytes - .anonymous_bytes - .file_bytes - .shared_bytes
	    | . > -131072 and . < 131072] | all' | grep -qx true
	q '.runs[0].memory.phases[-1].anonymous_bytes > 13 * 1048576' | grep -qx true
	# What exec makes is the stack with arguments and environment.
	q '.runs[0].memory.phases[0] | .until == "exec" and .rss_bytes == .anonymous_bytes and .rss_bytes >= 4096
	    and .rss_bytes < 262144' | grep -qx true
}

@test "phases: what each adds, to the sum" {
	session --ready accept --until exit --probes bpf -- "$GROWTH.static"
	[ "$status" -eq 0 ]
	q '.runs[0].memory.phases | map(.until) | join(" ")' | grep -q '^exec.* ready exit$'
	# 8 MiB and a break before, 5 MiB after.
	q '.runs[0].memory.phases | map(select(.until == "ready" or .until == "exit")) as [$r, $e]
	   | ($e.rss_bytes - $r.rss_bytes) / 1048576 | . > 4.7 and . < 5.5' | grep -qx true
	q '.runs[0].memory.phases | map(select(.until == "ready" or .until == "exit")) as [$r, $e]
	   | ($e.mmap.bytes - $r.mmap.bytes), ($e.mremap.bytes - $r.mremap.bytes)' >after
	[ "$(paste -sd' ' after)" = "3145728 2097152" ]
	q '.runs[0] | .memory.phases[-1].brk.bytes == .processes[0].mapped.brk.bytes' | grep -qx true
	# The course ends where the last phase does, and never was higher than the peak.
	q '.runs[0] | (.memory.course | map(.rss_bytes // 0) | max) <= .tree.peak_rss_bytes
	              + .tree.peak_rss_error_bytes' | grep -qx true
	"$STARTLINE" report --view growth --format csv session.json | tr -d '\r' >growth.csv
	[ "$(head -1 growth.csv)" = until,time_ns,rss_bytes,rss_grown_bytes,anonymous_bytes,file_bytes,shared_bytes,heap_bytes,heap_grown_bytes,brk_bytes,mmap_bytes,mremap_bytes,calls ]
	awk -F, 'NR > 1 { sum += $4; last = $3 } END { exit sum != last }' growth.csv
}

@test "without readiness nothing is said of it; without probes nothing at all" {
	session --probes bpf -- "$GROWTH.static"
	[ "$(by grow_a ready)" = null ]
	session --probes none -- "$GROWTH.static"
	[ "$(q '.runs[0].memory')" = null ]
	[ "$(q '.runs[0].processes[0].mapped')" = null ]
	"$STARTLINE" report --view memory session.json >text
	grep -q 'not recorded' <("$STARTLINE" report --view growth session.json)
	! grep -q 'Growth of memory' text
}

@test "the heap beside it, where it is counted" {
	session --ready accept --until exit -- "$GROWTH"
	[ "$(by grow_a all)" = 8388608 ]
	q '.runs[0] | (.memory.phases[] | select(.until == "ready") | .heap_bytes)
	   == ([.processes[].heap.ready_bytes] | add)' | grep -qx true
}

@test "Python, by the functions of the script" {
	cat >grow.py <<-'END'
		def grow():
		    return bytearray(64 << 20)
		kept = grow()
	END
	session --probes bpf -- /usr/bin/python3 grow.py
	[ "$status" -eq 0 ]
	"$STARTLINE" report --view mappings --format json session.json |
		jq -e '.rows[0] | .function == "grow" and .bytes >= 67108864' >/dev/null
}

@test "Go, by the function that made the slice" {
	command -v go >/dev/null || skip "no Go here"
	cat >grow.go <<-'END'
		package main
		//go:noinline
		func grow(n int) []byte { b := make([]byte, n); b[n/2] = 1; return b }
		func main() { println(len(grow(64 << 20))) }
	END
	GOCACHE=$PWD/cache GO111MODULE=off go build -o grow grow.go
	session --probes bpf -- ./grow
	[ "$status" -eq 0 ]
	"$STARTLINE" report --view mappings --format json session.json |
		jq -e '.rows[] | select(.function == "main.grow") | .bytes >= 67108864' >/dev/null
}

@test "for people: all of it below the table, at any width" {
	session --ready accept --until exit --probes bpf -- "$GROWTH.static"
	for columns in 60 80 120 200; do
		for locale in C C.UTF-8; do
			LC_ALL=$locale COLUMNS=$columns "$STARTLINE" report --view memory session.json >text
			grep -q '^Growth of memory' text
			grep -q '^grow_a ' text
			grep -q 'Resident memory of the tree' text
			# The tables take what they need; the chart is as wide as there is room.
			sed -n '/^Resident memory of the tree/,$p' text >chart
			[ "$columns" = 60 ] || cp text chart
			python3 -c 'import sys; sys.exit(max(len(l.rstrip()) for l in open("chart", encoding="utf-8")) > int(sys.argv[1]))' "$columns"
			[ "$locale" = C.UTF-8 ] || ! LC_ALL=C grep -q '[^ -~]' text
		done
	done
	"$STARTLINE" report --view memory --format markdown session.json | grep -q '^## Growth of memory\|Growth of memory'
}
