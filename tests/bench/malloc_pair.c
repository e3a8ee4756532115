/* SPDX-License-Identifier: MIT */
/* Prints the nanoseconds of one malloc/free pair: the fastest of many short windows, which is
 * the figure least disturbed by other work on the machine.
 * usage: malloc_pair [hot|mixed] [THREADS] */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/clock.h"

#define WINDOW_PAIRS 20000
#define WINDOWS	     60
#define LIVE	     64

static int is_mixed;

static void keep(void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

static void window_hot(void)
{
	for (int i = 0; i < WINDOW_PAIRS; i++) {
		void *p = malloc(64);
		keep(p);
		free(p);
	}
}

/* A small working set of blocks of 16 to 1039 bytes, replaced in an order that does not repeat. */
static void window_mixed(void **live, uint32_t *seed)
{
	for (int i = 0; i < WINDOW_PAIRS; i++) {
		*seed = *seed * 1664525u + 1013904223u;
		const unsigned int slot = (*seed >> 8) % LIVE;
		free(live[slot]);
		live[slot] = malloc(16 + (*seed >> 16) % 1024);
		keep(live[slot]);
	}
}

static void *worker(void *result)
{
	void *live[LIVE] = { 0 };
	uint32_t seed = 41;
	double best = 1e9;

	for (int w = 0; w < WINDOWS; w++) {
		const uint64_t start = clock_ns(CLOCK_MONOTONIC);
		if (is_mixed)
			window_mixed(live, &seed);
		else
			window_hot();
		const double pair = (double)(clock_ns(CLOCK_MONOTONIC) - start) / WINDOW_PAIRS;
		if (pair < best)
			best = pair;
	}
	for (int i = 0; i < LIVE; i++)
		free(live[i]);
	*(double *)result = best;
	return NULL;
}

int main(int argc, char **argv)
{
	enum { MAX_THREADS = 16 };
	pthread_t threads[MAX_THREADS];
	double best[MAX_THREADS], sum = 0;
	int n = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1;

	is_mixed = argc > 1 && strcmp(argv[1], "mixed") == 0;
	if (n < 1 || n > MAX_THREADS)
		return 2;
	for (int i = 1; i < n; i++)
		if (pthread_create(&threads[i], NULL, worker, &best[i]))
			return 1;
	worker(&best[0]);
	for (int i = 1; i < n; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < n; i++)
		sum += best[i];
	printf("%.3f\n", sum / n);
	return 0;
}
