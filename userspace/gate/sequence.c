/* SPDX-License-Identifier: MIT */
/* Interleaving takes the drift of the machine out of the comparison, random order takes out what
 * comes of running first; fixed looks make it harmless to stop early. */

#include "userspace/gate/sequence.h"

#include <math.h>
#include <stdlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/stats.h"
#include "userspace/base/stats_shift.h"

#define CONTROL_EVERY	 3
#define PAIRS_PER_REPEAT 5
/* One-sided, per look: what is left of SEQUENCE_LEVEL on a side. At the first look less: eight runs
 * a side may well have met two modes of a machine unequally, which the next look finds out. */
#define ALPHA_MARGIN ((1 - SEQUENCE_LEVEL) / 2)
#define ALPHA_FIRST  0.001
/* Where runs spread by a multiple of the margin, the margin protects from nothing, and a claim is also
 * tested against no change. */
#define ALPHA_NONE   0.0001
#define MAD_TO_SIGMA 1.4826

const size_t sequence_looks[] = { 8, 12, 16, 20, 30, 45, 60, 90, 120, 180, 240, 0 };

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

bool sequence_may_repeat(size_t repeats, size_t n_done)
{
	return repeats < 1 + n_done / PAIRS_PER_REPEAT;
}

bool sequence_done(struct sequence *s, bool is_tainted)
{
	s->is_tainted |= is_tainted;
	if (++s->at < s->n_order)
		return false;
	bool counts = !s->is_warmup;
	if (counts && s->is_tainted && sequence_may_repeat(s->repeats, s->pairs)) {
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
	if (c->processes.n_base > 0) /* gate/family.h has corrected it */
		return false;
	return c->basis == BASIS_SHIFT || c->basis == BASIS_DIFFERENCE;
}

struct sample {
	double *values;
	size_t n;
};

static void sample_done(struct sample *s)
{
	free(s->values);
}

double sequence_spread(const struct change *c)
{
	_cleanup_(sample_done) struct sample base = { 0 };
	_cleanup_(sample_done) struct sample head = { 0 };
	const bool is_ratio = c->basis == BASIS_SHIFT;
	base.values = change_values(c, c->base, is_ratio, &base.n);
	head.values = change_values(c, c->head, is_ratio, &head.n);
	if (base.values == NULL || head.values == NULL || (!is_ratio && c->base_value == 0))
		return INFINITY;
	const double spread = MAD_TO_SIGMA / 2 *
			      (stats_mad(base.values, base.n) + stats_mad(head.values, head.n));
	return is_ratio ? spread : spread / fabs(c->base_value);
}

/* One-sided p of @more being larger than @less. */
static double p_above(const struct change *c, const struct sample *less, const struct sample *more,
		      double margin)
{
	return stats_p_above(less->values, less->n, more->values, more->n, c->n_blocks, margin);
}

/* One-sided p of being larger and smaller by more than the margin; on a noisy machine, where that
 * says less, of being so at all. Scaled so that a claim needs ALPHA_MARGIN by either. */
static void claim_ps(const struct change *c, double *ret_larger, double *ret_smaller)
{
	_cleanup_(sample_done) struct sample base = { 0 };
	_cleanup_(sample_done) struct sample head = { 0 };
	const bool is_ratio = c->basis == BASIS_SHIFT;
	const double unit = is_ratio ? 1 : fabs(c->base_value), margin = GATE_MARGIN * unit;
	base.values = change_values(c, c->base, is_ratio, &base.n);
	head.values = change_values(c, c->head, is_ratio, &head.n);
	if (base.values == NULL || head.values == NULL)
		return;
	/* Of a base that was measured before there may be more runs than of head. */
	const bool is_first = base.n < sequence_looks[1] || head.n < sequence_looks[1];
	const double scale = is_first ? ALPHA_MARGIN / ALPHA_FIRST : 1;
	const double larger = p_above(c, &base, &head, 0), smaller = p_above(c, &head, &base, 0);
	*ret_larger = scale * p_above(c, &base, &head, is_ratio ? log(1 + GATE_MARGIN) : margin);
	*ret_smaller = scale * p_above(c, &head, &base, is_ratio ? -log(1 - GATE_MARGIN) : margin);
	/* Where the base is 0 there is no margin to protect from anything. */
	if (sequence_spread(c) <= SEQUENCE_QUIET)
		return;
	*ret_larger = fmax(*ret_larger, ALPHA_MARGIN / ALPHA_NONE * larger);
	*ret_smaller = fmax(*ret_smaller, ALPHA_MARGIN / ALPHA_NONE * smaller);
}

bool sequence_control_differs(const struct change *control)
{
	if (control == NULL || control->basis == BASIS_NONE || control->basis == BASIS_EXACT)
		return false;
	return verdict_is_change(verdict_of(control));
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
	return p <= ALPHA_MARGIN ? verdict : VERDICT_INCONCLUSIVE;
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
		/* Not of the family; or of it, without a claim. */
		larger[i] = smaller[i] = is_statistical(&gate[i]) ? 1 : (double)NAN;
		if (is_statistical(&gate[i]) && verdict_is_change(verdict_of(&gate[i])))
			claim_ps(&gate[i], &larger[i], &smaller[i]);
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
