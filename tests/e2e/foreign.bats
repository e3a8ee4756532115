#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Results of other tools as REF: recognised by what is in them.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
	DATA="$ROOT/tests/data/foreign"
}

# planted BASE HEAD ID RATIO: compares the two and finds the difference that was planted.
planted() {
	"$STARTLINE" compare "$1" "$2" --format json >comparison.json
	jq -r --arg id "$3" '.changes.rows[] | select(.id == $id) | .verdict' comparison.json >verdict
	[ "$(cat verdict)" = regressed ]
	near "$(jq -r --arg id "$3" '.changes.rows[] | select(.id == $id) | .ratio' comparison.json)" "$4" 0.1
}

# Twelve values near 100, times the factor.
values() {
	awk -v f="$1" 'BEGIN { for (i = 0; i < 12; i++) printf("%s%.9g", (i ? "," : ""), (100 + i % 5 / 10) * f) }'
}

@test "hyperfine: a planted +20 % comes out" {
	for side in 0.01 0.012; do
		printf '{"results":[{"command":"./a","mean":1,"times":[%s]}]}\n' "$(values $side)" >$side.json
	done
	planted 0.01.json 0.012.json time.wall 1.2
}

@test "of several metrics a time stands first, and few are all listed" {
	for side in 1 1.2; do
		awk -v f=$side 'BEGIN { for (i = 0; i < 8; i++) printf "BenchmarkA-2 10 %d ns/op 2 allocs/op\n", (1000 + i) * f }' >$side.txt
	done
	"$STARTLINE" compare 1.txt 1.2.txt >out
	head -n 1 out | grep -q '^bench\[A-2\] 1.00 us -> 1.20 us'
	grep -q '^base: results of go test -bench' out
	grep -q '^bench.allocs\[A-2\] .*unchanged' out
}

@test "rows of name, value, unit: a planted +20 % comes out" {
	for side in 1 1.2; do
		printf '[{"name":"a","unit":"ms","values":[%s]}]' "$(values $side)" >$side.json
		printf 'name,value,unit\n' >$side.csv
		values $side | tr , '\n' | sed 's/.*/a,&,ms/' >>$side.csv
	done
	planted 1.json 1.2.json a 1.2
	planted 1.csv 1.2.csv a 1.2
	# One form against the other is the same.
	planted 1.csv 1.2.json a 1.2
}

@test "counts that vary are compared by statistics, and that is said" {
	count() {
		echo name,value,unit,better,class
		for i in 0 1 0 0 1 0 1 0; do echo "allocs,$1$i,count,lower,exact"; done
	}
	count 10 >a.csv
	count 20 >b.csv
	"$STARTLINE" compare a.csv b.csv >out
	grep -q '^allocs 100.4 -> 200.4, .*: regressed' out
	grep -q '^allocs: compared by statistics, since the runs of one side differ' out
}

@test "the report of a result is its metrics" {
	"$STARTLINE" report "$DATA/hyperfine.json" >out
	grep -q "^'./serve --mode memory'$" out
	grep -qE '^time.wall +410 ms' out
	grep -qE '^mem.peak_rss +52.4 MB' out
	grep -q 'note: 1 runs of' out
	[ "$(wc -L <out)" -le 80 ]
	"$STARTLINE" report "$DATA/hyperfine.json" --view metrics --format csv >out.csv
	[ "$(wc -l <out.csv)" = 5 ]
	"$STARTLINE" report "$DATA/hyperfine.json" --format markdown | grep -q '| time.wall |'
	run ! "$STARTLINE" report "$DATA/hyperfine.json" --view startup
	# Without a command nothing stands above them, not even a blank line.
	"$STARTLINE" report "$DATA/rows.csv" >out
	[ "$(head -n 1 out)" = Metrics ]
	[[ "$output" == *"only --view metrics"* ]]
}

@test "the report of benchmarks has the statistics of their tools" {
	"$STARTLINE" report "$DATA/pytest-without-rounds.json" >out
	grep -qE '^metric +median +n +mean +stddev +IQR +OPS$' out
	grep -qE '5.95 us +23 +31.0 us +120 us +10.4 ns +32245.7$' out
	"$STARTLINE" report "$DATA/pytest-without-rounds.json" --format csv | grep -qP '^id,.*,iqr,ops\r?$'
	# One value has no spread, and a test no calls a second.
	"$STARTLINE" report "$DATA/junit.xml" | grep -q '^metric .* min '
}

@test "every form of other tools is recognised, and compares with itself" {
	for file in vitest.json tinybench.json tinybench-table.json jmh.json dotnet.json asv.json bmf.json go-bench.jsonl \
		go-test.jsonl catch2.xml perf.txt perf-table.txt perf-runs.txt perf.csv perf-runs.csv perf-cpus.json \
		perf-runs.json time-v.txt hyperfine.csv hyperfine-scan.csv gbench.csv junit-ctest.xml; do
		"$STARTLINE" compare "$DATA/$file" "$DATA/$file" >out || { echo "$file"; false; }
		! grep -qE ': (regressed|improved)' out || { echo "$file"; cat out; false; }
	done
}

@test "a result is a session document, too" {
	"$STARTLINE" report "$DATA/hyperfine.json" --format json -o document.json
	"$STARTLINE" report document.json --format csv >again.csv
	"$STARTLINE" report "$DATA/hyperfine.json" --format csv >first.csv
	diff first.csv again.csv
}

@test "results without a common metric say so" {
	"$STARTLINE" compare "$DATA/hyperfine.json" "$DATA/rows.json" >out
	tr '\n' ' ' <out | grep -q 'no metric in common. Base has time.wall, .* Head has '
}

@test "a recording and hyperfine have their metrics in common" {
	"$STARTLINE" run -q -n 2 --trace own.slt -- true
	"$STARTLINE" compare "$DATA/hyperfine.json" own.slt --format json |
		jq -e '.changes.rows[] | select(.id == "time.wall") | (.head / .base / .ratio - 1 | fabs) < 0.001'
}

@test "entries of one file are compared with each other, by name and by glob" {
	for name in Old New; do
		for size in 8 64; do
			factor=$([ $name = Old ] && echo 1 || echo 3)
			values "$factor" | tr , '\n' | awk -v n="Benchmark$name/$size" '{ print n, 10, $1, "ns/op" }'
			echo
		done
	done >go.txt
	planted 'go.txt#Old/8' 'go.txt#New/8' bench 3
	planted 'go.txt#Old/*' 'go.txt#New/*' 'bench[64]' 3
	planted "$PWD/go.txt#Old/8" "$PWD/go.txt#New/8" bench 3
	run -2 "$STARTLINE" compare go.txt#Old/8 go.txt#none
	[[ "$output" == *"it has no entry 'none'; there are 'Old/8', 'Old/64', 'New/8', 'New/64'"* ]]
	"$STARTLINE" run -q --trace own.slt -- true
	run -2 "$STARTLINE" report own.slt#a
	[[ "$output" == *'only results of other tools have entries'* ]]
}

# Of one process a side only what is far beyond what processes differ by is certain.
@test "pytest-benchmark: a planted factor of 3 comes out, from files and from trees" {
	for side in 0.01 0.03; do
		mkdir -p $side/Linux-CPython-3.11-64bit
		printf '{"machine_info":{},"benchmarks":[{"name":"a","fullname":"t.py::a","stats":{"data":[%s]}}]}' \
			"$(values $side)" >$side/Linux-CPython-3.11-64bit/0001_x.json
	done
	planted 0.01 0.03 'bench[t.py::a]' 3
	planted 0.01/*/0001_x.json 0.03/*/0001_x.json 'bench[t.py::a]' 3
}

@test "criterion: a planted factor of 3 comes out between two baselines" {
	for side in 1 3; do
		mkdir -p "criterion/group/f/side$side"
		printf '{"sampling_mode":"Flat","iters":[%s],"times":[%s]}' \
			"$(values 0.02 | sed 's/[^,]*/2/g')" "$(values $side)" >"criterion/group/f/side$side/sample.json"
	done
	planted criterion@side1 criterion@side3 'bench[group/f]' 3
	planted criterion/group/f/side1 criterion/group/f/side3 'bench[criterion]' 3
}

@test "Google Benchmark, go test -bench: a planted factor of 3 comes out" {
	for side in 1 3; do
		{
			printf '{"context":{"num_cpus":2},"benchmarks":['
			values $side | tr , '\n' | sed 's/.*/{"name":"a","real_time":&,"cpu_time":1,"time_unit":"us"},/'
			printf '{"name":"b","real_time":1}]}'
		} >$side.json
		values $side | tr , '\n' | sed 's/.*/BenchmarkA-2 1 & ns\/op/' >$side.txt
	done
	planted 1.json 3.json 'bench[a]' 3
	planted 1.txt 3.txt 'bench[A-2]' 3
}

@test "k6: statistics without values have a ratio and no proof" {
	sed 's/"med": 11/"med": 22/' "$DATA/k6-export.json" >head.json
	"$STARTLINE" compare "$DATA/k6-export.json" head.json --format json |
		jq -e '.changes.rows[] | select(.id == "k6[http_req_duration]") | .ratio == 2 and .verdict == "inconclusive"'
}

@test "JUnit: the suite's difference is split, and the rows add up to it" {
	"$STARTLINE" compare "$DATA/junit.xml" "$DATA/junit-head.xml" --format json >comparison.json
	jq -r '.contributions.rows[] | "\(.phase) \(.cause) \(.detail) \(.delta_ns)"' comparison.json >rows
	diff rows - <<-END
		test changed tests.test_store.test_put 1250000000
		test added tests.test_new.test_one 750000000
		test removed tests.test_store.test_gone -500000000
		test added tests.test_store.test_later 250000000
		suite besides  100000000
		test changed tests.test_wait.test_long -100000000
		test same tests.test_store.test_get[a<b] 0
	END
	jq -e '[.contributions.rows[].delta_ns] | add == 1750000000' comparison.json
	"$STARTLINE" compare "$DATA/junit.xml" "$DATA/junit-head.xml" >out
	grep -q '^suite.time 7.50 s -> 9.25 s' out
	tr -s ' \n' ' ' <out | grep -q 'together +1.75 s of 7.50 s: tests: 2 added +1.00 s, 1 removed -500 ms, 2 changed +1.15 s, 1 of the same time, besides them +100 ms'
	[ "$(wc -L <out)" -le 80 ]
}

@test "JUnit against something else is no suite" {
	"$STARTLINE" compare "$DATA/junit.xml" "$DATA/hyperfine.json" >out
	grep -q 'no breakdown' out
}

@test "what no reader knows is refused with what there is" {
	echo '{"hello": 1}' >strange.json
	run ! "$STARTLINE" report strange.json
	[[ "$output" == *"nor a result of another tool that it reads (hyperfine, "* ]]
	mkdir empty
	run ! "$STARTLINE" report empty
	[[ "$output" == *"'empty': neither a recording of startline nor a result"* ]]
}

@test "damaged results give one line with the place" {
	head -c 300 "$DATA/hyperfine.json" >cut.json
	run ! "$STARTLINE" compare cut.json cut.json
	[ "${#lines[@]}" = 1 ]
	[[ "$output" == *"'cut.json': line "* ]]
	printf 'name,value\na\x1b[31m,x\x1b[2J\n' >hostile.csv
	run ! "$STARTLINE" report hostile.csv
	[ "${#lines[@]}" = 1 ]
	[[ "$output" != *$'\x1b'* ]]
	[[ "$output" == *"line 2"* ]]
}

# --- the gate -------------------------------------------------------------------------------------

# check: the verdict in ./verdict.json; the status in $status.
check() {
	status=0
	"$STARTLINE" check --format json >verdict.json 2>messages || status=$?
}

levels() {
	jq -r '[.outcomes[].judgements[] | "\(.metric) \(.target): \(.level)"] | sort | .[]' verdict.json
}

@test "check judges a result by budgets, each in the unit of its metric" {
	cat >startline.yml <<-END
		scenarios:
		  - name: micro
		    results: $DATA/pytest.json
		    budgets:
		      "bench[test_speed.py::test_even[4]]": ["< 1 s", "< 1 ns", "p95 < 1 s"]
		  - name: counted
		    results: $DATA/go.txt
		    budgets:
		      "bench.bytes[example.com/store.Get-2]": "< 65 B"
		      "bench.allocs[example.com/store.Get-2]": "< 2"
		      nothing: "< 1 s"
		      "bench[example.com/store.Get-2]": "< 1 s"
	END
	check
	levels >found
	# Twelve values have no 95 % quantile, which is a mistake.
	[ "$status" = 2 ]
	grep -qxF 'bench[test_speed.py::test_even[4]] < 1 s: green' found
	grep -qxF 'bench[test_speed.py::test_even[4]] < 1 ns: red' found
	jq -r '.outcomes[1].reason' verdict.json | grep -q "nothing is not in '.*go.txt'"
	grep -qxF 'bench.bytes[example.com/store.Get-2] < 65 B: green' found
	grep -qxF 'bench.allocs[example.com/store.Get-2] < 2: red' found
	grep -qxF 'bench[example.com/store.Get-2] < 1 s: green' found
	sed -i 's/< 65 B/< 65 s/; s/, "p95 < 1 s"//' startline.yml
	check
	[ "$status" = 2 ]
	jq -r '.outcomes[1].reason' verdict.json | grep -qF "'< 65 s' is a limit in ns, bench.bytes[example.com/store.Get-2] is measured in bytes"
}

@test "check judges a result against a baseline: unchanged, regressed, another's" {
	for side in 1 1.001 1.2; do
		printf '[{"name":"a","unit":"ms","values":[%s]},{"name":"n","value":3,"better":"neither"}]' \
			"$(values $side)" >$side.json
	done
	"$STARTLINE" baseline save main 1.json
	printf 'scenarios:\n  - { name: micro, results: head.json, baseline: main }\n' >startline.yml
	cp 1.001.json head.json
	check
	[ "$status" = 0 ]
	[ "$(levels)" = 'a @main +10.0 %: green' ]
	cp 1.2.json head.json
	check
	[ "$status" = 1 ]
	[ "$(levels)" = 'a @main +10.0 %: red' ]
	# A file as the baseline; and nothing in common is no pass.
	sed -i 's/main }/.\/1.json }/' startline.yml
	check
	[ "$status" = 1 ]
	cp "$DATA/hyperfine.json" head.json
	check
	[ "$status" = 4 ]
	head -c 300 "$DATA/hyperfine.json" >head.json
	check
	[ "$status" = 4 ]
	jq -r '.outcomes[0].reason' verdict.json | grep -qF "there are no results in 'head.json'"
	rm head.json
	check
	[ "$status" = 4 ]
}

@test "check judges a suite by its time, and names the tests" {
	# Of one run each nothing can be proven, a budget can be broken.
	cat >startline.yml <<-END
		scenarios:
		  - name: suite
		    results: $DATA/junit-head.xml
		    baseline: $DATA/junit.xml
		    budgets: { suite.time: ["< 180 s", "< 9 s"], suite.failed: "< 1" }
	END
	check
	[ "$status" = 1 ]
	levels >found
	grep -qx 'suite.time < 180 s: green' found
	grep -qx 'suite.time < 9 s: red' found
	grep -qx 'suite.failed < 1: green' found
	grep -q "^suite.time @.*junit.xml.*: inconclusive" found
	run ! grep -q '^test' found
	jq -e '.outcomes[0].comparison.contributions[0] | .phase == "test" and .cause == "changed"' verdict.json
}

# rounds FILE FACTOR: pytest-benchmark's, ten rounds a process.
rounds() {
	printf '{"machine_info":{},"benchmarks":[{"name":"a","fullname":"t.py::a","stats":{"data":[%s]}}]}' \
		"$(values "$2")" >"$1"
}

@test "several files a side are several processes: a glob, or a directory" {
	mkdir base head same
	for i in 1 2 3 4 5; do
		rounds base/$i.json "0.0$((100 + i))"
		rounds same/$i.json "0.0$((103 - i % 3))"
		rounds head/$i.json "0.0$((131 + i))"
	done
	planted 'base/*.json' 'head/*.json' 'bench[t.py::a]' 1.3
	planted base head 'bench[t.py::a]' 1.3
	"$STARTLINE" compare base head >out
	grep -q '^compared by processes, 5 and 5 of them' out
	grep -q '^base: 5 results put together' out
	"$STARTLINE" compare base same --format json | jq -e '.changes.rows[0].verdict != "regressed"'
	# Ten rounds of one process prove nothing of the kind, and it is said what would.
	"$STARTLINE" compare base/1.json head/1.json >out
	grep -q ': inconclusive' <(tr -s '\n ' ' ' <out)
	grep -qE 'about [0-9]+ more processes' <(tr -s '\n ' ' ' <out)
	run -2 "$STARTLINE" compare 'none/*.json' base
	[[ "$output" == *"none/*.json': there is no such file"* ]]
}

@test "check and compare say the same of ten times slower, and results have a history" {
	mkdir base head
	for i in 1 2 3; do
		rounds base/$i.json "0.0$((100 + i))"
		rounds head/$i.json "0.$((100 + i))"
	done
	printf 'scenarios:\n  - { name: micro, results: "head/*.json", baseline: ./base.json }\n' >startline.yml
	for files in '[1].json' '*.json'; do
		"$STARTLINE" report "base/$files" --format json -o base.json
		sed -i "s|head/.*.json\"|head/$files\"|" startline.yml
		check
		[ "$status" = 1 ]
		[ "$(levels)" = 'bench[t.py::a] @./base.json +10.0 %: red' ]
		planted base.json "head/$files" 'bench[t.py::a]' 10
	done
	"$STARTLINE" history 'bench[t.py::a]' --scenario micro --format csv >history.csv
	[ "$(wc -l <history.csv)" = 3 ]
}

@test "the store's history tells what noise there is, in check and in compare" {
	rounds base.json 0.0100
	rounds later.json 0.0115
	"$STARTLINE" compare base.json later.json | tr -s '\n ' ' ' >out
	grep -q ': inconclusive.* more processes (a file of results each) a side would decide it' out
	printf 'scenarios:\n  - { name: micro, results: head.json, baseline: ./base.json, budgets: { "bench[t.py::a]": "< 9 s" } }\n' >startline.yml
	for factor in 1012 1021 985 970 1004 1030 1008 993 966 981 1000 1017; do
		rounds head.json "$(awk -v f=$factor 'BEGIN { print f / 1e5 }')"
		check
		[ "$status" != 1 ]
	done
	"$STARTLINE" compare base.json later.json | tr -s '\n ' ' ' >out
	grep -q ': regressed.*differed by in the store' out
	"$STARTLINE" compare base.json head.json | tr -s '\n ' ' ' >out
	grep -q ': inconclusive.*differ by [0-9.]* % in the store' out
	cp later.json head.json
	check
	[ "$status" = 1 ]
	levels | grep -qxF 'bench[t.py::a] @./base.json +10.0 %: red'
	# Another benchmark's history is not this one's.
	sed -i 's/t.py::a/t.py::b/' base.json later.json
	"$STARTLINE" compare base.json later.json | tr -s '\n ' ' ' | grep -q ': inconclusive'
}

@test "a budget by glob is a row for each benchmark that it matches, the worst first" {
	printf 'BenchmarkX/a-2 10 1000 ns/op\nBenchmarkX/b-2 10 5000 ns/op\nBenchmarkX/c-2 10 9000 ns/op\nBenchmarkY-2 10 7 ns/op\n' >go.txt
	printf 'scenarios:\n  - { name: micro, results: go.txt, budgets: { "bench[X/*]": "< 2 us" } }\n' >startline.yml
	check
	[ "$status" = 1 ]
	jq -r '.outcomes[].judgements[] | "\(.metric) \(.level)"' verdict.json >found
	printf '%s\n' 'bench[X/c-2] red' 'bench[X/b-2] red' 'bench[X/a-2] green' | diff - found
	# The name itself is no glob.
	sed -i 's/X.\*/X\/a-2/' startline.yml
	check
	[ "$status" = 0 ]
	sed -i 's/X.a-2/Z*/' startline.yml
	check
	[ "$status" = 4 ]
	jq -r '.outcomes[0].reason' verdict.json >reason
	grep -F 'there is bench[X/a-2], bench[X/b-2], bench[X/c-2], bench[Y-2]' reason
}
