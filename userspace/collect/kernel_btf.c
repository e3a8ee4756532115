/* SPDX-License-Identifier: MIT */
/* A walk over the kernel's BTF (Documentation/bpf/btf.rst): a header, types one behind the other,
 * strings. Types are numbered from 1 in that order and their length depends on their kind. */
#include "userspace/collect/kernel_btf.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"

#define BTF_PATH      "/sys/kernel/btf/vmlinux"
#define BTF_LIMIT     (64u << 20) /* those of distributions have 5 to 10 MiB */
#define BTF_MAGIC_NUM 0xeb9f

#define TRACEPOINT_PREFIX "btf_trace_"
#define PERCPU_SECTION	  ".data..percpu"
/* Linux 6.2 to 6.14 keep the counter in struct pcpu_hot, behind a pointer. */
#define PCPU_HOT_PREEMPT_COUNT 8

enum btf_kind_number {
	KIND_INT = 1,
	KIND_PTR = 2,
	KIND_ARRAY = 3,
	KIND_STRUCT = 4,
	KIND_UNION = 5,
	KIND_ENUM = 6,
	KIND_TYPEDEF = 8,
	KIND_FUNC_PROTO = 13,
	KIND_VAR = 14,
	KIND_DATASEC = 15,
	KIND_DECL_TAG = 17,
	KIND_ENUM64 = 19,
};

struct header {
	uint16_t magic;
	uint8_t version;
	uint8_t flags;
	uint32_t header_bytes;
	uint32_t type_start, type_bytes;
	uint32_t string_start, string_bytes;
};

struct type {
	uint32_t name;
	uint32_t info; /* members in bits 0-15, kind in 24-28 */
	uint32_t type; /* or size */
};

struct section_entry {
	uint32_t type, offset, size;
};

struct btf {
	const uint8_t *types, *types_end;
	const char *strings;
	size_t string_bytes;
};

struct cursor {
	const uint8_t *at;
	uint32_t id;
	struct type type;
	const uint8_t *members;
	uint32_t n_members;
	unsigned int kind;
};

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

/* Steps to the next type. False at the end, also when the data end too early. */
static bool cursor_next(const struct btf *b, struct cursor *c)
{
	if ((size_t)(b->types_end - c->at) < sizeof(c->type))
		return false;
	memcpy(&c->type, c->at, sizeof(c->type));
	c->members = c->at + sizeof(c->type);
	c->n_members = c->type.info & 0xffff;
	c->kind = c->type.info >> 24 & 0x1f;
	const size_t bytes = members_bytes(c->kind, c->n_members);
	if ((size_t)(b->types_end - c->members) < bytes)
		return false;
	c->at = c->members + bytes;
	c->id++;
	return true;
}

static struct cursor cursor_start(const struct btf *b)
{
	return (struct cursor){ .at = b->types };
}

/* "" when it points outside. parse() has made sure that the strings end with a NUL. */
static const char *name_of(const struct btf *b, uint32_t name)
{
	return name < b->string_bytes ? b->strings + name : "";
}

static bool type_of(const struct btf *b, uint32_t id, struct cursor *ret)
{
	struct cursor c = cursor_start(b);
	while (cursor_next(b, &c))
		if (c.id == id) {
			*ret = c;
			return true;
		}
	return false;
}

/* The typedef of a tracepoint's function names a pointer to its prototype. */
static unsigned int count_arguments(const struct btf *b, const struct cursor *typedefinition)
{
	struct cursor pointer, prototype;
	if (!type_of(b, typedefinition->type.type, &pointer) || pointer.kind != KIND_PTR ||
	    !type_of(b, pointer.type.type, &prototype) || prototype.kind != KIND_FUNC_PROTO ||
	    prototype.n_members == 0)
		return 0;
	return prototype.n_members - 1;
}

static void see_typedef(const struct btf *b, const struct cursor *c,
			struct kernel_tracepoint *tracepoints, size_t n)
{
	const char *name = name_of(b, c->type.name);
	if (strncmp(name, TRACEPOINT_PREFIX, strlen(TRACEPOINT_PREFIX)) != 0)
		return;
	name += strlen(TRACEPOINT_PREFIX);
	for (size_t i = 0; i < n; i++) {
		if (tracepoints[i].exists || strcmp(tracepoints[i].name, name) != 0)
			continue;
		tracepoints[i].exists = true;
		tracepoints[i].arguments = count_arguments(b, c);
	}
}

struct percpu_ids {
	uint32_t runqueues, preempt_count, pcpu_hot, this_cpu_off;
};

static void see_variable(const struct btf *b, const struct cursor *c, struct percpu_ids *ids)
{
	const char *name = name_of(b, c->type.name);
	if (strcmp(name, "runqueues") == 0)
		ids->runqueues = c->id;
	else if (strcmp(name, "__preempt_count") == 0)
		ids->preempt_count = c->id;
	else if (strcmp(name, "pcpu_hot") == 0)
		ids->pcpu_hot = c->id;
	else if (strcmp(name, "this_cpu_off") == 0)
		ids->this_cpu_off = c->id;
}

/* Sections come last, so the variables in them are known. */
static void see_section(const struct cursor *c, const struct percpu_ids *ids,
			struct kernel_percpu *ret)
{
	for (uint32_t i = 0; i < c->n_members; i++) {
		struct section_entry entry;
		memcpy(&entry, c->members + i * sizeof(entry), sizeof(entry));
		const uint64_t place = (uint64_t)entry.offset + 1;
		if (entry.type == 0)
			continue;
		if (entry.type == ids->runqueues)
			ret->runqueues = place;
		else if (entry.type == ids->preempt_count)
			ret->preempt_count = place;
		else if (entry.type == ids->pcpu_hot)
			ret->preempt_count = place + PCPU_HOT_PREEMPT_COUNT;
		else if (entry.type == ids->this_cpu_off)
			ret->this_cpu_off = place;
	}
}

static int open_btf(const void *data, size_t size, struct btf *ret)
{
	struct header h;
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
	*ret = (struct btf){
		.types = body + h.type_start,
		.types_end = body + h.type_start + h.type_bytes,
		.strings = (const char *)body + h.string_start,
		.string_bytes = h.string_bytes,
	};
	return ret->strings[ret->string_bytes - 1] == '\0' ? 0 : -EBADMSG;
}

int kernel_btf_parse(const void *data, size_t size, struct kernel_tracepoint *tracepoints, size_t n,
		     struct kernel_percpu *ret)
{
	struct btf b;
	const int r = open_btf(data, size, &b);
	if (r < 0)
		return r;
	struct percpu_ids ids = { 0 };
	struct cursor c = cursor_start(&b);
	*ret = (struct kernel_percpu){ 0 };
	while (cursor_next(&b, &c)) {
		if (c.kind == KIND_TYPEDEF)
			see_typedef(&b, &c, tracepoints, n);
		else if (c.kind == KIND_VAR)
			see_variable(&b, &c, &ids);
		else if (c.kind == KIND_DATASEC &&
			 strcmp(name_of(&b, c.type.name), PERCPU_SECTION) == 0)
			see_section(&c, &ids, ret);
	}
	return c.at == b.types_end ? 0 : -EBADMSG;
}

int kernel_btf_read(struct kernel_tracepoint *tracepoints, size_t n, struct kernel_percpu *ret)
{
	_cleanup_(buf_done) struct buf data;
	buf_init(&data, BTF_LIMIT);
	const int r = fs_read_file(BTF_PATH, &data);
	if (r < 0)
		return r;
	return kernel_btf_parse(buf_str(&data), data.len, tracepoints, n, ret);
}
