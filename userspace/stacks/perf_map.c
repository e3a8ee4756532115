/* SPDX-License-Identifier: MIT */
/* Read line by line; what was not asked for is not kept. */
#include "userspace/stacks/perf_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/stacks/module_file.h"

enum { LINE_MAX_BYTES = 4096, STATUS_LIMIT = 64 << 10 };
#define MAP_MAX	 ((uint64_t)256 << 20) /* read of one map: node has some MB */
#define WORK_MAX ((uint64_t)16 << 20)  /* places named; lines may tell of the same ones */

/* The last number of the line "@key a b c" of a process's status; for Uid the second, by which it acts. */
static bool read_status(const char *status, const char *key, int column, long *ret)
{
	const char *line = strstr(status, key);
	if (line == NULL)
		return false;
	line += strlen(key);
	for (int i = 0; *line != '\0' && *line != '\n' && (column < 0 || i < column); i++) {
		char *end;
		const long number = strtol(line, &end, 10);
		if (end == line)
			break;
		*ret = number;
		line = end;
	}
	return true;
}

int perf_map_locate(pid_t pid, struct perf_map_place *ret)
{
	char path[64];
	_cleanup_(buf_done) struct buf status = { .limit = STATUS_LIMIT };
	long own_pid = 0, uid = -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	const int r = fs_read_file(path, &status);
	if (r < 0)
		return r;
	if (!read_status(buf_str(&status), "\nNSpid:", -1, &own_pid) ||
	    !read_status(buf_str(&status), "\nUid:", 2, &uid))
		return -EBADMSG;
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	const int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	*ret = (struct perf_map_place){ .root = root, .pid = own_pid, .uid = (uid_t)uid };
	return 0;
}

int perf_map_open(const struct perf_map_place *place)
{
	char path[64];
	struct stat st;
	(void)snprintf(path, sizeof(path), "/tmp/perf-%ld.map", place->pid);
	_cleanup_close_ int fd = open_regular(place->root, path, O_NOFOLLOW);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || st.st_uid != place->uid)
		return -EPERM;
	return take_fd(fd);
}

static uint64_t name_places(const struct symbol_search *s, uint64_t start, uint64_t size,
			    const char *name)
{
	uint64_t n = 0;
	for (size_t i = symbol_search_from(s, start);
	     i < s->n && s->places[i].offset - start < size; i++, n++)
		s->names[i] = arena_intern(s->names_arena, name);
	return n;
}

/* "JS:*index /a.js:3:20" of V8 is the same function whichever of its compilers made it ("~", "^", "+", "*"). */
static const char *without_tier(const char *name)
{
	if (strncmp(name, "JS:", 3) != 0)
		return name;
	name += 3;
	return *name != '\0' && strchr("~^+*'", *name) != NULL ? name + 1 : name;
}

int perf_map_find(int fd, const struct symbol_search *search)
{
	/* Its position is nobody else's: the descriptor is ours alone. */
	const int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	_cleanup_fclose_ FILE *f = again >= 0 ? fdopen(again, "re") : NULL;
	if (f == NULL || fseek(f, 0, SEEK_SET) < 0)
		return -errno;
	char line[LINE_MAX_BYTES];
	uint64_t n_read = 0, work = 0;
	while (n_read < MAP_MAX && work < WORK_MAX && !symbol_search_is_late(search) &&
	       fgets(line, sizeof(line), f) != NULL) {
		char *rest;
		const size_t n = strlen(line);
		const uint64_t start = strtoull(line, &rest, 16);
		const uint64_t size = *rest == ' ' ? strtoull(rest + 1, &rest, 16) : 0;
		n_read += n;
		/* The line that is being written has no end yet; of one that is too long, the rest is none. */
		if (size == 0 || *rest != ' ' || line[n - 1] != '\n')
			continue;
		line[n - 1] = '\0';
		work += name_places(search, start, size, without_tier(rest + 1));
	}
	return 0;
}
