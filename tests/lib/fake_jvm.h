/* SPDX-License-Identifier: MIT */
/* A memory as a HotSpot JVM has it: the tables that tell where things lie, a code cache of one heap, a class
 * with methods. Everything has its place in an array, which a test may spoil. */
#ifndef TESTS_LIB_FAKE_JVM_H
#define TESTS_LIB_FAKE_JVM_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "userspace/stacks/hotspot.h"

#define JVM_BASE     0x100000u
#define JVM_BYTES    0x10000u
#define JVM_STRUCTS  (JVM_BASE + 0x1000u) /* pieces of one page, but for the cache */
#define JVM_TYPES    (JVM_BASE + 0x2000u)
#define JVM_TEXTS    (JVM_BASE + 0x3000u)
#define JVM_DATA     (JVM_BASE + 0x5000u)
#define JVM_SEGMENTS (JVM_BASE + 0x7000u)
#define JVM_CODE     (JVM_BASE + 0x8000u)
#define JVM_CODE_END (JVM_BASE + 0x10000u)
#define JVM_SHIFT    7u

#define JVM_HEAP_LIST	JVM_DATA	   /* a variable: */
#define JVM_ARRAY	(JVM_DATA + 0x10u) /* length, capacity, items */
#define JVM_ITEMS	(JVM_DATA + 0x30u)
#define JVM_HEAP	(JVM_DATA + 0x40u)
#define JVM_METHOD	(JVM_DATA + 0x200u)
#define JVM_CONSTANT	(JVM_DATA + 0x300u)
#define JVM_POOL	(JVM_DATA + 0x400u)
#define JVM_CLASS	(JVM_DATA + 0x500u)
#define JVM_CLASS_NAME	(JVM_DATA + 0x600u)
#define JVM_METHOD_NAME (JVM_DATA + 0xc00u)

/* Offsets as in 17, but for those that 25 has in another way. */
enum {
	JVM_BLOB_NAME = 96,
	JVM_BLOB_SIZE = 12,
	JVM_BLOB_COMPLETE = 20,
	JVM_BLOB_FRAME = 28,
	JVM_BLOB_BEGIN = 32,
	JVM_BLOB_END = 40,
	JVM_BLOB_METHOD = 112,
	JVM_BLOCK = 16,
	JVM_POOL_BYTES = 72,
};

struct fake_jvm {
	uint8_t bytes[JVM_BYTES];
	size_t n_structs, n_types, n_text;
	bool is_gone;
	unsigned int n_reads;
};

static inline int fake_jvm_read(void *data, uint64_t address, void *to, size_t n)
{
	struct fake_jvm *j = data;
	j->n_reads++;
	if (j->is_gone)
		return -ESRCH;
	if (address < JVM_BASE || n > JVM_BYTES || address - JVM_BASE > JVM_BYTES - n)
		return -EFAULT;
	memcpy(to, j->bytes + (address - JVM_BASE), n);
	return 0;
}

static inline void fake_jvm_put(struct fake_jvm *j, uint64_t address, uint64_t value, size_t n)
{
	memcpy(j->bytes + (address - JVM_BASE), &value, n);
}

static inline uint64_t fake_jvm_text(struct fake_jvm *j, const char *text)
{
	const uint64_t at = JVM_TEXTS + j->n_text;
	memcpy(j->bytes + (at - JVM_BASE), text, strlen(text) + 1);
	j->n_text += strlen(text) + 1;
	return at;
}

static inline void fake_jvm_field(struct fake_jvm *j, const char *type, const char *field,
				  uint64_t offset, uint64_t variable)
{
	const uint64_t at = JVM_STRUCTS + 8 + 48 * j->n_structs++;
	fake_jvm_put(j, at, fake_jvm_text(j, type), 8);
	fake_jvm_put(j, at + 8, fake_jvm_text(j, field), 8);
	fake_jvm_put(j, at + 24, variable != 0, 4);
	fake_jvm_put(j, at + 32, offset, 8);
	fake_jvm_put(j, at + 40, variable, 8);
}

static inline void fake_jvm_type(struct fake_jvm *j, const char *type, uint64_t size)
{
	const uint64_t at = JVM_TYPES + 8 + 40 * j->n_types++;
	fake_jvm_put(j, at, fake_jvm_text(j, type), 8);
	fake_jvm_put(j, at + 32, size, 8);
}

static inline void fake_jvm_tables(struct fake_jvm *j)
{
	static const struct {
		const char *type, *field;
		unsigned int offset;
	} fields[] = {
		{ "oopDesc", "_mark", 0 },
		{ "GrowableArrayBase", "_len", 0 },
		{ "GrowableArray<int>", "_data", 8 },
		{ "CodeHeap", "_memory", 8 },
		{ "CodeHeap", "_segmap", 120 },
		{ "CodeHeap", "_log2_segment_size", 240 },
		{ "VirtualSpace", "_low", 16 },
		{ "VirtualSpace", "_high", 24 },
		{ "CodeBlob", "_name", JVM_BLOB_NAME },
		{ "CodeBlob", "_size", JVM_BLOB_SIZE },
		{ "CodeBlob", "_frame_complete_offset", JVM_BLOB_COMPLETE },
		{ "CodeBlob", "_frame_size", JVM_BLOB_FRAME },
		{ "CompiledMethod", "_method", JVM_BLOB_METHOD },
		{ "Method", "_constMethod", 8 },
		{ "ConstMethod", "_constants", 8 },
		{ "ConstMethod", "_name_index", 34 },
		{ "ConstantPool", "_pool_holder", 24 },
		{ "ConstantPool", "_length", 60 },
		{ "Klass", "_name", 24 },
		{ "Symbol", "_length", 4 },
		{ "Symbol", "_body", 6 },
	};
	fake_jvm_put(j, JVM_STRUCTS, JVM_STRUCTS + 8, 8);
	fake_jvm_put(j, JVM_TYPES, JVM_TYPES + 8, 8);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		fake_jvm_field(j, fields[i].type, fields[i].field, fields[i].offset, 0);
	fake_jvm_field(j, "CodeCache", "_heaps", 0, JVM_HEAP_LIST);
	fake_jvm_type(j, "HeapBlock", JVM_BLOCK);
	fake_jvm_type(j, "Klass", 208);
	fake_jvm_type(j, "ConstantPool", JVM_POOL_BYTES);
}

static inline void fake_jvm_symbol(struct fake_jvm *j, uint64_t at, const char *text)
{
	fake_jvm_put(j, at + 4, strlen(text), 2);
	memcpy(j->bytes + (at + 6 - JVM_BASE), text, strlen(text));
}

/* Number 3 of the pool is the method's name. */
static inline void fake_jvm_method(struct fake_jvm *j, const char *class_name, const char *name)
{
	fake_jvm_put(j, JVM_METHOD + 8, JVM_CONSTANT, 8);
	fake_jvm_put(j, JVM_CONSTANT + 8, JVM_POOL, 8);
	fake_jvm_put(j, JVM_CONSTANT + 34, 3, 2);
	fake_jvm_put(j, JVM_POOL + 24, JVM_CLASS, 8);
	fake_jvm_put(j, JVM_POOL + 60, 5, 4);
	fake_jvm_put(j, JVM_POOL + JVM_POOL_BYTES + 3 * 8, JVM_METHOD_NAME, 8);
	fake_jvm_put(j, JVM_CLASS + 24, JVM_CLASS_NAME, 8);
	fake_jvm_symbol(j, JVM_CLASS_NAME, class_name);
	fake_jvm_symbol(j, JVM_METHOD_NAME, name);
}

/* A piece of code in @n segments from @segment on. Returns where its code begins. */
static inline uint64_t fake_jvm_blob(struct fake_jvm *j, unsigned int segment, unsigned int n,
				     const char *name, unsigned int frame_words)
{
	const uint64_t at = JVM_CODE + ((uint64_t)segment << JVM_SHIFT) + JVM_BLOCK;
	const uint64_t size = ((uint64_t)n << JVM_SHIFT) - JVM_BLOCK;
	for (unsigned int i = 0; i < n; i++)
		fake_jvm_put(j, JVM_SEGMENTS + segment + i, i > 3 ? 3 : i, 1);
	fake_jvm_put(j, at + JVM_BLOB_NAME, fake_jvm_text(j, name), 8);
	fake_jvm_put(j, at + JVM_BLOB_SIZE, size, 4);
	fake_jvm_put(j, at + JVM_BLOB_COMPLETE, 16, 4);
	fake_jvm_put(j, at + JVM_BLOB_FRAME, frame_words, 4);
	fake_jvm_put(j, at + JVM_BLOB_BEGIN, at + 128, 8);
	fake_jvm_put(j, at + JVM_BLOB_END, at + size, 8);
	fake_jvm_put(j, at + JVM_BLOB_METHOD, JVM_METHOD, 8);
	return at + 128;
}

/* With one heap, empty. @is_offsets: code is told by offsets, as from 23 on. */
static inline void fake_jvm_init(struct fake_jvm *j, bool is_offsets)
{
	memset(j, 0, sizeof(*j));
	fake_jvm_tables(j);
	fake_jvm_field(j, "CodeBlob", is_offsets ? "_code_offset" : "_code_begin", JVM_BLOB_BEGIN,
		       0);
	fake_jvm_field(j, "CodeBlob", is_offsets ? "_data_offset" : "_code_end", JVM_BLOB_END, 0);
	fake_jvm_put(j, JVM_HEAP_LIST, JVM_ARRAY, 8);
	fake_jvm_put(j, JVM_ARRAY, 1, 4);
	fake_jvm_put(j, JVM_ARRAY + 8, JVM_ITEMS, 8);
	fake_jvm_put(j, JVM_ITEMS, JVM_HEAP, 8);
	fake_jvm_put(j, JVM_HEAP + 8 + 16, JVM_CODE, 8);
	fake_jvm_put(j, JVM_HEAP + 8 + 24, JVM_CODE_END, 8);
	fake_jvm_put(j, JVM_HEAP + 120 + 16, JVM_SEGMENTS, 8);
	fake_jvm_put(j, JVM_HEAP + 120 + 24,
		     JVM_SEGMENTS + ((JVM_CODE_END - JVM_CODE) >> JVM_SHIFT), 8);
	fake_jvm_put(j, JVM_HEAP + 240, JVM_SHIFT, 4);
	memset(j->bytes + (JVM_SEGMENTS - JVM_BASE), 0xff, 0x1000);
	fake_jvm_method(j, "org/shop/Prices", "load");
}

static const struct hotspot_tables fake_jvm_places = { .structs = JVM_STRUCTS, .types = JVM_TYPES };

#endif
