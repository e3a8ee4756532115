/* SPDX-License-Identifier: MIT */
/* A scenario that was measured, judged: its budgets, and the gate metrics against its baseline. Pure:
 * sessions in, an outcome out. */
#ifndef USERSPACE_GATE_JUDGE_H
#define USERSPACE_GATE_JUDGE_H

#include "userspace/gate/config.h"
#include "userspace/gate/outcome.h"

/* A baseline that budgets or the gate ask for, and what it is compared with. */
struct against {
	const char *name;  /* as in a budget's "@name", without '@'; NULL: what was interleaved */
	const char *label; /* for people: "@main", "origin/main" */
	struct session *session, *head;
	struct session *control; /* the base once more; NULL: there was none */
	struct comparison *comparison;
};

struct evidence {
	const struct scenario *scenario;
	struct session *session;      /* of the only step, or steps_sum() of all */
	struct session *const *steps; /* one each, where there are several */
	struct against *against;
	size_t n_against;
	const struct against
		*gate;	  /* of those, what the gate metrics are judged by; NULL: nothing */
	bool is_screened; /* judge_screen() found nothing, which settles it */
	/* The scenario's baseline is not there yet: in a line how to store one, else NULL. What is judged
	 * by it is inconclusive then, and where nothing else was judged, nothing was. */
	const char *awaits;
};

/* Fills the judgements of @ret, worst first, and its kind and reason where something could not be
 * judged; a graver kind that it has already stays. Everything lives in @arena. -ENOMEM, -EIO. */
int judge_scenario(struct arena *arena, const struct evidence *e, struct outcome *ret);

/* Whether the screening by a stored baseline leaves nothing to be confirmed: no gate metric looks
 * worse, with a chance of 10 % to suspect one that is not, and none may be so much worse that it would
 * fail. Stored values are of another day, so more is not concluded from them where interleaving can
 * decide. */
bool judge_screen(const struct evidence *e);

/* Budgets over the cells of a matrix, spans[0..@n) of one name; sessions[i] is that of scenario i of
 * the configuration, NULL: it was not measured. */
int judge_spans(struct arena *arena, const struct config *c, const struct span *spans, size_t n,
		struct session *const *sessions, struct outcome *ret);

#endif
