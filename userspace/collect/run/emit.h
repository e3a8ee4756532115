/* SPDX-License-Identifier: MIT */
/* Events the collector makes itself: facts and milestones, given to a sink like any other. */
#ifndef USERSPACE_COLLECT_RUN_EMIT_H
#define USERSPACE_COLLECT_RUN_EMIT_H

#include <stdint.h>
#include <sys/types.h>

#include "bpf/schema.h"
#include "userspace/collect/run/source.h"

/* Now, on the clock of all events. */
uint64_t now_ns(void);

/* META "key=value". A value longer than a record may be is cut. */
int emit_meta(struct sink sink, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* MARK @mark at @time_ns; @text may be NULL. */
int emit_mark(struct sink sink, enum sl_mark_id mark, uint64_t time_ns, pid_t pid, uint64_t value,
	      uint32_t detail, const char *text);

/* DROPS: @count records of @kind (SL_KIND_NONE: any) that @source had no room for. */
int emit_drops(struct sink sink, enum sl_source source, uint32_t kind, uint64_t count);

/* Fills the header of a collector's event of @size bytes. */
struct sl_event emit_header(enum sl_kind kind, size_t size, uint64_t time_ns, pid_t pid);

#endif
