#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Conservation on real programs: the pieces of the breakdown follow each other and add up to the
# total, and at most 1 % of it is `unknown`. One program a test, each from a package.

load ../e2e/helpers

setup() {
	setup_workdir
	require_bpf
	export HOME="$BATS_TEST_TMPDIR"
	port=$(free_port)
}

teardown() {
	remove_public_copy
}

needs() { # program
	command -v "$1" >/dev/null || skip "no $1 here"
}

once() { # run options... -- CMD
	session "$@"
	[ "$status" -eq "${EXPECTED:-0}" ] || {
		cat stdout messages
		return 1
	}
	check_session
	q '.runs[0].startup | .unknown_ns * 100 <= .total_ns' | grep -qx true || {
		echo "unknown: $(q '.runs[0].startup | "\(.unknown_ns) of \(.total_ns) ns"')"
		q '[.runs[0].startup.segments[] | select(.cause == "unknown")] | .[0:9]'
		return 1
	}
}

# Another program on a busy machine may cost a record or two: three tries.
conserved() {
	attempts once "$@"
}

served() { # CMD...
	conserved --ready accept -- "$@"
}

@test "redis" {
	served redis-server --port "$port" --bind 127.0.0.1 --save ''
}

@test "nginx" {
	served_nginx() {
		nginx_session "$port"
		check_session
		q '.runs[0].startup | .unknown_ns * 100 <= .total_ns' | grep -qx true
	}
	attempts served_nginx
}

@test "python http.server" {
	served python3 -m http.server --bind 127.0.0.1 "$port"
}

@test "node" {
	node=$(PATH=$PATH:/usr/local/bin command -v node) || skip "no node here"
	served "$node" -e "require('http').createServer().listen($port, '127.0.0.1')"
}

@test "go" {
	needs go
	export GOCACHE="$PWD/cache" GO111MODULE=off
	cat >server.go <<-'END'
		package main

		import (
			"net/http"
			"os"
		)

		func main() { http.ListenAndServe("127.0.0.1:"+os.Args[1], nil) }
	END
	go build -o server server.go
	served ./server "$port"
}

@test "postgres" {
	bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
	[ -x "$bin/postgres" ] || skip "no postgres here"
	public_copy
	install -d -o postgres "$PUBLIC/data" "$PUBLIC/run"
	(cd "$PUBLIC" && setpriv --reuid=postgres --regid=postgres --clear-groups \
		"$bin/initdb" -D "$PUBLIC/data" -A trust >/dev/null)
	conserved --user postgres --trace "$PWD/t.slt" --ready accept -- \
		"$bin/postgres" -D "$PUBLIC/data" -p "$port" -k "$PUBLIC/run"
}

# It ends its process group when it ends, which is to be that of startline and not of the tests.
apache() { # module
	needs apache2
	printf '#!/bin/sh\nexec setsid -w "%s" "$@"\n' "$STARTLINE" >alone
	chmod +x alone
	STARTLINE=$PWD/alone
	cat >httpd.conf <<-END
		ServerRoot $PWD
		ServerName localhost
		Listen 127.0.0.1:$port
		PidFile $PWD/httpd.pid
		ErrorLog $PWD/error.log
		LoadModule mpm_$1_module /usr/lib/apache2/modules/mod_mpm_$1.so
		LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
		DefaultRuntimeDir $PWD
		User www-data
		Group www-data
	END
	served apache2 -f "$PWD/httpd.conf" -DFOREGROUND
}

@test "apache prefork" {
	apache prefork
}

@test "apache event" {
	apache event
}

@test "haproxy" {
	needs haproxy
	cat >haproxy.cfg <<-END
		global
		defaults
		  mode http
		  timeout connect 1s
		  timeout client 1s
		  timeout server 1s
		frontend f
		  bind 127.0.0.1:$port
		  http-request return status 200
	END
	served haproxy -f haproxy.cfg
}

@test "gunicorn" {
	needs gunicorn
	printf 'def app(environ, start):\n    start("200 OK", [])\n    return [b"x"]\n' >web.py
	served gunicorn -w 3 -b "127.0.0.1:$port" --worker-tmp-dir "$PWD" web:app
}

@test "java" {
	needs javac
	cat >Server.java <<-'END'
		import com.sun.net.httpserver.HttpServer;
		import java.net.InetSocketAddress;

		class Server {
			public static void main(String[] a) throws Exception {
				HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(a[0])), 5).start();
			}
		}
	END
	javac Server.java
	served java -cp . Server "$port"
}

@test "javac" {
	needs javac
	echo 'class A { public static void main(String[] a) { System.out.println(23); } }' >A.java
	conserved -- javac A.java
}

@test "erlang" {
	needs erl
	served erl -noshell -eval \
		"{ok, L} = gen_tcp:listen($port, [{ip, {127,0,0,1}}]), gen_tcp:accept(L)."
}

@test "ruby" {
	needs ruby
	served ruby -rsocket -e "s = TCPServer.new('127.0.0.1', $port); loop { s.accept.close }"
}

@test "perl" {
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
	served perl server.pl "$port"
}

@test "memcached" {
	needs memcached
	served memcached -u nobody -l 127.0.0.1 -p "$port" -U 0
}

@test "etcd" {
	needs etcd
	peer=$(free_port)
	served etcd --data-dir "$PWD/etcd" --listen-client-urls "http://127.0.0.1:$port" \
		--advertise-client-urls "http://127.0.0.1:$port" \
		--listen-peer-urls "http://127.0.0.1:$peer" \
		--initial-advertise-peer-urls "http://127.0.0.1:$peer" \
		--initial-cluster "default=http://127.0.0.1:$peer"
}

@test "rabbitmq" {
	server=/usr/lib/rabbitmq/bin/rabbitmq-server # the one in sbin changes to a user of its own
	[ -x "$server" ] || skip "no rabbitmq here"
	export RABBITMQ_NODE_PORT=$port RABBITMQ_NODENAME=t@localhost RABBITMQ_MNESIA_BASE="$PWD/db" \
		RABBITMQ_LOG_BASE="$PWD/log" RABBITMQ_PID_FILE="$PWD/pid" \
		RABBITMQ_ENABLED_PLUGINS_FILE="$PWD/plugins" ERL_EPMD_PORT RABBITMQ_DIST_PORT
	ERL_EPMD_PORT=$(free_port)
	RABBITMQ_DIST_PORT=$(free_port)
	conserved --ready "accept:$port" -- "$server"
}

@test "mariadb" {
	needs mariadbd
	mariadb-install-db --no-defaults --user=root --datadir="$PWD/db" --skip-test-db >/dev/null 2>&1
	served mariadbd --no-defaults --user=root --datadir="$PWD/db" --socket="$PWD/s" \
		--pid-file="$PWD/p" --bind-address=127.0.0.1 --port="$port"
}

@test "php" {
	needs php
	served php -S "127.0.0.1:$port"
}

@test "lighttpd" {
	needs lighttpd
	printf 'server.document-root = "%s"\nserver.bind = "127.0.0.1"\nserver.port = %s\n' \
		"$PWD" "$port" >lighttpd.conf
	served lighttpd -D -f lighttpd.conf
}

@test "make -j2" {
	mkdir src
	for i in 1 2 3 4 5 6 7; do echo "int f$i(void) { return $i; }" >"src/f$i.c"; done
	printf 'libf.a: $(patsubst %%.c,%%.o,$(wildcard src/*.c))\n\tar rcs $@ $^\n' >Makefile
	conserved -- make -B -j2 CC=gcc
}

@test "gcc" {
	printf '#include <stdio.h>\nint main(void) { return puts("23") < 0; }\n' >a.c
	conserved -- gcc -O2 -o a a.c
}

@test "git" {
	git init -q .
	for i in 1 2 3 4 5; do echo "$i" >"f$i"; done
	git add .
	conserved -- git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x
}

@test "python subprocesses" {
	conserved -- python3 -c \
		'import subprocess; [subprocess.run(["sh", "-c", "sleep 0.02; true"], timeout=30) for _ in range(5)]'
}

@test "python asyncio" {
	cat >loop.py <<-'END'
		import asyncio, time
		async def main():
		    loop = asyncio.get_running_loop()
		    tick = asyncio.create_task(asyncio.sleep(60))
		    await loop.run_in_executor(None, time.sleep, 0.1)
		    await loop.run_in_executor(None, sum, range(3000000))
		    tick.cancel()
		asyncio.run(main())
	END
	conserved -- python3 loop.py
}

@test "R" {
	needs Rscript
	conserved -- Rscript -e 'print(sum(1:41))'
}

@test "bash with pipes" {
	conserved -- bash -c 'seq 1 200000 | sort -n | awk "{ s += \$1 } END { print s }"; sleep 0.05'
}
