/* SPDX-License-Identifier: MIT */
/* See lane_tell.h. */
#include "userspace/collect/shim/lane_tell.h"

#include <string.h>

#include "userspace/collect/run/emit.h"
#include "userspace/collect/shim/heap_bound.h"

static int tell_heap(const struct lane *l, const struct lane_sums *sums,
		     const struct tree_peak *tree, enum sl_when when, struct sink sink)
{
	struct sl_heap heap = {
		.event = emit_header(SL_KIND_HEAP, sizeof(heap), now_ns(), (pid_t)l->ns_pid),
		.when = when,
		.ns_pid = l->ns_pid,
		.since_ns = l->start_ns,
		.requested_bytes = sums->requested_bytes,
		.live_bytes = at_least_zero(sums->live_bytes),
		.peak_bytes = at_least_zero(sums->peak_bytes),
		.peak_error_bytes = at_least_zero(sums->peak_error_bytes),
		.tree_peak_bytes = tree->bytes,
		.tree_peak_error_bytes = tree->error_bytes,
		.tree_peak_excess_bytes = tree->excess_bytes,
	};
	memcpy(heap.calls, sums->calls, sizeof(heap.calls));
	memcpy(heap.buckets, sums->buckets, sizeof(heap.buckets));
	heap.event.flags = SL_SOURCE_SHIM | SL_FLAG_NS_IDS;
	heap.event.cpu = l->number;
	return sink.event(sink.data, &heap.event);
}

/* What the shim spent in this image besides what each image costs. */
static int tell_overhead(const struct lane *l, const struct lane_sums *sums, enum sl_when when,
			 struct sink sink)
{
	struct sl_mark mark = {
		.event = emit_header(SL_KIND_MARK, sizeof(mark), now_ns(), (pid_t)l->ns_pid),
		.mark = SL_MARK_OVERHEAD,
		.detail = when,
		.value = sums->own_ns,
	};
	if (sums->own_ns == 0)
		return 0;
	mark.event.flags |= SL_FLAG_NS_IDS;
	return sink.event(sink.data, &mark.event);
}

/* By then the process may be gone, so it is of the time it was said. */
int lane_tell_peak(const struct lane *l, const struct lane_sums *sums, struct sink sink)
{
	struct sl_usage usage = {
		.event = emit_header(SL_KIND_USAGE, sizeof(usage), sums->left_ns, (pid_t)l->ns_pid),
		.when = SL_WHEN_EXIT,
		.flags = SL_USAGE_NO_IO | SL_USAGE_NO_NET | SL_USAGE_NO_CPU,
		.rss_bytes = SL_UNKNOWN,
		.rss_peak_bytes = sums->rss_peak_bytes,
	};
	if (sums->rss_peak_bytes == 0 || sums->left_ns == 0)
		return 0;
	memcpy(usage.rss_kinds, sums->rss_kinds, sizeof(usage.rss_kinds));
	usage.event.flags |= SL_FLAG_NS_IDS;
	return sink.event(sink.data, &usage.event);
}

int lane_tell_sums(const struct lane *l, const struct lane_sums *sums, const struct tree_peak *tree,
		   enum sl_when when, struct sink sink)
{
	int r = tell_overhead(l, sums, when, sink);
	if (r < 0 || (l->flags & SL_LANE_COUNTS) == 0)
		return r < 0 ? r : 0;
	r = tell_heap(l, sums, tree, when, sink);
	return r < 0 ? r : 1;
}

int lane_tell_tally(const struct lane *l, struct sink sink)
{
	const struct sl_tally tally = {
		.event = emit_header(SL_KIND_TALLY, sizeof(tally), now_ns(), 0),
		.source = SL_SOURCE_SHIM,
		.producer = l->number,
		.count = l->n_delivered + lane_lost(l),
	};
	return sink.event(sink.data, &tally.event);
}
