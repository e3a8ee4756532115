/* SPDX-License-Identifier: MIT */
/* THE table of verdict outputs: what `check` and `ab` write for machines and reviewers.
 * To add one: a row in ci.c and a ci_<name>.c. Everything of a target that reaches an output is made
 * harmless for it: Markdown, HTML, XML, workflow commands, terminals. */
#ifndef USERSPACE_VIEW_CI_CI_H
#define USERSPACE_VIEW_CI_CI_H

#include <stdio.h>

#include "userspace/gate/outcome.h"

struct ci_output {
	const char *name; /* --out NAME=FILE */
	const char *help;
	/* -EIO when @f cannot be written, -ENOMEM. */
	int (*print)(const struct outcome *outcomes, size_t n, FILE *f);
};

extern const struct ci_output ci_outputs[]; /* ends with a NULL name */
const struct ci_output *ci_output_find(const char *name);

#endif
