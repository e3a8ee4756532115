/* build: optimised shared */
/* SPDX-License-Identifier: MIT */
/* A library for unwind_known, which calls back from what was inlined into each other. */
#define STAY __asm__ volatile("" ::: "memory")

namespace known
{
template <class F> static inline __attribute__((always_inline)) void innermost(F f)
{
	f(); /* innermost */
	STAY;
}

struct caller {
	void (*back)(void);
	inline __attribute__((always_inline)) void call() const
	{
		innermost(back); /* call */
	}
};

static __attribute__((noinline, noipa)) void outer(const caller &c)
{
	c.call(); /* outer */
	STAY;
}
}

extern "C" void plugin_through(void (*back)(void))
{
	known::outer(known::caller{ back });
	STAY;
}
