/* SPDX-License-Identifier: MIT */
/* See sites.h. */
#include "userspace/model/sites.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/capped_sum.h"
#include "userspace/model/place.h"

struct adder {
	struct site_functions *f;
	struct VEC(size_t) marks; /* per function: the last site that it was seen in */
	size_t mark;
	bool has_unsampled;
	struct VEC(double) lifetimes, n_freed; /* per function */
};

bool site_is_unsampled(const struct site *site)
{
	for (int part = 0; part < SITE_PARTS; part++)
		if (site->sums[part].is_known && site->sums[part].samples > 0)
			return false;
	return site->stack == UNKNOWN;
}

bool run_has_sites(const struct run *run)
{
	for (size_t i = 0; i < run->n_processes; i++)
		if (run->processes[i].heap.is_known && run->processes[i].heap.has_sites)
			return true;
	return false;
}

enum site_part site_headline(const struct run *run)
{
	for (size_t i = 0; i < run->n_processes; i++) {
		const struct heap *heap = &run->processes[i].heap;
		if (heap->is_known && heap->has_sites && heap->ready_bytes != UNKNOWN)
			return SITE_READY;
	}
	return SITE_TREE_PEAK;
}

/* ---- adding up ---- */

static void add_amount(struct site_amount *to, const struct site_sum *sum)
{
	site_mass_add(&to->mass, sum);
	if (!sum->is_known)
		return;
	to->blocks += sum->blocks == UNKNOWN ? 0 : (double)sum->blocks;
	to->samples = capped_sum(to->samples, sum->samples == UNKNOWN ? 0 : sum->samples);
}

/* The place in the list of the function @id of the table; -ENOMEM. */
static int listed(struct adder *a, int id)
{
	while (id >= 0 && a->f->list.n <= (size_t)id)
		if (vec_push(&a->f->list, (struct site_function){ 0 }) < 0 ||
		    vec_push(&a->marks, 0) < 0 || vec_push(&a->lifetimes, 0) < 0 ||
		    vec_push(&a->n_freed, 0) < 0)
			return -ENOMEM;
	return id;
}

static void add_self(struct adder *a, int function, const struct site *site)
{
	struct site_function *f = &a->f->list.items[function];
	for (int part = 0; part < SITE_PARTS; part++)
		add_amount(&f->self[part], &site->sums[part]);
	const struct site_sum *total = &site->sums[SITE_TOTAL];
	if (site->lifetime_ns == UNKNOWN || !total->is_known || total->blocks <= 0)
		return;
	a->lifetimes.items[function] += (double)site->lifetime_ns * (double)total->blocks;
	a->n_freed.items[function] += (double)total->blocks;
}

static void add_total(struct adder *a, int function, const struct site *site)
{
	if (a->marks.items[function] == a->mark)
		return;
	a->marks.items[function] = a->mark;
	for (int part = 0; part < SITE_PARTS; part++)
		add_amount(&a->f->list.items[function].total[part], &site->sums[part]);
}

/* Outwards from the frame that asked for it, each function once. */
static int add_callers(struct adder *a, const struct site *site, const struct frame *place)
{
	const struct session *s = a->f->names.session;
	const struct stack *stack = session_stack(s, site->stack);
	bool is_out = false;
	for (size_t i = 0; stack != NULL && i < stack->n_frames; i++) {
		is_out = is_out || session_frame(s, stack->frames[i]) == place;
		if (!is_out)
			continue;
		const int function = listed(a, function_table_at(&a->f->names, stack->frames[i]));
		if (function == -ENOMEM)
			return function;
		if (function >= 0)
			add_total(a, function, site);
	}
	return 0;
}

static int add_site(struct adder *a, const struct site *site)
{
	const struct frame *place = heap_place(a->f->names.session, site->stack);
	const bool is_unsampled = site_is_unsampled(site);
	a->mark++;
	if (is_unsampled) {
		a->has_unsampled = true;
		for (int part = 0; part < SITE_PARTS; part++)
			add_amount(&a->f->unsampled[part], &site->sums[part]);
		return 0;
	}
	const int self = listed(a, function_table_add(&a->f->names, place));
	if (self < 0)
		return self;
	add_self(a, self, site);
	add_total(a, self, site);
	return add_callers(a, site, place);
}

static int add_process(struct adder *a, const struct process *p)
{
	struct site_functions *f = a->f;
	int rc = 0;
	if (!p->heap.is_known || !p->heap.has_sites)
		return 0;
	f->has_sites = true;
	f->cut = capped_sum(f->cut, p->heap.sites_cut > 0 ? p->heap.sites_cut : 0);
	for (size_t i = 0; i < p->heap.n_sites && rc == 0; i++) {
		const struct site *site = &p->heap.sites[i];
		for (int part = 0; part < SITE_PARTS; part++) {
			f->is_known[part] |= site->sums[part].is_known;
			add_amount(&f->whole[part], &site->sums[part]);
		}
		rc = add_site(a, site);
	}
	return rc;
}

/* ---- intervals ---- */

static void set_interval(struct site_amount *a, const struct site_amount *whole, int part)
{
	const bool is_counted = part != SITE_TOTAL && part != SITE_TEMPORARY;
	a->interval = a->samples == 0 ? (struct site_interval){ a->mass.bytes, a->mass.bytes }
		      : is_counted    ? site_share_interval(&a->mass, &whole->mass)
				      : site_sum_interval(&a->mass);
}

static int finish(struct adder *a)
{
	struct site_functions *f = a->f;
	for (size_t i = 0; i < a->n_freed.n; i++) {
		struct site_function *row = &f->list.items[i];
		row->name = f->names.names.items[i];
		row->lifetime_ns = a->n_freed.items[i] > 0
					   ? a->lifetimes.items[i] / a->n_freed.items[i]
					   : (double)NAN;
	}
	if (a->has_unsampled) {
		struct site_function rest = { .is_unsampled = true, .lifetime_ns = (double)NAN };
		memcpy(rest.self, f->unsampled, sizeof(rest.self));
		memcpy(rest.total, f->unsampled, sizeof(rest.total));
		if (vec_push(&f->list, rest) < 0)
			return -ENOMEM;
	}
	for (int part = 0; part < SITE_PARTS; part++) {
		vec_foreach(row, &f->list) {
			set_interval(&row->self[part], &f->whole[part], part);
			set_interval(&row->total[part], &f->whole[part], part);
		}
		/* What is counted is known as a whole. */
		f->whole[part].interval =
			part == SITE_TOTAL || part == SITE_TEMPORARY
				? site_sum_interval(&f->whole[part].mass)
				: (struct site_interval){ f->whole[part].mass.bytes,
							  f->whole[part].mass.bytes };
	}
	return 0;
}

int site_functions_of(const struct session *s, const struct run *runs, size_t n, int process,
		      struct site_functions *ret)
{
	struct adder a = { .f = ret };
	*ret = (struct site_functions){ 0 };
	int rc = function_table_init(&ret->names, s);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < runs[i].n_processes && rc == 0; k++)
			if (process == 0 || runs[i].processes[k].id == process)
				rc = add_process(&a, &runs[i].processes[k]);
	if (rc == 0)
		rc = listed(&a, (int)ret->names.names.n - 1) == -ENOMEM ? -ENOMEM : finish(&a);
	vec_done(&a.marks);
	vec_done(&a.lifetimes);
	vec_done(&a.n_freed);
	return rc;
}

void site_functions_done(struct site_functions *f)
{
	function_table_done(&f->names);
	vec_done(&f->list);
}

/* ---- order ---- */

static int compare_text(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "");
}

static int largest_first(const void *left, const void *right, void *data)
{
	const struct site_function *a = left, *b = right;
	const enum site_part part = *(const enum site_part *)data;
	const double x = a->self[part].mass.bytes, y = b->self[part].mass.bytes;
	const double v = a->total[part].mass.bytes, w = b->total[part].mass.bytes;
	if (x != y)
		return x > y ? -1 : 1;
	if (v != w)
		return v > w ? -1 : 1;
	const int order = compare_text(a->name.name, b->name.name);
	return order != 0 ? order : compare_text(a->name.module, b->name.module);
}

void site_functions_sort(struct site_functions *f, enum site_part part)
{
	if (f->list.n > 0)
		qsort_r(f->list.items, f->list.n, sizeof(*f->list.items), largest_first, &part);
}
