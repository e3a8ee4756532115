/* SPDX-License-Identifier: MIT */
/* Names the place in the kernel where a thread slept. */
#ifndef USERSPACE_COLLECT_BPF_WAIT_CHANNEL_H
#define USERSPACE_COLLECT_BPF_WAIT_CHANNEL_H

#include <stdint.h>

/* @line is "12 __schedule schedule pipe_read …": the number of a place, and the functions that
 * were active, innermost first. Returns the first one that says something, else the innermost;
 * NULL when the line makes no sense. Cuts @line up; the result points into it. */
const char *wait_channel_name(char *line, uint64_t *ret_number);

#endif
