#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What resident memory of servers and runtimes consists of, against what the kernel says while they stand still.
load ../e2e/helpers

setup() {
	setup_workdir
}

teardown() {
	[ -z "${RECORDER:-}" ] || kill "$RECORDER" 2>/dev/null || true
}

# standing COMMAND...: records its first ten seconds. Some of these are after it has made "ready": then its
# processes are looked at.
standing() {
	session --ready cmd:'test -e ready' --until 10s --timeout 60 -- "$@" &
	RECORDER=$!
	for _ in $(seq 1500); do
		[ ! -e ready ] || break
		sleep 0.02
	done
	[ -e ready ]
	sleep 1
	tree_of "$RECORDER" >pids
	while read -r pid; do cat "/proc/$pid/smaps_rollup" 2>/dev/null; done <pids |
		awk '$1 == "Rss:" { rss += $2 } $1 == "Pss:" { pss += $2 }
			END { print rss * 1024, pss * 1024 }' >kernel
	wait "$RECORDER" || true
	RECORDER=
}

# tree_of PID: what stems from it, without startline's own.
tree_of() {
	local pid
	for pid in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		[ "$(readlink "/proc/$pid/exe")" = "$(readlink -f "$STARTLINE")" ] || echo "$pid"
		tree_of "$pid"
	done
}

# as_the_kernel_says: RSS and PSS of the tree within 2 %, and 95 % of it in rows that have a name.
as_the_kernel_says() {
	read -r rss pss <kernel
	q '[.runs[0].processes[].rss.at_end | select(. != null)] | "\(map(.rss_bytes) | add) \(map(.pss_bytes) | add)"' >seen
	echo "# kernel: $rss $pss, seen: $(cat seen), $(wc -l <pids) processes"
	q '[.runs[0].processes[].rss.at_end.parts // [] | .[]] | (map(.rss_bytes) | add) as $all |
	   (map(select(.part == "anonymous") | .rss_bytes) | add // 0) / $all * 100' >unnamed
	echo "without a name: $(cat unnamed) %"
	q '[.runs[0].processes[].rss.at_end.parts // [] | .[]] | group_by(.part)[] |
	   "  \(.[0].part) \(map(.rss_bytes) | add) \(map(.pss_bytes) | add)"'
	near "$(cut -d' ' -f1 seen)" "$rss" 2
	near "$(cut -d' ' -f2 seen)" "$pss" 2
	awk '{ exit !($1 <= 5) }' unnamed
}

@test "Python with eight workers that share 200 MB" {
	standing python3 -c '
import os, time
data = [bytes(1000) for i in range(190000)]
for i in range(8):
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
open("ready", "w").close()
time.sleep(30)'
	as_the_kernel_says
}

@test "a file of 1 GB of which every 64th page is read" {
	truncate -s 1G file
	standing python3 -c '
import mmap, time
with open("file", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
n = sum(m[i] for i in range(0, len(m), 64 * 4096))
open("ready", "w").close()
time.sleep(30)'
	as_the_kernel_says
}

@test "a JVM" {
	command -v java >/dev/null || skip "no java"
	cat >Stand.java <<-'END'
		public class Stand {
		    public static void main(String[] a) throws Exception {
		        byte[][] held = new byte[50][];
		        for (int i = 0; i < 50; i++)
		            held[i] = new byte[1000000];
		        new java.io.File("ready").createNewFile();
		        Thread.sleep(30000);
		    }
		}
	END
	javac Stand.java
	standing java -Xshare:auto -cp . Stand
	as_the_kernel_says
}
