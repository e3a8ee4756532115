/* SPDX-License-Identifier: MIT */
/* The level of each claim follows from how many are judged, and of very many from how many can be
 * claimed. */

#include "userspace/gate/family.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/stats.h"
#include "userspace/base/stats_student.h"
#include "userspace/base/units.h"
#include "userspace/gate/sequence.h"

#define ALPHA_ALONE   0.025 /* of the interval that "unchanged" is about, on a side */
#define PROCESSES_MAX ((size_t)100)
/* Where processes spread by more than SEQUENCE_QUIET their noise has tails, slow minutes and modes, of which few
 * processes show nothing: claims are that much rarer there. */
#define RARER 5

bool family_has(const struct change *c)
{
	return c->processes.n_base > 0 && verdict_may_be_worse(c);
}

size_t family_size(const struct comparison *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->n_changes; i++)
		n += family_has(&c->changes[i]);
	return n;
}

/* --- the level ------------------------------------------------------------------------------ */

/* How many of the sorted p[0..n) Benjamini and Hochberg's procedure claims. */
static size_t claimable(const double *p, size_t n)
{
	for (size_t k = n; k > 0; k--) {
		if (p[k - 1] <= FAMILY_ALPHA * (double)k / (double)n)
			return k;
	}
	return 0;
}

static double rarer(const struct change *c)
{
	return c->processes.seen > SEQUENCE_QUIET ? RARER : 1;
}

static int alpha_of_many(const struct comparison *c, size_t n_family, double *ret)
{
	_cleanup_free_ double *p = calloc(n_family + 1, sizeof(*p));
	size_t n = 0;
	if (p == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_changes; i++) {
		double above = 1, below = 1;
		if (!family_has(&c->changes[i]))
			continue;
		const int r = change_beyond(&c->changes[i], GATE_MARGIN, &above, &below);
		if (r < 0)
			return r;
		p[n++] = fmin(1, fmin(above, below) * rarer(&c->changes[i]));
	}
	stats_sort(p, n);
	const size_t k = claimable(p, n);
	*ret = FAMILY_ALPHA * (double)(k > 0 ? k : 1) / (double)n;
	return 0;
}

int family_set_claims(struct comparison *c)
{
	const size_t n = family_size(c);
	double alpha = n > 0 ? FAMILY_ALPHA / (double)n : FAMILY_ALPHA;
	int r = n > FAMILY_HOLDS_TO ? alpha_of_many(c, n, &alpha) : 0;
	for (size_t i = 0; r >= 0 && i < c->n_changes; i++) {
		struct change *change = &c->changes[i];
		if (!family_has(change))
			continue;
		const double own = alpha / rarer(change);
		r = change_interval(change, own, &change->claim_low, &change->claim_high);
		change->claim_alpha = r >= 0 ? own : 0;
	}
	return r;
}

/* --- how many more -------------------------------------------------------------------------- */

static double alpha_of_claim(const struct change *c)
{
	return c->claim_alpha > 0 ? c->claim_alpha : ALPHA_ALONE;
}

/* How far the estimate may lie from the truth, all but @alpha, with @n processes a side. */
static double reach(double sigma, double df, double alpha, size_t n)
{
	return stats_student_quantile(alpha, df) * sigma * sqrt(2 / (double)n);
}

static double beyond_margin(const struct change *c)
{
	const double shift = log(c->ratio);
	return fmax(shift - log(1 + GATE_MARGIN), -shift + log(1 - GATE_MARGIN));
}

size_t family_more_processes(const struct change *c)
{
	const struct process_spread *p = &c->processes;
	const size_t least = p->n_base < p->n_head ? p->n_base : p->n_head;
	const double claim = beyond_margin(c), alpha = alpha_of_claim(c);
	const double same = log(1 + GATE_EQUIVALENCE) - fabs(log(c->ratio));
	/* What these few show is trusted no more than what was expected. */
	const double sigma = fmax(p->sigma, isnan(p->own) ? 0 : p->own);
	for (size_t n = least + 1; n <= PROCESSES_MAX; n++) {
		const double df = 2 * (double)n - 2 + p->df_before;
		if (reach(sigma, df, alpha, n) < claim || reach(sigma, df, ALPHA_ALONE, n) < same)
			return n - least;
	}
	return 0;
}

size_t family_certain_processes(const struct change *c)
{
	const struct process_spread *p = &c->processes;
	const size_t least = p->n_base < p->n_head ? p->n_base : p->n_head;
	const double claim = beyond_margin(c), alpha = alpha_of_claim(c);
	const double sigma = isnan(p->own) ? p->before : p->own;
	if (p->df_before == 0)
		return 0;
	for (size_t n = least > 2 ? least : 2; n <= PROCESSES_MAX; n++) {
		if (reach(sigma, 2 * (double)n - 2, alpha, n) < claim)
			return n == least ? 0 : n;
	}
	return 0;
}

/* --- words ---------------------------------------------------------------------------------- */

/* What a process is in what the tool wrote. */
static const char *processes_of(const struct change *c, size_t n)
{
	const bool is_run = !c->head->is_summary && c->head->n_processes == c->head->n_values &&
			    c->head->n_values > 1;
	return is_run	? n == 1 ? "run" : "runs"
	       : n == 1 ? "process (a file of results each)"
			: "processes (a file of results each)";
}

const char *family_more_words(struct arena *arena, const struct change *c)
{
	char before[UNITS_BYTES];
	const size_t n = family_more_processes(c);
	const char *known = "";
	if (c->processes.is_known)
		known = arena_printf(arena, "; they differ by %s in the store",
				     format_percent(before, c->processes.before));
	if (known == NULL || n == 0)
		return known != NULL ? known : "";
	const char *words = arena_printf(arena, "%s; about %zu more %s a side would decide it",
					 known, n, processes_of(c, n));
	return words != NULL ? words : "";
}

const char *family_certain_words(struct arena *arena, const struct change *c)
{
	char before[UNITS_BYTES];
	const size_t n = c->processes.n_base > 0 ? family_certain_processes(c) : 0;
	if (n == 0)
		return "";
	const char *words = arena_printf(
		arena, "; judged by the %s that processes %s; %zu %s a side make it certain",
		format_percent(before, c->processes.before),
		c->processes.is_known ? "differed by in the store" : "may differ by", n,
		processes_of(c, n));
	return words != NULL ? words : "";
}
