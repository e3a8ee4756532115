/* SPDX-License-Identifier: MIT */
/* Which code has its process map memory, and touches it: what came with a stack, summed by process image and stack, so
 * that what is recorded grows with the number of stacks. */
#ifndef USERSPACE_COLLECT_HEAP_MAP_SITES_H
#define USERSPACE_COLLECT_HEAP_MAP_SITES_H

#include <stdint.h>

#include "userspace/collect/heap/sites.h"

struct map_sites;

/* NULL: no memory. */
struct map_sites *map_sites_new(void);
struct map_sites *map_sites_free(struct map_sites *s);

/* @owner has added, or touched, @bytes with @stack (0: unknown). -ENOMEM. */
int map_sites_add(struct map_sites *s, const struct site_owner *owner, uint64_t time_ns,
		  enum sl_mapsite_what what, uint32_t stack, uint64_t bytes);
/* @pid executed something else, or ended. */
void map_sites_image_ended(struct map_sites *s, pid_t pid);
/* What was added until now was so until readiness. */
void map_sites_ready(struct map_sites *s);
/* MAPSITE of all. */
int map_sites_tell(const struct map_sites *s, struct sink sink);

#endif
