/* SPDX-License-Identifier: MIT */
/* Findings about what resident memory consists of. Each is told of the process where it weighs most. */
#ifndef USERSPACE_MODEL_BUILD_RESIDENT_FINDINGS_H
#define USERSPACE_MODEL_BUILD_RESIDENT_FINDINGS_H

#include "userspace/model/build/internal.h"

bool dominant_mapping(struct builder *b, struct finding *ret);
bool thread_arenas(struct builder *b, struct finding *ret);
bool unshared_pages(struct builder *b, struct finding *ret);

#endif
