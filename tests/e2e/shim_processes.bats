# SPDX-License-Identifier: MIT
# Without kernel probes processes tell of themselves: whose children they are, what they execute,
# and that they have ended; how they ended nobody knows but their parents.
load helpers

setup() {
	setup_workdir
}

# of NAME FILTER: FILTER over the processes whose program is called NAME.
of() {
	q "[.runs[0].processes[] | select((.exe // \"\") | endswith(\"/$1\"))] | $2"
}

@test "every process has a name, a parent, and an end" {
	session --probes shim -- sh -c '/bin/true; ls / | sort >/dev/null; (sleep 0.03; cat </dev/null)'
	[ "$status" = 0 ] || { cat messages; false; }
	[ "$(q '[.runs[0].processes[] | select(.exe == null or .exit_ns == null)] | length')" = 0 ]
	[ "$(q '[.runs[0].processes[] | select(.parent == 0)] | length')" = 1 ]
	[ "$(of true 'map(.argv) | tojson')" = '[["/bin/true"]]' ]
	[ "$(of ls 'map(.argv) | tojson')" = '[["ls","/"]]' ]
	# Seen when nobody has its lane any more: a busy machine is late to look, never early.
	[ "$(of sleep '.[0] | .exit_ns - .start_ns | . > 28e6 and . < 230e6')" = true ]
	q '.runs[0].processes[] | select(.exe | endswith("/true")) | .execs | length' | grep -qx 1
}

@test "who writes over its arguments has executed nothing" {
	session --probes shim -- perl -e 'if (!fork) { $0 = "worker"; select undef, undef, undef, 0.2; exit } wait'
	[ "$status" = 0 ]
	[ "$(q '.runs[0].processes | map(.execs | length) | tostring')" = '[1,0]' ]
}

@test "how a child ended is not known, and not made up" {
	session --probes shim -- sh -c 'sh -c "exit 3"; sh -c "kill -SEGV \$\$"; exit 7'
	[ "$status" = 7 ]
	[ "$(q '[.runs[0].processes[1:][] | .exit_code, .exit_signal] | unique | tojson')" = '[null]' ]
	[ "$(q '[.runs[0].processes[1:][] | .exit_ns == null] | any')" = false ]
	[ "$(q '.runs[0].processes[0].exit_code')" = 7 ]
	"$STARTLINE" report --view processes session.json >report
	grep -q 'exit 7' report
	[ "$(grep -c ' ended ' report)" -ge 3 ] # the heading and two children
	[ "$(grep -c running report)" = 0 ]
}

@test "programs that the shim cannot enter are named by who starts them" {
	gcc -static -O1 -x c -o quiet - <<<'int main(void) { return 4; }' || skip "no static libc"
	session --probes shim -- sh -c "./quiet one; ls / >/dev/null"
	[ "$(q '.runs[0].processes[1] | [.parent, .exe, .coverage.heap, .exit_ns != null] | tojson')" = \
		'[1,"./quiet","static",true]' ]
}

@test "more processes than startline may have descriptors" {
	for probes in auto shim; do
		status=0
		prlimit --nofile=100:100 "$STARTLINE" run --format json -o session.json --timeout 2 \
			--probes $probes -- python3 -c '
import subprocess
children = [subprocess.Popen(["sleep", "41.5"]) for i in range(151)]
[child.wait() for child in children]' 2>messages || status=$?
		[ "$status" = 124 ]
		fails pgrep -f '^sleep 41[.]5'
		[ "$(q '[.runs[0].processes[] | select(.argv[0] == "sleep" and .coverage.heap == "counted")]
		        | length')" = 151 ]
	done
	status=0
	prlimit --nofile=12:12 "$STARTLINE" run -q -- true 2>messages || status=$?
	[ "$status" = 125 ]
	grep -q 'ulimit -n' messages
}

@test "a long command line, and one that is not text" {
	long=$(head -c 40000 /dev/zero | tr '\0' x)
	session --probes shim -- sh -c "/bin/true $long; printf '\\377\\033[31m' >/dev/null; /bin/true \"\$(printf 'a\\nb\\377')\"; :"
	[ "$status" = 0 ]
	[ "$(of true '.[0].argv[1] | length')" = 40000 ]
	[ "$(of true '.[0].execs[0].argv_bytes')" = 40011 ]
	[ "$(of true 'length')" = 2 ]
}

@test "words to be hidden are hidden" {
	session --probes shim --redact 'hunter[0-9]' -- sh -c '/bin/echo hunter2; true'
	[ "$(of echo 'map(.argv[1]) | tojson')" != '["hunter2"]' ]
	[ "$(grep -c hunter2 session.json)" = 0 ]
}

# coverage: what is said of the heap, per process, in order.
coverage() {
	q '[.runs[0].processes[] | .coverage.heap] | tojson'
}

@test "who drops to another user is not counted, and why is said" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	cat >drop.py <<-EOF
		import os, subprocess
		subprocess.run(["/bin/ls", "/"], user=1000, stdout=subprocess.DEVNULL)
	EOF
	for probes in auto shim; do
		session --probes $probes -- setpriv --reuid 1000 --clear-groups ls /
		[ "$status" = 0 ]
		[ "$(coverage)" = '["dropped to another user"]' ]
		session --probes $probes -- /usr/bin/python3 drop.py
		[ "$status" = 0 ]
		[ ! -s messages ]
		[ "$(coverage)" = '["counted","dropped to another user"]' ]
	done
	require_bpf
	session -- setpriv --reuid 1000 --clear-groups sh -c 'ls / >/dev/null; true'
	[ "$(coverage)" = '["dropped to another user","parent: dropped to another user"]' ]
}

@test "… also when that user cannot reach the shim" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	mkdir -m 700 own
	cp "$STARTLINE" "$(dirname "$STARTLINE")/libstartline.so" own
	STARTLINE=$PWD/own/startline session -- setpriv --reuid 1000 --clear-groups ls /
	[ "$status" = 0 ]
	[ ! -s messages ]
	[ "$(coverage)" = '["dropped to another user"]' ]
}

@test "chrooted programs run unharmed, static or not, and so do their children" {
	[ "$(id -u)" = 0 ] || skip "chroot needs root"
	mkdir -p jail
	# shellcheck disable=SC2046 # paths of libraries
	cp --parents /bin/bash /bin/cat $(ldd /bin/bash /bin/cat | grep -o '/[^ :]*' | sort -u) jail
	gcc -static -O1 -x c -o jail/quiet - <<<'int main(void) { return 4; }' || skip "no static libc"
	chroot jail /bin/bash -c '/quiet; echo $?; exec /bin/cat /nothing' >bare.out 2>bare.err || true
	for probes in auto shim; do
		session --probes $probes -- chroot jail /bin/bash -c '/quiet; echo $?; exec /bin/cat /nothing'
		[ "$status" = 1 ]
		cmp stdout bare.out
		cmp messages bare.err
		[ "$(q '.runs[0].processes[0].coverage.heap')" = chroot ]
	done
	require_bpf
	session -- chroot jail /bin/bash -c '/quiet; /bin/cat /nothing; true'
	[ "$(coverage)" = '["chroot","static","parent: chroot"]' ]
}
