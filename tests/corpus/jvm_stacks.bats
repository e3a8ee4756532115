#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The methods of a JVM, compiled and interpreted, without any flag that would have it tell them: the shares
# are those that the program measures itself, the frames those that it has in its own stack traces. Of each
# JVM that is here.

load ../e2e/helpers
load ../e2e/stacks_helpers

setup() {
	setup_workdir
	require_bpf
	command -v javac >/dev/null || skip "no javac here"
	jvms=$(for java in /usr/lib/jvm/*/bin/java "$(command -v java)"; do readlink -f "$java"; done | sort -u)
}

split_program() {
	cat >Split.java <<-'END'
		public class Split {
			static long heavy(long n) { long x = 1; for (long i = 0; i < n; i++) x = x * 31 + i; return x; }
			static long middle(long n) { long x = 1; for (long i = 0; i < n; i++) x = x * 31 + i; return x; }
			static long light(long n) { long x = 1; for (long i = 0; i < n; i++) x = x * 31 + i; return x; }

			static long cpu() {
				return java.lang.management.ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
			}

			public static void main(String[] a) {
				long n = Long.parseLong(a[0]), x = 0, heavy = 0, middle = 0, light = 0;
				long begin = cpu();
				while (cpu() - begin < 1500000000L) {
					long t0 = cpu();
					x += heavy(60 * n);
					long t1 = cpu();
					x += middle(30 * n);
					long t2 = cpu();
					x += light(10 * n);
					long t3 = cpu();
					heavy += t1 - t0;
					middle += t2 - t1;
					light += t3 - t2;
				}
				double all = (heavy + middle + light) / 100.0;
				System.out.printf("heavy %.0f%nmiddle %.0f%nlight %.0f%n", heavy / all, middle / all, light / all);
				System.err.println(x);
			}
		}
	END
	javac Split.java
}

# splits N JAVA [OPTIONS]: the three methods have the shares that the program measured, to within 6 points
# (the interval of some 700 samples in which 99.9 % lie).
splits() {
	local n=$1
	shift
	record --stacks 499 -- "$@" -cp . Split "$n"
	[ "$status" -eq 0 ] || { cat messages; return 1; }
	for method in heavy middle light; do
		true=$(awk -v m="$method" '$1 == m { print $2 }' stdout)
		got=$(awk -v m=";Split.$method;" '$1 == "timer" && /;Split.main;/ && /;Split.(heavy|middle|light);/ {
			all++; part += index($0, m) > 0 } END { printf "%d", all ? 100 * part / all : -1 }' samples)
		near "$got" "$true" 0 6 || { echo "$*: $method"; return 1; }
	done
	# As metrics, too.
	"$STARTLINE" report --view metrics --format csv r.slt >metrics
	awk -F, '{ ns[$1] = $5 } END { h = ns["cpu.function[Split.heavy]"]; m = ns["cpu.function[Split.middle]"]
		l = ns["cpu.function[Split.light]"]; exit !(h > m && m > l && l > 0) }' metrics
}

@test "methods have their shares, compiled and interpreted" {
	split_program
	for java in $jvms; do
		splits 100000 "$java"
		splits 5000 "$java" -Xint
		splits 100000 "$java" -XX:TieredStopAtLevel=1
	done
}

# Each of burn0 to burn3 is called in one way only, and the first time tells what is on its stack.
order_program() {
	cat >Order.java <<-'END'
		import java.lang.reflect.Method;
		import java.util.function.IntConsumer;

		public class Order {
			static long x = 1;
			static boolean[] told = new boolean[4];

			static void tell(int which) {
				if (told[which])
					return;
				told[which] = true;
				StringBuilder s = new StringBuilder(";");
				for (StackTraceElement e : new Throwable().getStackTrace())
					if (!e.getMethodName().equals("tell"))
						s.append(e.getClassName()).append('.').append(e.getMethodName()).append(';');
				System.out.println(s);
			}

			static long mix(long a, int b) { return a * 31 + b; }
			static long many(long a, long b, long c, long d, long e, long f, long g, long h) {
				return mix(a + b + c + d + e + f + g + h, 7);
			}

			static void burn0() { tell(0); for (int i = 0; i < 50; i++) x = mix(x, i); }
			static void burn1() { tell(1); for (int i = 0; i < 50; i++) x = many(x, i, 1, 2, 3, 4, 5, 6); }
			static void burn2() { tell(2); for (int i = 0; i < 50; i++) x = mix(x, i); }
			static void burn3() { tell(3); for (int i = 0; i < 50; i++) x = many(x, i, 1, 2, 3, 4, 5, 6); }

			static class Zero implements Runnable { public void run() { burn0(); } }
			static class One implements Runnable { public void run() { burn1(); } }
			static void down(int n, Runnable r) { if (n == 0) r.run(); else down(n - 1, r); }
			static void reflected(int n) { down(n, Order::burn2); }
			static synchronized void locked(IntConsumer c) { c.accept(3); }

			public static void main(String[] a) throws Exception {
				long end = System.nanoTime() + 2000000000L;
				Method m = Order.class.getDeclaredMethod("reflected", int.class);
				while (System.nanoTime() < end) {
					down(5, new Zero());
					down(2, new One());
					m.invoke(null, 4);
					locked(n -> down(n, () -> burn3()));
				}
			}
		}
	END
	javac Order.java
}

# Without what is no method, and what neither stack has to have: how a JVM calls by reflection, which it changes
# its mind about, and what it hides in traces.
methods() {
	awk -F';' '{
		line = ";"
		for (i = 2; i <= NF; i++)
			if ($i == "(cut)" || ($i ~ /\./ && $i !~ /\(/ &&
			    $i !~ /^(jdk\.internal\.reflect|java\.lang\.(reflect|invoke)|Order\$\$Lambda)/))
				line = line $i ";"
		print line }'
}

# ordered JAVA [OPTIONS]: at least 99 % of the stacks are those of the traces, and one in a thousand is wrong at most:
# of code that was replaced before it was looked at.
ordered() {
	record --stacks 499 -- "$@" -cp . Order
	[ "$status" -eq 0 ] || { cat messages; return 1; }
	methods <stdout >truth
	[ "$(grep -c . truth)" -eq 4 ]
	awk '/;Order\.burn[0-3];/ { sub(/.*;Order\.burn/, ";Order.burn"); print }' samples | methods |
		sed -E 's/;Order\.main;.*/;Order.main;/' >got
	awk '
	NR == FNR { truth[$0]; next }
	$0 in truth { equal++; next }
	/\(cut\)/ { cut++; next }
	{ wrong++; print > "wrong" }
	END { print equal + 0, cut + 0, wrong + 0 }' truth got >counts
	read -r equal cut wrong <counts
	echo "# live: $*: $equal equal, $cut cut, $wrong wrong" >&3
	[ "$equal" -ge 100 ]
	if [ $((100 * (cut + wrong))) -gt "$equal" ] || [ $((1000 * wrong)) -gt $((equal + 999)) ]; then
		head wrong
		return 1
	fi
}

@test "frames are those of the program's own stack traces" {
	order_program
	for java in $jvms; do
		ordered "$java" -Xint
		ordered "$java" -XX:-Inline
		ordered "$java" -XX:-Inline -XX:TieredStopAtLevel=1
		ordered "$java" -XX:-Inline -XX:-TieredCompilation
		ordered "$java" -XX:-Inline -XX:+PreserveFramePointer
	done
}
