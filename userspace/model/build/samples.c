/* SPDX-License-Identifier: MIT */
/* The threads' time on a CPU in parts, each with the stack that stands for it (gaps.h), cut by phase
 * and by whether it is on the critical path. What the parts of a thread weigh adds up to its time on a
 * CPU, and what the critical ones weigh to the running segments of the path. */
#include "userspace/model/build/internal.h"

#include <stdlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/model/build/gaps.h"

/* A row takes some 150 bytes of a document: 2.5 MB a run, and 10 MB of all runs. */
#define MAX_ROWS      16384
#define MAX_ALL_ROWS  65536
#define MIN_ROWS      1024	  /* of a run, however many there are */
#define MAX_PERIOD_NS 10000000000 /* of a timer: nobody samples more rarely */

struct range { /* on a CPU */
	uint64_t from_ns, to_ns;
	uint64_t clock_ns; /* of the thread's own time, at from_ns */
};

struct critical { /* of the path, running */
	uint64_t from_ns, to_ns;
	int thread;
	enum phase phase;
};

struct range_list VEC(struct range);
struct critical_list VEC(struct critical);
struct glimpse_list VEC(struct glimpse);
struct row_list VEC(struct cpu_sample);

struct sampler {
	struct builder *b;
	struct critical_list critical; /* by thread, then in order */
	size_t next_critical;	       /* the first of this thread or a later one */
	struct row_list rows;
	/* of the thread in hand */
	struct range_list ranges;
	struct glimpse_list moments;
	struct part_list parts;
};

void sample_event(struct builder *b, const struct sl_sample *e)
{
	const int thread = thread_of(b, &e->event, e->event.time_ns);
	if (thread >= 0)
		push(b, &b->samples, (struct taken){ .event = e, .thread = thread });
}

static int compare_taken(const void *left, const void *right)
{
	const struct taken *a = left, *b = right;
	const uint64_t x = a->event->event.time_ns, y = b->event->event.time_ns;
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	return x < y ? -1 : x > y;
}

static bool is_moment(const struct sl_sample *e)
{
	return e->reason == SL_SAMPLE_TIMER || e->reason == SL_SAMPLE_CALL ||
	       e->reason == SL_SAMPLE_FAULT;
}

/* ---- the critical path, by thread ---- */

static int compare_critical(const void *left, const void *right)
{
	const struct critical *a = left, *b = right;
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	return a->from_ns < b->from_ns ? -1 : a->from_ns > b->from_ns;
}

static void find_critical(struct sampler *s)
{
	struct builder *b = s->b;
	const struct run *run = b->run;
	for (size_t i = 0; i < run->n_segments; i++) {
		const struct segment *g = &run->segments[i];
		const uint64_t from = b->zero_ns + (uint64_t)g->start_ns;
		if (g->state != ACTIVITY_RUNNING || g->duration_ns <= 0)
			continue;
		push(b, &s->critical,
		     (struct critical){ .from_ns = from,
					.to_ns = from + (uint64_t)g->duration_ns,
					.thread = thread_lookup(b, (uint32_t)g->thread, from),
					.phase = g->phase });
	}
	if (s->critical.n > 0)
		qsort(s->critical.items, s->critical.n, sizeof(struct critical), compare_critical);
}

/* ---- one thread's clock ---- */

static void add_range(struct sampler *s, uint64_t from_ns, uint64_t to_ns)
{
	const struct range *last = s->ranges.n > 0 ? vec_last(&s->ranges) : NULL;
	const uint64_t clock = last != NULL ? last->clock_ns + (last->to_ns - last->from_ns) : 0;
	if (from_ns < to_ns)
		push(s->b, &s->ranges, (struct range){ from_ns, to_ns, clock });
}

/* The path may have a thread run on past its end for a moment. */
static uint64_t end_of(const struct sampler *s, int thread)
{
	const struct builder *b = s->b;
	uint64_t end = b->threads.items[thread].end_ns;
	for (size_t i = s->next_critical;
	     i < s->critical.n && s->critical.items[i].thread == thread; i++)
		if (s->critical.items[i].to_ns > end)
			end = s->critical.items[i].to_ns;
	return end < b->end_ns ? end : b->end_ns;
}

static void find_ranges(struct sampler *s, int thread)
{
	const struct builder *b = s->b;
	const struct thread *t = &b->threads.items[thread];
	const uint64_t end = end_of(s, thread);
	uint64_t at = t->start_ns > b->zero_ns ? t->start_ns : b->zero_ns;
	s->ranges.n = 0;
	for (size_t i = 0; i < t->n_intervals && at < end; i++) {
		const struct interval *off = &b->intervals.items[t->first_interval + i];
		const uint64_t out = off->out_ns < end ? off->out_ns : end;
		add_range(s, at, out);
		if (off->back_ns > at)
			at = off->back_ns;
	}
	add_range(s, at, end);
}

static uint64_t clock_of(const struct sampler *s, uint64_t at_ns)
{
	size_t low = 0, high = s->ranges.n;
	while (low < high) { /* the first range that ends after at_ns */
		const size_t middle = low + (high - low) / 2;
		if (s->ranges.items[middle].to_ns <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == s->ranges.n) {
		const struct range *last = vec_last(&s->ranges);
		return last->clock_ns + (last->to_ns - last->from_ns);
	}
	const struct range *r = &s->ranges.items[low];
	return r->clock_ns + (at_ns > r->from_ns ? at_ns - r->from_ns : 0);
}

/* ---- parts to rows ---- */

struct weights {
	uint64_t all_ns[PHASE_COUNT], critical_ns[PHASE_COUNT];
};

/* [@from, @to), in which the thread was on a CPU. */
static void weigh(struct sampler *s, int thread, uint64_t from, uint64_t to, struct weights *w)
{
	struct builder *b = s->b;
	const struct critical *critical = s->critical.items;
	while (s->next_critical < s->critical.n && critical[s->next_critical].thread == thread &&
	       critical[s->next_critical].to_ns <= from)
		s->next_critical++;
	for (size_t i = s->next_critical;
	     i < s->critical.n && critical[i].thread == thread && critical[i].from_ns < to; i++) {
		const uint64_t low = critical[i].from_ns > from ? critical[i].from_ns : from;
		const uint64_t high = critical[i].to_ns < to ? critical[i].to_ns : to;
		w->critical_ns[critical[i].phase] += high > low ? high - low : 0;
	}
	while (from < to) {
		uint64_t until;
		const enum phase phase = phase_at(b, b->threads.items[thread].proc, from, &until);
		until = until < to ? until : to;
		w->all_ns[phase] += until - from;
		from = until;
	}
}

static void add_row(struct sampler *s, struct cpu_sample row, uint64_t weight_ns, bool is_critical)
{
	row.weight_ns = (int64_t)weight_ns;
	row.is_critical = is_critical;
	if (weight_ns > 0)
		push(s->b, &s->rows, row);
}

static void add_part(struct sampler *s, int thread, const struct part *part, size_t *range)
{
	struct builder *b = s->b;
	const struct thread *t = &b->threads.items[thread];
	struct weights w = { 0 };
	uint64_t start = 0;
	for (; *range < s->ranges.n; ++*range) {
		const struct range *r = &s->ranges.items[*range];
		const uint64_t length = r->to_ns - r->from_ns;
		if (r->clock_ns >= part->to_ns)
			break;
		const uint64_t low = part->from_ns > r->clock_ns ? part->from_ns - r->clock_ns : 0;
		const uint64_t high =
			part->to_ns - r->clock_ns < length ? part->to_ns - r->clock_ns : length;
		if (low < high && start == 0)
			start = r->from_ns + low;
		if (low < high)
			weigh(s, thread, r->from_ns + low, r->from_ns + high, &w);
		if (part->to_ns < r->clock_ns + length)
			break; /* the next part goes on in it */
	}
	struct cpu_sample row = {
		.process = t->proc + 1,
		.thread = t->tid,
		.cause = CAUSE_CPU,
		.stack = code_keep(&b->facts->code, b->arena, part->node),
		.is_open = part->is_open,
		.start_ns = rel(b, start),
	};
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		row.phase = (enum phase)phase;
		add_row(s, row, w.critical_ns[phase], true);
		if (w.all_ns[phase] > w.critical_ns[phase])
			add_row(s, row, w.all_ns[phase] - w.critical_ns[phase], false);
	}
}

/* ---- one thread ---- */

static int common(const void *context, int a, int b)
{
	return code_common(context, a, b);
}

/* Moments in [@from, @to) of the thread's clock; *at is the first of its samples that is not used. */
static void find_moments(struct sampler *s, int thread, uint64_t from, uint64_t to, size_t *at)
{
	struct builder *b = s->b;
	s->moments.n = 0;
	for (; *at < b->samples.n && b->samples.items[*at].thread == thread; ++*at) {
		const struct sl_sample *e = b->samples.items[*at].event;
		const uint64_t clock = clock_of(s, e->event.time_ns);
		if (clock > to)
			break;
		if (!is_moment(e) || clock < from || e->event.time_ns > b->end_ns ||
		    e->event.time_ns < b->zero_ns)
			continue;
		push(b, &s->moments,
		     (struct glimpse){ .at_ns = clock,
				       .since_ns = e->since_ns > 0 ? clock_of(s, e->since_ns) : 0,
				       .is_timer = e->reason == SL_SAMPLE_TIMER,
				       .node = code_node(&b->facts->code, e->stack) });
	}
}

static void cut_window(struct sampler *s, int thread, uint64_t from, uint64_t to, size_t *at)
{
	struct builder *b = s->b;
	find_moments(s, thread, from, to, at);
	if (from < to && gaps_cut(s->moments.items, s->moments.n, from, to, common, &b->facts->code,
				  &s->parts) < 0)
		b->error = -ENOMEM;
}

/* What one program did says nothing of what the next one in the same thread did. */
static void cut_thread(struct sampler *s, int thread, size_t *at)
{
	struct builder *b = s->b;
	const struct proc *p = &b->procs.items[b->threads.items[thread].proc];
	const struct range *last = vec_last(&s->ranges);
	const uint64_t end = last->clock_ns + (last->to_ns - last->from_ns);
	uint64_t from = 0;
	s->parts.n = 0;
	for (size_t i = 0; i < p->images.n; i++) {
		const struct image_note *image = &p->images.items[i];
		const uint64_t until = image->is_ok ? clock_of(s, image->done_ns) : 0;
		if (until <= from || until >= end)
			continue;
		cut_window(s, thread, from, until, at);
		from = until;
	}
	cut_window(s, thread, from, end, at);
}

static void sample_thread(struct sampler *s, int thread, size_t *at)
{
	struct builder *b = s->b;
	while (s->next_critical < s->critical.n &&
	       s->critical.items[s->next_critical].thread < thread)
		s->next_critical++;
	while (*at < b->samples.n && b->samples.items[*at].thread < thread)
		++*at;
	find_ranges(s, thread);
	if (s->ranges.n == 0)
		return;
	cut_thread(s, thread, at);
	size_t range = 0;
	for (size_t i = 0; i < s->parts.n && b->error == 0; i++)
		add_part(s, thread, &s->parts.items[i], &range);
}

/* Nobody told when threads were off the CPU: each moment of the timer stands for its period. */
static void sample_by_period(struct sampler *s)
{
	struct builder *b = s->b;
	vec_foreach(taken, &b->samples) {
		const struct sl_sample *e = taken->event;
		const struct thread *t = &b->threads.items[taken->thread];
		const int64_t period = counter(e->period_ns);
		uint64_t ignored;
		if (e->reason != SL_SAMPLE_TIMER || period == UNKNOWN || period > MAX_PERIOD_NS ||
		    e->event.time_ns < b->zero_ns || e->event.time_ns > b->end_ns)
			continue;
		const int node = code_node(&b->facts->code, e->stack);
		const struct cpu_sample row = {
			.process = t->proc + 1,
			.thread = t->tid,
			.phase = phase_at(b, t->proc, e->event.time_ns, &ignored),
			.cause = CAUSE_CPU,
			.stack = code_keep(&b->facts->code, b->arena, node),
			.start_ns = rel(b, e->event.time_ns),
		};
		add_row(s, row, (uint64_t)period, false);
	}
}

/* ---- all rows ---- */

static bool is_same_stretch(const struct cpu_sample *a, const struct cpu_sample *b)
{
	return a->process == b->process && a->thread == b->thread && a->start_ns == b->start_ns;
}

/* Gives what every other stack of a thread stands for to the one before it. Returns how many. */
static int64_t thin(struct row_list *rows)
{
	struct cpu_sample before = { 0 };
	size_t kept = 0, first = 0; /* rows[first..kept) are of the stretch in hand */
	int64_t n_gone = 0;
	bool is_odd = false;
	for (size_t i = 0; i < rows->n; i++) {
		struct cpu_sample row = rows->items[i];
		const bool is_new = i == 0 || !is_same_stretch(&row, &before);
		const bool is_of_thread =
			i > 0 && row.process == before.process && row.thread == before.thread;
		before = row;
		if (is_new) {
			is_odd = is_of_thread && !is_odd;
			n_gone += is_odd;
			first = is_odd ? first : kept;
		}
		struct cpu_sample *same = NULL;
		for (size_t k = first; is_odd && k < kept; k++)
			if (rows->items[k].phase == row.phase &&
			    rows->items[k].is_critical == row.is_critical)
				same = &rows->items[k];
		if (same != NULL) {
			same->weight_ns += row.weight_ns;
			continue;
		}
		if (is_odd) {
			row.start_ns = rows->items[first].start_ns;
			row.stack = rows->items[first].stack;
			row.is_open = rows->items[first].is_open;
		}
		rows->items[kept++] = row;
	}
	rows->n = kept;
	return n_gone;
}

static int heaviest_first(const void *left, const void *right)
{
	const struct cpu_sample *a = left, *b = right;
	return a->weight_ns > b->weight_ns ? -1 : a->weight_ns < b->weight_ns;
}

static int in_order(const void *left, const void *right)
{
	const struct cpu_sample *a = left, *b = right;
	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	if (a->phase != b->phase)
		return a->phase < b->phase ? -1 : 1;
	return (int)b->is_critical - (int)a->is_critical;
}

/* So many threads that even a row for each is too many: the lightest become sums. */
static int64_t sum_up(struct row_list *rows, size_t limit)
{
	struct cpu_sample sums[PHASE_COUNT][2] = { 0 };
	const size_t kept = limit - 2 * (size_t)PHASE_COUNT;
	const int64_t n_gone = (int64_t)(rows->n - kept);
	qsort(rows->items, rows->n, sizeof(*rows->items), heaviest_first);
	for (size_t i = kept; i < rows->n; i++) {
		const struct cpu_sample *row = &rows->items[i];
		sums[row->phase][row->is_critical].weight_ns += row->weight_ns;
	}
	rows->n = kept;
	qsort(rows->items, rows->n, sizeof(*rows->items), in_order);
	for (int phase = 0; phase < PHASE_COUNT; phase++)
		for (int critical = 0; critical < 2; critical++) {
			struct cpu_sample sum = sums[phase][critical];
			sum.phase = (enum phase)phase;
			sum.is_critical = critical != 0;
			sum.stack = sum.thread = sum.start_ns = UNKNOWN;
			if (sum.weight_ns > 0)
				rows->items[rows->n++] = sum; /* there was room for more */
		}
	return n_gone;
}

static void bound(struct sampler *s)
{
	const size_t n_runs = s->b->facts->n_runs > 0 ? s->b->facts->n_runs : 1;
	const size_t part = MAX_ALL_ROWS / n_runs;
	const size_t limit = part > MAX_ROWS ? MAX_ROWS : part < MIN_ROWS ? MIN_ROWS : part;
	int64_t *n_cut = &s->b->run->samples_cut;
	int64_t n_gone = 1;
	*n_cut = 0;
	while (s->rows.n > limit && n_gone > 0)
		*n_cut += n_gone = thin(&s->rows);
	if (s->rows.n > limit)
		*n_cut += sum_up(&s->rows, limit);
}

static void count(struct builder *b)
{
	struct run *run = b->run;
	int64_t ignored = 0;
	run->samples_timer = run->samples_call = run->samples_fault = run->samples_wait = 0;
	vec_foreach(taken, &b->samples) {
		const struct sl_sample *e = taken->event;
		if (e->event.time_ns < b->zero_ns || e->event.time_ns > b->end_ns)
			continue;
		int64_t *const counts[] = { [SL_SAMPLE_TIMER] = &run->samples_timer,
					    [SL_SAMPLE_CALL] = &run->samples_call,
					    [SL_SAMPLE_FAULT] = &run->samples_fault,
					    [SL_SAMPLE_WAIT] = &run->samples_wait };
		const bool is_known = e->reason >= SL_SAMPLE_TIMER && e->reason <= SL_SAMPLE_WAIT;
		++*(is_known ? counts[e->reason] : &ignored);
		if (e->reason != SL_SAMPLE_TIMER)
			continue;
		run->sample_period_ns = counter(e->period_ns);
		b->procs.items[b->threads.items[taken->thread].proc].n_timer++;
	}
}

/* The stack of the longest wait that a blocked stretch of the path is made of. */
static void find_waiting(struct builder *b, struct segment *g)
{
	const uint64_t from = b->zero_ns + (uint64_t)g->start_ns;
	const uint64_t to = from + (uint64_t)g->duration_ns;
	const int thread = thread_lookup(b, (uint32_t)g->thread, from);
	size_t low = 0, high = b->samples.n;
	while (low < high) { /* the first of the thread that returned after `from` */
		const size_t middle = low + (high - low) / 2;
		const struct taken *taken = &b->samples.items[middle];
		if (taken->thread < thread ||
		    (taken->thread == thread && taken->event->event.time_ns <= from))
			low = middle + 1;
		else
			high = middle;
	}
	uint64_t longest = 0;
	const struct sl_sample *found = NULL;
	for (; low < b->samples.n && b->samples.items[low].thread == thread; low++) {
		const struct sl_sample *e = b->samples.items[low].event;
		if (e->reason != SL_SAMPLE_WAIT)
			continue;
		const uint64_t begin = e->since_ns > from ? e->since_ns : from;
		const uint64_t end = e->event.time_ns < to ? e->event.time_ns : to;
		if (end > begin && end - begin > longest) {
			longest = end - begin;
			found = e;
		}
		if (e->since_ns >= to)
			break;
	}
	if (found != NULL)
		g->stack = code_keep(&b->facts->code, b->arena,
				     code_node(&b->facts->code, found->stack));
}

void samples_finish(struct builder *b)
{
	struct sampler s = { .b = b };
	struct run *run = b->run;
	if (!b->facts->has_stacks)
		return;
	if (b->samples.n > 0)
		qsort(b->samples.items, b->samples.n, sizeof(struct taken), compare_taken);
	count(b);
	if (run->has_segments) {
		find_critical(&s);
		size_t at = 0;
		for (size_t i = 0; i < b->threads.n && b->error == 0; i++)
			sample_thread(&s, (int)i, &at);
		for (size_t i = 0; i < run->n_segments; i++)
			if (run->segments[i].state == ACTIVITY_BLOCKED)
				find_waiting(b, &run->segments[i]);
	} else {
		sample_by_period(&s);
	}
	bound(&s);
	run->samples =
		keep(b, arena_memdup(b->arena, s.rows.items, s.rows.n * sizeof(struct cpu_sample)));
	run->n_samples = run->samples != NULL ? s.rows.n : 0;
	run->has_samples = run->samples != NULL;
	vec_done(&s.critical);
	vec_done(&s.rows);
	vec_done(&s.ranges);
	vec_done(&s.moments);
	vec_done(&s.parts);
}
