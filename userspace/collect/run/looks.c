/* SPDX-License-Identifier: MIT */
/* When the resident memory of the tree is looked at: at readiness, before startline ends the tree, and on
 * its way up, so that there has been a look near the peak; pace.h says how often. What the tree has grown by since the
 * last one is the error of its peak. That look is kept until the run is over. */

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "userspace/base/clock.h"
#include "userspace/collect/proc/own_allocator.h"
#include "userspace/collect/proc/resident.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/run.h"

/* Where a tree has very many processes, most are only looked at as a whole. */
#define LONG_MOST 64
/* Of one look. */
#define KEPT_MOST ((size_t)16 << 20)
/* Images of a run that are looked at as soon as they begin, or half as many where each is twice: these looks
 * have no other bound. */
#define EARLY_MOST 64

_Static_assert(offsetof(struct sl_resident, when) == offsetof(struct sl_allocator, when),
	       "what a look keeps says when in the same place");

struct keeping {
	struct buf *kept;
	struct sink sink; /* NULL: only to be kept */
};

static int keep(void *data, const struct sl_event *event)
{
	struct keeping *k = data;
	(void)buf_add(k->kept, event, event->size);
	return k->sink.event != NULL ? k->sink.event(k->sink.data, event) : 0;
}

static int look_at(struct run *r, pid_t pid, struct resident_ask *ask, struct resident_sums *sums,
		   struct sink sink)
{
	struct shim_allocator allocator = { 0 };
	const bool has_allocator =
		r->c->shim != NULL && source_shim_allocator(r->c->shim, pid, &allocator);
	ask->allocator = allocator.kind;
	const int e = source_proc_resident(pid, ask, sums, sink);
	return e < 0 || !has_allocator
		       ? e
		       : source_proc_allocator(pid, ask->is_ns, ask->when, &allocator, sink);
}

static struct resident_ask look_ask(const struct run *r, enum sl_when when)
{
	const bool has_shim = r->c->shim != NULL;
	return (struct resident_ask){
		.when = when,
		.is_ns = r->tree.use_ns_pids,
		.own_directory = has_shim ? source_shim_directory(r->c->shim) : NULL,
		.own_file = has_shim ? source_shim_path(r->c->shim) : NULL,
	};
}

static int look(struct run *r, enum sl_when when, struct sink sink, struct resident_sums *ret)
{
	struct resident_ask ask = look_ask(r, when);
	int e = !r->tree.has_events || r->tree.use_ns_pids ? run_walk(r) : 0;
	*ret = (struct resident_sums){ 0 };
	for (size_t i = 0; e >= 0 && i < r->tree.pids.n; i++) {
		ask.is_short = i >= LONG_MOST;
		e = look_at(r, r->tree.pids.items[i], &ask, ret, sink);
	}
	return e;
}

/* Whose sum is the highest is the one that stands for the peak. */
static void keep_highest(struct run *r, struct buf *kept, const struct resident_sums *sums)
{
	struct looks *l = &r->looks;
	if (sums->pss_bytes > l->pss.pss_bytes) {
		l->pss = *sums;
		l->pss_ns = now_ns();
	}
	if (sums->rss_bytes <= l->rss_bytes || kept->error < 0)
		return;
	l->rss_bytes = sums->rss_bytes;
	const struct buf before = l->peak;
	l->peak = *kept;
	*kept = before;
}

int run_look(struct run *r, enum sl_when when)
{
	_cleanup_(buf_done) struct buf kept = { .limit = KEPT_MOST };
	struct keeping keeping = { &kept, collector_sink(r->c) };
	struct resident_sums sums;
	/* Before it has executed the command's memory is still ours. */
	if (r->target.report_fd >= 0)
		return 0;
	const int e = look(r, when, (struct sink){ keep, &keeping }, &sums);
	if (e >= 0)
		keep_highest(r, &kept, &sums);
	return e;
}

int run_look_up(struct run *r, uint64_t now)
{
	struct looks *l = &r->looks;
	if (r->spawn_ns == 0 || r->stop != 0 || r->target.report_fd >= 0)
		return 0;
	const uint64_t bytes = source_bpf_tells(r->c->bpf, TOLD_MEMORY)
				       ? source_bpf_resident(r->c->bpf)
				       : r->resident_bytes;
	if (!look_is_due(&l->pace, bytes, r->tree.pids.n, now - r->spawn_ns))
		return 0;
	_cleanup_(buf_done) struct buf kept = { .limit = KEPT_MOST };
	struct keeping keeping = { .kept = &kept };
	struct resident_sums sums;
	/* Time on the CPU: where others run instead, a look takes longer and costs no more. */
	const uint64_t begin_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	const int e = look(r, SL_WHEN_PEAK, (struct sink){ keep, &keeping }, &sums);
	/* Who may not be looked at will not be seen later either. */
	look_was_taken(&l->pace, bytes, sums.n_failed > 0 ? bytes : sums.rss_bytes,
		       clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin_ns);
	if (e >= 0)
		keep_highest(r, &kept, &sums);
	return e;
}

void run_look_feed(struct run *r, const struct sl_event *event)
{
	const struct sl_mapping *mapping = (const void *)event;
	struct looks *l = &r->looks;
	if (event->kind != SL_KIND_MAPPING ||
	    (mapping->op == SL_MAPPING_ENTER ? mapping->flags == 0
					     : mapping->op != SL_MAPPING_LINKED) ||
	    !r->spec->looks_early || r->is_ready || r->tree.use_ns_pids ||
	    l->n_early == EARLY_AHEAD || l->n_early_all == EARLY_MOST)
		return;
	l->early[l->n_early++] = (struct early_look){
		.pid = (pid_t)event->pid,
		.when = mapping->op == SL_MAPPING_ENTER ? SL_WHEN_MAIN : SL_WHEN_LINKED,
	};
	l->n_early_all++;
}

int run_look_early(struct run *r)
{
	struct looks *l = &r->looks;
	const size_t n = l->n_early;
	int e = 0;
	l->n_early = 0;
	for (size_t i = 0; i < n && e >= 0; i++) {
		struct resident_sums sums = { 0 };
		const struct resident_ask ask = look_ask(r, l->early[i].when);
		e = source_proc_resident(l->early[i].pid, &ask, &sums, collector_sink(r->c));
	}
	return e;
}

int run_look_done(struct run *r)
{
	struct looks *l = &r->looks;
	const struct sink sink = collector_sink(r->c);
	if (l->pss_ns == 0)
		return 0;
	struct sl_resident tree = {
		.event = emit_header(SL_KIND_RESIDENT, sizeof(tree), l->pss_ns, 0),
		.when = SL_WHEN_PEAK,
		.part = SL_PART_ALL,
		.result = l->pss.n_failed > 0 ? -EACCES : 0,
		.rss_bytes = l->pss.rss_bytes,
		.pss_bytes = l->pss.pss_bytes,
		.private_bytes = l->pss.private_bytes,
	};
	int e = sink.event(sink.data, &tree.event);
	for (size_t at = 0; e >= 0 && at < l->peak.len;) {
		/* Its pieces are multiples of 8, and so are their places. RESIDENT and ALLOCATOR begin alike. */
		struct sl_resident *one = (void *)(l->peak.data + at);
		one->when = SL_WHEN_PEAK;
		at += one->event.size;
		e = sink.event(sink.data, &one->event);
	}
	buf_done(&l->peak);
	return e;
}
