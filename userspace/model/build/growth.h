/* SPDX-License-Identifier: MIT */
/* What is kept of MAPPED, MAPSITE and LIVE until a run is put together. */
#ifndef USERSPACE_MODEL_BUILD_GROWTH_H
#define USERSPACE_MODEL_BUILD_GROWTH_H

#include "bpf/schema.h"
#include "userspace/base/vec.h"

struct builder;
struct growth_sum;

struct map_site_note { /* a MAPSITE */
	const struct sl_mapsite *event;
	int proc, node; /* of code.nodes; -1: no stack */
};

struct mapped_note { /* a MAPPED */
	const struct sl_mapped *event;
	int proc;
};

struct growth_notes {
	struct VEC(struct map_site_note) sites;
	struct VEC(struct mapped_note) mapped;
	struct VEC(const struct sl_live *) lives; /* in order of time */
};

void growth_mapped(struct builder *b, const struct sl_mapped *e);
void growth_site(struct builder *b, const struct sl_mapsite *e);
void growth_live(struct builder *b, const struct sl_live *e);
/* UNKNOWN where one is, or the sum is too large. */
void growth_add(struct growth_sum *to, uint64_t calls, uint64_t bytes);
void growth_finish_sites(struct builder *b); /* of the processes of which MAPPED has told */
void growth_finish(struct builder *b);	     /* after memory_finish() and ladder_finish() */
void growth_notes_done(struct growth_notes *n);

#endif
