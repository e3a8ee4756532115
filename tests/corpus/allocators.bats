# SPDX-License-Identifier: MIT
# Real programs with another allocator preloaded do what they do without startline, and are counted.
load ../e2e/helpers

setup() {
	setup_workdir
	export LC_ALL=C
}

# Status and output of a shell's command, bare and recorded, with $library preloaded.
same() {
	if ! command -v "${1%% *}" >/dev/null; then
		echo "# no ${1%% *}" >&3
		return
	fi
	bare=$(LD_PRELOAD=$library bash -c "$1" 2>&1; echo "status $?")
	recorded=$(LD_PRELOAD=$library "$STARTLINE" run --format json -o session.json -- bash -c "$1" 2>&1; echo "status $?")
	echo "$library: $1"
	diff <(echo "$bare") <(echo "$recorded")
	# What has no shim has no counts; nobody frees what nobody saw allocated.
	[ "$(q '[.runs[0].processes[].heap | select(. != null).allocs] | add > 0')" = true ]
	[ "$(q '[.runs[0].processes[].coverage.heap] | map(select(. == "blocks allocated unseen")) | length')" = 0 ]
}

all_same() {
	library=$1
	ldconfig -p | grep -q "$library" || skip "no $library"
	printf 'int main() { return *new int(0); }\n' >x.cc
	same 'g++ -O1 -c x.cc -o x.o'
	same 'clang++ -O1 -c x.cc -o x.o'
	same 'git --version'
	same "perl -e 'print map { \$_ x 2 } 1 .. 1000'"
	same "jq -n '[range(1000)] | add'"
	same "python3 -c 'import subprocess; print(subprocess.run([\"true\"]).returncode)'"
	same "node -e 'console.log(new Array(1e5).fill(1).map(String).length)'"
	same 'java -version'
	same 'cmake --version'
	same "Rscript -e 'sum(1:10)'"
	same 'redis-server --version'
}

@test "programs with tcmalloc" {
	all_same libtcmalloc_minimal.so.4
}

@test "programs with mimalloc" {
	all_same libmimalloc.so.2
}

@test "programs with jemalloc" {
	all_same libjemalloc.so.2
}
