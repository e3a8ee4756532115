/* SPDX-License-Identifier: MIT */
/* Heaps of known sites are sampled over and over: how often is the truth inside? */

#include <math.h>
#include <stdint.h>

#include "tests/unit/cmocka.h"
#include "userspace/model/site_sums.h"

#define REPLAYS	  1000
#define MAX_SITES 40
#define HEAP	  1e6

static uint64_t state_of_chance;

static double chance(void) /* splitmix64, in (0, 1) */
{
	uint64_t z = state_of_chance += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 0x1p53;
}

static double normal(void)
{
	return sqrt(-2 * log(chance())) * cos(2 * M_PI * chance());
}

struct kind {
	size_t n_sites;
	double spread; /* of the sites' shares, on the logarithms */
	double smallest,
		ratio; /* of the sizes of blocks, log-uniform; in bytes between two samples */
};

static const struct kind few = { 3, 1, 1e-4, 100 };
static const struct kind many = { 40, 1.5, 1e-4, 100 };
static const struct kind heavy = { 10, 1, 0.01, 300 }; /* up to three times that */

struct heap_of {
	double bytes, every;
	double truth[MAX_SITES];
	struct site_mass masses[MAX_SITES], whole;
};

/* How many of @n blocks are sampled. Exact where that is cheap. */
static double sampled_of(double n, double p)
{
	double hits = 0;
	if (n > 2000 && n * p > 200)
		return fmin(n, fmax(0, floor(n * p + sqrt(n * p * (1 - p)) * normal() + 0.5)));
	/* From one sampled block to the next. */
	for (double at = floor(log(chance()) / log1p(-p)); at < n;
	     at += 1 + floor(log(chance()) / log1p(-p)))
		hits++;
	return hits;
}

static void replay(const struct kind *kind, double n_effective, struct heap_of *h)
{
	double sizes[MAX_SITES], blocks[MAX_SITES], sum = 0;
	*h = (struct heap_of){ .bytes = 0 };
	for (size_t i = 0; i < kind->n_sites; i++)
		sum += h->truth[i] = exp(kind->spread * normal());
	h->every = HEAP / n_effective;
	for (size_t i = 0; i < kind->n_sites; i++) {
		sizes[i] = h->every * kind->smallest * pow(kind->ratio, chance());
		blocks[i] = ceil(h->truth[i] / sum * HEAP / sizes[i]);
		h->truth[i] = blocks[i] * sizes[i];
		h->bytes += h->truth[i];
	}
	for (size_t i = 0; i < kind->n_sites; i++) {
		const double p = -expm1(-sizes[i] / h->every);
		const double hits = sampled_of(blocks[i], p);
		h->masses[i].bytes = hits * sizes[i] / p;
		h->masses[i].variance = hits * sizes[i] * sizes[i] * (1 - p) / p / p;
	}
}

static void sum_up(struct heap_of *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		h->whole.bytes += h->masses[i].bytes;
		h->whole.sampled += h->masses[i].sampled;
		h->whole.variance += h->masses[i].variance;
	}
}

static bool is_within(double truth, struct site_interval i)
{
	return truth >= i.low * (1 - 1e-9) && truth <= i.high * (1 + 1e-9);
}

/* Of sites that are named beforehand, whether or not they are met. */
static double share_coverage(const struct kind *kind, double n_effective)
{
	double n = 0, n_within = 0;
	for (int r = 0; r < REPLAYS; r++) {
		struct heap_of h;
		replay(kind, n_effective, &h);
		if (site_masses_share_out(h.masses, kind->n_sites, h.every, h.bytes) > 0)
			continue; /* no sample, so nothing to say */
		sum_up(&h, kind->n_sites);
		assert_true(fabs(h.whole.bytes / h.bytes - 1) < 1e-9);
		for (size_t i = 0; i < kind->n_sites; i++, n++)
			n_within +=
				is_within(h.truth[i], site_share_interval(&h.masses[i], &h.whole));
	}
	return n_within / n;
}

static double sum_coverage(const struct kind *kind, double n_effective)
{
	double n = 0, n_within = 0;
	for (int r = 0; r < REPLAYS; r++, n++) {
		struct heap_of h;
		replay(kind, n_effective, &h);
		(void)site_masses_share_out(h.masses, kind->n_sites, h.every, (double)NAN);
		sum_up(&h, kind->n_sites);
		n_within += is_within(h.bytes, site_sum_interval(&h.whole));
	}
	return n_within / n;
}

static void the_truth_is_inside_as_often_as_said(void **state)
{
	(void)state;
	static const struct kind *const kinds[] = { &few, &many, &heavy };
	static const double numbers[] = { 5, 20, 200 };
	for (size_t k = 0; k < 3; k++) {
		for (size_t i = 0; i < 3; i++) {
			state_of_chance = 471;
			const double shares = share_coverage(kinds[k], numbers[i]);
			const double sums = sum_coverage(kinds[k], numbers[i]);
			print_message("kind %zu, %3.0f effective samples: shares %.3f, sums %.3f\n",
				      k, numbers[i], shares, sums);
			assert_true(shares >= 0.93 && shares <= 0.97);
			assert_true(sums >= 0.93 && sums <= 0.97);
		}
	}
}

static void what_was_seen_whole_is_not_scaled(void **state)
{
	(void)state;
	/* A block of 100 MB, and 3 samples of small blocks, for what is 102 MB. */
	struct site_mass masses[] = { { .bytes = 100e6 }, { .bytes = 3e6, .variance = 3e12 } };
	assert_true(site_masses_share_out(masses, 2, 1e6, 102e6) == 0);
	assert_true(masses[0].bytes == 100e6 && masses[0].sampled == 0);
	assert_true(fabs(masses[1].bytes - 2e6) < 1 && fabs(masses[1].sampled - 2e6) < 1);
	const struct site_mass whole = { 102e6, masses[1].sampled, masses[1].variance };
	const struct site_interval seen = site_share_interval(&masses[0], &whole);
	assert_true(seen.low == 100e6 && seen.high == 100e6);
}

static void what_no_sample_stands_for_is_told_apart(void **state)
{
	(void)state;
	struct site_mass masses[] = { { .bytes = 100e6, .variance = 1 } };
	assert_true(site_masses_share_out(masses, 1, 1e6, 101e6) == 1e6);
	assert_true(masses[0].bytes == 100e6);
	assert_true(site_masses_share_out(NULL, 0, 1e6, 7) == 7);
	assert_true(site_masses_share_out(masses, 1, 1e6, (double)NAN) == 0);
	/* A counter that knows of less than was seen is right all the same. */
	assert_true(site_masses_share_out(masses, 1, 1e6, 50e6) == 0);
	assert_true(masses[0].bytes == 50e6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_seen_whole_is_not_scaled),
		cmocka_unit_test(what_no_sample_stands_for_is_told_apart),
		cmocka_unit_test(the_truth_is_inside_as_often_as_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
