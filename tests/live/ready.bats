#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Never called ready too soon: LIVE starts (200) of each shape of server that waits edge-triggered, with
# 5 to 2000 ms between listen and serving, sleeping, computing or waiting for a peer. On a machine that
# does nothing else nearly all are within 1 ms of their own log; of a busy one only the former is asked.
# Takes about LIVE x 4 s.
bats_require_minimum_version 1.5.0
export BATS_TEST_TIMEOUT=7200
load ../e2e/helpers
load ../e2e/net_helpers

LIVE=${LIVE:-200}

setup() {
	setup_workdir
	require_bpf
}

# start SHAPE HOW GAP_MS: adds to ./starts how much later than its own log it was called ready, in ns.
start() {
	observe --ready accept --timeout 50s -- "$WORKLOADS/edge_server" "$1" "$2" "$3"
	[ "$status" = 0 ] || { echo "$1 $2 $3: status $status"; cat messages; return 1; }
	wanted=$(($(logged ready) - $(logged listen after)))
	seen=$(q '.runs[0].listeners[0] | .accept_ready_ns - .listen_ns')
	echo "$((seen - wanted)) $2 $3 $(q '.runs[0].listeners[0].evidence')" >>starts
}

# shape SHAPE: all starts of it.
shape() {
	n=0
	while [ "$n" -lt "$LIVE" ]; do
		for gap in 5 50 500 2000; do
			for how in sleep compute peer; do
				[ "$n" -lt "$LIVE" ] || break
				# Alone on a CPU, 2 s of computing may take ten.
				[ "$how $gap" != 'compute 2000' ] || continue
				start "$1" "$how" "$gap" || return 1
				n=$((n + 1))
			done
		done
	done
	sort -n starts | awk -v shape="$1" -v ms="$MS" '
		{ by[NR] = $1; late += $1 > ms; false += $1 < -ms }
		$1 < -ms { print "false:", $0 }
		END {
			printf "# live: %s: %d starts, %d too soon, %d later than 1 ms, median %d us\n",
				shape, NR, false, late, by[int((NR + 1) / 2)] / 1000
			exit false > 0 || by[int((NR + 1) / 2)] > ms
		}' >summary || { cat summary; return 1; }
	cat summary >&3
}

@test "Go-shaped" {
	shape go
}

@test "tokio-shaped" {
	shape tokio
}

@test "tokio-shaped, with a thread that waits all the time" {
	shape tokio-mt
}

@test "netty-shaped" {
	shape netty
}
