#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Results that other tools write here and now: startline finds in them what they say themselves. And
# the commands of docs/ci.md with the tools themselves.
bats_require_minimum_version 1.5.0

load ../e2e/helpers
load ../e2e/foreign_oneliners

setup() {
	setup_workdir
}

need() {
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

# metric FILE ID KEY: of startline's session document of a result.
metric() {
	"$STARTLINE" report "$1" --format json >"session.json"
	jq -r --arg id "$2" --arg key "$3" '.metrics[] | select(.id == $id) | .[$key]' session.json
}

# same VALUE EXPECTED: to nine digits.
same() {
	near "$1" "$2" 0.0000001
}

@test "hyperfine: the times and their statistics" {
	need hyperfine
	hyperfine -N --runs 10 --export-json one.json 'sleep 0.01' >/dev/null
	hyperfine -N --runs 3 --export-json two.json 'sleep 0.01' 'sleep 0.02' >/dev/null
	for key in mean stddev median min max; do
		same "$(metric one.json time.wall $key)" "$(jq ".results[0].$key * 1e9" one.json)"
	done
	[ "$(metric one.json time.wall n)" = 10 ]
	same "$(metric one.json cpu.user mean)" "$(jq '.results[0].user * 1e9' one.json)"
	same "$(metric two.json 'time.wall[sleep 0.02]' median)" "$(jq '.results[1].median * 1e9' two.json)"
	# The program was the same: so it compares with a recording.
	"$STARTLINE" run -q -n 3 --trace own.slt -- sleep 0.01
	"$STARTLINE" compare one.json own.slt --format json |
		jq -e '.changes.rows[] | select(.id == "time.wall") | .ratio > 0.5 and .ratio < 2'
}

@test "pytest-benchmark: every column of its own, with rounds and without" {
	python3 -c 'import pytest_benchmark' || skip "pytest-benchmark is not installed"
	cat >test_speed.py <<-'END'
		import pytest
		@pytest.mark.parametrize("rounds", [2, 3, 4, 5, 6, 7, 41, 100])
		def test_sum(benchmark, rounds):
		    benchmark.pedantic(sum, args=(range(1000),), rounds=rounds, iterations=3)
	END
	python3 -m pytest -q -p no:cacheprovider test_speed.py --benchmark-json=with.json >log
	python3 -m pytest -q -p no:cacheprovider test_speed.py --benchmark-save=main >>log
	"$STARTLINE" report with.json --format json >session.json
	for rounds in 2 3 4 5 6 7 41 100; do
		name="test_speed.py::test_sum[$rounds]"
		for key in min max mean stddev median q1 q3; do
			theirs=$(jq --arg name "$name" ".benchmarks[] | select(.fullname == \$name) | .stats.$key * 1e9" with.json)
			same "$(jq --arg id "bench[$name]" ".metrics[] | select(.id == \$id) | .$key" session.json)" "$theirs"
		done
		jq -e --arg id "bench[$name]" --arg name "$name" --slurpfile theirs with.json '
			(.metrics[] | select(.id == $id) | [.n, .outliers]) ==
			($theirs[0].benchmarks[] | select(.fullname == $name) | .stats | [.rounds, .iqr_outliers])' session.json
	done
	# The saved file has no rounds, and the tree is its newest file.
	file=$(echo .benchmarks/*/0001_main.json)
	same "$(metric .benchmarks 'bench[test_speed.py::test_sum[41]]' q3)" \
		"$(jq '.benchmarks[] | select(.name == "test_sum[41]") | .stats.q3 * 1e9' "$file")"
	"$STARTLINE" compare .benchmarks@main with.json --format json |
		jq -e '.changes.rows | length == 8'
}

@test "pytest: the times of its JUnit file" {
	python3 -c 'import pytest' || skip "pytest is not installed"
	printf 'import time, pytest\ndef test_a(): time.sleep(0.05)\n@pytest.mark.skip\ndef test_b(): pass\n' >test_times.py
	python3 -m pytest -q -p no:cacheprovider test_times.py --junitxml=base.xml >log
	printf 'def test_c(): time.sleep(0.1)\n' >>test_times.py
	python3 -m pytest -q -p no:cacheprovider test_times.py --junitxml=head.xml >>log
	[ "$(metric base.xml 'test[test_times.test_a]' n)" = 1 ]
	[ "$(metric base.xml suite.tests median)" = 2 ]
	"$STARTLINE" compare base.xml head.xml --format json >comparison.json
	jq -e '.contributions.rows[0] | .cause == "added" and .detail == "test_times.test_c" and .delta_ns >= 1e8' comparison.json
	jq -e '([.contributions.rows[].delta_ns] | add) ==
	       ([.changes.rows[] | select(.id == "suite.time") | .difference | round] | add)' comparison.json
}

@test "go test -bench: what it prints" {
	need go
	export HOME="$PWD" GOFLAGS=-mod=mod GOPROXY=off
	printf 'module example.com/speed\n\ngo 1.19\n' >go.mod
	cat >speed_test.go <<-'END'
		package speed
		import ("testing"; "strings")
		func BenchmarkRepeat(b *testing.B) {
			b.SetBytes(4096)
			b.ReportAllocs()
			for i := 0; i < b.N; i++ { _ = strings.Repeat("x", 4096) }
			b.ReportMetric(23, "hits/op")
		}
	END
	go test -bench . -benchtime 1000x -count 6 . >bench.txt
	id=$(awk '/^BenchmarkRepeat/ { sub("Benchmark", "", $1); print "example.com/speed." $1; exit }' bench.txt)
	"$STARTLINE" report bench.txt --format json >session.json
	jq -e --arg id "bench[$id]" '.metrics[] | select(.id == $id) | .n == 6' session.json
	awk '/^BenchmarkRepeat/ { print $3 }' bench.txt | jq -s -c . >theirs
	jq -c --arg id "bench[$id]" '.metrics[] | select(.id == $id) | .values' session.json >ours
	diff ours theirs
	jq -e --arg id "bench.allocs[$id]" '.metrics[] | select(.id == $id) | .median == 1' session.json
	jq -e --arg id "bench.hits/op[$id]" '.metrics[] | select(.id == $id) | .median == 23' session.json
}

@test "Google Benchmark: repetitions and aggregates" {
	[ -e /usr/include/benchmark/benchmark.h ] || skip "libbenchmark-dev is not installed"
	cat >bench.cc <<-'END'
		#include <benchmark/benchmark.h>
		static void BM_count(benchmark::State &state)
		{
			int i = 0;
			for (auto _ : state)
				benchmark::DoNotOptimize(i += 1);
			state.SetItemsProcessed(state.iterations());
		}
		BENCHMARK(BM_count)->Repetitions(7)->Unit(benchmark::kMicrosecond);
		BENCHMARK_MAIN();
	END
	c++ -O1 bench.cc -o bench -lbenchmark -lpthread
	./bench --benchmark_out=all.json --benchmark_min_time=0.01 >log 2>&1
	./bench --benchmark_out=few.json --benchmark_min_time=0.01 --benchmark_report_aggregates_only=true >log 2>&1
	id='bench[BM_count/repeats:7]'
	[ "$(metric all.json "$id" n)" = 7 ]
	same "$(metric all.json "$id" median)" \
		"$(jq '.benchmarks[] | select(.aggregate_name == "median") | .real_time * 1000' all.json)"
	same "$(metric all.json "$id" stddev)" \
		"$(jq '.benchmarks[] | select(.aggregate_name == "stddev") | .real_time * 1000' all.json)"
	same "$(metric few.json "$id" mean)" \
		"$(jq '.benchmarks[] | select(.aggregate_name == "mean") | .real_time * 1000' few.json)"
	[ "$(jq '[.metrics[] | select(.id == "bench.items_per_second[BM_count/repeats:7]")] | length' session.json)" = 0 ]
}

@test "docs/ci.md: GNU time and perf stat" {
	[ -x /usr/bin/time ] || skip "GNU time is not installed"
	export COMMAND='sleep 0.05'
	run_oneliner 'GNU time'
	reads time.csv >rows
	grep -qE '^time.wall 10 [5-9]0000000$' rows
	grep -qE '^mem.peak_rss 10 [0-9]+$' rows
	[ "$(wc -l <rows)" = 4 ]
	perf stat true >/dev/null 2>&1 || skip "perf does not work here"
	run_oneliner 'perf stat'
	reads perf.json >rows
	grep -qE '^perf.task-clock 10 [0-9.]+$' rows
	grep -qE '^perf.page-faults 10 [0-9.]+$' rows
}

@test "docs/ci.md: wrk and hey against a server" {
	command -v wrk >/dev/null || command -v hey >/dev/null || skip "neither wrk nor hey is installed"
	port=$(free_port)
	python3 -m http.server --bind 127.0.0.1 "$port" >log 2>&1 3>&- &
	server=$!
	export URL="http://127.0.0.1:$port/" SECONDS_EACH=1 REQUESTS=200
	curl -s --retry 20 --retry-connrefused --retry-delay 1 "$URL" >/dev/null
	if command -v wrk >/dev/null; then
		run_oneliner wrk
		reads wrk.csv >wrk.rows
	fi
	if command -v hey >/dev/null; then
		run_oneliner hey
		reads hey.csv >hey.rows
	fi
	kill "$server"
	[ ! -e wrk.rows ] || [ "$(grep -cE '^(latency.p(50|75|90|99)|requests) 1 [0-9.]+$' wrk.rows)" = 5 ]
	[ ! -e hey.rows ] || grep -qE '^latency 200 [0-9]+' hey.rows
}

@test "docs/ci.md: docker stats" {
	docker stats --no-stream >/dev/null 2>&1 || skip "no docker here"
	[ -n "$(docker ps -q)" ] || skip "no container runs here"
	run_oneliner 'docker stats'
	reads docker.json | grep -q '^container.memory'
}
