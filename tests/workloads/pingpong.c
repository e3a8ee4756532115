/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* pingpong BEFORE AFTER: two threads on one CPU pass a byte to and fro through two pipes, so that
 * each round makes both switch once; BEFORE rounds, then the line "ready", then AFTER rounds. At its
 * end each thread prints one line: its tid, its context switches, and the nanoseconds it ran, as the
 * scheduler counts them. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int there[2], back[2];
static long rounds[2];

static void account(void)
{
	struct rusage used;
	struct timespec ran;

	getrusage(RUSAGE_THREAD, &used);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ran);
	dprintf(1, "thread %ld switches %ld ran %lld\n", syscall(SYS_gettid),
		used.ru_nvcsw + used.ru_nivcsw, ran.tv_sec * 1000000000ll + ran.tv_nsec);
}

static void *answer(void *nothing)
{
	char byte;

	while (read(there[0], &byte, 1) == 1)
		if (write(back[1], &byte, 1) != 1)
			break;
	account();
	return nothing;
}

static void ask(long n)
{
	char byte = 0;

	for (; n > 0; n--)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			exit(1);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	cpu_set_t one;

	for (int i = 0; i < 2 && i + 1 < argc; i++)
		rounds[i] = atol(argv[i + 1]);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	if (sched_setaffinity(0, sizeof(one), &one) != 0 || pipe(there) != 0 || pipe(back) != 0 ||
	    pthread_create(&thread, NULL, answer, NULL) != 0)
		return 1;
	ask(rounds[0]);
	dprintf(1, "ready\n");
	ask(rounds[1]);
	close(there[1]);
	pthread_join(thread, NULL);
	account();
	return 0;
}
