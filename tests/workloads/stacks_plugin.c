/* build: shared */
/* SPDX-License-Identifier: MIT */
/* A library for stacks.c. */
#include "tests/workloads/stacks.h"

void plugin_work(long units);
void plugin_work(long units)
{
	split_work(units);
}
