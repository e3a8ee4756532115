#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Stacks as they are recorded: where, how often, of whom, and what never gets into the file.

load helpers
load stacks_helpers

setup() {
	setup_workdir
}

teardown() {
	remove_public_copy
}

# The truth is 70 and 30; a share of 200 samples lies within 10 of it 499 times of 500.
is_split_right() {
	near "$(share ';heavy;heavy_caller;split_work;')" 70 0 12
	near "$(share ';light;split_work;')" 30 0 12
}

@test "functions get their shares, in the program, a thread, a child and a library" {
	record --stacks 999 -- "$WORKLOADS/stacks" plain 300
	is_split_right
	# From the first frame to the last one.
	[ "$(grep -c '^timer.*;light;split_work;work;main;.*;_start;$' samples)" -gt 20 ]
	record --stacks 999 -- "$WORKLOADS/stacks" thread 300
	is_split_right
	[ "$(awk '$1 == "timer" && /split_work/ { print $2 }' samples | sort -u | wc -l)" = 1 ]
	record --stacks 999 -- "$WORKLOADS/stacks" fork 300
	is_split_right
	fails grep -q "$(sed -n 's/.*exec  *\([0-9]*\).*/\1/p' events | head -1)/.*split_work" samples
	record --stacks 999 -- "$WORKLOADS/stacks" library 300
	is_split_right
	grep -q '^timer.*;light;split_work;plugin_work;in_library;main;' samples
}

@test "each sample tells its period; there are as many as the rate asks for" {
	record --stacks 499 -- "$WORKLOADS/stacks" plain 300
	grep -q "meta.*'design.stacks=499'" events
	grep -q "meta.*'stacks.period_ns=2004008'" events
	# What they stand for is the CPU time of the run.
	used=$(awk '$1 == "timer" { ns += $4 } END { printf "%d", ns / 1000000 }' samples)
	cpu=$("$STARTLINE" report --format json r.slt | jq '[.metrics[] | select(.id == "cpu.user" or .id == "cpu.system") | .median] | add / 1000000 | floor')
	near "$used" "$cpu" 15 10
}

@test "threads that live shorter than a period are met, and others are not" {
	require_bpf
	timeout 20 "$WORKLOADS/burn" 20000 &
	record --stacks 99 -- "$WORKLOADS/stacks" brief 400
	kill "$!"
	samples=$(grep -c '^timer.*;light;work_briefly;' samples)
	cpu=$("$STARTLINE" report --format json r.slt | jq '[.metrics[] | select(.id == "cpu.user") | .median] | add / 1000000 | floor')
	# One every 10 ms; half of that happens by chance once in thousands of runs.
	[ "$samples" -ge $((cpu / 20)) ]
	# Neither the CPU's other threads nor the mappings of their programs are known.
	[ "$(awk '$1 == "timer" { print $2 }' samples | cut -d/ -f1 | sort -u | wc -l)" = 1 ]
	fails grep -q "module.*burn" events
}

@test "a long wait has the stack that waited, a short one none" {
	require_bpf
	record -- "$WORKLOADS/stacks" sleep 150
	# 230: clock_nanosleep
	[ "$(grep -cE '^wait [0-9/]* 230 .*;retry_connect;main;' samples)" = 1 ]
	awk '$1 == "wait" && /retry_connect/ { exit !($6 - $5 > 149) }' samples
	# Also one without any length is long where the machine has no CPU for it.
	record -- "$WORKLOADS/stacks" sleep 0
	awk '$1 == "wait" && $6 - $5 < 0.99 { print; bad = 1 } END { exit bad }' samples
}

# The main thread ends first, and with it what is known of the program's memory.
@test "a wait that the end of the program ends has its stack" {
	have_bpf || skip "no kernel probes here"
	record -- "$WORKLOADS/stacks" idle 4
	[ "$(grep -c '^wait [0-9/]* 34 .*;be_idle;' samples)" = 4 ]
}

@test "from which length on a wait has a stack can be set" {
	require_bpf
	record --wait-stacks 100ms -- "$WORKLOADS/stacks" sleep 20
	awk '$1 == "wait" && $6 - $5 < 99.9 { print; bad = 1 } END { exit bad }' samples
	grep -q "meta.*'design.wait_stacks_ns=100000000'" events
	record --wait-stacks 1us -- "$WORKLOADS/stacks" sleep 0
	grep -qE '^wait .*;retry_connect;main;' samples
	run "$STARTLINE" run --wait-stacks 0 -- true
	[ "$status" = 125 ]
	[[ $output == *"a duration such as 200us"* ]]
}

@test "the memory of a program never gets into the recording" {
	record --stacks 999 -- "$WORKLOADS/stacks" secret marker
	[ "$(grep -c ';split_work;work;keep_secret;main;' samples)" -gt 20 ]
	[ -s marker ]
	# As it is, and as it was before it was compressed.
	fails grep -qaF "$(cat marker)" r.slt
	python3 - "$(cat marker)" <<-'END'
		import struct, sys, zlib
		data, marker, at, blocks = open("r.slt", "rb").read(), sys.argv[1].encode(), 32, 0
		while at + 48 <= len(data):
		    _, header, stored, _, _, method = struct.unpack_from("<IIIIII", data, at + 8)
		    block = data[at + header:at + header + stored]
		    block = zlib.decompress(block, -15) if method else block
		    assert marker not in block
		    at, blocks = at + header + stored, blocks + 1
		assert blocks > 0
	END
}

@test "--stacks off leaves no stacks, and nonsense is refused" {
	record --stacks off -- "$WORKLOADS/stacks" plain 50
	[ "$status" = 0 ]
	grep -q "meta.*'design.stacks=off'" events
	fails grep -qE '^ *[0-9.-]+ (sample|stack|frame|module|function) ' events
	fails grep -q "source.stacks\|stacks\.period" events
	for bad in on 0 -1 20000 1.5 ''; do
		run "$STARTLINE" run --stacks "$bad" -- true
		[ "$status" = 125 ]
		[[ $output == *"off, auto or a rate"* ]]
	done
}

@test "the timer works without kernel probes, and without root" {
	record --probes none --stacks 999 -- "$WORKLOADS/stacks" plain 300
	is_split_right
	fails grep -q '^call' samples
	[ "$(id -u)" = 0 ] || skip "not root: nothing else to be"
	[ "$(cat /proc/sys/kernel/perf_event_paranoid)" -le 2 ] || skip "perf_event_paranoid forbids it"
	public_copy
	cp "$WORKLOADS/stacks" "$PUBLIC"
	chmod 777 "$PUBLIC"
	(cd "$PUBLIC" && setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$STARTLINE" run --trace r.slt -o report --stacks 999 -- ./stacks plain 300)
	STARTLINE=$STARTLINE record_of "$PUBLIC/r.slt"
	grep -q "meta.*'source.stacks=ok'" events
	is_split_right
}

@test "samples for which there was no room are counted, and make no run incomplete" {
	record --stacks 5000 --ring 64K -- "$WORKLOADS/stacks" plain 300
	[ "$(grep -cE 'drops .*of=collect kind=sample count=[1-9]' events)" = 1 ]
	"$STARTLINE" report --format json r.slt >session.json
	q '.notes[]' | grep -Eq '^up to [0-9]+ stacks were lost, and [0-9]+ kept: .* \(--ring\)$'
	[ "$(q '.runs[0].complete')" = true ]
}

# Of what waits in the rings meanwhile the samples are lost, each is counted, and what else is told there is not.
@test "a drain that takes long drops samples, and counts them" {
	LD_PRELOAD="$WORKLOADS/slow_rows.so" record --stacks 499 --ring 32M -- "$WORKLOADS/stacks" library 300
	[ "$status" -eq 0 ]
	lost=$(sed -n 's/.*drops .*of=collect kind=sample count=\([0-9]*\).*/\1/p' events)
	cpu=$("$STARTLINE" report --format json r.slt | jq '[.metrics[] | select(.id == "cpu.user" or .id == "cpu.system") | .median] | add / 1000000 | floor')
	timer=$(grep -c '^timer' samples || true)
	calls=$(grep -vc '^timer' samples || true)
	echo "$lost lost, $timer of the timer and $calls others kept, of $cpu ms"
	[ $((lost + timer)) -gt $((cpu * 2 / 5)) ]
	"$STARTLINE" report --format json r.slt >session.json
	[ "$(q '.runs[0].complete')" = true ]
	q '.notes[]' >notes
	dropped=$(sed -n "s/^\([0-9]*\) stacks were dropped, and $((timer + calls)) kept: files .*/\1/p" notes)
	# How many wait behind the first one in a file depends on when the drain began.
	[ "$dropped" -ge 10 ]
	[ "$dropped" -le "$lost" ]
}

@test "at readiness the sampling ends" {
	port=$(free_port)
	record --stacks 999 --ready "listen:$port" --until 1500ms -- python3 -c "
import socket, time
s = socket.create_server(('127.0.0.1', $port))
end = time.process_time() + 0.3
while time.process_time() < end: pass
"
	listening=$(awk '$2 == "net" && /listen/ { print $1; exit }' events)
	[ "$(grep -c '^timer' samples)" -gt 5 ]
	awk -v until="$listening" '$6 > until + 100 { late++ } END { exit late > 0 }' samples
}

# refused ERRNO WORDS...: of a kernel that answers so.
refused() {
	REFUSE_BPF="$1 load:perf_event_open" LD_PRELOAD="$WORKLOADS/refuse_bpf.so" "${@:2}"
}

@test "what a machine does not allow is said, with what to type" {
	"$STARTLINE" doctor >doctor || true
	grep -q '^stacks  *ok  *a sample takes' doctor
	refused 38 "$STARTLINE" doctor >doctor || true
	grep -q '^stacks  *missing  *perf_event_open is not there' doctor
	grep -q 'CONFIG_PERF_EVENTS=y' doctor
	# Calls and waits still have theirs, where there are probes.
	refused 1 "$STARTLINE" run --trace r.slt -o report -- "$WORKLOADS/stacks" sleep 300
	record_of r.slt
	grep -q "meta.*'source.stacks=perf_event_open is not permitted here" events
	grep -q "meta.*'source.stacks.remedy=allow perf_event_open" events
	fails grep -q '^timer' samples
	! have_bpf || grep -qE '^wait .*;retry_connect;main;' samples
}

@test "each run of several is sampled, and startline.yml has its say" {
	record -n 3 --stacks 499 -- "$WORKLOADS/stacks" plain 100
	[ "$(awk '$1 == "timer" { print $2 }' samples | sort -u | wc -l)" = 3 ]
	is_split_right
	printf 'scenarios:\n  - { name: a, command: %s plain 20, runs: 2, stacks: off, target: "< 99 seconds" }\n' \
		"$WORKLOADS/stacks" >startline.yml
	"$STARTLINE" check --format json >check.json
	record_of "$(ls -t .startline/*.slt | head -1)"
	grep -q "meta.*'design.stacks=off'" events
	fails grep -q . samples
}
