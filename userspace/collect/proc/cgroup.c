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
/* More than any machine has: what stands for "no limit" in version 1. */
#define MEMORY_MAX (1ull << 60)

/* Where each version keeps its memory controller, and what it calls the peak. */
static const struct hierarchy {
	const char *controller; /* as /proc/self/cgroup names it */
	const char *mount;
	const char *peak_name;
	const char *limit_name;
	const char *version;
	bool has_leaves; /* processes and limits of their children do not stand in one cgroup */
} hierarchies[] = {
	{ "memory", "/sys/fs/cgroup/memory", "memory.max_usage_in_bytes", "memory.limit_in_bytes",
	  "cgroup v1", false },
	{ "", "/sys/fs/cgroup", "memory.peak", "memory.max", "cgroup v2", true },
};

/* Where startline was when it stepped out from under a limit. */
static struct {
	const struct hierarchy *hierarchy; /* NULL: it did not */
	int procs_fd;			   /* leads back in */
	char leaf[PATH_MAX];		   /* made to stay in meanwhile, or "" */
} outside = { .procs_fd = -1 };

static bool has_name(char *names, const char *wanted)
{
	for (const char *name; (name = strsep(&names, ",")) != NULL;) {
		if (strcmp(name, wanted) == 0)
			return true;
	}
	return false;
}

/* As /proc/PID/cgroup has it in @file. */
static int find_own(const char *file, const char *controller, struct buf *ret)
{
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, FILE_MAX);
	(void)buf_adds(&text, file);
	/* "4:cpu,cpuacct:/user.slice"; version 2: "0::/user.slice". */
	for (char *rest = text.data, *line; (line = strsep(&rest, "\n")) != NULL;) {
		(void)strsep(&line, ":");
		char *names = strsep(&line, ":");
		if (line != NULL && has_name(names, controller))
			return buf_adds(ret, line);
	}
	return -ENOENT;
}

int cgroup_own(const char *controller, struct buf *ret)
{
	/* Read once: startline may move. */
	static char file[FILE_MAX];
	if (file[0] == '\0') {
		_cleanup_(buf_done) struct buf text;
		buf_init(&text, sizeof(file) - 1);
		if (fs_read_file("/proc/self/cgroup", &text) < 0)
			return -ENOENT;
		memcpy(file, buf_str(&text), text.len + 1);
	}
	return find_own(file, controller, ret);
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

/* ---- out from under a limit ---- */

/* The least limit that applies at @path, and the outermost cgroup that has one. */
static uint64_t find_limits(const struct hierarchy *h, const char *path, char outermost[PATH_MAX])
{
	char at[PATH_MAX];
	uint64_t least = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	bool is_limited = false;
	(void)snprintf(at, sizeof(at), "%s", path);
	for (;;) {
		const uint64_t limit = read_number(at, h->limit_name);
		if (limit < least) {
			is_limited = true;
			least = limit;
		}
		if (is_limited && limit != SL_UNKNOWN && limit <= MEMORY_MAX)
			(void)snprintf(outermost, PATH_MAX, "%s", at);
		char *slash = strrchr(at, '/');
		if (slash == NULL || strlen(at) <= strlen(h->mount))
			return is_limited ? least : SL_UNKNOWN;
		*slash = '\0';
	}
}

static void go_back(void)
{
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	(void)!write(outside.procs_fd, "0", 1);
	(void)rmdir(outside.leaf);
}

/* Where startline can be meanwhile, beside @outermost. */
static bool choose_place(const struct hierarchy *h, const char *outermost, char ret[PATH_MAX])
{
	const char *slash = strrchr(outermost, '/');
	const int n = slash != NULL ? (int)(slash - outermost) : 0;
	if (strlen(outermost) <= strlen(h->mount) ||
	    snprintf(ret, PATH_MAX, "%.*s", n, outermost) < (int)strlen(h->mount))
		return false;
	if (!h->has_leaves || strcmp(ret, h->mount) == 0)
		return true;
	if (snprintf(ret, PATH_MAX, "%.*s/" PREFIX "%d-0", n, outermost, getpid()) >= PATH_MAX ||
	    mkdir(ret, 0755) < 0)
		return false;
	(void)snprintf(outside.leaf, sizeof(outside.leaf), "%s", ret);
	return true;
}

static bool step_out(const struct hierarchy *h, const char *own, const char *outermost)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/cgroup.procs", own) >= (int)sizeof(path))
		return false;
	outside.procs_fd = open(path, O_WRONLY | O_CLOEXEC);
	if (outside.procs_fd < 0)
		return false;
	if (choose_place(h, outermost, path) && write_text(path, "cgroup.procs", "0") == 0) {
		outside.hierarchy = h;
		if (outside.leaf[0] != '\0')
			(void)atexit(go_back);
		return true;
	}
	if (outside.leaf[0] != '\0')
		(void)rmdir(outside.leaf);
	(void)close(take_fd(outside.procs_fd));
	return false;
}

uint64_t cgroup_step_out(void)
{
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	uint64_t remaining = SL_UNKNOWN;
	for (size_t i = 0; i < sizeof(hierarchies) / sizeof(*hierarchies); i++) {
		const struct hierarchy *h = &hierarchies[i];
		char outermost[PATH_MAX] = "";
		_cleanup_(buf_done) struct buf own;
		buf_init(&own, PATH_MAX - NAME_MAX);
		if (outside.hierarchy != NULL || own_path(h, &own) < 0)
			continue;
		const uint64_t limit = find_limits(h, buf_str(&own), outermost);
		if (limit != SL_UNKNOWN && !step_out(h, buf_str(&own), outermost))
			remaining = limit < remaining ? limit : remaining;
	}
	return remaining;
}

/* Whether @pid is in the cgroup that startline left, or below. */
static bool is_inside(pid_t pid)
{
	char name[64];
	_cleanup_(buf_done) struct buf file, now, own;
	buf_init(&file, FILE_MAX);
	buf_init(&now, PATH_MAX);
	buf_init(&own, PATH_MAX);
	(void)snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	(void)cgroup_own(outside.hierarchy->controller, &own);
	return fs_read_file(name, &file) == 0 &&
	       find_own(buf_str(&file), outside.hierarchy->controller, &now) == 0 &&
	       strncmp(buf_str(&now), buf_str(&own), own.len) == 0;
}

int cgroup_ensure(const struct cgroup *c, pid_t pid)
{
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	char number[32];
	const int n = snprintf(number, sizeof(number), "%d", pid);
	if (outside.hierarchy == NULL)
		return 0;
	if (is_inside(pid) || write(c->procs_fd, number, (size_t)n) == n)
		return 0;
	return fail(-errno, "cannot put the command under its limit of memory: %s",
		    strerror(errno));
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
	if (outside.hierarchy != NULL)
		c->procs_fd = fcntl(outside.procs_fd, F_DUPFD_CLOEXEC, 0);
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
	if (c->procs_fd >= 0)
		(void)close(take_fd(c->procs_fd));
	if (c->path == NULL)
		return;
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
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

static void sweep_in(const char *path)
{
	_cleanup_closedir_ DIR *d = opendir(path);
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		char left[PATH_MAX];
		int pid = 0;
		if (sscanf(e->d_name, PREFIX "%d-%*u", &pid) != 1 || pid <= 0 ||
		    kill(pid, 0) == 0 || errno != ESRCH)
			continue;
		if (snprintf(left, sizeof(left), "%s/%s", path, e->d_name) < (int)sizeof(left))
			remove_cgroup(left);
	}
}

void cgroup_sweep(void)
{
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	for (size_t i = 0; i < sizeof(hierarchies) / sizeof(*hierarchies); i++) {
		_cleanup_(buf_done) struct buf path;
		buf_init(&path, PATH_MAX - NAME_MAX);
		if (own_path(&hierarchies[i], &path) == 0)
			sweep_in(buf_str(&path));
	}
	/* Beside the one that was made to step out into. */
	char *slash = strrchr(outside.leaf, '/');
	if (slash == NULL)
		return;
	*slash = '\0';
	sweep_in(outside.leaf);
	*slash = '/';
}
