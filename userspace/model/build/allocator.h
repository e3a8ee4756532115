/* SPDX-License-Identifier: MIT */
/* Own allocators, as they tell of themselves. allocator.c */
#ifndef USERSPACE_MODEL_BUILD_ALLOCATOR_H
#define USERSPACE_MODEL_BUILD_ALLOCATOR_H

#include "userspace/model/build/internal.h"

void allocator_told(struct builder *b, const struct sl_allocator *e);
void allocators_finish(struct builder *b); /* before coverage_finish() */

#endif
