/* SPDX-License-Identifier: MIT */
/* From a command to the interpreter that it is, or will probably start. */
#include "userspace/collect/bpf/interpreter.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/collect/run/program.h"
#include "userspace/stacks/needed.h"

#define TEXT_BYTES 8192 /* of a script that are looked through */
#define MAX_WORDS  64	/* that may be programs */
#define SEPARATORS " \t\n\r;&|()<>{}`'\"$=:"

static bool is_python(const char *path)
{
	const char *slash = strrchr(path, '/');
	return strncmp(slash != NULL ? slash + 1 : path, INTERPRETER_NAME,
		       sizeof(INTERPRETER_NAME) - 1) == 0;
}

bool interpreter_is_library(const char *name)
{
	return strncmp(name, "lib" INTERPRETER_NAME "3.", sizeof(INTERPRETER_NAME) + 4) == 0;
}

int interpreter_open(const char *path, const struct interpreter *known, size_t n_known,
		     struct interpreter *ret)
{
	struct stat status;
	_cleanup_close_ int fd = program_open(path);
	if (fd < 0 || fstat(fd, &status) < 0 ||
	    snprintf(ret->path, sizeof(ret->path), "%s", path) >= PROGRAM_PATH)
		return -ENOENT;
	for (size_t i = 0; i < n_known; i++)
		if (known[i].device == status.st_dev && known[i].inode == status.st_ino)
			return -EEXIST;
	ret->device = status.st_dev;
	ret->inode = status.st_ino;
	return interpreter_probes(fd, ret);
}

struct search {
	struct interpreter *found;
	size_t n, max;
	size_t n_tried; /* words that may be programs */
};

/* The program @path, or the library in which it has its interpreter. */
static bool try_program(struct search *s, const char *path)
{
	char library[PROGRAM_PATH];
	if (s->n == s->max)
		return false;
	int r = -ENOENT;
	if (is_python(path))
		r = interpreter_open(path, s->found, s->n, &s->found[s->n]);
	_cleanup_close_ int fd = r == -ENOENT ? program_open(path) : -1;
	if (fd >= 0 && needed_find(fd, path, interpreter_is_library, library) == 0)
		r = interpreter_open(library, s->found, s->n, &s->found[s->n]);
	s->n += r == 0;
	return r == 0;
}

/* @word of @n bytes, if it is the name of one, or of a script for one. */
static void try_word(struct search *s, const char *word, size_t n)
{
	char name[PROGRAM_LINE], path[PROGRAM_PATH];
	if (n > 0 && word[0] != '-' &&
	    snprintf(name, sizeof(name), "%.*s", (int)n, word) < PROGRAM_LINE &&
	    program_find(name, path) == 0)
		(void)try_program(s, path);
}

/* ---- which it will start ---- */

/* Each word of @text, which may be a piece of a shell's language: those in the middle of a line of a
 * script only if they look so. */
static void try_words(struct search *s, const char *text, bool is_script)
{
	bool is_first = true;
	for (const char *at = text; *at != '\0' && s->n_tried < MAX_WORDS;) {
		const size_t blank = strspn(at, SEPARATORS);
		is_first |= memchr(at, '\n', blank) != NULL;
		at += blank;
		const size_t n = strcspn(at, SEPARATORS);
		const bool is_comment = is_script && at[0] == '#';
		const bool is_exec = n == 4 && memcmp(at, "exec", n) == 0;
		if (!is_comment && !is_exec &&
		    (!is_script || is_first ||
		     memmem(at, n, INTERPRETER_NAME, sizeof(INTERPRETER_NAME) - 1) != NULL)) {
			s->n_tried++;
			try_word(s, at, n);
		}
		is_first &= is_exec;
		at += is_comment ? strcspn(at, "\n") : n;
	}
}

/* What the script @name says, where it is one. */
static void try_script(struct search *s, const char *name)
{
	char path[PROGRAM_PATH], text[TEXT_BYTES + 1];
	if (program_search(name, path) < 0)
		return;
	_cleanup_close_ int fd = program_open(path);
	const ssize_t n = fd >= 0 ? read(fd, text, TEXT_BYTES) : -1;
	if (n < 2 || text[0] != '#' || text[1] != '!')
		return;
	text[n] = '\0';
	try_words(s, text, true);
}

size_t interpreter_find(char *const *argv, size_t max, struct interpreter *ret)
{
	struct search s = { .found = ret, .max = max };
	char path[PROGRAM_PATH];
	if (argv == NULL || argv[0] == NULL)
		return 0;
	if (program_find(argv[0], path) == 0 && (try_program(&s, path) || is_python(path)))
		return s.n;
	for (size_t i = 1; argv[i] != NULL && s.n_tried < MAX_WORDS; i++)
		try_words(&s, argv[i], false);
	for (size_t i = 0; s.n == 0 && argv[i] != NULL && i < PROGRAM_MAX_SCRIPTS; i++)
		try_script(&s, argv[i]);
	return s.n;
}
