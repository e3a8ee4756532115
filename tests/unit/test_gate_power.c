/* SPDX-License-Identifier: MIT */
/* What the gate can prove: less the more values scatter, and never less than the margin. */

#include <math.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/random.h"
#include "userspace/gate/power.h"

#define N 300

static double smallest(double scatter)
{
	double values[N];
	struct random random;
	random_seed(&random, 41);
	for (size_t i = 0; i < N; i++)
		values[i] = exp(scatter * random_normal(&random));
	return power_smallest_effect(values, N, 30, 23);
}

static void more_noise_hides_more(void **state)
{
	(void)state;
	const double calm = smallest(0.002), usual = smallest(0.03), wild = smallest(0.12);
	/* The margin is 2 %: what is just above it shows when hardly anything scatters. */
	assert_true(calm <= 0.04);
	/* Five of a hundred are caught in 85 at 3 % of noise by thirty pairs, ten in all. */
	assert_true(usual >= 0.05 && usual <= 0.08);
	assert_true(wild >= 0.15 && wild <= 0.40);
}

static void what_cannot_be_proven_is_nan(void **state)
{
	const double one[] = { 1 };
	(void)state;
	assert_true(isnan(smallest(2)));
	assert_true(isnan(power_smallest_effect(one, 0, 30, 1)));
	assert_true(isnan(power_smallest_effect(one, 1, 3, 1)));
}

static void a_rate_is_bounded_by_the_tries(void **state)
{
	(void)state;
	/* "The rule of three", exactly: 1 - 0.05^(1/n). */
	assert_float_equal(power_rate_bound(0, 10), 0.258866, 1e-6);
	assert_float_equal(power_rate_bound(0, 300), 0.009936, 1e-6);
	/* qbeta(0.95, 2, 9) in R. */
	assert_float_equal(power_rate_bound(1, 10), 0.394163, 1e-6);
	assert_float_equal(power_rate_bound(0, 0), 1, 0);
	assert_float_equal(power_rate_bound(10, 10), 1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_noise_hides_more),
		cmocka_unit_test(what_cannot_be_proven_is_nan),
		cmocka_unit_test(a_rate_is_bounded_by_the_tries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
