/* SPDX-License-Identifier: MIT */
/* The second opinion on a busy machine. Where others want the CPUs, too, the time from start to end says
 * more about them than about the program: one run may take ten times what the next one takes.
 * `startup.undisturbed` is the same time without the waits that others caused, to the nanosecond. So where
 * the time is noisy and that is much quieter, it joins the family that is judged, and what it decides
 * settles the time. All that the program does is in it: work, sleep, files, peers, and waiting for CPUs
 * that its own threads are on. */
#ifndef USERSPACE_GATE_UNDISTURBED_H
#define USERSPACE_GATE_UNDISTURBED_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/gate/budget.h"

#define UNDISTURBED "startup.undisturbed"

/* sequence_judge() of gate[0..@n), joined by gate[n], which is that of UNDISTURBED, where it is asked. The
 * rule looks at how the runs of each side spread, and not at what lies between the sides. Returns the
 * place of the time that it settles, whose own verdict is inconclusive then; @n: none. Fills @ret[0..@n],
 * the last one only where something is settled. */
size_t undisturbed_judge(const struct change *gate, const struct change *control, size_t n,
			 enum verdict *ret);

/* What it settled passes by itself, and says so. */
void undisturbed_settle(struct judgement *time);
/* Whether the rows of the difference explain @j, where they add up to the metric @total: it is about that,
 * and was not settled otherwise, or about UNDISTURBED. */
bool undisturbed_is_explained(const struct judgement *j, const char *total);

#endif
