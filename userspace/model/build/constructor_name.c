/* SPDX-License-Identifier: MIT */
/* The finding slow-constructor gets the name of the constructor, which the session has after its runs. */
#include "userspace/model/build/internal.h"

#include <errno.h>
#include <string.h>

#include "userspace/model/shares.h"

#define MOST 0.5 /* of the samples in constructors of the library */

/* As the library's own path may be a link to the file that is mapped. */
static bool is_in(struct session *s, const struct frame *f, const char *label)
{
	const char *module = f->module != NULL ? module_label(s->arena, f->module) : NULL;
	return module != NULL && strcmp(module, label) == 0;
}

static bool is_loader(const struct frame *f)
{
	const char *slash = f->module != NULL ? strrchr(f->module, '/') : NULL;
	return slash != NULL && strncmp(slash + 1, "ld-", 3) == 0;
}

/* What the loader called, or what runs before main; but not the library's own _init. */
static const struct frame *constructor_in(struct session *s, const struct cpu_sample *row,
					  const char *label)
{
	const struct stack *stack = session_stack(s, row->stack);
	bool is_called = row->phase == PHASE_INIT;
	for (size_t i = stack != NULL ? stack->n_frames : 0; i-- > 0;) {
		const struct frame *f = session_frame(s, stack->frames[i]);
		if (f == NULL)
			continue;
		if (is_called && is_in(s, f, label) && f->function != NULL && f->function[0] != '_')
			return f;
		is_called = is_loader(f) || row->phase == PHASE_INIT ||
			    (is_called && is_in(s, f, label));
	}
	return NULL;
}

/* The one that most of the time was spent in; the majority survives being weighed against all others. */
static const struct frame *majority(struct session *s, const struct run *run, const char *label)
{
	const struct frame *found = NULL;
	int64_t lead_ns = 0, its_ns = 0, all_ns = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < run->n_samples; i++) {
			const struct cpu_sample *row = &run->samples[i];
			const struct frame *f =
				row->is_critical ? constructor_in(s, row, label) : NULL;
			if (f == NULL)
				continue;
			const bool is_it =
				found != NULL && strcmp(f->function, found->function) == 0;
			if (pass == 0) {
				lead_ns += is_it ? row->weight_ns : -row->weight_ns;
				found = lead_ns < 0 ? f : found;
				lead_ns = lead_ns < 0 ? -lead_ns : lead_ns;
			} else {
				its_ns += is_it ? row->weight_ns : 0;
				all_ns += row->weight_ns;
			}
		}
	}
	return (double)its_ns >= MOST * (double)all_ns ? found : NULL;
}

int constructor_name(struct session *s, struct run *run)
{
	for (size_t i = 0; i < run->n_findings; i++) {
		struct finding *finding = &run->findings[i];
		int64_t ns = 0;
		const struct library *l = strcmp(finding->id, SLOW_CONSTRUCTOR) == 0
						  ? slowest_constructors(run, &ns)
						  : NULL;
		const char *label = l != NULL ? module_label(s->arena, l->path) : NULL;
		const struct frame *f = label != NULL ? majority(s, run, label) : NULL;
		if (f == NULL)
			continue;
		const char *where =
			f->file == NULL || f->line == UNKNOWN
				? ""
				: arena_printf(s->arena, " (%s:%lld)", f->file, (long long)f->line);
		finding->evidence = where != NULL ? arena_printf(s->arena, "%s, most of it %.*s%s",
								 finding->evidence,
								 (int)function_length(f->function),
								 f->function, where)
						  : NULL;
		if (finding->evidence == NULL)
			return -ENOMEM;
	}
	return 0;
}
