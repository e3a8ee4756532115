/* SPDX-License-Identifier: MIT */
/* The design of an interleaved comparison: which arm runs next, when to look, when to stop. Pure:
 * it is fed with what was measured and may as well be fed by a simulation.
 *
 * Pairs of base and head run in random order. Every third pair is joined by a control: base once
 * more. Looks are fixed beforehand, at 8, 12, 16, 20, 30 pairs, and so on. At each, a claim needs
 * p <= 0.8 % on its side of a change by no more than the margin, at the first 0.1 %. Of the first five,
 * the intervals miss on a side in 2.5 % of all comparisons (after Pocock 1977; worked out by simulating
 * these looks with this test), and the margin keeps most of that from being an alarm. Where runs spread
 * by more than 6 % it cannot: there a claim also needs p <= 0.01 % of no change at all, which nine looks
 * turn into at most 0.09 % false alarms on a side, whatever the noise. A pair that the
 * machine tainted (steal, pressure, CPU quota) is repeated, at most once for each five pairs. */
#ifndef USERSPACE_GATE_SEQUENCE_H
#define USERSPACE_GATE_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/random.h"
#include "userspace/gate/verdict.h"

enum arm { ARM_BASE, ARM_HEAD, ARM_CONTROL, ARM_COUNT };
const char *arm_name(enum arm arm); /* "base" "head" "control" */

#define SEQUENCE_LEVEL 0.984	      /* of the intervals */
extern const size_t sequence_looks[]; /* ends with 0 */

struct sequence {
	struct random random;
	uint64_t seed;
	size_t max_pairs;
	size_t pairs;	/* complete ones */
	size_t repeats; /* of tainted pairs */
	enum arm order[ARM_COUNT];
	size_t n_order, at; /* the pair under way */
	bool is_warmup, is_tainted;
	bool is_alone; /* head only */
};

/* @max_pairs: 30 unless asked otherwise. The first pair is a warm-up, and discarded. */
void sequence_init(struct sequence *s, uint64_t seed, size_t max_pairs);
/* The same without base and control, against values that were measured before: "pairs" are runs of
 * head then. Whatever has changed on the machine since is taken for a change of the program. */
void sequence_init_alone(struct sequence *s, uint64_t seed, size_t max_runs);
/* The arm to run now; *ret_discard: its values do not count. */
enum arm sequence_next(struct sequence *s, bool *ret_discard);
/* It ran. True when a pair is complete and its values count; false also when the pair has to be
 * repeated: drop what was measured in it. */
bool sequence_done(struct sequence *s, bool is_tainted);
/* Whether one more that the machine disturbed is measured again, after @n_done that count. */
bool sequence_may_repeat(size_t repeats, size_t n_done);
/* Whether this is the time to look, and whether it is the last time. */
bool sequence_is_look(const struct sequence *s);
bool sequence_is_over(const struct sequence *s);

/* Runs that spread by more are noisy: the margin protects from nothing there. */
#define SEQUENCE_QUIET 0.06
/* How much the runs of a side spread around their median, as a standard deviation of normal noise, in shares
 * of it; the mean of both sides. INFINITY: not known. */
double sequence_spread(const struct change *c);

/* Whether the control shows a difference where there cannot be one. NULL: false. */
bool sequence_control_differs(const struct change *control);

/* Judges the gate metrics @gate[0..@n) together: Holm over those that are statistical. @control is
 * the comparison of base with the control arm, of the same metrics (NULL: there is none): where
 * it shows a difference itself, the verdict is withheld (inconclusive). Fills @ret[0..@n). True when
 * each is decided, so that no further pair is needed. */
bool sequence_judge(const struct change *gate, const struct change *control, size_t n,
		    enum verdict *ret);

#endif
