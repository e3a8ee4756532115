#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs behave under startline as without it: output, errors, exit status, descriptors.

load ../e2e/helpers

setup() {
	setup_workdir
}

# same COMMAND: a shell command line, run bare and recorded.
# Without $_, in which the shell that starts the two leaves their names.
same() {
	bare=0
	seen=0
	env -u _ sh -c "$1" >bare.out 2>bare.err </dev/null || bare=$?
	env -u _ "$STARTLINE" run -q -o /dev/null -- sh -c "$1" >seen.out 2>seen.err </dev/null || seen=$?
	if ! cmp bare.out seen.out || ! cmp bare.err seen.err || [ "$bare" != "$seen" ]; then
		echo "differs: $1 (exit $bare, then $seen)"
		diff bare.err seen.err | head -5
		return 1
	fi
}

@test "sixty command lines print and return the same" {
	mkdir d
	for i in 1 2 3; do echo "line $i" >"d/$i"; done
	while read -r command; do
		[ -z "$command" ] || same "$command"
	done <<-'END'
		true
		false
		exit 41
		kill -9 $$
		kill -TERM $$
		kill -SEGV $$
		echo out; echo err >&2
		ls -l d
		ls nothing-here
		cat d/1 d/2 d/3
		cat nothing-here
		sort -r d/1 d/2 d/3
		sort -R nothing-here
		wc -l d/1
		grep -r line d
		grep nothing d/1
		find d -name '1*'
		find d -exec cat {} +
		find nothing-here
		xargs -n1 echo </etc/hostname
		printf '1 2 3' | tr ' ' '\n' | xargs -P2 -n1 sh -c 'exit 0'
		tar cf - d | tar tf -
		gzip -c d/1 | gunzip
		sed s/line/row/ d/1
		awk '{print $2}' d/1
		perl -e 'print "hello\n"; exit 7'
		perl -e 'print join(",", sort keys %ENV), "\n"'
		perl -e 'opendir D, "/proc/self/fd"; print join(",", sort grep /\d/, readdir D), "\n"'
		perl -e 'fork or exec "true"; wait; print $?, "\n"'
		perl -e 'system "exit 3"; print $? >> 8, "\n"'
		perl -e 'print `echo from a child`'
		perl -e '$! = 0; open F, "/nothing-here"; print $!+0, "\n"'
		/usr/bin/python3 -c 'print(sum(range(1000)))'
		/usr/bin/python3 -c 'import sys; sys.exit(23)'
		/usr/bin/python3 -c 'import os; os.abort()'
		/usr/bin/python3 -c 'import os; print(sorted(os.environ))'
		/usr/bin/python3 -c 'import os; print(os.listdir("/proc/self/fd"))'
		/usr/bin/python3 -c 'import threading; t = [threading.Thread(target=sorted, args=(range(9),)) for _ in range(8)]; [x.start() for x in t]; [x.join() for x in t]; print(len(t))'
		/usr/bin/python3 -c 'import subprocess; print(subprocess.run(["env", "-i", "env"], capture_output=True))'
		/usr/bin/python3 -c 'import subprocess; print(subprocess.run(["sh", "-c", "exit 5"]).returncode)'
		/usr/bin/python3 -c 'import os; pid = os.fork(); pid or os._exit(9); print(os.waitpid(pid, 0)[1])'
		/usr/bin/python3 -c 'import os; os.closerange(3, 4096); print(open("/etc/hostname").fileno())'
		/usr/bin/python3 -c 'import signal; print(signal.getsignal(signal.SIGINT))'
		/usr/bin/python3 -c 'import ctypes; print(ctypes.CDLL(None).getenv(b"LD_PRELOAD"))'
		/usr/bin/python3 -c 'import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE))'
		env
		env -i env
		env -i /bin/sh -c 'env'
		env LD_PRELOAD= true
		LD_PRELOAD=/nothing-here.so true
		bash -c 'echo $0 $-; trap -p; ulimit -a'
		bash -c 'exec 3<d/1; cat <&3; (exit 4); echo $?'
		bash -c 'sleep 0.01 & wait $!; echo $?'
		bash -c 'set -o pipefail; false | true; echo $?'
		timeout 0.1 sleep 5
		nice -n 5 nice
		setsid echo alone
		gcc -print-search-dirs
		echo 'int main(void) { return 13; }' >m.c; gcc -o m m.c && ./m
		echo 'broken(' >b.c; gcc -c b.c
		make -f /nothing-here
		git --version; git log
		jq -n '[range(5)] | add'
		openssl version
		diff d/1 d/2
		cmp d/1 d/2
		readlink /proc/self/exe
		cat /proc/self/comm
		ps -o comm= -p $$
		stty -a
		tty
		id; umask; pwd
	END
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
	"$STARTLINE" run -q -o /dev/null -- sh -c 'cat /proc/$$/environ /proc/self/environ | grep -ca "STARTLINE\|LD_PRELOAD"; ls /proc/self/fd | wc -l' >seen || true
	sh -c 'ls /proc/self/fd | wc -l' >bare
	[ "$(tail -n 1 seen)" = "$(cat bare)" ]
	[ "$(head -n 1 seen)" = 0 ]
}

@test "each hard case by itself, in both tiers" {
	for workload in "$WORKLOADS"/hard_*; do
		[ -x "$workload" ] || continue
		for name in $("$workload" list); do
			bare=0
			setsid -w env -u _ "$workload" "$name" >bare 2>&1 </dev/null || bare=$?
			for probes in bpf,shim shim; do
				seen=0
				setsid -w env -u _ "$STARTLINE" run -q -o /dev/null --probes $probes -- \
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

teardown() {
	remove_public_copy
}

@test "the hard cases as an ordinary user, and under sudo" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	public_copy
	cp "$WORKLOADS"/hard_* "$PUBLIC"
	chmod -R a+rX "$PUBLIC"
	mkdir -m 777 "$PUBLIC/here"
	cd "$PUBLIC/here"
	# As sudo leaves them.
	variables=("PATH=$PATH" HOME=/nonexistent USER=nobody LOGNAME=nobody SHELL=/usr/sbin/nologin
		SUDO_UID=65534 SUDO_GID=65534 SUDO_USER=nobody)
	user=(env -i "${variables[@]}" setpriv --reuid=65534 --regid=65534 --clear-groups)
	for workload in "$PUBLIC"/hard_{pointers,stacks,seen,filters,programs,shells}; do
		"${user[@]}" "$workload" all >bare 2>&1 </dev/null
		"${user[@]}" "$STARTLINE" run -q -o /dev/null --probes shim -- \
			"$workload" all >seen 2>&1 </dev/null
		diff -a bare seen
		env -i "${variables[@]}" "$STARTLINE" run -q -o /dev/null -- \
			"$workload" all >seen 2>&1 </dev/null
		diff -a bare seen
	done
}
