/* SPDX-License-Identifier: MIT */
/* Measures commands, interleaved: one recording, whose runs belong to arms (gate/sequence.h). `run` has
 * one arm; `ab` and `check` interleave several. The sources are opened once. */
#ifndef USERSPACE_CMD_MEASURE_H
#define USERSPACE_CMD_MEASURE_H

#include <stdbool.h>

#include "userspace/collect/run/collect.h"
#include "userspace/model/session.h"

struct measurement;

/* @path NULL: where recordings are kept. Negative errno, logged, as of all that follow. */
int measurement_new(const struct collect_spec *spec, const char *path, struct measurement **ret);
/* One run of @arm ("base", "head", "control"; NULL: no arms) as @spec says. @discard: a warm-up. */
int measurement_run(struct measurement *m, const struct collect_spec *spec, const char *arm,
		    bool discard, struct collect_result *ret);
/* The exit status of `run` for a run that ended like that (cmd.h): 0 when it came to the end that @spec
 * asked for and the command did not fail. */
int measurement_status(const struct collect_spec *spec, const struct collect_result *result);
/* The same, logging why it did not come there. */
int measurement_judge(const struct collect_spec *spec, const struct collect_result *result);
/* What the last run alone came to, for looks in between: places in the kernel have no names yet, and
 * whether records were lost is not known. It costs as much as that one run, however many went before.
 * The caller frees it. */
int measurement_last(struct measurement *m, struct session **ret);
/* The last @n runs do not count, from now on and in the recording. */
int measurement_drop(struct measurement *m, unsigned int n);
/* A fact for the recording: META "key=value". */
int measurement_fact(struct measurement *m, const char *key, const char *value);
/* Ends the recording. */
int measurement_finish(struct measurement *m);
/* After that: all that counts of @arm (NULL: all there is). The caller frees it. */
int measurement_session(struct measurement *m, const char *arm, struct session **ret);
struct measurement *measurement_free(struct measurement *m); /* NULL */

#endif
