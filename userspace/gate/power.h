/* SPDX-License-Identifier: MIT */
/* What the gate can prove, given how values scatter. */
#ifndef USERSPACE_GATE_POWER_H
#define USERSPACE_GATE_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The smallest slowdown, of a ladder of them (0.03 is 3 %), that an interleaved comparison of at most
 * @max_pairs pairs calls "regressed" in 95 of 100 tries; in each, base, head and control are drawn
 * with replacement from @values[0..@n), which are times of the same program, and head is made slower.
 * NAN: none of them is, or no memory. The same @seed gives the same answer. */
double power_smallest_effect(const double *values, size_t n, size_t max_pairs, uint64_t seed);

/* The highest rate of alarms that @alarms in @n tries still leave possible, at 95 % (Clopper and
 * Pearson 1934, one-sided). 1 where @n is 0. */
double power_rate_bound(size_t alarms, size_t n);

#endif
