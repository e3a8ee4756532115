/* SPDX-License-Identifier: MIT */
/* A map from a 64-bit id (pid, tid, socket) to an index. Grows by doubling; lookups take
 * constant time for any ids, since keys are mixed before they are placed. */
#ifndef USERSPACE_BASE_ID_MAP_H
#define USERSPACE_BASE_ID_MAP_H

#include <stddef.h>
#include <stdint.h>

struct id_slot {
	uint64_t key;
	int value; /* -1: empty */
};

struct id_map { /* all zero is empty and valid */
	struct id_slot *slots;
	size_t n_slots; /* 0 or a power of two */
	size_t n_used;
};

/* The value of @key, or -1. */
int id_map_get(const struct id_map *map, uint64_t key);

/* Sets or replaces; @value >= 0. 0 or -ENOMEM. */
int id_map_set(struct id_map *map, uint64_t key, int value);

void id_map_done(struct id_map *map);

#endif
