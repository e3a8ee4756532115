/* SPDX-License-Identifier: MIT */
/* The store's history as what is known of the noise of another tool's benchmarks. */
#ifndef USERSPACE_CMD_KNOWN_NOISE_H
#define USERSPACE_CMD_KNOWN_NOISE_H

#include "userspace/model/session.h"

/* Sets what the store knows of how the benchmarks of @base differ from one result to the next on such a
 * machine. @scenario NULL: of whichever has the benchmark, the latest first. Nothing where there is no store.
 * A negative errno, logged, where one fails. */
int known_noise_of(struct session *base, const char *scenario);

#endif
