/* SPDX-License-Identifier: MIT */
/* One walk over the strings of the kernel's type information finds the names that matter, one over
 * the types finds what has such a name; only the few that do are looked at. */
#include "userspace/collect/bpf/kernel_btf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/collect/bpf/btf.h"

#define BTF_PATH  "/sys/kernel/btf/vmlinux"
#define BTF_LIMIT (64u << 20) /* those of distributions have 5 to 10 MiB */

#define TRACEPOINT_PREFIX "btf_trace_"
#define ITERATOR_PREFIX	  "bpf_iter_"
#define PERCPU_SECTION	  ".data..percpu"
/* Linux 6.2 to 6.14 keep the counter in struct pcpu_hot, behind a pointer. */
#define PCPU_HOT_PREEMPT_COUNT 8

/* ---- names ---- */

#define NAMES 2048 /* slots: a power of two, several times as many as names */

/* Names by their hash alone: who finds one compares it. */
struct names {
	uint64_t hashes[NAMES]; /* 0: free */
	uint64_t lengths[256];	/* by first byte: a bit for each length, modulo 64 */
	size_t n;
};

static uint64_t hash_of(const char *text, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3u;
	return hash | 1;
}

/* The slot that has the hash, or the free one where it would be. */
static uint64_t *names_slot(struct names *names, uint64_t hash)
{
	size_t i = hash >> 32;
	while (names->hashes[i % NAMES] != 0 && names->hashes[i % NAMES] != hash)
		i++;
	return &names->hashes[i % NAMES];
}

static int names_add(struct names *names, const char *prefix, const char *name)
{
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, 512);
	if (buf_addf(&text, "%s%s", prefix, name) < 0 || ++names->n > NAMES / 2)
		return -E2BIG;
	const uint64_t hash = hash_of(text.data, text.len);
	*names_slot(names, hash) = hash;
	names->lengths[(uint8_t)text.data[0]] |= 1ull << text.len % 64;
	return 0;
}

static int names_collect(const struct kernel_query *q, struct names *names)
{
	static const char *const data[] = { "runqueues", "__preempt_count", "pcpu_hot",
					    "this_cpu_off", PERCPU_SECTION };
	int r = 0;
	for (size_t i = 0; r == 0 && i < sizeof(data) / sizeof(*data); i++)
		r = names_add(names, "", data[i]);
	for (size_t i = 0; r == 0 && i < q->n_types; i++)
		r = names_add(names, "", q->types[i]);
	for (size_t i = 0; r == 0 && i < q->n_tracepoints; i++) {
		const struct kernel_tracepoint *t = &q->tracepoints[i];
		r = names_add(names, t->is_iterator ? ITERATOR_PREFIX : TRACEPOINT_PREFIX, t->name);
	}
	return r;
}

/* A bit for each byte of the strings: set where one of the names begins. NULL: no memory. */
static uint8_t *names_find(struct names *names, const struct btf_view *v)
{
	uint8_t *marks = calloc(v->string_bytes / 8 + 1, 1);
	const char *at = v->strings, *const end = at + v->string_bytes;
	while (marks != NULL && at < end) {
		const size_t length = strlen(at);
		const size_t place = (size_t)(at - v->strings);
		if (names->lengths[(uint8_t)*at] >> length % 64 & 1 &&
		    *names_slot(names, hash_of(at, length)) != 0)
			marks[place / 8] |= (uint8_t)(1u << place % 8);
		at += length + 1;
	}
	return marks;
}

/* ---- types ---- */

/* The typedef of a tracepoint's function names a pointer to its prototype. */
static unsigned int count_arguments(const struct btf_view *v, const struct btf_cursor *definition)
{
	struct btf_cursor pointer, prototype;
	if (!btf_type(v, definition->type.type, &pointer) || pointer.kind != BTF_KIND_PTR ||
	    !btf_type(v, pointer.type.type, &prototype) || prototype.kind != BTF_KIND_FUNC_PROTO ||
	    prototype.n_members == 0)
		return 0;
	return prototype.n_members - 1;
}

static void see_tracepoint(const struct btf_view *v, const struct btf_cursor *c,
			   struct kernel_query *q)
{
	const bool is_iterator = c->kind == BTF_KIND_FUNC;
	const char *prefix = is_iterator ? ITERATOR_PREFIX : TRACEPOINT_PREFIX;
	const char *name = btf_name(v, c->type.name_off);
	if (strncmp(name, prefix, strlen(prefix)) != 0)
		return;
	name += strlen(prefix);
	for (size_t i = 0; i < q->n_tracepoints; i++) {
		struct kernel_tracepoint *t = &q->tracepoints[i];
		if (t->exists || t->is_iterator != is_iterator || strcmp(t->name, name) != 0)
			continue;
		t->exists = true;
		t->type_id = c->id;
		t->arguments = is_iterator ? 0 : count_arguments(v, c);
	}
}

struct percpu_ids {
	uint32_t runqueues, preempt_count, pcpu_hot, this_cpu_off;
};

static void see_variable(const struct btf_view *v, const struct btf_cursor *c,
			 struct percpu_ids *ids)
{
	const char *name = btf_name(v, c->type.name_off);
	if (strcmp(name, "runqueues") == 0)
		ids->runqueues = c->id;
	else if (strcmp(name, "__preempt_count") == 0)
		ids->preempt_count = c->id;
	else if (strcmp(name, "pcpu_hot") == 0)
		ids->pcpu_hot = c->id;
	else if (strcmp(name, "this_cpu_off") == 0)
		ids->this_cpu_off = c->id;
}

struct section_entry {
	uint32_t type, offset, size;
};

/* Sections come last, so the variables in them are known. */
static void see_section(const struct btf_cursor *c, const struct percpu_ids *ids,
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

/* The numbers of the types that have one of the names, into @ret_ids. -EBADMSG. */
static int find_types(struct btf_view *v, const uint8_t *marks, struct buf *ret_ids)
{
	struct btf_cursor c = btf_start(v);
	while (btf_next(v, &c)) {
		const uint32_t name = c.type.name_off;
		if (name != 0 && name < v->string_bytes && marks[name / 8] >> name % 8 & 1)
			(void)buf_add(ret_ids, &c.id, sizeof(c.id));
	}
	if (c.at != v->types_end)
		return -EBADMSG;
	return ret_ids->error;
}

static void see_type(const struct btf_view *v, uint32_t id, struct percpu_ids *ids,
		     struct kernel_query *q)
{
	struct btf_cursor c;
	if (!btf_type(v, id, &c))
		return;
	if (c.kind == BTF_KIND_TYPEDEF || c.kind == BTF_KIND_FUNC)
		see_tracepoint(v, &c, q);
	else if (c.kind == BTF_KIND_VAR)
		see_variable(v, &c, ids);
	else if (c.kind == BTF_KIND_DATASEC)
		see_section(&c, ids, &q->percpu);
}

int kernel_btf_parse(const void *data, size_t size, struct kernel_query *q)
{
	q->percpu = (struct kernel_percpu){ 0 };
	buf_init(&q->excerpt, BTF_LIMIT);
	_cleanup_(btf_view_done) struct btf_view v = { 0 };
	int r = btf_view_init(&v, data, size);
	if (r < 0)
		return r;
	_cleanup_free_ struct names *names = calloc(1, sizeof(*names));
	if (names == NULL)
		return -ENOMEM;
	r = names_collect(q, names);
	if (r < 0)
		return r;
	_cleanup_free_ uint8_t *marks = names_find(names, &v);
	if (marks == NULL)
		return -ENOMEM;
	_cleanup_(buf_done) struct buf found;
	buf_init(&found, BTF_LIMIT);
	r = find_types(&v, marks, &found);
	if (r < 0)
		return r;
	const size_t n = found.len / sizeof(uint32_t);
	_cleanup_free_ uint32_t *ids = (uint32_t *)(void *)buf_take(&found);
	struct percpu_ids percpu = { 0 };
	for (size_t i = 0; ids != NULL && i < n; i++)
		see_type(&v, ids[i], &percpu, q);
	return btf_excerpt(&v, ids, ids != NULL ? n : 0, &q->excerpt);
}

/* Linux 6.16 and later let it be mapped, which saves the copy. */
static int parse_mapped(int fd, struct kernel_query *q)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	const size_t size = (size_t)st.st_size;
	void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (data == MAP_FAILED)
		return -EOPNOTSUPP;
	const int r = kernel_btf_parse(data, size, q);
	(void)munmap(data, size);
	return r;
}

int kernel_btf_read(struct kernel_query *q)
{
	_cleanup_close_ int fd = open(BTF_PATH, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = parse_mapped(fd, q);
	if (r != -EOPNOTSUPP)
		return r;
	_cleanup_(buf_done) struct buf data;
	buf_init(&data, BTF_LIMIT);
	r = fs_read_fd(fd, &data);
	return r < 0 ? r : kernel_btf_parse(buf_str(&data), data.len, q);
}
