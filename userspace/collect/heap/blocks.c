/* SPDX-License-Identifier: MIT */
/* Open addressing with linear probing, at most half full, since each line of memory that is waited for counts. What
 * is taken out leaves no mark: those behind it move up. */
#include "userspace/collect/heap/blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64u
#define LINE	    64u /* of the cache */

_Static_assert(LINE % sizeof(struct block) == 0, "none lies in two");

/* Addresses end in zeros: multiplied, the upper half depends on all of their bits. */
static size_t home_of(const struct blocks *b, uint64_t address)
{
	return (size_t)((address * 0x9e3779b97f4a7c15u) >> 32) & (b->n_slots - 1);
}

/* Where @address is, or would be. */
static struct block *find(const struct blocks *b, uint64_t address)
{
	size_t i = home_of(b, address);
	while (b->slots[i].address != 0 && b->slots[i].address != address)
		i = (i + 1) & (b->n_slots - 1);
	return &b->slots[i];
}

static int grow(struct blocks *b)
{
	struct blocks larger = { .n_slots = b->n_slots == 0 ? FIRST_SLOTS : 2 * b->n_slots,
				 .n = b->n };
	larger.slots = aligned_alloc(LINE, larger.n_slots * sizeof(*larger.slots));
	if (larger.slots == NULL)
		return -ENOMEM;
	memset(larger.slots, 0, larger.n_slots * sizeof(*larger.slots));
	for (size_t i = 0; i < b->n_slots; i++)
		if (b->slots[i].address != 0)
			*find(&larger, b->slots[i].address) = b->slots[i];
	free(b->slots);
	*b = larger;
	return 0;
}

int blocks_put(struct blocks *b, const struct block *block, struct block *ret_before)
{
	if (2 * (b->n + 1) > b->n_slots && grow(b) < 0)
		return -ENOMEM;
	struct block *at = find(b, block->address);
	const bool is_there = at->address != 0;
	if (is_there)
		*ret_before = *at;
	*at = *block;
	b->n += !is_there;
	return is_there;
}

bool blocks_take(struct blocks *b, uint64_t address, struct block *ret)
{
	struct block *at = b->n_slots > 0 ? find(b, address) : NULL;
	if (at == NULL || at->address == 0)
		return false;
	*ret = *at;
	const size_t mask = b->n_slots - 1;
	size_t hole = (size_t)(at - b->slots);
	for (size_t i = (hole + 1) & mask; b->slots[i].address != 0; i = (i + 1) & mask) {
		/* It may move where it is found from its home on. */
		if (((i - home_of(b, b->slots[i].address)) & mask) < ((i - hole) & mask))
			continue;
		b->slots[hole] = b->slots[i];
		hole = i;
	}
	b->slots[hole].address = 0;
	b->n--;
	return true;
}

void blocks_expect(const struct blocks *b, uint64_t address)
{
	if (b->n_slots == 0)
		return;
	const struct block *home = &b->slots[home_of(b, address)];
	__builtin_prefetch(home, 1);
	__builtin_prefetch((const char *)home + LINE, 1);
}

void blocks_done(struct blocks *b)
{
	free(b->slots);
	*b = (struct blocks){ 0 };
}
