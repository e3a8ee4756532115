/* SPDX-License-Identifier: MIT */
/* See row_store.h. A table takes some milliseconds, less than reading one from a disk may take: none is kept
 * beyond the session. */
#include "userspace/collect/heap/row_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/rows.h"
#include "userspace/base/buf.h"
#include "userspace/stacks/row_table.h"

#define TABLE_MAX ((size_t)48 << 20)

struct row_store {
	int directory;
	bool is_done[MODULES_MAX + 1]; /* by id of the module */
};

struct row_store *row_store_new(int directory)
{
	struct row_store *s = calloc(1, sizeof(*s));
	if (s != NULL)
		s->directory = directory;
	return s;
}

struct row_store *row_store_free(struct row_store *s)
{
	free(s);
	return NULL;
}

/* A shim finds all of it or nothing. */
static void put(const struct row_store *s, const struct buf *table)
{
	const struct sl_rows *rows = (const struct sl_rows *)(const void *)table->data;
	char name[sizeof(SL_ROWS_PREFIX) + 2 * SL_BUILD_ID_BYTES + 1] = SL_ROWS_PREFIX;
	const char *fresh = "new-" SL_ROWS_PREFIX;
	size_t at = strlen(name);
	for (uint32_t i = 0; i < rows->n_build_id; i++)
		at += (size_t)snprintf(name + at, sizeof(name) - at, "%02x", rows->build_id[i]);
	_cleanup_close_ int fd = openat(s->directory, fresh,
					O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (write(fd, table->data, table->len) != (ssize_t)table->len ||
	    renameat(s->directory, fresh, s->directory, name) < 0)
		(void)unlinkat(s->directory, fresh, 0);
}

void row_store_add(struct row_store *s, struct modules *modules, struct module *module, pid_t pid)
{
	_cleanup_(buf_done) struct buf table = { .limit = TABLE_MAX };
	if (module == NULL || module->type != MODULE_FILE || module->id > MODULES_MAX ||
	    s->is_done[module->id])
		return;
	s->is_done[module->id] = true;
	if (row_table_of(modules, module, pid, &table) == 0)
		put(s, &table);
}

void row_store_add_path(struct row_store *s, const char *path)
{
	_cleanup_(buf_done) struct buf table = { .limit = TABLE_MAX };
	if (row_table_of_path(path, &table) == 0)
		put(s, &table);
}
