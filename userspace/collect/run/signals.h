/* SPDX-License-Identifier: MIT */
/* Signals to startline. All that would end it are read instead of suffered, with who sent them and
 * whether they went to startline alone or to its whole process group, of which the command is a member
 * as well. Dispositions stay as they are; what is ignored stays so. */
#ifndef USERSPACE_COLLECT_RUN_SIGNALS_H
#define USERSPACE_COLLECT_RUN_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct signals {
	int fd; /* readable: something for signals_next() */
	/* A process that does nothing but stay in our group, with all signals blocked: what is pending
	 * there was sent to the group. 0: none could be made, nothing is known then. */
	pid_t member;
	char *stack;  /* its */
	int last_end; /* what last asked to end, and when */
	uint64_t last_end_ns;
};

struct signal_news {
	int number;
	pid_t sender; /* 0: the kernel, or a process that this pid namespace does not show */
	bool is_for_group;
	bool is_child; /* a child has ended or stopped */
	bool is_end;   /* asks to end: INT, QUIT, TERM, HUP */
};

/* From here on they are read; the mask stays as it is then. Negative errno. */
int signals_open(struct signals *s);
/* The next one; false: there is none. A request to end that is sent twice at once is one. */
bool signals_next(struct signals *s, struct signal_news *ret);
/* Those that ask to end and are not ignored. */
void signals_choose_end(sigset_t *ret);
/* Whether one that asks to end is waiting to be read. */
bool signals_end_is_pending(void);
void signals_done(struct signals *s);

#endif
