/* SPDX-License-Identifier: MIT */
/* Which code has its process map memory, and touches it first: call sites, by process. */
#include "userspace/model/build/internal.h"

#include <stdlib.h>

/* Of a process; the rest counts as growth without a stack. */
#define SITES_MOST 256

void growth_site(struct builder *b, const struct sl_mapsite *e)
{
	struct sl_event at = e->event;
	at.time_ns = e->since_ns;
	const int proc = process_of(b, &at);
	if (proc >= 0 && e->what < SL_MAPSITE_WHATS)
		push(b, &b->growth.sites,
		     (struct map_site_note){ .event = e,
					     .proc = proc,
					     .node = code_node(&b->facts->code, e->stack) });
}

void growth_add(struct growth_sum *to, uint64_t calls, uint64_t bytes)
{
	const int64_t c = counter(calls), n = counter(bytes);
	if (c == UNKNOWN || n == UNKNOWN || to->calls == UNKNOWN ||
	    __builtin_add_overflow(to->calls, c, &to->calls) ||
	    __builtin_add_overflow(to->bytes, n, &to->bytes))
		*to = (struct growth_sum){ UNKNOWN, UNKNOWN };
}

static int by_site(const void *left, const void *right)
{
	const struct map_site_note *a = left, *b = right;
	if (a->proc != b->proc)
		return a->proc < b->proc ? -1 : 1;
	if (a->event->what != b->event->what)
		return a->event->what < b->event->what ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

struct heavy_site {
	int node;
	struct map_site out;
};

static int heaviest_first(const void *left, const void *right)
{
	const struct heavy_site *a = left, *b = right;
	if (a->out.all.bytes != b->out.all.bytes)
		return a->out.all.bytes > b->out.all.bytes ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

/* Of @n notes of one process and kind. Returns how many are at *@ret. */
static size_t make_sites(struct builder *b, const struct map_site_note *notes, size_t n,
			 struct map_site **ret)
{
	struct VEC(struct heavy_site) sites = { 0 };
	for (size_t i = 0; i < n && b->error == 0; i++) {
		if (i == 0 || notes[i].node != notes[i - 1].node)
			push(b, &sites, (struct heavy_site){ .node = notes[i].node });
		if (b->error != 0)
			break;
		struct map_site *out = &vec_last(&sites)->out;
		growth_add(&out->all, notes[i].event->all.calls, notes[i].event->all.bytes);
		growth_add(&out->ready, notes[i].event->ready.calls, notes[i].event->ready.bytes);
	}
	if (sites.n > 0)
		qsort(sites.items, sites.n, sizeof(*sites.items), heaviest_first);
	const size_t n_kept = sites.n < SITES_MOST ? sites.n : SITES_MOST;
	struct map_site *made = keep(b, arena_alloc_array(b->arena, n_kept + 1, sizeof(*made)));
	size_t n_made = 0;
	for (; made != NULL && b->error == 0 && n_made < n_kept; n_made++) {
		made[n_made] = sites.items[n_made].out;
		made[n_made].stack = code_keep(&b->facts->code, b->arena, sites.items[n_made].node);
	}
	vec_done(&sites);
	*ret = made;
	return n_made;
}

void growth_finish_sites(struct builder *b)
{
	const struct map_site_note *notes = b->growth.sites.items;
	const size_t n_notes = b->growth.sites.n;
	if (n_notes > 0)
		qsort(b->growth.sites.items, n_notes, sizeof(*notes), by_site);
	for (size_t i = 0, n = 0; i < n_notes && b->error == 0; i += n) {
		struct growth *growth = &b->procs.items[notes[i].proc].out.growth;
		const uint32_t what = notes[i].event->what;
		n = 1;
		while (i + n < n_notes && notes[i + n].proc == notes[i].proc &&
		       notes[i + n].event->what == what)
			n++;
		if (growth->is_known && what == SL_MAPSITE_TOUCHED)
			growth->n_touched_sites =
				make_sites(b, &notes[i], n, &growth->touched_sites);
		else if (growth->is_known)
			growth->n_sites = make_sites(b, &notes[i], n, &growth->sites);
	}
}
