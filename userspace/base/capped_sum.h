/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_CAPPED_SUM_H
#define STARTLINE_BASE_CAPPED_SUM_H
/* Sums of numbers that come from a trace or a document, which may say anything. */

#include <stdint.h>

/* @a + @b; the nearest that there is where that cannot be told. */
static inline int64_t capped_sum(int64_t a, int64_t b)
{
	int64_t sum;
	if (!__builtin_add_overflow(a, b, &sum))
		return sum;
	return b > 0 ? INT64_MAX : INT64_MIN;
}

#endif
