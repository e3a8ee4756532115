# SPDX-License-Identifier: MIT
# operator new and delete, and libraries that do not see the shim: each allocation is counted once,
# whoever allocates, and what cannot be counted is said.
load helpers

ALLOCATORS="libtcmalloc_minimal.so.4 libmimalloc.so.2 libjemalloc.so.2"

setup() {
	setup_workdir
}

has_library() {
	ldconfig -p | grep -q "$1"
}

heap_of_last() {
	q "[.runs[0].processes[] | select(.heap != null)] | last | .heap | $1"
}

# Runs the rest of the arguments as a command, without rounds and with 23, and prints what these took:
# allocations, frees, aligned ones, unmatched frees.
difference() {
	session --probes shim -- "$@" 0
	[ "$status" = 3 ]
	before=$(heap_of_last '"\(.allocs) \(.frees) \(.calls.memalign) \(.calls.unmatched)"')
	session --probes shim -- "$@" 23
	[ "$status" = 3 ]
	after=$(heap_of_last '"\(.allocs) \(.frees) \(.calls.memalign) \(.calls.unmatched)"')
	# shellcheck disable=SC2086 # four numbers each
	set -- $before $after
	echo "$(($5 - $1)) $(($6 - $2)) $(($7 - $3)) $(($8 - $4))"
}

# 30 allocations in a round, 8 of them aligned, and 20 frees.
ROUNDS="690 460 184 0"

@test "operator new and delete of the C++ runtime are counted once" {
	[ "$(difference "$WORKLOADS/heap_cxx")" = "$ROUNDS" ]
	[ "$(LD_BIND_NOW=1 difference "$WORKLOADS/heap_cxx")" = "$ROUNDS" ]
}

@test "a linked allocator's own operator new and delete are counted once" {
	for allocator in tcmalloc mimalloc jemalloc; do
		[ -x "$WORKLOADS/heap_cxx.$allocator" ] || continue
		[ "$(difference "$WORKLOADS/heap_cxx.$allocator")" = "$ROUNDS" ]
		[ "$(LD_BIND_NOW=1 difference "$WORKLOADS/heap_cxx.$allocator")" = "$ROUNDS" ]
	done
}

@test "a preloaded allocator's own are, whoever preloads it" {
	for library in $ALLOCATORS; do
		has_library "$library" || continue
		[ "$(LD_PRELOAD=$library difference "$WORKLOADS/heap_cxx")" = "$ROUNDS" ]
		[ "$(difference env "LD_PRELOAD=$library" "$WORKLOADS/heap_cxx")" = "$ROUNDS" ]
	done
}

@test "what an allocator does by other functions of the family is counted once" {
	family="391 368 161 0"
	[ "$(difference "$WORKLOADS/heap_family")" = "$family" ]
	if [ -x "$WORKLOADS/heap_family.musl" ]; then
		[ "$(difference "$WORKLOADS/heap_family.musl")" = "$family" ]
	fi
	for library in $ALLOCATORS; do
		has_library "$library" || continue
		[ "$(LD_PRELOAD=$library difference "$WORKLOADS/heap_family")" = "$family" ]
	done
}

# The allocator's own operator new is then the program's, which calls malloc.
@test "a program that exports the C++ runtime is counted once, whatever the allocator does" {
	[ -x "$WORKLOADS/heap_cxx.own-runtime" ] || skip "no static C++ runtime"
	[ "$(difference "$WORKLOADS/heap_cxx.own-runtime")" = "$ROUNDS" ]
	for library in $ALLOCATORS; do
		has_library "$library" || continue
		[ "$(LD_PRELOAD=$library difference "$WORKLOADS/heap_cxx.own-runtime")" = "$ROUNDS" ]
	done
}

@test "more threads than have counters of their own lose nothing" {
	for variant in '' .tcmalloc .mimalloc .jemalloc; do
		[ -x "$WORKLOADS/heap_cxx$variant" ] || continue
		session --probes shim -- "$WORKLOADS/heap_cxx$variant" 0 threads
		before=$(heap_of_last .allocs)
		session --probes shim -- "$WORKLOADS/heap_cxx$variant" 23 threads
		[ "$status" = 3 ]
		[ "$(($(heap_of_last .allocs) - before))" = $((37 * 690)) ]
	done
}

@test "exceptions of operator new reach the program" {
	for variant in '' .tcmalloc .jemalloc; do
		[ -x "$WORKLOADS/heap_cxx$variant" ] || continue
		for mode in throw handler; do
			session --probes shim -- "$WORKLOADS/heap_cxx$variant" 0 $mode
			[ "$status" = 3 ]
		done
	done
}

@test "a library that is loaded with a C++ runtime or an operator new of its own finds these" {
	session --probes shim -- "$WORKLOADS/heap_load" local "$WORKLOADS/heap_plugin.so"
	[ "$status" = 3 ]
	[ "$(heap_of_last '.allocs >= 82')" = true ]
	session --probes shim -- "$WORKLOADS/heap_load" local "$WORKLOADS/heap_plugin_new.so"
	[ "$status" = 3 ]
	has_library libtcmalloc_minimal.so.4 || skip "no tcmalloc"
	# There the program has one, which comes first: also without us.
	LD_PRELOAD=libtcmalloc_minimal.so.4 session --probes shim -- \
		"$WORKLOADS/heap_load" local "$WORKLOADS/heap_plugin_new.so"
	[ "$status" = 4 ]
}

@test "what libraries of RTLD_DEEPBIND or another namespace allocate is said to be unseen" {
	for how in deepbind namespace; do
		# By its bare name: found where the program says that its libraries are.
		for library in heap_plugin.so "$WORKLOADS/heap_plugin.so"; do
			session --probes shim -- "$WORKLOADS/heap_load" $how "$library"
			[ "$status" = 3 ]
			[ "$(q '.runs[0].processes[0].coverage.heap')" = "deepbind: heap_plugin.so" ]
		done
	done
	# Counted is what there is to see.
	[ "$(heap_of_last '.allocs > 0 and .calls.unmatched == 0')" = true ]
	session --probes shim -- "$WORKLOADS/heap_load" deepbind "$PWD/missing.so"
	[ "$status" = 9 ]
	[ "$(q '.runs[0].processes[0].coverage.heap')" = counted ]
}
