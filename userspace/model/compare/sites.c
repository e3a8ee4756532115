/* SPDX-License-Identifier: MIT */
/* Which code the difference of a heap comes from: bytes by the function that asked for them, mean over the
 * runs, adding up to what was counted. Functions are rows where samples and runs prove that they hold more or
 * less; all else is one row. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/id_map.h"
#include "userspace/base/vec.h"
#include "userspace/model/compare/internal.h"
#include "userspace/model/place.h"
#include "userspace/model/sites.h"

enum { BASE, HEAD, SIDES };

#define WORTH	  0.01 /* of the larger heap: less is no row of its own */
#define CERTAINTY 3.29 /* standard errors of sampling: one in a thousand is beyond by chance */
#define MIN_RUNS  3    /* of a side, to say what runs prove */
#define MAX_NAMES 20000

static const struct {
	const char *metric;
	enum site_part part;
} metrics_of_sites[] = {
	{ "heap.ready", SITE_READY },
	{ "heap.peak", SITE_TREE_PEAK },
	{ "heap.exit", SITE_EXIT },
};

struct holder { /* a function; name NULL: all that is no row */
	struct code_function function;
	int64_t *runs_bytes[SIDES]; /* per run */
	struct site_mass masses[SIDES];
	bool is_proven;
};

struct holders {
	struct comparison *c;
	const struct session *sessions[SIDES];
	struct VEC(struct holder) list; /* [0] is what is no row */
	struct id_map index;
	struct site_mass whole[SIDES];
};

/* ---- adding up ---- */

static uint64_t key_of(const struct code_function *f)
{
	return ((uint64_t)(uintptr_t)f->name * 0x9e3779b97f4a7c15u) ^
	       (f->module[0] != '\0' ? (uintptr_t)f->module : 0);
}

static int add_holder(struct holders *h, const struct code_function *function)
{
	struct holder fresh = { .function = *function };
	for (int side = 0; side < SIDES; side++) {
		fresh.runs_bytes[side] =
			arena_alloc_array(h->c->arena, h->sessions[side]->n_runs + 1,
					  sizeof(*fresh.runs_bytes[side]));
		if (fresh.runs_bytes[side] == NULL)
			return -ENOMEM;
	}
	return vec_push(&h->list, fresh);
}

/* Its place; -ENOMEM. */
static int holder_of(struct holders *h, const struct code_function *f)
{
	const int first = id_map_get(&h->index, key_of(f));
	for (size_t i = first >= 0 ? (size_t)first : h->list.n; i < h->list.n; i++) {
		const struct code_function *g = &h->list.items[i].function;
		if (g->name == f->name && strcmp(g->module, f->module) == 0)
			return (int)i;
	}
	if (h->list.n >= MAX_NAMES)
		return 0;
	if (add_holder(h, f) < 0)
		return -ENOMEM;
	const int place = (int)h->list.n - 1;
	if (first < 0 && id_map_set(&h->index, key_of(f), place) < 0)
		return -ENOMEM;
	return place;
}

static int add_site(struct holders *h, int side, size_t run, const struct process *p,
		    const struct site *site, enum site_part part)
{
	const struct site_sum *sum = &site->sums[part];
	const struct frame *f = heap_place(h->sessions[side], site->stack);
	struct code_function function;
	int place = 0;
	if (!sum->is_known || sum->bytes == UNKNOWN)
		return 0;
	if (f != NULL && code_function_of(h->c->arena, p->exe, f, &function))
		place = holder_of(h, &function);
	if (place < 0)
		return place;
	struct holder *holder = &h->list.items[place];
	int64_t *bytes = &holder->runs_bytes[side][run];
	if (__builtin_add_overflow(*bytes, sum->bytes, bytes))
		*bytes = INT64_MAX / 2;
	site_mass_add(&holder->masses[side], sum);
	site_mass_add(&h->whole[side], sum);
	return 0;
}

static int add_session(struct holders *h, int side, enum site_part part)
{
	const struct session *s = h->sessions[side];
	int rc = 0;
	for (size_t r = 0; r < s->n_runs; r++)
		for (size_t i = 0; i < s->runs[r].n_processes; i++) {
			const struct process *p = &s->runs[r].processes[i];
			for (size_t k = 0; p->heap.is_known && k < p->heap.n_sites && rc == 0; k++)
				rc = add_site(h, side, r, p, &p->heap.sites[k], part);
		}
	return rc;
}

/* ---- what is proven ---- */

static double mean_of(const struct holders *h, const struct holder *holder, int side)
{
	const size_t n = h->sessions[side]->n_runs;
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)holder->runs_bytes[side][i];
	return n > 0 ? sum / (double)n : 0;
}

/* Of the mean: what a function has is a share of what was counted (site_sums.h). */
static double error_of(const struct holders *h, const struct holder *holder, int side)
{
	const struct site_mass *part = &holder->masses[side], *whole = &h->whole[side];
	const size_t n = h->sessions[side]->n_runs;
	if (n == 0 || !(whole->sampled > 0))
		return 0;
	const double share = part->sampled / whole->sampled;
	const double rest = fmax(whole->variance - part->variance, 0);
	return sqrt((1 - share) * (1 - share) * part->variance + share * share * rest) / (double)n;
}

static int judge(const struct holders *h, struct holder *holder, double least)
{
	const size_t n_base = h->sessions[BASE]->n_runs, n_head = h->sessions[HEAD]->n_runs;
	const double delta = mean_of(h, holder, HEAD) - mean_of(h, holder, BASE);
	const double error = hypot(error_of(h, holder, BASE), error_of(h, holder, HEAD));
	holder->is_proven = holder->function.name != NULL && fabs(delta) >= least &&
			    fabs(delta) > CERTAINTY * error;
	if (!holder->is_proven || n_base < MIN_RUNS || n_head < MIN_RUNS)
		return 0;
	return code_is_proven(holder->runs_bytes[BASE], n_base, holder->runs_bytes[HEAD], n_head,
			      &holder->is_proven);
}

/* ---- rows ---- */

static double magnitude(const struct holders *h, const struct holder *holder)
{
	return fabs(mean_of(h, holder, HEAD) - mean_of(h, holder, BASE));
}

static int largest_first(const void *left, const void *right, void *data)
{
	const struct holder *a = left, *b = right;
	const double x = magnitude(data, a), y = magnitude(data, b);
	if (x != y)
		return x > y ? -1 : 1;
	const int order = strcmp(a->function.name, b->function.name);
	return order != 0 ? order : strcmp(a->function.module, b->function.module);
}

/* Rounds so that the sum is that of all. */
static int64_t rounded(double value, double *left)
{
	const double wanted = value + *left;
	const int64_t given = llround(wanted);
	*left = wanted - (double)given;
	return given;
}

static int add_rows(struct holders *h, size_t metric)
{
	struct comparison *c = h->c;
	const double least = WORTH * fmax(h->whole[BASE].bytes / fmax((double)c->base->n_runs, 1),
					  h->whole[HEAD].bytes / fmax((double)c->head->n_runs, 1));
	double left[SIDES] = { 0 }, other[SIDES] = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < h->list.n; i++) {
		struct holder *holder = &h->list.items[i];
		if (judge(h, holder, least) < 0)
			return -ENOMEM;
		for (int side = 0; side < SIDES && !holder->is_proven; side++)
			other[side] += mean_of(h, holder, side);
		if (holder->is_proven)
			h->list.items[n++] = *holder;
	}
	if (n > 0)
		qsort_r(h->list.items, n, sizeof(*h->list.items), largest_first, h);
	struct site_row *rows = arena_alloc_array(c->arena, c->n_sites + n + 1, sizeof(*rows));
	if (rows == NULL)
		return -ENOMEM;
	if (c->n_sites > 0)
		memcpy(rows, c->sites, c->n_sites * sizeof(*rows));
	c->sites = rows;
	for (size_t i = 0; i <= n; i++) {
		struct site_row row = { .metric = metrics_of_sites[metric].metric,
					.order = metric };
		const struct holder *holder = i < n ? &h->list.items[i] : NULL;
		if (holder != NULL) {
			row.function = holder->function.name;
			row.module = holder->function.module;
		}
		row.base = rounded(holder != NULL ? mean_of(h, holder, BASE) : other[BASE],
				   &left[BASE]);
		row.head = rounded(holder != NULL ? mean_of(h, holder, HEAD) : other[HEAD],
				   &left[HEAD]);
		row.delta = row.head - row.base;
		if (holder != NULL || row.base != 0 || row.head != 0)
			c->sites[c->n_sites++] = row;
	}
	return 0;
}

/* Whether every run tells of call sites, and of this part. */
static bool has_part(const struct session *s, enum site_part part)
{
	for (size_t r = 0; r < s->n_runs; r++) {
		bool is_known = false;
		for (size_t i = 0; i < s->runs[r].n_processes; i++) {
			const struct heap *heap = &s->runs[r].processes[i].heap;
			for (size_t k = 0; heap->is_known && k < heap->n_sites; k++)
				is_known |= heap->sites[k].sums[part].is_known;
		}
		if (!is_known)
			return false;
	}
	return s->n_runs > 0 || is_nothing(s);
}

static bool has_sites(const struct session *s)
{
	for (size_t r = 0; r < s->n_runs; r++)
		if (!run_has_sites(&s->runs[r]))
			return false;
	return s->n_runs > 0 || is_nothing(s);
}

int compare_sites(struct comparison *c)
{
	int rc = 0;
	c->has_sites = has_sites(c->base) && has_sites(c->head) && c->head->n_runs > 0;
	for (size_t m = 0; m < sizeof(metrics_of_sites) / sizeof(*metrics_of_sites) && rc == 0;
	     m++) {
		const enum site_part part = metrics_of_sites[m].part;
		static const struct code_function none = { NULL, "" };
		struct holders h = { .c = c, .sessions = { c->base, c->head } };
		if (!c->has_sites || !has_part(c->base, part) || !has_part(c->head, part))
			continue;
		rc = add_holder(&h, &none);
		for (int side = 0; side < SIDES && rc == 0; side++)
			rc = add_session(&h, side, part);
		if (rc == 0)
			rc = add_rows(&h, m);
		vec_done(&h.list);
		id_map_done(&h.index);
	}
	return rc;
}
