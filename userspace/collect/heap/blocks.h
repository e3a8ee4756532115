/* SPDX-License-Identifier: MIT */
/* The blocks of one process that are live, by address: as many as are told of, each in 32 bytes. */
#ifndef USERSPACE_COLLECT_HEAP_BLOCKS_H
#define USERSPACE_COLLECT_HEAP_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two lie in a line of the cache. */
struct block {
	uint64_t address; /* 0: none */
	uint64_t bytes;	  /* usable */
	uint64_t time_ns; /* of its allocation */
	uint32_t site : 31;
	uint32_t is_sampled : 1; /* it is told of where others are not */
	float p;		 /* with which it was seen */
};

struct blocks { /* all zero is empty and valid */
	struct block *slots;
	size_t n_slots; /* 0 or a power of two */
	size_t n;
};

/* Adds a block, whose address is not 0. True: there was one at that address, now in @ret_before. -ENOMEM. */
int blocks_put(struct blocks *b, const struct block *block, struct block *ret_before);
/* Takes out the one at @address. False: there is none. */
bool blocks_take(struct blocks *b, uint64_t address, struct block *ret);
/* @address is soon to be put or taken. */
void blocks_expect(const struct blocks *b, uint64_t address);
void blocks_done(struct blocks *b);

#endif
