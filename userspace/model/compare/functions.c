/* SPDX-License-Identifier: MIT */
/* Functions under the names that they have in both builds: what a compiler appends to a clone, the
 * version of a library and the name of the program itself are left out. Only those are rows of their own
 * that take so much more or less that it matters, on the CPU or waiting, and where the runs bear that out;
 * the rest of a program's time stays one row. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/id_map.h"
#include "userspace/base/stats_shift.h"
#include "userspace/model/compare/internal.h"
#include "userspace/model/place.h"

#define WORTH	  0.005 /* of the larger total: less is no row of its own */
#define CERTAINTY 0.99
#define MAX_NAMES 20000

struct code_name {
	struct code_function function;
	int64_t sum_ns[2]; /* over all runs of a side, on the critical path */
	bool is_worth;
};

struct code_names {
	struct arena *arena;
	const struct session *sessions[2];
	/* Per frame of a side, interned; NULL: not asked yet. */
	const char **functions[2], **modules[2];
	struct code_name_list VEC(struct code_name) names;
	struct id_map index;
};

void code_names_done(struct code_names *c)
{
	if (c == NULL)
		return;
	for (int side = 0; side < 2; side++) {
		free(c->functions[side]);
		free(c->modules[side]);
	}
	vec_done(&c->names);
	id_map_done(&c->index);
	free(c);
}

/* ---- names ---- */

static const char *base_of(const char *path)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	return slash != NULL ? slash + 1 : path != NULL ? path : "";
}

static void name_own(const char *exe, const struct frame *f, struct code_function *function)
{
	if (exe != NULL && strcmp(base_of(exe), base_of(f->module)) == 0)
		function->module = "";
}

bool code_function_of(struct arena *arena, const char *exe, const struct frame *f,
		      struct code_function *ret)
{
	if (f->function == NULL)
		return false;
	ret->name = arena_internn(arena, f->function, function_length(f->function));
	ret->module = module_label(arena, f->module);
	if (ret->name == NULL || ret->module == NULL)
		return false;
	name_own(exe, f, ret);
	return true;
}

/* The name of @run's frame; false: it has none, or memory is short. */
static bool name_frame(struct code_names *c, int side, const struct run *run, int process,
		       const struct frame *f, struct code_function *ret)
{
	const size_t place = (size_t)(f - c->sessions[side]->frames);
	if (f->function == NULL)
		return false;
	if (c->functions[side][place] == NULL) {
		c->functions[side][place] =
			arena_internn(c->arena, f->function, function_length(f->function));
		c->modules[side][place] = module_label(c->arena, f->module);
	}
	ret->name = c->functions[side][place];
	ret->module = c->modules[side][place];
	if (ret->name == NULL || ret->module == NULL)
		return false;
	const bool is_there = process >= 1 && (size_t)process <= run->n_processes;
	name_own(is_there ? run->processes[process - 1].exe : NULL, f, ret);
	return true;
}

static uint64_t key_of(const struct code_function *f)
{
	return ((uint64_t)(uintptr_t)f->name * 0x9e3779b97f4a7c15u) ^
	       (f->module[0] != '\0' ? (uintptr_t)f->module : 0);
}

static struct code_name *find(struct code_names *c, const struct code_function *f)
{
	const int first = id_map_get(&c->index, key_of(f));
	for (size_t i = first >= 0 ? (size_t)first : c->names.n; i < c->names.n; i++) {
		const struct code_function *g = &c->names.items[i].function;
		if (g->name == f->name && strcmp(g->module, f->module) == 0)
			return &c->names.items[i];
	}
	return NULL;
}

static int count(struct code_names *c, int side, const struct code_function *f, int64_t ns)
{
	struct code_name *name = find(c, f);
	if (name == NULL) {
		if (c->names.n >= MAX_NAMES)
			return 0;
		const struct code_name fresh = { .function = *f };
		if (vec_push(&c->names, fresh) < 0 ||
		    (id_map_get(&c->index, key_of(f)) < 0 &&
		     id_map_set(&c->index, key_of(f), (int)c->names.n - 1) < 0))
			return -ENOMEM;
		name = vec_last(&c->names);
	}
	if (__builtin_add_overflow(name->sum_ns[side], ns, &name->sum_ns[side]))
		name->sum_ns[side] = INT64_MAX;
	return 0;
}

/* ---- which are worth a row ---- */

static int count_stack(struct code_names *c, int side, const struct run *run, int process,
		       int64_t stack, int64_t ns)
{
	const struct frame *f = stack_place(c->sessions[side], stack);
	struct code_function function;
	if (ns <= 0 || f == NULL || !name_frame(c, side, run, process, f, &function))
		return 0;
	return count(c, side, &function, ns);
}

static int count_run(struct code_names *c, int side, const struct run *run)
{
	int rc = 0;
	for (size_t i = 0; i < run->n_samples && rc == 0; i++) {
		const struct cpu_sample *row = &run->samples[i];
		if (row->is_critical && !row->is_open)
			rc = count_stack(c, side, run, row->process, row->stack, row->weight_ns);
	}
	for (size_t i = 0; i < run->n_segments && rc == 0; i++) {
		const struct segment *s = &run->segments[i];
		if (s->state == ACTIVITY_BLOCKED && s->stack != UNKNOWN)
			rc = count_stack(c, side, run, s->process, s->stack, s->duration_ns);
	}
	return rc;
}

/* Waiting for CPUs is left out: where neighbours or a quota make it ten times the rest, that is worth no less. */
static double mean_total(const struct session *s)
{
	double sum = 0;
	for (size_t i = 0; i < s->n_runs; i++) {
		const struct run *run = &s->runs[i];
		sum += run->startup_total_ns > 0 ? (double)run->startup_total_ns : 0;
		for (size_t k = 0; k < run->n_segments; k++)
			sum -= cause_is_cpu_wait(run->segments[k].cause)
				       ? (double)run->segments[k].duration_ns
				       : 0;
	}
	return s->n_runs > 0 ? sum / (double)s->n_runs : 0;
}

double code_least_ns(const struct session *base, const struct session *head)
{
	return WORTH * fmax(mean_total(base), mean_total(head));
}

static void judge(struct code_names *c)
{
	const double least = code_least_ns(c->sessions[0], c->sessions[1]);
	vec_foreach(name, &c->names) {
		const double base = (double)name->sum_ns[0] / (double)c->sessions[0]->n_runs;
		const double head = (double)name->sum_ns[1] / (double)c->sessions[1]->n_runs;
		name->is_worth = fabs(head - base) >= least;
	}
}

static bool has_stacks(const struct session *s)
{
	for (size_t i = 0; i < s->n_runs; i++)
		if (!s->runs[i].has_samples)
			return false;
	return s->n_runs > 0;
}

int code_names_new(struct arena *arena, const struct session *base, const struct session *head,
		   struct code_names **ret)
{
	*ret = NULL;
	if (!has_stacks(base) || !has_stacks(head))
		return 0;
	struct code_names *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	*c = (struct code_names){ .arena = arena, .sessions = { base, head } };
	int rc = 0;
	for (int side = 0; side < 2; side++) {
		const size_t n = c->sessions[side]->n_frames + 1;
		c->functions[side] = calloc(n, sizeof(*c->functions[side]));
		c->modules[side] = calloc(n, sizeof(*c->modules[side]));
		if (c->functions[side] == NULL || c->modules[side] == NULL)
			rc = -ENOMEM;
		for (size_t i = 0; i < c->sessions[side]->n_runs && rc == 0; i++)
			rc = count_run(c, side, &c->sessions[side]->runs[i]);
	}
	if (rc < 0) {
		code_names_done(c);
		return rc;
	}
	judge(c);
	*ret = c;
	return 0;
}

bool code_named(struct code_names *c, int side, const struct run *run,
		const struct cpu_sample *sample, bool has_owner, struct code_function *ret)
{
	const struct frame *f =
		sample->is_open ? NULL : stack_place(c->sessions[side], sample->stack);
	if (f == NULL || f->function == NULL ||
	    (has_owner && (is_common_code(f) || is_module_body(f->function))) ||
	    !name_frame(c, side, run, sample->process, f, ret))
		return false;
	const struct code_name *name = find(c, ret);
	if (name == NULL || !name->is_worth)
		return false;
	*ret = name->function;
	return true;
}

int code_is_proven(const int64_t *base_ns, size_t n_base, const int64_t *head_ns, size_t n_head,
		   bool *ret)
{
	_cleanup_free_ double *values = calloc(n_base + n_head + 1, sizeof(*values));
	struct stats_shift shift;
	if (values == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n_base; i++)
		values[i] = (double)base_ns[i];
	for (size_t i = 0; i < n_head; i++)
		values[n_base + i] = (double)head_ns[i];
	const int rc =
		stats_shift_of(values, n_base, values + n_base, n_head, 1, CERTAINTY, &shift);
	if (rc == 0)
		*ret = shift.low > 0 || shift.high < 0;
	return rc;
}
