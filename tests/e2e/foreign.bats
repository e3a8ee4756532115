#!/usr/bin/env bats
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
	[[ "$output" == *"only --view metrics"* ]]
}

@test "a result is a session document, too" {
	"$STARTLINE" report "$DATA/hyperfine.json" --format json -o document.json
	"$STARTLINE" report document.json --format csv >again.csv
	"$STARTLINE" report "$DATA/hyperfine.json" --format csv >first.csv
	diff first.csv again.csv
}

@test "results without a common metric say so" {
	"$STARTLINE" compare "$DATA/hyperfine.json" "$DATA/rows.json" >out
	grep -q 'no metric in common' out
}

@test "a recording and hyperfine have their metrics in common" {
	"$STARTLINE" run -q -n 2 --trace own.slt -- true
	"$STARTLINE" compare "$DATA/hyperfine.json" own.slt --format json |
		jq -e '.changes.rows[] | select(.id == "time.wall") | .base == 410000000 and .head > 0'
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
