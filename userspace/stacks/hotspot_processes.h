/* SPDX-License-Identifier: MIT */
/* Processes that run a HotSpot JVM: which they are, what the code is called that they made, and how its
 * frames are left.
 *
 * Read from the live process while stacks are unwound, which is some milliseconds after they were taken, and only what
 * is met for the first time, or was not looked at for a while: the JVM may have put other code in its place. Of a
 * process that is gone what was read of it still counts. Frames keep their module, that of code made at
 * run time (MODULE_ANONYMOUS); the offset of those that have a name is no address but a number, told by
 * hotspot_process_name(). */
#ifndef USERSPACE_STACKS_HOTSPOT_PROCESSES_H
#define USERSPACE_STACKS_HOTSPOT_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/cleanup.h"
#include "userspace/stacks/hotspot.h"
#include "userspace/stacks/spaces.h"
#include "userspace/stacks/unwind.h"

struct hotspot_processes;

/* NULL: no memory. @modules must live longer. */
struct hotspot_processes *hotspot_processes_new(struct modules *modules);
struct hotspot_processes *hotspot_processes_free(struct hotspot_processes *p);
DEFINE_FREEP(struct hotspot_processes, hotspot_processes_free)

/* @pid has mapped code of @region: it is a JVM if that is of libjvm.so. */
void hotspot_process_found(struct hotspot_processes *p, pid_t pid, const struct region *region);
/* It executes something else, or has ended. */
void hotspot_process_gone(struct hotspot_processes *p, pid_t pid);
/* All are; names are kept. */
void hotspot_processes_gone(struct hotspot_processes *p);

/* For unwinder_set_made(). @data: a struct hotspot_processes. */
void hotspot_processes_look(void *data, struct made_frame *frame);

/* The name of frames of code made at run time that have @offset; NULL: an address, of which nothing is
 * known here. */
const char *hotspot_process_name(const struct hotspot_processes *p, uint64_t offset);

/* Where the memory of a process comes from instead of the process, for tests. */
void hotspot_processes_set_memory(struct hotspot_processes *p, pid_t pid,
				  const struct hotspot_tables *tables, struct memory_reader memory);

#endif
