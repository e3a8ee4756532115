/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_RANDOM_H
#define STARTLINE_BASE_RANDOM_H
/*
 * Reproducible random numbers: the order of runs, bootstrap samples, simulations. The same seed
 * gives the same sequence on every machine. Not for secrets. SplitMix64 (Steele, Lea, Flood 2014).
 */

#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

void random_seed(struct random *r, uint64_t seed);
uint64_t random_u64(struct random *r);
size_t random_below(struct random *r, size_t n); /* 0 … n - 1, without bias; n > 0 */
double random_uniform(struct random *r);	 /* [0, 1) */
double random_normal(struct random *r);		 /* mean 0, standard deviation 1 */

/* A seed from the system, for runs that were not given one. */
uint64_t random_fresh_seed(void);

#endif
