/* SPDX-License-Identifier: MIT */
/* What hangs on the kernel's tracepoints. */
#ifndef USERSPACE_COLLECT_BPF_LINKS_H
#define USERSPACE_COLLECT_BPF_LINKS_H

#include <stdint.h>

#include "userspace/collect/bpf/probes.h"

/* Attaches @program, which is loaded and may be an iterator, also at those of its places where it is not yet.
 * Where the kernel refuses it, the program's error says so. */
void links_attach_one(struct program *program);

/* Takes @program out at once, in some 0.1 ms. */
void links_detach_one(struct program *program);

/* Takes out all that is attached. A process of its own waits for the kernel to be done with it. */
void links_detach(struct programs *p);

/* How often the kernel skipped a program because it was under way on that CPU already: in an interrupt,
 * or, since Linux 7.0, in a thread that was preempted inside it. */
uint64_t links_skipped(const struct programs *p);

#endif
