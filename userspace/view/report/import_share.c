/* SPDX-License-Identifier: MIT */
/* A module has the time on the CPU between the begin and the end of its loading; where only files are
 * known, until the next one's, and what those have that its name contains. */
#include "userspace/view/report/import_share.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/report/parts.h"

/* Time on the CPU of one thread in the row, by segment: before it, so that any stretch is a difference. */
struct clock {
	const struct run *run;
	const struct segment *thread; /* one of its segments */
	size_t from, to;
	int64_t *before_ns;
};

static bool is_counted(const struct clock *c, const struct segment *s)
{
	return s->cause == CAUSE_CPU && s->thread == c->thread->thread &&
	       s->process == c->thread->process && s->duration_ns > 0;
}

static int clock_init(const struct run *run, const struct stretch *stretch, struct clock *ret)
{
	*ret = (struct clock){ .run = run, .from = stretch->from, .to = stretch->to };
	for (size_t i = ret->from; i < ret->to; i++) {
		const struct segment *s = &run->segments[i];
		if (s->cause == CAUSE_CPU &&
		    (ret->thread == NULL || s->duration_ns > ret->thread->duration_ns))
			ret->thread = s;
	}
	ret->before_ns = calloc(ret->to - ret->from + 1, sizeof(*ret->before_ns));
	if (ret->before_ns == NULL)
		return -ENOMEM;
	for (size_t i = ret->from; i < ret->to && ret->thread != NULL; i++) {
		const struct segment *s = &run->segments[i];
		ret->before_ns[i - ret->from + 1] = sum_known(
			ret->before_ns[i - ret->from], is_counted(ret, s) ? s->duration_ns : 0);
	}
	return 0;
}

/* Of the row, until @at_ns. */
static int64_t cpu_until(const struct clock *c, int64_t at_ns)
{
	size_t low = c->from, high = c->to;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (c->run->segments[middle].start_ns < at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == c->from)
		return 0;
	const struct segment *last = &c->run->segments[low - 1];
	const int64_t passed = at_ns - last->start_ns;
	return sum_known(c->before_ns[low - 1 - c->from], !is_counted(c, last) ? 0
							  : passed < last->duration_ns
								  ? passed
								  : last->duration_ns);
}

static int64_t cpu_of(const struct clock *c, const struct language_module *m, int64_t took_ns)
{
	if (m->process != c->thread->process || m->thread != c->thread->thread ||
	    took_ns == UNKNOWN || m->start_ns == UNKNOWN || took_ns <= 0 ||
	    m->start_ns > INT64_MAX - took_ns)
		return 0;
	return cpu_until(c, m->start_ns + took_ns) - cpu_until(c, m->start_ns);
}

/* What a module by files loads is added to it. */
static void add_loaded(const struct run *run, int64_t *cpu_ns)
{
	for (size_t i = run->n_language_modules; i-- > 0;) {
		const struct language_module *m = &run->language_modules[i];
		if (strcmp(m->how, "files") == 0 && m->parent >= 1 && (uint64_t)m->parent <= i)
			cpu_ns[m->parent - 1] = sum_known(cpu_ns[m->parent - 1], cpu_ns[i]);
	}
}

static void clock_done(struct clock *clock)
{
	free(clock->before_ns);
}

int import_of_stretch(const struct run *run, const struct stretch *stretch, double least,
		      struct heavy_import *ret)
{
	_cleanup_vec_ struct heavy_import_list list = { 0 };
	_cleanup_(clock_done) struct clock clock = { 0 };
	int rc = clock_init(run, stretch, &clock);
	_cleanup_free_ int64_t *cpu_ns = calloc(run->n_language_modules + 1, sizeof(*cpu_ns));
	if (rc < 0 || cpu_ns == NULL)
		return -ENOMEM;
	if (clock.thread == NULL || run->n_language_modules == 0)
		return 0;
	for (size_t i = 0; i < run->n_language_modules; i++) {
		const struct language_module *m = &run->language_modules[i];
		const bool is_by_files = strcmp(m->how, "files") == 0;
		cpu_ns[i] = cpu_of(&clock, m, is_by_files ? m->self_ns : m->total_ns);
	}
	add_loaded(run, cpu_ns);
	rc = imports_heaviest(run, cpu_ns, (int64_t)(least * (double)stretch->causes_ns[CAUSE_CPU]),
			      &list);
	if (rc < 0 || list.n == 0)
		return rc;
	*ret = list.items[0];
	return 1;
}
