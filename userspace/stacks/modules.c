/* SPDX-License-Identifier: MIT */
/* The table of modules. Which of them are open, and closing the one that was not used for longest. */
#include "userspace/stacks/modules.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/vec.h"
#include "userspace/stacks/module_file_internal.h"
#include "userspace/stacks/perf_map.h"

enum {
	BUCKETS = 16384, /* a power of two, more than MODULES_MAX */
	LOOKS_MAX = 64,	 /* processes in which one file is looked for */
};

struct modules {
	struct arena *arena;
	struct VEC(struct module *) all; /* id - 1 */
	uint32_t buckets[BUCKETS];	 /* ids; 0: empty */
	struct module *open[FILES_OPEN_MAX];
	size_t n_open;
	size_t n_bytes;
	size_t n_names_open, n_names_places;
	uint64_t clock; /* counts uses */
	uint64_t n_refused;
};

struct modules *modules_new(void)
{
	struct modules *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->arena = arena_new();
	if (m->arena == NULL || elf_version(EV_CURRENT) == EV_NONE)
		return modules_free(m);
	return m;
}

struct modules *modules_free(struct modules *m)
{
	if (m == NULL)
		return NULL;
	for (size_t i = 0; i < m->n_open; i++)
		module_file_close(m->open[i]->file);
	vec_foreach(module, &m->all) {
		if ((*module)->names >= 0)
			(void)close((*module)->names);
		if ((*module)->names_place != NULL)
			(void)close((*module)->names_place->root);
	}
	vec_done(&m->all);
	arena_free(m->arena);
	free(m);
	return NULL;
}

static uint64_t hash_of(const void *data, size_t n, uint64_t hash)
{
	for (const uint8_t *at = data; n > 0; at++, n--)
		hash = (hash ^ *at) * UINT64_C(0x100000001b3);
	return hash;
}

static bool is_same_file(const struct file_identity *a, const struct file_identity *b)
{
	/* With a build-id known, the rest may differ: a copy is the same code. */
	if (a->n_build_id > 0 && b->n_build_id > 0)
		return a->n_build_id == b->n_build_id &&
		       memcmp(a->build_id, b->build_id, a->n_build_id) == 0;
	return a->inode == b->inode && a->device_major == b->device_major &&
	       a->device_minor == b->device_minor;
}

struct module *modules_intern(struct modules *m, enum module_type type, const char *path,
			      const struct file_identity *identity, pid_t pid)
{
	static const struct file_identity unknown;
	identity = identity != NULL ? identity : &unknown;
	pid = type == MODULE_ANONYMOUS ? pid : 0;

	size_t at = hash_of(path, strlen(path), (uint64_t)pid * 31 + type) % BUCKETS;
	for (; m->buckets[at] != 0; at = (at + 1) % BUCKETS) {
		struct module *module = m->all.items[m->buckets[at] - 1];
		if (module->type == type && module->pid == pid &&
		    is_same_file(&module->identity, identity) && strcmp(module->path, path) == 0)
			return module;
	}
	struct module *module =
		m->all.n < MODULES_MAX ? arena_alloc(m->arena, sizeof(*module)) : NULL;
	const char *copy = module != NULL ? arena_strdup(m->arena, path) : NULL;
	if (copy == NULL || vec_push(&m->all, module) < 0) {
		m->n_refused++;
		return NULL;
	}
	*module = (struct module){ .id = (uint32_t)m->all.n,
				   .type = type,
				   .path = copy,
				   .identity = *identity,
				   .pid = pid,
				   .names = -1 };
	m->buckets[at] = module->id;
	return module;
}

struct module *modules_get(const struct modules *m, uint32_t id)
{
	return id >= 1 && id <= m->all.n ? m->all.items[id - 1] : NULL;
}

int modules_set_debug_path(struct modules *m, struct module *module, const char *path)
{
	module->debug_path = arena_strdup(m->arena, path);
	return module->debug_path != NULL ? 0 : -ENOMEM;
}

/* Where the map is to be is asked once, while the process lives. */
static bool locate_names(struct modules *m, struct module *module)
{
	if (module->names_place != NULL || m->n_names_places == NAMES_OPEN_MAX)
		return module->names_place != NULL;
	struct perf_map_place *place = arena_alloc(m->arena, sizeof(*place));
	if (place == NULL || perf_map_locate(module->pid, place) < 0)
		return false;
	module->names_place = place;
	m->n_names_places++;
	return true;
}

int modules_names(struct modules *m, struct module *module)
{
	if (module->names < 0 && module->names_place != NULL && m->n_names_open < NAMES_OPEN_MAX) {
		const int fd = perf_map_open(module->names_place);
		module->names = fd >= 0 ? fd : -1;
		m->n_names_open += fd >= 0;
	}
	return module->names;
}

void modules_want_names(struct modules *m, struct module *module)
{
	if (module->names >= 0 || module->n_tries == UINT32_MAX)
		return;
	/* At the 1st, 2nd, 4th, 8th ... time. */
	const uint32_t n = ++module->n_tries;
	if ((n & (n - 1)) == 0 && locate_names(m, module))
		(void)modules_names(m, module);
}

uint64_t modules_n_refused(const struct modules *m)
{
	return m->n_refused;
}

/* ---- which are open ---- */

static void close_at(struct modules *m, size_t i)
{
	m->n_bytes -= m->open[i]->file->n_bytes;
	module_file_close(m->open[i]->file);
	m->open[i] = m->open[--m->n_open];
}

/* Closes the one that was not used for longest, but for @kept. False: there is none. */
static bool close_oldest(struct modules *m, const struct module *kept)
{
	size_t oldest = m->n_open;
	for (size_t i = 0; i < m->n_open; i++)
		if (m->open[i] != kept &&
		    (oldest == m->n_open ||
		     m->open[i]->file->last_use < m->open[oldest]->file->last_use))
			oldest = i;
	if (oldest == m->n_open)
		return false;
	close_at(m, oldest);
	return true;
}

static void add_open(struct modules *m, struct module *module)
{
	if (m->n_open == FILES_OPEN_MAX)
		(void)close_oldest(m, NULL);
	m->open[m->n_open++] = module;
}

/* The process may have ended before it was looked into: another one that has the file may be there. */
static bool is_worth_a_look(const struct module *module, pid_t pid)
{
	return module->n_looks == 0 || (module->n_looks < LOOKS_MAX && module->tried_pid != pid);
}

struct module_file *modules_look(struct modules *m, struct module *module, pid_t pid,
				 uint64_t start, uint64_t end)
{
	if (module->file == NULL)
		module->file = arena_alloc(m->arena, sizeof(*module->file));
	if (module->file == NULL)
		return NULL;
	if (!module->file->is_usable && is_worth_a_look(module, pid)) {
		module->n_looks++;
		module->tried_pid = pid;
		module_file_begin(module, pid, start, end);
		if (module->file->elf != NULL)
			add_open(m, module);
	}
	return module->file->is_usable ? module->file : NULL;
}

struct module *modules_unread(struct modules *m, struct module *module)
{
	/* No file has that number, so it will never be found. */
	const struct file_identity none = { .inode = UINT64_MAX };
	if (module->unread == NULL)
		module->unread = modules_intern(m, module->type, module->path, &none, 0);
	return module->unread;
}

struct module_file *modules_open(struct modules *m, struct module *module, pid_t pid)
{
	struct module_file *file = modules_look(m, module, pid, 0, 0);
	if (file == NULL)
		return NULL;
	if (file->elf == NULL) {
		if (module_file_reopen(module, pid) < 0)
			return NULL;
		add_open(m, module);
	}
	file->last_use = ++m->clock;
	return file;
}

int modules_charge(struct modules *m, struct module *module, size_t n)
{
	if (n > FILE_BYTES_MAX || module->file->n_bytes > FILE_BYTES_MAX - n)
		return -EFBIG;
	while (m->n_bytes > FILE_BYTES_MAX - n && close_oldest(m, module))
		;
	m->n_bytes += n;
	module->file->n_bytes += n;
	return 0;
}
