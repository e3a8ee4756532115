/* SPDX-License-Identifier: MIT */
/* What records of perf events tell of processes: what they map, fork, execute, and that they end. Whoever
 * follows addresses, interpreters and heaps hears of it. */
#ifndef USERSPACE_COLLECT_PERF_PROCESSES_H
#define USERSPACE_COLLECT_PERF_PROCESSES_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>

#include "userspace/collect/heap/exact.h"
#include "userspace/collect/heap/map_sites.h"
#include "userspace/collect/heap/sites.h"
#include "userspace/collect/perf/interpreter.h"
#include "userspace/stacks/spaces.h"

struct processes {
	struct spaces *spaces;
	struct interpreters *interpreters;
	struct sites *sites;	     /* NULL: nobody wants to know of blocks */
	struct exact *exact;	     /* NULL: nobody records all */
	struct map_sites *map_sites; /* NULL: no probe tells of growths */
	bool is_whole;		     /* records are of all that the CPUs do */
	uint64_t n_lost;	     /* records for which there was no room */
};

/* Takes one that is no sample, of @time_ns. */
void processes_take(struct processes *p, const struct perf_event_header *record, uint64_t time_ns);

#endif
