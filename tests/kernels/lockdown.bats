#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What must hold on a kernel booted with lockdown=confidentiality, where the helpers that read its memory
# are not there for BPF programs: run by tools/kernels.

load ../e2e/helpers

setup() {
	setup_workdir
}

# What startline said, for who reads why a check failed.
teardown() {
	cat messages 2>/dev/null || true
}

lockdown() {
	"$STARTLINE" doctor --format json | jq -r ".rows[] | select(.name == \"$1\") | .state + \": \" + .found"
}

@test "doctor says so, whether securityfs is mounted or not" {
	[ "$(lockdown lockdown)" = 'missing: confidentiality, by trying; securityfs is not mounted' ]
	mount -t securityfs none /sys/kernel/security
	[ "$(lockdown lockdown)" = 'missing: none integrity [confidentiality]' ]
	umount /sys/kernel/security
	lockdown 'kernel probes' | grep '^missing: the kernel is locked down (confidentiality)'
	"$STARTLINE" doctor | grep 'lockdown=integrity'
}

@test "true: the shim's tier, with what is lost and why" {
	session -- true
	[ "$status" -eq 0 ]
	jq -e '.runs[0].processes[0].heap.allocs >= 0' session.json
	jq -e '.runs[0].processes[0].coverage.kernel | test("locked down")' session.json
	"$STARTLINE" report >report
	head -n 3 report | grep '^no kernel events: the kernel is locked down (confidentiality)'
}

@test "redis-server: ready to accept, seen by the shim" {
	port=$(free_port)
	session --ready accept -- redis-server --port "$port" --save ''
	[ "$status" -eq 0 ]
	[ "$(q '.runs[0].ready.level')" = accept_ready ]
	[ "$(q '.runs[0].ready.endpoint' | sed 's/.*://')" = "$port" ]
}

@test "--probes bpf alone fails, with the reason" {
	status=0
	"$STARTLINE" run --probes bpf -- true 2>messages || status=$?
	grep 'the kernel is locked down (confidentiality)' messages
}
