/* SPDX-License-Identifier: MIT */
/* What stacks are made of as events: modules, frames and stacks as they are met, functions at the end. */
#ifndef USERSPACE_COLLECT_PERF_TELL_H
#define USERSPACE_COLLECT_PERF_TELL_H

#include "userspace/collect/run/source.h"
#include "userspace/stacks/hotspot_processes.h"
#include "userspace/stacks/intern.h"
#include "userspace/stacks/python_processes.h"

struct teller {
	struct sink sink;
	uint64_t time_ns; /* of the sample */
};

/* Who hears of what is new; @teller must be up to date whenever a stack is interned. */
struct intern_listener tell_listener(struct teller *teller);

/* What else knows names: of the kernel, of Python's modules, of what JVMs made. NULL: it is not there. */
struct name_sources {
	struct source_bpf *bpf;
	const struct python_processes *python;
	const struct hotspot_processes *jvms;
};

/* FUNCTION for each frame of @intern whose name is found before the time for that is over. *ret_unnamed:
 * how many may not have been looked up then. */
int tell_functions(struct modules *modules, const struct intern *intern,
		   const struct name_sources *names, struct sink sink, size_t *ret_unnamed);

/* What became of all samples. */
struct samples_told {
	uint64_t n_kept; /* unwound */
	uint64_t
		n_full; /* of these: there were INTERN_STACKS_MAX distinct ones, or INTERN_FRAMES_MAX */
	uint64_t n_late; /* reading them took too long */
	uint64_t
		n_lost; /* for want of room: at most, as it may include records about mappings, also those of
			  * others, which a ring counts alike */
	uint64_t
		n_mappings; /* and files, there was no room for: code there belongs to nothing known */
};
/* DROPS, and where they matter notes. */
int tell_lost(const struct samples_told *told, struct sink sink);

#endif
