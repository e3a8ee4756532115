# SPDX-License-Identifier: MIT
# Shared by all end-to-end tests: `load helpers` at the top of a .bats file.

ROOT="${BATS_TEST_DIRNAME}/../.."
STARTLINE="${STARTLINE:-$ROOT/build/startline}"
WORKLOADS="${WORKLOADS:-$ROOT/build/workloads}"

# Each test works in a directory of its own, so recordings land there and go with it.
setup_workdir() {
	cd "$BATS_TEST_TMPDIR" || return 1
	unset LD_PRELOAD STARTLINE_DEBUG MAKEFLAGS MAKELEVEL CI COLUMNS
	# The distribution's own programs: version managers put shell scripts in front of them.
	PATH=/usr/sbin:/usr/bin:/sbin:/bin
}

have_bpf() {
	[ "$(id -u)" = 0 ] && [ -r /sys/kernel/btf/vmlinux ]
}

# For tests of the kernel tier. Where BPF is there a skip would hide a failure, so none happens.
require_bpf() {
	have_bpf || skip "no BPF here: not root, or the kernel has no BTF"
}

# For tests that give up root: a copy where everybody may reach it, as the checkout may lie in
# somebody's home. Call remove_public_copy in teardown.
public_copy() {
	PUBLIC=$(mktemp -d /tmp/startline-test.XXXXXX)
	chmod 755 "$PUBLIC"
	cp "$ROOT/build/startline" "$ROOT/build/libstartline.so" "$PUBLIC"
	STARTLINE="$PUBLIC/startline"
}

remove_public_copy() {
	[ -z "${PUBLIC:-}" ] || rm -rf "$PUBLIC"
}

# session [run options...] -- CMD: records CMD; the session document is in ./session.json, the
# report's status in $status, what startline itself said in ./messages.
session() {
	status=0
	"$STARTLINE" run --format json -o session.json "$@" >stdout 2>messages || status=$?
}

# q FILTER: a jq filter over the session document, raw output.
q() {
	jq -r "$1" session.json
}

# A TCP port on loopback that nobody uses right now.
free_port() {
	python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# nginx_session PORT: a master with two workers, which keeps all it writes here.
nginx_session() {
	cat >nginx.conf <<-END
		daemon off; master_process on; worker_processes 2; pid $PWD/nginx.pid;
		error_log $PWD/error.log;
		events { worker_connections 64; }
		http { access_log off; client_body_temp_path $PWD/b; proxy_temp_path $PWD/p;
		       fastcgi_temp_path $PWD/f; uwsgi_temp_path $PWD/u; scgi_temp_path $PWD/s;
		       server { listen 127.0.0.1:$1; } }
	END
	session --ready accept -- nginx -p "$PWD" -c "$PWD/nginx.conf"
}

# fails COMMAND...: that it does. "! COMMAND" would end no test, being exempt from set -e.
fails() {
	if "$@"; then
		echo "succeeded: $*"
		return 1
	fi
}

# near VALUE EXPECTED PERCENT [SLACK]: whether VALUE is within PERCENT (or SLACK) of EXPECTED.
near() {
	awk -v v="$1" -v e="$2" -v p="$3" -v s="${4:-0}" 'BEGIN {
		d = v - e; if (d < 0) d = -d
		limit = e * p / 100; if (limit < s) limit = s
		if (v == "null" || v == "" || d > limit) {
			printf "%s is not within %s %% (or %s) of %s\n", v, p, s, e
			exit 1
		}
	}'
}

# What must hold for every session, whatever it recorded: segments that follow each other from 0
# and add up to the total, nothing lost, processes with parents that exist.
check_session() {
	q '.runs[] | .startup as $s | $s.segments
	   | (map(.duration_ns) | add) == $s.total_ns
	     and .[0].start_ns == 0
	     and ([range(1; length) as $i | .[$i].start_ns == .[$i-1].start_ns + .[$i-1].duration_ns] | all)
	     and (map(.duration_ns > 0) | all)' >sums
	if grep -qv '^true$' sums; then
		echo "segments do not add up"
		q '.runs[].startup'
		return 1
	fi
	q '.runs[] | .complete and .losses.bpf == 0' >complete
	if grep -qv '^true$' complete; then
		echo "records were lost"
		q '.runs[].losses'
		cat messages
		return 1
	fi
	q '[.runs[].processes | .[] | .parent == 0 or .parent < .id] | all' | grep -qx true
}

# gone PID: the process has ended. A container's first process may never reap orphans, so a zombie
# counts.
gone() {
	case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
	'' | Z* | X*) return 0 ;;
	*)
		echo "process $1 still runs"
		return 1
		;;
	esac
}

# attempts COMMAND: true if it holds once in three tries. For what others on this machine can disturb. Each
# line of it counts, as in a test: hence no condition, in which the shell would go on after a failure.
attempts() {
	local ended
	for _ in 1 2 3; do
		set +e
		(
			set -e
			"$@"
		)
		ended=$?
		set -e
		[ "$ended" != 0 ] || return 0
	done
	cat events log messages 2>/dev/null
	return 1
}

# neighbours N: as many busy loops, until neighbours_end, which teardown calls, or for five minutes.
busy=()
neighbours() {
	local i
	for ((i = 0; i < $1; i++)); do
		timeout 300 sh -c 'while :; do :; done' 3>&- &
		busy+=($!)
	done
}

neighbours_end() {
	[ ${#busy[@]} = 0 ] || kill "${busy[@]}" 2>/dev/null || true
	busy=()
}
