/* SPDX-License-Identifier: MIT */
/* Measures commands, in turns: one recording, whose runs belong to arms (gate/sequence.h). `run` has
 * one arm; `ab` and `check` interleave several. The sources are opened once. */
#ifndef USERSPACE_CMD_MEASURE_H
#define USERSPACE_CMD_MEASURE_H

#include <stdbool.h>

#include "userspace/collect/collect.h"
#include "userspace/model/session.h"

struct measurement;

/* @path NULL: where recordings are kept. */
int measurement_new(const struct collect_spec *spec, const char *path, struct measurement **ret);
/* One run of @arm ("base", "head", "control") as @spec says. @discard: a warm-up. */
int measurement_run(struct measurement *m, const struct collect_spec *spec, const char *arm,
		    bool discard, struct collect_result *ret);
/* All that counts of @arm so far. The caller frees it. */
int measurement_session(struct measurement *m, const char *arm, struct session **ret);
/* Ends the recording. */
int measurement_finish(struct measurement *m);
struct measurement *measurement_free(struct measurement *m); /* NULL */

#endif
