/* SPDX-License-Identifier: MIT */
/* The pieces that the dump of an event consists of, each appended with a blank before it. What comes from a target
 * is escaped; -: unknown. */
#ifndef USERSPACE_TRACE_DUMP_LINE_H
#define USERSPACE_TRACE_DUMP_LINE_H

#include <stdint.h>

#include "bpf/schema.h"
#include "userspace/base/buf.h"
#include "userspace/base/units.h"

struct line {
	struct buf *out;
	uint64_t zero_ns; /* times are relative to it */
};

void line_text(struct line *l, const struct sl_event *event, const char *text);
/* @n bytes, with NULs among them. */
void line_bytes(struct line *l, const char *bytes, size_t n);
void line_comm(struct line *l, const char *comm);
/* In ms. Returns @text. */
char *line_format_time(const struct line *l, char text[static UNITS_BYTES], uint64_t time_ns);
void line_time(struct line *l, const char *label, uint64_t time_ns);
void line_number(struct line *l, const char *label, uint64_t value);
void line_result(struct line *l, int32_t result);
void line_flag(struct line *l, uint64_t flags, uint64_t bit, const char *name);
void line_address(struct line *l, const struct sl_addr *addr);

#endif
