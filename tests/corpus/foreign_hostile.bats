#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Results of other tools that are damaged, or made to do harm: one line that says what is wrong, or
# nothing but text; and nothing is stored by half.
bats_require_minimum_version 1.5.0
load ../e2e/helpers

setup() {
	setup_workdir
	DATA="$ROOT/tests/data/foreign"
}

# refused FILE PATTERN: status 2 and one line with the file in it.
refused() {
	status=0
	timeout 20 "$STARTLINE" report "$1" >out 2>messages || status=$?
	[ "$status" = 2 ]
	[ ! -s out ]
	[ "$(wc -l <messages)" = 1 ]
	grep -qF "'$1'" messages
	grep -qE "$2" messages
}

# A name with all that a terminal, a page, a table or a CI system could take for its own.
hostile=$'\x1b]0;x\x07\x1b[31m<script>alert(1)</script>|`x`\n::error::x\r##[error]x\u202e=cmd'

write_hostile() {
	python3 - "$hostile" <<-'END'
		import json, sys
		from xml.sax.saxutils import quoteattr
		name = sys.argv[1]
		json.dump({"results": [{"command": name, "times": [1, 2]}]}, open("hyperfine.json", "w"))
		json.dump({"machine_info": {"cpu": {"brand_raw": name}}, "version": name,
		           "benchmarks": [{"fullname": name, "stats": {"data": [1, 2]}}]}, open("pytest.json", "w"))
		json.dump({"context": {"executable": name}, "benchmarks": [
		           {"name": name, "real_time": 1}, {"name": name, "error_message": name}]}, open("gbench.json", "w"))
		json.dump({"metrics": {"iterations": {"count": 1, "rate": 1}, name: {"value": 3}}}, open("k6.json", "w"))
		json.dump([{"name": name, "value": 1, "unit": name}], open("rows.json", "w"))
		open("rows.csv", "w").write('name,value\n"%s",1\n' % name)
		open("go.txt", "w").write("cpu: %s\nBenchmark%s-2 1 2 ns/op\n" % (name.split("\n")[0], name.split("\n")[0]))
		clean = "".join(c for c in name if c >= " " or c in "\n\r")
		open("junit.xml", "w").write("<testsuite><testcase name=%s time='1'/></testsuite>" % quoteattr(clean))
	END
}

@test "names are text in every format" {
	write_hostile
	for file in hyperfine.json pytest.json gbench.json k6.json rows.json rows.csv go.txt junit.xml; do
		for format in text markdown csv json; do
			"$STARTLINE" report "$file" --format $format >"$file.$format" 2>messages
			"$STARTLINE" compare "$file" "$file" --format $format >>"$file.$format" 2>>messages
			[ ! -s messages ]
			# No control byte, no character that turns the line around, no line of a CI system.
			sed -i 's/\r$//' "$file.$format" # CSV's own
			run ! grep -qP '[\x00-\x08\x0b-\x1f\x7f]|^\s*::|##\[' "$file.$format"
			run ! grep -q $'\u202e' "$file.$format"
		done
		run ! grep -q '<script' "$file.markdown"
		run ! grep -qE '(^|,)"?=' "$file.csv"
	done
}

@test "a file that was cut anywhere is refused or whole, never a crash" {
	for file in "$DATA"/*.json "$DATA"/*.xml "$DATA"/*.csv "$DATA"/*.txt; do
		size=$(stat -c %s "$file")
		for part in 1 2 3 5 7 11 13 17 19; do
			head -c $((size * part / 20)) "$file" >cut
			status=0
			"$STARTLINE" report cut >out 2>messages || status=$?
			[ "$status" = 0 ] || [ "$status" = 2 ]
			[ "$status" = 0 ] || [ "$(wc -l <messages)" = 1 ]
		done
	done
}

@test "JSON that is cut is never taken for whole" {
	for file in hyperfine pytest gbench k6-export rows; do
		head -c -3 "$DATA/$file.json" >"$file.json"
		refused "$file.json" 'line [0-9]+: (it ends in the middle|not JSON)'
	done
}

@test "deep and large ones are refused in time" {
	python3 -c 'print("{\"results\":" + "[" * 1000000 + "\"command\"")' >deep.json
	refused deep.json 'line 1: not JSON'
	python3 -c 'print("<testsuite>" * 1000000)' >deep.xml
	refused deep.xml 'nested too deep'
	truncate -s 3G huge.json
	refused huge.json 'too large|File too large'
	python3 -c 'print("[{\"name\":\"a\",\"value\":1}" + ",[]" * 9000000 + "]")' >many.json
	refused many.json 'too large'
	python3 -c 'print("name,value\n" + "a" * 3000000 + ",1")' >wide.csv
	refused wide.csv 'line 2: the row is too long'
	python3 -c 'print("name,value\n" + "".join("a%d,1\n" % i for i in range(250001)))' >metrics.csv
	refused metrics.csv 'more than 250000 metrics'
}

@test "a suite of 50,000 tests is compared in seconds" {
	for side in 1 2; do
		python3 -c 'import sys
print("<testsuite>" + "".join("<testcase name=\"t%d\" time=\"%s\"/>" % (i, sys.argv[1]) for i in range(50000)) + "</testsuite>")' \
			$side >$side.xml
	done
	timeout 10 "$STARTLINE" compare 1.xml 2.xml >out
	tr -s ' \n' ' ' <out | grep -q '50000 changed +50000 s'
	# Nor does a startup of as many processes, which have no name in common.
	for side in 1 2; do
		python3 - $side >$side.json <<-'END'
			import json, sys
			n, side = 60000, sys.argv[1]
			print(json.dumps({"schema": "startline.report/1", "metrics": [], "runs": [{
			    "startup": {"total_ns": n, "segments": [
			        {"start_ns": i, "duration_ns": 1, "process": i + 1, "phase": "exec",
			         "state": "running", "cause": "cpu", "detail": ""} for i in range(n)]},
			    "processes": [{"id": i + 1, "parent": min(i, 1), "pid": i + 1, "argv": ["p%d" % i, side]}
			                  for i in range(n)]}]}))
		END
	done
	timeout 10 "$STARTLINE" compare 1.json 2.json >out
	tr -s ' \n' ' ' <out | grep -q 'together 0 ns of 60.0 us'
}

@test "entities of XML expand to nothing" {
	{
		echo '<!DOCTYPE t [<!ENTITY a0 "ha">'
		for i in $(seq 1 20); do
			echo "<!ENTITY a$i \"&a$((i - 1));&a$((i - 1));&a$((i - 1));&a$((i - 1));\">"
		done
		echo ']><testsuite><testcase name="&a20;" time="1"/></testsuite>'
	} >bomb.xml
	refused bomb.xml 'a document type declaration'
	echo secret >secret
	echo "<!DOCTYPE t [<!ENTITY a SYSTEM \"$PWD/secret\">]><testsuite><testcase name='&a;'/></testsuite>" >steal.xml
	refused steal.xml 'a document type declaration'
}

@test "what is no file does not stop it" {
	mkfifo fifo
	status=0
	timeout 5 "$STARTLINE" report fifo >out 2>messages || status=$?
	[ "$status" = 2 ]
	mkdir -p criterion/a/new
	mkfifo criterion/a/new/sample.json
	echo '{"mean":' >criterion/a/new/estimates.json
	status=0
	timeout 5 "$STARTLINE" report criterion >out 2>messages || status=$?
	[ "$status" = 2 ]
	rm criterion/a/new/sample.json
	status=0
	"$STARTLINE" report criterion >out 2>messages || status=$?
	[ "$status" = 2 ]
	grep -qF "'criterion/a/new/estimates.json': line 2: " messages
}

@test "nothing is stored by half" {
	head -c -3 "$DATA/gbench.json" >cut.json
	run ! "$STARTLINE" baseline save main cut.json
	"$STARTLINE" baseline list --format json >list
	[ "$(jq '.rows | length' list)" = 0 ]
	"$STARTLINE" baseline save main "$DATA/gbench.json"
	"$STARTLINE" compare @main "$DATA/gbench.json" --format json |
		jq -e '[.changes.rows[] | select(.id == "bench[BM_copy/8/repeats:5]") | .ratio] == [1]'
}
