#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Go: static, edge-triggered, no libc, threads of its own making.

load ../e2e/helpers

setup() {
	setup_workdir
	require_bpf
	export GOCACHE="$BATS_TEST_TMPDIR/cache" GOFLAGS=-mod=mod GO111MODULE=off
	# The go command itself needs these.
	export HOME="$BATS_TEST_TMPDIR"
}

@test "a Go net/http server is ready when it first tries to accept" {
	cat >server.go <<-'END'
		package main

		import (
			"net/http"
			"os"
		)

		func main() {
			http.ListenAndServe("127.0.0.1:"+os.Args[1], nil)
		}
	END
	CGO_ENABLED=0 go build -o server server.go
	port=$(free_port)
	session --ready accept -- ./server "$port"
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].ready.level')" = accept_ready ]
	[ "$(q '.runs[0].ready.endpoint')" = "tcp 127.0.0.1:$port" ]
	# The first accept tried, not a guess from a wait.
	q '.runs[0].milestones[] | select(.name == "accept_ready").evidence' >evidence
	fails grep -q unconfirmed evidence
	q '.runs[0].listeners[0] | .bind_ns <= .listen_ns and .listen_ns <= .accept_ready_ns' | grep -qx true
	[ "$(q '.runs[0].processes[0].coverage.heap')" = static ]
	[ "$(q '.runs[0].processes[0].heap')" = null ]
	[ "$(q '.runs[0].processes[0].threads_peak')" -gt 1 ]

	# With libc it has the shim, and what it gets from malloc is next to nothing of its heap.
	CGO_ENABLED=1 go build -ldflags=-linkmode=external -o server server.go
	session --ready accept -- ./server "$port"
	[ "$status" -eq 0 ]
	[ "$(q '.runs[0].processes[0].coverage.heap')" = 'own allocator: Go' ]
	[ "$(q '.runs[0].processes[0].heap')" = null ]
	[ "$(q '.runs[0].processes[0].execs[0].main_ns > 0')" = true ]
}
