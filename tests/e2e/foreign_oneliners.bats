#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The commands of docs/ci.md for other tools, with what these print. tests/corpus/foreign.bats runs
# them with the tools themselves.
bats_require_minimum_version 1.5.0
load helpers
load foreign_oneliners

setup() {
	setup_workdir
	mkdir bin
	PATH="$PWD/bin:$PATH"
}

# instead_of TOOL: a program of that name that prints what comes in here.
instead_of() {
	cat >"bin/$1.out"
	printf '#!/bin/sh\ncat "%s"\n' "$PWD/bin/$1.out" >"bin/$1"
	chmod +x "bin/$1"
}

@test "perf stat" {
	printf '#!/bin/sh\nprintf "# started on Thu\\n\\n" >perf.out\ncat "%s" >>perf.out\n' \
		"$PWD/perf.json.in" >bin/perf
	chmod +x bin/perf
	cat >perf.json.in <<-'END'
		{"counter-value" : "23.500000", "unit" : "msec", "event" : "task-clock", "event-runtime" : 23500000, "pcnt-running" : 100.00, "metric-value" : 0.5, "metric-unit" : "CPUs utilized"}
		{"counter-value" : "0.000000", "unit" : "", "event" : "context-switches", "event-runtime" : 476978, "pcnt-running" : 100.00, "metric-value" : 0.0, "metric-unit" : "/sec"}
		{"counter-value" : "<not supported>", "unit" : "", "event" : "cycles", "event-runtime" : 0, "pcnt-running" : 100.00, "metric-value" : 0.0, "metric-unit" : ""}
	END
	COMMAND=true run_oneliner 'perf stat'
	reads perf.json >rows
	diff rows - <<-END
		perf.task-clock 10 23500000
		perf.context-switches 10 0
		perf.cycles 0 
	END
}

@test "wrk" {
	instead_of wrk <<-'END'
		Running 10s test @ http://127.0.0.1:8000/
		  2 threads and 10 connections
		  Thread Stats   Avg      Stdev     Max   +/- Stdev
		    Latency   635.91us    0.89ms  12.92ms   93.69%
		    Req/Sec    56.20k     8.07k   62.00k    86.54%
		  Latency Distribution
		     50%  250.00us
		     75%    4.91ms
		     90%    1.50s
		     99%    1.10m
		  22464 requests in 10.00s, 17.76MB read
		Requests/sec:   2246.40
		Transfer/sec:      1.78MB
	END
	URL=http://127.0.0.1:8000/ run_oneliner wrk
	reads wrk.csv >rows
	diff rows - <<-END
		latency.p50 1 250000
		latency.p75 1 4910000
		latency.p90 1 1500000000
		latency.p99 1 66000000000
		requests 1 2246.4
	END
}

@test "hey" {
	instead_of hey <<-'END'
		response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset
		0.0230,0.0006,0.0000,0.0001,0.0020,0.0001,200,0.0003
		0.0410,0.0000,0.0000,0.0000,0.0010,0.0000,200,0.0031
		0.0430,0.0000,0.0000,0.0000,0.0010,0.0000,200,0.0042
	END
	URL=http://127.0.0.1:8000/ run_oneliner hey
	[ "$(reads hey.csv)" = 'latency 3 41000000' ]
}

@test "docker stats" {
	instead_of docker <<-'END'
		{"BlockIO":"0B / 0B","CPUPerc":"12.50%","Container":"3f","ID":"3f","MemPerc":"0.01%","MemUsage":"1.5MiB / 7.6GiB","Name":"web","NetIO":"1.2kB / 0B","PIDs":"3"}
		{"BlockIO":"0B / 0B","CPUPerc":"0.00%","Container":"41","ID":"41","MemPerc":"0.00%","MemUsage":"0B / 0B","Name":"db","NetIO":"0B / 0B","PIDs":"0"}
	END
	run_oneliner 'docker stats'
	reads docker.json >rows
	diff rows - <<-END
		container.cpu[web] 1 0.125
		container.memory[web] 1 1572864
		container.processes[web] 1 3
		container.cpu[db] 1 0
		container.memory[db] 1 0
		container.processes[db] 1 0
	END
}
