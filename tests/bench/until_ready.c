/* SPDX-License-Identifier: MIT */
/* Starts a server, and prints the nanoseconds from just before its fork until it accepts a connection on
 * 127.0.0.1:PORT. Then ends it, with all that it started.
 * usage: until_ready PORT PROGRAM [ARG...] */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/clock.h"

#define LONGEST_NS 10000000000ull
#define PAUSE_NS   250000 /* between two tries, of which each costs some microseconds */

static bool accepts(const struct sockaddr_in *address)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const bool is_ready =
		fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
	if (fd >= 0)
		(void)close(fd);
	return is_ready;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_port = htons((uint16_t)atoi(argv[1])),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (accepts(&address))
		return 1; /* somebody else's */
	const uint64_t start = clock_ns(CLOCK_MONOTONIC);
	const pid_t child = fork();
	if (child == 0) {
		(void)setpgid(0, 0);
		(void)!freopen("/dev/null", "w", stdout);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	uint64_t took = 0;
	while (child > 0 && !accepts(&address) && took < LONGEST_NS) {
		const struct timespec pause = { .tv_nsec = PAUSE_NS };
		(void)nanosleep(&pause, NULL);
		took = clock_ns(CLOCK_MONOTONIC) - start;
	}
	took = clock_ns(CLOCK_MONOTONIC) - start;
	if (child < 0 || kill(-child, SIGTERM) || waitpid(child, NULL, 0) != child)
		return 1;
	printf("%llu\n", (unsigned long long)took);
	return took < LONGEST_NS ? 0 : 1;
}
