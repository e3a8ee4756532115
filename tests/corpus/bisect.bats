#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# git bisect run startline check --bisect, as in docs/ci.md.
bats_require_minimum_version 1.5.0
load ../e2e/helpers

# Seven commits of a tool that sleeps: from the sixth on for longer. The fourth does not build.
setup() {
	setup_workdir
	git init -q repo
	cd repo
	git config user.name Somebody
	git config user.email somebody@example.org
	for i in 1 2 3 4 5 6 7; do
		seconds=0.1
		[ "$i" -lt 6 ] || seconds=0.2
		echo "echo 'sleep $seconds # $i' >built.sh" >build.sh
		[ "$i" != 4 ] || echo 'exit 3' >build.sh
		git add build.sh
		git commit -qm "commit $i"
		git tag "v$i"
	done
	cat >../bisect.yml <<-'END'
		levels: { baseline: { warn: 2 %, fail: 5 % } }
		scenarios:
		  - name: start
		    command: sh built.sh
		    base: { worktree: v1, setup: sh build.sh }
		    gate: time.wall
	END
}

# ends WITH: whether the commit that is checked out is good (0), bad (1), or cannot be tested (125).
ends() {
	status=0
	"$STARTLINE" check --bisect -f ../bisect.yml >../log 2>&1 || status=$?
	[ "$status" = "$1" ]
}

finds_the_sixth() {
	git bisect start v7 v1
	git bisect run "$STARTLINE" check --bisect -f ../bisect.yml >../log 2>&1 || true
	git bisect log >../steps
	found=$(git rev-parse refs/bisect/bad)
	git bisect reset
	[ "$found" = "$(git rev-parse v6)" ]
}

@test "the commit that made it slower is found, past one that does not build" {
	attempts finds_the_sixth
	# It tries the fourth first.
	grep -q '^# skip' ../steps
	grep -q 'sleep' ../log
	# All checkouts of v1 are gone.
	[ "$(git worktree list | wc -l)" = 1 ]
}

# eight_commits AT: eight commits of the same tool, which works longer from one of them on.
eight_commits() {
	git checkout -q --orphan "from-$1"
	for i in 1 2 3 4 5 6 7 8; do
		units=10
		[ "$i" -lt "$1" ] || units=13
		echo "gcc -O2 -fno-ipa-icf -DUNITS=$units -o job '$ROOT/tests/live/gate/job.c' # $i" >build.sh
		git add build.sh
		git commit -qm "commit $i"
		git tag -f "w$i" >/dev/null
	done
}

# As docs/ci.md has it.
finds() {
	git bisect start w8 w1
	git bisect run "$STARTLINE" check --bisect -f ../bisect.yml >../log 2>&1 || true
	found=$(git rev-parse refs/bisect/bad)
	git bisect log >>../log
	git bisect reset
	[ "$found" = "$(git rev-parse "w$1")" ]
}

@test "each of eight commits is found, when it was that one" {
	sed -i -e 's/worktree: v1/worktree: w1/' -e 's/command: .*/command: .\/job/' ../bisect.yml
	for at in 2 3 4 5 6 7 8; do
		eight_commits $at
		attempts finds $at
		grep -q 'build_index' ../log || [ "$at" = 8 ]
	done
}

@test "good, bad, and what cannot be tested" {
	git checkout -q v3
	attempts ends 0
	git checkout -q v6
	attempts ends 1
	git checkout -q v4
	ends 125
	[ "$(git worktree list | wc -l)" = 1 ]
}
