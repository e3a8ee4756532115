/* SPDX-License-Identifier: MIT */
/* The images of a process: one per execve, successful or not, with their words and marks. */
#include "userspace/model/build/internal.h"

#include <string.h>

/* Without kernel events startline tells of an image and the image of itself: that is one. The
 * image startline told of last, if @e is about that; its own word counts more. */
static struct image_note *image_told(const struct builder *b, struct proc *p,
				     const struct sl_exec *e)
{
	if (b->facts->bpf == NULL || source_of(&e->event) != SL_SOURCE_SHIM || p->images.n == 0)
		return NULL;
	struct image_note *i = vec_last(&p->images);
	return i->is_ok && i->linked_ns == 0 ? i : NULL;
}

void image_exec(struct builder *b, struct proc *p, const struct sl_exec *e)
{
	const uint64_t done_ns = e->event.time_ns;
	const bool is_enter_sane = e->enter_ns != 0 && e->enter_ns <= done_ns;
	const struct image_note note = {
		.enter_ns = is_enter_sane ? e->enter_ns : done_ns,
		.done_ns = done_ns,
		.is_ok = true,
		.has_hole = (e->flags & SL_EXEC_ARGS_CUT) != 0,
		.out = {
			.exe = text_path(b->arena, &e->event, e->text),
			.argv_bytes = e->argv_bytes,
			.is_static = (e->flags & SL_EXEC_STATIC) != 0,
			.is_secure = (e->flags & SL_EXEC_SECURE) != 0,
			.is_32bit = (e->flags & SL_EXEC_32BIT) != 0,
			.result = "ok",
		},
	};
	if (b->facts->bpf != NULL && source_of(&e->event) == SL_SOURCE_COLLECT && p->has_own_word)
		return;
	p->has_own_word = p->has_own_word || source_of(&e->event) == SL_SOURCE_SHIM;
	struct image_note *told = image_told(b, p, e);
	if (told == NULL) {
		push(b, &p->images, note);
		return;
	}
	const uint64_t enter_ns = told->enter_ns;
	*told = note;
	told->enter_ns = enter_ns;
}

void image_execfail(struct builder *b, const struct sl_execfail *e)
{
	/* Before R0 it is the launcher looking for the program in PATH. */
	if (e->event.time_ns < b->zero_ns)
		return;
	const int proc = process_of(b, &e->event);
	if (proc < 0)
		return;
	const struct image_note note = {
		.enter_ns = e->enter_ns <= e->event.time_ns ? e->enter_ns : e->event.time_ns,
		.done_ns = e->event.time_ns,
		.out = {
			.exe = text_of(b->arena, &e->event, e->text),
			.argv_bytes = UNKNOWN,
			.result = text_errno(b->arena, e->result),
		},
	};
	push(b, &b->procs.items[proc].images, note);
}

/* The last image done at @at_ns or before; *images are in order of done_ns. */
static struct image_note *image_before(const struct proc *p, uint64_t at_ns)
{
	size_t low = 0, high = p->images.n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (p->images.items[middle].done_ns <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 ? NULL : &p->images.items[low - 1];
}

/* Failed tries in a row before an image: PATH has no more directories than this. */
#define MAX_TRIES 256

struct image_note *image_at(const struct proc *p, uint64_t at_ns)
{
	struct image_note *i = image_before(p, at_ns);
	for (int step = 0; i != NULL && step < MAX_TRIES; step++) {
		if (i->is_ok)
			return i;
		i = i == p->images.items ? NULL : i - 1;
	}
	return NULL;
}

const struct image_note *image_after(const struct proc *p, uint64_t at_ns)
{
	const struct image_note *before = image_before(p, at_ns);
	const size_t next = before == NULL ? 0 : (size_t)(before - p->images.items) + 1;
	if (next >= p->images.n || p->images.items[next].enter_ns > at_ns)
		return NULL;
	return &p->images.items[next];
}

void image_args(struct builder *b, const struct sl_args *e)
{
	const bool is_ns = (e->event.flags & SL_FLAG_NS_IDS) != 0;
	const int proc = is_ns ? process_lookup_ns(b, e->event.pid, e->event.time_ns)
			       : process_lookup(b, e->event.pid, e->event.time_ns);
	if (proc < 0)
		return;
	struct image_note *i = image_before(&b->procs.items[proc], e->exec_ns);
	if (i == NULL || i->done_ns != e->exec_ns || !i->is_ok)
		return;
	const size_t room = e->event.size - sizeof(*e);
	const size_t length = e->length < room ? e->length : room;
	/* Only what continues the words so far: so they cost no more than the trace did. */
	if (e->offset != i->n_args || i->n_args + length > SL_ARGS_MAX) {
		i->has_hole = true;
		return;
	}
	char *args = keep(b, arena_alloc(b->arena, i->n_args + length + 1));
	if (args == NULL)
		return;
	if (i->n_args > 0)
		memcpy(args, i->args, i->n_args);
	memcpy(args + i->n_args, e->bytes, length);
	i->args = args;
	i->n_args += length;
}

/* Without kernel events an image is known by its marks only. */
static struct image_note *image_from_mark(struct builder *b, int proc, const struct sl_mark *e)
{
	struct proc *p = &b->procs.items[proc];
	const char *exe = text_of(b->arena, &e->event, e->text);
	const struct image_note note = {
		.done_ns = e->event.time_ns,
		.is_ok = true,
		.out = { .exe = exe[0] != '\0' ? exe : NULL,
			 .argv_bytes = UNKNOWN,
			 .result = "ok" },
	};
	push(b, &p->images, note);
	return b->error < 0 ? NULL : vec_last(&p->images);
}

void image_mark(struct builder *b, const struct sl_mark *e)
{
	const int proc = process_of(b, &e->event);
	if (proc < 0)
		return;
	struct image_note *i = image_at(&b->procs.items[proc], e->event.time_ns);
	const bool begins = e->mark == SL_MARK_LINKED;
	if (b->facts->bpf != NULL && (i == NULL || (begins && i->linked_ns != 0)))
		i = image_from_mark(b, proc, e);
	if (i == NULL)
		return;
	uint64_t *at_ns = begins ? &i->linked_ns : &i->main_ns;
	if (*at_ns == 0)
		*at_ns = e->event.time_ns;
}

static void split_args(struct builder *b, struct image_note *i)
{
	size_t n = 0;
	for (size_t at = 0; at < i->n_args; n++)
		at += strnlen(i->args + at, i->n_args - at) + 1;
	i->out.is_truncated = i->has_hole || (int64_t)i->n_args < i->out.argv_bytes;
	if (n == 0)
		return;
	const char **items = keep(b, arena_alloc_array(b->arena, n, sizeof(*items)));
	if (items == NULL)
		return;
	size_t at = 0;
	for (size_t k = 0; k < n; k++) {
		items[k] = i->args + at; /* the byte after the last one is NUL */
		at += strlen(items[k]) + 1;
	}
	i->out.argv = (struct text_list){ .items = items, .n = n };
}

void images_finish(struct builder *b, struct proc *p)
{
	if (p->images.n == 0)
		return;
	p->out.images = keep(b, arena_alloc_array(b->arena, p->images.n, sizeof(struct image)));
	if (p->out.images == NULL)
		return;
	p->out.n_images = p->images.n;
	for (size_t k = 0; k < p->images.n; k++) {
		struct image_note *i = &p->images.items[k];
		if (i->is_ok)
			split_args(b, i);
		i->out.time_ns = rel(b, i->enter_ns);
		i->out.done_ns = i->enter_ns == 0 ? UNKNOWN : rel(b, i->done_ns);
		i->out.linked_ns = rel(b, i->linked_ns);
		i->out.main_ns = rel(b, i->main_ns);
		p->out.images[k] = i->out;
		if (i->is_ok) {
			p->out.exe = i->out.exe;
			p->out.argv = i->out.argv;
		}
	}
}
