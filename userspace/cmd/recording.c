/* SPDX-License-Identifier: MIT */
/* Names of recordings sort by time: YYYYMMDD-HHMMSS-microseconds-pid.slt, in UTC. */

#include "userspace/cmd/recording.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/vec.h"

#define KEPT   20
#define LOCAL  ".startline"
#define SUFFIX ".slt"
/* A directory with more than that is not ours to tidy up. */
#define LIST_MAX 65536u

struct names VEC(char *);

static int name_now(char name[static NAME_MAX])
{
	struct timespec now;
	struct tm utc;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &utc) == NULL)
		return -EOVERFLOW;
	const int n = snprintf(name, NAME_MAX, "%04d%02d%02d-%02d%02d%02d-%06ld-%d" SUFFIX,
			       utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
			       utc.tm_min, utc.tm_sec, now.tv_nsec / 1000, getpid());
	return n < 0 || n >= NAME_MAX ? -EOVERFLOW : 0;
}

int recording_directory(struct buf *ret)
{
	if (fs_mkdir_p(LOCAL, 0700) == 0 &&
	    faccessat(AT_FDCWD, LOCAL, W_OK | X_OK, AT_EACCESS) == 0)
		return buf_adds(ret, LOCAL);
	int r = fs_state_dir(ret);
	if (r < 0)
		return r;
	return fs_mkdir_p(buf_str(ret), 0700);
}

static int default_path(struct buf *ret)
{
	char name[NAME_MAX];
	int r = recording_directory(ret);
	if (r == 0)
		r = name_now(name);
	return r < 0 ? r : buf_addf(ret, "/%s", name);
}

/* Where nothing can be kept the run goes on all the same: its report is what was asked for. */
int recording_create(const char *path, struct trace_writer **ret, char **ret_path)
{
	_cleanup_(buf_done) struct buf name;
	buf_init(&name, PATH_MAX);
	const int found = path != NULL ? buf_adds(&name, path) : default_path(&name);
	if (found < 0) {
		log_warning("there is no place to keep the recording (use --trace FILE): %s",
			    strerror(-found));
		return trace_writer_open(NULL, ret);
	}
	_cleanup_free_ char *copy = buf_take(&name);
	if (copy == NULL)
		return -ENOMEM;
	const int r = trace_writer_open(copy, ret);
	if (r == 0)
		*ret_path = take_ptr(copy);
	return r;
}

static bool is_recording(const char *name)
{
	const size_t n = strlen(name);
	return n > strlen(SUFFIX) && strcmp(name + n - strlen(SUFFIX), SUFFIX) == 0 &&
	       strspn(name, "0123456789-") == n - strlen(SUFFIX);
}

static void names_done(struct names *names)
{
	vec_foreach(name, names)
		free(*name);
	vec_done(names);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Oldest first. */
static int list_recordings(const char *directory, struct names *ret)
{
	_cleanup_closedir_ DIR *d = opendir(directory);
	if (d == NULL)
		return -errno;
	for (const struct dirent *entry; ret->n < LIST_MAX && (entry = readdir(d)) != NULL;) {
		if (!is_recording(entry->d_name))
			continue;
		char *name = strdup(entry->d_name);
		if (name == NULL || vec_push(ret, name) < 0) {
			free(name);
			return -ENOMEM;
		}
	}
	if (ret->n > 1)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_name);
	return 0;
}

void recording_prune(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		return;
	_cleanup_free_ char *directory = strndup(path, (size_t)(slash - path));
	struct names names = { 0 };
	if (directory != NULL && list_recordings(directory, &names) == 0) {
		_cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		for (size_t i = 0; fd >= 0 && i + KEPT < names.n; i++)
			(void)unlinkat(fd, names.items[i], 0);
	}
	names_done(&names);
}

int recording_find(size_t n, struct buf *ret)
{
	_cleanup_(buf_done) struct buf state;
	buf_init(&state, PATH_MAX);
	const char *directory = LOCAL;
	struct names names = { 0 };
	(void)list_recordings(LOCAL, &names);
	if (names.n == 0 && fs_state_dir(&state) == 0) {
		directory = buf_str(&state);
		(void)list_recordings(directory, &names);
	}
	int r = 0;
	if (names.n == 0)
		r = fail(-ENOENT,
			 "there is no recording yet: make one with `startline run -- CMD`");
	else if (n == 0 || n > names.n)
		r = fail(-ENOENT, "there is no recording ~%zu: the oldest here is ~%zu", n,
			 names.n);
	else
		r = buf_addf(ret, "%s/%s", directory, names.items[names.n - n]);
	names_done(&names);
	return r;
}
