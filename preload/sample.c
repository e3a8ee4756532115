/* SPDX-License-Identifier: MIT */
/* Random draws in integers, and the set of sampled blocks. See sample.h. */
#include "preload/sample.h"

#define LN2_64	      0xb17217f7d1cf79abull /* ln 2, times 2^64 */
#define GOLDEN_64     0x9e3779b97f4a7c15ull /* (sqrt(5) - 1) / 2, likewise */
#define MEAN_MAX      (1ull << 40)
#define FRACTION_BITS 32

static const uint8_t no_block;
struct sample_filter sample_filter HIDDEN = { &no_block, 0 };

void sample_filter_set(const struct sampled *table)
{
	__atomic_store_n(&sample_filter.bytes, table->filter, __ATOMIC_RELAXED);
	/* Release: pairs with sample_may_have(), which must not look far into the single byte. */
	__atomic_store_n(&sample_filter.mask, SAMPLE_CLASSES - 1, __ATOMIC_RELEASE);
}

uint64_t sample_bytes_of(const struct sl_tree *shared)
{
	const uint64_t bytes = shared->sample_bytes;

	return bytes < MEAN_MAX ? bytes : MEAN_MAX;
}

/* ---- draws ---- */

__extension__ typedef unsigned __int128 wide;

/* splitmix64: good from any state, and a draw that a signal handler makes in between does no harm. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += GOLDEN_64;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* -log2(x / 2^64) in units of 2^-32; x > 0. A square of the mantissa gives each bit of its logarithm. */
static uint64_t negative_log2(uint64_t x)
{
	const unsigned int zeros = (unsigned int)__builtin_clzll(x);
	uint64_t mantissa = x << zeros, fraction = 0;

	for (int i = 0; i < FRACTION_BITS; i++) {
		const wide square = (wide)mantissa * mantissa;
		const bool is_two = (uint64_t)(square >> 127) != 0;
		mantissa = (uint64_t)(square >> (is_two ? 64 : 63));
		fraction = fraction << 1 | is_two;
	}
	return ((uint64_t)(zeros + 1) << FRACTION_BITS) - fraction;
}

__s64 sample_draw(uint64_t *random, uint64_t mean)
{
	uint64_t x = next_random(random);

	if (x == 0)
		x = 1;
	/* At most 64 * 2^32 * 2^40. */
	const wide bits = (wide)negative_log2(x) * mean;
	return (__s64)((wide)(uint64_t)(bits >> 16) * LN2_64 >> (64 + FRACTION_BITS - 16));
}

/* ---- which blocks were sampled ---- */

static unsigned int set_of(const void *p)
{
	return (unsigned int)(((uintptr_t)p >> 4) * GOLDEN_64 >> 53);
}
_Static_assert(SAMPLE_SETS == 1 << (64 - 53), "the highest bits of the product choose a set");

/* Relaxed: who asks about a block knows of it by way of the program's own ordering. */
static void count_class(struct sampled *table, const void *p, int change)
{
	uint8_t *count = &table->filter[sample_class(p) % SAMPLE_CLASSES];
	uint8_t old = __atomic_load_n(count, __ATOMIC_RELAXED);

	while (old != SAMPLE_STUCK &&
	       !__atomic_compare_exchange_n(count, &old, (uint8_t)(old + change), true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static uint64_t *place_of(struct sampled *table, uint64_t address, unsigned int set)
{
	for (unsigned int i = 0; i < SAMPLE_WAYS; i++) {
		if (__atomic_load_n(&table->addresses[set][i], __ATOMIC_RELAXED) == address)
			return &table->addresses[set][i];
	}
	return NULL;
}

static uint64_t *note_of(struct sampled *table, const uint64_t *place)
{
	const size_t i = (size_t)(place - table->addresses[0]);

	return &table->notes[i / SAMPLE_WAYS][i % SAMPLE_WAYS];
}

bool sampled_add(struct sampled *table, const void *p, uint64_t note)
{
	const uint64_t address = (uintptr_t)p;
	const unsigned int set = set_of(p);
	/* One whose free was not seen. */
	uint64_t *place = place_of(table, address, set);

	for (int i = 0; place == NULL && i < SAMPLE_WAYS; i++) {
		uint64_t none = 0;
		uint64_t *empty = place_of(table, 0, set);
		if (empty == NULL)
			return false;
		if (!__atomic_compare_exchange_n(empty, &none, address, false, __ATOMIC_RELAXED,
						 __ATOMIC_RELAXED))
			continue;
		place = empty;
		count_class(table, p, 1);
	}
	if (place == NULL)
		return false;
	__atomic_store_n(note_of(table, place), note, __ATOMIC_RELAXED);
	return true;
}

bool sampled_remove(struct sampled *table, const void *p, uint64_t *ret_note)
{
	uint64_t address = (uintptr_t)p;
	uint64_t *place = place_of(table, address, set_of(p));

	if (place == NULL)
		return false;
	const uint64_t note = __atomic_load_n(note_of(table, place), __ATOMIC_RELAXED);
	if (!__atomic_compare_exchange_n(place, &address, 0, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return false;
	count_class(table, p, -1);
	*ret_note = note;
	return true;
}
