#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# However a program ends, nothing that it has done is missing from its counters or its samples.

load ../e2e/helpers

THREADS=5

setup() {
	setup_workdir
	group=()
}

teardown() {
	[ -z "${GROUP:-}" ] || remove_group
}

# Those that were in it may take a moment to be gone.
remove_group() {
	for _ in $(seq 100); do
		! rmdir "$GROUP" 2>/dev/null || return 0
		sleep 0.05
	done
}

# counted: allocations, bytes, frees and samples of the whole tree.
counted() {
	q '[.runs[0].processes[].heap | select(. != null)] | [(map(.allocs) | add // 0), (map(.bytes) | add // 0),
	   (map(.frees) | add // 0), (map(.sites // [] | .[].total.samples) | add // 0)] | join(" ")'
}

# books: the sums of what all threads were about to do, and have done.
books() {
	od -An -v -td8 -w64 books | awk '{ for (i = 1; i <= 6; i++) sum[i] += $i }
		END { for (i = 1; i <= 6; i++) printf "%d ", sum[i]; print "" }'
}

# ends STATUS IMAGES HOW STEPS PAUSE [samples]: counts lie between what was begun and what was done, and so do
# samples where asked for; $options are startline's, $group is what puts the command where it has to be, $base is
# what is counted of an image in which nobody does anything.
ends() {
	local -a at seen
	rm -f books
	session "${options[@]}" -- "${group[@]}" "$WORKLOADS/heap_ends" books "$3" "$THREADS" "$4" "$5" $(($2 - 1))
	[ "$status" = "$1" ] || { echo "$3: status $status"; return 1; }
	read -ra at <<<"$(books)"
	read -ra seen <<<"$(counted)"
	echo "$3 ${options[*]}: books ${at[*]}, counted ${seen[*]}, of which others' $2 * ${base[*]}"
	[ "${at[1]}" -gt 40 ]
	# At most one call a thread is in flight.
	[ $((at[0] - at[1])) -le $((THREADS * $2)) ]
	for i in 0 1 2; do
		[ $((seen[i] - $2 * base[i])) -ge "${at[2 * i + 1]}" ]
		[ $((seen[i] - $2 * base[i])) -le "${at[2 * i]}" ]
	done
	[ "${6:-}" = samples ] || return 0
	# What others allocate may be sampled, too.
	[ "${seen[3]}" -ge "${at[1]}" ]
	[ "${seen[3]}" -le $((at[0] + $2 * base[0])) ]
}

# each_tier MODE COMMAND...: with $options for that mode. No condition around COMMAND: its lines would count no more.
each_tier() {
	for probes in bpf,shim shim; do
		[ "$probes" = shim ] || have_bpf || continue
		options=(--probes "$probes" --heap "$1")
		session "${options[@]}" -- "${group[@]}" "$WORKLOADS/heap_ends" none _exit "$THREADS" 0 0 0
		read -ra base <<<"$(counted)"
		"${@:2}"
	done
}

every_end() {
	"$1" 137 1 kill "${@:2}"
	"$1" 137 1 killed "${@:2}"
	"$1" 3 1 _exit "${@:2}"
	"$1" 134 1 abort "${@:2}"
	"$1" 139 1 overflow "${@:2}"
	"$1" 7 1 overflow-handled "${@:2}"
	"$1" 5 7 exec "${@:2}"
}

@test "no count is lost, however a program ends whose threads allocate as fast as they can" {
	for mode in count sample=4K; do
		each_tier "$mode" every_end ends 1009 0
	done
}

# At a pace at which there is room for all of them, if nobody keeps startline from reading.
sampled() {
	attempts ends "$@" samples
}

@test "no sample is lost, however a program ends" {
	each_tier sample=4K every_end sampled 41 2000
}

out_of_memory() {
	ends 137 1 oom 41 "${@}"
}

@test "neither count nor sample is lost by a program that the kernel ends for want of memory" {
	if [ -w /sys/fs/cgroup/memory/cgroup.procs ]; then
		GROUP=/sys/fs/cgroup/memory/startline-test-$$ limit=memory.limit_in_bytes
	elif grep -qw memory /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
		GROUP=/sys/fs/cgroup/startline-test-$$ limit=memory.max
	fi
	[ -n "${GROUP:-}" ] && mkdir "$GROUP" 2>/dev/null || { GROUP=; skip "no memory cgroup can be made here"; }
	echo 64M >"$GROUP/$limit" || skip "no memory cgroup can be limited here"
	[ ! -e "$GROUP/memory.swap.max" ] || echo 0 >"$GROUP/memory.swap.max"
	group=(sh -c "echo \$\$ >'$GROUP/cgroup.procs'; exec \"\$@\"" sh)
	each_tier count out_of_memory 0
	each_tier sample=4K out_of_memory 0
	each_tier sample=4K attempts out_of_memory 2000 samples
}
