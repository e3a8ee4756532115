# SPDX-License-Identifier: MIT
# For tests of sockets: `load helpers`, `load net_helpers`. The workloads log their own
# CLOCK_MONOTONIC times; the trace has the kernel's. ./log and ./events are compared.

MS=1000000

# observe RUN-OPTIONS... -- WORKLOAD HOW: records it; ./events has its sockets, ./log its own times.
observe() {
	rm -f log log.sock
	status=0
	"$STARTLINE" run -q --trace t.slt --format json -o session.json "$@" log >stdout 2>messages ||
		status=$?
	"$ROOT/tests/lib/net_events" t.slt >events
}

# observe_activated: the same for a listener that startline's own parent opened, on descriptor 9.
observe_activated() {
	cat >activate <<-'END'
		import os, socket, sys
		s = socket.socket()
		s.bind(("127.0.0.1", 0))
		s.listen(23)
		os.dup2(s.fileno(), 9, inheritable=True)
		os.execv(sys.argv[1], sys.argv[1:])
	END
	rm -f log
	python3 activate "$STARTLINE" run -q --trace t.slt --format json -o session.json \
		--ready accept -- "$WORKLOADS/net_share" inherited log 9 2>messages
	"$ROOT/tests/lib/net_events" t.slt >events
}

# logged STEP [before|after] [N]: the N-th such time of the workload's log.
logged() {
	awk -v s="$1" -v c="$([ "${2:-before}" = before ] && echo 2 || echo 3)" -v n="${3:-1}" \
		'$1 == s && ++seen == n { print $c }' log
}

# event OP COLUMN [HOW] [N]: of the N-th such event, one column: 1 time, 4 enter, 5 result, 6 fd,
# 7 socket, 8 other socket, 9 pid, 10 tid, 11 address.
event() {
	awk -v o="$1" -v c="$2" -v h="${3:-}" -v n="${4:-1}" \
		'$2 == o && (h == "" || $3 == h) && ++seen == n { print $c }' events
}

# count OP: how many such events there are.
count() {
	awk -v o="$1" '$2 == o { n++ } END { print n + 0 }' events
}

# same A B [SLACK_NS]: two times that are one. The slack is a claim about startline; a busy machine
# may preempt the workload between its clock and its call, so callers may try `attempts` times.
same() {
	awk -v a="$1" -v b="$2" -v s="${3:-$MS}" 'BEGIN {
		d = a - b
		if (a == "" || b == "" || d > s || d < -s) {
			printf "%s and %s differ by %d ns\n", a, b, d
			exit 1
		}
	}'
}
