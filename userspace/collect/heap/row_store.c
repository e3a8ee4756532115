/* SPDX-License-Identifier: MIT */
/* See row_store.h. */
#include "userspace/collect/heap/row_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bpf/rows.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/path.h"
#include "userspace/stacks/elf_open.h"
#include "userspace/stacks/module_file.h"
#include "userspace/stacks/needed.h"
#include "userspace/stacks/row_table.h"

#define TABLE_MAX  ((size_t)48 << 20)
#define KEPT_S	   (30ll * 24 * 3600) /* a table that nobody has asked for stays so long in the cache */
#define FRESH_NAME "new"	      /* until it is whole */

enum { NAME_BYTES = sizeof(SL_ROWS_PREFIX) + 2 * SL_BUILD_ID_BYTES + 1 };

struct row_store {
	int directory;		       /* of the session, borrowed */
	int cache;		       /* -1: none */
	bool is_done[MODULES_MAX + 1]; /* by id of the module */
};

/* ---- the cache ---- */

static void prune(int cache)
{
	_cleanup_closedir_ DIR *d = fs_list(cache);
	const time_t oldest = time(NULL) - KEPT_S;
	struct stat stat;
	for (const struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d))
		if (fstatat(cache, e->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(stat.st_mode) && stat.st_mtime < oldest)
			(void)unlinkat(cache, e->d_name, 0);
}

/* Nobody's home is made: it may be named for having none. */
static bool has_home(void)
{
	const char *home = getenv("HOME"), *cache = getenv("XDG_CACHE_HOME");
	return (cache != NULL && cache[0] == '/') || (home != NULL && access(home, X_OK) == 0);
}

/* Shims of the user whose cache it is look there by themselves. -1: there is none. */
static int open_cache(int directory)
{
	_cleanup_(buf_done) struct buf path = { .limit = PATH_MAX };
	if (!has_home() || fs_cache_dir(&path) < 0 || buf_addf(&path, "/rows") < 0)
		return -1;
	int cache = path_directory(buf_str(&path), true);
	if (cache < 0)
		return -1;
	if (symlinkat(buf_str(&path), directory, SL_ROWS_CACHE) < 0) {
		(void)close(cache);
		return -1;
	}
	prune(cache);
	return cache;
}

struct row_store *row_store_new(int directory, bool has_cache)
{
	struct row_store *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->directory = directory;
	s->cache = has_cache ? open_cache(directory) : -1;
	return s;
}

struct row_store *row_store_free(struct row_store *s)
{
	if (s != NULL && s->cache >= 0)
		(void)close(s->cache);
	free(s);
	return NULL;
}

/* ---- tables ---- */

static void set_name(const struct row_store *s, const uint8_t *id, size_t n, char ret[NAME_BYTES])
{
	size_t at = (size_t)snprintf(ret, NAME_BYTES, "%s", s->cache >= 0 ? "" : SL_ROWS_PREFIX);
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(ret + at, NAME_BYTES - at, "%02x", id[i]);
}

static int place(const struct row_store *s)
{
	return s->cache >= 0 ? s->cache : s->directory;
}

/* Whole and undamaged; noted as used. */
static bool is_there(const struct row_store *s, const char *name, const uint8_t *id, size_t n)
{
	_cleanup_(buf_done) struct buf table = { .limit = TABLE_MAX };
	_cleanup_close_ int fd =
		openat(place(s), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 && fs_read_fd(fd, &table) == 0 &&
	       row_table_check(table.data, table.len, id, n) && futimens(fd, NULL) == 0;
}

/* A shim finds all of it or nothing. */
static void put(const struct row_store *s, const char *name, const struct buf *table)
{
	char fresh[NAME_BYTES];
	(void)snprintf(fresh, sizeof(fresh), FRESH_NAME "-%d", (int)getpid());
	_cleanup_close_ int fd = openat(
		place(s), fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && (write_all(fd, table->data, table->len) < 0 ||
			renameat(place(s), fresh, place(s), name) < 0))
		(void)unlinkat(place(s), fresh, 0);
}

static void add(const struct row_store *s, Elf *elf)
{
	_cleanup_(buf_done) struct buf table = { .limit = TABLE_MAX };
	const uint8_t *id;
	char name[NAME_BYTES];
	const size_t n = row_table_id(elf, &id);
	if (n == 0)
		return;
	set_name(s, id, n, name);
	if (!is_there(s, name, id, n) && row_table_make(elf, &table) == 0)
		put(s, name, &table);
}

void row_store_add(struct row_store *s, struct modules *modules, struct module *module, pid_t pid)
{
	if (module == NULL || module->type != MODULE_FILE || module->id > MODULES_MAX ||
	    s->is_done[module->id])
		return;
	s->is_done[module->id] = true;
	const struct module_file *f = modules_open(modules, module, pid);
	if (f != NULL)
		add(s, f->elf);
}

void row_store_add_path(struct row_store *s, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	Elf *elf = fd >= 0 ? elf_open(fd, ELF_C_READ) : NULL;
	if (elf != NULL)
		add(s, elf);
	(void)elf_end(elf);
}

static void add_needed(void *data, const char *path)
{
	row_store_add_path(data, path);
}

int row_store_add_program(struct row_store *s, const char *path)
{
	return needed_walk(path, add_needed, s);
}
