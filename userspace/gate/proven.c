/* SPDX-License-Identifier: MIT */
/* One row among fifty is beyond its 95 % by chance, and a wait that only some runs have makes an
 * interval too narrow: hence the distance that is asked for (test_gate_proven.c counts). */

#include "userspace/gate/proven.h"

#include <math.h>

#include "userspace/gate/sequence.h"
#include "userspace/gate/verdict.h"

/* The nearer end of the interval, of the change: half of the width is then half of it, too. */
#define NEARER_END 0.5

bool proven_row(const struct comparison *c, const struct contribution *row)
{
	const double nearer = row->low_ns > 0 ? row->low_ns : row->high_ns < 0 ? -row->high_ns : 0;
	return row->counterpart == NULL && !cause_is_cpu_wait(row->cause) &&
	       nearer > GATE_MARGIN * (double)c->base_total_ns &&
	       nearer >= NEARER_END * fabs((double)row->delta_ns);
}

double proven_share(const struct comparison *c)
{
	double sum = 0;
	const size_t least_runs = sequence_looks[0];
	if (!c->has_contributions || c->base_total_ns <= 0 || c->base->n_runs < least_runs ||
	    c->head->n_runs < least_runs)
		return 0;
	for (size_t i = 0; i < c->n_contributions; i++) {
		if (proven_row(c, &c->contributions[i]))
			sum += (double)c->contributions[i].delta_ns;
	}
	return sum / (double)c->base_total_ns;
}
