/* SPDX-License-Identifier: MIT */
/* What the breakdown proves of a total whose own interval is too wide to tell: 100 ms more of sleep stay
 * 100 ms more where the rest is noise. */
#ifndef USERSPACE_GATE_PROVEN_H
#define USERSPACE_GATE_PROVEN_H

#include "userspace/model/compare/compare.h"

/* Whether a row proves a change of the total: its interval, which holds each row 19 of 20 times and there
 * are many rows, is twice as far from 0 as it would have to be, excludes the margin of the total, and
 * is of what did neither move to another row nor wait for a CPU. */
bool proven_row(const struct comparison *c, const struct contribution *row);
/* The sum of these, those of the other direction taken off: as a share of the total of base; 0: nothing,
 * or fewer runs than it takes to tell. */
double proven_share(const struct comparison *c);

#endif
