#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# CPython's own frames, read from outside at 1,000 stopped points, are what its faulthandler says there.

load ../e2e/helpers

setup() {
	setup_workdir
	cat >work.py <<-'END'
		import collections, faulthandler, json, os, re, signal, sys

		faulthandler.register(signal.SIGUSR1, file=open(sys.argv[1], "w"), all_threads=False)


		class Tree:
		    def __init__(self, depth):
		        self.kids = [Tree(depth - 1) for _ in range(2)] if depth else []

		    def walk(self):
		        yield self
		        for kid in self.kids:
		            yield from kid.walk()

		    @property
		    def size(self):
		        return sum(1 for _ in self.walk())


		def deep(n):
		    if n == 0:
		        return sum(map(lambda x: x * x, range(300)))
		    return (deep(n - 1)
		            + 1)


		def outer():
		    seen = collections.Counter()

		    def inner(x):
		        seen[x % 7] += 1
		        return sorted(range(x % 50), key=lambda y: -y)

		    for i in range(200):
		        inner(i)
		    try:
		        raise ValueError(str(seen))
		    except ValueError as e:
		        return re.sub(r"\d+", lambda m: str(int(m[0]) + 1), str(e))


		class Ünïcode:
		    def größe(self):
		        return [i for i in range(50) if i % 3]


		os.write(3, b"x")
		while True:
		    Tree(6).size
		    deep(60)
		    outer()
		    for _ in range(100):
		        Ünïcode().größe()
		    json.loads(json.dumps([list(range(50))] * 10, default=str, indent=1))
		    exec(compile("def f(a):\n  return a+1\nfor i in range(300): f(i)", "<made>", "exec"), {})
	END
	# Frames of both, as FILE:LINE and the last part of the name. faulthandler writes 100 of a stack, and
	# ??? where there is no line.
	cat >compare.py <<-'END'
		import re, sys

		def last(name):
		    return name.split(".")[-1]

		ours, theirs = [], []
		for line in open(sys.argv[1], encoding="utf8"):
		    if line.startswith("point "):
		        ours.append([])
		    else:
		        m = re.match(r"(.*) (\S+):(\d+)$", line)
		        ours[-1].append((m[2], int(m[3]), last(m[1])))
		for line in open(sys.argv[2], encoding="utf8"):
		    if line.startswith("Stack"):
		        theirs.append([])
		    elif m := re.match(r'  File "(.*)", line (\d+|\?\?\?) in (.*)$', line):
		        name = m[3].encode("latin1").decode("unicode_escape")
		        theirs[-1].append((m[1], 0 if m[2] == "???" else int(m[2]), name))
		equal = 0
		for a, b in zip(ours, theirs):
		    if a[:100] == b[:100]:
		        equal += 1
		    else:
		        print("differs:", [p for p in zip(a, b) if p[0] != p[1]] or (len(a), len(b)))
		print("points", len(theirs), "equal", equal)
	END
}

# version, interpreter, the file that it is in. At 1,000 points, in several runs where faulthandler's handler crashes,
# as it does after some hundred signals, also when nobody looks at the process: the stack it is writing then is cut.
compare_points() {
	runtime=$(readelf -W --dyn-syms "${3:-$2}" | awk '$8 == "_PyRuntime" { print $2 }')
	[ -n "$runtime" ]
	readelf -hW "$2" | grep -q 'EXEC' && export PYTHON_FIXED=1
	points=0 equal=0 runs=0
	while [ $points -lt 990 ] && [ $runs -lt 40 ]; do
		runs=$((runs + 1))
		"$ROOT/build/tests/tools/python_points" "$1" "$runtime" 1000 $((6 + runs)) -- "$2" work.py theirs >ours
		env -u PYTHONHOME python3 compare.py ours theirs >compared
		cat compared
		read -r n same < <(sed -n 's/^points \([0-9]*\) equal \([0-9]*\)$/\1 \2/p' compared)
		points=$((points + n)) equal=$((equal + same))
	done
	[ $points -ge 990 ]
	[ $equal -ge $((points * 99 / 100 - runs + 1)) ]
}

# Python 3.13 as Debian 13 has it, with its own libc, in directory $1.
python313_root() {
	# shellcheck disable=SC2016 # apt's own variable
	uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
	mkdir -p apt/lists/partial apt/archives/partial "$1"
	echo "deb $uri trixie main" >apt/sources.list
	set -- "$1" -o Dir::State::lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt" \
		-o Dir::Etc::sourcelist="$PWD/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o APT::Sandbox::User=root
	apt-get -q "${@:2}" update || return 1
	apt-get -q "${@:2}" download python3.13-minimal libpython3.13-minimal libpython3.13-stdlib libc6 \
		libexpat1 zlib1g || return 1
	for package in *.deb; do
		dpkg-deb -x "$package" "$1"
	done
	patchelf --set-interpreter "$PWD/$1/usr/lib64/ld-linux-x86-64.so.2" \
		--set-rpath "$PWD/$1/usr/lib/x86_64-linux-gnu" "$1/usr/bin/python3.13"
}

# An interpreter in a library, as programs that embed it have it, and python3 itself where it was built so.
embed() {
	library=$(ls /usr/lib/*/libpython3.11.so.1.0 2>/dev/null) || skip "no libpython3.11 here"
	cat >embeds.c <<-'END'
		#include <stdio.h>

		void Py_Initialize(void);
		int PyRun_SimpleString(const char *);
		int PyRun_SimpleFile(FILE *, const char *);
		int Py_FinalizeEx(void);

		int main(int argc, char **argv)
		{
			FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
			Py_Initialize();
			PyRun_SimpleString("import sys; sys.path.insert(0, '.')");
			return file == NULL || PyRun_SimpleFile(file, argv[1]) != 0 || Py_FinalizeEx() != 0;
		}
	END
	cat >shared.c <<-'END'
		int Py_BytesMain(int, char **);

		int main(int argc, char **argv)
		{
			return Py_BytesMain(argc, argv);
		}
	END
	mkdir -p own/lib
	cp "$library" own/lib
	gcc -O2 -o embeds embeds.c "$library"
	gcc -O2 -o python3 shared.c "$library"
	# A library of its own, as version managers and conda have it.
	# shellcheck disable=SC2016 # the loader's own variable
	gcc -O2 -o own/python3.11 shared.c own/lib/libpython3.11.so.1.0 -Wl,-rpath,'$ORIGIN/lib'
	cat >heavy.py <<-'END'
		from time import sleep, thread_time

		sleep(0.05)
		end = thread_time() + 0.075
		while thread_time() < end:
		    sum(range(500))
	END
	cat >app.py <<-'END'
		from time import thread_time

		import heavy, json

		def crunch():
		    end = thread_time() + 0.18
		    while thread_time() < end:
		        sum(range(500))

		crunch()
	END
}

# heavy FIELD, of all processes
heavy() {
	q ".runs[0].modules[] | select(.name == \"heavy\").$1" | tr '\n' ' '
}

@test "an interpreter in a library tells its modules and frames" {
	require_bpf
	embed
	for program in ./embeds ./python3 own/python3.11; do
		echo "of $program"
		PYTHONPATH=. session --trace t.slt -- "$program" app.py
		[ "$status" -eq 0 ]
		[ "$(heavy how)" = "probe " ]
		q '.runs[0].processes[0].coverage.own_allocator' | grep -q CPython
		q '.runs[0].modules[] | select(.name == "heavy") |
		   .self_ns > 124000000 and .self_cpu_ns > 74000000 and .self_cpu_ns < .self_ns - 45000000' |
			grep -qx true
		"$STARTLINE" report t.slt --view functions --format json >functions.json
		near "$(jq '[.rows[] | select(.function == "crunch" and .path == "critical").total_ns] | add' \
			functions.json)" 180000000 15 10000000
	done
}

@test "interpreters in a program and in libraries tell in one recording" {
	require_bpf
	embed
	export PYTHONPATH=.
	session -- sh -c '/usr/bin/python3 app.py; ./embeds app.py; own/python3.11 app.py'
	[ "$(heavy how)" = "probe probe probe " ]
	# Nobody spoke of the first one: by its files, until the library was seen to be opened.
	printf './embeds app.py; own/python3.11 app.py; ./python3 app.py\n' >commands
	session -- sh ./commands
	[ "$(heavy how)" = "files files probe " ]
	near "$(heavy total_path_ns | cut -d' ' -f1)" 126000000 30
	q '.notes[]' | grep -q '^/.*libpython3\.11.* tells what it loads from when'
}

@test "frames of Python 3.11 are those of faulthandler at 1,000 points" {
	version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	[ "$version" = 3.11 ] || skip "python3 is $version here"
	compare_points 30b "$(readlink -f "$(command -v python3)")"
}

@test "frames of Python 3.11 in a library are those of faulthandler at 1,000 points" {
	embed
	PYTHON_FILE=/libpython3. compare_points 30b ./python3 "$library"
}

@test "frames of Python 3.13 are those of faulthandler at 1,000 points" {
	command -v apt-get >/dev/null || skip "no apt, which fetches it"
	python313_root root || skip "Python 3.13 of Debian 13 cannot be fetched"
	PYTHONHOME=$PWD/root/usr compare_points 30d root/usr/bin/python3.13
}
