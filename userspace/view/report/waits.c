/* SPDX-License-Identifier: MIT */
/* What the critical path waited for: by cause and object, the longest first. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/report/parts.h"

#define MAX_ROWS_FOR_PEOPLE 40

static int compare_keys(const struct wait_sum *x, const struct wait_sum *y)
{
	if (x->state != y->state)
		return x->state < y->state ? -1 : 1;
	if (x->cause != y->cause)
		return x->cause < y->cause ? -1 : 1;
	return strcmp(x->detail, y->detail);
}

static int compare_firsts(const void *a, const void *b)
{
	const struct wait_sum *x = a;
	const struct wait_sum *y = b;
	return x->first < y->first ? -1 : x->first > y->first;
}

static int compare_waits(const void *a, const void *b)
{
	const int order = compare_keys(a, b);
	return order != 0 ? order : compare_firsts(a, b);
}

static int compare_sums(const void *a, const void *b)
{
	const struct wait_sum *x = a;
	const struct wait_sum *y = b;
	if (x->sum_ns != y->sum_ns)
		return x->sum_ns > y->sum_ns ? -1 : 1;
	return compare_firsts(a, b);
}

static void merge_equal(struct wait_list *waits)
{
	size_t n = 0;
	for (size_t i = 0; i < waits->n; i++) {
		struct wait_sum *last = n > 0 ? &waits->items[n - 1] : NULL;
		const struct wait_sum *w = &waits->items[i];
		if (last == NULL || compare_keys(last, w) != 0) {
			waits->items[n++] = *w;
			continue;
		}
		last->sum_ns = sum_known(last->sum_ns, w->sum_ns);
		last->count++;
		if (w->longest_ns > last->longest_ns)
			last->longest_ns = w->longest_ns;
	}
	waits->n = n;
}

int waits_sum(const struct run *run, struct wait_list *ret)
{
	for (size_t i = 0; i < run->n_segments; i++) {
		const struct segment *s = &run->segments[i];
		if (s->state == ACTIVITY_RUNNING || s->duration_ns <= 0)
			continue;
		if (vec_push(ret, (struct wait_sum){ .state = s->state,
						     .cause = s->cause,
						     .detail = s->detail,
						     .sum_ns = s->duration_ns,
						     .longest_ns = s->duration_ns,
						     .count = 1,
						     .first = i }) < 0)
			return -ENOMEM;
	}
	if (ret->n == 0)
		return 0;
	qsort(ret->items, ret->n, sizeof(*ret->items), compare_waits);
	merge_equal(ret);
	qsort(ret->items, ret->n, sizeof(*ret->items), compare_firsts);
	return 0;
}

static void add_wait(struct table *t, const struct wait_sum *w, int64_t total_ns)
{
	table_text(t, activity_name(w->state));
	table_text(t, cause_name(w->cause));
	table_text(t, w->detail);
	table_ns(t, w->sum_ns);
	table_ratio(t, total_ns > 0 ? (double)w->sum_ns / (double)total_ns : 0);
	table_count(t, w->count);
	table_ns(t, w->longest_ns);
}

struct table *build_waits(const struct session *s, size_t run_index)
{
	static const struct column columns[] = {
		{ .title = "state", .key = "state", .audience = FOR_PROGRAMS },
		{ .title = "waited for", .key = "cause" },
		{ .title = "", .key = "detail", .is_elastic = true },
		{ .title = "time", .key = "time_ns", .align = ALIGN_RIGHT },
		{ .title = "share", .key = "share", .align = ALIGN_RIGHT },
		{ .title = "times", .key = "count", .align = ALIGN_RIGHT },
		{ .title = "longest", .key = "longest_ns", .align = ALIGN_RIGHT },
	};
	const struct run *run = &s->runs[run_index];
	_cleanup_vec_ struct wait_list waits = { 0 };
	struct table *t = table_new("Waits on the critical path", columns, N_OF(columns));
	table_fail(t, waits_sum(run, &waits));
	if (waits.n > 0)
		qsort(waits.items, waits.n, sizeof(*waits.items), compare_sums);
	for (size_t i = 0; i < waits.n; i++) {
		if (i >= MAX_ROWS_FOR_PEOPLE)
			table_audience(t, FOR_PROGRAMS);
		add_wait(t, &waits.items[i], run->startup_total_ns);
	}
	if (waits.n > MAX_ROWS_FOR_PEOPLE)
		table_note(t, "and %zu more: --format csv", waits.n - MAX_ROWS_FOR_PEOPLE);
	if (!run->has_segments)
		table_note(t, "no breakdown: there were no scheduler events");
	return t;
}
