# SPDX-License-Identifier: MIT
# What the target does to its lane and to the session's directory harms nobody else.
load helpers

setup() {
	setup_workdir
}

@test "a lane full of random bytes" {
	session --probes shim -- "$WORKLOADS/heap_hostile" random
	[ "$status" = 3 ]
	[ "$(q '.runs | length')" = 1 ]
}

@test "a lane that is cut short" {
	session --probes shim -- "$WORKLOADS/heap_hostile" truncate
	[ "$status" = 3 ]
}

@test "links, directories and pipes in place of lanes" {
	session --probes shim -- "$WORKLOADS/heap_hostile" litter
	[ "$status" = 3 ]
	[ -s /etc/passwd ]
}

@test "a flood of files that are no lanes" {
	session --probes shim -- "$WORKLOADS/heap_hostile" flood
	[ "$status" = 3 ]
}

@test "lanes made beforehand that are cut short, or whose numbers are spoilt" {
	for how in pool-cut pool-claimed; do
		session --probes shim -- /bin/sh -c \
			"'$WORKLOADS/heap_hostile' $how; '$WORKLOADS/heap_counts' return"
		[ "$status" = 3 ]
		[ "$(q '[.runs[0].processes[].heap | select(. != null) | .allocs] | last')" = 69 ]
	done
}

@test "a lane removed by the target" {
	# Its own lane, found in its own mappings: other startlines may be running.
	session --probes shim -- /bin/sh -c \
		'sed -n "s:.* \(/[^ ]*/startline-[^ ]*/[0-9p][^ ]*\)\$:\1:p" /proc/$$/maps | xargs rm; exit 3'
	[ "$status" = 3 ]
}
