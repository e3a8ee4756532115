/* SPDX-License-Identifier: MIT */
/* Which process of one side is which of the other. Those with the same command line are the same.
 * What is left over is paired by program, in order of appearance, so that "sleep 1" and "sleep 2" in
 * the same place are one row; the command itself is always the command. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/vec.h"
#include "userspace/model/compare_internal.h"
#include "userspace/model/id_map.h"

#define LINE_BYTES 512 /* of a command line: what is beyond tells nobody apart */

struct name {
	const char *line;    /* normalised and interned */
	const char *program; /* interned; "" for the command itself */
	bool is_in[2];	     /* base, head */
	const char *canonical;
};

struct name_list VEC(struct name);

struct alignment {
	struct arena *arena;
	struct name_list names;
	struct id_map index; /* line -> place in names */
};

/* --- names ---------------------------------------------------------------------------------- */

static const char *line_of(struct arena *arena, const struct process *p)
{
	if (p->argv.n == 0)
		return arena_intern(arena, p->exe != NULL ? p->exe : "");
	char line[LINE_BYTES];
	size_t at = 0;
	for (size_t i = 0; i < p->argv.n && at + 1 < sizeof(line); i++) {
		if (i > 0)
			line[at++] = ' ';
		const size_t length = strnlen(p->argv.items[i], sizeof(line) - 1 - at);
		memcpy(line + at, p->argv.items[i], length);
		at += length;
	}
	line[at] = '\0';
	return compare_normalise(arena, line);
}

static const char *program_of(struct arena *arena, const struct process *p)
{
	const char *path = p->argv.n > 0 ? p->argv.items[0] : p->exe != NULL ? p->exe : "";
	const char *slash = strrchr(path, '/');
	return arena_intern(arena, p->id == 1 ? "" : slash != NULL ? slash + 1 : path);
}

static struct name *find_name(const struct alignment *a, const char *line)
{
	const int place = id_map_get(&a->index, (uint64_t)(uintptr_t)line);
	return place >= 0 ? &a->names.items[place] : NULL;
}

static int add_process(struct alignment *a, const struct process *p, int side)
{
	const char *line = line_of(a->arena, p);
	const char *program = program_of(a->arena, p);
	if (line == NULL || program == NULL)
		return -ENOMEM;
	struct name *name = find_name(a, line);
	if (name == NULL) {
		const struct name fresh = { .line = line, .program = program, .canonical = line };
		if (vec_push(&a->names, fresh) < 0 ||
		    id_map_set(&a->index, (uint64_t)(uintptr_t)line, (int)a->names.n - 1) < 0)
			return -ENOMEM;
		name = &a->names.items[a->names.n - 1];
	}
	name->is_in[side] = true;
	return 0;
}

static int add_session(struct alignment *a, const struct session *s, int side)
{
	int r = 0;
	for (size_t run = 0; run < s->n_runs; run++)
		for (size_t i = 0; i < s->runs[run].n_processes && r == 0; i++)
			r = add_process(a, &s->runs[run].processes[i], side);
	return r;
}

/* --- pairs ---------------------------------------------------------------------------------- */

static struct name *next_left_over(struct alignment *a, size_t from, int side, const char *program)
{
	for (size_t i = from; i < a->names.n; i++) {
		struct name *name = &a->names.items[i];
		if (name->is_in[side] && !name->is_in[!side] && name->program == program)
			return name;
	}
	return NULL;
}

static int pair_left_overs(struct alignment *a)
{
	struct id_map next = { 0 }; /* program -> where to go on among the names of head */
	int r = 0;
	for (size_t i = 0; i < a->names.n && r == 0; i++) {
		struct name *base = &a->names.items[i];
		if (!base->is_in[0] || base->is_in[1])
			continue;
		const uint64_t key = (uint64_t)(uintptr_t)base->program;
		const int from = id_map_get(&next, key);
		struct name *head =
			next_left_over(a, from < 0 ? 0 : (size_t)from, 1, base->program);
		if (head == NULL)
			continue;
		r = id_map_set(&next, key, (int)(head - a->names.items) + 1);
		const char *both = arena_printf(a->arena, "%s -> %s", base->line, head->line);
		base->canonical = head->canonical =
			both != NULL ? arena_intern(a->arena, both) : base->line;
	}
	id_map_done(&next);
	return r;
}

/* --- for the rows --------------------------------------------------------------------------- */

int alignment_new(struct arena *arena, const struct session *base, const struct session *head,
		  struct alignment **ret)
{
	struct alignment *a = arena_alloc(arena, sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	a->arena = arena;
	int r = add_session(a, base, 0);
	if (r == 0)
		r = add_session(a, head, 1);
	if (r == 0)
		r = pair_left_overs(a);
	*ret = a;
	return r;
}

void alignment_done(struct alignment *a)
{
	if (a == NULL)
		return;
	vec_done(&a->names);
	id_map_done(&a->index);
}

const char *aligned_process(const struct alignment *a, const struct run *run, int id)
{
	if (id < 1 || (size_t)id > run->n_processes)
		return arena_intern(a->arena, "");
	const char *line = line_of(a->arena, &run->processes[id - 1]);
	const struct name *name = line != NULL ? find_name(a, line) : NULL;
	return name != NULL ? name->canonical : line;
}

const char *aligned_text(const struct alignment *a, const char *text)
{
	const char *line = compare_normalise(a->arena, text);
	const struct name *name = line != NULL ? find_name(a, line) : NULL;
	return name != NULL ? name->canonical : line;
}
