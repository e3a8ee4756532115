/* SPDX-License-Identifier: MIT */
/* A server that takes about 10 ms from exec to listen, a part of it opening files and
 * allocating, as servers do. Prints the nanoseconds from its exec to its listen and ends.
 * Called without arguments it stamps the clock and executes itself, so exec is inside. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/clock.h"

/* 101 rounds of what reading a configuration directory costs: about 400 system calls, where
 * redis-server makes about 300 until it listens. */
static void load_configuration(void)
{
	char line[256];

	for (int i = 0; i < 101; i++) {
		char *copy[23];
		const int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
		struct stat st;

		if (fd >= 0) {
			fstat(fd, &st);
			(void)!read(fd, line, sizeof(line));
			close(fd);
		}
		for (int k = 0; k < 23; k++)
			copy[k] = strndup(line, (size_t)(41 + k));
		for (int k = 0; k < 23; k++)
			free(copy[k]);
	}
}

static void compute(uint64_t ns)
{
	const uint64_t end = clock_ns(CLOCK_MONOTONIC) + ns;
	while (clock_ns(CLOCK_MONOTONIC) < end)
		;
}

int main(int argc, char **argv)
{
	if (argc == 1) {
		char stamp[32];
		snprintf(stamp, sizeof(stamp), "%llu",
			 (unsigned long long)clock_ns(CLOCK_MONOTONIC));
		execl("/proc/self/exe", argv[0], stamp, (char *)NULL);
		return 127;
	}
	const uint64_t start = strtoull(argv[1], NULL, 10);
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	load_configuration();
	compute(8000000);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 64))
		return 1;
	printf("%llu\n", (unsigned long long)(clock_ns(CLOCK_MONOTONIC) - start));
	return 0;
}
