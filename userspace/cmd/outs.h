/* SPDX-License-Identifier: MIT */
/* --out FORMAT=FILE: what `ab` and `check` write for machines and reviewers (view/ci.h). */
#ifndef USERSPACE_CMD_OUTS_H
#define USERSPACE_CMD_OUTS_H

#include <argp.h>

#include "userspace/base/vec.h"
#include "userspace/gate/outcome.h"
#include "userspace/view/ci/ci.h"

struct out {
	const struct ci_output *output;
	const char *path; /* "-": standard output */
};
struct outs VEC(struct out);

/* Ends the program through @state on a mistake. */
void outs_add(struct outs *outs, const char *argument, struct argp_state *state);
/* Writes them all, also where one fails. Negative errno, logged. */
int outs_write(const struct outs *outs, const struct outcome *outcomes, size_t n);
void outs_done(struct outs *outs);

#endif
