/* SPDX-License-Identifier: MIT */
/* Debug information that is not here, from servers, for who asked for it. */
#ifndef USERSPACE_COLLECT_PERF_FETCH_H
#define USERSPACE_COLLECT_PERF_FETCH_H

#include "userspace/collect/run/source.h"
#include "userspace/stacks/intern.h"

/* Gets it for the files that @intern has frames of, those with most of them first, in @limit_ns or until a signal
 * asks startline to end. What is missing then is a note, and costs names alone. */
int fetch_debug_files(struct modules *modules, const struct intern *intern, uint64_t limit_ns,
		      struct sink sink);

#endif
