/* SPDX-License-Identifier: MIT */
/* Makes, reads and removes `startline-PID-RUN` below our own memory cgroup. */

#include "userspace/collect/proc/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bpf/schema.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/rights.h"

#define FILE_MAX (64u * 1024)
#define PREFIX	 "startline-"

/* Where each version keeps its memory controller, and what it calls the peak. */
static const struct hierarchy {
	const char *controller; /* as /proc/self/cgroup names it */
	const char *mount;
	const char *peak_name;
	const char *version;
} hierarchies[] = {
	{ "memory", "/sys/fs/cgroup/memory", "memory.max_usage_in_bytes", "cgroup v1" },
	{ "", "/sys/fs/cgroup", "memory.peak", "cgroup v2" },
};

static bool has_name(char *names, const char *wanted)
{
	for (const char *name; (name = strsep(&names, ",")) != NULL;) {
		if (strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

int cgroup_own(const char *controller, struct buf *ret)
{
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, FILE_MAX);
	if (fs_read_file("/proc/self/cgroup", &text) < 0)
		return -ENOENT;
	/* "4:cpu,cpuacct:/user.slice"; version 2: "0::/user.slice". */
	for (char *rest = text.data, *line; (line = strsep(&rest, "\n")) != NULL;) {
		(void)strsep(&line, ":");
		char *names = strsep(&line, ":");
		if (line != NULL && has_name(names, controller))
			return buf_adds(ret, line);
	}
	return -ENOENT;
}

/* Appends where our own cgroup in @h is. */
static int own_path(const struct hierarchy *h, struct buf *ret)
{
	(void)buf_adds(ret, h->mount);
	return cgroup_own(h->controller, ret);
}

static int write_text(const char *directory, const char *name, const char *text)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write_all(fd, text, strlen(text));
}

static uint64_t read_number(const char *directory, const char *name)
{
	char path[PATH_MAX];
	char text[64];
	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return SL_UNKNOWN;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return SL_UNKNOWN;
	const ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return SL_UNKNOWN;
	text[n] = '\0';
	unsigned long long value = 0;
	return sscanf(text, "%llu", &value) == 1 ? value : SL_UNKNOWN;
}

/* Makes an empty one with a peak to read, at *ret_path. */
static bool try_make(const struct hierarchy *h, unsigned int run, struct buf *ret_path)
{
	if (own_path(h, ret_path) < 0 ||
	    buf_addf(ret_path, "/" PREFIX "%d-%u", getpid(), run) < 0 ||
	    mkdir(buf_str(ret_path), 0755) < 0)
		return false;
	if (read_number(buf_str(ret_path), h->peak_name) != SL_UNKNOWN)
		return true;
	(void)rmdir(buf_str(ret_path));
	return false;
}

const char *cgroup_possible(void)
{
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	for (size_t i = 0; i < sizeof(hierarchies) / sizeof(*hierarchies); i++) {
		_cleanup_(buf_done) struct buf path;
		buf_init(&path, PATH_MAX - 64);
		if (!try_make(&hierarchies[i], 0, &path))
			continue;
		(void)rmdir(buf_str(&path));
		return hierarchies[i].version;
	}
	return NULL;
}

static bool try_open(struct cgroup *c, const struct hierarchy *h, unsigned int run)
{
	_cleanup_(buf_done) struct buf path;
	char procs[PATH_MAX];
	buf_init(&path, PATH_MAX - 64);
	if (!try_make(h, run, &path))
		return false;
	(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", buf_str(&path));
	c->procs_fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (c->procs_fd < 0) {
		(void)rmdir(buf_str(&path));
		return false;
	}
	c->path = buf_take(&path);
	c->peak_name = h->peak_name;
	return true;
}

void cgroup_make(struct cgroup *c, unsigned int run)
{
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	*c = (struct cgroup){ .procs_fd = -1 };
	for (size_t i = 0; i < sizeof(hierarchies) / sizeof(*hierarchies); i++) {
		if (try_open(c, &hierarchies[i], run))
			return;
	}
}

uint64_t cgroup_peak(const struct cgroup *c)
{
	const uint64_t peak = c->path != NULL ? read_number(c->path, c->peak_name) : SL_UNKNOWN;
	/* Nobody uses no memory at all: the command could not join. */
	return peak != 0 ? peak : SL_UNKNOWN;
}

/* Moves what still runs in @path one level up, where it was before. */
static void move_up(const char *path)
{
	char procs[PATH_MAX];
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	if (slash == NULL ||
	    snprintf(procs, sizeof(procs), "%s/cgroup.procs", path) >= (int)sizeof(procs) ||
	    snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path) >=
		    (int)sizeof(parent))
		return;
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, FILE_MAX);
	if (fs_read_file(procs, &text) < 0)
		return;
	for (char *pid = text.data; pid != NULL && *pid != '\0';) {
		char *end = strchrnul(pid, '\n');
		const bool is_last = *end == '\0';
		*end = '\0';
		(void)write_text(parent, "cgroup.procs", pid);
		pid = is_last ? end : end + 1;
	}
}

static void remove_cgroup(const char *path)
{
	if (rmdir(path) == 0 || errno == ENOENT)
		return;
	move_up(path);
	if (rmdir(path) < 0)
		log_debug("cannot remove '%s': %s", path, strerror(errno));
}

void cgroup_leave(struct cgroup *c)
{
	if (c->path == NULL)
		return;
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	(void)close(take_fd(c->procs_fd));
	remove_cgroup(c->path);
	free(take_ptr(c->path));
}

int cgroup_id_of(const char *path, uint64_t *ret)
{
	static const char *const mounts[] = { "", "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
		char full[PATH_MAX];
		struct statfs fs;
		struct stat st;
		if (snprintf(full, sizeof(full), "%s%s", mounts[i], path) < (int)sizeof(full) &&
		    statfs(full, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC &&
		    stat(full, &st) == 0 && S_ISDIR(st.st_mode)) {
			/* On 64-bit kernels the inode's number is the id. */
			*ret = st.st_ino;
			return 0;
		}
	}
	return fail(-EINVAL, "--follow-cgroup '%s': not a cgroup of version 2", path);
}

void cgroup_sweep(void)
{
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	for (size_t i = 0; i < sizeof(hierarchies) / sizeof(*hierarchies); i++) {
		_cleanup_(buf_done) struct buf path;
		buf_init(&path, PATH_MAX - NAME_MAX);
		if (own_path(&hierarchies[i], &path) < 0)
			continue;
		_cleanup_closedir_ DIR *d = opendir(buf_str(&path));
		for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
			char left[PATH_MAX];
			int pid = 0;
			if (sscanf(e->d_name, PREFIX "%d-%*u", &pid) != 1 || pid <= 0 ||
			    kill(pid, 0) == 0 || errno != ESRCH)
				continue;
			if (snprintf(left, sizeof(left), "%s/%s", buf_str(&path), e->d_name) <
			    (int)sizeof(left))
				remove_cgroup(left);
		}
	}
}
