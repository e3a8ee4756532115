#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What resident memory of servers and runtimes consists of, against what the kernel says while they stand still.
load ../e2e/helpers

setup() {
	setup_workdir
}

teardown() {
	[ -z "${RECORDER:-}" ] || kill "$RECORDER" 2>/dev/null || true
	remove_public_copy
}

# standing COMMAND...: records its first ten seconds. Some of these are after it has made "ready": then its
# processes are looked at. $options are of the recording.
standing() {
	session "${options[@]}" --ready cmd:'test -e ready' --until 10s --timeout 60 -- "$@" &
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

# when COMMAND: makes "ready" as soon as that succeeds.
when() {
	(for _ in $(seq 500); do
		! sh -c "$1" >/dev/null 2>&1 || break
		sleep 0.05
	done
	sleep 0.5
	: >ready) 3>&- &
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

@test "redis while a child of it saves" {
	port=$(free_port)
	cat >serve <<-END
		redis-server --port $port --save '' --rdb-key-save-delay 10000 --enable-debug-command local >log &
		until redis-cli -p $port ping 2>&1 | grep -q PONG; do sleep 0.05; done
		redis-cli -p $port debug populate 50000 key 1000
		redis-cli -p $port bgsave
		sleep 0.5
		redis-cli -p $port info persistence | grep -q rdb_bgsave_in_progress:1 && : >ready
		wait
	END
	standing sh serve
	as_the_kernel_says
	# What its allocator has is most of it, and has its name: the library's, where it is linked with that.
	if grep -q libjemalloc /usr/bin/redis-server; then
		q '[.runs[0].processes[].rss.at_end.parts // [] | .[] | select(.name == "jemalloc").pss_bytes] | add' >theirs
		[ "$(cat theirs)" -ge 50000000 ]
	fi
}

@test "Apache with processes that are forked beforehand" {
	modules=/usr/lib/apache2/modules
	[ -x /usr/sbin/apache2 ] || skip "no apache2"
	cat >httpd.conf <<-END
		ServerRoot $PWD
		ServerName localhost
		Listen 127.0.0.1:$(free_port)
		PidFile $PWD/httpd.pid
		ErrorLog $PWD/error.log
		User nobody
		Group nogroup
		LoadModule mpm_prefork_module $modules/mod_mpm_prefork.so
		LoadModule authz_core_module $modules/mod_authz_core.so
		StartServers 8
		DocumentRoot $PWD
	END
	when "pgrep -c -P \"\$(cat httpd.pid)\" apache2 | grep -qx 8"
	# In a session of its own: as it ends it ends its group.
	standing /usr/sbin/apache2 -f "$PWD/httpd.conf" -D NO_DETACH
	[ "$(wc -l <pids)" = 9 ]
	as_the_kernel_says
}

@test "PostgreSQL with buffers that are shared" {
	bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
	[ -n "$bin" ] || skip "no PostgreSQL"
	[ "$(id -u)" = 0 ] || skip "needs root"
	# Its user must reach all of this.
	public_copy
	place=$PUBLIC
	port=$(free_port)
	as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)
	install -d -o postgres "$place/data" "$place/run"
	(cd "$place" && "${as_postgres[@]}" "$bin/initdb" -D "$place/data" -A trust >/dev/null)
	# Who has filled them stays, since it is in its memory that they are.
	cat >fill.sql <<-END
		create table t (i int, s text);
		insert into t select i, repeat(md5(i::text), 10) from generate_series(1, 100000) i;
		\! : >$place/run/filled
		select pg_sleep(30);
	END
	psql=("${as_postgres[@]}" "$bin/psql" -q -h "$place/run" -p "$port" -d postgres)
	(for _ in $(seq 500); do
		! "${psql[@]}" -c 'select 1' >reply 2>&1 || break
		sleep 0.05
	done
	"${psql[@]}" <fill.sql >reply 2>&1) 3>&- &
	when "test -e $place/run/filled"
	options=(--user postgres --trace "$PWD/t.slt")
	# Its other shared memory is in files there: it is killed while a client is connected, and leaves them.
	standing "$bin/postgres" -D "$place/data" -p "$port" -k "$place/run" -c shared_buffers=128MB \
		-c dynamic_shared_memory_type=mmap
	[ "$(wc -l <pids)" -ge 6 ]
	as_the_kernel_says
	q '[.runs[0].processes[].rss.at_end.parts // [] | .[] | select(.part == "shared").rss_bytes] | max' >theirs
	[ "$(cat theirs)" -ge 30000000 ]
}
