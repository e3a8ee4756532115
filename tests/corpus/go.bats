#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Go: static, edge-triggered, no libc, threads of its own making.

load ../e2e/helpers

setup() {
	setup_workdir
	require_bpf
	export GOCACHE="$BATS_TEST_TMPDIR/cache" GOFLAGS=-mod=mod GO111MODULE=off
	# The go command itself needs these.
	export HOME="$BATS_TEST_TMPDIR"
}

@test "a Go net/http server is ready when it first tries to accept" {
	cat >server.go <<-'END'
		package main

		import (
			"net/http"
			"os"
		)

		func main() {
			http.ListenAndServe("127.0.0.1:"+os.Args[1], nil)
		}
	END
	CGO_ENABLED=0 go build -o server server.go
	port=$(free_port)
	session --ready accept -- ./server "$port"
	[ "$status" -eq 0 ]
	check_session
	[ "$(q '.runs[0].ready.level')" = accept_ready ]
	[ "$(q '.runs[0].ready.endpoint')" = "tcp 127.0.0.1:$port" ]
	# The first accept tried, not a guess from a wait.
	q '.runs[0].milestones[] | select(.name == "accept_ready").evidence' >evidence
	fails grep -q unconfirmed evidence
	q '.runs[0].listeners[0] | .bind_ns <= .listen_ns and .listen_ns <= .accept_ready_ns' | grep -qx true
	[ "$(q '.runs[0].processes[0].coverage.heap')" = static ]
	[ "$(q '.runs[0].processes[0].heap')" = null ]
	[ "$(q '.runs[0].processes[0].threads_peak')" -gt 1 ]

	# With libc it has the shim, and what it gets from malloc is next to nothing of its heap.
	CGO_ENABLED=1 go build -ldflags=-linkmode=external -o server server.go
	session --ready accept -- ./server "$port"
	[ "$status" -eq 0 ]
	[ "$(q '.runs[0].processes[0].coverage.heap')" = 'own allocator: Go' ]
	[ "$(q '.runs[0].processes[0].heap')" = null ]
	[ "$(q '.runs[0].processes[0].execs[0].main_ns > 0')" = true ]
}

@test "a Go server that sleeps, computes or waits after net.Listen is ready when it serves" {
	cat >later.go <<-'END'
		package main

		import (
			"fmt"
			"net"
			"net/http"
			"os"
			"strconv"
			"syscall"
			"time"
			"unsafe"
		)

		func monotonic() int64 {
			var t syscall.Timespec
			syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&t)), 0)
			return t.Nano()
		}

		func gap(how string, d time.Duration) {
			switch how {
			case "sleep":
				time.Sleep(d)
			case "compute":
				for end := time.Now().Add(d); time.Now().Before(end); {
				}
			case "peer":
				a, b := net.Pipe()
				l, _ := net.Listen("tcp", "127.0.0.1:0")
				go func() { c, _ := l.Accept(); time.Sleep(d); c.Write([]byte("x")) }()
				c, _ := net.Dial("tcp", l.Addr().String())
				c.Read(make([]byte, 1))
				a.Close()
				b.Close()
			}
		}

		func main() {
			log, _ := os.Create(os.Args[3])
			ms, _ := strconv.Atoi(os.Args[2])
			l, _ := net.Listen("tcp", "127.0.0.1:0")
			fmt.Fprintln(log, "listen", monotonic(), monotonic())
			gap(os.Args[1], time.Duration(ms)*time.Millisecond)
			now := monotonic()
			fmt.Fprintln(log, "ready", now, now)
			http.Serve(l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		}
	END
	load ../e2e/net_helpers
	CGO_ENABLED=0 go build -o later later.go
	for how in sleep compute peer; do
		for ms in 5 50 500 2000; do
			late=0
			for i in 1 2 3; do
				observe --ready accept --timeout 9s -- ./later "$how" "$ms"
				[ "$status" = 0 ] || { cat messages; return 1; }
				by=$(($(q '.runs[0].listeners[0] | .accept_ready_ns - .listen_ns') -
					$(logged ready) + $(logged listen)))
				[ "$by" -ge -"$MS" ] || { echo "$how $ms: ready $by ns too soon"; return 1; }
				q '.runs[0].listeners[0].evidence' | grep -qx 'accept\|edge-triggered, first accept'
				[ "$(grep -c ' probed ' events)" = 0 ]
				[ "$by" -le "$MS" ] || late=$((late + 1))
			done
			[ "$late" -lt 3 ] || { echo "$how $ms: always late, at last by $by ns"; return 1; }
		done
	done
	# One that never serves is not ready, and the timeout says why.
	observe --ready accept --timeout 1s -- ./later sleep 60000
	[ "$status" = 124 ]
	grep -F 'Go tries to accept before it waits, and has not yet' messages
}

@test "the functions of a stripped Go program have names and callers" {
	cat >busy.go <<-'END'
		package main

		//go:noinline
		func spin(n int) (x uint64) {
			for i := 0; i < n; i++ {
				x = x*6364136223846793005 + 1442695040888963407
			}
			return
		}

		//go:noinline
		func heavy() uint64 { return spin(3000000) + 1 }

		//go:noinline
		func light() uint64 { return spin(1000000) + 1 }

		func main() {
			for i := 0; i < 50; i++ {
				if heavy()+light() == 1 {
					panic(1)
				}
			}
		}
	END
	CGO_ENABLED=0 go build -ldflags='-s -w' -o busy busy.go
	"$STARTLINE" run -q --trace t.slt -o /dev/null -- ./busy
	"$STARTLINE" report --view functions --format json t.slt >table
	share() {
		jq --arg f "$1" '[.rows[] | select(.path == "critical" and .function == $f)][0] |
			'"$2 as \$s | \$s >= $3 and \$s <= $4" table | grep -qx true
	}
	share main.spin .self_share 0.8 1
	share main.heavy .total_share 0.6 0.85
	share main.light .total_share 0.12 0.38
	share main.main .total_share 0.85 1
}

# Most of it is done on the thread's own stack, where the goroutine's frames are not.
@test "what the runtime does for a goroutine is told of the functions that asked for it" {
	cat >grow.go <<-'END'
		package main

		import "runtime/debug"

		var kept [64][]byte

		//go:noinline
		func burn(n int) {
			for i := 0; i < n; i++ {
				kept[i%64] = make([]byte, 33<<10)
			}
		}

		func main() {
			debug.SetGCPercent(-1)
			burn(60000)
		}
	END
	for cgo in 0 1; do
		CGO_ENABLED=$cgo go build -ldflags='-s -w' -o grow grow.go
		"$STARTLINE" run -q --stacks 999 --trace t.slt -o /dev/null -- ./grow
		"$STARTLINE" report --view functions --format json t.slt >table
		jq '[.rows[] | select(.path == "critical") | {(.function // "-"): .total_share}] | add |
			[."main.burn", (."runtime.systemstack.abi0" // ."runtime.systemstack")]' table >shares
		cat shares
		# The rest is page faults, which take as long as the machine likes.
		jq -e '.[0] > 0.95 and .[1] > 0.3' shares
	done
}

# Half of them did not, in a program of goroutines that allocate, start others, wait, and are interrupted.
@test "stacks of goroutines, threads and signal handlers are told to their outermost frames" {
	cat >mix.go <<-'END'
		package main

		var kept [64][]*[24]byte

		//go:noinline
		func deep(n int) int {
			var room [200]byte
			if n == 0 {
				return int(room[7])
			}
			return deep(n-1) + int(room[3])
		}

		func main() {
			for i := 0; i < 20000; i++ {
				if i%8 == 0 {
					done := make(chan int)
					go func() { done <- deep(41) }()
					<-done
				}
				few := make([]*[24]byte, 500)
				for k := range few {
					few[k] = new([24]byte)
				}
				kept[i%64] = few
			}
		}
	END
	CGO_ENABLED=0 go build -ldflags='-s -w' -o mix mix.go
	session --stacks 999 -- ./mix
	q '.stacks as $all | [.runs[0].samples[] | select(.stack != null) | $all[.stack].cut] |
		[length, (map(select(.)) | length)] | @tsv' >cut
	cat cut
	read -r n n_cut <cut
	[ "$n" -gt 200 ]
	[ $((n_cut * 100)) -le $((n * 3)) ]
}
