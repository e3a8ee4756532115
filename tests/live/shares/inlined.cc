/* SPDX-License-Identifier: MIT */
/* Seven functions as in code.c, of C++, which the compiler puts into their one caller. With debug information
 * each of them has its own share; without, the caller has it all. */
#include "shares.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define TEXT_(a)    #a
#define TEXT(a)	    TEXT_(a)

namespace GROUP
{

/* One chain each, which takes as long as all others, and is of other numbers: nothing can be merged. Small ones
 * would take less time. */
template <unsigned long odd> struct chain {
	unsigned long x;

	explicit chain(unsigned long n) : x(n | 1)
	{
	}
};

#define BURN(name, odd)                                                                        \
	static inline __attribute__((always_inline)) unsigned long JOIN(GROUP,                 \
									name)(unsigned long n) \
	{                                                                                      \
		chain<odd> c(n);                                                               \
		for (unsigned long i = 0; i < n; i++)                                          \
			c.x = c.x * 6364136223846793005ul + (odd);                             \
		return c.x;                                                                    \
	}
BURN(_a, 1442695040888963407ul)
BURN(_b, 1442695040888963409ul)
BURN(_c, 1442695040888963411ul)
BURN(_d, 1442695040888963413ul)
BURN(_e, 1442695040888963415ul)
BURN(_f, 1442695040888963417ul)
BURN(_g, 1442695040888963419ul)

__attribute__((noinline)) unsigned long choose(unsigned int which, unsigned long n)
{
	switch (which) {
	case 0:
		return JOIN(GROUP, _a)(n);
	case 1:
		return JOIN(GROUP, _b)(n);
	case 2:
		return JOIN(GROUP, _c)(n);
	case 3:
		return JOIN(GROUP, _d)(n);
	case 4:
		return JOIN(GROUP, _e)(n);
	case 5:
		return JOIN(GROUP, _f)(n);
	default:
		return JOIN(GROUP, _g)(n);
	}
}

static __attribute__((noinline)) unsigned long deeper(unsigned int depth, unsigned int which,
						      unsigned long n)
{
	const unsigned long x = depth > 0 ? deeper(depth - 1, which, n) : choose(which, n);
	__asm__ volatile("" : : "r"(x) : "memory"); /* no jump in place of the call */
	return x;
}

} // namespace GROUP

extern "C" unsigned long JOIN(GROUP, _burn)(unsigned int which, unsigned long n)
{
	return GROUP::deeper(which % 6, which, n);
}

#ifdef HAS_DEBUG_INFORMATION
#define NAME(letter) TEXT(GROUP) "_" letter
#else
#define NAME(letter) TEXT(GROUP) "::choose(unsigned int, unsigned long)"
#endif
extern "C" const char *const JOIN(GROUP, _names)[GROUP_FUNCTIONS] = {
	NAME("a"), NAME("b"), NAME("c"), NAME("d"), NAME("e"), NAME("f"), NAME("g"),
};
