#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A listener is a socket: not a descriptor, not a process, not a port.

load helpers
load net_helpers

setup() {
	setup_workdir
	require_bpf
}

# shared HOW EVENT_HOW: one listener, ready when the log says so first.
shared() {
	observe --ready accept -- "$WORKLOADS/net_share" "$1"
	[ "$status" -eq 0 ] &&
		[ "$(count listen)" = 1 ] &&
		[ "$(count accept_ready)" = 1 ] &&
		[ "$(event accept_ready 3)" = "$2" ] &&
		[ "$(event accept_ready 7)" = "$(event listen 7)" ] &&
		same "$(event accept_ready 1)" "$(logged ready)"
}

@test "a duplicated descriptor is the same listener" {
	attempts shared dup accept
	[ "$(event accept_ready 6)" != "$(event listen 6)" ]
}

@test "pre-fork: the first child that is ready counts, for the parent's listener" {
	attempts shared fork accept
	[ "$(event accept_ready 9)" != "$(event listen 9)" ]
}

@test "pre-fork: the others do not count again" {
	observe --until 300ms -- "$WORKLOADS/net_share" fork
	[ "$(wc -l <log)" -eq 3 ]
	[ "$(count accept_ready)" = 1 ]
}

@test "a descriptor passed over a UNIX socket is the same listener" {
	attempts shared pass poll
	[ "$(event accept_ready 9)" != "$(event listen 9)" ]
}

@test "a listener inherited through exec" {
	attempts shared exec accept
	[ "$(count inherited)" = 1 ]
	[ "$(event inherited 7)" = "$(event listen 7)" ]
	[ "$(event inherited 11)" = "$(event listen 11)" ]
}

@test "a listener that startline's own parent opened: socket activation" {
	observe_activated
	[ "$(count listen)" = 0 ]
	[ "$(event inherited 6)" = 9 ]
	[ "$(event accept_ready 7)" = "$(event inherited 7)" ]
	q '.runs[0].listeners | length' | grep -qx 1
	q '.runs[0].listeners[0] | .listen_ns == null and .accept_ready_ns > 0' | grep -qx true
}

both_of_a_port() {
	observe --ready accept:all -- "$WORKLOADS/net_share" reuseport
	[ "$status" -eq 0 ] &&
		[ "$(count accept_ready)" = 2 ] &&
		same "$(event accept_ready 1 '' 1)" "$(logged ready before 1)" &&
		same "$(event accept_ready 1 '' 2)" "$(logged ready before 2)"
}

@test "SO_REUSEPORT: two sockets of one port are ready one by one" {
	attempts both_of_a_port
	[ "$(event accept_ready 7 '' 1)" != "$(event accept_ready 7 '' 2)" ]
	[ "$(event accept_ready 11 '' 1)" = "$(event accept_ready 11 '' 2)" ]
	q '.runs[0].listeners | length' | grep -qx 2
}

@test "a listener that was closed is not taken for the one that follows" {
	observe --ready accept:all -- "$WORKLOADS/net_share" restart
	[ "$(count listen)" = 2 ]
	[ "$(count accept_ready)" = 1 ]
	[ "$(event accept_ready 7)" = "$(event listen 7 '' 2)" ]
	[ "$(event accept_ready 7)" != "$(event listen 7 '' 1)" ]
}
