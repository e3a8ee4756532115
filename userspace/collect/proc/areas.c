/* SPDX-License-Identifier: MIT */
/* Reads /proc/PID/smaps: a line for each mapping, and lines of numbers in kB behind it. */

#include "userspace/collect/proc/areas.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"

/* The kernel's own limit for the mappings of a process (vm.max_map_count) is 65530, and can be raised. */
#define AREAS_MAX 1000000u
#define NAMES_MAX ((size_t)64 << 20)
/* A path of PATH_MAX bytes may be escaped to four times that. */
#define LINE_ROOM ((size_t)32 << 10)
#define CHUNK	  ((size_t)64 << 10)

#define KIB 1024ull

const char *area_name(const struct areas *a, const struct area *area)
{
	return buf_str(&a->names) + area->name;
}

void areas_done(struct areas *a)
{
	vec_done(&a->list);
	buf_done(&a->names);
}

/* "7f00-7f10 rw-p 00000000 08:01 123    /path": false when @line is something else. */
static bool parse_head(const char *line, struct area *ret, const char **ret_name)
{
	unsigned long long start = 0, end = 0, inode = 0;
	char access[5] = "";
	int at = 0;
	if (sscanf(line, "%llx-%llx %4s %*x %*x:%*x %llu %n", &start, &end, access, &inode, &at) !=
		    4 ||
	    at == 0 || end <= start || strlen(access) != 4)
		return false;
	*ret = (struct area){
		.start = start,
		.end = end,
		.can_read = access[0] == 'r',
		.can_write = access[1] == 'w',
		.can_execute = access[2] == 'x',
		.is_shared = access[3] == 's',
		.has_file = inode != 0,
	};
	*ret_name = line + at;
	return true;
}

static int add_area(struct areas *a, struct area area, const char *name)
{
	if (a->list.n >= AREAS_MAX)
		return -EFBIG;
	if (name[0] != '\0') {
		area.name = a->names.len;
		if (buf_add(&a->names, name, strlen(name) + 1) < 0)
			return a->names.error;
	}
	return vec_push(&a->list, area);
}

/* The line "Key:   12 kB" of @area. */
static void add_number(struct area *area, const char *line)
{
	static const struct {
		const char *key;
		size_t offset;
	} keys[] = {
		{ "Rss:", offsetof(struct area, rss) },
		{ "Pss:", offsetof(struct area, pss) },
		{ "Private_Clean:", offsetof(struct area, private_bytes) },
		{ "Private_Dirty:", offsetof(struct area, private_bytes) },
		{ "Private_Dirty:", offsetof(struct area, dirty) },
		{ "Swap:", offsetof(struct area, swap) },
	};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const size_t n = strlen(keys[i].key);
		unsigned long long kib = 0;
		if (line[0] == keys[i].key[0] && strncmp(line, keys[i].key, n) == 0 &&
		    sscanf(line + n, " %llu", &kib) == 1)
			*(uint64_t *)(void *)((char *)area + keys[i].offset) += kib * KIB;
	}
}

static int take_line(struct areas *a, const char *line)
{
	struct area area;
	const char *name = NULL;
	/* Keys begin with a capital, addresses do not. */
	if (line[0] >= 'A' && line[0] <= 'Z') {
		if (a->list.n == 0)
			return -EBADMSG;
		add_number(vec_last(&a->list), line);
		return 0;
	}
	return parse_head(line, &area, &name) ? add_area(a, area, name) : -EBADMSG;
}

/* All whole lines of @text; the rest moves to its beginning. */
static int take_lines(struct areas *a, struct buf *text)
{
	size_t done = 0;
	int e = 0;
	while (e == 0) {
		char *line = text->data + done;
		char *end = memchr(line, '\n', text->len - done);
		if (end == NULL)
			break;
		*end = '\0';
		e = take_line(a, line);
		done = (size_t)(end - text->data) + 1;
	}
	memmove(text->data, text->data + done, text->len - done);
	buf_truncate(text, text->len - done);
	return e;
}

int areas_read(int fd, struct areas *ret)
{
	_cleanup_(buf_done) struct buf text = { .limit = CHUNK + LINE_ROOM };
	*ret = (struct areas){ .names = { .limit = NAMES_MAX } };
	int e = buf_add(&ret->names, "", 1);
	while (e == 0) {
		if (buf_reserve(&text, text.len > LINE_ROOM ? CHUNK + 1 : CHUNK) < 0)
			return text.error;
		const ssize_t n = read(fd, text.data + text.len, CHUNK);
		if (n < 0)
			return -errno;
		if (n == 0)
			return text.len == 0 ? 0 : -EBADMSG;
		text.len += (size_t)n;
		text.data[text.len] = '\0';
		e = take_lines(ret, &text);
	}
	return e;
}

bool areas_have_code(const struct areas *a)
{
	vec_foreach(area, &a->list)
		/* Which every process has, and the kernel tells of it before there is anything else. */
		if (area->can_execute && strcmp(area_name(a, area), "[vsyscall]") != 0)
			return true;
	return false;
}
