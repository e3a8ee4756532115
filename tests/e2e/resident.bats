#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What resident memory is made of, of a program that has 30 MiB of its own, 20 of a file and 10 that are
# shared: at the peak, by each source that tells it.
bats_require_minimum_version 1.5.0

load helpers

setup() {
	setup_workdir
	RESIDENT=$WORKLOADS/resident
}

# peak KIND LEAST MOST: so many MiB; libraries, stacks and what startline has in there come on top.
peak() {
	q ".runs[0].processes[0].rss.peak.$1_bytes / 1048576 | . >= $2 and . <= $3" | grep -qx true
}

made_of() {
	[ "$status" -eq 0 ]
	"$BATS_TEST_DIRNAME/validate" session.json
	peak anonymous 29.8 32
	peak file 19.8 24
	peak shared 9.8 10.5
	# They are the whole, but for what the kernel's counters hold back.
	q '.runs[0].processes[0] | (.rss.peak | add) / .peak_rss_bytes | . > 0.97 and . < 1.03' | grep -qx true
}

@test "kernel probes: at the peak, whatever is left at the end" {
	require_bpf
	for what in keep give; do
		session --probes bpf,shim -- "$RESIDENT" "$what" file
		made_of
	done
	session --probes bpf -- "$RESIDENT.static" give file
	made_of
}

@test "without kernel probes: as far as samples and the end tell" {
	for probes in shim none; do
		for what in keep give; do
			session --probes "$probes" -- "$RESIDENT" "$what" file
			made_of
		done
	done
}

@test "without samples: what a program says as it ends" {
	# A child of a shell, of which nobody samples what it is made of.
	session --probes shim -- sh -c '"$0" keep file; true' "$RESIDENT"
	[ "$status" -eq 0 ]
	q '.runs[0].processes[1].rss.peak.anonymous_bytes / 1048576 | . > 29.8 and . < 32' | grep -qx true
	# Nobody looked: nothing, and not 0.
	session --probes none -- true
	[ "$(q '.runs[0].processes[0].rss.peak')" = null ]
}

@test "at readiness" {
	session --ready cmd:'test -s file' --timeout 20 -- "$RESIDENT" keep file
	q '.runs[0].processes[0].rss.ready | .anonymous_bytes >= 0 and .file_bytes > 0' | grep -qx true
}

@test "when the program was linked, and when it began" {
	require_bpf
	session --heap sample -- "$RESIDENT" keep file
	[ "$status" -eq 0 ]
	"$BATS_TEST_DIRNAME/validate" session.json
	# What it has of its own, of the file and shared comes later: soon after main there is hardly any of it.
	q '.runs[0] | (.milestones | map({(.name): .time_ns}) | add) as $when | .processes[0].rss
	   | [.at_linked, .at_main, .at_peak]
	   | .[0].time_ns >= $when.linked - 100000 and .[1].time_ns >= $when.main and .[1].time_ns > .[0].time_ns
	     and .[1].rss_bytes < .[2].rss_bytes / 2' | grep -qx true
	q '.runs[0].processes[0].rss | .at_linked, .at_main | ([.parts[].rss_bytes] | add) == .rss_bytes' >sums
	[ "$(sort -u sums)" = true ]
	q '.runs[0].processes[0].rss.at_linked.parts[] | select(.part == "file") | .name' >files
	grep -q '/libc\.so' files
	grep -q '/resident$' files
	"$STARTLINE" report --view resident session.json >seen
	grep -qE '^resident .* all +linked, at [0-9.]+ [mu]?s ' seen
	grep -qE '^linked: looked at .* after' seen
	# Nobody asks for it where only counts are wanted, or not even those.
	for heap in count off; do
		session --heap $heap -- "$RESIDENT" keep file
		[ "$(q '.runs[0].processes[0].rss | .at_linked, .at_main' | sort -u)" = null ]
	done
}

@test "the peak of what follows many short processes, and then only sleeps" {
	cat >wrapper <<-'END'
		#!/bin/bash
		for i in $(seq 60); do
		    (: | /bin/true)
		done
		exec "$@"
	END
	chmod +x wrapper
	require_bpf
	session --probes bpf,shim -- ./wrapper "$RESIDENT" keep file 600
	[ "$status" -eq 0 ]
	q '.runs[0] | ([.processes[].rss.at_peak | select(. != null) | .rss_bytes] | add) / .tree.peak_rss_bytes
	   | . >= 0.9 and . <= 1.05' | grep -qx true
	# And its parts are what it is.
	[ "$(q '.runs[0].processes[].rss.at_peak | select(. != null) |
		([.parts[].rss_bytes] | add) == .rss_bytes' | sort -u)" = true ]
	"$STARTLINE" report --view resident session.json >seen
	grep -qE '^peak: looked at [0-9.]+ m?s, when the tree had 6[0-9]\.[0-9] MB of at most 6[0-9]\.[0-9] MB$' seen
	grep -q '^resident.* all .* peak, at [0-9.]* m*s ' seen
}
