/* SPDX-License-Identifier: MIT */
/* What is said of probes that a kernel does not have. */
#ifndef USERSPACE_COLLECT_BPF_WORDS_H
#define USERSPACE_COLLECT_BPF_WORDS_H

#include <stdbool.h>

#include "userspace/collect/run/emit.h"

struct bpf_object_skeleton;

/* A note in the recording for each probe that was not loaded and is missed: what cannot be told
 * without it. @used_uring: the program uses io_uring. */
int words_lacking(const struct bpf_object_skeleton *skeleton, bool used_uring, struct sink sink);

#endif
