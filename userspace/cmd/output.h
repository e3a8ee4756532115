/* SPDX-License-Identifier: MIT */
/* --format, -o, -q and -v, which mean the same in all commands: how a command's result is printed,
 * where it goes, and how much is said meanwhile. A command has output_argp among the children of its
 * argp, or output_children where there are no others, and at ARGP_KEY_INIT gives it a struct output_options. */
#ifndef USERSPACE_CMD_OUTPUT_H
#define USERSPACE_CMD_OUTPUT_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "userspace/base/vec.h"
#include "userspace/gate/outcome.h"
#include "userspace/view/ci/ci.h"
#include "userspace/view/table/table.h"

struct output_options {
	struct page page; /* to print to between output_open() and output_close() */
	const char *path; /* NULL: none was given */
	bool is_quiet;
};

/* The number that the option @name has; ends the program through @state when it is none of these. */
uint64_t option_number(const char *s, const char *name, uint64_t least, uint64_t most,
		       struct argp_state *state);

extern const struct argp output_argp;
extern const struct argp_child output_children[];

/* Opens the file; without one, takes @fallback as it is. "-"
 * is standard output. Negative errno, logged. */
int output_open(struct output_options *o, FILE *fallback);
/* Closes what output_open() opened, and finds out whether all was written. @result is that of the
 * writing; returns it, or the failure of the last flush (logged). A fallback is not closed. */
int output_close(struct output_options *o, int result);
/* Prints a table just built to standard output or the file, and frees it. */
int output_table(struct output_options *o, struct table *t);

/* --out FORMAT=FILE: what `ab` and `check` write for machines and reviewers (view/ci/ci.h). */
struct out {
	const struct ci_output *output;
	const char *path; /* "-": standard output */
};
struct outs VEC(struct out);

/* Ends the program through @state on a mistake. The list is the caller's to free, with vec_done(). */
void outs_add(struct outs *outs, const char *argument, struct argp_state *state);
/* Writes them all, also where one fails. Negative errno, logged. */
int outs_write(const struct outs *outs, const struct outcome *outcomes, size_t n);

#endif
