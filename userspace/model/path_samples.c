/* SPDX-License-Identifier: MIT */
/* A running segment is one thread's, and all of it on a CPU: it is cut where the next sample of that
 * thread begins to stand for it. */
#include "userspace/model/path_samples.h"

#include <errno.h>
#include <stdlib.h>

static int compare_rows(const struct cpu_sample *a, const struct cpu_sample *b)
{
	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	return a->start_ns < b->start_ns ? -1 : a->start_ns > b->start_ns;
}

static int compare_starts(const void *left, const void *right)
{
	const struct cpu_sample *const *a = left, *const *b = right;
	const int order = compare_rows(*a, *b);
	return order != 0 ? order : *a < *b ? -1 : *a > *b;
}

static int compare_items(const void *left, const void *right)
{
	return compare_rows(left, right);
}

int sample_index_of(const struct run *run, struct sample_index *ret)
{
	for (size_t i = 0; i < run->n_samples; i++)
		if (vec_push(ret, &run->samples[i]) < 0)
			return -ENOMEM;
	if (ret->n > 0)
		qsort(ret->items, ret->n, sizeof(*ret->items), compare_starts);
	return 0;
}

static bool is_of(const struct cpu_sample *row, const struct segment *s)
{
	return row != NULL && row->process == s->process && row->thread == s->thread;
}

/* The first that stands for the segment's thread later than at @at_ns. */
static size_t first_after(const struct sample_index *index, const struct segment *s, int64_t at_ns)
{
	const struct cpu_sample key = { .process = s->process,
					.thread = s->thread,
					.start_ns = at_ns };
	size_t low = 0, high = index->n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (compare_rows(index->items[middle], &key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int cut(const struct sample_index *index, const struct segment *s, struct sample_rows *ret)
{
	int64_t at = s->start_ns;
	const int64_t end = s->duration_ns < INT64_MAX - at ? at + s->duration_ns : INT64_MAX;
	size_t next = first_after(index, s, at);
	while (at < end) {
		const struct cpu_sample *row = next > 0 ? index->items[next - 1] : NULL;
		const struct cpu_sample *then = next < index->n ? index->items[next] : NULL;
		int64_t until = end;
		if (is_of(then, s) && then->start_ns < end)
			until = then->start_ns;
		struct cpu_sample part = { .process = s->process,
					   .thread = s->thread,
					   .start_ns = s->start_ns,
					   .stack = UNKNOWN };
		if (is_of(row, s))
			part = *row;
		part.phase = s->phase;
		part.cause = s->cause;
		part.weight_ns = until - at;
		part.is_critical = true;
		if (vec_push(ret, part) < 0)
			return -ENOMEM;
		at = until;
		while (next < index->n && is_of(index->items[next], s) &&
		       index->items[next]->start_ns <= at)
			next++;
	}
	return 0;
}

int path_samples(const struct run *run, const struct sample_index *index, size_t from, size_t to,
		 struct sample_rows *ret)
{
	const size_t first = ret->n;
	for (size_t i = from; i < to; i++) {
		const struct segment *s = &run->segments[i];
		if (s->state == ACTIVITY_RUNNING && s->duration_ns > 0 && s->start_ns >= 0 &&
		    cut(index, s, ret) < 0)
			return -ENOMEM;
	}
	if (ret->n > first + 1)
		qsort(&ret->items[first], ret->n - first, sizeof(*ret->items), compare_items);
	return 0;
}
