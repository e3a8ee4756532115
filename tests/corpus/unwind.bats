#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Stacks of real programs, unwound from at most 64 KiB at some 2,500 stopped points in all, are those of
# gdb, frame by frame (unwind_against_gdb.py says what counts as what).

load ../e2e/helpers

setup() {
	setup_workdir
	command -v gdb >/dev/null || skip "no gdb here"
	pids=
}

teardown() {
	# shellcheck disable=SC2086 # a list
	[ -z "${pids:-}" ] || kill -KILL $pids 2>/dev/null || true
	rm -f ${node:+"/tmp/perf-$node.map"}
}

# To be killed at the end of the test.
background() {
	"$@" >/dev/null 2>&1 3>&- </dev/null &
	pids="$pids $!"
	disown # it is killed without a word
}

# NAME, PID, SHARE, [FILE]: stops it 50 ($TIMES) times, and 5 instructions after each; that many per cent must be equal
# to the outermost frame or as far as gdb can see, and none wrong. FILE tells gdb what PID's does not.
compare_stacks() {
	sleep 0.3
	NAME=$1 N=${TIMES:-50} STEPS=5 TOOL="$ROOT/build/tests/tools/unwind_points" \
		gdb -nx -batch ${4:+"$4"} -p "$2" -x "$BATS_TEST_DIRNAME/unwind_against_gdb.py" >log 2>&1 3>&- || true
	grep '^#' log || true
	line=$(grep '^unwound' log) || { tail -n 5 log && false; }
	echo "# live: $line" >&3
	number() { expr "$line" : ".*[:,] \([0-9]*\) $1"; }
	[ "$(number wrong)" -eq 0 ]
	[ "$(number stacks)" -ge 200 ]
	[ $((($(number equal) + $(number blind)) * 100)) -ge $(($(number stacks) * $3)) ]
}

@test "python3" {
	cat >work.py <<-'END'
		import json, random, re

		def deep(n):
		    return n if n == 0 else deep(n - 1) + 1

		while True:
		    rows = json.loads(json.dumps([{"a": random.random(), "b": str(i)} for i in range(500)]))
		    re.sub(r"(a+)b", lambda m: m.group(1), "aab" * 200)
		    deep(60)
		    sorted(rows, key=lambda row: row["a"])
	END
	background python3 work.py
	compare_stacks python3 $! 99
}

@test "perl" {
	cat >work.pl <<-'END'
		while (1) {
			for my $i (1 .. 2000) {
				my $s = "key$i" x 3;
				$h{$s} = length $s;
				$s =~ s/(\d+)/<$1>/g;
				my @a = sort { $a <=> $b } map { $_ * 7 % 13 } 1 .. 20;
			}
		}
	END
	background perl work.pl
	compare_stacks perl $! 99
}

@test "git" {
	mkdir old new
	# Looks for renames among all pairs.
	for i in $(seq 600); do
		seq "$i" 3 $((i + 3000)) >"old/a$i"
		seq "$i" 3 $((i * 2 + 3000)) >"new/b$i"
	done
	background git diff --no-index -M -C --find-copies-harder -l0 --stat -p old new
	compare_stacks git $! 99
}

@test "cc1" {
	cc1=$(gcc -print-prog-name=cc1)
	for i in $(seq 9000); do
		echo "struct s$i { int a, b; double c; };
		int f$i(struct s$i *p, int n) { int r = 0; for (int i = 0; i < n; i++) { r += p[i].a * p[i].b;
		if (r > $i) r -= p[i].c; switch (r & 7) { case 1: r++; break; case 3: r *= 2; } } return r; }"
	done >big.c
	background "$cc1" -quiet -O2 big.c -o /dev/null
	compare_stacks cc1 $! 99
}

@test "redis" {
	port=$(free_port)
	background redis-server --port "$port" --save ''
	server=$!
	sleep 0.3
	background redis-benchmark -p "$port" -q -n 100000000 -c 4
	compare_stacks redis $server 99
}

@test "nginx" {
	port=$(free_port)
	seq 300000 >page
	cat >nginx.conf <<-END
		daemon off; master_process off; pid $PWD/pid; error_log /dev/null; events {}
		http {
			access_log off; gzip on; gzip_types *; client_body_temp_path $PWD/b; proxy_temp_path $PWD/p;
			fastcgi_temp_path $PWD/f; uwsgi_temp_path $PWD/u; scgi_temp_path $PWD/s;
			server { listen 127.0.0.1:$port; root $PWD; }
		}
	END
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" 2>/dev/null || true
	background nginx -c "$PWD/nginx.conf"
	server=$!
	background sh -c "while :; do curl -s --compressed http://127.0.0.1:$port/page; done"
	compare_stacks nginx $server 99
}

# V8's code has no rows: gdb leaves it by what unwind_v8.py finds out about each function. Where functions begin
# some of them move their return address, and for some instructions have it in a register.
@test "node" {
	command -v node >/dev/null || skip "no node here"
	cat >work.js <<-'END'
		function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
		function work() {
			for (let i = 0; i < 50; i++) {
				JSON.parse(JSON.stringify({ a: [...Array(50).keys()], b: 'x'.repeat(100) }));
				'aXbXc'.replace(/X/g, m => m + 1);
				[5, 3, 1].sort((a, b) => a - b);
			}
			fib(15);
			require('crypto').createHash('sha256').update('x'.repeat(1000)).digest('hex');
			setImmediate(work);
		}
		work();
	END
	# Tells gdb where the functions are; our stacks do without.
	background node --perf-basic-prof work.js
	node=$!
	compare_stacks node $node 99
	[ "$(number blind)" -le 6 ]
	export ENTRIES=1
	compare_stacks "node where functions begin" $node 95
	[ "$(number blind)" -le 6 ]
}

# Its own table of functions is all that a stripped one has; gdb sees the same code with everything.
@test "a Go program, whole, stripped, and at any address" {
	command -v go >/dev/null || skip "no go here"
	cat >work.go <<-'END'
		package main

		import (
			"fmt"
			"sort"
			"strings"
			"time"
		)

		func work(i int) string {
			a := []int{}
			for k := 0; k < 200; k++ {
				a = append(a, (k*7)%13)
			}
			sort.Slice(a, func(x, y int) bool { return a[x] < a[y] })
			return strings.Repeat("x", i%50) + fmt.Sprint(a)
		}

		func main() {
			for g := 0; g < 2; g++ {
				go func() {
					for i := 0; ; i++ {
						work(i)
					}
				}()
			}
			time.Sleep(time.Hour)
		}
	END
	export HOME=$PWD GOCACHE="$PWD/cache" GO111MODULE=off CGO_ENABLED=0
	go build -o work work.go
	go build -ldflags='-s -w' -o stripped work.go
	go build -buildmode=pie -o pie work.go
	# Without the signals by which Go interrupts itself, which gdb may step through for ever.
	export GODEBUG=asyncpreemptoff=1
	for program in work stripped pie; do
		background ./$program
		names=
		[ "$program" != stripped ] || names=./work
		TIMES=30 compare_stacks "go, $program" $! 99 $names
		kill -KILL $!
	done
}

@test "a Go server" {
	command -v go >/dev/null || skip "no go here"
	cat >work.go <<-'END'
		package main

		import (
			"encoding/json"
			"io"
			"net/http"
			"net/http/httptest"
			"time"
		)

		func main() {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				json.NewEncoder(w).Encode(map[string]interface{}{"now": time.Now().String(), "to": r.RemoteAddr})
			}))
			for g := 0; g < 4; g++ {
				go func() {
					for {
						if r, err := http.Get(s.URL); err == nil {
							io.ReadAll(r.Body)
							r.Body.Close()
						}
					}
				}()
			}
			time.Sleep(time.Hour)
		}
	END
	export HOME=$PWD GOCACHE="$PWD/cache" GO111MODULE=off CGO_ENABLED=0
	go build -o work work.go
	GODEBUG=asyncpreemptoff=1 background ./work
	compare_stacks "go server" $! 99
}

# C runs on the thread's own stack, for a goroutine that has one elsewhere. The runtime's threads begin in
# assembler that gdb cannot leave.
@test "a Go program that calls C" {
	command -v go >/dev/null || skip "no go here"
	cat >work.go <<-'END'
		package main

		// static long spin(long n) { volatile long x = 0; for (long i = 0; i < n; i++) x += i * i; return x; }
		// long outer(long n) { return spin(n) + spin(n / 2); }
		import "C"

		import "time"

		var kept [][]byte

		//go:noinline
		func allocate() { kept = append(kept[:0:0], make([]byte, 100000)) }

		func main() {
			for g := 0; g < 2; g++ {
				go func() {
					for {
						C.outer(20000)
						for i := 0; i < 10; i++ {
							allocate()
						}
						time.Now()
					}
				}()
			}
			time.Sleep(time.Hour)
		}
	END
	export HOME=$PWD GOCACHE="$PWD/cache" GO111MODULE=off CGO_ENABLED=1
	go build -o work work.go
	GODEBUG=asyncpreemptoff=1 background ./work
	compare_stacks "go with C" $! 99
}

@test "postgres" {
	bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
	[ -x "$bin/postgres" ] && [ "$(id -u)" = 0 ] || skip "no postgres here, or not root"
	public_copy
	install -d -o postgres "$PUBLIC/data"
	as_postgres() { (cd "$PUBLIC" && exec setpriv --reuid=postgres --regid=postgres --clear-groups "$@"); }
	as_postgres "$bin/initdb" -D "$PUBLIC/data" -A trust --no-sync >/dev/null
	# Killed, it would leave its segments in /dev/shm.
	echo 'dynamic_shared_memory_type = mmap' >>"$PUBLIC/data/postgresql.conf"
	cat >"$PUBLIC/work.sql" <<-'END'
		SELECT count(*), max(length(repeat(md5(a::text), 3))) FROM generate_series(1, 100000000) a
		JOIN (SELECT b % 1000 AS c FROM generate_series(1, 3000) b GROUP BY 1 ORDER BY 1) d ON a % 1000 = c;
	END
	chmod a+r "$PUBLIC/work.sql"
	# In one process, without a server.
	background as_postgres sh -c "tr '\n' ' ' <$PUBLIC/work.sql | '$bin/postgres' --single -D '$PUBLIC/data' postgres"
	sleep 1
	backend=$(pgrep -f "postgres --single -D $PUBLIC/data" | tail -n 1)
	compare_stacks postgres "$backend" 99
	kill -KILL "$backend"
	remove_public_copy
}
