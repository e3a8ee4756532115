/* SPDX-License-Identifier: MIT */
/* What people get of memory below its table: growth by phase and by code, and its course as a chart. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/chart.h"

static double known(int64_t bytes)
{
	return bytes != UNKNOWN ? (double)bytes : (double)NAN;
}

static bool is_heap_known(const struct run *run)
{
	for (size_t i = 0; i < run->n_memory_points; i++)
		if (run->memory_points[i].heap_bytes != UNKNOWN)
			return true;
	return false;
}

static void print_course(const struct run *run, struct page *page)
{
	char last[UNITS_BYTES];
	const size_t n = run->n_memory_points;
	_cleanup_free_ struct chart_point *points = calloc(n + 1, sizeof(*points));
	if (points == NULL) {
		page->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const struct memory_point *p = &run->memory_points[i];
		const bool is_ready = run->has_ready && run->ready_ns <= p->time_ns &&
				      (i == 0 || run->ready_ns > run->memory_points[i - 1].time_ns);
		points[i] = (struct chart_point){ .value = known(p->rss_bytes),
						  .level = known(p->heap_bytes),
						  .mark = is_ready ? MARK_CHANGE : MARK_NONE };
	}
	const struct chart chart = {
		.points = points,
		.n = n,
		.unit = UNIT_BYTES,
		.is_from_zero = true,
		.first = "0",
		.last = format_ns(last, (double)run->memory_points[n - 1].time_ns),
	};
	const bool is_markdown = page->format == TABLE_MARKDOWN;
	(void)fputs("\n", page->f);
	page_say(page, TONE_STRONG, 0,
		 is_heap_known(run)
			 ? "Resident memory of the tree, and as a line what is live in the heap"
			 : "Resident memory of the tree");
	(void)fputs(is_markdown ? "\n```\n" : "", page->f);
	(void)chart_print(&chart, page);
	(void)fputs(is_markdown ? "```\n" : "", page->f);
	if (run->has_ready)
		page_say(page, TONE_DIM, 0, page->is_utf8 ? "▲ ready" : "^ ready");
}

int print_growth(const struct session *s, size_t run_index, struct page *page)
{
	const struct run *run = &s->runs[run_index];
	if (!run->has_memory)
		return page->error;
	(void)fputs("\n", page->f);
	(void)table_show(build_growth(s, run_index), page);
	(void)fputs("\n", page->f);
	(void)table_show(build_mappings(s, run_index), page);
	(void)fputs("\n", page->f);
	(void)table_show(build_touched(s, run_index), page);
	if (page->error == 0 && run->n_memory_points > 0)
		print_course(run, page);
	return page_flush(page);
}
