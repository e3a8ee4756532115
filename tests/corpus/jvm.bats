#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A JVM: dozens of threads of its own, a selector on epoll.

load ../e2e/helpers
load ../e2e/net_helpers

setup() {
	setup_workdir
	require_bpf
	cat >Server.java <<-'END'
		import java.io.*;
		import java.net.*;
		import java.nio.channels.*;

		public class Server {
		    public static void main(String[] a) throws Exception {
		        ServerSocketChannel s = ServerSocketChannel.open();
		        s.bind(new InetSocketAddress("127.0.0.1", 0));
		        long listening = System.nanoTime();
		        Selector selector = Selector.open();
		        long end = listening + Long.parseLong(a[2]) * 1000000;
		        if (a[1].equals("sleep"))
		            Thread.sleep(Long.parseLong(a[2]));
		        while (System.nanoTime() < end)
		            ;
		        boolean selects = a[0].equals("select");
		        if (selects) {
		            s.configureBlocking(false);
		            s.register(selector, SelectionKey.OP_ACCEPT);
		        }
		        try (PrintWriter log = new PrintWriter(new FileWriter(a[3]))) {
		            log.printf("listen %d %d%n", listening, listening);
		            log.flush();
		            long now = System.nanoTime();
		            log.printf("ready %d %d%n", now, now);
		        }
		        if (selects)
		            selector.select();
		        else
		            s.accept();
		    }
		}
	END
	javac Server.java
}

# What the loop of Java costs between its clock and its call is some 0.1 ms.
@test "a selector and a blocking accept, after sleeping and computing: ready when it waits" {
	for how in select accept; do
		for gap in 'sleep 5' 'sleep 500' 'compute 50' 'compute 500'; do
			late=0
			for i in 1 2 3; do
				# shellcheck disable=SC2086
				observe --ready accept --timeout 20s -- java -Xshare:auto -cp . Server "$how" $gap
				[ "$status" = 0 ] || { cat messages; return 1; }
				by=$(($(q '.runs[0].listeners[0] | .accept_ready_ns - .listen_ns') -
					$(logged ready) + $(logged listen)))
				[ "$by" -ge $((-MS)) ] || { echo "$how $gap: ready $by ns too soon"; return 1; }
				[ "$by" -le $((5 * MS)) ] || late=$((late + 1))
			done
			[ "$late" -lt 3 ] || { echo "$how $gap: always late, at last by $by ns"; return 1; }
		done
	done
}
