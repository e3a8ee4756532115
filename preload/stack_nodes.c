/* SPDX-License-Identifier: MIT */
/* A hash table of numbers. Who comes to an empty bucket writes a node and puts its number there, if nobody was
 * faster; then the node that was written is left unused, unless the other one is another frame. */
#include "preload/stack_nodes.h"

#include "preload/sys.h"

enum { PROBES_MAX = 64 };

static uint32_t bucket_of(uint32_t caller, uint64_t address)
{
	uint64_t hash = (address ^ (uint64_t)caller << 33 ^ caller) * 0x9e3779b97f4a7c15ull;

	hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9ull;
	return (uint32_t)(hash >> 32) % NODE_BUCKETS;
}

/* The number of a new node; 0: no room. */
static uint32_t node_new(struct stack_nodes *n, uint32_t caller, uint64_t address)
{
	/* Looked at first, so that the count stays near the truth. */
	if (__atomic_load_n(&n->file->n_nodes, __ATOMIC_RELAXED) >=
		    __atomic_load_n(&n->file->nodes_room, __ATOMIC_ACQUIRE) &&
	    !n->grow(n->user))
		return 0;
	const uint32_t at = __atomic_fetch_add(&n->file->n_nodes, 1, __ATOMIC_RELAXED);
	if (at >= __atomic_load_n(&n->file->nodes_room, __ATOMIC_ACQUIRE))
		return 0;
	struct sl_exact_node *node = &n->nodes[at];
	node->address = address;
	node->caller = caller;
	/* Release: pairs with the acquire of the collector, and of who finds it by its bucket. */
	__atomic_store_n(&node->is_there, 1, __ATOMIC_RELEASE);
	return at + 1;
}

uint32_t stack_nodes_intern(struct stack_nodes *n, uint32_t caller, uint64_t address)
{
	uint32_t mine = 0;

	for (uint32_t i = 0, at = bucket_of(caller, address); i < PROBES_MAX; i++) {
		uint32_t *bucket = &n->buckets[(at + i) % NODE_BUCKETS];
		uint32_t number = __atomic_load_n(bucket, __ATOMIC_ACQUIRE);
		if (number == 0) {
			if (mine == 0)
				mine = node_new(n, caller, address);
			if (mine == 0)
				break;
			if (__atomic_compare_exchange_n(bucket, &number, mine, false,
							__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
				return mine;
		}
		/* Numbers come from our own table, but the file is shared: it is not believed. */
		const struct sl_exact_node *node = &n->nodes[(number - 1) % SL_EXACT_NODES];
		if (node->address == address && node->caller == caller)
			return number;
	}
	(void)__atomic_fetch_add(&n->file->n_refused, 1, __ATOMIC_RELAXED);
	return 0;
}
