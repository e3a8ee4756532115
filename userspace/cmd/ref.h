/* SPDX-License-Identifier: MIT */
/* REF, as all commands understand it: a trace file, a session document, a file or directory of
 * another tool (foreign/), @NAME for a baseline, ~N, or nothing for the last recording. Of an interleaved
 * comparison these are the runs of head; FILE@base and FILE@control, ~N@base … are the others. FILE#ENTRY
 * is only that entry of another tool's result. */
#ifndef USERSPACE_CMD_REF_H
#define USERSPACE_CMD_REF_H

#include "userspace/model/session.h"
#include "userspace/trace/trace.h"

/* @ref NULL: the last recording. Negative errno, logged. */
int ref_load(const char *ref, struct session **ret);
/* The same for the text of a document or of another tool's file; @name is what messages call it. */
int ref_read(const char *text, size_t length, const char *name, struct session **ret);
/* The exit status for a failure of it: the store's trouble is not the user's mistake. */
int ref_status(const char *ref, int r);
/* The trace that @ref names, for what needs the events. */
int ref_load_trace(const char *ref, struct trace **ret);

#endif
