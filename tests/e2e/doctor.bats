#!/usr/bin/env bats
# startline doctor: what this machine allows.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
}

@test "each row has a state, and what is missing a price" {
	"$STARTLINE" doctor --format json >out
	[ "$(jq '.rows | length > 8' out)" = true ]
	[ "$(jq '[.rows[] | select(.state == "ok" or .state == "limited" or .state == "missing")] | length' out)" = \
		"$(jq '.rows | length' out)" ]
	[ "$(jq '[.rows[] | select(.state != "ok" and .cost == null)] | length' out)" = 0 ]
}

@test "kernel probes work where they can" {
	require_bpf
	"$STARTLINE" doctor --format json >out
	[ "$(jq -r '.rows[] | select(.name == "kernel probes") | .state' out)" = ok ]
}

@test "without root it says what to type" {
	[ "$(id -u)" = 0 ] || skip "needs root to become nobody"
	setpriv --reuid nobody --regid nogroup --clear-groups "$STARTLINE" doctor >out
	grep -q 'kernel probes *missing *not root' out
	grep -q 'sudo startline' out
	[ "$(wc -L <out)" -le 80 ]
}

@test "it leaves nothing behind" {
	[ "$(id -u)" = 0 ] || skip "needs root for a /dev/shm that no other recording uses"
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount sh -c 'mount -t tmpfs shm /dev/shm && "$1" doctor && ls -A /dev/shm >"$2"' \
		sh "$STARTLINE" left >out
	grep -q '^kernel probes' out
	[ ! -s left ]
}

@test "help ends with examples" {
	"$STARTLINE" doctor --help | grep -q '^EXAMPLES'
}
