/* SPDX-License-Identifier: MIT */
/* What of a program's output can matter to --ready log: conditions, at the speed at which it comes.
 * What is let through is judged, line by line, by trace/ready.h; what is held back cannot match. */
#ifndef USERSPACE_COLLECT_READY_LOG_FILTER_H
#define USERSPACE_COLLECT_READY_LOG_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "userspace/trace/ready.h"

struct log_filter;

/* -ENOMEM. */
int log_filter_new(const struct ready_rule *rules, size_t n_rules, struct log_filter **ret);
/* Whether a line of text[0..n), the last one perhaps unfinished, may match one of the conditions. */
bool log_filter_passes(const struct log_filter *f, const char *text, size_t n);
struct log_filter *log_filter_free(struct log_filter *f); /* NULL */

/* The longest text that each match of the extended regular expression @pattern contains, as far as
 * that is plain to see: at *ret_at, so many bytes. */
size_t log_filter_literal(const char *pattern, const char **ret_at);

#endif
