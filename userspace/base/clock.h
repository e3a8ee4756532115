/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_CLOCK_H
#define STARTLINE_BASE_CLOCK_H
/* The kernel's clocks as one number. */

#include <stdint.h>
#include <time.h>

#include "userspace/base/units.h"

/* In nanoseconds, of a clock that always can be read, such as CLOCK_MONOTONIC. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t = { 0 };
	(void)clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

#endif
