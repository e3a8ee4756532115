#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# startline run and job control: a program that stops itself, on a terminal and without one.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_workdir
	# An interactive shell on a terminal of its own: sends each argument as a line, and waits for the
	# answer "did N" of its own echo, which only a shell gives that is not waiting for a program.
	cat >shell.py <<-'EOF'
		import os, pty, select, sys, time
		pid, terminal = pty.fork()
		if pid == 0:
		    os.environ.update(PS1="$ ", TERM="dumb")
		    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
		said = b""
		def until(text):
		    global said
		    end = time.monotonic() + 15
		    while text not in said:
		        if not select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
		            print(said.decode(), file=sys.stderr)
		            sys.exit(1)
		        said += os.read(terminal, 4096)
		for i, line in enumerate(sys.argv[1:]):
		    os.write(terminal, f"{line}; echo \"did\" {i}=$?\n".encode())
		    until(f"did {i}=".encode())
		print(said.decode())
		os.close(terminal)
	EOF
}

@test "suspend: who stops itself gives the terminal back, and goes on with fg" {
	for signal in STOP TSTP; do
		for probes in auto none; do
			rm -f after
			timeout 50 python3 shell.py \
				"$STARTLINE run --probes $probes -o report -- sh -c 'kill -$signal \$\$; echo >after; exit 7'" \
				'jobs' 'test ! -e after' 'fg' >said
			grep -q Stopped said
			grep -q 'did 2=0' said
			grep -q 'did 3=7' said
			[ -e after ]
			grep -q '^done in' report
		done
	done
}

@test "suspend: Ctrl-Z and fg" {
	cat >slow.sh <<-'EOF'
		touch begun
		for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; done
		exit 7
	EOF
	cat >press.py <<-'EOF'
		import os, pty, sys, time
		pid, terminal = pty.fork()
		if pid == 0:
		    os.environ.update(PS1="$ ", TERM="dumb")
		    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
		def line(text):
		    os.write(terminal, text.encode() + b"\n")
		line(sys.argv[1] + "; echo $? >first")
		while not os.path.exists("begun"):
		    time.sleep(0.05)
		time.sleep(0.3)
		os.write(terminal, b"\x1a")
		time.sleep(0.5)
		line("echo back >back; fg; echo $? >second; exit")
		os.waitpid(pid, 0)
	EOF
	timeout 50 python3 press.py "$STARTLINE run -o report -- sh slow.sh"
	[ -e back ]
	[ "$(cat second)" = 7 ]
	grep -q '^done in' report
}

@test "suspend: who is continued by somebody else goes on, startline with it" {
	timeout 50 python3 shell.py \
		"$STARTLINE run -o report -- sh -c 'echo \$\$ >pid; kill -STOP \$\$; echo >after; exit 7'" \
		'kill -CONT $(cat pid)' 'sleep 1; test -s report' >said
	[ -e after ]
	grep -q 'did 2=0' said
}

@test "suspend: without a terminal nothing is stopped but the program" {
	setsid "$STARTLINE" run -o report -- sh -c 'echo $$ >pid; kill -STOP $$; exit 7' </dev/null 3>&- &
	for _ in {1..100}; do [ -s pid ] && break || sleep 0.05; done
	sleep 0.5
	grep -q '^State:.[SR]' "/proc/$!/status"
	kill -CONT "$(cat pid)"
	status=0
	wait $! || status=$?
	[ "$status" = 7 ]
}
