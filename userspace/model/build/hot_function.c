/* SPDX-License-Identifier: MIT */
/* The finding hot-function: half of a startup, or more, is one function with what libc and the kernel did
 * for it. It needs the names of functions, which the session gets after its runs. */
#include "userspace/model/build/internal.h"

#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/model/place.h"

#define LEAST	 0.5	  /* of the startup, waiting for a CPU left out */
#define LEAST_NS 20000000 /* below it nobody need look */
#define LEAST_N	 5	  /* samples */

static bool is_same(const struct frame *a, const struct frame *b)
{
	return strcmp(a->function, b->function) == 0 && a->module != NULL && b->module != NULL &&
	       strcmp(a->module, b->module) == 0;
}

/* The function that has the most; its time and samples. NULL: none is known by name. The majority
 * survives being weighed against all others, so one pass finds it and one counts it. */
static const struct frame *majority(const struct session *s, const struct run *run, int64_t *ret_ns,
				    size_t *ret_n)
{
	const struct frame *found = NULL;
	int64_t lead_ns = 0;
	for (int pass = 0; pass < 2; pass++) {
		*ret_ns = 0;
		*ret_n = 0;
		for (size_t i = 0; i < run->n_samples; i++) {
			const struct cpu_sample *row = &run->samples[i];
			const struct frame *f = row->is_critical && !row->is_open
							? stack_place(s, row->stack)
							: NULL;
			if (f == NULL || f->function == NULL)
				continue;
			const bool is_it = found != NULL && is_same(f, found);
			if (pass == 0) {
				lead_ns += is_it ? row->weight_ns : -row->weight_ns;
				found = lead_ns < 0 ? f : found;
				lead_ns = lead_ns < 0 ? -lead_ns : lead_ns;
			} else if (is_it) {
				*ret_ns += row->weight_ns;
				++*ret_n;
			}
		}
	}
	return found;
}

int hot_function(struct session *s, struct run *run)
{
	int64_t ns = 0;
	size_t n = 0;
	const struct frame *f = majority(s, run, &ns, &n);
	if (f == NULL || ns < LEAST_NS || n < LEAST_N || is_interpreter(f) ||
	    (double)ns < LEAST * (double)startup_own_ns(run))
		return 0;
	const char *where =
		f->file == NULL || f->line == UNKNOWN
			? ""
			: arena_printf(s->arena, " (%s:%lld)", f->file, (long long)f->line);
	if (where == NULL)
		return -ENOMEM;
	return finding_add(
		s, run,
		(struct finding){
			.id = "hot-function",
			.cost_ns = ns,
			.evidence = arena_printf(
				s->arena, "%s%s of %s ran for %.1f of %.1f ms, in %zu samples",
				f->function, where, module_label(s->arena, f->module),
				(double)ns / 1e6, (double)startup_own_ns(run) / 1e6, n),
			.remedy =
				"--view stacks tells who calls it; let it run later than startup, on "
				"less, or in other threads",
		});
}
