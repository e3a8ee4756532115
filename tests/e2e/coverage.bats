#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Why the heap of a process was not counted: what is not proven is not said.

load helpers

setup() {
	setup_workdir
	require_bpf
}

# coverage: of each process, in order.
coverage() {
	q '[.runs[0].processes[].coverage.heap] | join(", ")'
}

# py FILE: as root of the tree, so that no version manager's scripts come between.
py() {
	session -- /usr/bin/python3 "$1"
	[ "$status" -eq 0 ]
	[ ! -s messages ]
}

@test "a program that executes itself past the hooks" {
	cat >again.c <<-END
		#include <sys/syscall.h>
		#include <unistd.h>
		extern char **environ;
		int main(int argc, char **argv)
		{
			char *alone[] = { argv[0], NULL };
			return argc > 1 ? (int)syscall(SYS_execve, argv[0], alone, environ) : 0;
		}
	END
	gcc -o again again.c
	session -- ./again once
	[ "$status" -eq 0 ]
	[ "$(coverage)" = unknown ]
}

@test "a child under a filter that allows everything" {
	cat >filter.py <<-END
		import ctypes, os, struct
		if os.fork() == 0:
		    libc = ctypes.CDLL(None)
		    allow = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
		    class Program(ctypes.Structure):
		        _fields_ = [("n", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
		    assert libc.prctl(38, 1, 0, 0, 0) == 0
		    assert libc.prctl(22, 2, ctypes.byref(Program(1, ctypes.addressof(allow))), 0, 0) == 0
		    os.execv("/bin/true", ["true"])
		assert os.wait()[1] == 0
	END
	py filter.py
	[ "$(coverage)" = "counted, switched off: a seccomp filter was installed" ]
}

@test "children killed before they were linked" {
	cat >kill.py <<-END
		import os, time
		for i in range(5):
		    pid = os.fork()
		    if pid == 0:
		        os.execv("/bin/sleep", ["sleep", "9"])
		    time.sleep(0.0004 * i)
		    os.kill(pid, 9)
		    os.wait()
	END
	py kill.py
	coverage
	fails grep -q 'environment cleared' session.json
}

@test "a set-uid program of who has become another user" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	dir=$(mktemp -d /tmp/startline-suid.XXXXXX)
	chmod 755 "$dir"
	cp /bin/true "$dir/suid"
	chmod 4755 "$dir/suid"
	session -- setpriv --reuid 1000 --clear-groups env "$dir/suid"
	rm -rf "$dir"
	[ "$status" -eq 0 ]
	[ "$(coverage)" = secure-exec ]
}

@test "a program that may not open the shim by rules of Landlock" {
	cat >landlock.py <<-END
		import ctypes, os, struct, sys
		libc = ctypes.CDLL(None, use_errno=True)
		handled = struct.pack("Q", 0b1101)  # execute, read files, read directories
		rules = libc.syscall(444, handled, len(handled), 0)
		if rules < 0:
		    sys.exit(77)
		for path in ["/usr", "/lib", "/lib64", "/bin", "/etc", "/proc"]:
		    rule = struct.pack("=Qi", 0b1101, os.open(path, os.O_PATH))
		    assert libc.syscall(445, rules, 1, rule, 0) == 0
		assert libc.prctl(38, 1, 0, 0, 0) == 0
		assert libc.syscall(446, rules, 0) == 0
		os.execv("/usr/bin/true", ["true"])
	END
	session -- /usr/bin/python3 landlock.py
	[ "$status" != 77 ] || skip "no Landlock here"
	[ "$status" -eq 0 ]
	[ ! -s messages ]
	[ "$(coverage)" = "switched off: its file cannot be opened" ]
}
