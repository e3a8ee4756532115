/* SPDX-License-Identifier: MIT */
/* Walks component by component, as the kernel would, but looks at each directory before it follows a
 * link in it. openat2() can refuse all links or none, and people do link their directories. */

#include "userspace/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/random.h"
#include "userspace/base/rights.h"

#define LINKS_MAX 40 /* as the kernel */
#define TRIES	  100

/* Codes that no call used here fails with. */
#define IS_FOREIGN (-ENOTUNIQ)
#define IS_LINK	   (-ELOOP)

const char *path_strerror(int code)
{
	if (code == IS_FOREIGN)
		return "it belongs to somebody else, or others can write there";
	if (code == IS_LINK)
		return "a link on the way, where others can put one";
	return strerror(-code);
}

/* ---- who can write ---- */

static int check(const struct stat *st)
{
	const uid_t uid = rights_uid();
	const gid_t gid = rights_gid();
	/* Where every user has a group of that number, it is the user's alone. */
	const bool is_of_group =
		(st->st_mode & S_IWGRP) != 0 && !(uid != 0 && gid == uid && st->st_gid == gid);
	const bool is_ours = st->st_uid == uid || st->st_uid == 0;
	return is_ours && !is_of_group && (st->st_mode & S_IWOTH) == 0 ? 0 : IS_FOREIGN;
}

int path_check(int fd)
{
	struct stat st;
	return fstat(fd, &st) < 0 ? -errno : check(&st);
}

/* ---- walking ---- */

/* Where a path ends. */
struct end {
	int directory; /* O_PATH */
	bool is_safe;
	bool is_magic; /* a link of /proc that leads to an open file: only the kernel can follow it */
	char name[PATH_NAME_SIZE];
};

static void end_done(struct end *end)
{
	cleanup_close(&end->directory);
}

static int move_to(struct end *end, int directory)
{
	if (directory < 0)
		return -errno;
	cleanup_close(&end->directory);
	end->directory = directory;
	end->is_safe = path_check(directory) == 0;
	return 0;
}

static int step_into(struct end *end, const char *name, int more_flags, bool make)
{
	const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC | more_flags;
	int fd = openat(end->directory, name, flags);
	if (fd < 0 && errno == ENOENT && make &&
	    (mkdirat(end->directory, name, 0700) == 0 || errno == EEXIST))
		fd = openat(end->directory, name, flags);
	return move_to(end, fd);
}

static bool is_of_proc(int directory)
{
	struct statfs fs;
	return fstatfs(directory, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* Puts what the link says before the rest of the way. */
static int expand(const struct end *end, const char *name, const char *rest, struct buf *way)
{
	char text[PATH_MAX];
	const ssize_t n = readlinkat(end->directory, name, text, sizeof(text));
	if (n < 0 || n == sizeof(text))
		return n < 0 ? -errno : -ENAMETOOLONG;
	_cleanup_free_ char *copy = strdup(rest);
	if (copy == NULL)
		return -ENOMEM;
	buf_clear(way);
	(void)buf_add(way, text, (size_t)n);
	return buf_addf(way, "/%s", copy);
}

/* Whether the component @name is a link; negative: it may not be followed. */
static int is_link(const struct end *end, const char *name)
{
	struct stat st;
	if (fstatat(end->directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	return end->is_safe ? 1 : IS_LINK;
}

enum walk_flag {
	WALK_MAKE = 1,
	WALK_TO_LINK = 2 /* the last component may be one: do not follow */
};

/* One component, at @*at of @way. 1: it was the last. */
static int walk_step(struct end *end, struct buf *way, size_t *at, unsigned int flags, int *n_links)
{
	const char *text = buf_str(way) + *at;
	text += strspn(text, "/");
	const size_t n = strcspn(text, "/");
	const char *rest = text + n + strspn(text + n, "/");
	const bool is_last = *rest == '\0';
	if (n >= PATH_NAME_SIZE)
		return -ENAMETOOLONG;
	(void)snprintf(end->name, sizeof(end->name), "%.*s", n > 0 ? (int)n : 1,
		       n > 0 ? text : ".");
	const int link = is_last && (flags & WALK_TO_LINK) ? 0 : is_link(end, end->name);
	if (link < 0)
		return link;
	end->is_magic = link > 0 && is_of_proc(end->directory);
	if (link > 0 && !end->is_magic) {
		if (++*n_links > LINKS_MAX)
			return IS_LINK;
		const int r = expand(end, end->name, rest, way);
		*at = 0;
		return r < 0 || *buf_str(way) != '/'
			       ? r
			       : move_to(end, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
	}
	if (is_last)
		return 1;
	*at = (size_t)(rest - buf_str(way));
	return step_into(end, end->name, end->is_magic ? 0 : O_NOFOLLOW, flags & WALK_MAKE);
}

static int walk(const char *path, unsigned int flags, struct end *ret)
{
	_cleanup_(buf_done) struct buf way;
	buf_init(&way, (size_t)2 * PATH_MAX);
	int r = *path != '\0' ? buf_adds(&way, path) : -ENOENT;
	*ret = (struct end){ .directory = -1 };
	if (r == 0)
		r = move_to(ret, open(*path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	int n_links = 0;
	size_t at = 0;
	while (r == 0)
		r = walk_step(ret, &way, &at, flags, &n_links);
	return r < 0 ? r : 0;
}

/* ---- files ---- */

static bool is_fifo(const struct end *end)
{
	struct stat st;
	return fstatat(end->directory, end->name, &st, 0) == 0 && S_ISFIFO(st.st_mode);
}

/* -EAGAIN for a FIFO without a reader, which the caller may wait for. */
static int open_at(const struct end *end, int flags, mode_t mode)
{
	const int fd =
		openat(end->directory, end->name, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode);
	if (fd < 0)
		return errno == ENXIO && is_fifo(end) ? -EAGAIN : -errno;
	if (fcntl(fd, F_SETFL, flags & O_APPEND) == 0)
		return fd;
	(void)close(fd);
	return -EIO;
}

/* In a directory where others can write. */
static int open_among_others(const struct end *end, int flags, mode_t mode)
{
	struct stat st;
	_cleanup_close_ int fd = open_at(end, (flags & ~O_TRUNC) | O_NOFOLLOW, mode);
	/* Nobody waits for a FIFO of somebody else's. */
	if (fd == -EAGAIN && fstatat(end->directory, end->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_uid != rights_uid())
		return IS_FOREIGN;
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	const bool is_file = S_ISREG(st.st_mode);
	const bool is_ours = st.st_uid == rights_uid() || S_ISCHR(st.st_mode);
	const bool is_single = !is_file || st.st_nlink == 1;
	if (is_single && (is_ours || (is_file && (flags & O_APPEND)))) {
		if (is_file && (flags & O_TRUNC) && ftruncate(fd, 0) < 0)
			return -errno;
		return take_fd(fd);
	}
	if (!is_file || (flags & O_APPEND))
		return IS_FOREIGN;
	if (unlinkat(end->directory, end->name, 0) < 0)
		return -errno;
	return open_at(end, flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
}

int path_open(const char *path, int flags, mode_t mode)
{
	_cleanup_(end_done) struct end end;
	const int r = walk(path, 0, &end);
	if (r < 0)
		return r;
	if (end.is_magic || end.is_safe)
		return open_at(&end, flags | (end.is_magic ? 0 : O_NOFOLLOW), mode);
	return open_among_others(&end, flags, mode);
}

static int create_at(int directory, const char *name)
{
	struct stat st;
	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISREG(st.st_mode))
			return -EEXIST;
		if (unlinkat(directory, name, 0) < 0)
			return -errno;
	}
	const int fd =
		openat(directory, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0600);
	return fd >= 0 ? fd : -errno;
}

int path_create(int directory, const char *path)
{
	if (directory >= 0) {
		const char *slash = strrchr(path, '/');
		return create_at(directory, slash != NULL ? slash + 1 : path);
	}
	_cleanup_(end_done) struct end end;
	const int r = walk(path, WALK_TO_LINK, &end);
	return r < 0 ? r : create_at(end.directory, end.name);
}

static int write_synced(int fd, const void *data, size_t n)
{
	const int r = write_all(fd, data, n);
	/* EINVAL: a file system that cannot sync has nothing to lose. */
	return r == 0 && fsync(fd) < 0 && errno != EINVAL ? -errno : r;
}

/* A name that nobody can have waited for. */
static int make_temporary(const struct end *end, mode_t mode, char name[static PATH_NAME_SIZE])
{
	for (int i = 0; i < TRIES; i++) {
		const uint64_t number = random_fresh_seed();
		(void)snprintf(name, PATH_NAME_SIZE, "%.*s.%08x", PATH_NAME_SIZE - 16, end->name,
			       (unsigned int)number);
		const int fd = openat(end->directory, name,
				      O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, mode);
		if (fd >= 0 || errno != EEXIST)
			return fd >= 0 ? fd : -errno;
	}
	return -EEXIST;
}

int path_replace(const char *path, const void *data, size_t n, mode_t mode)
{
	char temporary[PATH_NAME_SIZE];
	_cleanup_(end_done) struct end end;
	int r = walk(path, WALK_TO_LINK, &end);
	if (r < 0)
		return r;
	const int fd = make_temporary(&end, mode, temporary);
	if (fd < 0)
		return fd;
	r = write_synced(fd, data, n);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(end.directory, temporary, end.directory, end.name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(end.directory, temporary, 0);
	return r;
}

/* ---- directories ---- */

/* A directory that says "*" of itself is not there for git. It is a kindness: nothing fails without. */
static void keep_out_of_commits(int directory)
{
	static const char text[] = "# Made by startline.\n*\n";
	_cleanup_close_ const int fd =
		openat(directory, ".gitignore", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		(void)unlinkat(directory, ".gitignore", 0);
}

int path_directory(const char *path, bool make)
{
	_cleanup_(end_done) struct end end;
	int r = walk(path, make ? WALK_MAKE : 0, &end);
	if (r < 0)
		return r;
	/* Already there, or not to be made: what matters is whether it can be opened. */
	const bool is_new = make && mkdirat(end.directory, end.name, 0700) == 0;
	const int why = make && !is_new && errno != EEXIST ? -errno : -ENOENT;
	_cleanup_close_ int fd =
		openat(end.directory, end.name,
		       O_RDONLY | O_DIRECTORY | O_CLOEXEC | (end.is_magic ? 0 : O_NOFOLLOW));
	if (fd < 0)
		return errno == ENOENT ? why : -errno;
	r = path_check(fd);
	if (r < 0)
		return r;
	if (is_new && strcmp(end.name, ".startline") == 0)
		keep_out_of_commits(fd);
	return take_fd(fd);
}

int path_directory_of(const char *path, char ret_name[static PATH_NAME_SIZE])
{
	_cleanup_(end_done) struct end end;
	const int r = walk(path, 0, &end);
	if (r < 0)
		return r;
	if (!end.is_safe)
		return IS_FOREIGN;
	memcpy(ret_name, end.name, sizeof(end.name));
	return take_fd(end.directory);
}

int path_read(int directory, const char *name)
{
	_cleanup_close_ int fd =
		openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const int r = fd < 0 ? -errno : path_check(fd);
	return r < 0 ? r : take_fd(fd);
}
