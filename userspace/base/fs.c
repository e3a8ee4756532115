/* SPDX-License-Identifier: MIT */
/* Whole files and the user's places. */

#include "userspace/base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"

#define READ_CHUNK (64 * 1024)

/* Reads into the room that @ret has left. Returns bytes read, 0 at the end, or a negative errno. */
static ssize_t read_chunk(int fd, struct buf *ret)
{
	size_t room = ret->limit - ret->len;
	if (room > READ_CHUNK)
		room = READ_CHUNK;
	if (room == 0) {
		/* The content may end exactly at the limit: only one more byte is too many. */
		char extra;
		const ssize_t n = read(fd, &extra, 1);
		if (n > 0)
			return -EFBIG;
		return n < 0 ? -errno : 0;
	}
	const int rc = buf_reserve(ret, room);
	if (rc < 0)
		return rc;
	const ssize_t n = read(fd, ret->data + ret->len, room);
	if (n < 0) {
		const int code = -errno;
		ret->data[ret->len] = '\0';
		return code;
	}
	ret->len += (size_t)n;
	ret->data[ret->len] = '\0';
	return n;
}

int fs_read_fd(int fd, struct buf *ret)
{
	if (ret->error < 0)
		return ret->error;
	for (;;) {
		const ssize_t n = read_chunk(fd, ret);
		if (n == 0)
			return 0;
		if (n < 0 && n != -EINTR)
			return (int)n;
	}
}

int fs_read_file(const char *path, struct buf *ret)
{
	/* O_NONBLOCK: opening a FIFO that nobody writes would wait for ever. */
	_cleanup_close_ const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	return fs_read_fd(fd, ret);
}

int write_all(int fd, const void *data, size_t n)
{
	const char *rest = data;
	while (n > 0) {
		const ssize_t written = write(fd, rest, n);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		if (written == 0)
			return -EIO;
		rest += written;
		n -= (size_t)written;
	}
	return 0;
}

static int user_dir(const char *variable, const char *usual, struct buf *ret)
{
	const char *directory = getenv(variable);
	if (directory != NULL && directory[0] == '/')
		return buf_addf(ret, "%s/startline", directory);
	const char *home = getenv("HOME");
	if (home != NULL && home[0] == '/')
		return buf_addf(ret, "%s/%s/startline", home, usual);
	return -ENOENT;
}

int fs_state_dir(struct buf *ret)
{
	return user_dir("XDG_STATE_HOME", ".local/state", ret);
}

int fs_cache_dir(struct buf *ret)
{
	return user_dir("XDG_CACHE_HOME", ".cache", ret);
}

int fs_self_dir(struct buf *ret)
{
	char path[PATH_MAX];
	const ssize_t n = readlink("/proc/self/exe", path, sizeof(path));
	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof(path))
		return -ENAMETOOLONG;
	const char *slash = memrchr(path, '/', (size_t)n);
	if (slash == NULL)
		return -ENOENT;
	return buf_add(ret, path, slash == path ? 1 : (size_t)(slash - path));
}

DIR *fs_list(int fd)
{
	/* Opened anew: a duplicate would share its place. */
	_cleanup_close_ int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = own < 0 ? NULL : fdopendir(own);
	if (d != NULL)
		(void)take_fd(own);
	return d;
}

bool fs_is_one_file(int a, int b)
{
	struct stat x, y;
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}
