/* SPDX-License-Identifier: MIT */
/* Facts about the recording and the machine: one META event each. */
#ifndef USERSPACE_COLLECT_PROC_FACTS_H
#define USERSPACE_COLLECT_PROC_FACTS_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/collect/run/source.h"

#define FACT_MAX 256 /* bytes of a value */

struct facts {
	struct sink sink;
	int error; /* sticky */
};

/* Appends the fact; "" is not known, and left out. */
void fact(struct facts *f, const char *key, const char *value);
void fact_number(struct facts *f, const char *key, uint64_t number);

/* All host.* facts. */
void facts_of_host(struct facts *f);

/* The GNU build id of the shared object whose file name begins with @name ("libc.so", "ld-linux")
 * among those that this process runs with: hexadecimal, "" when there is none. */
void build_id_of(const char *name, char ret[static FACT_MAX]);

#endif
