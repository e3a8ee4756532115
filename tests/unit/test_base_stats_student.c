/* SPDX-License-Identifier: MIT */
/* Student's t against its tables and closed forms. */

#include <math.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/stats_student.h"

static void assert_near(double actual, double expected, double most)
{
	assert_true(fabs(actual - expected) <= most);
}

static void tails_are_those_of_closed_forms(void **state)
{
	(void)state;
	/* With one degree of freedom it is Cauchy's, with two an algebraic function. */
	for (double t = -20; t <= 20; t += 0.37) {
		const double two = 0.5 - t / (2 * sqrt(2 + t * t));
		assert_near(stats_student_above(t, 1), 0.5 - atan(t) / M_PI, 1e-12);
		assert_near(stats_student_above(t, 2), two, 1e-12);
	}
	/* With many it is the normal one. */
	assert_near(stats_student_above(3, 1e7), erfc(3 / sqrt(2)) / 2, 1e-8);
	assert_true(isnan(stats_student_above(NAN, 3)));
}

static void quantiles_are_those_of_the_tables(void **state)
{
	(void)state;
	static const struct {
		double p, df, t;
	} rows[] = {
		{ 0.025, 1, 12.7062 },	 { 0.025, 4, 2.77645 },	 { 0.005, 8, 3.35539 },
		{ 0.0005, 12, 4.31779 }, { 0.025, 22, 2.07387 }, { 0.5, 7, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const double t = stats_student_quantile(rows[i].p, rows[i].df);
		assert_near(t, rows[i].t, 1e-4);
		assert_near(stats_student_quantile(1 - rows[i].p, rows[i].df), -t, 1e-7);
	}
}

static void the_quantile_has_its_tail(void **state)
{
	(void)state;
	for (double p = 0.4; p > 1e-9; p /= 7) {
		for (double df = 1.5; df < 400; df *= 3)
			assert_near(stats_student_above(stats_student_quantile(p, df), df) / p, 1,
				    1e-6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tails_are_those_of_closed_forms),
		cmocka_unit_test(quantiles_are_those_of_the_tables),
		cmocka_unit_test(the_quantile_has_its_tail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
