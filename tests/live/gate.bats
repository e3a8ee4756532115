#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What `startline check` catches, and whether every output says what it was: seven changes planted in a program
# of 20 ms, a Python server of 300 ms and a pipeline. LIVE_GATE tries of each (10).
bats_require_minimum_version 1.5.0
export BATS_TEST_TIMEOUT=7200
load ../e2e/helpers
load gate/build.bash

LIVE_GATE=${LIVE_GATE:-10}
PYTHON=/usr/bin/python3

setup() {
	setup_workdir
	require_bpf
	# Compiled once, not by the first run.
	export PYTHONDONTWRITEBYTECODE=1
}

# write METRIC...: startline.yml for $command, judged by these.
configure() {
	local metrics=$*
	cat >startline.yml <<-END
		scenarios:
		  - name: planted
		    command: $command
		    directory: new
		    base: { directory: old }
		    gate: [${metrics// /, }]
		    levels: { baseline: { warn: ${level:-1 %}, fail: ${level:-1 %} } }
	END
	[ -z "${ready:-}" ] || echo "    ready: $ready" >>startline.yml
}

# tries EFFECT OBJECT: how often it is red, and named in each output. OBJECT is a pattern of grep -E.
tries() {
	local caught=0 pairs=0 i out
	declare -A named=([text]=0 [markdown]=0 [junit]=0 [github]=0)
	SECONDS=0
	for ((i = 0; i < LIVE_GATE; i++)); do
		status=0
		"$STARTLINE" check -q --out json=json --out markdown=markdown --out junit=junit --out github=github \
			-o text 2>log || status=$?
		pairs=$((pairs + $(jq '.outcomes[0].interleaved.pairs' json)))
		[ "$status" = 1 ] || {
			cat text log
			continue
		}
		caught=$((caught + 1))
		for out in "${!named[@]}"; do
			# What is said first: the rest is tables.
			head -n "${FIRST:-20}" "$out" | sed 's/[\\]//g' | grep -qE "$2" || {
				echo "--- $out"
				cat "$out"
				continue
			}
			named[$out]=$((named[$out] + 1))
		done
	done
	echo "# live: $BATS_TEST_DESCRIPTION, $1: caught $caught of $LIVE_GATE, named in text ${named[text]}," \
		"markdown ${named[markdown]}, junit ${named[junit]}, github ${named[github]};" \
		"$((pairs / LIVE_GATE)) pairs, $((SECONDS / LIVE_GATE)) s each" >&3
	sum=$((sum + caught + named[text] + named[markdown] + named[junit] + named[github]))
	expected=$((expected + 5 * LIVE_GATE))
}

# all BUILD CPU PROCESS: each effect; the function that works more, and the process that grows.
all() {
	local time=${ready:+startup.ready}
	time=${time:-time.wall}
	sum=0 expected=0
	$1 old none "${allocations:-}"
	for effect in ${EFFECTS:-cpu sleep library memory open exec allocations}; do
		rm -rf new
		$1 new "$effect" "${allocations:-}"
		case $effect in
		cpu) configure "$time" && tries "$effect" "$2" ;;
		sleep) configure "$time" && tries "$effect" 'retry_connect' ;;
		# What it takes may be less than any limit; that it is there is counted: one of 400 that are opened.
		library) level='0.1 %' configure "$time" files.opens && tries "$effect" 'libtables\.so' ;;
		memory) configure mem.peak_rss && tries "$effect" "$3" ;;
		open) configure files.misses && tries "$effect" '/etc/missing\.conf' ;;
		exec) configure proc.execs && tries "$effect" '/usr/bin/true|\btrue\b' ;;
		allocations) configure heap.allocs && tries "$effect" "$3" ;;
		esac
	done
	[ "$sum" = "$expected" ]
}

@test "a program of 20 ms" {
	command=./job
	all build_job build_index 'job'
}

# half DIRECTORY OPTIONS -- COMMAND...: half of the allocations that it makes there.
half() {
	(
		cd "$1" || return
		shift
		"$STARTLINE" run -q --trace t.slt -o /dev/null "$@" >/dev/null
		"$STARTLINE" report t.slt --format json |
			jq '.metrics[] | select(.id == "heap.allocs").median / 2 | floor'
		rm -f t.slt
	)
}

@test "a Python server of 300 ms" {
	port=$(free_port)
	command="$PYTHON server.py $port"
	ready=accept
	build_server old none 0
	# shellcheck disable=SC2086 # words
	allocations=$(half old --ready accept -- $command)
	all build_server 'load_rules' 'server\.py'
}

@test "a pipeline" {
	command='sh pipeline.sh'
	build_pipeline old none
	# shellcheck disable=SC2086 # words
	allocations=$(half old -- $command)
	all build_pipeline build_index '\bjob'
}
