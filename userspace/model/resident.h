/* SPDX-License-Identifier: MIT */
/* What the resident memory of a process consists of, at the moments at which somebody looked, and what can
 * be said of that. */
#ifndef USERSPACE_MODEL_RESIDENT_H
#define USERSPACE_MODEL_RESIDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum memory_part { /* in the order of enum sl_part, from SL_PART_HEAP on */
		   PART_HEAP,
		   PART_ARENAS,
		   PART_MALLOC,
		   PART_STACK,
		   PART_THREAD_STACKS,
		   PART_LOADER,
		   PART_FILE,
		   PART_SHARED,
		   PART_NAMED,
		   PART_RUNTIME,
		   PART_ANONYMOUS,
		   PART_KERNEL,
		   PART_OWN,
		   PART_COUNT
};
extern const struct name_table memory_part_names; /* "heap" "arenas" … */
const char *memory_part_name(enum memory_part part);
int memory_part_of(const char *name); /* -1 */

struct resident_part {
	enum memory_part part;
	const char *
		name; /* path or name; "": none, or files and areas that are not told by themselves */
	int64_t areas, rss_bytes, pss_bytes, private_bytes, dirty_bytes, swap_bytes;
};

enum resident_when {
	LOOK_READY,
	LOOK_PEAK,
	LOOK_END,
	LOOK_OF_ALL, /* those before it are of all processes at once */
	LOOK_LINKED = LOOK_OF_ALL,
	LOOK_MAIN,
	LOOK_COUNT
};

/* The parts add up to rss_bytes. pss: pages divided by how many processes have them; private: of no other
 * process; dirty: of these, written. */
struct resident_look {
	bool is_known; /* false: everything else is meaningless (null in the document) */
	int64_t time_ns;
	int64_t rss_bytes, pss_bytes, private_bytes, dirty_bytes, swap_bytes, page_table_bytes;
	struct resident_part *parts;
	size_t n_parts;
};

struct process;

/* Of all parts of that kind. */
int64_t resident_sum(const struct resident_look *look, enum memory_part part);
/* What malloc has: its heap, arenas, and large blocks. */
int64_t resident_malloc(const struct resident_look *look);
int64_t resident_areas(const struct resident_look *look, enum memory_part part); /* mappings */
/* What a process had in common with others at readiness and no longer has in the end, by the @looks: at most what
 * of its own it has gained. *ret_part: what most of that is; PART_COUNT: nothing. 0 where nobody looked. */
int64_t resident_unshared(const struct resident_look looks[LOOK_COUNT], enum memory_part *ret_part);
/* As people say: "malloc's arenas". */
const char *memory_part_words(enum memory_part part);
/* pss_bytes without what is startline's own. */
int64_t resident_own_pss(const struct resident_look *look);

#endif
