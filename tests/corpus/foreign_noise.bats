#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Real tools, a process each. Of a suite compared with itself, in random splits of its processes, hardly any is red, and planted
# changes are found, at rates that are printed.
bats_require_minimum_version 1.5.0
load ../e2e/helpers

PROCESSES=16
SPLITS=40

setup() {
	setup_workdir
}

# sides SUITE K SEED: K processes in base and K others in head.
sides() {
	local i
	rm -rf base head
	mkdir base head
	mapfile -t drawn < <(seq $PROCESSES | shuf -n $((2 * $2)) --random-source=<(yes "$3"))
	for ((i = 0; i < $2; i++)); do
		cp "$1/${drawn[i]}" "base/$i"
		cp "$1/${drawn[$2 + i]}" "head/$i"
	done
}

red() {
	"$STARTLINE" compare base head --format json >comparison.json
	jq -r '.changes.rows[] | select(.verdict == "regressed" and .ratio_high >= 1.1) | .id' comparison.json
}

# itself SUITE: at most 1 split of 200, and one more that chance has in so few.
itself() {
	local k i n=0 false_red=0
	for k in 1 3 5; do
		local of_k=0
		for ((i = 0; i < SPLITS; i++)); do
			sides "$1" $k "$i"
			[ -z "$(red)" ] || of_k=$((of_k + 1))
		done
		echo "# $1, $k processes a side: $of_k of $SPLITS splits have a false red one" >&3
		n=$((n + SPLITS)) false_red=$((false_red + of_k))
	done
	# Splits share their processes: one that the machine disturbed is in many of them.
	[ "$false_red" -le $((1 + n / 30)) ]
}

# planted SUITE FACTOR K FILTER: what the filter makes slower by that is found, in 10 splits.
planted() {
	local i file n=0
	for ((i = 0; i < 10; i++)); do
		sides "$1" "$3" "$i"
		for file in head/*; do
			"$4" "$2" <"$file" >slower
			mv slower "$file"
		done
		if red | grep -q planted; then n=$((n + 1)); fi
	done
	echo "# $1, x$2, $3 processes a side: found in $n of 10" >&3
	found=$n
}

# Ten times is far outside of what any machine does by itself.
rates() { # SUITE FILTER
	planted "$1" 2 3 "$2"
	planted "$1" 1.3 5 "$2"
	planted "$1" 10 5 "$2"
	[ "$found" -ge 8 ]
	itself "$1"
}

@test "pytest-benchmark" {
	/usr/bin/python3 -c 'import pytest_benchmark' || skip "python3-pytest-benchmark is missing"
	cat >test_bench.py <<-'END'
		import json, hashlib, zlib, pytest
		D = {str(i): [i, {"k": i}] for i in range(200)}
		T = json.dumps(D)
		CASES = {"planted": lambda: json.dumps(D), "loads": lambda: json.loads(T), "sha": lambda: hashlib.sha256(T.encode()).digest(),
		         "zlib": lambda: zlib.compress(T.encode()), "split": lambda: T.split(","), "set": lambda: set(T), "rev": lambda: T[::-1], "sort": lambda: sorted(T)}
		@pytest.mark.parametrize("n", sorted(CASES))
		def test_it(benchmark, n):
		    benchmark(CASES[n])
	END
	mkdir pytest
	for ((i = 1; i <= PROCESSES; i++)); do
		/usr/bin/python3 -m pytest -q -p no:cacheprovider test_bench.py --benchmark-json="pytest/$i" \
			--benchmark-max-time=0.03 --benchmark-min-rounds=5 >/dev/null
	done
	slower() { jq -c --argjson f "$1" '(.benchmarks[] | select(.name | contains("planted")) | .stats.data) |= map(. * $f)'; }
	rates pytest slower
}

@test "Google Benchmark" {
	[ -e /usr/include/benchmark/benchmark.h ] || skip "libbenchmark-dev is not installed"
	cat >bench.cc <<-'END'
		#include <benchmark/benchmark.h>
		#include <algorithm>
		#include <map>
		#include <vector>
		static void planted(benchmark::State &s) { for (auto _ : s) { std::vector<int> v(1000); for (int i = 0; i < 1000; i++) v[i] = i * 7919 % 1009; std::sort(v.begin(), v.end()); benchmark::DoNotOptimize(v); } }
		static void tree(benchmark::State &s) { for (auto _ : s) { std::map<int, int> m; for (int i = 0; i < 300; i++) m[i * 7919 % 1009]++; benchmark::DoNotOptimize(m); } }
		BENCHMARK(planted);
		BENCHMARK(tree);
		BENCHMARK_MAIN();
	END
	g++ -O2 bench.cc -o bench -lbenchmark -lpthread
	mkdir gbench
	for ((i = 1; i <= PROCESSES; i++)); do
		./bench --benchmark_min_time=0.02 --benchmark_repetitions=5 --benchmark_out="gbench/$i" --benchmark_out_format=json >/dev/null 2>&1
	done
	slower() { jq --argjson f "$1" '(.benchmarks[] | select(.name == "planted")).real_time *= $f'; }
	rates gbench slower
}

@test "go test -bench" {
	command -v go >/dev/null || skip "golang is missing"
	mkdir go package
	printf 'module x\n\ngo 1.19\n' >package/go.mod
	cat >package/x_test.go <<-'END'
		package x

		import ("sort"; "strconv"; "strings"; "testing")

		func Benchmark_planted(b *testing.B) {
			for i := 0; i < b.N; i++ { a := make([]int, 1000); for j := range a { a[j] = j * 7919 % 1009 }; sort.Ints(a) }
		}
		func Benchmark_Text(b *testing.B) {
			for i := 0; i < b.N; i++ { var s strings.Builder; for j := 0; j < 500; j++ { s.WriteString(strconv.Itoa(j)) } }
		}
	END
	(cd package && HOME="$PWD" go test -c -o ../gobench .)
	for ((i = 1; i <= PROCESSES; i++)); do
		./gobench -test.bench . -test.benchtime 20ms -test.count 5 >"go/$i"
	done
	slower() { awk -v f="$1" '/planted/ { $3 *= f } { print }'; }
	rates go slower
}

# criterion does not install here: its samples, as it writes them, of a loop in a process each.
@test "samples as criterion writes them" {
	cat >sample.py <<-'END'
		import json, sys, time
		def once(n):
		    at = time.perf_counter_ns(); sum(i * i for i in range(2000 * n)); return time.perf_counter_ns() - at
		iters = list(range(1, 11))
		json.dump({"sampling_mode": "Linear", "iters": iters, "times": [once(n) for n in iters]}, sys.stdout)
	END
	mkdir criterion
	for ((i = 1; i <= PROCESSES; i++)); do
		python3 sample.py >"criterion/$i"
	done
	slower() { jq -c --argjson f "$1" '.times |= map(. * $f)'; }
	red() {
		local side file
		for side in base head; do
			for file in "$side"/*; do
				mkdir -p "$file.d/planted/new"
				mv "$file" "$file.d/planted/new/sample.json"
			done
		done
		"$STARTLINE" compare 'base/*.d' 'head/*.d' --format json >comparison.json
		jq -r '.changes.rows[] | select(.verdict == "regressed" and .ratio_high >= 1.1) | .id' comparison.json
	}
	rates criterion slower
}
