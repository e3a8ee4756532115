#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The heap of programs from packages as --heap exact tells it, and as heaptrack and valgrind do (heap_peers.py).
load ../e2e/helpers

setup() {
	setup_workdir
	command -v heaptrack >/dev/null || skip "no heaptrack"
	command -v valgrind >/dev/null || skip "no valgrind"
	export LC_ALL=C PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 PYTHONMALLOC=malloc PERL_HASH_SEED=0
	# All blocks come from the heap, whose rule heap_peers.py applies.
	export MALLOC_MMAP_MAX_=0
	export XDG_CACHE_HOME=$PWD/cache
}

# as_the_peers_say COMMAND...: once under each, with the same output. heaptrack is preloaded without the script
# that starts it, which compresses what it writes. Its variables are last in the environment: it takes them out again,
# and perl looks whether there is a gap. $but are options of heap_peers.py.
as_the_peers_say() {
	# Before startline sets probes in what is executed: valgrind would take these for the program's.
	valgrind -q --tool=dhat --run-libc-freeres=no --num-callers=40 --dhat-out-file=dhat --log-file=dhat.log \
		"$@" >dhat.out
	valgrind -q --tool=massif --run-libc-freeres=no --peak-inaccuracy=0.1 --threshold=0 --max-snapshots=10 \
		--massif-out-file=massif --log-file=massif.log "$@" >massif.out
	env LD_PRELOAD=/usr/lib/heaptrack/libheaptrack_preload.so DUMP_HEAPTRACK_OUTPUT="$PWD/raw" "$@" >heaptrack.out
	/usr/lib/heaptrack/libexec/heaptrack_interpret <raw >heaptrack 2>heaptrack.log
	session --heap exact --on-overrun slow -- "$@"
	[ "$status" = 0 ]
	for peer in dhat massif heaptrack; do
		cmp stdout $peer.out
	done
	python3 "$BATS_TEST_DIRNAME/heap_peers.py" "${but[@]}" session.json heaptrack dhat massif
}

@test "python3" {
	cat >objects.py <<-'END'
		import json
		class Node:
		    def __init__(self, i):
		        self.name, self.children = "node %d" % i, []
		nodes = [Node(i) for i in range(3001)]
		for i in range(1, len(nodes)):
		    nodes[i // 7].children.append(nodes[i])
		text = json.dumps({n.name: [c.name for c in n.children] for n in nodes})
		words = sorted(w.upper() for v in json.loads(text).values() for w in v)
		print(len(text), len(words))
	END
	# A file of its own, so that nobody else's probes are in it.
	cp /usr/bin/python3 .
	as_the_peers_say ./python3 objects.py
}

@test "sqlite3" {
	cat >rows.sql <<-'END'
		create table t (a integer primary key, b text, c real);
		insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < 3001)
			select i, printf('row %d', i * 7919 % 3001), i / 41.0 from n;
		create index t_b on t (b);
		select count(*), sum(c) from (select b, max(c) as c from t where b like 'row 1%' group by substr(b, 1, 6));
		select group_concat(b) from (select b from t order by b desc limit 23);
	END
	as_the_peers_say sqlite3 :memory: '.read rows.sql'
}

@test "jq" {
	as_the_peers_say jq -cn '[range(1201) | {a: ., b: ("x" * (. % 7 + 1)), c: [., . + 1]}] |
		group_by(.a % 41) | map({key: (.[0].a | tostring), value: (map(.b) | join(","))}) | from_entries | length'
}

@test "perl" {
	cat >words.pl <<-'END'
		my (%count, @lists);
		for my $i (1 .. 6007) {
			my $word = "word" . ($i * 7919 % 1201);
			$count{$word}{$i % 7}++;
			push @lists, [ map { "$word $_" } 1 .. $i % 5 ];
		}
		print join(",", (sort { $count{$b}{1} <=> $count{$a}{1} || $a cmp $b } keys %count)[ 0 .. 3 ]), "\n";
		print scalar(map { @$_ } @lists), "\n";
	END
	# Where the seed is drawn no two runs have the same hashes.
	PERL_HASH_SEED=0 as_the_peers_say perl words.pl
}

@test "the compiler of gcc" {
	for i in $(seq 41); do
		echo "struct s$i { int a, b[$i]; };"
		echo "int f$i(struct s$i *s, int n) { for (int i = 0; i < n; i++) s->b[i % $i] += s->a * i; return s->b[0]; }"
	done >unit.c
	# The garbage collector has a table of 32 KiB for each 16 MiB of addresses: how many is by where the kernel maps.
	but=(--but ggc_internal_alloc)
	as_the_peers_say "$(gcc -print-prog-name=cc1)" -quiet -O1 unit.c -o unit.s
}
