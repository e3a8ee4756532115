/* SPDX-License-Identifier: MIT */
/* How much memory each phase has added: what was resident and live at its end, and what the kernel gave. */

#include <string.h>

#include "userspace/base/units.h"
#include "userspace/view/report/parts.h"

/* clang-format off */
static const struct column columns[] = {
	{ .title = "until", .key = "until" },
	{ .title = "at", .key = "time_ns", .audience = FOR_PROGRAMS },
	{ .title = "rss", .key = "rss_bytes", .align = ALIGN_RIGHT },
	{ .title = "grown", .key = "rss_grown_bytes", .align = ALIGN_RIGHT },
	{ .title = "anonymous", .key = "anonymous_bytes", .align = ALIGN_RIGHT },
	{ .title = "files", .key = "file_bytes", .align = ALIGN_RIGHT },
	{ .title = "", .key = "shared_bytes", .audience = FOR_PROGRAMS },
	{ .title = "heap", .key = "heap_bytes", .align = ALIGN_RIGHT },
	{ .title = "", .key = "heap_grown_bytes", .audience = FOR_PROGRAMS },
	{ .title = "brk", .key = "brk_bytes", .align = ALIGN_RIGHT },
	{ .title = "mmap", .key = "", .audience = FOR_PEOPLE, .align = ALIGN_RIGHT },
	{ .title = "", .key = "mmap_bytes", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "mremap_bytes", .audience = FOR_PROGRAMS },
	{ .title = "calls", .key = "calls", .align = ALIGN_RIGHT },
};
/* clang-format on */

static int64_t less(int64_t a, int64_t b)
{
	int64_t d;
	return a == UNKNOWN || b == UNKNOWN || __builtin_sub_overflow(a, b, &d) ? UNKNOWN : d;
}

/* Since @before, the value that was known last, which is then that of now. */
static int64_t grown(int64_t now, int64_t *before)
{
	const int64_t d = less(now, *before);
	if (now != UNKNOWN)
		*before = now;
	return d;
}

struct table *build_growth(const struct session *s, size_t run_index)
{
	static const struct memory_phase nothing = { .until = "" };
	const struct run *run = &s->runs[run_index];
	const struct memory_phase *before = &nothing;
	struct table *t = table_new("Growth of memory", columns, N_OF(columns));
	int64_t rss = 0, heap = 0;
	for (size_t i = 0; run->has_memory && i < run->n_memory_phases; i++) {
		const struct memory_phase *p = &run->memory_phases[i];
		table_text(t, p->until);
		table_ns(t, p->time_ns);
		table_bytes(t, p->rss_bytes);
		table_bytes(t, grown(p->rss_bytes, &rss));
		table_bytes(t, p->anonymous_bytes);
		table_bytes(t, p->file_bytes);
		table_bytes(t, p->shared_bytes);
		table_bytes(t, p->heap_bytes);
		table_bytes(t, grown(p->heap_bytes, &heap));
		const int64_t mapped =
			less(p->ways[GROWTH_MMAP].bytes, before->ways[GROWTH_MMAP].bytes);
		const int64_t remapped =
			less(p->ways[GROWTH_MREMAP].bytes, before->ways[GROWTH_MREMAP].bytes);
		table_bytes(t, less(p->ways[GROWTH_BRK].bytes, before->ways[GROWTH_BRK].bytes));
		table_bytes(t, sum_known(mapped, remapped));
		table_bytes(t, mapped);
		table_bytes(t, remapped);
		table_count(t, less(growth_all(p->ways).calls, growth_all(before->ways).calls));
		before = p;
	}
	if (!run->has_memory) {
		table_note(t, "not recorded: it takes kernel probes (startline doctor)");
		return t;
	}
	table_note(t, "rss and heap: of the whole tree, what is resident, and what of the heap is "
		      "live; grown: since it was known last");
	table_note(t, "rss is anonymous memory, pages of mapped files, and shared memory");
	table_note(t,
		   "brk, mmap (and mremap): memory that the kernel gave meanwhile; what mprotect "
		   "makes usable later is not among it");
	return t;
}
