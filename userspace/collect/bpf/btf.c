/* SPDX-License-Identifier: MIT */
/* Stepping over type information, and writing an excerpt of it: the wanted types and whatever they
 * contain by value. Types get their new numbers in the order in which they are met, and are written
 * in that order. */
#include "userspace/collect/bpf/btf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>

#include "userspace/base/cleanup.h"

#define EXCERPT_LIMIT (16u << 20)

static size_t members_bytes(unsigned int kind, uint32_t n)
{
	switch (kind) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return 12;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_DATASEC:
	case BTF_KIND_ENUM64:
		return (size_t)n * 12;
	case BTF_KIND_ENUM:
	case BTF_KIND_FUNC_PROTO:
		return (size_t)n * 8;
	default:
		return 0;
	}
}

/* False when it does not fit. */
static bool read_type(const struct btf_view *v, const uint8_t *at, struct btf_cursor *c)
{
	if ((size_t)(v->types_end - at) < sizeof(c->type))
		return false;
	memcpy(&c->type, at, sizeof(c->type));
	c->members = at + sizeof(c->type);
	c->n_members = btf_vlen(&c->type);
	c->kind = btf_kind(&c->type);
	c->members_bytes = members_bytes(c->kind, c->n_members);
	if ((size_t)(v->types_end - c->members) < c->members_bytes)
		return false;
	c->at = c->members + c->members_bytes;
	return true;
}

struct btf_cursor btf_start(const struct btf_view *v)
{
	return (struct btf_cursor){ .at = v->types };
}

bool btf_next(struct btf_view *v, struct btf_cursor *c)
{
	const uint8_t *at = c->at;
	if (!read_type(v, at, c))
		return false;
	v->places[++c->id] = (uint32_t)(at - v->types);
	v->n_types = c->id;
	return true;
}

bool btf_type(const struct btf_view *v, uint32_t id, struct btf_cursor *ret)
{
	if (id == 0 || id > v->n_types)
		return false;
	ret->id = id;
	return read_type(v, v->types + v->places[id], ret);
}

const char *btf_name(const struct btf_view *v, uint32_t name)
{
	return name < v->string_bytes ? v->strings + name : "";
}

int btf_view_init(struct btf_view *v, const void *data, size_t size)
{
	struct btf_header h;
	if (size < sizeof(h))
		return -EBADMSG;
	memcpy(&h, data, sizeof(h));
	if (h.magic != BTF_MAGIC || h.hdr_len < sizeof(h) || h.hdr_len > size)
		return -EBADMSG;
	const uint8_t *body = (const uint8_t *)data + h.hdr_len;
	const size_t rest = size - h.hdr_len;
	if (h.type_off > rest || h.type_len > rest - h.type_off || h.str_off > rest ||
	    h.str_len > rest - h.str_off || h.str_len == 0)
		return -EBADMSG;
	*v = (struct btf_view){
		.types = body + h.type_off,
		.types_end = body + h.type_off + h.type_len,
		.strings = (const char *)body + h.str_off,
		.string_bytes = h.str_len,
	};
	if (v->strings[v->string_bytes - 1] != '\0')
		return -EBADMSG;
	/* As many as there could be; what is not used costs nothing. */
	v->places = malloc((h.type_len / sizeof(struct btf_type) + 1) * sizeof(*v->places));
	return v->places != NULL ? 0 : -ENOMEM;
}

void btf_view_done(struct btf_view *v)
{
	free(v->places);
	v->places = NULL;
}

/* ---- the excerpt ---- */

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
	add_word(e, copy_name(e, c.type.name_off));
	add_word(e, c.type.info);
	switch (c.kind) {
	case BTF_KIND_PTR:
		add_word(e, 0);
		break;
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		add_word(e, want(e, c.type.type));
		break;
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		add_word(e, c.type.type);
		copy_entries(e, &c, 3, true);
		break;
	case BTF_KIND_ENUM64:
	case BTF_KIND_ENUM:
		add_word(e, c.type.type);
		copy_entries(e, &c, c.kind == BTF_KIND_ENUM ? 2 : 3, false);
		break;
	case BTF_KIND_ARRAY:
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
	return (c.kind >= BTF_KIND_INT && c.kind <= BTF_KIND_RESTRICT) ||
	       c.kind == BTF_KIND_FLOAT || c.kind == BTF_KIND_TYPE_TAG || c.kind == BTF_KIND_ENUM64;
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
	const struct btf_header header = {
		.magic = BTF_MAGIC,
		.version = 1,
		.hdr_len = sizeof(header),
		.type_len = (uint32_t)e.types.len,
		.str_off = (uint32_t)e.types.len,
		.str_len = (uint32_t)e.strings.len,
	};
	(void)buf_add(ret, &header, sizeof(header));
	(void)buf_add(ret, buf_str(&e.types), e.types.len);
	return buf_add(ret, e.strings.data, e.strings.len);
}
