/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_TICK_CLOCK_H
#define STARTLINE_BASE_TICK_CLOCK_H
/*
 * The processor's clock (TSC), which others wrote down, as nanoseconds of CLOCK_MONOTONIC: by looks at both at
 * once, the first and the last of which tell how long a tick is. What comes from others may be any number.
 */

#include <math.h>
#include <stdint.h>

/* 36 years: more than any machine has been up. */
#define TICK_CLOCK_MOST_NS ((double)(1ull << 60))

struct tick_clock {	    /* all zero: nobody has looked */
	uint64_t ticks, ns; /* at the first look */
	double ns_per_tick; /* 0 until the second one */
};

/* Both clocks stand at that now. */
void tick_clock_look(struct tick_clock *c, uint64_t ticks, uint64_t now_ns);
/* When it stood at @ticks; 0: never, as far as is known. In here, as it is asked of each record. */
static inline uint64_t tick_clock_ns(const struct tick_clock *c, uint64_t ticks)
{
	const double since_ns = (double)(int64_t)(ticks - c->ticks) * c->ns_per_tick;
	if (fabs(since_ns) > TICK_CLOCK_MOST_NS || since_ns < -(double)c->ns)
		return 0;
	return c->ns + (uint64_t)(int64_t)since_ns;
}
/* How it stands at @at_ns; UINT64_MAX: nobody knows, or that is too far away. */
uint64_t tick_clock_ticks(const struct tick_clock *c, uint64_t at_ns);
/* How long @n_ticks are. */
uint64_t tick_clock_length_ns(const struct tick_clock *c, uint64_t n_ticks);

#endif
