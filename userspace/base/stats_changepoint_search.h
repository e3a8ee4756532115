/* SPDX-License-Identifier: MIT */
/* The two halves of stats_changepoint.c: windows that may have a change, and which of them do. */
#ifndef STARTLINE_BASE_STATS_CHANGEPOINT_SEARCH_H
#define STARTLINE_BASE_STATS_CHANGEPOINT_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/base/vec.h"

struct item {
	double value;
	uint32_t index;
};

struct split {
	size_t from, to, at; /* values [from, at) against [at, to) … */
	size_t back;	     /* … or, when not 0, [at, back) against the rest */
	double evidence;
};

struct splits VEC(struct split);
struct places VEC(size_t);

struct search {
	const double *v;
	size_t n;
	double margin, threshold;
	double prefilter; /* z^2, which costs nothing: below it no split reaches the threshold */
	double inflation; /* of what remains of the evidence where values follow each other */
	struct item *items, *merged; /* n each */
	uint32_t *ranks;	     /* doubled, so that those of ties are whole */
	double *sums;		     /* of the first so many of them */
	struct splits found;
	struct places changes; /* in order */
};

/* Adds to s->found the best split of each window that has one; all windows have their own. -ENOMEM. */
int search_windows(struct search *s);
/* The best split of [from, to); evidence 0: there is none. */
struct split search_range(struct search *s, size_t from, size_t to);
/* The evidence for a change at @at between the values before it, from @from on, and after. */
double search_evidence(struct search *s, size_t from, size_t at, size_t to);

#endif
