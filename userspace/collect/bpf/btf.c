/* SPDX-License-Identifier: MIT */
/* Stepping over type information. */
#include "userspace/collect/bpf/btf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t members_bytes(unsigned int kind, uint32_t n)
{
	switch (kind) {
	case KIND_INT:
	case KIND_VAR:
	case KIND_DECL_TAG:
		return 4;
	case KIND_ARRAY:
		return 12;
	case KIND_STRUCT:
	case KIND_UNION:
	case KIND_DATASEC:
	case KIND_ENUM64:
		return (size_t)n * 12;
	case KIND_ENUM:
	case KIND_FUNC_PROTO:
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
	c->n_members = c->type.info & 0xffff;
	c->kind = c->type.info >> 24 & 0x1f;
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
	struct btf_header_bytes h;
	if (size < sizeof(h))
		return -EBADMSG;
	memcpy(&h, data, sizeof(h));
	if (h.magic != BTF_MAGIC_NUM || h.header_bytes < sizeof(h) || h.header_bytes > size)
		return -EBADMSG;
	const uint8_t *body = (const uint8_t *)data + h.header_bytes;
	const size_t rest = size - h.header_bytes;
	if (h.type_start > rest || h.type_bytes > rest - h.type_start || h.string_start > rest ||
	    h.string_bytes > rest - h.string_start || h.string_bytes == 0)
		return -EBADMSG;
	*v = (struct btf_view){
		.types = body + h.type_start,
		.types_end = body + h.type_start + h.type_bytes,
		.strings = (const char *)body + h.string_start,
		.string_bytes = h.string_bytes,
	};
	if (v->strings[v->string_bytes - 1] != '\0')
		return -EBADMSG;
	/* As many as there could be; what is not used costs nothing. */
	v->places = malloc((h.type_bytes / sizeof(struct btf_type_bytes) + 1) * sizeof(*v->places));
	return v->places != NULL ? 0 : -ENOMEM;
}

void btf_view_done(struct btf_view *v)
{
	free(v->places);
	v->places = NULL;
}
