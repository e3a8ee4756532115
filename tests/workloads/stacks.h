/* SPDX-License-Identifier: MIT */
/* Work that is split in a known way, for stacks.c and stacks_plugin.c. */
#ifndef TESTS_WORKLOADS_STACKS_H
#define TESTS_WORKLOADS_STACKS_H

static volatile unsigned int sum;

/* The same work in both, in functions of their own. */
#define SPIN(n)                                                 \
	for (volatile unsigned int i = 0; i < (n)*320000u; i++) \
		sum += i ^ sum << 3;

static __attribute__((noinline)) void heavy(unsigned int n)
{
	SPIN(n)
}

static __attribute__((noinline)) void light(unsigned int n)
{
	SPIN(n)
}

static __attribute__((noinline)) void heavy_caller(unsigned int n)
{
	heavy(n);
	sum++;
}

/* A unit is about a millisecond. */
static void split_work(long units)
{
	for (long i = 0; i < units; i += 10) {
		heavy_caller(7);
		light(3);
	}
}

#endif
