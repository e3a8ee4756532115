/* SPDX-License-Identifier: MIT */
/* See imports.h. What a file is called is all that is known of it until it is opened. */
#include "userspace/collect/bpf/imports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/collect/bpf/links.h"
#include "userspace/collect/run/emit.h"

#define MAX_SEEN 16 /* files that may be interpreters */

struct imports {
	struct programs *programs;
	struct interpreter interpreters[SL_INTERPRETERS];
	size_t n;
	char *seen[MAX_SEEN]; /* paths, of which the first n_tried were looked at */
	size_t n_seen, n_tried;
	bool is_full; /* there was one more, and a note says so */
};

struct imports *imports_new(struct programs *programs)
{
	struct imports *i = calloc(1, sizeof(*i));
	if (i != NULL)
		i->programs = programs;
	return i;
}

struct imports *imports_free(struct imports *i)
{
	for (size_t k = 0; i != NULL && k < i->n_seen; k++)
		free(i->seen[k]);
	free(i);
	return NULL;
}

void imports_find(struct imports *i, char *const *argv)
{
	i->n = interpreter_find(argv, SL_INTERPRETERS, i->interpreters);
	for (size_t k = 0; k < i->n; k++)
		(void)programs_place_imports(i->programs, &i->interpreters[k]);
}

/* ---- as it is executed, or loaded ---- */

/* The path of what was executed: its components, the leaf first. */
static bool read_path(const struct sl_exec *e, char ret[static PROGRAM_PATH])
{
	const size_t room = e->event.size - sizeof(*e);
	size_t at = PROGRAM_PATH - 1;
	char path[PROGRAM_PATH] = "";
	if ((e->event.flags & SL_FLAG_LEAF) == 0 || (e->event.flags & SL_FLAG_CUT) != 0)
		return false;
	for (size_t from = 0; from < room && e->text[from] != '\0';) {
		const size_t n = strnlen(e->text + from, room - from);
		if (n + 1 > at)
			return false;
		at -= n;
		memcpy(path + at, e->text + from, n);
		path[--at] = '/';
		from += n + 1;
	}
	memcpy(ret, path + at, PROGRAM_PATH - at);
	return true;
}

static void note(struct imports *i, const char *path)
{
	for (size_t k = 0; k < i->n_seen; k++)
		if (strcmp(i->seen[k], path) == 0)
			return;
	char *copy = i->n_seen < MAX_SEEN ? strdup(path) : NULL;
	if (copy != NULL)
		i->seen[i->n_seen++] = copy;
}

void imports_executed(struct imports *i, const struct sl_exec *e)
{
	char path[PROGRAM_PATH];
	const size_t n = strlen(INTERPRETER_NAME);
	if (e->event.size >= sizeof(*e) + n && memcmp(e->text, INTERPRETER_NAME, n) == 0 &&
	    read_path(e, path))
		note(i, path);
}

void imports_opened(struct imports *i, const struct sl_open *e)
{
	const size_t room = e->event.size - sizeof(*e);
	const size_t n = strnlen(e->text, room);
	const char *slash = memrchr(e->text, '/', n);
	/* A relative path is one in a directory that is not known. */
	if (e->result >= 0 && slash != NULL && n < room && e->text[0] == '/' &&
	    interpreter_is_library(slash + 1))
		note(i, e->text);
}

static bool attach(struct imports *i)
{
	bool is_attached = true;
	static const char *const names[] = { "handle_import_begin", "handle_import_end" };
	for (size_t k = 0; k < 2; k++) {
		struct program *program = programs_find(i->programs, names[k]);
		if (program->fd >= 0)
			links_attach_one(program);
		is_attached &= program->places[program->n_places - 1].link_fd >= 0;
	}
	return is_attached;
}

static int tell_full(struct imports *i, const char *path, struct sink sink)
{
	if (i->is_full)
		return 0;
	i->is_full = true;
	return emit_meta(sink, "note",
			 "%s is one interpreter of Python too many: no more than %u tell what they "
			 "load, modules of others are known by their files",
			 path, SL_INTERPRETERS);
}

static int follow(struct imports *i, const char *path, struct sink sink)
{
	struct interpreter found;
	if (interpreter_open(path, i->interpreters, i->n, &found) < 0)
		return 0;
	if (i->n == SL_INTERPRETERS)
		return tell_full(i, path, sink);
	struct interpreter *kept = &i->interpreters[i->n];
	*kept = found;
	if (!programs_place_imports(i->programs, kept))
		return 0;
	i->n++;
	if (!attach(i))
		return 0;
	const int r = emit_meta(sink, "source.bpf.imports", "%zu %s",
				(size_t)(kept - i->interpreters), path);
	return r < 0 ? r
		     : emit_meta(sink, "note",
				 "%s tells what it loads from when startline had seen it start: "
				 "modules of what had begun by then are known by their files",
				 path);
}

int imports_follow(struct imports *i, struct sink sink)
{
	int r = 0;
	while (r >= 0 && i->n_tried < i->n_seen)
		r = follow(i, i->seen[i->n_tried++], sink);
	return r;
}
