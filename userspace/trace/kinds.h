/* SPDX-License-Identifier: MIT */
/* What the schema's table says about each kind of event, and whether an event keeps to it. */
#ifndef USERSPACE_TRACE_KINDS_H
#define USERSPACE_TRACE_KINDS_H

#include <stdbool.h>
#include <stddef.h>

#include "bpf/schema.h"

struct kind {
	const char *name; /* the token: "exec" */
	size_t size;	  /* least valid sl_event.size */
};

/* NULL when this version does not know @kind. */
const struct kind *kind_of(unsigned int kind);

/* Whether @event, of which @room bytes can be read, has a size that makes sense, so that the next
 * event can be found behind it. */
bool event_is_sized(const struct sl_event *event, size_t room);

/* Whether all that struct sl_<token> promises is there: a known kind, long enough, and lengths
 * inside it (sl_args, sl_output, sl_addr) within bounds. For events that come from outside: lanes
 * and files. Says nothing about the values of other fields. */
bool event_is_valid(const struct sl_event *event, size_t room);

#endif
