/* SPDX-License-Identifier: MIT */
/* See heap_bound.h. The sums come from hostile memory: they are clamped, not believed. */
#include "userspace/collect/shim/heap_bound.h"

#define LIMIT ((int64_t)1 << 50) /* no machine has more; sums of many stay far from overflow */

static int64_t clamp(int64_t value)
{
	if (value < 0)
		return 0;
	return value > LIMIT ? LIMIT : value;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void heap_bound_add(struct heap_bound *at_once, const struct lane_sums *sums)
{
	const int64_t most = clamp(clamp(sums->peak_bytes) + clamp(sums->peak_error_bytes));
	const int64_t lag = larger(clamp(sums->lag_bytes), SL_LANE_FLUSH_BYTES);
	const int64_t lacking = lag + clamp(sums->hidden_bytes);

	at_once->lag = clamp(at_once->lag + lag);
	at_once->lacking = clamp(at_once->lacking + (most < lacking ? most : lacking));
}

void heap_bound_read(struct heap_bound *at_once, struct lane *lane, int fd)
{
	struct lane_sums sums = { .peak_bytes = LIMIT, .hidden_bytes = LIMIT };

	/* Without a header its writer has not allocated anything yet. */
	if (fd >= 0 && !lane->has_header && lane_read_header(lane, fd) != 0)
		return;
	if (lane->has_header && (lane->flags & SL_LANE_COUNTS) == 0)
		return;
	if (fd >= 0)
		(void)lane_read_sums(lane, fd, &sums);
	heap_bound_add(at_once, &sums);
}

void heap_bound_raise(struct heap_bound *highest, const struct heap_bound *at_once)
{
	highest->lacking = larger(highest->lacking, at_once->lacking);
	highest->lag = larger(highest->lag, at_once->lag);
}

void heap_bound_ended(struct heap_bound *bound, int64_t bytes)
{
	bound->ended = clamp(bound->ended + clamp(bytes));
}

/* What ended before the peak was raised, and was still in it, is found by the look that follows, or
 * was by the one before, which had begun when the peak was read. */
void heap_bound_looked(struct heap_bound *bound, int64_t peak)
{
	if (peak > bound->peak)
		bound->least = larger(bound->least, clamp(peak) - bound->ended -
							    bound->ended_before - bound->lag);
	bound->peak = larger(bound->peak, peak);
	bound->ended_before = bound->ended;
	bound->ended = 0;
}
