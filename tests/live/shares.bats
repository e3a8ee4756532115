#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Shares of functions against a known split: 21 functions in a program (without frame pointers), a library
# and one that is loaded at run time, in LIVE_SHARES seeded runs (500): 93 to 97 % of the true shares lie inside their 95 %
# intervals. Two and eight threads, a forked child, C++ with inlining and Rust, in a fifth of that. Takes about
# twice LIVE_SHARES s.
bats_require_minimum_version 1.5.0
export BATS_TEST_TIMEOUT=7200
load ../e2e/helpers

LIVE_SHARES=${LIVE_SHARES:-500}

setup() {
	setup_workdir
	source=$ROOT/tests/live/shares
	options='-O2 -fomit-frame-pointer'
	# shellcheck disable=SC2016 # the loader's
	link='-L. -lshares -Wl,-rpath,$ORIGIN -pthread'
	of_c
}

# shellcheck disable=SC2086 # lists
of_c() {
	gcc $options -fPIC -shared -DGROUP=lib -o libshares.so "$source/code.c"
	gcc $options -fPIC -shared -DGROUP=plugin -o plugin.so "$source/code.c"
	gcc $options -DGROUP=own -o shares "$source/main.c" "$source/code.c" $link
}

# Functions that are inline, with debug information and without.
# shellcheck disable=SC2086 # lists
of_cxx() {
	g++ $options -fPIC -shared -DGROUP=lib -o libshares.so "$source/inlined.cc"
	g++ $options -g -DHAS_DEBUG_INFORMATION -DGROUP=own -c -o own.o "$source/inlined.cc"
	gcc $options -o shares "$source/main.c" own.o $link
}

# runs THREADS CHILDREN STEPS N: prints what came out, also where all is well.
runs() {
	for ((i = 0; i < $4; i++)); do
		"$STARTLINE" run -q --trace t.slt -o /dev/null -- ./shares $((i + 1)) "$1" "$2" "$3" ./plugin.so >"known.$i"
		"$STARTLINE" report --view functions --format json t.slt >"table.$i"
	done
	run python3 "$source/check.py" . "$4"
	echo "# live: $1 threads, $2 children: $output" >&3
	[ "$status" -eq 0 ]
}

@test "one thread" {
	runs 1 0 300000 "$LIVE_SHARES"
}

@test "two threads" {
	runs 2 0 150000 $((LIVE_SHARES / 5))
}

@test "eight threads" {
	runs 8 0 40000 $((LIVE_SHARES / 5))
}

@test "a forked child" {
	runs 1 1 150000 $((LIVE_SHARES / 5))
}

@test "C++ with inlining, and Rust's names" {
	of_cxx
	gcc -O2 -fomit-frame-pointer -fPIC -shared -DRUST -DGROUP=plugin -o plugin.so "$source/code.c"
	runs 1 0 300000 $((LIVE_SHARES / 5))
}

@test "Rust" {
	command -v rustc >/dev/null || skip "no rustc here"
	rustc -O -C symbol-mangling-version=v0 --crate-type cdylib --crate-name plugin -o plugin.so "$source/rust.rs"
	runs 1 0 300000 $((LIVE_SHARES / 5))
}
