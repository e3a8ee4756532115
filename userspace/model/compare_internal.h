/* SPDX-License-Identifier: MIT */
/* The parts of a comparison. 0 or -ENOMEM. */
#ifndef USERSPACE_MODEL_COMPARE_INTERNAL_H
#define USERSPACE_MODEL_COMPARE_INTERNAL_H

#include "userspace/model/compare.h"

/* Sets incomparable: the first fact about the two machines that differs. */
int compare_hosts(struct comparison *c);
/* Sets the contributions. */
int compare_startups(struct comparison *c);

#endif
