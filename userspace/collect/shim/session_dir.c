/* SPDX-License-Identifier: MIT */
/* Making, locking and removing session directories. */
#include "userspace/collect/shim/session_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "bpf/exact.h"
#include "bpf/lane.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/rights.h"

#define PREFIX	       "startline-"
#define RANDOM_LETTERS 6 /* mkdtemp() */

/* A directory this young may belong to a startline that has not locked it yet. */
#define GRACE_SECONDS 5

static const char *const parents[] = { "/dev/shm", "/run/shm", "/tmp", "/var/tmp" };

/* Unlinks what is in @fd without following anything. */
static void empty_directory(int fd)
{
	_cleanup_closedir_ DIR *d = fs_list(fd);
	if (d == NULL)
		return;
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, e->d_name, 0) < 0 && errno == EISDIR)
			(void)unlinkat(fd, e->d_name, AT_REMOVEDIR);
	}
}

/* Others name directories like that too. Ours hold the session's page, but for a moment at their
 * beginning, in which they are empty. */
static bool is_session(int fd)
{
	struct sl_tree tree;
	_cleanup_close_ int file =
		openat(fd, SL_TREE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return file >= 0 && pread(file, &tree, sizeof(tree), 0) == (ssize_t)sizeof(tree) &&
	       tree.magic == SL_TREE_MAGIC;
}

static bool is_session_name(const char *name)
{
	return strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
	       strlen(name) == strlen(PREFIX) + RANDOM_LETTERS;
}

static void remove_if_stale(int parent_fd, const char *name)
{
	struct stat s;
	_cleanup_close_ int fd =
		openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &s) < 0)
		return;
	if (time(NULL) - s.st_ctime < GRACE_SECONDS || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (is_session(fd))
		empty_directory(fd);
	(void)unlinkat(parent_fd, name, AT_REMOVEDIR);
}

static void remove_stale(const char *parent)
{
	_cleanup_closedir_ DIR *d = opendir(parent);
	if (d == NULL)
		return;
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (is_session_name(e->d_name))
			remove_if_stale(dirfd(d), e->d_name);
	}
}

static int prepare(struct session_dir *d)
{
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return d->fd < 0 || flock(d->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static bool lets_execute(const char *path)
{
	struct statvfs fs;

	return statvfs(path, &fs) < 0 || (fs.f_flag & ST_NOEXEC) == 0;
}

/* Whether nobody else can put a directory of theirs in place of one made there: what is preloaded may
 * lie in it. */
static bool keeps_names(const char *path)
{
	struct stat s;
	const mode_t shared = S_IWGRP | S_IWOTH;

	return stat(path, &s) == 0 && ((s.st_mode & shared) == 0 || (s.st_mode & S_ISVTX) != 0);
}

int session_dir_make(bool must_execute, char *why, size_t why_size, struct session_dir *ret)
{
	int r = -ENOENT;
	bool is_made = false;

	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		remove_stale(parents[i]);
		if (is_made || !keeps_names(parents[i]) ||
		    (must_execute && !lets_execute(parents[i])))
			continue;
		struct session_dir d = { .fd = -1 };
		(void)snprintf(d.path, sizeof(d.path), "%s/" PREFIX "XXXXXX", parents[i]);
		if (mkdtemp(d.path) == NULL) {
			r = -errno;
			continue;
		}
		r = prepare(&d);
		if (r == 0) {
			*ret = d;
			is_made = true;
			continue;
		}
		session_dir_remove(&d);
	}
	if (is_made)
		return 0;
	(void)snprintf(why, why_size, "no directory for shared memory in /dev/shm or /tmp (%s)",
		       strerror(-r));
	return r;
}

static bool is_in_use(int parent_fd, const char *name)
{
	_cleanup_close_ int fd =
		openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES;
	/* A lock of ours must not be in the way of one that is being made. */
	struct stat s;
	if (fstat(fd, &s) == 0 && time(NULL) - s.st_ctime < GRACE_SECONDS)
		return true;
	return flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

unsigned int session_dirs_in_use(void)
{
	unsigned int n = 0;
	/* Root's own may be looked into. */
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		struct stat s;
		/* /run/shm may be another name of /dev/shm. */
		if (lstat(parents[i], &s) < 0 || S_ISLNK(s.st_mode))
			continue;
		_cleanup_closedir_ DIR *d = opendir(parents[i]);
		if (d == NULL)
			continue;
		for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
			n += is_session_name(e->d_name) && is_in_use(dirfd(d), e->d_name);
	}
	return n;
}

int session_dir_make_tree(const struct session_dir *d, uint64_t sample_bytes, uint32_t exact,
			  int *ret)
{
	const struct sl_tree tree = { .magic = SL_TREE_MAGIC,
				      .sample_bytes = sample_bytes,
				      .exact = exact };
	_cleanup_close_ int fd =
		openat(d->fd, SL_TREE_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || fchmod(fd, 0600) < 0)
		return -errno;
	/* Allocated, so that the shims' writes can never hit a full file system. */
	const int r = posix_fallocate(fd, 0, sizeof(tree));
	if (r != 0)
		return -r;
	if (pwrite(fd, &tree, sizeof(tree), 0) != (ssize_t)sizeof(tree))
		return -EIO;
	*ret = fd;
	fd = -1;
	return 0;
}

void session_tree_end_exact(int fd)
{
	const uint32_t off = SL_EXACT_OFF;

	(void)!pwrite(fd, &off, sizeof(off), offsetof(struct sl_tree, exact));
}

int64_t session_tree_peak(int fd)
{
	int64_t peak = 0;

	return pread(fd, &peak, sizeof(peak), offsetof(struct sl_tree, peak)) == sizeof(peak) ? peak
											      : 0;
}

int64_t session_tree_live(int fd)
{
	struct {
		int64_t live, departed;
	} now = { 0 };

	_Static_assert(offsetof(struct sl_tree, departed) ==
			       offsetof(struct sl_tree, live) + sizeof(int64_t),
		       "they are read together");
	if (pread(fd, &now, sizeof(now), offsetof(struct sl_tree, live)) != sizeof(now) ||
	    __builtin_sub_overflow(now.live, now.departed, &now.live))
		return -1;
	return now.live;
}

void session_tree_restart(int fd)
{
	const int64_t none = 0;

	(void)!pwrite(fd, &none, sizeof(none), offsetof(struct sl_tree, peak));
}

void session_tree_depart(int fd, int64_t departed)
{
	/* Only this word is ours in a page that others write. */
	(void)!pwrite(fd, &departed, sizeof(departed), offsetof(struct sl_tree, departed));
}

void session_dir_remove(struct session_dir *d)
{
	if (d->fd >= 0) {
		empty_directory(d->fd);
		(void)rmdir(d->path);
		(void)close(d->fd);
	} else if (d->path[0] != '\0') {
		(void)rmdir(d->path);
	}
	*d = (struct session_dir){ .fd = -1 };
}
