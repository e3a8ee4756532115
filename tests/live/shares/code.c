/* SPDX-License-Identifier: MIT */
/* Seven functions that only burn time, each at a depth of its own: compiled into the program, into a
 * library and into one that is loaded at run time, under names that GROUP begins. All run the same chain
 * of dependent multiplications, which takes the same time wherever it lies, so that the shares of the
 * functions are those of their steps. */
#include "shares.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

/* Between this and the caller `depth` frames more. */
static __attribute__((noinline)) unsigned long
deeper(unsigned int depth, unsigned long (*burn)(unsigned long), unsigned long steps)
{
	const unsigned long x = depth > 0 ? deeper(depth - 1, burn, steps) : burn(steps);
	__asm__ volatile("" ::: "memory"); /* no jump in place of the call */
	return x;
}

static inline __attribute__((always_inline)) unsigned long spin(unsigned long steps)
{
	unsigned long x = steps | 1;
	for (unsigned long i = 0; i < steps; i++)
		x = x * 6364136223846793005ul + 1442695040888963407ul;
	return x;
}

#define BURN(name)                                                                        \
	static __attribute__((noinline)) unsigned long JOIN(GROUP, name)(unsigned long n) \
	{                                                                                 \
		const unsigned long x = spin(n);                                          \
		__asm__ volatile("" : : "r"(x) : "memory");                               \
		return x;                                                                 \
	}
BURN(_a)
BURN(_b)
BURN(_c)
BURN(_d)
BURN(_e)
BURN(_f)
BURN(_g)

static unsigned long (*const burns[GROUP_FUNCTIONS])(unsigned long) = {
	JOIN(GROUP, _a), JOIN(GROUP, _b), JOIN(GROUP, _c), JOIN(GROUP, _d),
	JOIN(GROUP, _e), JOIN(GROUP, _f), JOIN(GROUP, _g),
};

unsigned long JOIN(GROUP, _burn)(unsigned int which, unsigned long steps)
{
	return deeper(which % 6, burns[which], steps);
}
