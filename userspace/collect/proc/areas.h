/* SPDX-License-Identifier: MIT */
/* The mappings of a process, as /proc/PID/smaps tells them, and which part of its resident memory each of
 * them is. Nothing in here looks at a process by itself. */
#ifndef USERSPACE_COLLECT_PROC_AREAS_H
#define USERSPACE_COLLECT_PROC_AREAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/schema.h"
#include "userspace/base/buf.h"
#include "userspace/base/vec.h"

struct area {
	uint64_t start, end;
	bool can_read, can_write, can_execute, is_shared;
	bool has_file;	      /* an inode: not anonymous */
	uint64_t name;	      /* where it begins in area_list.names */
	enum sl_part part;    /* after areas_sort_out() */
	const char *known_as; /* a text of ours in place of the name; NULL: none */
	/* bytes */
	uint64_t rss, pss, private_bytes, dirty, swap;
};

struct areas {
	struct area_list VEC(struct area) list;
	struct buf names; /* each ended by NUL; at 0 is the empty one */
};

/* Reads all of @fd, smaps. 0; -errno: of reading, -EBADMSG: that is no smaps, -ENOMEM. */
int areas_read(int fd, struct areas *ret);
void areas_done(struct areas *a);
const char *area_name(const struct areas *a, const struct area *area);

/* Whether there is code. A process that is executing something else has none for a moment: what it was is gone,
 * and what it will be is not there yet. */
bool areas_have_code(const struct areas *a);

/* What cannot be told from the mappings alone. */
struct areas_hints {
	const uint64_t *stack_pointers; /* of its threads, in order; n of them */
	size_t n;
	const char *own_directory, *own_file; /* of startline; NULL */
	uint32_t
		allocator; /* enum sl_allocator_kind that is linked into it; 0: none that is known */
	/* Copies @n bytes at @address of the process, if the page is there; false: no. */
	bool (*peek)(void *data, uint64_t address, void *to, size_t n);
	void *data;
};

/* Says of each what part it is. */
void areas_sort_out(struct areas *a, const struct areas_hints *hints);

#endif
