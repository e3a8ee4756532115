/* SPDX-License-Identifier: MIT */
/* Files in time: what was opened or could not be, by path, and what was waited for in it. */
#include "userspace/model/build/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PATHS 65536 /* different ones that are told apart */
#define MAX_FILES 10000 /* that are kept, the heaviest */

/* FNV-1a; two paths of one hash are told apart by comparing them, and only one of them is kept. */
static uint64_t hash_of(const char *text, size_t n)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ull;
	return hash;
}

/* NULL: there are too many. */
static struct file *file_of(struct builder *b, const char *path, size_t n)
{
	const uint64_t hash = hash_of(path, n);
	const int known = id_map_get(&b->file_index, hash);
	if (known >= 0) {
		struct file *file = &b->files.items[known];
		return strncmp(file->path, path, n) == 0 && file->path[n] == '\0' ? file : NULL;
	}
	if (b->files.n == MAX_PATHS)
		return NULL;
	const struct file fresh = {
		.path = keep(b, (void *)(uintptr_t)arena_internn(b->arena, path, n)),
		.first_ns = UNKNOWN,
	};
	push(b, &b->files, fresh);
	if (b->error == 0 && id_map_set(&b->file_index, hash, (int)b->files.n - 1) < 0)
		b->error = -ENOMEM;
	return b->error == 0 ? vec_last(&b->files) : NULL;
}

void file_open(struct builder *b, const struct sl_open *e)
{
	struct file *file = file_of(b, e->text, event_text_length(&e->event, e->text));
	if (file == NULL) {
		b->files_cut++;
		return;
	}
	const int proc = process_of(b, &e->event);
	const bool is_sane = e->enter_ns != 0 && e->enter_ns <= e->event.time_ns;
	const uint64_t enter_ns = is_sane ? e->enter_ns : e->event.time_ns;
	if (file->first_ns == UNKNOWN) {
		file->first_ns = rel(b, enter_ns);
		file->process = proc + 1;
	}
	file->open_ns += (int64_t)(e->event.time_ns - enter_ns);
	if (e->result < 0)
		file->misses++;
	else
		file->opens++;
}

/* Waits for what is read from a file, by a call or through its mapping. */
static void add_waits(struct builder *b)
{
	vec_foreach(s, &b->intervals) {
		const struct sl_offcpu *e = s->event;
		if ((e->object != SL_OBJECT_FILE && e->object != SL_OBJECT_FAULT_FILE) ||
		    s->wake_ns <= s->out_ns || s->out_ns < b->zero_ns)
			continue;
		const char *path = text_path(b->arena, &e->event, e->text);
		struct file *file = path[0] != '\0' ? file_of(b, path, strlen(path)) : NULL;
		if (file == NULL)
			continue;
		if (file->process == 0)
			file->process = b->threads.items[s->thread].proc + 1;
		file->waits++;
		file->wait_ns += (int64_t)(s->wake_ns - s->out_ns);
	}
}

static int64_t weight(const struct file *f)
{
	return f->open_ns + f->wait_ns;
}

static int by_weight(const void *left, const void *right)
{
	const struct file *a = left, *b = right;
	if (weight(a) != weight(b))
		return weight(a) > weight(b) ? -1 : 1;
	return strcmp(a->path, b->path);
}

/* Files that were only waited for come last. */
static int by_first(const void *left, const void *right)
{
	const struct file *a = left, *b = right;
	const bool a_is_open = a->first_ns != UNKNOWN, b_is_open = b->first_ns != UNKNOWN;
	if (a_is_open != b_is_open)
		return a_is_open ? -1 : 1;
	if (a->first_ns != b->first_ns)
		return a->first_ns < b->first_ns ? -1 : 1;
	return strcmp(a->path, b->path);
}

void files_finish(struct builder *b)
{
	struct run *run = b->run;
	if (b->facts->bpf != NULL || probes_lost_metric(b->facts->session, "files.opens"))
		return;
	add_waits(b);
	if (b->error < 0)
		return;
	if (b->files.n > 1)
		qsort(b->files.items, b->files.n, sizeof(*b->files.items), by_weight);
	const size_t n = b->files.n < MAX_FILES ? b->files.n : MAX_FILES;
	run->files = keep(b, arena_alloc_array(b->arena, n + 1, sizeof(*run->files)));
	if (run->files == NULL)
		return;
	run->has_files = true;
	for (; run->n_files < n; run->n_files++)
		run->files[run->n_files] = b->files.items[run->n_files];
	for (size_t i = n; i < b->files.n; i++)
		b->files_cut += b->files.items[i].opens + b->files.items[i].misses;
	run->files_cut = b->files_cut;
	if (n > 1)
		qsort(run->files, n, sizeof(*run->files), by_first);
}
