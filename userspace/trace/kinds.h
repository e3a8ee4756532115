/* SPDX-License-Identifier: MIT */
/* What the schema's table says about each kind of event. */
#ifndef USERSPACE_TRACE_KINDS_H
#define USERSPACE_TRACE_KINDS_H

#include <stddef.h>

#include "bpf/schema.h"

struct kind {
	const char *name; /* the token: "exec" */
	const char *doc;
	size_t size; /* least valid sl_event.size */
};

/* NULL when this version does not know @kind. */
const struct kind *kind_of(unsigned int kind);

#endif
