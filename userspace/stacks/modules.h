/* SPDX-License-Identifier: MIT */
/* Modules: files that code comes from, and code that comes from none. Each is there once, under an id.
 *
 * A file is opened at the first address in it that is asked for, in the mount namespace of the process
 * that has it mapped, and used only if it is what was mapped: the same build-id, or the same device and
 * inode. Nothing blocks: what is no regular file is not opened. Files are read, never mapped, since
 * somebody may cut them. Some are kept open for as long as there is room. */
#ifndef USERSPACE_STACKS_MODULES_H
#define USERSPACE_STACKS_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/cleanup.h"

enum {
	MODULES_MAX = 10000,
	BUILD_ID_MAX = 24,
	NAMES_OPEN_MAX = 64, /* maps of code made at run time */
};

/* The same numbers as enum sl_module_type. */
enum module_type {
	MODULE_FILE = 1,
	MODULE_VDSO = 2,
	MODULE_KERNEL = 3,
	MODULE_ANONYMOUS = 4, /* code that was made at run time; offsets in it are addresses */
	MODULE_PYTHON =
		5, /* a source file; offsets only tell frames apart, see python_processes.h */
};

/* Which file it is, as far as its mapping tells. */
struct file_identity {
	uint8_t build_id[BUILD_ID_MAX];
	size_t n_build_id; /* 0: unknown, or it has none */
	uint32_t device_major;
	uint32_t device_minor;
	uint64_t inode; /* 0: unknown */
};

struct module_file; /* module_file.h */

struct module {
	uint32_t id; /* from 1 */
	enum module_type type;
	const char *path; /* of the file, as the process has it; else what is known of it */
	struct file_identity
		identity;	  /* the build-id is there from the first look into the file on */
	pid_t pid;		  /* ANONYMOUS: of the process that has it */
	struct module_file *file; /* NULL: not looked into yet */
	pid_t tried_pid;	  /* that it was last looked for in, in vain */
	uint32_t n_looks;	  /* in vain */
	struct module *unread;	  /* modules_unread() */
	int names;		  /* ANONYMOUS: the open map of perf_map.h; -1: none so far */
	uint32_t n_tries;	  /* to open that */
	struct perf_map_place *names_place; /* where it will be; NULL: not known */
	const char *
		debug_path; /* FILE: a file with its debug information, maybe; NULL: none is known */
};

struct modules;

/* NULL: no memory. */
struct modules *modules_new(void);
struct modules *modules_free(struct modules *m);
DEFINE_FREEP(struct modules, modules_free)

/* The module that is described, which is made if it is new. NULL: there are MODULES_MAX already, or no
 * memory. @identity may be NULL. @pid matters for ANONYMOUS alone. */
struct module *modules_intern(struct modules *m, enum module_type type, const char *path,
			      const struct file_identity *identity, pid_t pid);

/* The module that stands for @module where its file could not be looked into: offsets in that one count
 * from the beginning of the file, and name nothing. NULL: no room. */
struct module *modules_unread(struct modules *m, struct module *module);

/* A file that was found to have the debug information of @module. -ENOMEM. */
int modules_set_debug_path(struct modules *m, struct module *module, const char *path);

/* NULL: none has that id. */
struct module *modules_get(const struct modules *m, uint32_t id);

/* Made code of @module was met: looks for the file with its names while the process lives, now and then
 * until there is one. */
void modules_want_names(struct modules *m, struct module *module);
/* When all is over: the file, which was there before or has been written since. -1: there is none. */
int modules_names(struct modules *m, struct module *module);

/* How many could not be told apart for want of room. */
uint64_t modules_n_refused(const struct modules *m);

#endif
