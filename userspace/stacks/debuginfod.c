/* SPDX-License-Identifier: MIT */
/* The few functions are declared here as debuginfod_find_debuginfo(3) has them. */
#include "userspace/stacks/debuginfod.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libdebuginfod.so.1"

struct debuginfod {
	void *client;
	debuginfod_progress *progress;
	void *user;
	bool is_cancelled;
	/* Of the library. */
	void *(*begin)(void);
	void (*end)(void *client);
	int (*find)(void *client, const unsigned char *build_id, int n, char **path);
	void (*set_progress)(void *client, int (*progress)(void *client, long a, long b));
};

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
	{ "debuginfod_begin", offsetof(struct debuginfod, begin) },
	{ "debuginfod_end", offsetof(struct debuginfod, end) },
	{ "debuginfod_find_debuginfo", offsetof(struct debuginfod, find) },
	{ "debuginfod_set_progressfn", offsetof(struct debuginfod, set_progress) },
};

static struct debuginfod *in_progress;

static int show(void *client, long a, long b)
{
	struct debuginfod *d = in_progress;
	/* Where the size is not known, @a counts something else. */
	const uint64_t n_all = b > 0 ? (uint64_t)b : 0;
	(void)client;
	if (d != NULL && !d->progress(d->user, n_all > 0 && a > 0 ? (uint64_t)a : 0, n_all))
		d->is_cancelled = true;
	return d != NULL && d->is_cancelled;
}

static const char *load_library(struct debuginfod *d)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return LIBRARY " is not installed (Debian package: libdebuginfod1)";
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		void *function = dlsym(library, functions[i].name);
		if (function == NULL)
			return LIBRARY " is too old: it lacks functions";
		memcpy((char *)d + functions[i].offset, &function, sizeof(function));
	}
	return NULL;
}

static const char *begin(struct debuginfod *d)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	if (urls == NULL || *urls == '\0')
		return "DEBUGINFOD_URLS names no server (sudo takes it away, but for "
		       "`sudo --preserve-env=DEBUGINFOD_URLS`)";
	const char *why = load_library(d);
	if (why == NULL && (d->client = d->begin()) == NULL)
		why = "the client of elfutils does not start";
	return why;
}

struct debuginfod *debuginfod_new(debuginfod_progress *progress, void *user, const char **ret_why)
{
	struct debuginfod *d = calloc(1, sizeof(*d));
	*ret_why = d == NULL ? "no memory" : begin(d);
	if (*ret_why != NULL)
		return debuginfod_free(d);
	d->progress = progress;
	d->user = user;
	d->set_progress(d->client, show);
	return d;
}

struct debuginfod *debuginfod_free(struct debuginfod *d)
{
	if (d == NULL)
		return NULL;
	if (d->client != NULL)
		d->end(d->client);
	/* The library stays: what it brings along is not made to be unloaded. */
	free(d);
	return NULL;
}

int debuginfod_fetch(struct debuginfod *d, const struct file_identity *identity, char **ret_path)
{
	char *path = NULL;
	in_progress = d;
	d->is_cancelled = false;
	const int fd = d->find(d->client, identity->build_id, (int)identity->n_build_id, &path);
	in_progress = NULL;
	if (fd < 0)
		return d->is_cancelled ? -ECANCELED : fd;
	(void)close(fd);
	if (path == NULL)
		return -ENOMEM;
	*ret_path = path;
	return 0;
}
