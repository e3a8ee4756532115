/* SPDX-License-Identifier: MIT */
/* SplitMix64: one addition and a mix; passes BigCrush, and any seed is a good one. */

#include "userspace/base/random.h"

#include <math.h>
#include <sys/random.h>
#include <time.h>

void random_seed(struct random *r, uint64_t seed)
{
	r->state = seed;
}

uint64_t random_u64(struct random *r)
{
	r->state += 0x9e3779b97f4a7c15u;
	uint64_t z = r->state;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

size_t random_below(struct random *r, size_t n)
{
	/* The numbers above the last whole multiple of n would favour the first ones. */
	const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
	uint64_t u;
	do
		u = random_u64(r);
	while (u >= limit);
	return (size_t)(u % n);
}

double random_uniform(struct random *r)
{
	return (double)(random_u64(r) >> 11) * 0x1p-53;
}

double random_normal(struct random *r)
{
	/* Box and Muller; 1 - u is never 0. */
	const double radius = sqrt(-2 * log(1 - random_uniform(r)));
	return radius * cos(2 * M_PI * random_uniform(r));
}

uint64_t random_fresh_seed(void)
{
	uint64_t seed;
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed))
		return seed;
	struct timespec now = { 0 };
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000007u ^ (uint64_t)now.tv_nsec;
}
