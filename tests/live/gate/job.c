/* SPDX-License-Identifier: MIT */
/* A program of about 20 ms, in which a change can be planted: -DUNITS=N, how much build_index works (a unit is
 * about a millisecond); -DSLEEP_MS, how long retry_connect sleeps; -DCACHE_MB, what fill_cache holds; -DMISSED, a file
 * that is not there; -DTOOL, a program that is executed; -DORDERS=N, how many blocks are allocated. */
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../planted/spin.h"

#ifndef UNITS
#define UNITS 20
#endif
#ifndef SLEEP_MS
#define SLEEP_MS 0
#endif
#ifndef CACHE_MB
#define CACHE_MB 0
#endif
#ifndef ORDERS
#define ORDERS 1000
#endif

extern char **environ;

__attribute__((noinline)) static void build_index(void)
{
	spin(UNITS);
}

__attribute__((noinline)) static void retry_connect(void)
{
	const struct timespec time = { .tv_nsec = SLEEP_MS * 1000000L };
	if (SLEEP_MS > 0)
		(void)nanosleep(&time, NULL);
}

__attribute__((noinline)) static void fill_cache(void)
{
	const size_t bytes = (size_t)CACHE_MB << 20;
	char *cache = bytes > 0 ? malloc(bytes) : NULL;
	if (cache != NULL)
		memset(cache, 23, bytes);
	__asm__ volatile("" : : "r"(cache) : "memory");
}

__attribute__((noinline)) static void read_orders(void)
{
	for (int i = 0; i < ORDERS; i++)
		*(char *volatile *)malloc(41) = NULL;
}

int main(void)
{
	build_index();
	retry_connect();
	fill_cache();
	read_orders();
#ifdef MISSED
	(void)open(MISSED, O_RDONLY);
#endif
#ifdef TOOL
	char *arguments[] = { TOOL, NULL };
	pid_t pid;
	if (posix_spawn(&pid, TOOL, NULL, NULL, arguments, environ) == 0)
		(void)waitpid(pid, NULL, 0);
#endif
	return 0;
}
