/* SPDX-License-Identifier: MIT */
/* See imports.h. What a program is called is all that is known of it until it is opened. */
#include "userspace/collect/bpf/imports.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/collect/bpf/links.h"
#include "userspace/collect/run/emit.h"

#define MAX_TRIED 8 /* programs without such probes */

struct imports {
	struct programs *programs;
	struct interpreter interpreter;
	bool is_placed;
	unsigned int n_tried;
	char noted[INTERPRETER_PATH]; /* "": nothing; else it is to be tried, or was: */
	bool is_tried;
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
	free(i);
	return NULL;
}

static bool place(struct imports *i, uint32_t *ret_name_offset)
{
	i->is_placed = programs_place_imports(i->programs, &i->interpreter);
	if (i->is_placed)
		*ret_name_offset = i->interpreter.name_offset;
	return i->is_placed;
}

void imports_find(struct imports *i, char *const *argv, uint32_t *ret_name_offset)
{
	if (interpreter_find(argv, &i->interpreter) == 0)
		(void)place(i, ret_name_offset);
}

/* The path of what was executed: its components, the leaf first. */
static bool read_path(const struct sl_exec *e, char ret[static INTERPRETER_PATH])
{
	const size_t room = e->event.size - sizeof(*e);
	size_t at = INTERPRETER_PATH - 1;
	char path[INTERPRETER_PATH] = "";
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
	memcpy(ret, path + at, INTERPRETER_PATH - at);
	return true;
}

void imports_note(struct imports *i, const struct sl_exec *e)
{
	char path[INTERPRETER_PATH];
	const size_t n = strlen(INTERPRETER_NAME);
	if (i->is_placed || i->n_tried >= MAX_TRIED || e->event.size < sizeof(*e) + n ||
	    memcmp(e->text, INTERPRETER_NAME, n) != 0 || !read_path(e, path) ||
	    strcmp(path, i->noted) == 0)
		return;
	memcpy(i->noted, path, sizeof(path));
	i->is_tried = false;
}

static bool attach(struct imports *i)
{
	bool is_attached = true;
	static const char *const names[] = { "handle_import_begin", "handle_import_end" };
	for (size_t k = 0; k < 2; k++) {
		struct program *program = programs_find(i->programs, names[k]);
		links_detach_one(program);
		if (program->fd >= 0)
			links_attach_one(program);
		is_attached &= program->link_fd >= 0;
	}
	return is_attached;
}

int imports_follow(struct imports *i, uint32_t *ret_name_offset, struct sink sink)
{
	if (i->noted[0] == '\0' || i->is_tried || i->is_placed)
		return 0;
	i->is_tried = true;
	i->n_tried++;
	if (interpreter_open(i->noted, &i->interpreter) < 0 || !place(i, ret_name_offset) ||
	    !attach(i))
		return 0;
	const int r = emit_meta(sink, "source.bpf.imports", "%s", i->noted);
	return r < 0 ? r
		     : emit_meta(sink, "note",
				 "%s tells what it loads from when startline had seen it start: "
				 "modules of what had begun by then are known by their files",
				 i->noted);
}
