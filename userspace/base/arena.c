/* SPDX-License-Identifier: MIT */
/* Objects are cut from blocks; a block is never returned before the arena is. Interned strings
 * sit in an open-addressing table whose slots point into the same blocks. */

#include "userspace/base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES	 (64 * 1024)
#define FIRST_SLOTS	 256 /* a power of two: the probe sequence masks with it */
#define ALIGNMENT	 _Alignof(max_align_t)
#define MAX_OBJECT_BYTES ((size_t)PTRDIFF_MAX / 2)

struct block {
	struct block *next;
	size_t used;
	size_t size;
	max_align_t data[];
};

struct adopted {
	struct adopted *next;
	void *object;
};

struct slot {
	const char *text;
	uint64_t hash;
};

struct arena {
	struct block *blocks; /* the first one is being filled */
	struct adopted *adopted;
	struct slot *slots;
	size_t n_slots;
	size_t n_interned;
};

struct arena *arena_new(void)
{
	return calloc(1, sizeof(struct arena));
}

struct arena *arena_free(struct arena *a)
{
	if (a == NULL)
		return NULL;
	/* First these: the list of them lies in the blocks. */
	for (const struct adopted *taken = a->adopted; taken != NULL; taken = taken->next)
		free(taken->object);
	for (struct block *b = a->blocks; b != NULL;) {
		struct block *next = b->next;
		free(b);
		b = next;
	}
	free(a->slots);
	free(a);
	return NULL;
}

static void *block_new(struct arena *a, size_t size)
{
	/* calloc, so that objects are zero without a memset of their own. */
	struct block *b = calloc(1, sizeof(*b) + size);
	if (b == NULL)
		return NULL;
	b->size = size;
	if (size > BLOCK_BYTES && a->blocks != NULL) {
		/* A large object gets a block behind the one being filled, which has room left. */
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		b->next = a->blocks;
		a->blocks = b;
	}
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	if (size > MAX_OBJECT_BYTES)
		return NULL;
	const size_t n = size == 0 ? ALIGNMENT : (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

	struct block *b = a->blocks;
	if (b == NULL || b->size - b->used < n) {
		b = block_new(a, n > BLOCK_BYTES ? n : BLOCK_BYTES);
		if (b == NULL)
			return NULL;
	}
	void *object = (char *)b->data + b->used;
	b->used += n;
	return object;
}

void *arena_alloc_array(struct arena *a, size_t n, size_t item_size)
{
	size_t size = 0;
	if (__builtin_mul_overflow(n, item_size, &size))
		return NULL;
	return arena_alloc(a, size);
}

void *arena_memdup(struct arena *a, const void *data, size_t n)
{
	void *copy = arena_alloc(a, n);
	if (copy != NULL && n > 0)
		memcpy(copy, data, n);
	return copy;
}

bool arena_adopt(struct arena *a, void *object)
{
	struct adopted *taken = arena_alloc(a, sizeof(*taken));
	if (taken == NULL)
		return false;
	*taken = (struct adopted){ .next = a->adopted, .object = object };
	a->adopted = taken;
	return true;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	const size_t len = strnlen(s, n);
	if (len >= MAX_OBJECT_BYTES)
		return NULL;
	char *copy = arena_alloc(a, len + 1);
	if (copy != NULL)
		memcpy(copy, s, len);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, PTRDIFF_MAX);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	const int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0)
		return NULL;

	char *text = arena_alloc(a, (size_t)n + 1);
	if (text == NULL)
		return NULL;
	va_start(args, fmt);
	(void)vsnprintf(text, (size_t)n + 1, fmt, args);
	va_end(args);
	return text;
}

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t text_hash(const char *s, size_t n)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)s[i]) * 0x100000001b3u;
	return hash;
}

/* The slot of this text, or the empty one where it belongs. The table always has one. */
static struct slot *slot_find(struct slot *slots, size_t n_slots, uint64_t hash, const char *s,
			      size_t n)
{
	for (size_t i = hash & (n_slots - 1);; i = (i + 1) & (n_slots - 1)) {
		struct slot *slot = &slots[i];
		if (slot->text == NULL)
			return slot;
		if (slot->hash == hash && strncmp(slot->text, s, n) == 0 && slot->text[n] == '\0')
			return slot;
	}
}

static bool slots_grow(struct arena *a)
{
	const size_t n_slots = a->n_slots == 0 ? FIRST_SLOTS : a->n_slots * 2;
	struct slot *slots = calloc(n_slots, sizeof(*slots));
	if (slots == NULL)
		return false;
	for (size_t i = 0; i < a->n_slots; i++) {
		const struct slot *old = &a->slots[i];
		if (old->text != NULL)
			*slot_find(slots, n_slots, old->hash, old->text, strlen(old->text)) = *old;
	}
	free(a->slots);
	a->slots = slots;
	a->n_slots = n_slots;
	return true;
}

const char *arena_internn(struct arena *a, const char *s, size_t n)
{
	/* Half full at most keeps the probe sequences short. */
	if (a->n_interned * 2 >= a->n_slots && !slots_grow(a))
		return NULL;

	const size_t len = strnlen(s, n);
	const uint64_t hash = text_hash(s, len);
	struct slot *slot = slot_find(a->slots, a->n_slots, hash, s, len);
	if (slot->text != NULL)
		return slot->text;

	const char *copy = arena_strndup(a, s, len);
	if (copy == NULL)
		return NULL;
	*slot = (struct slot){ .text = copy, .hash = hash };
	a->n_interned++;
	return copy;
}

const char *arena_intern(struct arena *a, const char *s)
{
	return arena_internn(a, s, PTRDIFF_MAX);
}
