/* SPDX-License-Identifier: MIT */
/* Starts PROGRAM COUNT times, one after the other, by fork and exec, and waits for each. Prints
 * the median nanoseconds from just before fork to the child's end, and what the fastest tenth
 * stayed below.
 * -p: on one CPU, so that no wake-up of a sleeping one is measured.
 * usage: exec_storm [-p] COUNT PROGRAM [ARG...] */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/clock.h"

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "-p")) {
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(sched_getcpu(), &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			return 1;
		argc--;
		argv++;
	}
	if (argc < 3)
		return 2;
	const size_t count = strtoul(argv[1], NULL, 10);
	uint64_t *took = calloc(count ? count : 1, sizeof(*took));

	if (!took || !count)
		return 1;
	for (size_t i = 0; i < count; i++) {
		const uint64_t start = clock_ns(CLOCK_MONOTONIC);
		const pid_t child = fork();
		if (child == 0) {
			execv(argv[2], argv + 2);
			_exit(127);
		}
		if (child < 0 || waitpid(child, NULL, 0) != child)
			return 1;
		took[i] = clock_ns(CLOCK_MONOTONIC) - start;
	}
	qsort(took, count, sizeof(*took), compare);
	printf("%llu %llu\n", (unsigned long long)took[count / 2],
	       (unsigned long long)took[count / 10]);
	free(took);
	return 0;
}
