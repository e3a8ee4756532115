/* SPDX-License-Identifier: MIT */
/* Open addressing with linear probing, at most half full. */
#include "userspace/base/id_map.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_SLOTS 64

/* The finaliser of MurmurHash3 (public domain): pids in a row must not end up in a row. */
static uint64_t mixed(uint64_t key)
{
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdull;
	key ^= key >> 33;
	key *= 0xc4ceb9fe1a85ec53ull;
	return key ^ (key >> 33);
}

/* The slot of @key, or the empty one where it would go. There is always an empty one. */
static struct id_slot *slot_of(const struct id_map *map, uint64_t key)
{
	size_t i = (size_t)mixed(key) & (map->n_slots - 1);
	while (map->slots[i].value >= 0 && map->slots[i].key != key)
		i = (i + 1) & (map->n_slots - 1);
	return &map->slots[i];
}

int id_map_get(const struct id_map *map, uint64_t key)
{
	return map->n_slots == 0 ? -1 : slot_of(map, key)->value;
}

static int grow(struct id_map *map)
{
	const size_t n = map->n_slots == 0 ? FIRST_SLOTS : map->n_slots * 2;
	struct id_map bigger = { .slots = calloc(n, sizeof(struct id_slot)), .n_slots = n };
	if (bigger.slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		bigger.slots[i].value = -1;
	for (size_t i = 0; i < map->n_slots; i++)
		if (map->slots[i].value >= 0)
			*slot_of(&bigger, map->slots[i].key) = map->slots[i];
	bigger.n_used = map->n_used;
	free(map->slots);
	*map = bigger;
	return 0;
}

int id_map_set(struct id_map *map, uint64_t key, int value)
{
	if (map->n_used * 2 >= map->n_slots && grow(map) < 0)
		return -ENOMEM;
	struct id_slot *slot = slot_of(map, key);
	if (slot->value < 0)
		map->n_used++;
	*slot = (struct id_slot){ .key = key, .value = value };
	return 0;
}

void id_map_done(struct id_map *map)
{
	free(map->slots);
	*map = (struct id_map){ 0 };
}
