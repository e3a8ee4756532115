#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# docs/first-gate.md, line by line, in five stand-in projects: from nothing to a red pull request with its cause.
# Nothing is typed that does not stand there.
bats_require_minimum_version 1.5.0
load ../e2e/helpers
load projects/build.bash

PYTHON=/usr/bin/python3

setup() {
	setup_workdir
	mkdir bin project
	ln -s "$STARTLINE" bin/startline
	PATH=$PWD/bin:$PATH
	cd project || return
	export PYTHONDONTWRITEBYTECODE=1
}

# section TITLE: its blocks of shell as ../1.sh, ../2.sh, and those of YAML as ../1.yml ...
section() {
	"$PYTHON" - "$1" "$ROOT/docs/first-gate.md" <<-'END'
		import re, sys
		with open(sys.argv[2]) as f:
		    part = f.read().split("\n## " + sys.argv[1] + "\n")[1].split("\n## ")[0]
		for language, end in (("sh", "sh"), ("yaml", "yml")):
		    for i, text in enumerate(re.findall(r"^```%s\n(.*?)^```" % language, part, re.S | re.M), 1):
		        with open(f"../{i}.{end}", "w") as f:
		            f.write(text)
	END
}

# types N STATUS: what stands in block N of the section.
types() {
	status=0
	sh -e "../$1.sh" >../out 2>&1 || status=$?
	cat ../out
	[ "$status" = "$2" ]
}

# red WORD...: what the comment has to name on its first screen, and the JUnit file somewhere.
red() {
	# As it reads, without what keeps Markdown out.
	head -n 20 comment.md | sed 's/[\\]//g' >../first
	for word; do
		grep -qF -- "$word" ../first || { cat comment.md; return 1; }
		grep -qF -- "$word" startline.xml
	done
}

@test "a test suite" {
	"$PYTHON" -c 'import xdist, pytest_cov' || skip 'pytest-xdist or pytest-cov is not installed'
	make_suite
	section 'A test suite'
	types 1 0
	grep -q pytest startline.yml
	cp ../1.yml startline.yml
	types 2 0
	change_suite
	types 3 1
	red time.wall read_orders
}

@test "a server in three modes" {
	make_server
	section 'A server in three modes'
	cp ../1.yml startline.yml
	change_server
	types 1 1
	red startup.ready distributed join_cluster
	run ! grep -q 'mode=memory.*regressed' ../first
}

@test "a pipeline" {
	make_server
	section 'A pipeline'
	cp ../1.yml startline.yml
	types 1 0
	change_pipeline
	types 2 1
	# A stored baseline of several steps holds their sums, and no breakdown.
	red time.wall
}

@test "a suite of benchmarks" {
	"$PYTHON" -c 'import pytest_benchmark' || skip 'pytest-benchmark is not installed'
	make_benchmarks
	section 'A suite of benchmarks'
	cp ../1.yml startline.yml
	types 1 0
	change_benchmarks
	types 2 1
	red 'test_encode[13]'
	[ "$(grep -c '🔴 regressed' comment.md)" = 1 ]
}

@test "criterion" {
	make_criterion
	section 'Criterion'
	cp ../1.yml startline.yml
	types 1 0
	change_criterion
	types 2 1
	red 'parse_7'
	[ "$(grep -c '🔴 regressed' comment.md)" = 1 ]
}
