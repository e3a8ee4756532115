/* SPDX-License-Identifier: MIT */
/* Changes that are there are found, at their place; noise, spikes and noisier times are none. The
 * rates are those of docs/statistics.md. */

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/random.h"
#include "userspace/base/stats_changepoint.h"
#include "userspace/base/stats_shift.h"

#define MOST   2000
#define MARGIN 0.02

/* The sanitizers look at the code, for which few trials will do; how often things happen is
 * asserted by the plain build. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHARE 100
#else
#define SHARE 1
#endif

static double series[MOST];

struct found {
	size_t n, at[8];
	double shift[8];
};

static struct found search(const double *v, size_t n)
{
	struct stats_change *changes = NULL;
	struct found found = { 0 };
	assert_int_equal(stats_changepoints(v, n, MARGIN, &changes, &found.n), 0);
	for (size_t i = 0; i < found.n && i < 8; i++) {
		found.at[i] = changes[i].at;
		found.shift[i] = changes[i].shift;
		assert_true(changes[i].at >= (i > 0 ? changes[i - 1].at : 0) + STATS_SEGMENT_MIN);
		assert_true(changes[i].at + STATS_SEGMENT_MIN <= n);
	}
	free(changes);
	return found;
}

/* --- noise of 3 %, on the logarithmic scale ------------------------------------------------- */

enum noise {
	GAUSS,
	SKEW,
	OUTLIERS,  /* one in ten is 10 … 60 % too large */
	BIMODAL,   /* three in ten are 8 % larger */
	ROUNDED,   /* to whole percents: many are equal */
	GROWING,   /* from 1 to 6 % */
	REGIMES,   /* times of 1 % and times of 6 %, a quarter of the series each */
	WANDERING, /* first order autoregressive, 0.3 */
	NOISES
};
static const char *const noise_names[] = { "gauss",   "skew",	 "outliers", "bimodal",
					   "rounded", "growing", "regimes",  "wandering" };

static double noise_at(struct random *r, enum noise noise, size_t i, size_t n, double *state)
{
	const double z = random_normal(r), u = random_uniform(r), part = (double)i / (double)n;
	switch (noise) {
	case SKEW:
		return 0.05 * (exp(0.5 * z) - 1);
	case OUTLIERS:
		return 0.03 * z + (u < 0.1 ? log(1.1 + 5 * u) : 0);
	case BIMODAL:
		return 0.03 * z + (u < 0.3 ? log(1.08) : 0);
	case ROUNDED:
		return round(3 * z) / 100;
	case GROWING:
		return (0.01 + 0.05 * part) * z;
	case REGIMES:
		return ((size_t)(4 * part) % 2 == 0 ? 0.01 : 0.06) * z;
	case WANDERING:
		*state = 0.3 * *state + 0.03 * sqrt(1 - 0.3 * 0.3) * z;
		return *state;
	case GAUSS:
	case NOISES:
		break;
	}
	return 0.03 * z;
}

static void fill(struct random *r, enum noise noise, size_t n)
{
	double state = 0;
	for (size_t i = 0; i < n; i++)
		series[i] = noise_at(r, noise, i, n, &state);
}

/* --- facts ---------------------------------------------------------------------------------- */

static void a_step_is_found_where_it_is(void **state)
{
	(void)state;
	struct random r;
	random_seed(&r, 23);
	fill(&r, GAUSS, 60);
	for (size_t i = 37; i < 60; i++)
		series[i] += 0.3;
	const struct found f = search(series, 60);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.at[0], 37);
	assert_true(fabs(f.shift[0] - 0.3) < 0.03);
}

static void counts_without_noise_are_no_special_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < 60; i++)
		series[i] = i < 41 ? 23 : 24;
	const struct found f = search(series, 60);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.at[0], 41);
	assert_true(f.shift[0] >= 1 && f.shift[0] <= 1);
	for (size_t i = 0; i < 60; i++)
		series[i] = 23;
	assert_int_equal(search(series, 60).n, 0);
}

/* Three in a row go away again: no change, wherever they are. Four are one, and another back. */
static void spikes_are_no_changes(void **state)
{
	(void)state;
	struct random r;
	for (size_t at = 0; at < 60; at++) {
		random_seed(&r, 41);
		fill(&r, GAUSS, 60);
		for (size_t i = at; i < at + 3 && i < 60; i++)
			series[i] += 0.7;
		assert_int_equal(search(series, 60).n, 0);
	}
	for (size_t i = 0; i < 100; i++)
		series[i] = i >= 43 && i < 47 ? 2 : 1;
	const struct found f = search(series, 100);
	assert_int_equal(f.n, 2);
	assert_int_equal(f.at[0], 43);
	assert_int_equal(f.at[1], 47);
}

static void several_changes_do_not_hide_each_other(void **state)
{
	(void)state;
	static const size_t places[] = { 23, 41, 53, 97, 107, 150 };
	static const double levels[] = { 0, 0.2, 0.1, 0.4, 0.2, 0.5, 0.1 };
	struct random r;
	random_seed(&r, 7);
	fill(&r, GAUSS, 200);
	size_t k = 0;
	for (size_t i = 0; i < 200; i++) {
		k += k < 6 && i == places[k];
		series[i] += levels[k];
	}
	const struct found f = search(series, 200);
	assert_int_equal(f.n, 6);
	for (size_t i = 0; i < 6; i++)
		assert_true(f.at[i] + 1 >= places[i] && f.at[i] <= places[i] + 1);
}

static void shifts_below_the_margin_are_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < 100; i++)
		series[i] = i < 50 ? 0 : 0.019;
	assert_int_equal(search(series, 100).n, 0);
	for (size_t i = 50; i < 100; i++)
		series[i] = 0.021;
	assert_int_equal(search(series, 100).n, 1);
}

static void short_series_have_no_changes(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 12; n++) {
		for (size_t i = 0; i < n; i++)
			series[i] = i < n / 2 ? 1 : 2;
		assert_int_equal(search(series, n).n, 0);
	}
}

/* Upside down, and in other units. */
static void scale_and_sign_do_not_matter(void **state)
{
	(void)state;
	struct random r;
	random_seed(&r, 61);
	for (int trial = 0; trial < 20; trial++) {
		double other[120];
		struct stats_change *a = NULL, *b = NULL;
		size_t n_a = 0, n_b = 0;
		fill(&r, OUTLIERS, 120);
		for (size_t i = 0; i < 120; i++) {
			series[i] += i < 70 ? 0 : 0.15;
			other[i] = -1024 * series[i];
		}
		assert_int_equal(stats_changepoints(series, 120, 0, &a, &n_a), 0);
		assert_int_equal(stats_changepoints(other, 120, 0, &b, &n_b), 0);
		assert_int_equal(n_a, n_b);
		for (size_t i = 0; i < n_a; i++) {
			assert_int_equal(a[i].at, b[i].at);
			assert_true(fabs(a[i].shift * -1024 - b[i].shift) < 1e-9);
		}
		free(a);
		free(b);
	}
}

/* Where it matters, evidence is what counting arrangements gives, or a little less. */
static void evidence_is_that_of_the_exact_distribution(void **state)
{
	(void)state;
	static const size_t sizes[] = { 4, 5, 7, 8, 9, 10, 13, 20, 30, 50 };
	enum { SIZES = sizeof(sizes) / sizeof(*sizes) };
	for (size_t i = 0; i < SIZES; i++) {
		for (size_t j = i; j < SIZES; j++) {
			const size_t n = sizes[i], m = sizes[j];
			for (size_t u = 0; u < n * m / 2; u++) {
				const double exact = -log(2 * stats_mann_whitney_cdf(n, m, u));
				const double ours = stats_rank_evidence(m, n, (double)u);
				if (exact > 5 && exact < 12)
					assert_true(ours > exact - 0.2 &&
						    ours < exact + (m < 20 ? 2 : 1.7));
			}
		}
	}
	assert_true(stats_rank_evidence(0, 4, 0) <= 0);
	assert_true(stats_rank_evidence(4, 4, 8) <= 0);
	assert_true(isfinite(stats_rank_evidence(50000, 50000, 0)));
}

static void a_hundred_thousand_values_are_no_trouble(void **state)
{
	(void)state;
	enum { MANY = 100000 / (SHARE > 1 ? 10 : 1) };
	double *v = malloc(MANY * sizeof(*v));
	assert_non_null(v);
	struct random r;
	random_seed(&r, 43);
	for (size_t i = 0; i < MANY; i++)
		v[i] = 0.03 * random_normal(&r) + (i < MANY / 2 ? 0 : 0.05);
	const struct found f = search(v, MANY);
	assert_int_equal(f.n, 1);
	assert_true(f.at[0] + 5 >= MANY / 2 && f.at[0] <= MANY / 2 + 5);
	/* Changes everywhere: the clearest are reported. */
	for (size_t i = 0; i < MANY; i++)
		v[i] = (double)(i / 50 % 2);
	assert_true(search(v, MANY).n <= STATS_CHANGES_MAX);
	free(v);
}

/* --- claims --------------------------------------------------------------------------------- */

/* Of a thousand series with nothing but noise, those with a claim: the first rows are what is
 * promised, the last what violates the assumption that values are exchangeable. */
static const size_t claims_max[NOISES] = { 10, 10, 10, 10, 10, 20, 120, 20 };

static void noise_alone_has_hardly_any_changes(void **state)
{
	(void)state;
	static const size_t lengths[] = { 30, 100, 1000 };
	static const size_t trials[] = { 10000 / SHARE, 10000 / SHARE, 1000 / SHARE };
	struct random r;
	random_seed(&r, 23);
	for (int noise = 0; noise < NOISES; noise++) {
		for (size_t l = 0; l < 3; l++) {
			size_t claims = 0;
			for (size_t i = 0; i < trials[l]; i++) {
				fill(&r, (enum noise)noise, lengths[l]);
				claims += search(series, lengths[l]).n > 0;
			}
			print_message("%-10s %4zu values: %3zu of %zu series\n", noise_names[noise],
				      lengths[l], claims, trials[l]);
			assert_true(SHARE > 1 || claims * 1000 <= claims_max[noise] * trials[l]);
		}
	}
}

struct power {
	size_t found, close, exact; /* of 1000: within 4 places, within 2, at the very place */
};

/* A step of @effect behind @at values, @behind values ago. */
static struct power power_of(enum noise noise, size_t at, size_t behind, double effect)
{
	enum { TRIALS = 1000 / SHARE };
	struct power p = { 0 };
	struct random r;
	random_seed(&r, 41);
	for (size_t i = 0; i < TRIALS; i++) {
		size_t off = SIZE_MAX;
		fill(&r, noise, at + behind);
		for (size_t j = at; j < at + behind; j++)
			series[j] += log1p(effect);
		const struct found f = search(series, at + behind);
		for (size_t j = 0; j < f.n && j < 8; j++) {
			const size_t distance = f.at[j] > at ? f.at[j] - at : at - f.at[j];
			off = distance < off ? distance : off;
		}
		p.found += (off <= 4) * SHARE;
		p.close += (off <= 2) * SHARE;
		p.exact += (off == 0) * SHARE;
	}
	print_message(
		"%-10s %+.0f %%, %zu and %2zu values: found %4zu, close %4zu, exact %4zu of 1000\n",
		noise_names[noise], 100 * effect, at, behind, p.found, p.close, p.exact);
	return p;
}

static void ten_percent_are_found_soon(void **state)
{
	(void)state;
	static const struct {
		enum noise noise;
		size_t behind, found;
	} promises[] = {
		{ GAUSS, 4, 750 },     { GAUSS, 6, 940 },      { GAUSS, 8, 980 },
		{ SKEW, 4, 680 },      { SKEW, 6, 920 },       { SKEW, 8, 980 },
		{ ROUNDED, 4, 730 },   { ROUNDED, 6, 930 },    { ROUNDED, 8, 980 },
		{ OUTLIERS, 8, 620 },  { OUTLIERS, 12, 880 },  { OUTLIERS, 50, 960 },
		{ BIMODAL, 8, 680 },   { BIMODAL, 12, 880 },   { BIMODAL, 50, 950 },
		{ WANDERING, 8, 840 }, { WANDERING, 12, 960 },
	};
	for (size_t i = 0; i < sizeof(promises) / sizeof(*promises); i++) {
		const struct power p = power_of(promises[i].noise, 50, promises[i].behind, 0.10);
		assert_true(SHARE > 1 || p.found >= promises[i].found);
	}
}

/* Up at 43, back some values later, in series of 100. */
static void changes_that_were_taken_back_are_found(void **state)
{
	(void)state;
	enum { TRIALS = 1000 / SHARE };
	static const size_t lengths[] = { 5, 6, 8, 12 }, promised[] = { 650, 650, 850, 950 };
	struct random r;
	random_seed(&r, 43);
	for (size_t i = 0; i < 4; i++) {
		size_t found = 0;
		for (size_t j = 0; j < TRIALS; j++) {
			fill(&r, GAUSS, 100);
			for (size_t k = 43; k < 43 + lengths[i]; k++)
				series[k] += log1p(0.10);
			const struct found f = search(series, 100);
			found += (f.n == 2 && f.at[0] >= 41 && f.at[0] <= 45) * SHARE;
		}
		print_message("%zu values: %zu of 1000\n", lengths[i], found);
		assert_true(SHARE > 1 || found >= promised[i]);
	}
}

static void places_are_right(void **state)
{
	(void)state;
	const struct power plain = power_of(GAUSS, 50, 50, 0.10);
	assert_true(SHARE > 1 || (plain.close >= 980 && plain.exact >= 850));
	const struct power spiked = power_of(OUTLIERS, 50, 50, 0.10);
	assert_true(SHARE > 1 || spiked.close >= 930);
	const struct power small = power_of(GAUSS, 50, 50, 0.05);
	assert_true(SHARE > 1 || (small.found >= 920 && small.close >= 830));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_is_found_where_it_is),
		cmocka_unit_test(counts_without_noise_are_no_special_case),
		cmocka_unit_test(spikes_are_no_changes),
		cmocka_unit_test(several_changes_do_not_hide_each_other),
		cmocka_unit_test(shifts_below_the_margin_are_none),
		cmocka_unit_test(short_series_have_no_changes),
		cmocka_unit_test(scale_and_sign_do_not_matter),
		cmocka_unit_test(evidence_is_that_of_the_exact_distribution),
		cmocka_unit_test(a_hundred_thousand_values_are_no_trouble),
		cmocka_unit_test(noise_alone_has_hardly_any_changes),
		cmocka_unit_test(ten_percent_are_found_soon),
		cmocka_unit_test(changes_that_were_taken_back_are_found),
		cmocka_unit_test(places_are_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
