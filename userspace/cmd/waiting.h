/* SPDX-License-Identifier: MIT */
/* What is being measured, for those who wait: on a terminal in one line, with -v in a line for each run. */
#ifndef USERSPACE_CMD_WAITING_H
#define USERSPACE_CMD_WAITING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct waiting {
	const char *name;     /* of the scenario; NULL: there is but one thing */
	const char *step;     /* NULL: the only one */
	size_t at, n;	      /* the at-th of n scenarios, from 1; n 0: of no others */
	uint64_t start_ns;    /* CLOCK_MONOTONIC, when its first run began */
	uint64_t max_time_ns; /* no further run begins after that; 0: no limit */
	bool is_quiet;
};

/* "memory mode, 2 of 5: run 3 of at most 10, at most 12 s left". @what: "run" or "pair", of which @done of
 * at most @all are over; @arm: which side of it, or NULL. */
void waiting_say(const struct waiting *w, const char *what, const char *arm, size_t done,
		 size_t all);
/* Takes the line away. */
void waiting_clear(const struct waiting *w);

/* How long @done of @all took, for the rest of them, as far as the limit goes; NAN: nobody knows yet. */
double waiting_left_ns(uint64_t elapsed_ns, uint64_t max_time_ns, size_t done, size_t all);

#endif
