#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline check against baselines: stored ones, files, those of a trusted commit, and the other side
# run interleaved.
bats_require_minimum_version 1.5.0
load helpers
load check_helpers

setup() {
	setup_workdir
	require_bpf
}

teardown() {
	neighbours_end
}

@test "the gate serves results of other tools" {
	rows() { # NAME FACTOR
		awk -v f="$2" 'BEGIN {
			for (i = 0; i < 10; i++) {
				printf "BenchmarkFast-2 1000 %.1f ns/op\n", 1000 + i
				printf "BenchmarkSlow-2 1000 %.1f ns/op 64 B/op\n", (2000 + i) * f
			}
		}' >"$1"
	}
	rows base.txt 1
	rows head.txt 4
	cat >startline.yml <<-'END'
		scenarios:
		  - name: benchmarks
		    results: head.txt
		    baseline: ./base.txt
		    budgets: { "bench[Fast-2]": ["< 2 us", "+5 %"], "bench[Slow-2]": "< 2" }
	END
	check
	[ "$status" -eq 2 ]
	v '.outcomes[0].reason' | grep -q 'is a limit in count'
	sed -i 's/"< 2" }/"< 2 us" }/' startline.yml
	check
	[ "$status" -eq 1 ]
	levels | grep -v bytes >found
	cat >expected <<-'END'
		bench[Fast-2] +5 %: inconclusive
		bench[Fast-2] < 2 us: green
		bench[Fast-2] @./base.txt +10.0 %: inconclusive
		bench[Slow-2] < 2 us: red
		bench[Slow-2] @./base.txt +10.0 %: red
	END
	diff expected found
	# Also where it has to be that of a trusted commit.
	git init -q . && git add -A && git -c user.name=a -c user.email=a@b commit -qm one
	rows base.txt 4
	check --trusted HEAD
	[ "$status" -eq 1 ]
	levels | grep -v bytes | diff expected -
	sed -i 's/head.txt/nothing.txt/' startline.yml
	check
	[ "$status" -eq 4 ]
}

# nap SECONDS: ./nap, which sleeps so long.
nap() {
	printf '#!/bin/sh\nsleep %s\n' "$1" >nap
	chmod +x nap
}

# --- baselines ------------------------------------------------------------------------------------

@test "against a stored baseline: unchanged, regressed and why, gone" {
	nap 0.04
	"$STARTLINE" run -q -n 8 --trace base.slt -- ./nap
	"$STARTLINE" baseline save --force main base.slt
	cat >startline.yml <<-'END'
		baseline: main
		scenarios:
		  - name: naps
		    command: ./nap
		    runs: 8
		    gate: [time.wall, proc.execs]
		    budgets: { time.wall: "+60 %" }
	END
	check
	[ "$status" -eq 0 ]
	levels >found
	grep -qx 'time.wall +60 %: green' found
	grep -qx 'proc.execs @main +10.0 %: green' found
	grep -q '^time.wall @main' found
	nap 0.1
	check --out markdown=comment.md --out junit=junit.xml
	[ "$status" -eq 1 ]
	says 'time.wall +60 %: red' 'time.wall @main +10.0 %: red' 'proc.execs @main +10.0 %: green'
	grep -q 'sleep' comment.md
	grep -q '<failure' junit.xml
	"$STARTLINE" check >text || true
	grep -q '^naps: regressed: time.wall' text
	grep -q '^where it comes from' text
	sed -i 's/^baseline: main/baseline: another/' startline.yml
	check
	[ "$status" -eq 4 ]
	v '.outcomes[0].reason' | grep -q "no baseline '@another'"
}

@test "the first baselines: offered in a line to paste, stored by --save" {
	cat >startline.yml <<-'END'
		baseline: main
		runs: 2
		gate: proc.execs
		scenarios:
		  - { name: it's mine, command: sh -c 'true | cat', target: "< 9 s" }
		  - { name: bare, command: "true" }
	END
	# A baseline that is not there costs the comparison alone; what has nothing else was not judged.
	check "it's mine"
	[ "$status" -eq 0 ]
	says 'time.wall < 9 s: green'
	v '.outcomes[0].reason' | tee reason
	check bare
	[ "$status" -eq 4 ]
	v '.outcomes[0].reason' | grep -q "no baseline '@main' yet"
	check bare --store "else where.db"
	v '.outcomes[0].reason' | grep -qF "\`startline check --save --store 'else where.db' bare\`"
	# The advice works as it stands.
	PATH=$(dirname "$STARTLINE"):$PATH sh -ec "$(sed 's/.*`\(.*\)`.*/\1/' reason)" >text
	grep -q "stored as the first baseline, @main:it's mine" text
	# In a CI job the store has to outlive it: that it is new is said, in all outputs.
	CI=1 check bare --save --store new.db --out github=github --out markdown=md --out junit=junit
	[ "$status" -eq 0 ]
	for output in github md junit verdict.json; do
		grep -q 'its store is new in this job' $output
	done
	sed -i 's/name: bare/name: again/' startline.yml
	CI=1 check again --save --store new.db
	v '.outcomes[0].reason' | grep -q 'stored as the first baseline, @main:again.* yet$'
	sed -i 's/name: again/name: bare/' startline.yml
	check --save
	[ "$status" -eq 0 ]
	run ! grep -q 'its store is new' verdict.json
	[ "$(v '[.outcomes[].kind] | join(",")')" = judged,skipped ]
	v '.outcomes[1].reason' | grep -q 'stored as the first baseline, @main:bare'
	"$STARTLINE" baseline list --format json >list.json
	[ "$(jq -r '[.rows[] | "\(.name) \(.scenario)"] | join(",")' list.json)" = \
		"main:it's mine it's mine,main:bare bare" ]
	# From then on they are compared with, and stay what they are.
	check --save
	[ "$status" -eq 0 ]
	says 'proc.execs @main +10.0 %: green' 'proc.execs @main +10.0 %: green' 'time.wall < 9 s: green'
	"$STARTLINE" baseline list --format json | jq -S .rows >after
	jq -S .rows list.json | diff - after
	# What is relative to it waits as well, and one that a budget names has to be there.
	"$STARTLINE" baseline rm main:bare
	sed -i 's/"true"/"true", budgets: { proc.execs: ["+5 %", "< 9"] }/' startline.yml
	check bare
	[ "$status" -eq 0 ]
	says 'proc.execs +5 %: inconclusive' 'proc.execs < 9: green'
	check bare --strict
	[ "$status" -eq 5 ]
	sed -i 's/"+5 %"/"<= 105 % of @main"/' startline.yml
	check bare
	[ "$status" -eq 4 ]
	run -125 "$STARTLINE" check bare --bisect
	run -2 "$STARTLINE" check --save --bisect
	sed -i '/^baseline/d' startline.yml
	run -2 "$STARTLINE" check --save "it's mine"
	[[ "$output" == *'write `baseline: main`'* ]]
}

@test "too few runs for want of time: what to write, where more may decide it" {
	nap 0.1
	cat >startline.yml <<-'END'
		baseline: main
		gate: time.wall
		scenarios:
		  - { name: naps, command: ./nap, runs: 10, max_time: 400 ms }
	END
	check --save
	check --out junit=junit
	[ "$status" -eq 0 ]
	v '.outcomes[0].reason' | tee reason
	grep -qE '^the time limit of 400 ms was reached after [1-4] of 10 runs: write `max_time: [1-9] s` for all$' reason
	grep -q 'was reached after' junit
	sed -i 's/gate: .*/gate: proc.execs/' startline.yml
	check
	[ "$(v '.outcomes[0].reason')" = null ]
}

@test "scenarios that share the name of a baseline have each its own" {
	"$STARTLINE" run -q -n 2 --trace one.slt -- sleep 0.01
	"$STARTLINE" run -q -n 2 --trace two.slt -- sh -c 'true | cat; sleep 0.01'
	"$STARTLINE" baseline save main one.slt
	"$STARTLINE" baseline save main:two two.slt
	cat >startline.yml <<-'END'
		baseline: main
		gate: proc.execs
		runs: 2
		scenarios:
		  - { name: one, command: sleep 0.01 }
		  - { name: two, command: "sh -c 'true | cat; sleep 0.01'" }
	END
	check
	[ "$status" -eq 0 ]
	[ "$(v '.outcomes[].judgements[].verdict' | uniq)" = unchanged ]
	[ "$(v '.outcomes[].reason' | uniq)" = null ]
	# Without its own there is only another one's, which is refused.
	"$STARTLINE" baseline rm main:two
	check
	[ "$status" -eq 4 ]
	v '.outcomes[1].reason' >reason
	grep -qF "@main was measured of another command: 'sleep 0.01', not 'sh -c true | cat; sleep 0.01'" reason
	grep -qF '`startline check --save two` stores its own' reason
	check --save two
	[ "$status" -eq 0 ]
	check two
	[ "$status" -eq 0 ]
	# Nor is one of another scenario right because the command is the same.
	sed -i 's/name: one,/name: three, baseline: "main:two",/; s/sleep 0.01 }/"true | cat; sleep 0.01", shell: true }/' startline.yml
	check three
	[ "$status" -eq 4 ]
	v '.outcomes[0].reason' | grep -qF "@main:two was measured of another scenario: 'two', not 'three'"
}

@test "what was measured becomes history, unless it is a change under test" {
	cat >startline.yml <<-'END'
		scenarios:
		  - { name: naps, command: sleep 0.02, runs: 3, target: "< 5 s" }
	END
	check && check
	[ "$("$STARTLINE" history time.wall --scenario naps --format json | jq '.points.rows | length')" = 2 ]
	check --store /dev/null/history.db
	[ "$status" -eq 6 ]
	levels | grep -qx 'time.wall < 5 s: green'
	ls .startline/unsaved-*.json
}

@test "a file is a baseline, too" {
	"$STARTLINE" run -q -n 2 --trace base.slt -- sleep 0.05
	mkdir perf
	"$STARTLINE" report base.slt --format json -o perf/main.json
	cat >startline.yml <<-'END'
		scenarios:
		  - { name: naps, command: sleep 0.05, runs: 2, baseline: ./perf/main.json, gate: proc.execs }
	END
	check
	[ "$status" -eq 0 ]
	says 'proc.execs @./perf/main.json +10.0 %: green'
	# From another machine nothing is concluded.
	jq '.host.cpu = "Another CPU" | .host.fingerprint = "sha256:0"' perf/main.json >other.json
	mv other.json perf/main.json
	check
	[ "$status" -eq 4 ]
	v '.outcomes[0].reason' | grep -q 'different machines.*save a baseline on this one'
}

# --- interleaved ------------------------------------------------------------------------------------

@test "against another command, interleaved: regressed, and why" {
	cat >startline.yml <<-'END'
		scenarios:
		  - name: naps
		    command: sleep 0.08
		    base: { command: sleep 0.04 }
		    gate: time.wall
	END
	check
	[ "$status" -eq 1 ]
	says 'time.wall sleep 0.04 +10.0 %: red'
	[ "$(v '.outcomes[0].judgements[0].verdict')" = regressed ]
	v '.outcomes[0]' | grep -q '"pairs": *8'
	run -1 "$STARTLINE" check --bisect
	[[ "$output" == *"8 interleaved pairs with sleep 0.04"* ]]
	# What ends too early says so, and what to write: in all outputs.
	sed -i 's/gate:.*/max_time: 2500 ms/; s/sleep 0.0./sleep 0.2/' startline.yml
	check --out junit=junit --out github=github --out markdown=md
	v '.outcomes[0].reason' | tee reason
	grep -qE '^the time limit of 2.50 s was reached after [1-6] pairs?; a verdict takes 8, about [0-9]+ s: write `max_time: [0-9]+ s`$' reason
	seconds=$(sed 's/.*max_time: \([0-9]*\) s`/\1/' reason)
	[ "$seconds" -ge 4 ] && [ "$seconds" -le 20 ]
	for output in junit github md; do
		tr -d '\\' <$output | grep -q "a verdict takes 8, about $seconds s"
	done
	# A base that fails says nothing about the head.
	sed -i 's/{ command: sleep 0.2/{ command: "false"/' startline.yml
	check
	[ "$status" -eq 3 ]
	v '.outcomes[0].reason' | grep -q 'base'
}

@test "against a worktree: byte-identical inputs are skipped, others are measured" {
	git init -q repository && cd repository
	git config user.email a@b && git config user.name a
	nap 0.04
	git add nap && git commit -qm one
	cat >startline.yml <<-'END'
		scenarios:
		  - name: naps
		    command: ./nap
		    base: { worktree: HEAD, setup: touch made }
		    inputs: nap
		    gate: time.wall
	END
	check
	[ "$status" -eq 0 ]
	[ "$(v '.outcomes[0].kind')" = skipped ]
	v '.outcomes[0].reason' | grep -q 'byte-identical with those of HEAD'
	[ -e made ]
	nap 0.08
	check
	[ "$status" -eq 1 ]
	says 'time.wall HEAD +10.0 %: red'
	# Nothing is left of it.
	[ "$(git worktree list | wc -l)" -eq 1 ]
	sed -i 's/inputs: nap/inputs: n/' startline.yml
	check
	[ "$status" -eq 4 ]
	sed -i 's/worktree: HEAD/worktree: nowhere/' startline.yml
	check
	[ "$status" -eq 4 ]
	v '.outcomes[0].reason' | grep -q "no base 'nowhere'"
}

@test "a change can neither weaken nor move what it is judged by" {
	git init -q -b main repository && cd repository
	git config user.email a@b && git config user.name a
	nap 0.02
	mkdir perf
	"$STARTLINE" run -q -n 2 --trace ../base.slt -- ./nap
	"$STARTLINE" report ../base.slt --format json -o perf/main.json
	cat >startline.yml <<-'END'
		scenarios:
		  - { name: naps, command: ./nap, runs: 2, target: "< 60 ms" }
		  - { name: file, command: ./nap, runs: 2, baseline: ./perf/main.json, gate: proc.execs }
		  - { name: stored, command: ./nap, runs: 2, baseline: main, gate: proc.execs }
	END
	git add . && git commit -qm one
	"$STARTLINE" baseline save --force main ../base.slt
	check --trusted main
	[ "$status" -eq 0 ]
	git checkout -qb change
	# Slower, one more exec, and everything made to fit.
	printf '#!/bin/sh\nls >/dev/null; sleep 0.1\n' >nap
	"$STARTLINE" run -q -n 2 --trace ../slow.slt -- ./nap
	"$STARTLINE" report ../slow.slt --format json -o perf/main.json
	sed -i 's/60 ms/9 s/' startline.yml
	git commit -qam two
	"$STARTLINE" baseline rm main
	"$STARTLINE" baseline save --force main ../slow.slt
	check
	[ "$status" -eq 0 ]
	check --trusted main
	[ "$status" -eq 1 ]
	says 'time.wall < 60 ms: red' 'proc.execs @./perf/main.json +10.0 %: red'
	v '.outcomes[2].reason' | grep -q 'not part of the trusted one'
	# A store that comes with the change says what the change wants, also by another name.
	"$STARTLINE" baseline rm main
	git checkout -q main && "$STARTLINE" baseline save --force main ../base.slt
	git checkout -q change
	check --trusted main
	[ "$status" -eq 1 ]
	git add -f .startline/history.db && git commit -qm three
	check --trusted main
	[ "$status" -eq 1 ]
	v '.outcomes[2].reason' | grep -q 'is a file of the repository'
	ln -s .startline/history.db elsewhere
	check --trusted main --store elsewhere
	v '.outcomes[2].reason' | grep -q 'is a file of the repository'
	# Nor by way of a submodule, or of what SQLite finds beside a store that is trusted.
	git init -q nested && cp .startline/history.db nested
	git -C nested add history.db
	check --trusted main --store nested/history.db
	v '.outcomes[2].reason' | grep -q 'is a file of the repository'
	git rm -q --cached .startline/history.db
	check --trusted main
	[ "$status" -eq 1 ]
	touch .startline/history.db-wal && git add -f .startline/history.db-wal
	check --trusted main
	v '.outcomes[2].reason' | grep -q 'is a file of the repository'
	[ -e .startline/history.db-wal ]
	# Nor where it has to be looked for.
	git rm -qf .startline/history.db-wal && cp -r .startline ../outside && rm -r .startline
	ln -s ../outside .startline && git add .startline && git commit -qm four
	check --trusted main stored
	v '.outcomes[0].reason' | grep -q 'is a file of the repository'
	git rm -q --cached .startline && git commit -qm five
	check --trusted main stored
	says 'proc.execs @main +10.0 %: red'
	# From a directory below, and what cannot be trusted.
	mkdir below && cd below && cp ../nap .
	run -2 "$STARTLINE" check --trusted main
	[[ "$output" == *"it has no 'startline.yml'"* ]]
	"$STARTLINE" check --trusted main -f ../startline.yml --list | grep -q '< 60 ms'
	run -2 "$STARTLINE" check --trusted nowhere
	run -2 "$STARTLINE" check --trusted --output=x
	[ ! -e x ]
}

@test "a stored baseline screens, and what it suspects is decided interleaved" {
	mkdir old
	cd old && nap 0.04 && cd ..
	nap 0.04
	"$STARTLINE" run -q -n 2 --trace base.slt -- ./nap
	"$STARTLINE" baseline save --force main base.slt
	cat >startline.yml <<-'END'
		scenarios:
		  - name: naps
		    command: ./nap
		    runs: 2
		    baseline: main
		    base: { directory: old }
		    gate: proc.execs
	END
	check
	[ "$status" -eq 0 ]
	says 'proc.execs @main +10.0 %: green'
	# The baseline is of another day: with it the base has changed, too.
	printf '#!/bin/sh\ntrue | cat; sleep 0.04\n' | tee nap >old/nap
	check
	[ "$status" -eq 0 ]
	says 'proc.execs old +10.0 %: green'
	[ "$(v '.outcomes[0].judgements[0].verdict')" = unchanged ]
}

@test "busy neighbours make nothing red by themselves" {
	printf '#!/bin/sh\ni=0\nwhile [ $i -lt 4000 ]; do i=$((i + 1)); done\n' >work && chmod +x work
	echo 'scenarios: [{ name: work, command: ./work, runs: 12, baseline: main, gate: time.wall }]' \
		>startline.yml
	check --save
	neighbours $((3 * $(nproc)))
	check
	neighbours_end
	[ "$status" = 0 ]
	# Where the neighbours made it slower, that is said.
	case $(v '.outcomes[0].judgements[0].level') in
	inconclusive) v '.outcomes[0].judgements[0].reason' | grep -qE 'busy in|waiting for a CPU|neither a change|more certainty' ;;
	green) ;;
	*) false ;;
	esac
}
