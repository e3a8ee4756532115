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

void heap_bound_add(struct heap_bound *at_once, const struct lane_sums *sums)
{
	const int64_t peak = clamp(sums->peak_bytes);
	int64_t lacking = clamp(sums->peak_error_bytes);

	if (lacking < SL_LANE_FLUSH_BYTES)
		lacking = SL_LANE_FLUSH_BYTES;
	at_once->lacking = clamp(at_once->lacking + (peak < lacking ? peak : lacking));
	at_once->peaks = clamp(at_once->peaks + peak + clamp(sums->peak_error_bytes));
}

void heap_bound_read(struct heap_bound *at_once, struct lane *lane, int fd)
{
	struct lane_sums sums = { .peak_bytes = SL_LANE_FLUSH_BYTES };

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
	if (at_once->lacking > highest->lacking)
		highest->lacking = at_once->lacking;
	if (at_once->peaks > highest->peaks)
		highest->peaks = at_once->peaks;
}

uint64_t heap_bound_error(const struct heap_bound *highest, int64_t tree_peak)
{
	const int64_t above = clamp(highest->peaks - clamp(tree_peak));

	return (uint64_t)(above < highest->lacking ? above : highest->lacking);
}
