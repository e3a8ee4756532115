/* SPDX-License-Identifier: MIT */
/* A start of 20 functions, some within others, that all work for the same time, and of two that wait. What
 * differs between two builds is planted: -DWORK_13=N, units that work_13 does of some 330 (15 where nothing is
 * said; one takes about a millisecond); -DOPEN_MS, -DWARM_MS, how long open_db and warm_cache sleep;
 * -DUNITS=N, how much all others work. */
#include <time.h>

#include "spin.h"

#ifndef UNITS
#define UNITS 15
#endif
#ifndef WORK_13
#define WORK_13 UNITS
#endif
#ifndef OPEN_MS
#define OPEN_MS 0
#endif
#ifndef WARM_MS
#define WARM_MS 0
#endif

#define WORK(name, units, inner)                         \
	__attribute__((noinline)) static void name(void) \
	{                                                \
		spin(units);                             \
		inner;                                   \
		KEEP;                                    \
	}
/* Keeps a last call from becoming a jump. */
#define KEEP __asm__ volatile("" ::: "memory")

WORK(work_1, UNITS, )
WORK(work_2, UNITS, )
WORK(work_3, UNITS, work_2())
WORK(work_4, UNITS, work_3())
WORK(work_5, UNITS, work_4())
WORK(work_6, UNITS, )
WORK(work_7, UNITS, work_6())
WORK(work_8, UNITS, )
WORK(work_9, UNITS, )
WORK(work_10, UNITS, )
WORK(work_11, UNITS, work_10())
WORK(work_12, UNITS, )
WORK(work_13, WORK_13, work_12())
WORK(work_14, UNITS, work_13())
WORK(work_15, UNITS, )
WORK(work_16, UNITS, )
WORK(work_17, UNITS, work_16())
WORK(work_18, UNITS, work_17())
WORK(work_19, UNITS, work_18())
WORK(work_20, UNITS, )

static void wait_ms(long ms)
{
	const struct timespec time = { .tv_nsec = ms * 1000000 };
	if (ms > 0)
		(void)nanosleep(&time, NULL);
}

__attribute__((noinline)) static void open_db(void)
{
	wait_ms(OPEN_MS);
	KEEP;
}

__attribute__((noinline)) static void warm_cache(void)
{
	wait_ms(WARM_MS);
	KEEP;
}

int main(void)
{
	open_db();
	work_1();
	work_5();
	work_7();
	work_8();
	work_9();
	work_11();
	warm_cache();
	work_14();
	work_15();
	work_19();
	work_20();
	return 0;
}
