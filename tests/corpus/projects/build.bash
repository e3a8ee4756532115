# SPDX-License-Identifier: MIT
# Stand-in projects, and what makes each of them slower: sourced by projects.bats.

# A package with tests that take a second or two.
make_suite() {
	mkdir -p shop tests
	: >shop/__init__.py
	cat >shop/orders.py <<-'END'
		import time


		def total(orders):
		    return sum(price * 41 // 23 for price in orders)


		def read_orders(path):
		    time.sleep(0.1)
		    return list(range(230))
	END
	for name in basket invoice stock; do
		cat >"tests/test_$name.py" <<-END
			import pytest

			from shop import orders


			@pytest.mark.parametrize("n", range(4))
			def test_$name(n):
			    assert orders.total(orders.read_orders("$name")) > n
		END
	done
	cat >pyproject.toml <<-'END'
		[project]
		name = "shop"
		version = "1.0"
		[tool.pytest.ini_options]
		addopts = "-p no:cacheprovider"
		pythonpath = ["."]
	END
}

change_suite() {
	sed -i 's/sleep(0.1)/sleep(0.4)/' shop/orders.py
}

# A server that a Makefile builds, with three modes.
make_server() {
	cat >server.c <<-'END'
		#include <netinet/in.h>
		#include <stdio.h>
		#include <string.h>
		#include <sys/socket.h>
		#include <unistd.h>

		__attribute__((noinline)) static void read_table(void)
		{
			(void)usleep(10000);
			__asm__ volatile("" ::: "memory");
		}

		__attribute__((noinline)) static void join_cluster(void)
		{
			(void)usleep(20000);
			__asm__ volatile("" ::: "memory");
		}

		int main(int argc, char **argv)
		{
			const char *mode = argc > 2 ? argv[2] : "memory";
			struct sockaddr_in address = { .sin_family = AF_INET };
			address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
			if (strcmp(mode, "memory") != 0)
				read_table();
			if (strcmp(mode, "distributed") == 0)
				join_cluster();
			const int fd = socket(AF_INET, SOCK_STREAM, 0);
			if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
				return 1;
			(void)accept(fd, NULL, NULL);
			return 0;
		}
	END
	printf 'server: server.c\n\tcc -O2 -g -o server server.c\n' >Makefile
	printf 'build/\nserver\n' >.gitignore
	echo 'test -x server && sleep 0.1' >tests.sh
	git init -q -b main .
	git config user.name Somebody
	git config user.email somebody@example.org
	git add Makefile server.c tests.sh .gitignore
	git commit -qm 'A server'
	git checkout -q -b change
	make -s
}

change_server() {
	sed -i 's/usleep(20000)/usleep(70000)/' server.c
	git commit -qam 'Join more carefully'
	make -s
}

change_pipeline() {
	echo 'test -x server && sleep 0.3' >tests.sh
	git commit -qam 'Test more'
}

make_benchmarks() {
	cat >test_speed.py <<-'END'
		import pytest

		WORK = [200 + 10 * i for i in range(20)]


		def encode(n):
		    return sum(i * 23 % 41 for i in range(n))


		@pytest.mark.parametrize("case", range(20))
		def test_encode(benchmark, case):
		    benchmark.pedantic(encode, args=(WORK[case],), rounds=20, iterations=20)
	END
}

change_benchmarks() {
	sed -i 's/^def encode/WORK[13] *= 10\n\n\n&/' test_speed.py
}

# A cargo that leaves criterion's tree: PLANTED is what the seventh benchmark takes, as a factor.
make_criterion() {
	cat >../bin/cargo <<-'END'
		#!/usr/bin/python3
		import json, os, random
		for i in range(1, 13):
		    factor = float(os.environ.get("PLANTED", 1)) if i == 7 else 1
		    place = f"target/criterion/parse_{i}/new"
		    os.makedirs(place, exist_ok=True)
		    iters = [float(k * 100) for k in range(1, 101)]
		    times = [n * 23.0 * i * factor * random.gauss(1, 0.01) for n in iters]
		    def estimate(value):
		        return {"confidence_interval": {"confidence_level": 0.95, "lower_bound": value * 0.99,
		                "upper_bound": value * 1.01}, "point_estimate": value, "standard_error": value * 0.005}
		    value = 23.0 * i * factor
		    with open(place + "/sample.json", "w") as f:
		        json.dump({"sampling_mode": "Linear", "iters": iters, "times": times}, f)
		    with open(place + "/estimates.json", "w") as f:
		        json.dump({"mean": estimate(value), "median": estimate(value), "slope": estimate(value),
		                   "std_dev": estimate(value * 0.01), "median_abs_dev": estimate(value * 0.01)}, f)
		    with open(place + "/benchmark.json", "w") as f:
		        json.dump({"group_id": f"parse_{i}", "function_id": None, "value_str": None, "throughput": None,
		                   "full_id": f"parse_{i}", "directory_name": f"parse_{i}", "title": f"parse_{i}"}, f)
	END
	chmod +x ../bin/cargo
}

change_criterion() {
	export PLANTED=2
}
