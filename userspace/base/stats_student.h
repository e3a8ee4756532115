/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_STATS_STUDENT_H
#define STARTLINE_BASE_STATS_STUDENT_H
/*
 * Student's t: what a mean is known to when its spread is known from few values. @df need not be whole;
 * it is > 0.
 */

/* P(T > t). NAN for NAN. */
double stats_student_above(double t, double df);

/* The t with P(T > t) = p, for 0 < p < 1; good to nine digits. */
double stats_student_quantile(double p, double df);

#endif
