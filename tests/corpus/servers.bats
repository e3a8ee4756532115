#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Larger servers from packages.

load ../e2e/helpers

setup() {
	setup_workdir
	require_bpf
}

teardown() {
	remove_public_copy
}

@test "PostgreSQL as a user of its own: ready when the postmaster first polls" {
	bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
	port=$(free_port)
	# Its user must reach all of this.
	public_copy
	place=$PUBLIC
	install -d -o postgres "$place/data" "$place/run"
	(cd "$place" && setpriv --reuid=postgres --regid=postgres --clear-groups \
		"$bin/initdb" -D "$place/data" -A trust >/dev/null)
	session --user postgres --trace "$PWD/t.slt" --ready accept -- \
		"$bin/postgres" -D "$place/data" -p "$port" -k "$place/run"
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].ready.endpoint' | sed 's/.*://')" = "$port" ]
	[ "$(q '.runs[0].ready.level')" = accept_ready ]
	# Auxiliary processes are forked, not executed, and each is counted.
	[ "$(q '.runs[0].processes | length')" -ge 3 ]
	[ "$(q '[.runs[0].processes[] | select(.heap == null)] | length')" = 0 ]
	[ "$(q '[.runs[0].findings[].id] | index("early-listen") != null')" = true ]
}

@test "node" {
	port=$(free_port)
	session --ready accept -- "$(PATH=$PATH:/usr/local/bin command -v node)" -e \
		"require('http').createServer().listen($port, '127.0.0.1')"
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].ready.endpoint')" = "tcp 127.0.0.1:$port" ]
	[ "$(q '.runs[0].processes[0].threads_peak')" -gt 1 ]
}

@test "perl, a forking server" {
	port=$(free_port)
	cat >server.pl <<-'END'
		use IO::Socket::INET;
		my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$ARGV[0]", Listen => 5) or die;
		for (1 .. 3) {
			next if fork;
			1 while $s->accept;
			exit;
		}
		1 while wait > 0;
	END
	session --ready accept -- perl server.pl "$port"
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].ready.process')" -gt 1 ]
	[ "$(q '.runs[0].listeners | length')" = 1 ]
}
