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
#include "userspace/base/path.h"
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

/* Said where it is somebody else's, since a user would look there. */
static int open_local(bool make)
{
	const int fd = path_directory(LOCAL, make);
	struct stat st;
	if (fd < 0 && lstat(LOCAL, &st) == 0 && fd != -EACCES)
		log_warning("'%s' here is not used: %s", LOCAL, path_strerror(fd));
	return fd;
}

/* The directory to write to, made if need be. */
static int open_place(struct buf *ret)
{
	_cleanup_close_ int local = open_local(true);
	if (local >= 0 && faccessat(local, ".", W_OK | X_OK, AT_EACCESS) == 0) {
		const int r = buf_adds(ret, LOCAL);
		return r < 0 ? r : take_fd(local);
	}
	const int r = fs_state_dir(ret);
	return r < 0 ? r : path_directory(buf_str(ret), true);
}

int recording_directory(struct buf *ret)
{
	_cleanup_close_ const int fd = open_place(ret);
	return fd < 0 ? fd : 0;
}

static int default_path(struct buf *ret)
{
	char name[NAME_MAX];
	_cleanup_close_ int fd = open_place(ret);
	int r = fd < 0 ? fd : name_now(name);
	if (r >= 0)
		r = buf_addf(ret, "/%s", name);
	return r < 0 ? r : take_fd(fd);
}

/* Where nothing can be kept the run goes on all the same: its report is what was asked for. */
int recording_create(const char *path, struct trace_writer **ret, char **ret_path)
{
	_cleanup_(buf_done) struct buf name = { .limit = PATH_MAX };
	_cleanup_close_ const int directory = path == NULL ? default_path(&name) : -1;
	if (path == NULL && directory < 0) {
		log_warning("there is no place to keep the recording (use --trace FILE): %s",
			    path_strerror(directory));
		return trace_writer_open(-1, NULL, ret);
	}
	if (path != NULL)
		(void)buf_adds(&name, path);
	_cleanup_free_ char *copy = buf_take(&name);
	if (copy == NULL)
		return -ENOMEM;
	const int r = trace_writer_open(directory, copy, ret);
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
static int list_recordings(int directory, struct names *ret)
{
	_cleanup_closedir_ DIR *d = fs_list(directory);
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
	_cleanup_close_ const int fd = directory != NULL ? path_directory(directory, false) : -1;
	if (fd >= 0 && list_recordings(fd, &names) == 0) {
		for (size_t i = 0; i + KEPT < names.n; i++)
			(void)unlinkat(fd, names.items[i], 0);
	}
	names_done(&names);
}

/* The place where there are some; -1: there are none. */
static int open_recordings(struct buf *ret_path, struct names *ret)
{
	_cleanup_close_ int local = open_local(false);
	if (local >= 0 && list_recordings(local, ret) == 0 && ret->n > 0)
		return buf_adds(ret_path, LOCAL) < 0 ? -1 : take_fd(local);
	_cleanup_close_ int state =
		fs_state_dir(ret_path) == 0 ? path_directory(buf_str(ret_path), false) : -1;
	return state >= 0 && list_recordings(state, ret) == 0 ? take_fd(state) : -1;
}

int recording_open(size_t n, struct buf *ret_path)
{
	struct names names = { 0 };
	_cleanup_close_ const int directory = open_recordings(ret_path, &names);
	int r = 0;
	if (names.n == 0) {
		r = fail(-ENOENT,
			 "there is no recording yet: make one with `startline run -- CMD`");
	} else if (n == 0 || n > names.n) {
		r = fail(-ENOENT, "there is no recording ~%zu: the oldest here is ~%zu", n,
			 names.n);
	} else {
		const char *name = names.items[names.n - n];
		r = buf_addf(ret_path, "/%s", name);
		if (r == 0)
			r = path_read(directory, name);
		if (r < 0)
			(void)fail(r, "cannot read '%s': %s", buf_str(ret_path), path_strerror(r));
	}
	names_done(&names);
	return r;
}
