#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Modules of languages: what an interpreter loads, who asked for it, and how long that took.

load helpers

setup() {
	setup_workdir
	require_bpf
}

need_probes() {
	[ -x /usr/bin/python3 ] || skip "no /usr/bin/python3 here"
	readelf -n "$(readlink -f /usr/bin/python3)" 2>/dev/null | grep -q import__find__load__done ||
		skip "this python3 was built without probes"
}

# app loads a package whose part sleeps 0.15 s and computes, another one, and one in a thread.
plant() {
	mkdir -p pkg
	echo 'import pkg.heavy, light' >pkg/__init__.py
	printf 'import time\ntime.sleep(0.15)\nend = time.thread_time() + 0.08\nwhile time.thread_time() < end: pass\n' >pkg/heavy.py
	echo 'x = 1' >light.py
	echo 'x = 2' >aside.py
	cat >app.py <<-'END'
		import threading
		import pkg
		t = threading.Thread(target=lambda: __import__("aside"))
		t.start()
		t.join()
	END
	python=$(readlink -f /usr/bin/python3)
}

# m NAME FIELD
m() {
	q ".runs[0].modules[] | select(.name == \"$1\").$2"
}

@test "Python tells what it loads: nested, with time, CPU and the critical path" {
	need_probes
	plant
	PYTHONPATH=. session -- /usr/bin/python3 app.py
	[ "$status" -eq 0 ]
	q '.runs[0].complete' | grep -qx true
	[ "$(m pkg.heavy how) $(m pkg.heavy language)" = "probe python" ]
	[ "$(m pkg.heavy parent)" = "$(m pkg id)" ]
	[ "$(m light parent)" = "$(m pkg id)" ]
	[ "$(m aside parent)" = null ]
	[ "$(m aside thread)" != "$(m pkg thread)" ]
	q '.runs[0].modules[] | select(.name == "pkg.heavy") |
	   .self_ns >= 230000000 and .self_ns <= .total_ns and
	   .total_cpu_ns >= 79000000 and .total_cpu_ns < .total_ns - 140000000 and
	   .total_path_ns >= 229000000' | grep -qx true
	q '[.runs[0].modules[] | select(.name == "pkg")][0] | .total_ns > 230000000 and .self_ns < 100000000' |
		grep -qx true
	q '.metrics[] | select(.id == "startup.module[pkg]").values[0] > 229000000' | grep -qx true
	"$STARTLINE" report --view modules >table
	sed -n 3p table | grep -q '^pkg '
	# The first screen says which of them it is.
	"$STARTLINE" report | tr -s '\n ' ' ' >report
	grep -Eq 'main .* in import pkg\.heavy' report
	q '.runs[0].findings[] | select(.id == "heavy-import") | .cost_ns >= 229000000, .evidence' >finding
	grep -qx true finding
	grep -q 'pkg.heavy [2-9][0-9]*' finding
}

# One run tells both, so that what else the machine does is in both.
@test "the ten heaviest imports are those of -X importtime, within 10 %" {
	need_probes
	session -- /usr/bin/python3 -X importtime -c 'import asyncio, json, unittest, xml.dom.minidom'
	[ "$status" -eq 0 ]
	q '.runs[0].modules[] | "\(.total_ns / 1000 | floor) \(.name)"' | sort -k2,2 >ours
	sed -n 's/^import time: *[0-9]* | *\([0-9]*\) | *\([^ ]*\)$/\1 \2/p' messages | sort -rn |
		head -n 10 >heaviest
	[ "$(wc -l <heaviest)" -eq 10 ]
	sort -k2,2 heaviest | join -1 2 -2 2 - ours | awk '
		{ n++; if ($3 > $2 * 1.1 + 300 || $3 < $2 * 0.9 - 300) { print; bad = 1 } }
		END { exit bad || n != 10 }'
	sort -rn ours | head -n 3 | cut -d' ' -f2 >first
	head -n 3 heaviest | cut -d' ' -f2 | diff - first
}

@test "a script's own interpreter is found" {
	need_probes
	plant
	printf '#!/usr/bin/env -S python3\nimport pkg\n' >tool
	chmod +x tool
	session -- ./tool
	[ "$(m pkg.heavy how)" = probe ]
}

@test "an interpreter that the command will probably start tells, too" {
	need_probes
	plant
	PATH=$PWD:$PATH
	printf '#!/usr/bin/python3\nimport pkg\n' >tool
	printf '#!/bin/sh\n# about it\nexec tool "$@"\n' >start
	printf '#!/bin/sh\ncd . && ${PY:=python3} app.py\n' >"start it"
	chmod +x tool start "start it"
	export PYTHONPATH=.
	session -- sh -c 'test -f app.py && python3 app.py; true'
	[ "$(m pkg.heavy how)$(m pkg.heavy parent)" = "probe$(m pkg id)" ]
	session -- env -u A timeout 20 tool
	[ "$(m pkg.heavy how)" = probe ]
	session -- start
	[ "$(m pkg.heavy how)" = probe ]
	session -- "./start it"
	[ "$(m pkg.heavy how)" = probe ]
}

@test "an interpreter that nothing spoke of tells from the second one on" {
	need_probes
	plant
	PYTHONPATH=. /usr/bin/python3 app.py
	printf '/usr/bin/python3 app.py; /usr/bin/python3 app.py\n' >commands
	PYTHONPATH=. session -n 2 -- sh ./commands
	[ "$(m pkg.heavy how | tr '\n' ' ')" = "files probe " ]
	[ "$(q '.runs[1].modules[] | select(.name == "pkg.heavy").how' | tr '\n' ' ')" = "probe probe " ]
	q '.notes[]' | grep -q '^/usr/bin/python3.* tells what it loads from when'
	q '[.runs[0].modules[] | select(.how == "files")] |
	   (.[] | select(.name == "pkg.heavy")) as $heavy |
	   $heavy.parent == (.[] | select(.name == "pkg").id) and $heavy.self_ns > 229000000' |
		grep -qx true
}

@test "interpreters in several files tell, up to four" {
	need_probes
	plant
	for i in 1 2 3 4 5; do
		cp "$python" "python3.$i"
	done
	export PYTHONPATH=.
	session -- sh -c './python3.1 app.py; ./python3.2 app.py; true'
	[ "$(m pkg.heavy how | tr '\n' ' ')" = "probe probe " ]
	# What nothing spoke of has its number, too: it does not spoil the others.
	printf './python3.1 app.py; ./python3.1 app.py\n' >commands
	session -- sh -c './python3.2 app.py; sh ./commands; ./python3.2 app.py'
	[ "$(m pkg.heavy how | tr '\n' ' ')" = "probe files probe probe " ]
	printf './python3.%d app.py\n' 1 2 3 4 5 >commands
	session -n 2 -- sh ./commands
	[ "$(q '.runs[1].modules[] | select(.name == "pkg.heavy").how' | sort | uniq -c | tr -s '\n ' '  ')" = \
		" 1 files 4 probe " ]
	q '.notes[]' | grep -q 'python3\.[1-5] is one interpreter of Python too many'
}

@test "Perl's modules are seen by their files" {
	mkdir -p lib/Some
	echo 'package Some::Heavy; select undef, undef, undef, 0.12; 1;' >lib/Some/Heavy.pm
	echo 'package Light; 1;' >lib/Light.pm
	session -- perl -Ilib -e 'use Some::Heavy; use Light;'
	[ "$(m Some::Heavy language) $(m Some::Heavy how)" = "perl files" ]
	q '.runs[0].modules[] | select(.name == "Some::Heavy") | .self_ns > 119000000 and .self_cpu_ns < 60000000' |
		grep -qx true
	# Nobody knows when it was done with the last one.
	[ "$(m Light self_ns)" = null ]
}

@test "probes that the kernel refuses cost only what they tell" {
	need_probes
	plant
	PYTHONPATH=. /usr/bin/python3 app.py
	REFUSE_BPF=load:handle_import_begin LD_PRELOAD="$WORKLOADS/refuse_bpf.so" PYTHONPATH=. \
		"$STARTLINE" run --format json -o session.json --trace t.slt -- /usr/bin/python3 app.py
	[ "$(m pkg.heavy how)" = files ]
	q '.coverage.probes[] | select(.name == "imports").lost' | grep -q 'by their files'
	q '.runs[0] | .complete and .losses.bpf == 0' | grep -qx true
}

# 180 ms of CPU time in a function, 75 in a module that is loaded, 45 in another function: what each says of
# itself by the thread's own clock.
planted_shares() {
	session --ready log:ready --trace t.slt -- /usr/bin/python3 app.py
	[ "$status" -eq 0 ] || return 1
	"$STARTLINE" report t.slt --view functions --format json >functions.json
	for function in crunch:180 parse:45; do
		ns=${function#*:}000000
		near "$(jq "[.rows[] | select(.function == \"${function%:*}\" and .path == \"critical\").total_ns] | add" functions.json)" \
			"$ns" 12 6000000 || return 1
	done
	near "$(m planted total_cpu_ns)" 75000000 10 || return 1
	"$STARTLINE" report t.slt --view functions | tr -s '\n ' '  ' >functions
	grep -Eq 'an interpreter did for them: crunch \(app.py:[78]\)' functions || return 1
	# Where to look first, and what would not help.
	"$STARTLINE" report t.slt | head -n 1 | grep -Eq 'main [0-9.]+ \(crunch ~(1[5-9]|20).\)' || return 1
	"$STARTLINE" report t.slt | sed -n '/^Where/,/^stacks/p' | tr -s '\n ' '  ' >rows
	grep -Eq '% in crunch' rows && ! grep -Eq '% in (parse|import planted)' rows
}

@test "what a Python start spends in functions and imports is what was planted" {
	need_probes
	case $(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') in
	3.11 | 3.13) ;;
	*) skip "frames of this Python are not read" ;;
	esac
	cat >app.py <<-'END'
		from time import sleep, thread_time

		import planted

		def crunch():
		    end = thread_time() + 0.18
		    while thread_time() < end:
		        sum(range(500))

		def parse():
		    end = thread_time() + 0.045
		    while thread_time() < end:
		        sum(range(500))

		crunch()
		parse()
		print("ready", flush=True)
		sleep(9)
	END
	cat >planted.py <<-'END'
		from time import thread_time

		end = thread_time() + 0.075
		while thread_time() < end:
		    sum(range(500))
	END
	attempts planted_shares
}
