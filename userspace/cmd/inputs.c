/* SPDX-License-Identifier: MIT */
/* Lists both sides, then reads file after file. */

#include "userspace/cmd/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/vec.h"

#define BLOCK_BYTES 65536

struct names VEC(char *);

static void names_done(struct names *names)
{
	vec_foreach(name, names)
		free(*name);
	vec_done(names);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int add_name(struct names *names, const char *path)
{
	char *copy = strdup(path);
	if (copy == NULL || vec_push(names, copy) < 0) {
		free(copy);
		return -ENOMEM;
	}
	return 0;
}

/* @path or, of a directory, all files below it, in the order of their names. Links count as what
 * they lead to. */
static int add_files(struct names *names, char *path)
{
	char *const roots[] = { path, NULL };
	FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	if (walk == NULL)
		return -errno;
	int r = 0;
	for (FTSENT *entry = fts_read(walk); entry != NULL && r == 0; entry = fts_read(walk)) {
		if (entry->fts_info == FTS_F || entry->fts_info == FTS_SLNONE)
			r = add_name(names, entry->fts_path);
		else if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR ||
			 entry->fts_info == FTS_NS)
			r = -entry->fts_errno;
	}
	(void)fts_close(walk);
	return r;
}

/* The directory is a name, the pattern is not. */
static int add_literal(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("*?[]\\", *text) != NULL)
			(void)buf_addc(out, '\\');
		(void)buf_addc(out, *text);
	}
	return buf_addc(out, '/');
}

static int list(const char *pattern, const char *directory, struct names *ret)
{
	_cleanup_(buf_done) struct buf full;
	glob_t found = { 0 };
	buf_init(&full, (size_t)2 * PATH_MAX);
	(void)add_literal(&full, directory != NULL ? directory : ".");
	(void)buf_adds(&full, pattern);
	if (full.error < 0)
		return full.error;
	int r = glob(buf_str(&full), 0, NULL, &found) == GLOB_NOSPACE ? -ENOMEM : 0;
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
		r = add_files(ret, found.gl_pathv[i]);
	globfree(&found);
	return r;
}

static int same_rights(int a, int b)
{
	struct stat of_a, of_b;
	if (fstat(a, &of_a) < 0 || fstat(b, &of_b) < 0)
		return -errno;
	return of_a.st_size == of_b.st_size && ((of_a.st_mode ^ of_b.st_mode) & 0111) == 0;
}

static ssize_t read_block(int fd, char *block)
{
	size_t n = 0;
	while (n < BLOCK_BYTES) {
		const ssize_t got = read(fd, block + n, BLOCK_BYTES - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static bool leads_nowhere(const char *path)
{
	struct stat st;
	return stat(path, &st) < 0 && (errno == ENOENT || errno == ELOOP);
}

/* A link that leads nowhere leads there on both sides or is a difference. What is there but cannot be
 * read may be anything. */
static int same_nowhere(const char *path_a, int a, const char *path_b, int b)
{
	if ((a < 0 && !leads_nowhere(path_a)) || (b < 0 && !leads_nowhere(path_b)))
		return -EACCES;
	return a < 0 && b < 0;
}

/* 1: the same, 0: not; or a negative errno. */
static int same_file(const char *path_a, const char *path_b)
{
	_cleanup_close_ int a = open(path_a, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_close_ int b = open(path_b, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *block_a = malloc(BLOCK_BYTES);
	_cleanup_free_ char *block_b = malloc(BLOCK_BYTES);
	if (block_a == NULL || block_b == NULL)
		return -ENOMEM;
	if (a < 0 || b < 0)
		return same_nowhere(path_a, a, path_b, b);
	int same = same_rights(a, b);
	while (same == 1) {
		const ssize_t n = read_block(a, block_a), m = read_block(b, block_b);
		if (n < 0 || m < 0)
			return n < 0 ? (int)n : (int)m;
		if (n != m || memcmp(block_a, block_b, (size_t)n) != 0)
			same = 0;
		else if (n == 0)
			break;
	}
	return same;
}

static int same_lists(const struct names *a, size_t skip_a, const struct names *b, size_t skip_b)
{
	int same = a->n == b->n;
	for (size_t i = 0; same == 1 && i < a->n; i++) {
		if (strcmp(a->items[i] + skip_a, b->items[i] + skip_b) != 0)
			return 0;
		same = same_file(a->items[i], b->items[i]);
	}
	return same;
}

int inputs_compare(const struct text_list *patterns, const char *base, const char *head,
		   bool *ret_are_same, const char **ret_pattern)
{
	int same = 1;
	for (size_t i = 0; same == 1 && i < patterns->n; i++) {
		_cleanup_(names_done) struct names in_base = { 0 };
		_cleanup_(names_done) struct names in_head = { 0 };
		int r = list(patterns->items[i], base, &in_base);
		if (r >= 0)
			r = list(patterns->items[i], head, &in_head);
		if (r < 0)
			return r;
		if (in_base.n == 0 && in_head.n == 0) {
			*ret_pattern = patterns->items[i];
			return -ENOENT;
		}
		same = same_lists(&in_base, strlen(base != NULL ? base : "."), &in_head,
				  strlen(head != NULL ? head : "."));
	}
	*ret_are_same = same == 1;
	return same < 0 ? same : 0;
}
