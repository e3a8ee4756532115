/* SPDX-License-Identifier: MIT */
/* The collect functions of metrics that take a parameter. Each appends to a series that is
 * being built (series.c). 0 or -ENOMEM. */
#ifndef USERSPACE_MODEL_BUILD_SERIES_H
#define USERSPACE_MODEL_BUILD_SERIES_H

#include "userspace/model/metrics.h"

int series_children(const struct run *run, const char *glob, struct series *ret);
int series_connects(const struct run *run, const char *glob, struct series *ret);
int series_replies(const struct run *run, const char *glob, struct series *ret);

#endif
