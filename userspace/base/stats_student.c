/* SPDX-License-Identifier: MIT */
/* The tail is an incomplete beta function, by its continued fraction (DLMF 8.17.22), evaluated after
 * Lentz; the quantile is found by halving. */

#include "userspace/base/stats_student.h"

#include <math.h>
#include <stdbool.h>

#define TERMS_MAX 2000
#define PRECISION 1e-15
#define TINY	  1e-300
#define HALVINGS  200

static double not_zero(double v)
{
	return fabs(v) < TINY ? TINY : v;
}

/* Converges fast for x < (a + 1) / (a + b + 2). */
static double fraction(double x, double a, double b)
{
	double c = 1, d = 1 / not_zero(1 - (a + b) * x / (a + 1)), f = d;
	for (int m = 1; m < TERMS_MAX; m++) {
		const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		d = 1 / not_zero(1 + even * d);
		c = not_zero(1 + even / c);
		f *= c * d;
		d = 1 / not_zero(1 + odd * d);
		c = not_zero(1 + odd / c);
		f *= c * d;
		if (fabs(c * d - 1) < PRECISION)
			break;
	}
	return f;
}

static double beta(double x, double a, double b)
{
	if (x <= 0 || x >= 1)
		return x <= 0 ? 0 : 1;
	const bool is_turned = x >= (a + 1) / (a + b + 2);
	const double front =
		exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
	return is_turned ? 1 - front * fraction(1 - x, b, a) / b : front * fraction(x, a, b) / a;
}

double stats_student_above(double t, double df)
{
	if (isnan(t))
		return NAN;
	const double tail = beta(df / (df + t * t), df / 2, 0.5) / 2;
	return t >= 0 ? tail : 1 - tail;
}

double stats_student_quantile(double p, double df)
{
	double low = 0, high = 1;
	if (p > 0.5)
		return -stats_student_quantile(1 - p, df);
	while (stats_student_above(high, df) > p && isfinite(high))
		high *= 2;
	for (int i = 0; i < HALVINGS && high - low > 1e-10 * high; i++) {
		const double middle = (low + high) / 2;
		if (stats_student_above(middle, df) > p)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}
