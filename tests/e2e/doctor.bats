#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
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

@test "what would disturb a measurement now has its rows" {
	"$STARTLINE" doctor --format json >out
	for name in load contention steal governor swap disk 'other recordings'; do
		[ "$(jq --arg name "$name" '[.rows[] | select(.name == $name and .found != "")] | length' out)" = 1 ]
	done
	found() {
		jq -r --arg name "$1" '.rows[] | select(.name == $name) | .found' out
	}
	[ "$(found load | sed 's/ .*//' | tr -d .)" -ge 0 ]
	found disk | grep -qE '^[0-9.]+ [kMGT]?B free in this directory, [a-z]'
	found swap | grep -q 'of memory available'
}

@test "other recordings are seen while they run" {
	[ "$(id -u)" = 0 ] || skip "needs root for a /dev/shm that no other recording uses"
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount sh -c 'mount -t tmpfs shm /dev/shm
		"$1" run -q --probes shim -- sleep 3 &
		until ls /dev/shm | grep -q startline; do sleep 0.05; done
		"$1" doctor --format json >during
		wait' sh "$STARTLINE"
	[ "$(jq -r '.rows[] | select(.name == "other recordings") | .state' during)" = limited ]
	jq -r '.rows[] | select(.name == "other recordings") | .found' during | grep -qE '^[1-9][0-9]* running'
}

@test "kernel probes work where they can" {
	require_bpf
	"$STARTLINE" doctor --format json >out
	[ "$(jq -r '.rows[] | select(.name == "kernel probes") | .state' out)" = ok ]
}

@test "lockdown is unknown where it cannot be seen" {
	[ "$(id -u)" = 0 ] || skip "needs root to hide what the kernel tells"
	lockdown() {
		unshare --mount sh -c "mount -t $1 none /sys/kernel/security && \"\$0\" doctor --format json" \
			"$STARTLINE" | jq -r '.rows[] | select(.name == "lockdown") | .state + ": " + .found'
	}
	hidden=$(lockdown tmpfs)
	if have_bpf; then
		[ "$hidden" = 'ok: unknown: securityfs is not mounted; not confidentiality, by trying' ]
	else
		[ "$hidden" = 'limited: unknown: securityfs is not mounted' ]
	fi
	lockdown securityfs | grep -qE '^ok: (none|.*\[(none|integrity)\].*)$'
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
