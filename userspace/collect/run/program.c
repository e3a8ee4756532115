/* SPDX-License-Identifier: MIT */
/* See program.h. */
#include "userspace/collect/run/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"

#define BLANKS " \t"

int program_search(const char *name, char ret[static PROGRAM_PATH])
{
	const char *path = getenv("PATH");
	if (strchr(name, '/') != NULL)
		return snprintf(ret, PROGRAM_PATH, "%s", name) < PROGRAM_PATH ? 0 : -ENOENT;
	while (path != NULL && *path != '\0') {
		const int n = (int)strcspn(path, ":");
		if (snprintf(ret, PROGRAM_PATH, "%.*s/%s", n, path, name) < PROGRAM_PATH &&
		    access(ret, X_OK) == 0)
			return 0;
		path += path[n] == ':' ? n + 1 : n;
	}
	return -ENOENT;
}

int program_open(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISREG(status.st_mode)
		       ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
		       : -ENOENT;
}

static const char *next_word(const char *text)
{
	return text + strspn(text, BLANKS);
}

/* The program that "#!" names; behind env the one that it looks for. False: it is no script. */
static bool read_script(const char *path, char ret[static PROGRAM_LINE])
{
	char line[PROGRAM_LINE + 1] = "";
	_cleanup_close_ int fd = program_open(path);
	if (fd < 0 || read(fd, line, PROGRAM_LINE) < 2 || line[0] != '#' || line[1] != '!')
		return false;
	line[strcspn(line, "\n")] = '\0';
	const char *word = next_word(line + 2);
	size_t n = strcspn(word, BLANKS);
	if (n >= 4 && memcmp(word + n - 4, "/env", 4) == 0)
		do
			word = next_word(word + n);
		while (n = strcspn(word, BLANKS), word[0] == '-');
	return n > 0 && snprintf(ret, PROGRAM_LINE, "%.*s", (int)n, word) < PROGRAM_LINE;
}

int program_find(const char *argv0, char ret[static PROGRAM_PATH])
{
	char found[PROGRAM_PATH], name[PROGRAM_LINE];
	int r = program_search(argv0, found);
	for (int i = 0; r == 0 && i < PROGRAM_MAX_SCRIPTS && read_script(found, name); i++)
		r = program_search(name, found);
	char *real = r == 0 ? realpath(found, NULL) : NULL;
	if (real != NULL && snprintf(ret, PROGRAM_PATH, "%s", real) >= PROGRAM_PATH)
		r = -ENOENT;
	const bool is_there = real != NULL;
	free(real);
	return is_there ? r : -ENOENT;
}
