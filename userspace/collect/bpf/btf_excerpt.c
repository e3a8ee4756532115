/* SPDX-License-Identifier: MIT */
/* An excerpt of type information: the wanted types and whatever they contain by value. Types get
 * their new numbers in the order in which they are met, and are written in that order. */
#include "userspace/collect/bpf/btf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"

#define EXCERPT_LIMIT (16u << 20)

struct excerpt {
	const struct btf_view *view;
	uint32_t *new_ids; /* by old id; 0: not in it */
	uint32_t *old_ids; /* in order: the new id is the place, plus 1 */
	uint32_t n;
	struct buf types, strings;
};

static void excerpt_done(struct excerpt *e)
{
	free(e->new_ids);
	free(e->old_ids);
	buf_done(&e->types);
	buf_done(&e->strings);
}

/* The new number of a type, which is thereby wanted. Void is 0, and what does not exist. */
static uint32_t want(struct excerpt *e, uint32_t old_id)
{
	if (old_id == 0 || old_id > e->view->n_types)
		return 0;
	if (e->new_ids[old_id] == 0) {
		e->old_ids[e->n++] = old_id;
		e->new_ids[old_id] = e->n;
	}
	return e->new_ids[old_id];
}

static uint32_t copy_name(struct excerpt *e, uint32_t name)
{
	const char *text = btf_name(e->view, name);
	if (*text == '\0')
		return 0;
	const uint32_t place = (uint32_t)e->strings.len;
	(void)buf_add(&e->strings, text, strlen(text) + 1);
	return place;
}

static void add_word(struct excerpt *e, uint32_t word)
{
	(void)buf_add(&e->types, &word, sizeof(word));
}

/* Entries of three words, or two: a name, then a type or a value, then a value. */
static void copy_entries(struct excerpt *e, const struct btf_cursor *c, size_t words, bool has_type)
{
	for (uint32_t i = 0; i < c->n_members; i++) {
		uint32_t entry[3];
		memcpy(entry, c->members + i * words * sizeof(*entry), words * sizeof(*entry));
		add_word(e, copy_name(e, entry[0]));
		add_word(e, has_type ? want(e, entry[1]) : entry[1]);
		if (words == 3)
			add_word(e, entry[2]);
	}
}

static void copy_array(struct excerpt *e, const struct btf_cursor *c)
{
	uint32_t array[3]; /* element, index, count */
	memcpy(array, c->members, sizeof(array));
	add_word(e, want(e, array[0]));
	add_word(e, want(e, array[1]));
	add_word(e, array[2]);
}

static void copy_type(struct excerpt *e, uint32_t old_id)
{
	struct btf_cursor c;
	if (!btf_type(e->view, old_id, &c))
		return;
	add_word(e, copy_name(e, c.type.name));
	add_word(e, c.type.info);
	switch (c.kind) {
	case KIND_PTR:
		add_word(e, 0);
		break;
	case KIND_TYPEDEF:
	case KIND_VOLATILE:
	case KIND_CONST:
	case KIND_RESTRICT:
	case KIND_TYPE_TAG:
		add_word(e, want(e, c.type.type));
		break;
	case KIND_STRUCT:
	case KIND_UNION:
		add_word(e, c.type.type);
		copy_entries(e, &c, 3, true);
		break;
	case KIND_ENUM64:
	case KIND_ENUM:
		add_word(e, c.type.type);
		copy_entries(e, &c, c.kind == KIND_ENUM ? 2 : 3, false);
		break;
	case KIND_ARRAY:
		add_word(e, c.type.type);
		copy_array(e, &c);
		break;
	default: /* numbers, forward declarations; nothing else is contained in a type */
		add_word(e, c.type.type);
		(void)buf_add(&e->types, c.members, c.members_bytes);
		break;
	}
}

static bool is_data(const struct btf_view *v, uint32_t id)
{
	struct btf_cursor c;
	if (!btf_type(v, id, &c))
		return false;
	return (c.kind >= KIND_INT && c.kind <= KIND_RESTRICT) || c.kind == KIND_FLOAT ||
	       c.kind == KIND_TYPE_TAG || c.kind == KIND_ENUM64;
}

int btf_excerpt(const struct btf_view *v, const uint32_t *ids, size_t n, struct buf *ret)
{
	_cleanup_(excerpt_done) struct excerpt e = {
		.view = v,
		.new_ids = calloc((size_t)v->n_types + 1, sizeof(*e.new_ids)),
		.old_ids = malloc(((size_t)v->n_types + 1) * sizeof(*e.old_ids)),
	};
	buf_init(&e.types, EXCERPT_LIMIT);
	buf_init(&e.strings, EXCERPT_LIMIT);
	if (e.new_ids == NULL || e.old_ids == NULL)
		return -ENOMEM;
	(void)buf_addc(&e.strings, '\0');
	for (size_t i = 0; i < n; i++)
		if (is_data(v, ids[i]))
			(void)want(&e, ids[i]);
	for (uint32_t i = 0; i < e.n; i++) /* grows meanwhile */
		copy_type(&e, e.old_ids[i]);
	if (e.types.error < 0 || e.strings.error < 0)
		return e.types.error < 0 ? e.types.error : e.strings.error;
	const struct btf_header_bytes header = {
		.magic = BTF_MAGIC_NUM,
		.version = 1,
		.header_bytes = sizeof(header),
		.type_bytes = (uint32_t)e.types.len,
		.string_start = (uint32_t)e.types.len,
		.string_bytes = (uint32_t)e.strings.len,
	};
	(void)buf_add(ret, &header, sizeof(header));
	(void)buf_add(ret, buf_str(&e.types), e.types.len);
	return buf_add(ret, e.strings.data, e.strings.len);
}
