/* SPDX-License-Identifier: MIT */
/* A start of some milliseconds has few samples. Of several runs, those of the others count where a row is
 * a phase of a program as a whole, so that it is the same in each. */
#include "userspace/view/report/heaviest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/utf8.h"
#include "userspace/model/shares.h"
#include "userspace/view/report/label.h"
#include "userspace/view/report/parts.h"

#define LEAST	    0.20 /* of the row's time on the CPU */
#define LEAST_SURE  0.10 /* … is what it has with 97.5 % certainty */
#define LEAST_N	    3	 /* samples */
#define MAX_NAMES   2
#define MAX_LOADING 100000 /* segments of a row that are looked at for the library */
#define NEARLY_ALL  0.9

int heaviest_new(const struct session *s, const struct run *run, struct heaviest *ret)
{
	*ret = (struct heaviest){ .s = s, .run = run };
	return sample_index_of(run, &ret->index);
}

void heaviest_done(struct heaviest *h)
{
	vec_done(&h->index);
}

/* ---- samples of a row ---- */

static bool is_critical_of(const struct cpu_sample *row, int process, int phase)
{
	return row->is_critical && row->process == process && (int)row->phase == phase;
}

/* Whether the row is nearly all there is of its process's phase, and of nothing else. */
static bool is_whole_phase(const struct heaviest *h, const struct stretch *stretch)
{
	const int phase = stretch_phase(stretch);
	int64_t all_ns = 0;
	for (size_t i = 0; i < h->run->n_samples; i++)
		if (is_critical_of(&h->run->samples[i], stretch->process, phase))
			all_ns = sum_known(all_ns, h->run->samples[i].weight_ns);
	return stretch->n_others == 0 &&
	       (double)stretch->phases_ns[phase] >= NEARLY_ALL * (double)stretch->duration_ns &&
	       (double)stretch->causes_ns[CAUSE_CPU] >= NEARLY_ALL * (double)all_ns;
}

static int add_other_runs(const struct heaviest *h, const struct stretch *stretch,
			  struct shares *shares)
{
	const int phase = stretch_phase(stretch);
	int rc = 0;
	for (size_t i = 0; i < h->s->n_runs && rc == 0; i++) {
		const struct run *run = &h->s->runs[i];
		_cleanup_vec_ struct sample_rows rows = { 0 };
		for (size_t k = 0; k < run->n_samples && run != h->run && rc == 0; k++)
			if (is_critical_of(&run->samples[k], stretch->process, phase))
				rc = vec_push(&rows, run->samples[k]);
		if (rc == 0)
			rc = shares_add(shares, rows.items, rows.n);
	}
	return rc;
}

static int add_rows(const struct heaviest *h, const struct stretch *stretch, struct shares *shares)
{
	_cleanup_vec_ struct sample_rows rows = { 0 };
	int rc = path_samples(h->run, &h->index, stretch->from, stretch->to, &rows);
	if (rc == 0)
		rc = shares_add(shares, rows.items, rows.n);
	if (rc == 0 && is_whole_phase(h, stretch))
		rc = add_other_runs(h, stretch, shares);
	return rc;
}

/* ---- words ---- */

static void add_percent(struct buf *out, int64_t ns, int64_t sum_ns)
{
	(void)buf_addf(out, "%.0f %% in ", 100 * (double)ns / (double)sum_ns);
}

/* The program's own code goes without saying. */
static bool is_own_code(const struct heaviest *h, const struct stretch *stretch, const char *module)
{
	const struct process *p = process_find(h->run, stretch->process);
	const char *exe = stretch->image != NULL ? stretch->image->exe : p != NULL ? p->exe : NULL;
	return exe != NULL && strcmp(label_base(exe), label_base(module)) == 0;
}

/* Takes back what was added since @end where all since @begin is too wide. */
static void drop_if_long(struct buf *out, size_t begin, size_t end, size_t columns)
{
	if (text_width(buf_str(out) + begin, out->len - begin) > columns)
		buf_truncate(out, end);
}

static size_t name_functions(const struct heaviest *h, const struct stretch *stretch,
			     const struct share_list *list, int64_t sum_ns, size_t columns,
			     struct buf *out)
{
	const struct share *first = NULL;
	const size_t begin = out->len;
	size_t n = 0;
	vec_foreach(share, list) {
		if (n == MAX_NAMES || (double)share->self_ns < LEAST * (double)sum_ns)
			break;
		if (share->function == NULL || share->self_low < LEAST_SURE ||
		    share->n_total < LEAST_N)
			continue;
		first = n == 0 ? share : first;
		const size_t end = out->len;
		(void)buf_adds(out, n > 0 ? ", " : "");
		add_percent(out, share->self_ns, sum_ns);
		label_frame(share->frame, true, out);
		n++;
		drop_if_long(out, begin, n > 1 ? end : out->len, columns);
	}
	if (n == 1 && first->module != NULL && !is_own_code(h, stretch, first->module)) {
		const size_t end = out->len;
		(void)buf_addf(out, " (%s)", module_label(h->s->arena, first->module));
		drop_if_long(out, begin, end, columns);
	}
	return n;
}

static void name_module(const struct heaviest *h, const struct share_list *list, int64_t sum_ns,
			struct buf *out)
{
	static const double none[3] = { 0 };
	const char *heaviest = NULL;
	int64_t most_ns = 0;
	size_t n_all = 0, n_most = 0;
	vec_foreach(a, list) {
		int64_t ns = 0;
		size_t n = 0;
		n_all += a->n_self;
		vec_foreach(b, list) {
			const bool is_same = a->module != NULL && b->module != NULL &&
					     strcmp(a->module, b->module) == 0;
			ns += is_same ? b->self_ns : 0;
			n += is_same ? b->n_self : 0;
		}
		if (ns > most_ns) {
			heaviest = a->module;
			most_ns = ns;
			n_most = n;
		}
	}
	if (heaviest == NULL || heaviest[0] == '\0' || n_most < LEAST_N || n_all == 0)
		return;
	const double p = (double)most_ns / (double)sum_ns;
	const struct share_interval sure =
		share_interval(p, (double)n_all, (double)n_all, none, none);
	if (p < LEAST || sure.low < LEAST_SURE)
		return;
	add_percent(out, most_ns, sum_ns);
	(void)buf_adds(out, module_label(h->s->arena, heaviest));
}

/* ---- libraries ---- */

/* A system call has no such name. */
static bool is_library(const char *detail)
{
	return strchr(detail, '/') != NULL || strcmp(detail, LIBRARY_LOADER) == 0;
}

static int64_t loading_ns(const struct heaviest *h, const struct stretch *stretch,
			  const char *library)
{
	int64_t ns = 0;
	for (size_t i = stretch->from; i < stretch->to; i++) {
		const struct segment *s = &h->run->segments[i];
		if (s->cause == CAUSE_CPU && strcmp(s->detail, library) == 0)
			ns = sum_known(ns, s->duration_ns);
	}
	return ns;
}

/* While libraries are loaded it is known whose the time is, stacks or not. */
static void name_library(const struct heaviest *h, const struct stretch *stretch, struct buf *out)
{
	const int phase = stretch_phase(stretch);
	const int64_t sum_ns = stretch->causes_ns[CAUSE_CPU];
	const char *heaviest = NULL;
	int64_t most_ns = 0;
	if ((phase != PHASE_LINK && phase != PHASE_INIT) || stretch->is_one_detail)
		return;
	for (size_t i = stretch->from; i < stretch->to && i < stretch->from + MAX_LOADING; i++) {
		const struct segment *s = &h->run->segments[i];
		if (s->cause != CAUSE_CPU || s->duration_ns <= most_ns || !is_library(s->detail))
			continue;
		heaviest = s->detail;
		most_ns = s->duration_ns;
	}
	if (heaviest == NULL)
		return;
	most_ns = loading_ns(h, stretch, heaviest);
	if ((double)most_ns < LEAST * (double)sum_ns)
		return;
	add_percent(out, most_ns, sum_ns);
	(void)buf_adds(out, label_base(heaviest));
}

static int name_code(const struct heaviest *h, const struct stretch *stretch, size_t columns,
		     struct buf *out)
{
	_cleanup_(shares_freep) struct shares *shares = NULL;
	_cleanup_vec_ struct share_list list = { 0 };
	int64_t sum_ns = 0;
	size_t n_taken = 0;
	if (!h->run->has_samples || stretch->causes_ns[CAUSE_CPU] <= 0)
		return 0;
	int rc = shares_new(h->s, SHARES_BY_PLACE, &shares);
	if (rc == 0)
		rc = add_rows(h, stretch, shares);
	if (rc == 0)
		rc = shares_finish(shares, &list, &sum_ns, &n_taken);
	if (rc < 0 || sum_ns <= 0)
		return rc;
	if (name_functions(h, stretch, &list, sum_ns, columns, out) == 0)
		name_module(h, &list, sum_ns, out);
	return out->error;
}

int heaviest_name(const struct heaviest *h, const struct stretch *stretch, size_t columns,
		  struct buf *out)
{
	const size_t before = out->len;
	const int rc = name_code(h, stretch, columns, out);
	if (rc == 0 && out->len == before && stretch->causes_ns[CAUSE_CPU] > 0)
		name_library(h, stretch, out);
	return rc < 0 ? rc : out->error;
}
