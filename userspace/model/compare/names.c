/* SPDX-License-Identifier: MIT */
/* Which name of one side is which of the other: command lines, paths, peers.
 *
 * A name that every run of both sides has is what it is. All others are taken together when they
 * are alike once what changes from run to run is taken out of them, or once the place of a checkout
 * is. Processes that are still left over are paired by program, in order of appearance, so that
 * "sleep 1" and "sleep 2" in the same place are one row; the command is always the command. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/id_map.h"
#include "userspace/base/vec.h"
#include "userspace/model/compare/internal.h"
#include "userspace/model/place.h"

#define LINE_BYTES 512 /* of a command line: what is beyond tells nobody apart */
#define CUT_BYTES  199 /* of a command line in a segment's detail, where it was cut: build/waits.c */

enum { BASE, HEAD, SIDES };

struct name { /* as it came */
	const char *text;
	const char *program; /* of a process; "" for the command itself; NULL: not of a process */
	size_t n_runs[SIDES];
	size_t last_run; /* that it was counted in, over both sides */
	size_t group;
};

struct group { /* names that are one */
	const char *form;
	const char *label;   /* what rows call it */
	const char *program; /* as in name */
	size_t n_names;
	bool is_in[SIDES];
	bool is_paired;
	size_t into; /* the group it was joined to; itself: none */
};

struct name_list VEC(struct name);
struct group_list VEC(struct group);

struct alignment {
	struct arena *arena;
	struct name_list names;
	struct id_map name_index; /* text -> place in names */
	struct group_list groups;
	struct id_map group_index; /* form -> place in groups */
	struct id_map cut_index;   /* beginning of a long command line -> place in names */
	size_t n_runs;		   /* counted so far */
	bool has_failed;	   /* no memory */
	/* Segments come in stretches of one process. */
	const struct run *last_run;
	int last_id;
	const char *last_label;
};

/* --- names ----------------------------------------------------------------------------------- */

static const char *line_of(struct arena *arena, const char *exe, const struct text_list *argv)
{
	if (argv->n == 0)
		return arena_intern(arena, exe != NULL ? exe : "");
	char line[LINE_BYTES];
	size_t at = 0;
	for (size_t i = 0; i < argv->n && at + 1 < sizeof(line); i++) {
		if (i > 0)
			line[at++] = ' ';
		const size_t length = strnlen(argv->items[i], sizeof(line) - 1 - at);
		memcpy(line + at, argv->items[i], length);
		at += length;
	}
	return arena_internn(arena, line, at);
}

static const char *program_of(struct arena *arena, const char *exe, const struct text_list *argv)
{
	const char *path = argv->n > 0 ? argv->items[0] : exe != NULL ? exe : "";
	const char *slash = strrchr(path, '/');
	return arena_intern(arena, slash != NULL ? slash + 1 : path);
}

static uint64_t key_of(const char *interned)
{
	return (uint64_t)(uintptr_t)interned;
}

static struct name *find_name(const struct alignment *a, const char *text)
{
	const int place = id_map_get(&a->name_index, key_of(text));
	return place >= 0 ? &a->names.items[place] : NULL;
}

/* @text is interned; NULL: there was no memory for it. */
static void add_name(struct alignment *a, const char *text, const char *program, int side)
{
	struct name *name = text != NULL ? find_name(a, text) : NULL;
	if (name == NULL) {
		const struct name fresh = { .text = text };
		if (text == NULL || vec_push(&a->names, fresh) < 0 ||
		    id_map_set(&a->name_index, key_of(text), (int)a->names.n - 1) < 0) {
			a->has_failed = true;
			return;
		}
		name = vec_last(&a->names);
	}
	if (name->program == NULL)
		name->program = program;
	if (name->last_run != a->n_runs)
		name->n_runs[side]++;
	name->last_run = a->n_runs;
}

/* A segment's detail may hold only the beginning of it. */
static void add_process(struct alignment *a, const struct process *p, int side)
{
	const char *line = line_of(a->arena, p->exe, &p->argv);
	const char *program =
		p->id == 1 ? arena_intern(a->arena, "") : program_of(a->arena, p->exe, &p->argv);
	add_name(a, line, program, side);
	if (a->has_failed || strlen(line) <= CUT_BYTES)
		return;
	const char *cut = arena_internn(a->arena, line, CUT_BYTES);
	const int place = id_map_get(&a->name_index, key_of(line));
	if (cut == NULL || (id_map_get(&a->cut_index, key_of(cut)) < 0 &&
			    id_map_set(&a->cut_index, key_of(cut), place) < 0))
		a->has_failed = true;
}

static void add_image(struct alignment *a, const struct image *image, int side)
{
	add_name(a, line_of(a->arena, image->exe, &image->argv),
		 program_of(a->arena, image->exe, &image->argv), side);
}

bool segment_is_loading(const struct segment *s)
{
	/* A system call has no such name. */
	return s->cause == CAUSE_CPU && (s->phase == PHASE_LINK || s->phase == PHASE_INIT) &&
	       (strchr(s->detail, '/') != NULL || strcmp(s->detail, LIBRARY_LOADER) == 0);
}

/* What a segment was about, interned. How often a peer was tried, or a child asked for, is no part of
 * its name: model/build/polling.c. */
static const char *object_of(struct alignment *a, const struct segment *s)
{
	static const char *const counts[] = { ", refused ", ", failed (" };
	if (segment_is_loading(s))
		return module_label(a->arena, s->detail);
	const char *end = s->cause == CAUSE_SLEEP ? strstr(s->detail, " every ") : NULL;
	for (size_t i = 0; s->cause == CAUSE_CONNECT && end == NULL && i < 2; i++)
		end = strstr(s->detail, counts[i]);
	return end == NULL ? arena_intern(a->arena, s->detail)
			   : arena_internn(a->arena, s->detail, (size_t)(end - s->detail));
}

static void add_run(struct alignment *a, const struct run *run, int side)
{
	const char *last = NULL;
	a->n_runs++;
	for (size_t i = 0; i < run->n_processes; i++) {
		const struct process *p = &run->processes[i];
		add_process(a, p, side);
		for (size_t k = 0; k < p->n_images; k++)
			add_image(a, &p->images[k], side);
	}
	for (size_t i = 0; i < run->n_segments; i++) {
		const char *detail = run->segments[i].detail;
		if (detail != last)
			add_name(a, object_of(a, &run->segments[i]), NULL, side);
		last = detail;
	}
	for (size_t i = 0; i < run->n_files; i++)
		add_name(a, arena_intern(a->arena, run->files[i].path), NULL, side);
	for (size_t i = 0; i < run->n_connections; i++)
		add_name(a, arena_intern(a->arena, run->connections[i].peer), NULL, side);
}

/* --- groups ---------------------------------------------------------------------------------- */

static struct group *group_of(struct alignment *a, const char *form)
{
	const int place = id_map_get(&a->group_index, key_of(form));
	if (place >= 0)
		return &a->groups.items[place];
	const struct group fresh = { .form = form, .into = a->groups.n };
	if (vec_push(&a->groups, fresh) < 0 ||
	    id_map_set(&a->group_index, key_of(form), (int)a->groups.n - 1) < 0)
		return NULL;
	return vec_last(&a->groups);
}

static int group_names(struct alignment *a, const struct session *const sessions[SIDES])
{
	vec_foreach(name, &a->names) {
		const bool is_stable = name->n_runs[BASE] == sessions[BASE]->n_runs &&
				       name->n_runs[HEAD] == sessions[HEAD]->n_runs;
		const char *form = is_stable ? name->text : compare_normalise(a->arena, name->text);
		struct group *group = form != NULL ? group_of(a, form) : NULL;
		if (group == NULL)
			return -ENOMEM;
		name->group = (size_t)(group - a->groups.items);
		group->n_names++;
		/* One name alone can be told in full. */
		group->label = group->n_names == 1 ? name->text : group->form;
		if (group->program == NULL)
			group->program = name->program;
		for (int side = 0; side < SIDES; side++)
			group->is_in[side] |= name->n_runs[side] > 0;
	}
	return 0;
}

static bool is_left_over(const struct group *g, int side)
{
	return g->is_in[side] && !g->is_in[!side] && !g->is_paired;
}

static struct group *resolved(const struct alignment *a, size_t group)
{
	return &a->groups.items[a->groups.items[group].into];
}

/* --- checkouts ------------------------------------------------------------------------------- */

static int find_checkouts(struct alignment *a, struct checkouts *ret)
{
	struct text_list lists[SIDES + 1] = { { 0 } }; /* the last: of both */
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		lists[i].items =
			arena_alloc_array(a->arena, a->groups.n + 1, sizeof(*lists[i].items));
		if (lists[i].items == NULL)
			return -ENOMEM;
	}
	vec_foreach(group, &a->groups) {
		struct text_list *list = &lists[is_left_over(group, BASE)   ? BASE
						: is_left_over(group, HEAD) ? HEAD
									    : SIDES];
		list->items[list->n++] = group->form;
	}
	return checkouts_find(a->arena, &lists[BASE], &lists[HEAD], &lists[SIDES], ret);
}

static int join_checkouts(struct alignment *a)
{
	struct checkouts checkouts = { "", "" };
	struct id_map index = { 0 }; /* form without the checkout -> group of base */
	int r = find_checkouts(a, &checkouts);
	for (int side = 0; side < SIDES && r == 0 && checkouts.base[0] != '\0'; side++)
		for (size_t i = 0; i < a->groups.n && r == 0; i++) {
			struct group *group = &a->groups.items[i];
			if (!is_left_over(group, side))
				continue;
			const char *prefix = side == BASE ? checkouts.base : checkouts.head;
			const char *form = checkout_removed(a->arena, group->form, prefix);
			if (form == NULL) {
				r = -ENOMEM;
			} else if (side == BASE && form != group->form) {
				r = id_map_set(&index, key_of(form), (int)i);
			} else if (side == HEAD) {
				const int other = id_map_get(&index, key_of(form));
				if (other < 0)
					continue;
				group->into = (size_t)other;
				a->groups.items[other].label = form;
				group->is_paired = a->groups.items[other].is_paired = true;
			}
		}
	id_map_done(&index);
	return r;
}

/* --- pairs of processes ---------------------------------------------------------------------- */

/* Of each group of head that is left over, the next one of its program; *ret_first: program -> the
 * first of them. The number of groups: there is none. */
static size_t *chain_left_over(struct alignment *a, struct id_map *ret_first)
{
	const size_t n = a->groups.n;
	size_t *next = calloc(n + 1, sizeof(*next));
	for (size_t i = n; next != NULL && i-- > 0;) {
		const struct group *group = &a->groups.items[i];
		if (group->program == NULL || !is_left_over(group, HEAD))
			continue;
		const int later = id_map_get(ret_first, key_of(group->program));
		next[i] = later >= 0 ? (size_t)later : n;
		if (id_map_set(ret_first, key_of(group->program), (int)i) < 0) {
			free(next);
			return NULL;
		}
	}
	return next;
}

static int pair_processes(struct alignment *a)
{
	struct id_map first = { 0 };
	_cleanup_free_ size_t *next = chain_left_over(a, &first);
	int r = next != NULL ? 0 : -ENOMEM;
	for (size_t i = 0; i < a->groups.n && r == 0; i++) {
		struct group *base = &a->groups.items[i];
		if (base->program == NULL || !is_left_over(base, BASE))
			continue;
		const int at = id_map_get(&first, key_of(base->program));
		if (at < 0 || (size_t)at == a->groups.n)
			continue;
		struct group *head = &a->groups.items[at];
		r = id_map_set(&first, key_of(base->program), (int)next[at]);
		const char *both = arena_printf(a->arena, "%s -> %s", base->label, head->label);
		base->label = both != NULL ? arena_intern(a->arena, both) : NULL;
		if (base->label == NULL)
			r = -ENOMEM;
		head->into = i;
		base->is_paired = head->is_paired = true;
	}
	id_map_done(&first);
	return r;
}

/* --- for the rows ---------------------------------------------------------------------------- */

int alignment_new(struct arena *arena, const struct session *base, const struct session *head,
		  struct alignment **ret)
{
	const struct session *const sessions[SIDES] = { base, head };
	struct alignment *a = arena_alloc(arena, sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	a->arena = arena;
	*ret = a;
	for (int side = 0; side < SIDES; side++)
		for (size_t i = 0; i < sessions[side]->n_runs; i++)
			add_run(a, &sessions[side]->runs[i], side);
	int r = a->has_failed ? -ENOMEM : group_names(a, sessions);
	if (r == 0)
		r = join_checkouts(a);
	if (r == 0)
		r = pair_processes(a);
	return r;
}

void alignment_done(struct alignment *a)
{
	if (a == NULL)
		return;
	vec_done(&a->names);
	vec_done(&a->groups);
	id_map_done(&a->name_index);
	id_map_done(&a->group_index);
	id_map_done(&a->cut_index);
}

static const char *label_of(const struct alignment *a, const char *interned)
{
	const struct name *name = interned != NULL ? find_name(a, interned) : NULL;
	return name != NULL ? resolved(a, name->group)->label : "";
}

const char *aligned_process(struct alignment *a, const struct run *run, int id)
{
	if (a->last_label != NULL && run == a->last_run && id == a->last_id)
		return a->last_label;
	const bool is_there = id >= 1 && (size_t)id <= run->n_processes;
	a->last_run = run;
	a->last_id = id;
	const struct process *p = is_there ? &run->processes[id - 1] : NULL;
	a->last_label = is_there ? label_of(a, line_of(a->arena, p->exe, &p->argv)) : "";
	return a->last_label;
}

const char *aligned_detail(struct alignment *a, const struct segment *segment)
{
	const char *text = object_of(a, segment);
	if (text == NULL || segment->cause != CAUSE_CHILD || strlen(text) < CUT_BYTES)
		return label_of(a, text);
	const char *cut = arena_internn(a->arena, text, CUT_BYTES);
	const int place = cut != NULL ? id_map_get(&a->cut_index, key_of(cut)) : -1;
	return place >= 0 ? resolved(a, a->names.items[place].group)->label : label_of(a, text);
}

const char *aligned_name(struct alignment *a, const char *text)
{
	return label_of(a, arena_intern(a->arena, text));
}

const char *aligned_image(struct alignment *a, const struct image *image)
{
	return label_of(a, line_of(a->arena, image->exe, &image->argv));
}
