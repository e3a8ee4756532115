#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline ab: two commands, interleaved, a verdict, and where a difference comes from.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
}

teardown() {
	neighbours_end
}

ab() {
	status=0
	"$STARTLINE" ab --seed 23 "$@" >out 2>messages || status=$?
}

# v FILTER: a jq filter over the verdict document of `ab --format json`.
v() {
	jq -r ".outcomes[0] | $1" out
}

# A git repository in ./repo with sleep.sh, which sleeps for so long at HEAD and in the directory.
repository() { # SECONDS-AT-HEAD SECONDS-NOW
	git init -q repo
	cd repo
	git config user.name Somebody
	git config user.email somebody@example.org
	echo "sleep $1" >sleep.sh
	git add .
	git commit -qm 'first'
	echo "sleep $2" >sleep.sh
}

@test "a longer sleep: regressed, sized, and its cause named" {
	require_bpf
	ab --format json --base 'sh -c "sleep 0.03; true"' --head 'sh -c "sleep 0.045; true"'
	[ "$status" = 0 ]
	[ "$(v '.judgements[0].verdict')" = regressed ]
	case $(v '.judgements[0].metric') in time.wall | startup.undisturbed) ;; *) false ;; esac
	[ "$(v '.interleaved.pairs')" -ge 8 ]
	[ "$(v '.interleaved.seed')" = 23 ]
	[ "$(v '.interleaved.control_differs')" = false ]
	near "$(v '.judgements[0].actual - .judgements[0].base')" 15000000 40
	"$STARTLINE" ab --base 'sh -c "sleep 0.03; true"' --head 'sh -c "sleep 0.045; true"' >text
	grep -q '^cause: +1[0-9.]* ms sleep in child: sleep 0.03 -> sleep 0.045' text
	grep -q '^control: base against itself' text
	grep -q 'pairs in random order, seed' text
	[ "$(wc -L <text)" -le 80 ]
}

@test "the same command: never called a difference" {
	ab --format json --base 'sleep 0.01' --head 'sleep 0.01'
	[ "$status" = 0 ]
	case $(v '.judgements[0].verdict') in unchanged | inconclusive) ;; *) false ;; esac
	[ "$(v '.judgements[0].base > 10000000')" = true ]
}

@test "neighbours on all CPUs: 20 % more work is proven, and the time left to that" {
	require_bpf
	neighbours $(($(nproc) + 1))
	ab --format json --base "$WORKLOADS/burn 20" --head "$WORKLOADS/burn 24"
	neighbours_end
	[ "$status" = 0 ]
	[ "$(v '.judgements[0].verdict')" = regressed ]
	[ "$(v '.judgements[0].ratio > 1.1 and .judgements[0].ratio < 1.3')" = true ]
	# Unless it came between none of them.
	[ "$(v '.judgements | length')" = 1 ] || {
		[ "$(v '.judgements[0].metric')" = startup.undisturbed ]
		[ "$(v '.judgements[1] | "\(.metric) \(.verdict) \(.level)"')" = 'time.wall inconclusive green' ]
	}
}

@test "the document is valid, and every format works" {
	ab --format json --base true --head true --pairs 4 --out json=verdict.json \
		--out markdown=pr.md --out junit=junit.xml --out github=github --out gitlab=gitlab
	"$BATS_TEST_DIRNAME/validate" verdict.json
	cmp out verdict.json
	for file in pr.md junit.xml github gitlab; do
		[ -s $file ]
	done
	for format in text csv markdown; do
		ab --format $format --base true --head true --pairs 2
		[ "$status" = 0 ]
		grep -q time.wall out
	done
}

@test "all metrics of the gate are judged" {
	ab --format json --base true --head true --pairs 8 --gate time.wall --gate heap.allocs
	[ "$(v '[.judgements[].metric] | sort | join(" ")')" = "heap.allocs time.wall" ]
	ab --base true --head true --gate time.wal
	[ "$status" = 2 ]
	grep -q "there is no metric 'time.wal'" messages
}

@test "the recording has all runs, by arm, and the seed" {
	ab --format json --base 'true a' --head 'true b' --pairs 3 --trace t.slt
	# Three pairs and one control; the warm-up is left out, and arms are never mixed.
	for ref in t.slt:3:b t.slt@base:3:a t.slt@control:1:a; do
		IFS=: read -r file n argument <<<"$ref"
		"$STARTLINE" report "$file" --format json >session.json
		[ "$(q '"\(.runs | length) \(.command | join(" "))"')" = "$n true $argument" ]
	done
	"$STARTLINE" compare t.slt@base t.slt | grep -q '^head: an interleaved comparison'
	run -2 "$STARTLINE" report t.slt@nobody
	"$STARTLINE" report t.slt --view events >events
	grep -q 'ab.seed=23' events
	[ "$(grep -c 'run.arm=control' events)" -ge 1 ]
	[ "$(grep -c 'run.warmup=1' events)" = 2 ]
}

@test "the order is that of the seed" {
	order() {
		"$STARTLINE" ab -q --seed "$1" --base true --head true --pairs 5 --trace "$2.slt" >out
		"$STARTLINE" report "$2.slt" --view events | sed -n 's/.*run.arm=//p' >"$2"
	}
	# Repeated pairs are drawn anew: compare what comes before.
	order 7 a
	order 7 b
	order 8 c
	head -n 4 a >a4
	head -n 4 b >b4
	cmp a4 b4
	! cmp a c
}

@test "the stack is padded, and the program does not see it" {
	cat >seen.sh <<-'END'
		env >>env
		cut -d' ' -f28 /proc/$$/stat >>pads
	END
	# Addresses as they come, so that what differs is the padding.
	printf '#!/bin/sh\nexec setarch -R "%s" "$@"\n' "$STARTLINE" >plain
	chmod +x plain
	STARTLINE="$PWD/plain" ab --base 'sh seen.sh' --head 'sh seen.sh' --pairs 2
	[ "$status" = 0 ]
	[ -s env ]
	! grep -q STARTLINE env
	# Where the stack begins: another place in each run.
	[ "$(wc -l <pads)" -ge 7 ]
	[ "$(sort -u pads | wc -l)" -ge 6 ]
}

@test "what the commands write is thrown away, or goes to standard error" {
	ab --base 'sh -c "echo one; echo two >&2"' --head 'echo three' --pairs 2
	[ "$status" = 0 ]
	! grep -qE '^(one|two|three)$' out messages
	ab --base 'sh -c "echo one; echo two >&2"' --head 'echo three' --pairs 2 --show-output
	for word in one two three; do
		! grep -qx $word out
		grep -qx $word messages
	done
}

@test "a command that cannot be executed: 2" {
	ab --base true --head ./missing
	[ "$status" = 2 ]
	grep -q "head: cannot execute './missing': No such file" messages
	: >plain
	ab --base ./plain --head true
	[ "$status" = 2 ]
	grep -q "base: cannot execute './plain': Permission denied" messages
}

@test "a command that fails: 6, and which arm it was" {
	ab --base true --head false
	[ "$status" = 6 ]
	grep -q "head: 'false' failed with status 1" messages
	ab --base 'sh -c "exit 7"' --head true --show-output
	[ "$status" = 6 ]
	grep -q "base: 'sh' failed with status 7" messages
	ab --ready accept --base 'sleep 0.01' --head true
	[ "$status" = 6 ]
	grep -q "ended before it was ready" messages
	ab --timeout 100ms --base true --head 'sleep 5'
	[ "$status" = 6 ]
	grep -q "head: 'sleep' took longer" messages
}

@test "what was measured before a failure is reported" {
	cat >fails_later.sh <<-'END'
		echo >>runs
		[ "$(wc -l <runs)" -lt 6 ]
	END
	ab --base true --head 'sh fails_later.sh' --out json=verdict.json
	[ "$status" = 6 ]
	grep -q "pairs in random order" out
	[ "$(jq -r '.outcomes[0].kind' verdict.json)" = "target failed" ]
	[ "$(jq -r '.outcomes[0].interleaved.pairs' verdict.json)" -ge 1 ]
}

@test "Ctrl-C: a report of what there is, and 130" {
	# Long runs: it must not be certain before the signal comes.
	timeout --preserve-status -s INT 4 "$STARTLINE" ab --base 'sleep 0.3' --head 'sleep 0.3' \
		>out 2>messages || status=$?
	[ "$status" = 130 ]
	grep -q '; interrupted' out
	grep -q 'time.wall' out
}

@test "no pair begins after the time limit" {
	ab --base 'sleep 0.05' --head 'sleep 0.05' --max-time 400ms
	[ "$status" = 0 ]
	tr -s '\n ' ' ' <out | grep -q 'the time limit of 400 ms was reached' # wherever its lines break
}

@test "base in a checkout of a revision, with a path of the same length" {
	repository 0.01 0.03
	ab --base-worktree HEAD --format json -- sh sleep.sh
	[ "$status" = 0 ]
	[ "$(v '.judgements[0].verdict')" = regressed ]
	[ "$(v '.base')" = HEAD ]
	# Nothing is left of it.
	[ "$(git worktree list | wc -l)" = 1 ]
	export PLACES="$BATS_TEST_TMPDIR/places"
	ab --base-worktree HEAD --pairs 1 -- sh -c 'pwd >>"$PLACES"'
	sort -u -o "$PLACES" "$PLACES"
	[ "$(wc -l <"$PLACES")" = 2 ]
	[ "$(awk '{ print length }' "$PLACES" | sort -u | wc -l)" = 1 ]
	while read -r place; do
		[ "$place" = "$PWD" ] || [ ! -e "$place" ]
	done <"$PLACES"
}

@test "base in the same place of the checkout, and what is built there first" {
	repository 0.01 0.01
	mkdir sub
	echo 'cat built >/dev/null' >sub/run.sh
	git add . && git commit -qm second
	cd sub
	ab --base-worktree HEAD --setup 'echo yes >built' --pairs 2 -- sh run.sh
	[ "$status" = 0 ]
	ab --base-worktree HEAD --setup 'exit 3' --pairs 2 -- sh run.sh
	[ "$status" = 2 ]
	grep -q "'exit 3' failed" messages
	# That directory is not there in the first revision.
	ab --base-worktree HEAD~1 --pairs 2 -- sh run.sh
	[ "$status" = 2 ]
	grep -q "no directory 'sub/'" messages
	[ "$(git worktree list | wc -l)" = 1 ]
}

@test "mistakes about revisions and directories" {
	ab --base-worktree HEAD -- true
	[ "$status" = 2 ]
	grep -q 'there is no git repository here' messages
	repository 0.01 0.01
	for revision in nope --help 'HEAD:sleep.sh'; do
		ab --base-worktree="$revision" -- true
		[ "$status" = 2 ]
		grep -q 'no such revision' messages
	done
	ab --base-directory /nonexistent -- true
	[ "$status" = 2 ]
	[ "$(git worktree list | wc -l)" = 1 ]
}

@test "directories of their own" {
	mkdir one two
	echo 'sleep 0.01' >one/run.sh
	echo 'sleep 0.03' >two/run.sh
	ab --base-directory one --head-directory two --format json -- sh run.sh
	[ "$(v '.judgements[0].verdict')" = regressed ]
	[ "$(v '.base')" = one ]
}

@test "servers: how soon they are ready" {
	require_bpf
	port=$(free_port)
	cat >server.py <<-'END'
		import socket, sys, time
		time.sleep(float(sys.argv[2]))
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.bind(("127.0.0.1", int(sys.argv[1])))
		s.listen()
		s.accept()
	END
	ab --ready accept --format json --base "python3 server.py $port 0" \
		--head "python3 server.py $port 0.1"
	[ "$status" = 0 ]
	case $(v '.judgements[0].metric') in startup.ready | startup.undisturbed) ;; *) false ;; esac
	[ "$(v '.judgements[0].verdict')" = regressed ]
	[ "$(v '.comparison.contributions[0].cause')" = sleep ]
}

@test "mistakes are one line and status 2" {
	for arguments in "" "--base true" "--head true" "--base true --head true --pairs 0" \
		"--base true --head true -- true" "--base '\"' --head true" \
		"--base true --head true --out html" "--base true --head true --out json=" \
		"--base true --head true --max-time x" "--base true --head true --seed -1" \
		"--base-worktree x --base-directory y -- true"; do
		status=0
		eval "\"\$STARTLINE\" ab $arguments" >out 2>messages || status=$?
		[ "$status" = 2 ]
		[ ! -s out ]
		[ -s messages ]
	done
}
