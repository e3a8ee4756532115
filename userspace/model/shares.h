/* SPDX-License-Identifier: MIT */
/* Which function and module the time of samples went to, and how sure that is.
 *
 * The interval of a share follows from how often neighbouring samples of a thread differ in whether they
 * are in the function. Where it comes and goes faster than samples are taken, each is a throw of its
 * own; where a program does one thing after another, only the moments of change are not known, and the
 * share is far more certain. The variance is (76 d1 - 67 d2 + 21 d3) / 60 of the samples' weight, with
 * dk how many of those that are k apart differ: it is p (1 - p) a sample in the first case, a twelfth a
 * change in the second, and right where a program does both in turn. Of some ten samples, which is what
 * most functions of a start have, that is a rough guess, and one that is too low by chance makes an
 * interval that is too narrow: so it counts only where neighbours are alike more often than chance makes
 * them, or more seldom. tests/unit/test_model_shares.c puts it to the test. */
#ifndef USERSPACE_MODEL_SHARES_H
#define USERSPACE_MODEL_SHARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/vec.h"
#include "userspace/model/session.h"

struct share {
	const char *function;	   /* NULL: no symbol covers it */
	const char *module;	   /* NULL: it belongs to nothing known; both: no stack was taken */
	const struct frame *frame; /* one of its places; NULL: no stack was taken */
	bool is_one_place;	   /* the only one */
	int64_t self_ns, total_ns; /* itself; with what it called, once where it calls itself */
	int64_t open_ns;	/* of total: what it called then is not known, so nobody's self */
	size_t n_self, n_total; /* samples */
	/* Of all time, with 95 % confidence. */
	double self_low, self_high, total_low, total_high;
};

struct share_list VEC(struct share);

struct shares; /* being added up */
/* Frames count as one function where module and function have the same name. -ENOMEM. */
int shares_new(const struct session *s, struct shares **ret);
/* Adds @rows, parts of one run in the order that the run has them; runs may follow each other. -ENOMEM. */
int shares_add(struct shares *shares, const struct cpu_sample *rows, size_t n);
/* Adds those of @run that are on the critical path, or those that are not. -ENOMEM. */
int shares_add_run(struct shares *shares, const struct run *run, bool is_critical);
/* All functions, the largest self first, then total, then by name; the time without a stack is among
 * them. @ret_ns is their sum, @ret_n the samples. The caller frees @ret's items, also after a failure. */
int shares_finish(struct shares *shares, struct share_list *ret, int64_t *ret_ns, size_t *ret_n);
struct shares *shares_free(struct shares *shares); /* NULL */
DEFINE_FREEP(struct shares, shares_free)

/* What is known of one share. */
struct share_sample {
	double share;
	double weight, squares; /* of all samples; their squares' sum */
	double own_squares;	/* of those in the function */
	/* Of samples 1, 2 and 3 apart, those that differ, and all: sums of the mean squares of two
	 * weights. All 0: not known, each is a throw of its own. */
	double differ[3], pairs[3];
};
struct share_interval {
	double low, high;
};
struct share_interval share_interval(const struct share_sample *s);

#endif
