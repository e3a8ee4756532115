/* SPDX-License-Identifier: MIT */
/* Descriptive statistics, against values worked out by hand or with R. */

#include <math.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/stats.h"

static void check(double actual, double expected)
{
	if (isnan(expected))
		assert_true(isnan(actual));
	else
		assert_true(fabs(actual - expected) <= 1e-9 * fmax(1, fabs(expected)));
}

static const double none = (double)NAN;

/* 1..n, in an order that is not sorted. */
static void fill_shuffled(double *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v[i] = (double)((i * 7919) % n + 1);
}

static void no_values_have_no_statistics(void **state)
{
	(void)state;
	double v[1] = { 0 };
	check(stats_min(v, 0), none);
	check(stats_max(v, 0), none);
	check(stats_mean(v, 0), none);
	check(stats_stddev(v, 0), none);
	check(stats_median(v, 0), none);
	check(stats_mad(v, 0), none);
	check(stats_quantile(v, 0, 0.5), none);
	check(stats_p95(v, 0), none);
	assert_int_equal(stats_count_outliers(v, 0), 0);
	check(stats_ci95_median(v, 0).low, none);
	check(stats_ci95_median(v, 0).high, none);
}

static void one_value_is_its_own_median_without_spread(void **state)
{
	(void)state;
	double v[] = { 41 };
	check(stats_median(v, 1), 41);
	check(stats_mean(v, 1), 41);
	check(stats_mad(v, 1), 0);
	check(stats_stddev(v, 1), none);
	check(stats_quantile(v, 1, 0.75), 41);
}

static void summary_of_a_small_sample(void **state)
{
	(void)state;
	double v[] = { 2, 4, 4, 4, 5, 5, 7, 9 };
	check(stats_min(v, 8), 2);
	check(stats_max(v, 8), 9);
	check(stats_mean(v, 8), 5);
	check(stats_stddev(v, 8), sqrt(32.0 / 7));
	check(stats_median(v, 8), 4.5);
	check(stats_mad(v, 8), 0.5);
}

static void median_absolute_deviation_matches_its_definition(void **state)
{
	(void)state;
	double odd[] = { 6, 1, 14, 2, 9 }; /* deviations from 6: 0 5 8 4 3 */
	check(stats_mad(odd, 5), 4);
	double even[] = { 1, 3, 100, 4 }; /* deviations from 3.5: 2.5 0.5 96.5 0.5 */
	check(stats_mad(even, 4), 1.5);
	double equal[] = { 7, 7, 7, 7 };
	check(stats_mad(equal, 4), 0);
	double one_sided[] = { 5, 5, 5, 5, 9, 10 };
	check(stats_mad(one_sided, 6), 0);
	double two[] = { 1, 2 };
	check(stats_mad(two, 2), 0.5);
}

static void quantiles_are_of_type_seven(void **state)
{
	(void)state;
	/* R: quantile(c(1, 2, 4, 8, 16, 32), c(.25, .75, .95)) */
	double v[] = { 32, 1, 16, 2, 8, 4 };
	check(stats_quantile(v, 6, 0.25), 2.5);
	check(stats_quantile(v, 6, 0.75), 14);
	check(stats_quantile(v, 6, 0.95), 28);
	check(stats_quantile(v, 6, 0), 1);
	check(stats_quantile(v, 6, 1), 32);
}

static void check_interval(struct stats_interval got, double low, double high)
{
	check(got.low, low);
	check(got.high, high);
}

static void check_quartiles(size_t n, double low, double high)
{
	double v[] = { 32, 1, 16, 2, 8, 4, 64, 128, 256 };
	double sorted[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256 };
	check_interval(stats_quartiles(n == 6 ? v : sorted, n), low, high);
}

static void quartiles_are_those_of_pytest_benchmark(void **state)
{
	(void)state;
	/* Its Stats.q1 and Stats.q3; R: quantile(c(1, 2, 4, 8, 16, 32), c(.25, .75), type = 5) */
	check_quartiles(0, none, none);
	check_quartiles(1, 1, 1);
	check_quartiles(2, 1, 2);
	check_quartiles(3, 1.25, 3.5);
	check_quartiles(4, 1.5, 6);
	check_quartiles(5, 1.75, 10);
	check_quartiles(6, 2, 16);
	check_quartiles(7, 2.5, 28);
	check_quartiles(9, 3.5, 80);
}

static void tail_quantiles_need_enough_values(void **state)
{
	(void)state;
	double v[100];
	assert_int_equal(stats_quantile_min_n(0.95), 20);
	assert_int_equal(stats_quantile_min_n(0.99), 100);
	assert_int_equal(stats_quantile_min_n(0.5), 2);
	fill_shuffled(v, 19);
	check(stats_p95(v, 19), none);
	fill_shuffled(v, 20);
	check(stats_p95(v, 20), 19.05);
	fill_shuffled(v, 99);
	check(stats_p99(v, 99), none);
	fill_shuffled(v, 100);
	check(stats_p99(v, 100), 99.01);
}

static void outliers_lie_beyond_the_fences(void **state)
{
	(void)state;
	double v[] = { 10, 11, 12, 13, 14, 100, -90, 12, 12, 13, 11 };
	assert_int_equal(stats_count_outliers(v, 11), 2);
	double few[] = { 1, 2, 1000 };
	assert_int_equal(stats_count_outliers(few, 3), 0);
	double equal[] = { 5, 5, 5, 5, 5 };
	assert_int_equal(stats_count_outliers(equal, 5), 0);
}

static void check_ci95(size_t n, double low, double high)
{
	double v[3000];
	fill_shuffled(v, n);
	check_interval(stats_ci95_median(v, n), low, high);
}

/* The ranks are those of the sign test's table, e.g. Conover table A3. */
static void interval_of_the_median_has_the_ranks_of_the_binomial_table(void **state)
{
	(void)state;
	check_ci95(5, none, none);
	check_ci95(6, 1, 6);
	check_ci95(8, 1, 8);
	check_ci95(9, 2, 8);
	check_ci95(10, 2, 9);
	check_ci95(20, 6, 15);
	check_ci95(100, 40, 61);
	/* Beyond where 0.5^n is representable. */
	check_ci95(2000, 956, 1045);
}

static void large_values_do_not_hide_small_differences(void **state)
{
	(void)state;
	const double v[] = { 1e15 + 1, 1e15 + 2, 1e15 + 3 };
	check(stats_mean(v, 3), 1e15 + 2);
	check(stats_stddev(v, 3), 1);
}

static void missing_values_are_dropped_in_place(void **state)
{
	(void)state;
	double v[] = { none, 3, (double)INFINITY, 1, none };
	assert_int_equal(stats_drop_missing(v, 5), 2);
	check(v[0], 3);
	check(v[1], 1);
}

/* Of Wilson (1927), and where lambda solves (x - lambda)^2 = z^2 lambda. */
static void intervals_of_samples_follow_the_score(void **state)
{
	(void)state;
	struct stats_interval i = stats_share_interval(0.5, 10);
	assert_true(fabs(i.low - 0.236593) < 1e-6 && fabs(i.high - 0.763407) < 1e-6);
	i = stats_share_interval(0, 10);
	assert_true(fabs(i.low) < 1e-12 && fabs(i.high - 0.277533) < 1e-6);
	i = stats_share_interval(1, 10);
	assert_true(fabs(i.low - 0.722467) < 1e-6 && fabs(i.high - 1) < 1e-12);
	i = stats_count_interval(10);
	assert_true(fabs(i.low - 5.432) < 1e-3 && fabs(i.high - 18.409) < 1e-3);
	i = stats_count_interval(0);
	assert_true(fabs(i.low) < 1e-12 && fabs(i.high - 3.841459) < 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_values_have_no_statistics),
		cmocka_unit_test(one_value_is_its_own_median_without_spread),
		cmocka_unit_test(summary_of_a_small_sample),
		cmocka_unit_test(median_absolute_deviation_matches_its_definition),
		cmocka_unit_test(quantiles_are_of_type_seven),
		cmocka_unit_test(quartiles_are_those_of_pytest_benchmark),
		cmocka_unit_test(tail_quantiles_need_enough_values),
		cmocka_unit_test(outliers_lie_beyond_the_fences),
		cmocka_unit_test(interval_of_the_median_has_the_ranks_of_the_binomial_table),
		cmocka_unit_test(large_values_do_not_hide_small_differences),
		cmocka_unit_test(missing_values_are_dropped_in_place),
		cmocka_unit_test(intervals_of_samples_follow_the_score),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
