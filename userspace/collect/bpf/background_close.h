/* SPDX-License-Identifier: MIT */
/* Closing the last descriptor of an attached probe waits for grace periods of the kernel, 10 ms
 * each and 200 ms in all, which the user need not wait for. */
#ifndef USERSPACE_COLLECT_BPF_BACKGROUND_CLOSE_H
#define USERSPACE_COLLECT_BPF_BACKGROUND_CLOSE_H

#include <stddef.h>

/* How long the process lives that background_close() starts, if its parent does not end before. */
#define BACKGROUND_CLOSE_MAX_MS 1000

/* Starts a process that holds copies of @fds and nothing else, so that closing them here is
 * instant. It ends when we end, or after BACKGROUND_CLOSE_MAX_MS. Where no process can be started, closing
 * just takes its time. */
void background_close(const int *fds, size_t n);

#endif
