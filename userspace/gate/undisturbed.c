/* SPDX-License-Identifier: MIT */
/* When to ask, and what is settled then. */

#include "userspace/gate/undisturbed.h"

#include <math.h>
#include <string.h>

#include "userspace/gate/sequence.h"

/* Of the spread of the time itself: else the waits are the program's own, or not what varies. */
#define QUIETER	  0.5
#define SLOW_CPUS 0.1

/* The place of the time that @undisturbed is asked for; @n: it is not asked. */
static size_t place_of_time(const struct change *gate, size_t n, const struct change *undisturbed)
{
	size_t place = n;
	for (size_t i = 0; i < n; i++) {
		/* Somebody chose it. */
		if (strcmp(gate[i].id, UNDISTURBED) == 0)
			return n;
		if (place == n && metric_is(gate[i].id, METRIC_TOTAL))
			place = i;
	}
	if (place == n || gate[place].basis != BASIS_SHIFT || undisturbed->basis != BASIS_SHIFT)
		return n;
	const double spread = sequence_spread(&gate[place]);
	const bool is_asked =
		spread > SEQUENCE_QUIET && sequence_spread(undisturbed) <= QUIETER * spread;
	return is_asked ? place : n;
}

/* That slower CPUs are to blame for all of a difference is for so much of one only: they may be slow
 * because of the program. */
static bool is_like(const struct change *time, const struct change *undisturbed)
{
	return undisturbed->speed_slope == 0 || fabs(time->ratio - 1) <= SLOW_CPUS;
}

size_t undisturbed_judge(const struct change *gate, const struct change *control, size_t n,
			 enum verdict *ret)
{
	const size_t time = place_of_time(gate, n, &gate[n]);
	(void)sequence_judge(gate, control, time < n ? n + 1 : n, ret);
	if (time == n || ret[n] == VERDICT_INCONCLUSIVE ||
	    (ret[n] == VERDICT_UNCHANGED && !is_like(&gate[time], &gate[n])))
		return n;
	/* Also where it is a change: what is not in the other is the doing of others. */
	ret[time] = VERDICT_INCONCLUSIVE;
	return time;
}

void undisturbed_settle(struct judgement *time)
{
	time->level = LEVEL_GREEN;
	time->more_runs = 0;
	time->reason = "left to " UNDISTURBED ": others on the machine make it too noisy";
}

bool undisturbed_is_explained(const struct judgement *j, const char *total)
{
	const bool is_settled = j->verdict == VERDICT_INCONCLUSIVE && j->level == LEVEL_GREEN;
	return strcmp(j->metric, UNDISTURBED) == 0 ||
	       (strcmp(j->metric, total) == 0 && (j->is_budget || !is_settled));
}
