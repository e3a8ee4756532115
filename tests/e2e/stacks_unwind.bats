#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Stacks of a program whose calls are known, and the names in them, wherever these come from.

load helpers

setup() {
	setup_workdir
	[ "$(id -u)" = 0 ] || skip "not root: other processes cannot be stopped"
	pids=
	cp "$WORKLOADS/unwind_known" "$WORKLOADS/unwind_plugin.so" .
}

teardown() {
	# shellcheck disable=SC2086 # a list
	[ -z "${pids:-}" ] || kill -KILL $pids 2>/dev/null || true
}

# MODE [COMMAND...]: a program that stands still there, in $program.
stand() {
	local mode=$1
	shift
	mkfifo said
	"$@" ./unwind_known "$mode" ./unwind_plugin.so >said 3>&- &
	program=$!
	pids="$pids $program"
	disown # it is killed without a word
	timeout 10 head -n 1 said | grep -qx there
	rm said
}

names() {
	"$ROOT/build/tests/tools/stack_names" "$program" >names
}

# The chain as far as the workload knows it: what stands between two names in the list of them.
between() {
	sed -n "/^$1/,/^$2/p" names
}

# How it got to come_back(), the line of the source beside each.
assert_chain() {
	line() { grep -n "$2" "$ROOT/tests/workloads/$1" | head -n 1 | cut -d: -f1; }
	plugin=unwind_plugin.cc
	cat >expected <<-END
		  in innermost<void (*)()> $plugin:$(line $plugin '/\* innermost')
		  in known::caller::call() const $plugin:$(line $plugin '/\* call')
		known::outer(known::caller const&) $plugin:$(line $plugin '/\* outer')
		plugin_through $plugin:$(line $plugin 'known::outer(known')
		of_any_size unwind_known.c:$(line unwind_known.c 'plugin(come_back)')
		aligned unwind_known.c:$(line unwind_known.c 'of_any_size(n +')
		main unwind_known.c:$(line unwind_known.c 'aligned((size_t)argc')
	END
	between '  in innermost' main | diff expected -
	[ "$(tail -n 1 names)" = outermost ]
}

@test "a stack goes through realigned frames, a late library and inlined functions to _start" {
	stand plain
	names
	assert_chain
	between stand_still come_back | cut -d' ' -f1 >chain
	printf 'stand_still\ncome_back\n' | diff - chain
	tail -n 2 names | head -n 1 | grep -q '^_start'
}

@test "a stack goes through a signal to what it interrupted" {
	stand signal
	names
	assert_chain
	between stand_still handle | cut -d' ' -f1 >chain
	printf 'stand_still\nhandle\n' | diff - chain
	grep -q '^come_back' names
}

@test "a handler on a stack of its own ends the stack, which says so" {
	stand altstack
	names
	between stand_still handle | cut -d' ' -f1 >chain
	printf 'stand_still\nhandle\n' | diff - chain
	[ "$(tail -n 1 names)" = "no stack" ]
	fails grep -q '^main' names
}

@test "what was stripped has no name, and none of its neighbours'" {
	strip unwind_known unwind_plugin.so
	stand plain
	names
	[ "$(tail -n 1 names)" = outermost ]
	# Seven functions of the program with _start; of the library the one that it exports has its name.
	[ "$(grep -c '^unwind_known+0x' names)" -eq 6 ]
	[ "$(grep -c '^unwind_plugin.so+0x' names)" -eq 1 ]
	[ "$(grep -c '^plugin_through' names)" -eq 1 ]
}

@test "names come from a debug file that .gnu_debuglink names, if it is of that very file" {
	for file in unwind_known unwind_plugin.so; do
		objcopy --only-keep-debug "$file" "$file.debug"
		strip --add-section nothing=/dev/null "$file" 2>/dev/null || strip "$file"
		objcopy --add-gnu-debuglink="$file.debug" "$file"
	done
	mkdir .debug
	mv unwind_plugin.so.debug .debug
	stand plain
	names
	assert_chain
	kill -KILL "$program"

	# That of another build lies there now.
	sed 's/of_any_size/of_no_size/' "$ROOT/tests/workloads/unwind_known.c" >unwind_known.c
	"$ROOT/tools/build-workload" unwind_known.c other
	objcopy --only-keep-debug other unwind_known.debug
	stand plain
	names
	fails grep -qE 'of_(any|no)_size' names
	grep -q '^plugin_through unwind_plugin.cc' names
}

@test "names come from .gnu_debugdata" {
	objcopy --strip-debug unwind_known packed
	python3 -c 'import lzma, sys; sys.stdout.buffer.write(lzma.compress(open("packed", "rb").read()))' >packed.xz
	strip unwind_known
	objcopy --add-section .gnu_debugdata=packed.xz unwind_known
	stand plain
	names
	between stand_still stand_still | grep -qx 'stand_still ?:0'
	grep -q '^of_any_size' names
	grep -q '^main' names
}

@test "a file that was deleted or replaced is still the one that runs" {
	stand plain
	rm unwind_plugin.so
	sed 's/of_any_size/of_no_size/' "$ROOT/tests/workloads/unwind_known.c" >other.c
	"$ROOT/tools/build-workload" other.c other
	mv other unwind_known
	names
	assert_chain
}

@test "files are those of the process's mount namespace" {
	command -v unshare >/dev/null || skip "no unshare here"
	mkdir inside
	unshare -m true 2>/dev/null || skip "no mount namespaces here"
	cat >enter <<-'END'
		mount -t tmpfs none inside && cp unwind_known unwind_plugin.so inside && cd inside && exec "$@"
	END
	stand plain unshare -m sh enter
	[ ! -e inside/unwind_known ]
	names
	assert_chain
}
