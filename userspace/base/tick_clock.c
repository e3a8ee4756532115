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

uint64_t tick_clock_length_ns(const struct tick_clock *c, uint64_t n_ticks)
{
	return (uint64_t)fmin((double)n_ticks * c->ns_per_tick, TICK_CLOCK_MOST_NS);
}
