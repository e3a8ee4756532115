/* SPDX-License-Identifier: MIT */
/* Type information in the kernel's format (Documentation/bpf/btf.rst): a header, types one behind
 * the other, strings. Types are numbered from 1 in that order and their length depends on their
 * kind; 0 is void. */
#ifndef USERSPACE_COLLECT_BPF_BTF_H
#define USERSPACE_COLLECT_BPF_BTF_H

#include <linux/btf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/buf.h"

/* Borrows the data; owns the index. */
struct btf_view {
	const uint8_t *types, *types_end;
	const char *strings; /* the last byte is NUL */
	size_t string_bytes;
	uint32_t *places; /* of each type, from `types`; [0] means nothing */
	uint32_t n_types; /* ids are 1 to n_types */
};

struct btf_cursor {
	const uint8_t *at; /* behind it */
	uint32_t id;
	struct btf_type type;
	const uint8_t *members;
	size_t members_bytes;
	uint32_t n_members;
	unsigned int kind;
};

/* Checks the frame of @data. -EBADMSG: it makes no sense. btf_view_done() after success. */
int btf_view_init(struct btf_view *v, const void *data, size_t size);
void btf_view_done(struct btf_view *v);

/* Before the first type, whose number btf_next() then enters into the index. */
struct btf_cursor btf_start(const struct btf_view *v);

/* Steps to the next type. False at the end, also when the data end too early. */
bool btf_next(struct btf_view *v, struct btf_cursor *c);

/* The type @id, of those that were stepped over. */
bool btf_type(const struct btf_view *v, uint32_t id, struct btf_cursor *ret);

/* "" when it points outside. */
const char *btf_name(const struct btf_view *v, uint32_t name);

/* Appends to @ret a file of type information that has the types @ids[0..@n) of @v and those that
 * they contain, under new numbers. What they point to is left out: pointers become pointers to
 * void. Enough to find the place of a member, in a hundredth of the size. -ENOMEM, -EFBIG. */
int btf_excerpt(const struct btf_view *v, const uint32_t *ids, size_t n, struct buf *ret);

#endif
