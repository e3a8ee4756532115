#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs behave under startline as without it: output, errors, exit status, descriptors. The command
# lines are in tests/corpus/lines, the hard cases in tests/workloads/hard_*.c.

load ../e2e/helpers

# Each line is run five times.
export BATS_TEST_TIMEOUT=600

SIDE_BY_SIDE="$BATS_TEST_DIRNAME/side_by_side"
LINES_OF="$BATS_TEST_DIRNAME/lines"

# What the lines use, where every user can read it.
setup_file() {
	public_copy
	export PUBLIC STARTLINE W="$PUBLIC" F="$PUBLIC/files"
	cp "$WORKLOADS"/hello* "$WORKLOADS"/guest.so "$WORKLOADS"/hard_* "$W"
	mkdir "$F"
	for i in 1 2 3; do echo "line $i" >"$F/$i"; done
	seq 20000 | shuf --random-source=/bin/sh >"$F/numbers"
	echo '{"a": [1, 2]}' >"$F/json"
	echo 'int main(void) { return 13; }' >"$F/m.c"
	cp "$BATS_TEST_DIRNAME"/lines/files/* "$F"
	javac -d "$F" "$F/Hello.java" || true
	cp "$SIDE_BY_SIDE" "$PUBLIC"
	cp -r "$LINES_OF" "$PUBLIC"
	(cd "$F" && HOME=$PWD GO111MODULE=off go build -o gohello gohello.go && rm -rf .cache) || true
	chmod -R a+rX "$PUBLIC"
	# The same in each run: commits of git, messages.
	export LC_ALL=C GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
	for who in AUTHOR COMMITTER; do
		export GIT_${who}_NAME=a GIT_${who}_EMAIL=a GIT_${who}_DATE='2001-01-01 00:00:00 +0000'
	done
}

teardown_file() {
	remove_public_copy
}

setup() {
	setup_workdir
}

# the_lines FILE...: without comments.
the_lines() {
	(cd "$LINES_OF" && cat "$@") | grep -v '^#'
}

# alone FILE: each of its lines by itself, in both tiers.
alone() {
	the_lines "$1" | tr '\n' '\0' | xargs -0 -P "$(nproc)" -n 1 "$SIDE_BY_SIDE" compare
}

@test "shells" {
	alone shells
}

@test "processes that are started, stopped, watched and confined" {
	alone processes
}

@test "limits" {
	alone limits
}

@test "the loader's variables, and kinds of programs" {
	alone loader
}

@test "runtimes of languages" {
	alone languages
}

@test "tools" {
	alone tools
}

@test "a difference is found in each of what is compared" {
	mapped='grep -q libstartline /proc/self/maps'
	for line in "$mapped && echo out" "$mapped && echo err >&2" "$mapped" "$mapped && >file; true"; do
		fails "$SIDE_BY_SIDE" compare "$line"
	done
	"$SIDE_BY_SIDE" compare true
}

@test "opens and misses are those that strace counts" {
	require_bpf
	while read -r command; do
		strace -f -qq -e trace=open,openat,openat2,creat -o calls sh -c "$command" >/dev/null 2>&1 </dev/null || true
		session -- sh -c "$command" </dev/null
		q '.runs[0].files | "\(.opens) \(.misses)"' >seen
		echo "$(grep -c '= [0-9]' calls) $(grep -c '= -1' calls)" >expected
		echo "$command"
		diff expected seen
	done <<-'END'
		true
		ls /; ls /nothing-here; cat /etc/hostname | wc -l
		/usr/bin/python3 -c 'import subprocess; subprocess.run(["ls", "/"])'
		perl -e 'fork; system "true"'
	END
}

@test "a process that inspects itself finds neither shim variables nor descriptors" {
	env -u STARTLINE "$STARTLINE" run -q -o /dev/null -- sh -c 'cat /proc/$$/environ /proc/self/environ | grep -ca "STARTLINE\|LD_PRELOAD"; ls /proc/self/fd | wc -l' >seen || true
	sh -c 'ls /proc/self/fd | wc -l' >bare
	[ "$(tail -n 1 seen)" = "$(cat bare)" ]
	[ "$(head -n 1 seen)" = 0 ]
}

@test "each hard case by itself, in both tiers" {
	for workload in "$WORKLOADS"/hard_*; do
		[ -x "$workload" ] || continue
		for name in $("$workload" list); do
			bare=0
			timeout 30 setsid -w env -u _ "$workload" "$name" >bare 2>&1 </dev/null || bare=$?
			for probes in bpf,shim shim; do
				seen=0
				timeout 30 setsid -w env -u _ "$STARTLINE" run -q -o /dev/null --probes $probes -- \
					"$workload" "$name" >seen 2>&1 </dev/null || seen=$?
				if ! cmp bare seen || [ "$bare" != "$seen" ]; then
					echo "$workload $name, $probes: $bare, then $seen"
					diff -a bare seen | head -5
					touch differs
				fi
			done
		done
	done
	[ ! -e differs ]
}

# as_user NAME COMMAND...: bare, by startline itself, and by startline under sudo in both tiers; what they
# print must be the same.
as_user() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	mkdir -m 777 "$PUBLIC/$1"
	cd "$PUBLIC/$1"
	shift
	# As sudo leaves them.
	variables=("PATH=$PATH" HOME=/nonexistent USER=nobody LOGNAME=nobody SHELL=/usr/sbin/nologin
		SUDO_UID=65534 SUDO_GID=65534 SUDO_USER=nobody "W=$W" "F=$F" LC_ALL=C
		GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a "GIT_AUTHOR_DATE=$GIT_AUTHOR_DATE"
		GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a "GIT_COMMITTER_DATE=$GIT_COMMITTER_DATE")
	user=(env -i "${variables[@]}" setpriv --reuid=65534 --regid=65534 --init-groups)
	run=("$STARTLINE" run -q -o /dev/null --trace recording --probes)
	"${user[@]}" "$@" >bare 2>&1 </dev/null
	"${user[@]}" "${run[@]}" shim -- "$@" >seen 2>&1 </dev/null
	diff -a bare seen
	for probes in bpf,shim shim; do
		rm -f recording
		env -i "${variables[@]}" "${run[@]}" $probes -- "$@" >seen 2>&1 </dev/null
		diff -a bare seen
	done
}

@test "the hard cases as an ordinary user, and under sudo" {
	for workload in "$PUBLIC"/hard_*; do
		[ -x "$workload" ] || continue
		as_user "in_${workload##*/}" "$workload" all
	done
}

@test "shells and limits as an ordinary user, and under sudo" {
	as_user shells "$PUBLIC/side_by_side" show "$PUBLIC/lines/shells" "$PUBLIC/lines/limits"
}

@test "processes and programs as an ordinary user, and under sudo" {
	as_user processes "$PUBLIC/side_by_side" show "$PUBLIC/lines/processes" "$PUBLIC/lines/loader"
}

@test "runtimes of languages as an ordinary user, and under sudo" {
	as_user languages "$PUBLIC/side_by_side" show "$PUBLIC/lines/languages"
}

@test "tools as an ordinary user, and under sudo" {
	as_user tools "$PUBLIC/side_by_side" show "$PUBLIC/lines/tools"
}
