/* SPDX-License-Identifier: MIT */
/* Finding the shim's file, and making it reachable for the target's user. */
#include "userspace/collect/shim/shim_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "preload/settings.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/rights.h"

#define FILE_NAME "libstartline.so"

static bool may(const struct stat *s, unsigned int bit)
{
	const uid_t uid = rights_uid();
	if (uid == 0)
		return true;
	if (s->st_uid == uid)
		return (s->st_mode & (bit << 6)) != 0;
	if (s->st_gid == rights_gid())
		return (s->st_mode & (bit << 3)) != 0;
	return (s->st_mode & bit) != 0;
}

/* Whether whose rights these are can map @path (absolute): each directory on the way must let it pass. */
static bool is_reachable(const char *path)
{
	char part[PATH_MAX];
	struct stat s;

	for (const char *slash = path; slash != NULL; slash = strchr(slash + 1, '/')) {
		const size_t n = slash == path ? 1 : (size_t)(slash - path);
		memcpy(part, path, n);
		part[n] = '\0';
		if (stat(part, &s) < 0 || !may(&s, 1))
			return false;
	}
	struct statvfs fs;
	return stat(path, &s) == 0 && may(&s, 4) && statvfs(path, &fs) == 0 &&
	       (fs.f_flag & ST_NOEXEC) == 0;
}

static int find_original(char *ret)
{
	static const char *const places[] = { "/" FILE_NAME, "/../lib/startline/" FILE_NAME };
	_cleanup_(buf_done) struct buf own;
	char path[PATH_MAX];
	/* Where startline itself lies, its caller need not be allowed to look. */
	_cleanup_(rights_give_back) struct rights before;

	(void)rights_take(0, 0, &before);
	buf_init(&own, PATH_MAX - 64);
	if (fs_self_dir(&own) < 0)
		buf_clear(&own);
	for (size_t i = 0; own.len > 0 && i < sizeof(places) / sizeof(places[0]); i++) {
		const int n = snprintf(path, sizeof(path), "%s%s", buf_str(&own), places[i]);
		if (n > 0 && (size_t)n < sizeof(path) && realpath(path, ret) != NULL)
			return 0;
	}
	return -ENOENT;
}

static int open_original(const char *path)
{
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int copy_file(const char *from, int directory_fd)
{
	char bytes[65536];
	_cleanup_close_ int in = open_original(from);
	if (in < 0)
		return -errno;
	_cleanup_close_ int out =
		openat(directory_fd, FILE_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0500);
	if (out < 0 || fchmod(out, 0500) < 0)
		return -errno;
	for (;;) {
		const ssize_t n = read(in, bytes, sizeof(bytes));
		if (n <= 0)
			return n < 0 ? -errno : 0;
		const int r = write_all(out, bytes, (size_t)n);
		if (r < 0)
			return r;
	}
}

static bool is_usable(const char *path)
{
	/* At these the loaders cut the list, and "$LIB" they replace. */
	return strpbrk(path, " :$\t\n\v\f\r") == NULL && strlen(path) < SETTING_LIMIT &&
	       is_reachable(path);
}

bool shim_path_is_copied(void)
{
	char path[PATH_MAX];
	return find_original(path) == 0 && !is_usable(path);
}

int shim_path_find(const struct session_dir *d, char *ret, size_t size)
{
	char path[PATH_MAX];
	int r = find_original(path);

	if (r < 0)
		return r;
	if (is_usable(path)) {
		const int n = snprintf(ret, size, "%s", path);
		return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
	}
	r = copy_file(path, d->fd);
	if (r < 0)
		return r;
	const int n = snprintf(ret, size, "%s/" FILE_NAME, d->path);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}
