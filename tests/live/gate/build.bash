# SPDX-License-Identifier: MIT
# Three programs with a change planted: sourced by gate.bats, which has read tests/e2e/helpers.bash before.

GATE=$ROOT/tests/live/gate

# DIRECTORY: a library that takes long to relocate.
library() {
	gcc -O2 -fPIC -shared -Wl,-soname,libtables.so -o "$1/libtables.so" "$ROOT/tests/live/planted/tables.c"
}

# DIRECTORY EFFECT: ./job in it, with the effect, or without when that is "none". UNITS: how much it works (20).
build_job() {
	local options=() units=${UNITS:-20}
	mkdir -p "$1"
	case $2 in
	cpu) units=$((units * 11 / 10)) ;;
	sleep) options=(-DSLEEP_MS=20) ;;
	memory) options=(-DCACHE_MB=30) ;;
	open) options=(-DMISSED='"/etc/missing.conf"') ;;
	exec) options=(-DTOOL='"/usr/bin/true"') ;;
	allocations) options=(-DORDERS=$((1000 + ${3:-500}))) ;;
	library)
		library "$1"
		# shellcheck disable=SC2054,SC2016 # options, one the loader's
		options=(-Wl,--no-as-needed "$1/libtables.so" '-Wl,-rpath,$ORIGIN')
		;;
	esac
	gcc -O2 -fno-ipa-icf -DUNITS="$units" -o "$1/job" "$GATE/job.c" "${options[@]}"
}

# DIRECTORY EFFECT ALLOCATIONS: server.py in it; so many allocations are half of what it makes without.
build_server() {
	local units=400 orders=1000 change=pass
	mkdir -p "$1"
	cp "$GATE/server.py" "$1"
	case $2 in
	cpu) units=460 ;; # two thirds of its CPU time are in there: a tenth of all
	sleep) change='retry_connect()' ;;
	memory) change='global cache; cache = b"x" * (30 << 20)' ;;
	open) change='os.path.exists("/etc/missing.conf") or os.open("/etc/missing.conf", os.O_RDONLY)' ;;
	exec) change='subprocess.run(["/usr/bin/true"])' ;;
	allocations) orders=$((1000 + $3)) ;;
	library)
		library "$1"
		change='ctypes.CDLL(os.path.join(os.path.dirname(__file__), "libtables.so"))'
		;;
	esac
	cat >"$1/planted.py" <<-END
		import ctypes, os, subprocess, time

		UNITS, ORDERS = $units, $orders


		def retry_connect():
		    time.sleep(0.02)


		def change():
		    try:
		        $change
		    except OSError:
		        pass
	END
	"$PYTHON" -m compileall -q "$1"
}

# DIRECTORY EFFECT ALLOCATIONS: a pipeline that assembles a program, runs ./job, and tests what it left.
build_pipeline() {
	UNITS=300 build_job "$@"
	echo 'int main(void) { return 0; }' | gcc -S -x c -o "$1/tool.s" -
	cat >"$1/pipeline.sh" <<-'END'
		set -e
		as -o tool.o tool.s
		cc -o tool tool.o
		./job
		./tool
		test -x tool
	END
}
