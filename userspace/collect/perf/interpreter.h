/* SPDX-License-Identifier: MIT */
/* The frames of interpreters that come along with stacks: which processes the probes are to take them of,
 * and whose stack they belong to. */
#ifndef USERSPACE_COLLECT_PERF_INTERPRETER_H
#define USERSPACE_COLLECT_PERF_INTERPRETER_H

#include "bpf/control.h"
#include "userspace/collect/perf/along.h"
#include "userspace/collect/run/source.h"
#include "userspace/stacks/hotspot_processes.h"
#include "userspace/stacks/python_processes.h"

struct interpreters {
	struct python_processes *processes; /* NULL: none are looked for */
	struct hotspot_processes *jvms;	    /* likewise */
	struct source_bpf *bpf;		    /* that takes frames; NULL: nobody does */
	bool is_unprobed;		    /* nobody did, of one that there was */
	struct pending_frames {
		struct along along;
		size_t n;
		struct python_frame frames[PYTHON_FRAMES];
	} * pending; /* of ALONG_MAX, the next one to be used is .next */
	size_t next;
};

/* A run begins; @bpf (NULL: nobody) takes the frames. -ENOMEM. */
int interpreters_begin(struct interpreters *i, struct modules *modules, struct source_bpf *bpf);
/* It is over: nothing is taken any longer, names are kept. */
void interpreters_end(struct interpreters *i);
void interpreters_done(struct interpreters *i);

/* Says once of which interpreters that were met there are none, and why. */
int interpreters_tell(const struct interpreters *i, struct sink sink);

/* @pid has mapped what is at @region; has executed something else, or ended; @child is a copy of @parent. */
void interpreters_mapped(struct interpreters *i, pid_t pid, const struct region *region);
void interpreters_gone(struct interpreters *i, pid_t pid);
void interpreters_forked(struct interpreters *i, pid_t child, pid_t parent);

/* @taken, a SNAPSHOT_PYTHON_CODE, tells about a code object of process @pid. */
void interpreters_learn(struct interpreters *i, const struct stack_snapshot *taken, pid_t pid);
/* Keeps the frames of @taken, a SNAPSHOT_PYTHON, for the stack that follows. */
void interpreters_keep(struct interpreters *i, const struct stack_snapshot *taken, pid_t tid);
/* Puts those that belong to @snapshot into @unwound, its stack. */
void interpreters_merge(struct interpreters *i, const struct snapshot *snapshot, bool is_timer,
			struct unwound *unwound);

#endif
