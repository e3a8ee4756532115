/* SPDX-License-Identifier: MIT */
/* A library with a constructor that does UNITS of work: spin.h. */
#include "spin.h"

int catalog_size = 23;

__attribute__((constructor, noinline)) static void build_catalog(void)
{
	spin(UNITS);
}
