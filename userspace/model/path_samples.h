/* SPDX-License-Identifier: MIT */
/* The part of a run's samples that stands for a stretch of its critical path. */
#ifndef USERSPACE_MODEL_PATH_SAMPLES_H
#define USERSPACE_MODEL_PATH_SAMPLES_H

#include <stddef.h>

#include "userspace/base/vec.h"
#include "userspace/model/session.h"

/* Since when which row of a run stands for a thread; by process, thread and time. */
struct sample_index VEC(const struct cpu_sample *);
struct sample_rows VEC(struct cpu_sample);

/* The caller frees @ret's items, also after a failure (-ENOMEM). */
int sample_index_of(const struct run *run, struct sample_index *ret);

/* Appends what stands for segments [@from, @to) of the path, as far as these are running: their time is
 * the sum of the weights. What has no sample has no stack. The rows are in the order that shares_add()
 * wants when they come of one call. -ENOMEM. */
int path_samples(const struct run *run, const struct sample_index *index, size_t from, size_t to,
		 struct sample_rows *ret);

#endif
