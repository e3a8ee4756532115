/* SPDX-License-Identifier: MIT */
/* Findings about the code that holds the heap, where call sites were recorded. All of them ask for the nearer end
 * of an interval, so that chance finds nothing; they need the names of functions, which the session gets
 * after its runs. */
#include "userspace/model/build/internal.h"

#include <errno.h>
#include <math.h>

#include "userspace/base/units.h"
#include "userspace/model/place.h"
#include "userspace/model/sites.h"

#define LARGE_HEAP	32e6 /* below it nobody need look for what holds it */
#define LARGE_SHARE	0.5
#define GROWTH_MIN	1e6    /* a cache that fills as the first requests come is smaller */
#define GROWTH_SHARE	0.2    /* … of what was live at readiness */
#define TEMPORARY_MIN	100000 /* blocks: at some 50 ns each, 5 ms */
#define TEMPORARY_SHARE 0.5    /* of all allocations */
#define TEMPORARY_N	20     /* samples: good to half of it with certainty */

/* "load_catalog (catalog.c:12) of app"; NULL: no memory. */
static const char *name_of(struct session *s, const struct site_function *f)
{
	const struct frame *frame = f->name.frame;
	const char *where =
		frame->file == NULL || frame->line == UNKNOWN || !f->name.is_one_place
			? ""
			: arena_printf(s->arena, " (%s:%lld)", frame->file, (long long)frame->line);
	const char *module = module_label(s->arena, frame->module);
	return where != NULL && module != NULL
		       ? arena_printf(s->arena, "%s%s of %s", frame->function, where, module)
		       : NULL;
}

static bool is_named(const struct site_function *f)
{
	return f->name.frame != NULL && f->name.frame->function != NULL &&
	       !is_interpreter(f->name.frame);
}

/* Enough samples, or all of it was seen. */
static bool is_sure(const struct site_amount *a)
{
	return a->samples >= SITE_SAMPLES_MIN || (a->samples > 0 && !(a->mass.variance > 0));
}

static int tell(struct session *s, struct run *run, const char *id, const char *evidence,
		const char *remedy)
{
	return finding_add(
		s, run,
		(struct finding){
			.id = id, .cost_ns = UNKNOWN, .evidence = evidence, .remedy = remedy });
}

static int large_site(struct session *s, struct run *run, const struct site_functions *f)
{
	const enum site_part part = site_headline(run);
	const double whole = f->whole[part].mass.bytes;
	char held[UNITS_BYTES], all[UNITS_BYTES];
	vec_foreach(row, &f->list) {
		const struct site_amount *a = &row->self[part];
		if (whole < LARGE_HEAP || !is_named(row) || !is_sure(a) ||
		    a->interval.low < LARGE_SHARE * whole)
			continue;
		const char *name = name_of(s, row);
		if (name == NULL)
			return -ENOMEM;
		return tell(
			s, run, "large-site",
			arena_printf(s->arena, "%s holds %s of a heap of %s %s (%.0f to %.0f %%)",
				     name, format_bytes(held, a->mass.bytes),
				     format_bytes(all, whole),
				     part == SITE_READY ? "when ready" : "at its peak",
				     100 * a->interval.low / whole, 100 * a->interval.high / whole),
			"hold less of it, later, or in a smaller form (--view site-calls tells "
			"who asks for it)");
	}
	return 0;
}

/* What one function holds more at the end than at readiness, for certain. */
static double growth_of(const struct site_function *row)
{
	return row->self[SITE_EXIT].interval.low - row->self[SITE_READY].interval.high;
}

static int heap_growth(struct session *s, struct run *run, const struct site_functions *f)
{
	const double least = fmax(GROWTH_MIN, GROWTH_SHARE * f->whole[SITE_READY].mass.bytes);
	const struct site_function *most = NULL;
	char before[UNITS_BYTES], after[UNITS_BYTES];
	if (!f->is_known[SITE_READY] || !f->is_known[SITE_EXIT])
		return 0;
	vec_foreach(row, &f->list)
		if (is_named(row) && is_sure(&row->self[SITE_EXIT]) && growth_of(row) >= least &&
		    (most == NULL || growth_of(row) > growth_of(most)))
			most = row;
	if (most == NULL)
		return 0;
	const char *name = name_of(s, most);
	if (name == NULL)
		return -ENOMEM;
	return tell(s, run, "heap-growth",
		    arena_printf(s->arena,
				 "%s held %s when ready, and %s that was never freed at the end, "
				 "in %lld samples",
				 name, format_bytes(before, most->self[SITE_READY].mass.bytes),
				 format_bytes(after, most->self[SITE_EXIT].mass.bytes),
				 (long long)most->self[SITE_EXIT].samples),
		    "free what is not needed any more, or bound what is kept (--view site-calls "
		    "tells who asks for it)");
}

static int temporary_blocks(struct session *s, struct run *run, const struct site_functions *f)
{
	double allocs = 0;
	char blocks[UNITS_BYTES], all[UNITS_BYTES];
	for (size_t i = 0; i < run->n_processes; i++)
		if (run->processes[i].heap.is_known && run->processes[i].heap.allocs != UNKNOWN)
			allocs += (double)run->processes[i].heap.allocs;
	vec_foreach(row, &f->list) {
		const struct site_amount *a = &row->self[SITE_TEMPORARY];
		/* 95 % of counts are within two roots. */
		const double least = a->blocks * (1 - 2 / sqrt((double)a->samples + 1));
		if (a->samples < TEMPORARY_N || !is_named(row) || least < TEMPORARY_MIN ||
		    least < TEMPORARY_SHARE * allocs)
			continue;
		const char *name = name_of(s, row);
		if (name == NULL)
			return -ENOMEM;
		return tell(s, run, "temporary-blocks",
			    arena_printf(s->arena,
					 "%s made about %s of %s allocations only to free each at "
					 "once, in %lld samples",
					 name, format_count(blocks, round(fmin(a->blocks, allocs))),
					 format_count(all, allocs), (long long)a->samples),
			    "take the memory once, outside of the loop, or from the stack");
	}
	return 0;
}

int heap_findings(struct session *s, struct run *run)
{
	struct site_functions f;
	if (!run_has_sites(run))
		return 0;
	int rc = site_functions_of(s, run, 1, 0, &f);
	if (rc == 0)
		site_functions_sort(&f, site_headline(run));
	if (rc == 0)
		rc = large_site(s, run, &f);
	if (rc == 0)
		rc = heap_growth(s, run, &f);
	if (rc == 0)
		rc = temporary_blocks(s, run, &f);
	site_functions_done(&f);
	return rc;
}
