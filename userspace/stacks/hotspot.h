/* SPDX-License-Identifier: MIT */
/* The code that a HotSpot JVM makes, read from outside: what is at an address of its code cache, and what
 * a method is called.
 *
 * Where things lie libjvm.so tells itself, for debuggers (vmStructs.hpp of OpenJDK: gHotSpotVMStructs and
 * gHotSpotVMTypes), so that any version that tells what is needed here can be read; tried with 17 and 25. What is
 * read belongs to a program that runs on meanwhile, or lies: each step is bounded, a pointer is only ever
 * followed through the reader, and a text that is none is refused. */
#ifndef USERSPACE_STACKS_HOTSPOT_H
#define USERSPACE_STACKS_HOTSPOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/buf.h"
#include "userspace/stacks/memory.h"

enum {
	HOTSPOT_HEAPS_MAX = 16,
	HOTSPOT_NAME_MAX = 1024, /* bytes of "package.Class.method" */
};

/* Addresses of variables of libjvm.so, each a pointer to a table. */
struct hotspot_tables {
	uint64_t structs; /* gHotSpotVMStructs */
	uint64_t types;	  /* gHotSpotVMTypes */
};

/* Addresses of variables, and offsets in structures of at most a page. What it does not tell is ABSENT. */
#define HOTSPOT_ABSENT UINT32_MAX
struct hotspot_layout {
	uint64_t heap_list; /* CodeCache::_heaps, a pointer to an array; 0: there is … */
	uint64_t heap;	    /* CodeCache::_heap only (8) */
	uint32_t array_length, array_items;
	uint32_t heap_memory, heap_segments, segment_shift;
	uint32_t space_low, space_high;
	uint32_t block_bytes; /* before a blob */
	uint32_t blob_name, blob_bytes, blob_frame_words, blob_complete;
	uint32_t code_begin, code_end; /* pointers … */
	uint32_t code_begin_at,
		code_end_at; /* … or, where there are none (8, and from 23 on), offsets */
	uint32_t method;     /* of a compiled one */
	uint32_t constant_method, constants, name_index;
	uint32_t pool_holder, pool_length, pool_bytes;
	uint32_t class_name;
	uint32_t text_length,
		text_length_high; /* the latter: in the upper half of a word of 4 bytes */
	uint32_t text;
};

/* 0; -EBADMSG: it does not tell what is needed; other errors: it cannot be read. */
int hotspot_layout_read(const struct hotspot_tables *tables, struct memory_reader memory,
			struct hotspot_layout *ret);

/* A part of the code cache. */
struct hotspot_heap {
	uint64_t start, end;
	uint64_t
		segments; /* a byte for each 1 << shift of it: how many to go back at most, to a beginning */
	uint64_t n_segments;
	uint32_t shift;
};

/* Those there are now, at most HOTSPOT_HEAPS_MAX. */
size_t hotspot_heaps_read(const struct hotspot_layout *layout, struct memory_reader memory,
			  struct hotspot_heap *ret);
/* The one that has @address; NULL: none. */
const struct hotspot_heap *hotspot_heap_of(const struct hotspot_heap *heaps, size_t n,
					   uint64_t address);

enum hotspot_kind {
	HOTSPOT_STUB, /* what the JVM has for itself; without a frame, or with one of its size */
	HOTSPOT_COMPILED,    /* a method, or what calls its native code */
	HOTSPOT_INTERPRETER, /* runs methods, which their frames tell */
	HOTSPOT_THUNK,	     /* between a call and what is called, without a frame */
};

/* A piece of code. */
struct hotspot_blob {
	uint64_t start, end;
	uint64_t code, code_end;
	enum hotspot_kind kind;
	uint32_t frame_words; /* from RSP to the CFA, after … */
	int32_t complete;     /* … that many bytes of its code; negative: never */
	uint64_t method;      /* COMPILED; else anything */
	uint64_t
		name; /* a text of the JVM, which tells one blob from the next at the same address */
};

/* The piece that @address of @heap is in. -ENOENT: none; or it cannot be read. *ret_name (cleared before): what the
 * JVM calls it. */
int hotspot_blob_read(const struct hotspot_layout *layout, const struct hotspot_heap *heap,
		      uint64_t address, struct memory_reader memory, struct hotspot_blob *ret,
		      struct buf *ret_name);

/* Whether it still is what was read; also if nobody can tell any more. */
bool hotspot_blob_is_there(const struct hotspot_layout *layout, const struct hotspot_blob *blob,
			   struct memory_reader memory);

/* What tells one method from the next at the same address; 0: it cannot be read. */
uint64_t hotspot_method_identity(const struct hotspot_layout *layout, uint64_t method,
				 struct memory_reader memory);
/* "package.Class.method" of the Method at @method into @ret_name, cleared before. Of a hidden class without
 * the numbers that it has in its name. */
int hotspot_method_name(const struct hotspot_layout *layout, uint64_t method,
			struct memory_reader memory, struct buf *ret_name);

#endif
