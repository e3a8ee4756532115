#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Of the starts of larger programs, at least 90 % of the critical path's time on the CPU is in functions,
# libraries or modules with names, and the first screen says what to change. One program a test; each
# has something heavy of its own, where it has a program of its own.

load ../e2e/helpers

setup() {
	setup_workdir
	require_bpf
	port=$(free_port)
	export HOME="$BATS_TEST_TMPDIR"
}

teardown() {
	[ -z "${perf_maps:-}" ] || rm -f "$(jq -r '"/tmp/perf-\(.runs[].processes[0].pid).map"' session.json)"
	remove_public_copy
}

needs() { # file
	[ -e "$1" ] || command -v "$1" >/dev/null || skip "no $1 here"
}

# Of each part of that time the innermost frame that is neither of what everything calls, nor where every
# program begins; of the loader's the segment has the library.
named() { # name
	jq '
	def base: sub(".*/"; "");
	def is_common: .module == null or (.module | base | test(
		"^(\\[|libc\\.so|libpthread|libm\\.so|ld-linux|libstartline|python3\\.|libpython3\\.|<frozen importlib)"));
	def is_entry: .function != null and (.function | test(
		"^(_start|main|__libc_start_main|__libc_start_call_main|start_thread|clone3?|Py_BytesMain|Py_RunMain|ThreadJavaMain|JavaMain)$"));
	def is_made: .module == "[JIT]" and .function != null;
	. as $s | [.runs[].samples[] | select(.critical)] as $all | ($all | map(.weight_ns) | add) as $sum
	| [$all[] | (if .stack == null then [] else [$s.stacks[.stack].frames[] | $s.frames[.]] end) as $f
	   | ([$f[] | select((is_made or (is_common | not)) and (is_entry | not))][0]) as $place
	   | { ns: .weight_ns,
	       as: (if $place != null then (if $place.function != null then "function" else "library" end)
	            elif any($f[]; .module != null and (.module | base | startswith("ld-"))) then "library"
	            elif any($f[]; .function != null and (is_entry | not)) then "function"
	            else "nothing" end) }]
	| { function: 0, library: 0, nothing: 0 } +
	  (group_by(.as) | map({ (.[0].as): (map(.ns) | add / $sum * 1000 | round / 10) }) | add)' session.json >named
	echo "# live: $1: $(jq -r '"\(.function) % in functions, \(.library) % in libraries without names, \(.nothing) % in neither"' named)" >&3
	jq -e '.function + .library >= 90' named >/dev/null || { cat named; return 1; }
}

served() { # run options... -- CMD
	session --ready accept --trace t.slt "$@"
	[ "$status" -eq 0 ] || { cat stdout messages; return 1; }
	"$STARTLINE" report t.slt >screen
}

# says REGEX: on the first screen, wherever its lines are folded.
says() {
	tr -s '\n ' '  ' <screen | grep -Eq "$1" || { echo "no '$1' in:"; cat screen; return 1; }
}

flask_app() {
	cat >app.py <<-'END'
		import sys

		import numpy
		from flask import Flask
		from sqlalchemy import Column, Integer, String, create_engine
		from sqlalchemy.orm import declarative_base

		Base = declarative_base()


		class Item(Base):
		    __tablename__ = "items"
		    id = Column(Integer, primary_key=True)
		    name = Column(String(50))


		def load_prices():
		    return {f"item-{i}": i * 7919 % 1000 / 10 for i in range(1000000)}


		def create_app():
		    app = Flask(__name__)
		    Base.metadata.create_all(create_engine("sqlite://"))
		    app.config["PRICES"] = load_prices()
		    return app


		if __name__ == "__main__":
		    create_app().run(host="127.0.0.1", port=int(sys.argv[1]))
	END
}

@test "Flask, numpy and SQLAlchemy" {
	/usr/bin/python3 -c 'import flask, numpy, sqlalchemy' 2>/dev/null || skip "no python3-flask, -numpy, -sqlalchemy here"
	flask_app
	served -- /usr/bin/python3 app.py "$port"
	named "Flask, numpy and SQLAlchemy"
	says 'in (load_prices|<dictcomp>)'
	# What is heavy depends on what else is.
	says 'heavy-import .*(flask|sqlalchemy|numpy) [0-9.]+ ms'
}

@test "python http.server" {
	served -n 3 -- /usr/bin/python3 -m http.server --bind 127.0.0.1 "$port"
	named "python http.server"
	# An import, or the body of a module.
	says '[0-9]+ % in (import |[a-z_/]+\.py)'
}

node_app() {
	cat >server.js <<-'END'
		function buildIndex(n) {
		  const index = new Map();
		  for (let i = 0; i < n; i++) index.set('key' + i, i * 7919 % 1000);
		  return index;
		}
		const index = buildIndex(500000);
		require('http').createServer((q, a) => a.end('' + index.size)).listen(+process.argv[2], '127.0.0.1');
	END
	node=$(PATH=$PATH:/usr/local/bin command -v node) || skip "no node here"
}

@test "node" {
	node_app
	served -- "$node" server.js "$port"
	named node
}

@test "node that tells the names of its code" {
	node_app
	perf_maps=1
	served -- "$node" --perf-basic-prof --interpreted-frames-native-stack server.js "$port"
	named "node --perf-basic-prof"
	says '[0-9]+ % in buildIndex'
}

java_app() {
	needs javac
	cat >Server.java <<-'END'
		import com.sun.net.httpserver.HttpServer;
		import java.net.InetSocketAddress;
		import java.util.*;

		class Server {
			static Map<String, Integer> buildIndex(int n) {
				Map<String, Integer> index = new HashMap<>();
				for (int i = 0; i < n; i++)
					index.put("key" + i, i * 7919 % 1000);
				return index;
			}

			public static void main(String[] a) throws Exception {
				Map<String, Integer> index = buildIndex(700000);
				HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(a[0])), index.size() % 5).start();
			}
		}
	END
	javac Server.java
}

@test "a JVM that tells the names of its code" {
	java_app
	perf_maps=1
	served -- java -XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit -XX:+PreserveFramePointer \
		-cp . Server "$port"
	named "a JVM with DumpPerfMapAtExit and PreserveFramePointer"
	says '[0-9]+ % in Server.buildIndex'
}

@test "a JVM without any flag" {
	java_app
	served -- java -cp . Server "$port"
	named "a JVM without any flag"
	says '[0-9]+ % in Server.buildIndex'
	fails grep DumpPerfMap screen
}

@test "apache with PHP" {
	php=$(ls /usr/lib/apache2/modules/libphp*.so 2>/dev/null | tail -n 1)
	[ -n "$php" ] || skip "no libapache2-mod-php here"
	# It ends its process group when it ends, which is to be that of startline and not of the tests.
	printf '#!/bin/sh\nexec setsid -w "%s" "$@"\n' "$STARTLINE" >alone
	chmod +x alone
	mkdir www
	cat >httpd.conf <<-END
		ServerRoot $PWD
		ServerName localhost
		Listen 127.0.0.1:$port
		PidFile $PWD/httpd.pid
		ErrorLog $PWD/error.log
		LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
		LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
		LoadModule php_module $php
		DocumentRoot $PWD/www
		DefaultRuntimeDir $PWD
		User www-data
		Group www-data
	END
	STARTLINE=$PWD/alone
	served -n 5 -- apache2 -f "$PWD/httpd.conf" -DFOREGROUND
	named "apache with PHP"
	says '[0-9]+ % in (php|zend|apr|ap)_'
}

@test "postgres" {
	bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
	needs "$bin/postgres"
	public_copy
	install -d -o postgres "$PUBLIC/data" "$PUBLIC/run"
	(cd "$PUBLIC" && setpriv --reuid=postgres --regid=postgres --clear-groups \
		"$bin/initdb" -D "$PUBLIC/data" -A trust >/dev/null)
	served -n 5 --user postgres --trace "$PWD/t.slt" -- \
		"$bin/postgres" -D "$PUBLIC/data" -p "$port" -k "$PUBLIC/run"
	named postgres
	# It loads some sixty, and none of them is dear.
	says 'link .*(of [0-9]+ libraries|% in lib)'
}
