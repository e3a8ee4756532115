/* SPDX-License-Identifier: MIT */
/* What hangs on the kernel's tracepoints, of the skeleton's programs. */
#ifndef USERSPACE_COLLECT_BPF_LINKS_H
#define USERSPACE_COLLECT_BPF_LINKS_H

#include <stdint.h>

struct bpf_link;
struct bpf_object_skeleton;

/* Attaches the loaded programs that are not attached, but for the iterators, which are attached as
 * they are used. Returns 0 or a negative errno, not logged. */
int links_attach(const struct bpf_object_skeleton *skeleton);

/* Takes *@link (NULL: it was not attached) out at once, in some 0.1 ms, and makes it NULL. */
void links_detach_one(struct bpf_link **link);

/* Takes out all that is attached, iterators included. A process of its own waits for the kernel to
 * be done with it: see background_close.h. */
void links_detach(const struct bpf_object_skeleton *skeleton);

/* How often the kernel skipped a program because it was under way on that CPU already: in an interrupt,
 * or, since Linux 7.0, in a thread that was preempted inside it. */
uint64_t links_skipped(const struct bpf_object_skeleton *skeleton);

#endif
