/* SPDX-License-Identifier: MIT */
/* A trace as text, one line per event: for looking at what was recorded, not for parsing. */
#ifndef USERSPACE_TRACE_DUMP_H
#define USERSPACE_TRACE_DUMP_H

#include <stdio.h>

#include "userspace/base/buf.h"
#include "userspace/trace/trace.h"

/* Appends one event to @out: "   1.234567 exec 100/100 bpf:0#12 ..." with the time in ms since
 * @zero_ns. Text from the target is escaped, so it is one line always. 0 or the buffer's error. */
int event_print(struct buf *out, const struct sl_event *event, uint64_t zero_ns);

/* Prints all events, times relative to the first call of execve (else the first event). Returns 0
 * or a negative errno when @file cannot be written to. */
int trace_dump(const struct trace *t, FILE *file);

#endif
