# SPDX-License-Identifier: MIT
# The heap peak of a tree: what was live at one time in all processes, to the bound that is printed.
load ../e2e/helpers

setup() {
	setup_workdir
}

# within EXPECTED-kB MOST-kB: the peak of the last session is EXPECTED to its own bound (and 20 kB that
# blocks and libc are larger), which is MOST at most.
within() {
	q '.runs[0].tree | "\(.heap_peak_bytes) \(.heap_peak_error_bytes)"' >bound
	read -r peak error <bound
	echo "expected $1 kB: $peak, to $error"
	[ "$peak" -ge $(($1 * 1000 - error)) ]
	[ "$peak" -le $(($1 * 1020 + error)) ]
	[ "$error" -le $(($2 * 1000)) ]
}

# tree EXPECTED-kB MOST-kB run-options... -- arguments...
tree() {
	expected=$1
	most=$2
	shift 2
	session "$@"
	[ "$status" = 3 ]
	within "$expected" "$most"
}

@test "children that follow each other are not added up, however they end" {
	require_bpf
	for n in 1 8 40; do
		for how in kill _exit exit exec; do
			tree 10500 700 -- "$WORKLOADS/heap_tree" serial $how $n
		done
	done
}

@test "without kernel probes the bound holds" {
	for n in 1 8; do
		for how in kill _exit exit exec; do
			tree 10500 200000 --probes shim -- "$WORKLOADS/heap_tree" serial $how $n
		done
	done
}

@test "children that are there at once are added up, however they end" {
	for how in kill _exit exit exec; do
		for n in 1 8 40; do
			tree $((500 + n * 2000)) $((500 + n * 1000)) -- \
				"$WORKLOADS/heap_tree" together $how $n
		done
		tree 16500 8500 --probes shim -- "$WORKLOADS/heap_tree" together $how 8
	done
}

@test "children that are there at once for a moment only are known to a bound" {
	tree 16500 16500 -- "$WORKLOADS/heap_tree" burst kill 8
	tree 80500 80500 -- "$WORKLOADS/heap_tree" burst _exit 40
}

@test "a child that frees what it inherited takes nothing from its parent" {
	for probes in auto shim; do
		tree 20500 1000 --probes $probes -- "$WORKLOADS/heap_tree" frees
		tree 20500 11000 --probes $probes -- "$WORKLOADS/heap_tree" renews
		tree 25500 11000 --probes $probes -- "$WORKLOADS/heap_tree" mixes
		tree 20500 11000 --probes $probes -- "$WORKLOADS/heap_tree" grandchild
	done
}

@test "the peak of a run is not that of the runs before" {
	for probes in auto shim; do
		rm -f again
		session --probes $probes -n 2 -- sh -c 'if test -e again; then "$0" serial exit 1
			else : >again; "$0" together exit 8; fi; true' "$WORKLOADS/heap_tree"
		[ "$status" = 0 ]
		[ "$(q '[.runs[].tree.heap_peak_bytes / 1000000 | floor] | @csv')" = 16,10 ]
	done
}
