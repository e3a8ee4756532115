/* SPDX-License-Identifier: MIT */
/* A known split of CPU time: 21 functions in a program, a library and a library loaded at run time take
 * turns that a seed decides, in threads and in a forked child.
 *
 *	shares SEED THREADS CHILDREN STEPS PLUGIN	(STEPS: in thousands, per thread)
 *
 * Standard output: "STEPS NAME" per function, what it really did, all threads and children together. NAME is what
 * reports say, which may be one for several. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shares.h"

#define GROUPS	  3u
#define FUNCTIONS (GROUPS * GROUP_FUNCTIONS)
/* Of one turn: some 20 to 400 us. */
#define TURN_LEAST 15000u
#define TURN_MOST  300000u

static burn_function *burns[GROUPS] = { own_burn, lib_burn };
static unsigned long *done; /* shared with children */
static unsigned long steps_each;

struct draw {
	uint64_t state;
};

static uint32_t below(struct draw *d, uint32_t limit)
{
	d->state = d->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(((d->state >> 33) * limit) >> 31);
}

/* Function k comes k + 1 times as often as the first one. */
static unsigned int pick(struct draw *d)
{
	uint32_t at = below(d, FUNCTIONS * (FUNCTIONS + 1) / 2);
	unsigned int k = 0;
	while (at >= k + 1)
		at -= ++k;
	return k;
}

static void *work(void *argument)
{
	struct draw d = { .state = (uintptr_t)argument };
	for (unsigned long left = steps_each; left > 0;) {
		const unsigned int k = pick(&d);
		unsigned long n = TURN_LEAST + below(&d, TURN_MOST - TURN_LEAST);
		n = n < left ? n : left;
		burns[k % GROUPS](k / GROUPS, n);
		__atomic_fetch_add(&done[k], n, __ATOMIC_RELAXED);
		left -= n;
	}
	return NULL;
}

static void run_threads(unsigned int n, uintptr_t seed)
{
	pthread_t threads[64];
	for (unsigned int i = 1; i < n; i++)
		pthread_create(&threads[i], NULL, work, (void *)(seed + i * 7919u));
	work((void *)seed);
	for (unsigned int i = 1; i < n; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	const char *const *names[GROUPS] = { own_names, lib_names };
	if (argc < 6)
		return 2;
	const uintptr_t seed = strtoul(argv[1], NULL, 10) * 104729u + 1;
	const unsigned int threads = (unsigned int)strtoul(argv[2], NULL, 10) % 64;
	const unsigned int children = (unsigned int)strtoul(argv[3], NULL, 10);
	steps_each = strtoul(argv[4], NULL, 10) * 1000;
	void *plugin = dlopen(argv[5], RTLD_NOW);
	burns[2] = plugin != NULL ? (burn_function *)dlsym(plugin, "plugin_burn") : NULL;
	names[2] = plugin != NULL ? (const char *const *)dlsym(plugin, "plugin_names") : NULL;
	done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (burns[2] == NULL || names[2] == NULL || done == MAP_FAILED)
		return 1;
	for (unsigned int i = 0; i < children; i++) {
		if (fork() == 0) {
			run_threads(1, seed + (i + 1) * 15485863u);
			_exit(0);
		}
	}
	run_threads(threads, seed);
	while (wait(NULL) > 0)
		;
	for (unsigned int k = 0; k < FUNCTIONS; k++)
		printf("%lu %s\n", done[k], names[k % GROUPS][k / GROUPS]);
	return 0;
}
