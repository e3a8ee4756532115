/* SPDX-License-Identifier: MIT */
/* See tick_clock.h. */
#include "userspace/base/tick_clock.h"

#include <math.h>

void tick_clock_look(struct tick_clock *c, uint64_t ticks, uint64_t now_ns)
{
	if (c->ticks == 0) {
		c->ticks = ticks;
		c->ns = now_ns;
	} else if (ticks > c->ticks) {
		c->ns_per_tick = (double)(now_ns - c->ns) / (double)(ticks - c->ticks);
	}
}

uint64_t tick_clock_ticks(const struct tick_clock *c, uint64_t at_ns)
{
	const double since_ns = (double)at_ns - (double)c->ns;
	if (!(c->ns_per_tick > 0) || fabs(since_ns) > TICK_CLOCK_MOST_NS)
		return UINT64_MAX;
	const double ticks = since_ns / c->ns_per_tick;
	if (ticks < -(double)c->ticks)
		return 0;
	return ticks < TICK_CLOCK_MOST_NS ? c->ticks + (uint64_t)(int64_t)ticks : UINT64_MAX;
}

uint64_t tick_clock_length_ns(const struct tick_clock *c, uint64_t n_ticks)
{
	return (uint64_t)fmin((double)n_ticks * c->ns_per_tick, TICK_CLOCK_MOST_NS);
}
