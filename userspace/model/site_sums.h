/* SPDX-License-Identifier: MIT */
/* What samples of a heap say about its bytes, and how surely.
 *
 * A block of n usable bytes is sampled with p = 1 - exp(-n / R), on average one for R bytes, independently
 * of all others, and stands for n / p bytes. The sum over a call site is without bias, and the sum of
 * n^2 (1 - p) / p^2 is the square of its standard error. Divided by R that is the part of the sum
 * that samples stand for: close to all where blocks are small, none of those much larger than R, which were
 * all seen. Only that part is unsure, and it is as if samples of weight R had been thrown.
 *
 * Where the shim's counters know the sum of all sites exactly, that part is scaled so that the sites add up to
 * it. What a site has of that part is then a share of known samples, with the interval of one (Wilson's, of
 * the effective number of samples, (sum of weights)^2 / (sum of their squares)); of a sum that no counter knows
 * it is that of a count. tests/unit/test_model_site_sums.c puts both to the test: of sites that are named
 * beforehand 93 to 97 % lie inside, from 5 effective samples on. Of those that are only known because one
 * of their few blocks was sampled, more are too high: where a site has fewer than 5 samples of its own, its lower
 * end is no proof. */
#ifndef USERSPACE_MODEL_SITE_SUMS_H
#define USERSPACE_MODEL_SITE_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/model/session.h"

/* Samples of its own, from which on the lower end of a site's interval means something. */
#define SITE_SAMPLES_MIN 5

/* Of one site, or of several together. */
struct site_mass {
	double bytes;
	double sampled;	 /* of these, what samples stand for; the others were all seen */
	double variance; /* of that */
};

/* Adds @sum to @mass; what is not known adds nothing. */
void site_mass_add(struct site_mass *mass, const struct site_sum *sum);

struct site_interval {
	double low, high;
};
/* Of the bytes of @part of @whole, whose sum is known exactly. A part without bytes is one that was not met. */
struct site_interval site_share_interval(const struct site_mass *part,
					 const struct site_mass *whole);
/* Of bytes whose sum is not known otherwise. */
struct site_interval site_sum_interval(const struct site_mass *mass);

/* Sets .sampled of @masses, whose bytes and variances are sums of samples taken every @every bytes, and
 * makes all add up to @exact. Returns what of it is nobody's, because nothing that was sampled can stand for
 * it; 0 where @exact is NAN: not known. */
double site_masses_share_out(struct site_mass *masses, size_t n, double every, double exact);

#endif
