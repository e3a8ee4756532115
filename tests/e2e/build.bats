#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a user meets before startline runs: the check of what the build needs, make install, make demo.

load helpers

setup() {
	setup_workdir
	mkdir bin
}

teardown() {
	remove_public_copy
}

# fake NAME: a program of that name comes first in PATH; its shell script is on standard input.
fake() {
	{
		echo '#!/bin/sh'
		cat
	} >"bin/$1"
	chmod 755 "bin/$1"
}

deps() { # what the Makefile checks, with bin first
	status=0
	PATH=$PWD/bin:$PATH "$ROOT/tools/check-deps" "$@" >out 2>&1 || status=$?
	cat out
}

# flags_with CI=VALUE: how a file is compiled.
flags_with() {
	env -u CI -u WERROR "$@" make -s -C "$ROOT" V=1 -n -W userspace/base/buf.c build/userspace/base/buf.o
}

@test "what is here is enough to build with" {
	bpftool=$("$ROOT/tools/find-bpftool")
	BPFTOOL=$bpftool deps gcc zlib libelf libbpf
	[ "$status" -eq 0 ]
	[ ! -s out ]
}

@test "warnings are errors in continuous integration only" {
	flags_with A=b >flags
	grep -q -- -Wshadow flags
	fails grep -q -- -Werror flags
	flags_with CI=true | grep -q -- -Werror
	flags_with WERROR=1 | grep -q -- -Werror
}

@test "a bpftool that only looks for the running kernel's is not taken" {
	fake bpftool <<<'echo "WARNING: bpftool not found for kernel 6.8.0" >&2; exit 2'
	PATH=$PWD/bin:$PATH "$ROOT/tools/find-bpftool" >found
	fails grep -q "$PWD" found
	BPFTOOL=$PWD/bin/bpftool deps gcc
	[ "$status" -eq 3 ]
	grep -q 'bpftool cannot make a skeleton: WARNING: bpftool not found for kernel 6.8.0' out
	grep -q 'make BPF=0' out
	BPF=0 BPFTOOL=$PWD/bin/bpftool deps gcc
	[ "$status" -eq 0 ]
}

@test "a libbpf that is too old is said, with what to do" {
	fake pkg-config <<<'case $1 in --modversion) echo 0.5.0 ;; --atleast-version=*) exit 1 ;; esac'
	BPFTOOL=$("$ROOT/tools/find-bpftool") deps gcc zlib libbpf
	[ "$status" -eq 3 ]
	grep -q 'libbpf is 0.5.0, and 1.0 is needed' out
	grep -q 'make BPF=0' out
}

@test "compilers that are too old are said" {
	fake oldcc <<<'sed -e 1d -e s/__GLIBC__.__GLIBC_MINOR__/2.36/ -e s/__GNUC__/8/'
	BPF=0 deps oldcc
	[ "$status" -eq 1 ]
	grep -q 'oldcc is of version 8, and ' out
	CLANG=oldclang deps gcc
	[ "$status" -eq 3 ]
	grep -q 'oldclang is missing (package: clang)' out
}

@test "make install builds nothing, takes the symbols aside, and can be taken back" {
	find "$ROOT/build" -printf '%p %T@\n' | sort >before
	make -C "$ROOT" install DESTDIR="$PWD/root" PREFIX=/usr >out
	find "$ROOT/build" -printf '%p %T@\n' | sort >after
	cmp before after
	"$PWD/root/usr/bin/startline" run true 2>messages
	grep -q '^heap ' messages || grep -q 'linked at' messages
	# Symbols: gone from the program, found by its link.
	readelf -S root/usr/bin/startline >sections
	fails grep -q '\.symtab' sections
	grep -q '\.gnu_debuglink' sections
	readelf -S root/usr/bin/.debug/startline.debug | grep -q '\.symtab'
	# What manual pages name.
	grep -hoE 'docs/[a-z-]+\.(md|json|schema\.json)' "$ROOT"/docs/man/*.md | sort -u >cited
	[ -s cited ]
	while read -r file; do
		[ -s "root/usr/share/doc/startline/$file" ]
	done <cited
	[ -s root/usr/share/doc/startline/docs/report.schema.json ]
	make -C "$ROOT" uninstall DESTDIR="$PWD/root" PREFIX=/usr
	find root ! -type d >left
	find root -name '*startline*' >>left
	[ ! -s left ]
}

@test "make install says what is not built" {
	run make -C "$ROOT" install B=build-of-nothing DESTDIR="$PWD/root"
	[ "$status" -ne 0 ]
	[[ "$output" == *"'build-of-nothing/startline' is not built: 'make' first"* ]]
	[ ! -e root ]
}

# demo_as_nobody: as an ordinary user, from a copy where that can read.
demo_as_nobody() {
	public_copy
	mkdir "$PUBLIC/tools" "$PUBLIC/build"
	mv "$PUBLIC/startline" "$PUBLIC/libstartline.so" "$PUBLIC/build"
	cp "$ROOT/tools/demo" "$PUBLIC/tools"
	cp -r bin "$PUBLIC/bin"
	echo BPF=1 >"$PUBLIC/build/flags"
	chmod -R a+rX "$PUBLIC"
	(cd / && env HOME="$PUBLIC" PATH="$PUBLIC/bin:$PATH" \
		setpriv --reuid 65534 --regid 65534 --clear-groups "$PUBLIC/tools/demo") >out 2>&1
}

@test "make demo as an ordinary user elevates by sudo" {
	[ "$(id -u)" = 0 ] || skip "only root can become another user"
	fake sudo <<<'echo "elevated: $*"; exec "$@"'
	demo_as_nobody
	grep -q '^elevated: true$' out
	grep -q '^elevated: build/startline run --ready accept' out
}

@test "… and without says why not, and what to type" {
	[ "$(id -u)" = 0 ] || skip "only root can become another user"
	fake sudo <<<'echo "sudo: a password is required" >&2; exit 1'
	demo_as_nobody
	grep -q "not root, and sudo refused: no kernel probes, so no breakdown; for these: su -c 'make demo'" out
	grep -q '^accept_ready ' out
}
