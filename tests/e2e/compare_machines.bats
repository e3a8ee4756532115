#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline compare: names that change from run to run, causes, memory by process, different machines.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
}

document() { # FILE RUN-ARGUMENTS...
	local file=$1
	shift
	"$STARTLINE" run -q --format json -o "$file" "$@" >/dev/null
}

@test "temporary names and pids are one row" {
	require_bpf
	# shellcheck disable=SC2016 # for the inner shell
	document base.json -n 4 -- sh -c 'd=$(mktemp -d); cp /bin/ls "$d/x"; "$d/x" / >/dev/null; rm -r "$d"'
	# shellcheck disable=SC2016
	document head.json -n 4 -- sh -c 'd=$(mktemp -d); cp /bin/ls "$d/x"; "$d/x" / >/dev/null; rm -r "$d"'
	"$STARTLINE" compare base.json head.json --format json >out.json
	jq -r '.contributions.rows[].process' out.json | sort -u >processes
	grep -Fx '/tmp/tmp.*/x /' processes
	! grep -E 'tmp\.[A-Za-z0-9]' processes
	# sh, mktemp, cp, x, rm
	[ "$(wc -l <processes)" -le 6 ]
}

@test "a peer that got slow is named first, and how much it costs" {
	require_bpf
	port=$(free_port)
	cat >server.py <<-'EOF'
		import socket, sys, time
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("127.0.0.1", int(sys.argv[1])))
		s.listen(8)
		open("listens", "w").close()
		while True:
		    c = s.accept()[0]
		    c.recv(8)
		    time.sleep(float(sys.argv[2]))
		    c.send(b"ok")
		    c.close()
	EOF
	client="import socket; c = socket.create_connection(('127.0.0.1', $port)); c.send(b'hi'); c.recv(8)"
	for side in base:0 head:0.06; do
		rm -f listens
		python3 server.py "$port" "${side#*:}" &
		pid=$!
		until [ -e listens ]; do sleep 0.05; done
		"$STARTLINE" run -q -n 6 --trace "${side%:*}.slt" -- python3 -c "$client"
		kill "$pid"
		wait "$pid" || true
	done
	"$STARTLINE" compare base.slt head.slt --format json >out.json
	[ "$(jq -r '.contributions.rows[0].detail' out.json)" = "tcp 127.0.0.1:$port" ]
	near "$(jq '.contributions.rows[0].delta_ns' out.json)" 60000000 10
	# For people it is the first row too, and the rows fit.
	"$STARTLINE" compare base.slt head.slt >out
	grep -A 2 '^where it comes from' out | grep -qE 'network +tcp 127.0.0.1'
	[ "$(wc -L <out)" -le 80 ]
}

@test "a machine's facts are recorded, and make its class" {
	document a.json -- true
	document b.json -- true
	[ "$(jq -r '.host.fingerprint' a.json)" = "$(jq -r '.host.fingerprint' b.json)" ]
	[ "$(jq -r '.host.cpus' a.json)" = "$(nproc)" ]
	[ "$(jq -r '.host.kernel' a.json)" = "$(uname -r)" ]
	[ "$(jq -r '.host.memory_bytes > 0' a.json)" = true ]
	jq -r '.host.libc_build_id' a.json | grep -qE '^[0-9a-f]{16,}$'
	jq -r '.host.loader_build_id' a.json | grep -qE '^[0-9a-f]{16,}$'
	# What the file itself says.
	libc=$(ldd /bin/true | awk '/libc\.so/ { print $3 }')
	readelf -n "$libc" | grep -q "Build ID: $(jq -r '.host.libc_build_id' a.json)"
	taskset -c "$(taskset -pc $$ | sed 's/.*: //; s/[-,].*//')" \
		"$STARTLINE" run -q --format json -o one.json -- true >/dev/null
	[ "$(jq -r '.host.cpus' one.json)" = 1 ]
	[ "$(nproc)" = 1 ] || [ "$(jq -r '.host.fingerprint' one.json)" != "$(jq -r '.host.fingerprint' a.json)" ]
}

@test "each fact that must be equal makes machines incomparable by name" {
	document base.json -n 2 -- true
	jq '.host += { "stepping": "1.2.3", "microcode": "0x1", "governor": "performance",
		"turbo": "on", "cpu_quota": "none", "virtual": "none", "container": "none" }' \
		base.json >full.json
	for fact in cpu stepping microcode cpus cpu_quota governor turbo virtual container \
		memory_bytes kernel libc libc_build_id loader_build_id; do
		jq --arg fact "$fact" '.host[$fact] |= (if type == "number" then . * 4 else "another" end)' \
			full.json >head.json
		"$STARTLINE" compare full.json head.json >out
		head -3 out | tr '\n' ' ' | grep -qE "incomparable machines: $fact: .* against"
		grep -qE '^time.wall .* incomparable' out
	done
	# The image and the distribution are only mentioned.
	jq '.host.image = "base:1" | .host.os = "one"' full.json >a.json
	jq '.host.image = "base:2" | .host.os = "two"' full.json >b.json
	"$STARTLINE" compare a.json b.json >out
	! grep -q incomparable out
	grep -q 'also different: image: base:1 against base:2' out
}

@test "a fact that is missing is no difference, and is said" {
	document base.json -n 2 -- true
	jq '.host.kernel = null | del(.host.libc)' base.json >head.json
	"$STARTLINE" compare base.json head.json >out
	! grep -q incomparable out
	grep -q 'not compared: kernel, libc' out
	jq '.host |= map_values(null)' base.json >head.json
	"$STARTLINE" compare base.json head.json >out
	grep -q 'nothing is known about the one of head' out
}

@test "memory is told by process, and what call sites would need" {
	document base.json -n 3 -- sh -c '/bin/ls / >/dev/null; true'
	jq '(.runs[].processes[] | select(.exe | endswith("ls")) | .heap.bytes) += 23000000
		| (.metrics[] | select(.id == "heap.bytes") | .values) |= map(. + 23000000)' \
		base.json >head.json
	"$STARTLINE" compare base.json head.json >out
	grep -qE '^23.0 MB .* heap.bytes .*ls /' out
	grep -qFx 'no call sites recorded: use --heap sample' out
	"$STARTLINE" compare base.json head.json --format json |
		jq -e '.memory.rows[] | select(.metric == "heap.bytes" and .delta == 23000000)'
}

@test "where time is inconclusive, counts bear witness" {
	document base.json -n 3 -- ls /
	"$STARTLINE" compare base.json base.json >out
	grep -qE 'time inconclusive, work unchanged \([0-9]+ counts agree\)' out
	jq '(.metrics[] | select(.id == "proc.execs") | .values) |= map(. * 2)' base.json >head.json
	"$STARTLINE" compare base.json head.json >out
	grep -qE 'time inconclusive, work \+100.* \(proc.execs\)' out
	# Three runs can never be enough, and that is said.
	grep -qFx '3 and 3 runs prove nothing about time: use run -n 10 for both' out
}
