/* SPDX-License-Identifier: MIT */
/* Interleaving takes the drift of the machine out of the comparison, random order takes out what
 * comes of running first; fixed looks make it harmless to stop early. */

#include "userspace/gate/sequence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/stats.h"
#include "userspace/base/stats_shift.h"

#define CONTROL_EVERY	 3
#define PAIRS_PER_REPEAT 5
/* One-sided, per look: what is left of SEQUENCE_LEVEL on a side. At the first look less: eight runs
 * a side may well have met two modes of a machine unequally, which the next look finds out. */
#define ALPHA	    ((1 - SEQUENCE_LEVEL) / 2)
#define ALPHA_FIRST 0.001
/* Where runs spread by a multiple of the margin, the margin protects from nothing, and the level has to
 * do it alone. Few runs tell less of how much they spread: until the third look, caution. */
#define RESTLESS_EARLY 0.06
#define RESTLESS       0.07
#define ALPHA_RESTLESS 0.0002
#define MAD_TO_SIGMA   1.4826

const size_t sequence_looks[] = { 8, 12, 16, 20, 30, 0 };

const char *arm_name(enum arm arm)
{
	static const char *const names[] = {
		[ARM_BASE] = "base",
		[ARM_HEAD] = "head",
		[ARM_CONTROL] = "control",
	};
	return arm < ARM_COUNT ? names[arm] : "";
}

/* --- order ---------------------------------------------------------------------------------- */

static void draw_pair(struct sequence *s)
{
	s->n_order = 0;
	s->order[s->n_order++] = ARM_HEAD;
	if (!s->is_alone)
		s->order[s->n_order++] = ARM_BASE;
	if (!s->is_alone && !s->is_warmup && s->pairs % CONTROL_EVERY == 0)
		s->order[s->n_order++] = ARM_CONTROL;
	for (size_t i = s->n_order; i > 1; i--) {
		const size_t j = random_below(&s->random, i);
		const enum arm swapped = s->order[i - 1];
		s->order[i - 1] = s->order[j];
		s->order[j] = swapped;
	}
	s->at = 0;
	s->is_tainted = false;
}

static void init(struct sequence *s, uint64_t seed, size_t max_pairs, bool is_alone)
{
	*s = (struct sequence){
		.seed = seed,
		.max_pairs = max_pairs,
		.is_warmup = true,
		.is_alone = is_alone,
	};
	random_seed(&s->random, seed);
	draw_pair(s);
}

void sequence_init(struct sequence *s, uint64_t seed, size_t max_pairs)
{
	init(s, seed, max_pairs, false);
}

void sequence_init_alone(struct sequence *s, uint64_t seed, size_t max_runs)
{
	init(s, seed, max_runs, true);
}

enum arm sequence_next(struct sequence *s, bool *ret_discard)
{
	*ret_discard = s->is_warmup;
	return s->order[s->at];
}

bool sequence_done(struct sequence *s, bool is_tainted)
{
	s->is_tainted |= is_tainted;
	if (++s->at < s->n_order)
		return false;
	bool counts = !s->is_warmup;
	if (counts && s->is_tainted && s->repeats < 1 + s->pairs / PAIRS_PER_REPEAT) {
		s->repeats++;
		counts = false;
	}
	s->is_warmup = false;
	s->pairs += counts;
	draw_pair(s);
	return counts;
}

/* Between pairs, as sequence_done() leaves it. */
bool sequence_is_over(const struct sequence *s)
{
	return s->at == 0 && s->pairs >= s->max_pairs;
}

bool sequence_is_look(const struct sequence *s)
{
	if (s->at != 0 || s->pairs == 0)
		return false;
	if (sequence_is_over(s))
		return true;
	for (size_t i = 0; sequence_looks[i] != 0; i++) {
		if (sequence_looks[i] == s->pairs)
			return true;
	}
	return false;
}

/* --- the verdict of a family ---------------------------------------------------------------- */

/* Compared with an interval: what a claim is made of, and corrected. */
static bool is_statistical(const struct change *c)
{
	return c->basis == BASIS_SHIFT || c->basis == BASIS_DIFFERENCE;
}

/* The values that were captured, as they are compared. NULL: no memory. */
static double *compared(const struct change *c, const struct series *series, size_t *ret_n)
{
	double *v = malloc((series->n_values + 1) * sizeof(*v));
	*ret_n = 0;
	if (v == NULL)
		return NULL;
	if (series->n_values > 0)
		memcpy(v, series->values, series->n_values * sizeof(*v));
	*ret_n = stats_drop_missing(v, series->n_values);
	for (size_t i = 0; c->basis == BASIS_SHIFT && i < *ret_n; i++)
		v[i] = log(v[i]);
	return v;
}

/* One-sided p of being more than the margin larger, and smaller. */
static void margin_p(const struct change *c, double *ret_larger, double *ret_smaller)
{
	size_t n_base = 0, n_head = 0;
	_cleanup_free_ double *base = compared(c, c->base, &n_base);
	_cleanup_free_ double *head = compared(c, c->head, &n_head);
	const bool is_ratio = c->basis == BASIS_SHIFT;
	const double margin = GATE_MARGIN * fabs(c->base_value);
	*ret_larger = *ret_smaller = 1;
	if (base == NULL || head == NULL)
		return;
	*ret_larger =
		stats_p_above(base, n_base, head, n_head, is_ratio ? log(1 + GATE_MARGIN) : margin);
	*ret_smaller = stats_p_above(head, n_head, base, n_base,
				     is_ratio ? -log(1 - GATE_MARGIN) : margin);
}

bool sequence_control_differs(const struct change *control)
{
	if (control == NULL || control->basis == BASIS_NONE || control->basis == BASIS_EXACT)
		return false;
	return verdict_is_change(verdict_of(control));
}

/* As a standard deviation of normal noise would be, of runs around the median of their side; as a
 * share of the base. Where that is 0 there is no margin to protect from anything. */
static double spread_of(const struct change *c)
{
	size_t n_base = 0, n_head = 0;
	_cleanup_free_ double *base = compared(c, c->base, &n_base);
	_cleanup_free_ double *head = compared(c, c->head, &n_head);
	const double unit = c->basis == BASIS_SHIFT ? 1 : fabs(c->base_value);
	if (base == NULL || head == NULL || unit == 0)
		return INFINITY;
	return MAD_TO_SIGMA * (stats_mad(base, n_base) + stats_mad(head, n_head)) / 2 / unit;
}

/* Of a base that was measured before there may be more runs than of head. */
static size_t pairs_of(const struct change *c)
{
	const size_t base = c->base->summary.n, head = c->head->summary.n;
	return base < head ? base : head;
}

double sequence_restless(const struct change *c)
{
	const bool is_early = pairs_of(c) < sequence_looks[2];
	const double spread = spread_of(c);
	return spread > (is_early ? RESTLESS_EARLY : RESTLESS) ? spread : 0;
}

static double alpha_of(const struct change *c)
{
	if (sequence_restless(c) > 0)
		return ALPHA_RESTLESS;
	return pairs_of(c) < sequence_looks[1] ? ALPHA_FIRST : ALPHA;
}

/* A claim that does not survive Holm's correction is not made. */
static enum verdict corrected(const struct change *c, double p_larger, double p_smaller)
{
	const enum verdict verdict = verdict_of(c);
	if (!verdict_is_change(verdict))
		return verdict;
	if (!is_statistical(c))
		return verdict;
	const bool is_larger = c->basis == BASIS_SHIFT ? c->ratio > 1 : c->difference > 0;
	const double p = is_larger ? p_larger : p_smaller;
	return p <= alpha_of(c) ? verdict : VERDICT_INCONCLUSIVE;
}

bool sequence_judge(const struct change *gate, const struct change *control, size_t n,
		    enum verdict *ret)
{
	bool is_decided = true;
	_cleanup_free_ double *larger = calloc(n + 1, sizeof(*larger));
	_cleanup_free_ double *smaller = calloc(n + 1, sizeof(*smaller));
	if (larger == NULL || smaller == NULL) {
		for (size_t i = 0; i < n; i++)
			ret[i] = VERDICT_INCONCLUSIVE;
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		larger[i] = smaller[i] = NAN; /* not of the family */
		if (is_statistical(&gate[i]))
			margin_p(&gate[i], &larger[i], &smaller[i]);
	}
	stats_holm(larger, n);
	stats_holm(smaller, n);
	for (size_t i = 0; i < n; i++) {
		ret[i] = corrected(&gate[i], larger[i], smaller[i]);
		if (ret[i] != VERDICT_INCONCLUSIVE &&
		    sequence_control_differs(control != NULL ? &control[i] : NULL))
			ret[i] = VERDICT_INCONCLUSIVE;
		is_decided &= ret[i] != VERDICT_INCONCLUSIVE;
	}
	return is_decided;
}
