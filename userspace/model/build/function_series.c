/* SPDX-License-Identifier: MIT */
/* cpu.function[GLOB]: time on the critical path's CPU under functions that match; heap.site[GLOB]: what they hold of
 * the heap. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/model/build/internal.h"

#define NAME_BYTES 4096 /* of what is matched: fnmatch is not linear */

/* A name of its own may have the '!' that stands behind a module. */
static bool frame_matches(const struct frame *f, const char *glob)
{
	char name[NAME_BYTES];
	const char *slash = f->module != NULL ? strrchr(f->module, '/') : NULL;
	const char *module = slash != NULL ? slash + 1 : f->module != NULL ? f->module : "";
	if (f->function == NULL || snprintf(name, sizeof(name), "%s", f->function) < 0)
		return false;
	if (series_matches(glob, name))
		return true;
	return strchr(glob, '!') != NULL &&
	       snprintf(name, sizeof(name), "%s!%s", module, f->function) > 0 &&
	       series_matches(glob, name);
}

/* Per frame of the session whether it matches; *ret_any: at least one does. NULL: no memory. */
static bool *match_frames(const struct session *s, const char *glob, bool *ret_any)
{
	bool *is_match = calloc(s->n_frames + 1, sizeof(*is_match));
	*ret_any = false;
	for (size_t i = 0; is_match != NULL && i < s->n_frames; i++) {
		/* Places of one function follow each other often. */
		const bool is_same = i > 0 && s->frames[i].function == s->frames[i - 1].function &&
				     s->frames[i].module == s->frames[i - 1].module;
		is_match[i] = is_same ? is_match[i - 1] : frame_matches(&s->frames[i], glob);
		*ret_any |= is_match[i];
	}
	return is_match;
}

static bool stack_matches(const struct session *s, int64_t place, const bool *is_match)
{
	const struct stack *stack = session_stack(s, place);
	for (size_t i = 0; stack != NULL && i < stack->n_frames; i++)
		if (session_frame(s, stack->frames[i]) != NULL && is_match[stack->frames[i]])
			return true;
	return false;
}

int series_functions(const struct run *run, const char *glob, struct series *ret)
{
	const struct session *s = run->session;
	bool is_known = false;
	if (s == NULL || !run->has_samples || !run->has_segments)
		return series_add(ret, NAN);
	_cleanup_free_ bool *is_match = match_frames(s, glob, &is_known);
	if (is_match == NULL)
		return -ENOMEM;
	double sum = is_known ? 0 : NAN;
	for (size_t i = 0; i < run->n_samples && is_known; i++)
		if (run->samples[i].is_critical &&
		    stack_matches(s, run->samples[i].stack, is_match))
			sum += (double)run->samples[i].weight_ns;
	return series_add(ret, sum);
}

/* A stack's bytes are inside of all of its functions. */
int series_sites(const struct run *run, const char *glob, struct series *ret)
{
	const struct session *s = run->session;
	bool is_known = false, is_sampled = false;
	if (s == NULL || !run->has_ready)
		return series_add(ret, NAN);
	_cleanup_free_ bool *is_match = match_frames(s, glob, &is_known);
	double sum = 0;
	if (is_match == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < run->n_processes && is_known; i++) {
		const struct heap *heap = &run->processes[i].heap;
		for (size_t k = 0; heap->is_known && k < heap->n_sites; k++) {
			const struct site_sum *sum_of = &heap->sites[k].sums[SITE_READY];
			is_sampled |= sum_of->is_known && sum_of->samples > 0;
			if (sum_of->is_known && sum_of->bytes != UNKNOWN &&
			    stack_matches(s, heap->sites[k].stack, is_match))
				sum += (double)sum_of->bytes;
		}
	}
	return series_add(ret, is_sampled ? sum : (double)NAN);
}
