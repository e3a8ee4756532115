/* SPDX-License-Identifier: MIT */
/* Seven functions that only burn time, each at a depth of its own: compiled into the program, into a
 * library and into one that is loaded at run time, under names that GROUP begins, or of Rust (RUST), which has
 * two ways of writing them. All run the same chain
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

#define TEXT_(a) #a
#define TEXT(a)	 TEXT_(a)
#ifdef RUST
#define OLD(letter)  __asm__("_ZN4rust4work1" letter "17h0123456789abcdefE")
#define NEW(letter)  __asm__("_RNvNtCs1234_4rust4work1" letter)
#define NAME(letter) "rust::work::" letter
#else
#define OLD(letter)
#define NEW(letter)
#define NAME(letter) TEXT(GROUP) "_" letter
#endif

#define BURN(name, symbol)                                                                \
	static unsigned long JOIN(GROUP, name)(unsigned long n) symbol;                   \
	static __attribute__((noinline)) unsigned long JOIN(GROUP, name)(unsigned long n) \
	{                                                                                 \
		const unsigned long x = spin(n);                                          \
		__asm__ volatile("" : : "r"(x) : "memory");                               \
		return x;                                                                 \
	}
BURN(_a, OLD("a"))
BURN(_b, NEW("b"))
BURN(_c, OLD("c"))
BURN(_d, NEW("d"))
BURN(_e, OLD("e"))
BURN(_f, NEW("f"))
BURN(_g, OLD("g"))

static unsigned long (*const burns[GROUP_FUNCTIONS])(unsigned long) = {
	JOIN(GROUP, _a), JOIN(GROUP, _b), JOIN(GROUP, _c), JOIN(GROUP, _d),
	JOIN(GROUP, _e), JOIN(GROUP, _f), JOIN(GROUP, _g),
};

unsigned long JOIN(GROUP, _burn)(unsigned int which, unsigned long steps)
{
	return deeper(which % 6, burns[which], steps);
}

const char *const JOIN(GROUP, _names)[GROUP_FUNCTIONS] = {
	NAME("a"), NAME("b"), NAME("c"), NAME("d"), NAME("e"), NAME("f"), NAME("g"),
};
