/* SPDX-License-Identifier: MIT */
/* The call sites of each process: what its images tell of one stack summed, and shared out so that all sites
 * add up to what the shim counted (site_sums.h). */
#include "userspace/model/build/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/heap_mode.h"
#include "userspace/model/build/site_rows.h"
#include "userspace/model/site_sums.h"

#define MAX_BYTES 0x1p62

/* Which of a process's images its sums are of, as places in proc.heaps; -1: none. */
struct images {
	int ready, peak, last;
};

void site_event(struct builder *b, const struct sl_site *e)
{
	struct sl_event at = e->event;
	/* It may be told long after its process ended and its pid was given away. */
	if (e->since_ns != 0 && e->since_ns < at.time_ns)
		at.time_ns = e->since_ns;
	const int proc = process_of(b, &at);
	if (proc >= 0)
		push(b, &b->sites,
		     (struct site_note){ .event = e,
					 .proc = proc,
					 .node = code_node(&b->facts->code, e->stack) });
}

static int by_site_and_time(const void *left, const void *right)
{
	const struct site_note *a = left, *b = right;
	if (a->proc != b->proc)
		return a->proc < b->proc ? -1 : 1;
	if (a->node != b->node)
		return a->node < b->node ? -1 : 1;
	if (a->event->since_ns != b->event->since_ns)
		return a->event->since_ns < b->event->since_ns ? -1 : 1;
	const uint64_t x = a->event->event.time_ns, y = b->event->event.time_ns;
	return x < y ? -1 : x > y;
}

/* ---- images ---- */

static int64_t peak_of(const struct heap_note *note)
{
	const int64_t last = note->last != NULL ? counter(note->last->peak_bytes) : 0;
	const int64_t ready = note->ready != NULL ? counter(note->ready->peak_bytes) : 0;
	return last > ready ? last : ready;
}

static struct images images_of(const struct proc *p)
{
	struct images images = { -1, -1, (int)p->heaps.n - 1 };
	int64_t most = -1;
	for (size_t i = 0; i < p->heaps.n; i++) {
		const struct heap_note *note = &p->heaps.items[i];
		if (note->ready != NULL)
			images.ready = (int)i;
		if (peak_of(note) > most) {
			most = peak_of(note);
			images.peak = (int)i;
		}
	}
	return images;
}

/* The image that was there when one was first heard of. */
static int image_since(const struct proc *p, uint64_t since_ns)
{
	int found = 0;
	for (size_t i = 0; i < p->heaps.n && p->heaps.items[i].since_ns <= since_ns; i++)
		found = (int)i;
	return found;
}

/* ---- one site ---- */

static void add_amount(struct amount *to, const struct sl_site_sum *sum)
{
	const double error = (double)sum->error_bytes;
	to->blocks += (double)sum->blocks;
	to->samples += (double)sum->samples;
	to->mass.bytes += (double)sum->bytes;
	to->mass.variance += error * error;
}

/* Records of one image, in order of time. */
static void add_image(struct raw_site *raw, const struct images *images, int image,
		      const struct site_note *notes, size_t n)
{
	const struct sl_site *last = NULL, *ready = NULL;
	for (size_t i = 0; i < n; i++) {
		const struct sl_site *e = notes[i].event;
		if (e->when == SL_WHEN_READY)
			ready = e;
		/* At one time the end is later. */
		if (last == NULL || e->when != SL_WHEN_READY ||
		    e->event.time_ns > last->event.time_ns)
			last = e;
	}
	add_amount(&raw->parts[SITE_TOTAL], &last->sums[SL_SITE_TOTAL]);
	add_amount(&raw->parts[SITE_TEMPORARY], &last->sums[SL_SITE_TEMPORARY]);
	add_amount(&raw->parts[SITE_TREE_PEAK], &last->sums[SL_SITE_TREE_PEAK]);
	if (image == images->peak)
		add_amount(&raw->parts[SITE_PEAK], &last->sums[SL_SITE_PEAK]);
	if (image == images->last)
		add_amount(&raw->parts[SITE_EXIT], &last->sums[SL_SITE_LIVE]);
	if (image == images->ready && ready != NULL)
		add_amount(&raw->parts[SITE_READY], &ready->sums[SL_SITE_LIVE]);
	const double freed =
		(double)last->sums[SL_SITE_TOTAL].blocks - (double)last->sums[SL_SITE_LIVE].blocks;
	raw->freed += freed > 0 ? freed : 0;
	raw->told_peak = fmax(raw->told_peak, (double)last->peak_bytes);
	raw->lifetime_ns += (double)last->lifetime_ns;
}

/* Sites of processes whose heap was counted. */
static void collect(struct builder *b, struct raw_list *list)
{
	const struct site_note *notes = b->sites.items;
	struct images images = { -1, -1, -1 };
	for (size_t i = 0, n = 0; i < b->sites.n && b->error == 0; i += n) {
		const struct proc *p = &b->procs.items[notes[i].proc];
		struct raw_site raw = { .proc = notes[i].proc, .node = notes[i].node };
		if (i == 0 || notes[i].proc != notes[i - 1].proc)
			images = images_of(p);
		for (n = 0; i + n < b->sites.n && notes[i + n].proc == raw.proc &&
			    notes[i + n].node == raw.node;) {
			const struct site_note *first = &notes[i + n];
			size_t k = 1;
			while (i + n + k < b->sites.n && first[k].proc == raw.proc &&
			       first[k].node == raw.node &&
			       first[k].event->since_ns == first->event->since_ns)
				k++;
			add_image(&raw, &images, image_since(p, first->event->since_ns), first, k);
			n += k;
		}
		if (p->out.heap.is_known)
			push(b, list, raw);
	}
}

/* ---- sharing out ---- */

/* What the sum of a process's sites is known to be. */
static double exact_of(const struct heap *heap, enum site_part part)
{
	const int64_t bytes = part == SITE_READY  ? heap->ready_bytes
			      : part == SITE_EXIT ? heap->exit_bytes
			      : part == SITE_PEAK ? heap->peak_bytes
						  : UNKNOWN;
	return bytes != UNKNOWN ? (double)bytes : (double)NAN;
}

/* Of @n sites, one part; what is left over belongs to @rest. */
static void share_out(struct builder *b, struct raw_site *raws, size_t n, enum site_part part,
		      double every, double exact, double *rest)
{
	_cleanup_free_ struct site_mass *masses = calloc(n + 1, sizeof(*masses));
	if (keep(b, masses) == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		masses[i] = raws[i].parts[part].mass;
	*rest = site_masses_share_out(masses, n, every, exact);
	for (size_t i = 0; i < n; i++) {
		struct amount *a = &raws[i].parts[part];
		/* Of TOTAL the counters do not know the bytes: those that they know are the ones asked for. */
		if (a->mass.bytes > 0)
			a->blocks *= masses[i].bytes / a->mass.bytes;
		a->mass = masses[i];
	}
}

/* ---- where all were recorded ---- */

static size_t n_of_process(const struct raw_list *list, size_t first)
{
	size_t n = 0;
	while (first + n < list->n && list->items[first + n].proc == list->items[first].proc)
		n++;
	return n;
}

/* Of what is at most @peak + @error something more was seen. More than a process can have is nothing that was seen. */
static void raise_peak(int64_t *peak, int64_t *error, double seen)
{
	if (*peak == UNKNOWN || *error == UNKNOWN || seen <= (double)*peak || seen > MAX_BYTES)
		return;
	const int64_t bytes = llround(fmin(seen, (double)*peak + (double)*error));
	*error -= bytes - *peak;
	*peak = bytes;
}

/* Counters only bound a peak. Recorded blocks tell it, if there are as many as were counted; sampled ones come with what
 * was live then. */
static bool take_peak(struct builder *b, struct heap *heap, const struct raw_site *raws, size_t n)
{
	double samples = 0, variance = 0, peak = 0, told = 0;
	for (size_t i = 0; i < n; i++) {
		told = fmax(told, raws[i].told_peak);
		samples += raws[i].parts[SITE_TOTAL].samples;
		variance += raws[i].parts[SITE_TOTAL].mass.variance;
		peak += raws[i].parts[SITE_PEAK].mass.bytes;
	}
	if (variance > 0 || samples != (double)heap->allocs || peak > MAX_BYTES) {
		raise_peak(&heap->peak_bytes, &heap->peak_error_bytes, told);
		raise_peak(&b->run->heap_peak_bytes, &b->run->heap_peak_error_bytes, told);
		return false;
	}
	heap->peak_bytes = llround(peak);
	heap->peak_error_bytes = 0;
	return true;
}

static void take_peaks(struct builder *b, const struct raw_list *list)
{
	double tree = 0;
	bool is_whole = list->n > 0;
	size_t at = 0;
	for (int proc = 0; (size_t)proc < b->procs.n; proc++) {
		struct heap *heap = &b->procs.items[proc].out.heap;
		const struct raw_site *raws = at < list->n ? &list->items[at] : NULL;
		const size_t n = raws != NULL && raws->proc == proc ? n_of_process(list, at) : 0;
		at += n;
		if (!heap->is_known)
			continue;
		is_whole = take_peak(b, heap, raws, n) && is_whole;
		for (size_t i = 0; i < n; i++)
			tree += raws[i].parts[SITE_TREE_PEAK].mass.bytes;
	}
	if (!is_whole || tree > MAX_BYTES || b->run->heap_peak_bytes == UNKNOWN)
		return;
	b->run->heap_peak_bytes = llround(tree);
	b->run->heap_peak_error_bytes = 0;
}

/* ---- into the session ---- */

static int64_t whole(double value)
{
	return value >= 0 ? llround(fmin(value, MAX_BYTES)) : 0;
}

static bool is_shared(enum site_part part)
{
	return part != SITE_TOTAL && part != SITE_TEMPORARY;
}

/* Rounds so that the sum is that of all: by what is left of those before. */
static int64_t rounded(double value, double *left)
{
	const double wanted = value + *left;
	const int64_t given = whole(wanted);
	*left = wanted - (double)given;
	return given;
}

static void set_sums(struct site *sites, const struct raw_site *raws, size_t n, enum site_part part,
		     const struct site_mass *all, double *left)
{
	for (size_t i = 0; i < n; i++) {
		const struct amount *a = &raws[i].parts[part];
		const struct site_interval interval = is_shared(part) && !raws[i].is_unsampled
							      ? site_share_interval(&a->mass, all)
							      : site_sum_interval(&a->mass);
		struct site_sum *sum = &sites[i].sums[part];
		sum->is_known = true;
		sum->blocks = raws[i].is_unsampled ? UNKNOWN : whole(a->blocks);
		sum->samples = whole(a->samples);
		sum->bytes = rounded(a->mass.bytes, left);
		sum->sampled_bytes = whole(fmin(a->mass.sampled, (double)sum->bytes));
		sum->error_bytes = whole(sqrt(a->mass.variance));
		const bool is_seen = a->mass.bytes <= 0 || sum->error_bytes == 0;
		sum->low_bytes = is_seen ? sum->bytes : whole(interval.low);
		sum->high_bytes = is_seen ? sum->bytes : whole(interval.high);
	}
}

static void sum_up(const struct raw_site *raws, size_t n, enum site_part part,
		   struct site_mass *ret)
{
	*ret = (struct site_mass){ 0 };
	for (size_t i = 0; i < n; i++) {
		ret->bytes += raws[i].parts[part].mass.bytes;
		ret->sampled += raws[i].parts[part].mass.sampled;
		ret->variance += raws[i].parts[part].mass.variance;
	}
}

static void finish_process(struct builder *b, struct proc *p, const struct raw_site *raws, size_t n,
			   const struct site_mass *tree_peak, double *tree_left)
{
	struct heap *heap = &p->out.heap;
	heap->sites = keep(b, arena_alloc_array(b->arena, n + 1, sizeof(*heap->sites)));
	if (heap->sites == NULL)
		return;
	heap->n_sites = n;
	for (size_t i = 0; i < n; i++) {
		heap->sites[i].stack = code_keep(&b->facts->code, b->arena, raws[i].node);
		heap->sites[i].lifetime_ns =
			raws[i].freed >= 0.5 ? whole(raws[i].lifetime_ns / raws[i].freed) : UNKNOWN;
	}
	for (int part = 0; part < SITE_PARTS; part++) {
		struct site_mass all = *tree_peak;
		double left = 0;
		const bool is_counted =
			part == SITE_READY || part == SITE_EXIT || part == SITE_PEAK;
		if (part != SITE_TREE_PEAK)
			sum_up(raws, n, (enum site_part)part, &all);
		if (!is_counted || !isnan(exact_of(heap, (enum site_part)part)))
			set_sums(heap->sites, raws, n, (enum site_part)part, &all,
				 part == SITE_TREE_PEAK ? tree_left : &left);
	}
}

/* What no sample stands for, as a site of its own; of the whole tree's peak it is the first process's. */
static void add_unsampled(struct builder *b, struct raw_list *list, double every)
{
	struct raw_list all = { 0 };
	double tree_rest = 0;
	if (list->n > 0)
		share_out(b, list->items, list->n, SITE_TREE_PEAK, every,
			  b->run->heap_peak_bytes != UNKNOWN ? (double)b->run->heap_peak_bytes
							     : (double)NAN,
			  &tree_rest);
	else if (b->run->heap_peak_bytes != UNKNOWN)
		tree_rest = (double)b->run->heap_peak_bytes;
	size_t at = 0;
	for (int proc = 0; (size_t)proc < b->procs.n && b->error == 0; proc++) {
		const struct heap *heap = &b->procs.items[proc].out.heap;
		struct raw_site rest = { .proc = proc, .node = -1, .is_unsampled = true };
		struct raw_site *raws = at < list->n ? &list->items[at] : NULL;
		const size_t n = raws != NULL && raws->proc == proc ? n_of_process(list, at) : 0;
		at += n;
		if (!heap->is_known || !heap->has_sites)
			continue;
		bool has_rest = tree_rest >= 1;
		rest.parts[SITE_TREE_PEAK].mass.bytes = tree_rest;
		tree_rest = 0;
		for (int part = 0; part < SITE_PARTS; part++) {
			double left = 0;
			if (part == SITE_TREE_PEAK)
				continue;
			share_out(b, raws, n, (enum site_part)part, every,
				  exact_of(heap, (enum site_part)part), &left);
			rest.parts[part].mass.bytes = left;
			has_rest |= left >= 0.5;
		}
		for (size_t i = 0; i < n; i++)
			push(b, &all, raws[i]);
		if (has_rest)
			push(b, &all, rest);
	}
	vec_done(list);
	*list = all;
}

/* Whether stacks of allocations were asked for, and how many. */
static bool is_sampled(const struct builder *b, double *ret_every)
{
	struct heap_mode mode = { .kind = HEAP_COUNT };
	const char *text = b->facts->session->design.heap;
	const bool is_read = text != NULL && parse_heap_mode(text, &mode) == 0;
	*ret_every = mode.sample_bytes > 0 ? (double)mode.sample_bytes : HEAP_SAMPLE_BYTES;
	return b->sites.n > 0 || (is_read && mode.kind != HEAP_OFF && mode.kind != HEAP_COUNT);
}

void sites_finish(struct builder *b)
{
	struct raw_list list = { 0 };
	struct site_mass tree_peak;
	double every = 0, tree_left = 0;
	if (!is_sampled(b, &every))
		return;
	if (b->sites.n > 0)
		qsort(b->sites.items, b->sites.n, sizeof(*b->sites.items), by_site_and_time);
	vec_foreach(p, &b->procs) {
		p->out.heap.has_sites = p->out.heap.is_known;
		p->out.heap.sites_cut = p->out.heap.is_known ? 0 : UNKNOWN;
	}
	collect(b, &list);
	site_rows_cut(b, &list);
	take_peaks(b, &list);
	add_unsampled(b, &list, every);
	sum_up(list.items, list.n, SITE_TREE_PEAK, &tree_peak);
	for (size_t i = 0; i < list.n && b->error == 0;) {
		const size_t n = n_of_process(&list, i);
		finish_process(b, &b->procs.items[list.items[i].proc], &list.items[i], n,
			       &tree_peak, &tree_left);
		i += n;
	}
	vec_done(&list);
}
