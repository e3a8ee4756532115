/* SPDX-License-Identifier: MIT */
/* Which allocations are sampled, and which blocks were.
 *
 * Each of n usable bytes is sampled with probability 1 - exp(-n / R), whatever else was: a thread counts
 * its bytes down from an exponential draw of mean R, and draws anew after each sample. What is left of
 * a draw is distributed as the draw was, so nothing need be remembered. Integers only: the program may have
 * floating point in any state, and must not find flags there that it has not set.
 *
 * Every free asks whether its block was sampled. First a byte of `filter`, which has a count for each of
 * 8,192 classes of addresses: nearly all frees end there. Then the table, whose sets of addresses
 * are small enough to be looked through. There is no lock: a block is only added by who has just
 * allocated it, and removed by whoever frees it, so of one address nobody asks meanwhile; places in
 * a set are taken and given back by one compare-and-swap. A signal handler that leaves in between by
 * siglongjmp() leaves a count too many, or an address that is overwritten when it comes back. */
#ifndef PRELOAD_SAMPLE_H
#define PRELOAD_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/lane.h"
#include "preload/counters.h"

enum {
	SAMPLE_CLASSES = 1 << 13, /* a quarter of the fastest cache */
	SAMPLE_SETS = 1 << 11,
	SAMPLE_WAYS = 16,   /* blocks in a set: 32,768 in all */
	SAMPLE_STUCK = 255, /* a count that is never lowered again */
};

/* In memory that begins as zeros, and that a forked child finds as zeros again. */
struct sampled {
	uint8_t filter[SAMPLE_CLASSES];
	uint64_t addresses[SAMPLE_SETS][SAMPLE_WAYS]; /* 0: free */
	uint64_t notes[SAMPLE_SETS][SAMPLE_WAYS];
};

/* What free reads: one byte that is 0 until there is a `struct sampled`. */
struct sample_filter {
	const uint8_t *bytes;
	uintptr_t mask;
};
extern struct sample_filter sample_filter HIDDEN;

/* Modulo the number of classes: neighbours are in different ones. Large blocks, which all begin at the same
 * place of a page, have only 32 of them; but nearly each of these is sampled, and has to be found. */
static inline uintptr_t sample_class(const void *p)
{
	return (uintptr_t)p >> 4;
}

/* False: @p was not sampled. */
static inline bool sample_may_have(const void *p)
{
	/* In this order: pairs with sample_filter_set(). An older view is enough for who frees a block:
	 * whoever has given it to him has it from who saw the filter made. */
	const uintptr_t mask = __atomic_load_n(&sample_filter.mask, __ATOMIC_ACQUIRE);
	const uint8_t *bytes = __atomic_load_n(&sample_filter.bytes, __ATOMIC_RELAXED);

	return unlikely(__atomic_load_n(&bytes[sample_class(p) & mask], __ATOMIC_RELAXED) != 0);
}

/* From now on sample_may_have() asks @table. */
void sample_filter_set(const struct sampled *table) HIDDEN;

/* Block @p was sampled; @note is kept along. False: there is no room. */
bool sampled_add(struct sampled *table, const void *p, uint64_t note) HIDDEN;
/* False: @p is not in there, or another thread has just removed it. */
bool sampled_remove(struct sampled *table, const void *p, uint64_t *ret_note) HIDDEN;

/* Bytes until the next sample: exponential, of mean @mean, rounded down. Moves @random on, which may be
 * anything. */
__s64 sample_draw(uint64_t *random, uint64_t mean) HIDDEN;

/* What startline asks for in @shared, within bounds; 0: nothing. */
uint64_t sample_bytes_of(const struct sl_tree *shared) HIDDEN;

#endif
