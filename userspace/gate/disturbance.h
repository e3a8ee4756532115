/* SPDX-License-Identifier: MIT */
/* Times that were not measured side by side: is a difference the program's, or of who else used the
 * machine? CPU time, counts and proven rows of the breakdown have to carry at least half of it. */
#ifndef USERSPACE_GATE_DISTURBANCE_H
#define USERSPACE_GATE_DISTURBANCE_H

#include "userspace/base/arena.h"
#include "userspace/model/compare/compare.h"

/* One line, in @arena: what disturbed how many runs, where @change, a part of @c, may well be of that;
 * NULL: nothing speaks for it, or the work has changed as well. -ENOMEM. */
int disturbance_of(struct arena *arena, const struct comparison *c, const struct change *change,
		   const char **ret);

#endif
