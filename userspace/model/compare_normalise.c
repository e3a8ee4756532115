/* SPDX-License-Identifier: MIT */
/* Names of things that are the same in every run, with what changes from run to run taken out. */

#include "userspace/model/compare.h"

#include "userspace/base/arena.h"

const char *compare_normalise(struct arena *arena, const char *text)
{
	return arena_intern(arena, text);
}
