/* SPDX-License-Identifier: MIT */
/* Whether two directories hold the same inputs: then there is nothing to measure. */
#ifndef USERSPACE_CMD_INPUTS_H
#define USERSPACE_CMD_INPUTS_H

#include <stdbool.h>

#include "userspace/model/session.h"

/* Compares what the globs @patterns match below @base and @head (NULL: the current directory): the same
 * names with the same bytes and the same right to be executed. A directory stands for all files below
 * it. -ENOENT: a pattern matches nothing on either side, *ret_pattern says which. Not logged. */
int inputs_compare(const struct text_list *patterns, const char *base, const char *head,
		   bool *ret_are_same, const char **ret_pattern);

#endif
