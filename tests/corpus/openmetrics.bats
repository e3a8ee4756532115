#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The metrics that are written for GitLab, read by Prometheus's own tool.
bats_require_minimum_version 1.5.0
load ../e2e/helpers

setup() {
	setup_workdir
	command -v promtool >/dev/null || skip 'promtool is not installed'
}

@test "promtool takes every output, and has nothing to say about it" {
	for which in some nasty many none; do
		"$ROOT/build/tests/tools/ci_samples" gitlab $which >$which
		promtool check metrics <$which >said 2>&1
		[ ! -s said ]
	done
}
