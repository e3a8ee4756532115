#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Connections: how long, to whom, with what result, and when the answer came.

load helpers
load net_helpers

setup() {
	setup_workdir
	require_bpf
}

# logged_length STEP: how long it took, by the workload's own clock.
logged_length() {
	echo $(($(logged "$1" after) - $(logged "$1" before)))
}

# length OP N: from the call's begin to the event.
length() {
	echo $(($(event "$1" 1 '' "${2:-1}") - $(event "$1" 4 '' "${2:-1}")))
}

@test "a connect to a UNIX socket whose backlog is full blocks 170 ms" {
	observe -- "$WORKLOADS/net_client" unix
	[ "$status" -eq 0 ]
	[ "$(event connect 11 '' 2)" = "unix:log.sock" ]
	near "$(length connect 2)" "$(logged_length connect)" 2
	near "$(length connect 2)" 170000000 2 20000000
	q '.runs[0].connections[1] | .peer == "unix log.sock" and .result == "ok"' | grep -qx true
}

@test "the same with an abstract name" {
	observe -- "$WORKLOADS/net_client" abstract
	[ "$status" -eq 0 ]
	[ "$(event connect 11 '' 2)" = "unix:@log.sock" ]
	near "$(length connect 2)" "$(logged_length connect)" 2
}

# reply_is_late HOW: also in which way the server writes its first byte.
reply_is_late() {
	observe -- "$WORKLOADS/net_client" "$1"
	[ "$status" -eq 0 ]
	[ "$(count reply)" = 1 ]
	near "$(length reply)" "$(logged_length reply)" 2
	[ "$(event reply 7)" = "$(event connect 7)" ]
	[ "$(count first_byte)" = 1 ]
	[ "$(event first_byte 8)" = "$(event listen 7)" ]
	[ "$(event first_byte 7)" = "$(event accept 7)" ]
}

@test "a reply 170 ms late" {
	reply_is_late reply
	near "$(q '.runs[0].connections[0].reply_ns')" 170000000 2 20000000
}

@test "first byte by writev, send, sendmsg, sendfile, splice" {
	for how in writev send sendmsg sendfile splice; do
		reply_is_late "reply:$how"
	done
}

@test "bytes received and sent are counted, both ends being in the tree" {
	observe -- "$WORKLOADS/net_client" reply
	q '[.metrics[] | select(.id == "net.rx" or .id == "net.tx") | .values[0]] | add' | grep -qx 128
}

datagram_is_answered() {
	observe -- "$WORKLOADS/net_client" udp
	[ "$status" -eq 0 ] &&
		[ "$(count sendto)" = 2 ] &&
		[ "$(count reply)" = 1 ] &&
		[ "$(event reply 11)" = "$(event sendto 11)" ] &&
		near "$(length reply)" "$(logged_length reply)" 2
}

@test "a datagram and its answer 170 ms later" {
	attempts datagram_is_answered
}

@test "a connect that does not wait is established" {
	observe -- "$WORKLOADS/net_client" progress
	[ "$status" -eq 0 ]
	[ "$(event connect 5)" = -115 ]
	[ "$(count established)" = 1 ]
	[ "$(event established 7)" = "$(event connect 7)" ]
	[ "$(event established 11)" = "$(event listen 11)" ]
	q '.runs[0].connections[0].result' | grep -qx ok
}

@test "a connect that does not wait is refused" {
	observe -- "$WORKLOADS/net_client" refused
	[ "$status" -eq 0 ]
	[ "$(event connect 5)" = -115 ]
	[ "$(event refused 5)" = -111 ]
	[ "$(count established)" = 0 ]
	q '.runs[0].connections[0].result' | grep -qv '^ok$'
}

# The SYN that gets through is sent by a timer, and the answer to it comes in an interrupt.
@test "established a second later, in an interrupt: still this process's" {
	observe -- "$WORKLOADS/net_client" slow
	[ "$status" -eq 0 ]
	near "$(length established)" "$(logged_length connect)" 2
	[ "$(event established 9)" = "$(event connect 9)" ]
	[ "$(event established 10)" = "$(event connect 10)" ]
}

@test "io_uring: a connect without a system call" {
	observe -- "$WORKLOADS/net_client" uring
	[ "$status" -eq 0 ]
	[ "$(count connect)" = 1 ]
	[ "$(event connect 5)" = 0 ]
	[ "$(event connect 11)" = "$(event listen 11)" ]
	same "$(event connect 4)" "$(logged connect)" 10000000
}
