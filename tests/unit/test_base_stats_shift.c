/* SPDX-License-Identifier: MIT */
/* Two samples set against each other: by counting every arrangement, and against R and SciPy. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/random.h"
#include "userspace/base/stats_shift.h"

#define MOST 8

static void check(double actual, double expected)
{
	if (isnan(expected) || isinf(expected))
		assert_true(isnan(expected) ? isnan(actual) : actual == expected);
	else
		assert_true(fabs(actual - expected) <= 1e-9 * fmax(1, fabs(expected)));
}

static int by_value(const void *left, const void *right)
{
	const double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

/* Number of subsets of @n ranks out of n + m, by their U. */
static void count_by_hand(unsigned int n, unsigned int m, double *counts)
{
	memset(counts, 0, (MOST * MOST + 1) * sizeof(*counts));
	for (unsigned int subset = 0; subset < 1u << (n + m); subset++) {
		if ((unsigned int)__builtin_popcount(subset) != n)
			continue;
		size_t u = 0, lower = 0;
		for (unsigned int rank = 0; rank < n + m; rank++) {
			if (subset >> rank & 1)
				u += lower;
			else
				lower++;
		}
		counts[u]++;
	}
}

static void null_distribution_is_that_of_all_arrangements(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= MOST; n++) {
		for (unsigned int m = 1; m <= MOST; m++) {
			double counts[MOST * MOST + 1], total = 0, sum = 0;
			count_by_hand(n, m, counts);
			for (size_t u = 0; u <= (size_t)n * m; u++)
				total += counts[u];
			for (size_t u = 0; u <= (size_t)n * m; u++) {
				sum += counts[u];
				check(stats_mann_whitney_cdf(n, m, u), sum / total);
			}
		}
	}
}

/* All differences, sorted: what the bisection finds without storing them. */
static void shift_and_interval_are_order_statistics_of_the_differences(void **state)
{
	(void)state;
	struct random random;
	random_seed(&random, 23);
	for (size_t n = 5; n <= 20; n += 3) {
		double base[20], head[20], differences[400];
		struct stats_shift s;
		for (size_t i = 0; i < n; i++) {
			base[i] = random_normal(&random);
			head[i] = random_normal(&random) + 0.3;
		}
		for (size_t i = 0; i < n * n; i++)
			differences[i] = head[i / n] - base[i % n];
		qsort(differences, n * n, sizeof(*differences), by_value);
		assert_int_equal(stats_shift_of(base, n, head, n, 1, 0.99, &s), 0);
		assert_true(s.is_exact);
		check(s.shift, n % 2 == 1
				       ? differences[n * n / 2]
				       : (differences[n * n / 2 - 1] + differences[n * n / 2]) / 2);
		size_t k = 0;
		while (stats_mann_whitney_cdf(n, n, k) < 0.005)
			k++;
		assert_true(k >= 1);
		assert_true(s.low == differences[k - 1]);
		assert_true(s.high == differences[n * n - k]);
	}
}

static void too_few_values_bound_nothing(void **state)
{
	(void)state;
	const double base[] = { 1, 2, 3, 4 }, head[] = { 11, 12, 13, 14 };
	struct stats_shift s;
	assert_int_equal(stats_shift_of(base, 4, head, 4, 1, 0.99, &s), 0);
	check(s.shift, 10);
	check(s.low, -INFINITY);
	check(s.high, INFINITY);
	check(s.p, 2.0 / 70);
	assert_int_equal(stats_shift_of(base, 0, head, 4, 1, 0.99, &s), 0);
	check(s.shift, (double)NAN);
	check(s.p, (double)NAN);
	assert_int_equal(stats_shift_of(base, 1, head, 1, 1, 0.99, &s), 0);
	check(s.shift, 10);
	check(s.p, 1);
	/* That they are the same proves no more. */
	assert_int_equal(stats_shift_of(base, 1, base, 1, 1, 0.99, &s), 0);
	check(s.shift, 0);
	check(s.low, -INFINITY);
	check(s.high, INFINITY);
	const double tied[] = { 3, 3, 3, 3 };
	assert_int_equal(stats_shift_of(tied, 4, tied, 4, 1, 0.99, &s), 0);
	check(s.low, -INFINITY);
	check(s.high, INFINITY);
}

static void five_values_a_side_bound_at_99_percent(void **state)
{
	(void)state;
	const double base[] = { 1, 2, 3, 4, 5 }, head[] = { 11.5, 12.5, 13.5, 14.5, 15.5 };
	struct stats_shift s;
	assert_int_equal(stats_shift_of(base, 5, head, 5, 1, 0.99, &s), 0);
	check(s.low, 6.5);
	check(s.high, 14.5);
}

static void swapping_the_sides_turns_the_sign(void **state)
{
	(void)state;
	const double a[] = { 3, 1, 4, 1.5, 9, 2.6, 5.3 }, b[] = { 2.7, 1.8, 2.8, 1.9, 8, 4.5 };
	struct stats_shift there, back;
	assert_int_equal(stats_shift_of(a, 7, b, 6, 1, 0.95, &there), 0);
	assert_int_equal(stats_shift_of(b, 6, a, 7, 1, 0.95, &back), 0);
	check(there.shift, -back.shift);
	check(there.low, -back.high);
	check(there.high, -back.low);
	check(there.p, back.p);
}

static void values_without_spread_are_certain(void **state)
{
	(void)state;
	const double same[] = { 41, 41, 41, 41, 41, 41, 41, 41 };
	const double other[] = { 43, 43, 43, 43, 43, 43, 43, 43 };
	struct stats_shift s;
	assert_int_equal(stats_shift_of(same, 8, same, 8, 1, 0.99, &s), 0);
	check(s.p, 1);
	check(s.low, 0);
	check(s.high, 0);
	assert_int_equal(stats_shift_of(same, 8, other, 8, 1, 0.99, &s), 0);
	assert_false(s.is_exact);
	assert_true(s.p < 0.001);
	check(s.low, 2);
	check(s.high, 2);
}

/* wilcox.test(head, base, conf.int = TRUE, conf.level = 0.95) of R 4.2. */
static void agrees_with_r(void **state)
{
	(void)state;
	/* Hollander and Wolfe (1973), p. 69: permeability of the human chorioamnion. */
	const double head[] = { 0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46 };
	const double base[] = { 1.15, 0.88, 0.90, 0.74, 1.21 };
	struct stats_shift s;
	assert_int_equal(stats_shift_of(base, 5, head, 10, 1, 0.95, &s), 0);
	assert_true(s.is_exact);
	check(s.p, 0.25441225441225441);
	check(s.shift, 0.305);
	check(s.low, -0.15);
	check(s.high, 0.76);
	check(stats_p_above(base, 5, head, 10, 1, 0), 0.12720612720612721);
}

static void a_margin_makes_it_harder_to_be_above(void **state)
{
	(void)state;
	const double base[] = { 1, 2, 3, 4, 5, 6 }, head[] = { 7.5, 8.5, 9.5, 10.5, 11.5, 12.5 };
	assert_true(stats_p_above(base, 6, head, 6, 1, 0) < 0.002);
	assert_true(stats_p_above(base, 6, head, 6, 1, 6.2) > 0.3);
	assert_true(stats_p_above(base, 6, head, 6, 1, 20) > 0.99);
}

/* --- blocks --------------------------------------------------------------------------------- */

enum { BLOCK = 10, MOST_BLOCKS = 12 };

/* What a machine does to both sides of a block is not in the result. */
static void blocks_compare_what_is_of_one_time(void **state)
{
	(void)state;
	enum { N = 2 * BLOCK, DIFFERENCES = N * BLOCK };
	struct random random;
	double base[N], head[N], differences[DIFFERENCES];
	struct stats_shift s;
	random_seed(&random, 29);
	for (size_t i = 0; i < N; i++) {
		base[i] = random_normal(&random) + (i < BLOCK ? 0 : 64);
		head[i] = random_normal(&random) + (i < BLOCK ? 2 : 66);
	}
	for (size_t i = 0; i < DIFFERENCES; i++)
		differences[i] = head[i / BLOCK] - base[i / BLOCK / BLOCK * BLOCK + i % BLOCK];
	qsort(differences, DIFFERENCES, sizeof(*differences), by_value);
	assert_int_equal(stats_shift_of(base, N, head, N, 2, 0.984, &s), 0);
	check(s.shift, (differences[DIFFERENCES / 2 - 1] + differences[DIFFERENCES / 2]) / 2);
	/* 100 - 2.409 * sqrt(2 * 100 * 21 / 12) + 0.5, rounded down. */
	check(s.low, differences[55 - 1]);
	check(s.high, differences[DIFFERENCES - 55]);
	assert_true(s.p < 1e-4);
	assert_true(stats_p_above(base, N, head, N, 2, 0) < 5e-5);
	assert_true(stats_p_above(head, N, base, N, 2, 0) > 0.999);
	assert_true(stats_p_above(base, N, head, N, 1, 0) > 0.01);
}

/* No block is without a value of each side. */
static void there_are_no_more_blocks_than_values(void **state)
{
	(void)state;
	const double base[] = { 1, 2, 3, 4, 5, 6, 7 }, head[] = { 3, 6 };
	struct stats_shift s;
	assert_int_equal(stats_shift_of(base, 7, head, 2, 5, 0.9, &s), 0);
	/* 3 - {1, 2, 3} and 6 - {4, 5, 6, 7}. */
	check(s.shift, 1);
}

/* @n_blocks blocks in which @u differences are above 0. */
static void fill_blocks(size_t n_blocks, size_t u, double *base, double *head)
{
	for (size_t i = 0; i < n_blocks * BLOCK; i++) {
		const size_t above = u < BLOCK ? u : BLOCK;
		base[i] = (double)(i % BLOCK);
		head[i] = (double)above - 0.5 + (double)(i % BLOCK) / 1024;
		u -= above;
	}
}

/* exact[u] = P(U = u) of @n_blocks blocks: blocks do not depend on each other. */
static void convolve(size_t n_blocks, double *exact)
{
	enum { ONE = BLOCK * BLOCK };
	static double sum[MOST_BLOCKS * ONE + 1];
	exact[0] = 1;
	for (size_t b = 0; b < n_blocks; b++) {
		for (size_t u = 0; u <= (b + 1) * ONE; u++) {
			sum[u] = 0;
			for (size_t k = 0; k <= ONE && k <= u; k++) {
				if (u - k > b * ONE)
					continue;
				const double below =
					k > 0 ? stats_mann_whitney_cdf(BLOCK, BLOCK, k - 1) : 0;
				sum[u] += exact[u - k] *
					  (stats_mann_whitney_cdf(BLOCK, BLOCK, k) - below);
			}
		}
		memcpy(exact, sum, ((b + 1) * ONE + 1) * sizeof(*exact));
	}
}

/* The normal approximation says more than the exact p, so that it never claims too much. */
static void blocks_are_no_surer_than_they_may_be(void **state)
{
	(void)state;
	static double exact[MOST_BLOCKS * BLOCK * BLOCK + 1];
	for (size_t n_blocks = 2; n_blocks <= MOST_BLOCKS; n_blocks++) {
		double base[MOST_BLOCKS * BLOCK], head[MOST_BLOCKS * BLOCK], p = 0;
		const size_t n = n_blocks * BLOCK;
		convolve(n_blocks, exact);
		for (size_t u = n * BLOCK; p < 0.02; u--) {
			p += exact[u];
			fill_blocks(n_blocks, u, base, head);
			const double said = stats_p_above(base, n, head, n, n_blocks, 0);
			assert_true(said >= p * (1 - 1e-9));
			assert_true(p < 1e-4 || said < 2 * p);
		}
	}
}

static void many_values_are_no_matter_of_memory(void **state)
{
	(void)state;
	enum { MANY = 30000 };
	static double base[MANY], head[MANY];
	struct random random;
	struct stats_shift s;
	random_seed(&random, 41);
	for (size_t i = 0; i < MANY; i++) {
		base[i] = random_normal(&random);
		head[i] = random_normal(&random) + 1;
	}
	assert_int_equal(stats_shift_of(base, MANY, head, MANY, 1, 0.99, &s), 0);
	assert_true(s.low < 1 && s.high > 1 && s.high - s.low < 0.1);
}

static void holm_adjusts_by_what_is_left(void **state)
{
	(void)state;
	double p[] = { 0.01, 0.04, (double)NAN, 0.03, 0.005 };
	/* p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") of R. */
	stats_holm(p, 5);
	check(p[0], 0.03);
	check(p[1], 0.06);
	check(p[2], (double)NAN);
	check(p[3], 0.06);
	check(p[4], 0.02);
}

/* Results of other tools come by the hundred thousand: comparing each with each would take minutes. */
static void holm_serves_large_families(void **state)
{
	enum { N = 250000 };
	(void)state;
	double *p = malloc(N * sizeof(*p));
	assert_non_null(p);
	for (size_t i = 0; i < N; i++)
		p[i] = (double)((i * 7919) % N + 1) / (100.0 * N * N);
	stats_holm(p, N);
	/* p of rank k is k / 100 N^2, times what is left of N. */
	for (size_t i = 0; i < N; i++) {
		const double rank = (double)((i * 7919) % N + 1), half = (N + 1) / 2.0;
		const double highest = rank < half ? rank : half;
		assert_true(fabs(p[i] - highest * (N - highest + 1) / (100.0 * N * N)) < 1e-12);
	}
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(null_distribution_is_that_of_all_arrangements),
		cmocka_unit_test(shift_and_interval_are_order_statistics_of_the_differences),
		cmocka_unit_test(too_few_values_bound_nothing),
		cmocka_unit_test(five_values_a_side_bound_at_99_percent),
		cmocka_unit_test(swapping_the_sides_turns_the_sign),
		cmocka_unit_test(values_without_spread_are_certain),
		cmocka_unit_test(agrees_with_r),
		cmocka_unit_test(a_margin_makes_it_harder_to_be_above),
		cmocka_unit_test(blocks_compare_what_is_of_one_time),
		cmocka_unit_test(there_are_no_more_blocks_than_values),
		cmocka_unit_test(blocks_are_no_surer_than_they_may_be),
		cmocka_unit_test(many_values_are_no_matter_of_memory),
		cmocka_unit_test(holm_adjusts_by_what_is_left),
		cmocka_unit_test(holm_serves_large_families),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
