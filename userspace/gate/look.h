/* SPDX-License-Identifier: MIT */
/* The values of an interleaved comparison as they come in, and whether they decide it by now. Only the
 * metrics that are judged are kept, one run being read after the other; the verdict itself is
 * judge_scenario()'s, on what was measured as a whole. */
#ifndef USERSPACE_GATE_LOOK_H
#define USERSPACE_GATE_LOOK_H

#include "userspace/gate/sequence.h"

struct look;

/* @ids: the metrics that are judged together. @measured_base: what head alone is compared with, or NULL.
 * @good_below: a metric is settled, too, that for certain is not as much worse as this (`git bisect` asks
 * for no more); 0: it is not. All of them outlive it. -EINVAL, logged: there is no such metric; -ENOMEM,
 * logged. */
int look_new(const struct text_list *ids, struct session *measured_base, double good_below,
	     struct look **ret);
struct look *look_free(struct look *l); /* NULL */

/* The values of one run of @arm, of the pair under way. -ENOMEM, logged. */
int look_add(struct look *l, enum arm arm, struct session *run);
/* What the pair under way brought counts, or never was. */
void look_settle(struct look *l, bool counts);
/* Whether nothing is gained by going on. -ENOMEM, logged. */
int look_now(const struct look *l, bool *ret_is_decided);

#endif
