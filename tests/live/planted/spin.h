/* SPDX-License-Identifier: MIT */
/* Work without a system call: the same each time, however long it takes. */
#ifndef TESTS_LIVE_PLANTED_SPIN_H
#define TESTS_LIVE_PLANTED_SPIN_H

/* A unit is about a millisecond. */
static inline __attribute__((always_inline)) void spin(int units)
{
	unsigned long state = 23;
	for (long i = 0; i < units * 1000000L; i++)
		__asm__ volatile("imul $41, %0\n\tinc %0" : "+r"(state));
}

#endif
