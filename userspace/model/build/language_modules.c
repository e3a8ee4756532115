/* SPDX-License-Identifier: MIT */
/* Modules of languages: who loaded whom, and what that took. Where the interpreter tells when it begins
 * and ends to load one (IMPORT), this is exact. Where only the files are known that it opened, a module
 * has the time until the next one's file, and lies in what its name says. */
#include "userspace/model/build/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MODULES 10000 /* of a run */
#define MAX_DEPTH   4096

static const char seen_by_probe[] = "probe", seen_by_files[] = "files";

void module_import(struct builder *b, const struct sl_import *e)
{
	const int thread = thread_of(b, &e->event, e->event.time_ns);
	const bool is_end = (e->op & SL_IMPORT_END) != 0;
	if (thread < 0 || e->event.time_ns < b->zero_ns || e->interpreter >= SL_INTERPRETERS)
		return;
	push(b, &b->imports,
	     (struct import_note){
		     .at_ns = e->event.time_ns,
		     .thread = thread,
		     .name = is_end ? NULL : text_of(b->arena, &e->event, e->text),
		     .language = "python",
		     .interpreter = e->interpreter,
	     });
}

/* What @proc executes; a forked one what its parent did. */
static struct image_note *executes(const struct builder *b, int proc, uint64_t at_ns)
{
	for (int step = 0; proc >= 0 && step < MAX_DEPTH; step++) {
		struct image_note *i = image_at(&b->procs.items[proc], at_ns);
		if (i != NULL)
			return i;
		proc = b->procs.items[proc].parent;
	}
	return NULL;
}

/* "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0" */
static bool is_python_library(const char *path, size_t n)
{
	static const char start[] = "/libpython3.";
	const char *leaf = memrchr(path, '/', n);
	return leaf != NULL && n - (size_t)(leaf - path) > sizeof(start) - 1 &&
	       memcmp(leaf, start, sizeof(start) - 1) == 0;
}

/* What has loaded that is Python, whatever it is called. */
static void note_library(struct builder *b, const struct sl_open *e)
{
	const int thread = thread_of(b, &e->event, e->event.time_ns);
	struct image_note *i =
		thread >= 0 ? executes(b, b->threads.items[thread].proc, e->event.time_ns) : NULL;
	if (i != NULL && e->result >= 0)
		i->has_python = true;
}

void module_open(struct builder *b, const struct sl_open *e)
{
	const size_t n = event_text_length(&e->event, e->text);
	if (is_python_library(e->text, n))
		note_library(b, e);
	if (!language_file_ending(e->text, n) || e->enter_ns > e->event.time_ns)
		return;
	push(b, &b->module_opens, e);
}

/* Whoever had begun when the probes were set is not known from its beginning. */
static void drop_partial(struct builder *b)
{
	size_t n = 0;
	for (size_t k = 0; k < b->imports.n; k++) {
		const struct import_note *note = &b->imports.items[k];
		const int proc = b->threads.items[note->thread].proc;
		const struct image_note *i = executes(b, proc, note->at_ns);
		const uint64_t since_ns = b->facts->imports_since_ns[note->interpreter];
		if (since_ns != 0 && (i == NULL || i->enter_ns < since_ns))
			continue;
		b->procs.items[proc].has_imports = true;
		b->imports.items[n++] = *note;
	}
	b->imports.n = n;
}

/* ---- from files ---- */

static const char *interpreter_at(const struct builder *b, int proc, uint64_t at_ns)
{
	const struct image_note *i = executes(b, proc, at_ns);
	return i == NULL ? NULL : i->has_python ? "python" : i->out.exe;
}

struct file_seen {
	const char *name, *language;
	uint64_t at_ns;
	int thread;
};

/* CPython looks for compiled code first, and then reads the source; who reads a source for another
 * reason does not. */
static bool is_loaded(const struct sl_open *e, const char *path, struct file_seen *missed,
		      struct file_seen *seen)
{
	const char *ending = strrchr(path, '.');
	if (ending == NULL || strncmp(ending, ".py", 3) != 0)
		return e->result >= 0;
	if (e->result < 0) {
		if (strcmp(ending, ".pyc") == 0)
			*missed = *seen;
		return false;
	}
	if (strcmp(ending, ".pyc") == 0)
		return true;
	const bool was_missed = missed->name == seen->name && missed->thread == seen->thread;
	if (was_missed)
		seen->at_ns = missed->at_ns;
	missed->name = NULL;
	return was_missed;
}

static void add_opens(struct builder *b)
{
	struct file_seen missed = { 0 };
	vec_foreach(open, &b->module_opens) {
		const struct sl_open *e = *open;
		const int thread = thread_of(b, &e->event, e->event.time_ns);
		if (thread < 0 || b->procs.items[b->threads.items[thread].proc].has_imports)
			continue;
		const int proc = b->threads.items[thread].proc;
		const char *path = text_of(b->arena, &e->event, e->text);
		struct file_seen seen = {
			.thread = thread,
			.at_ns = e->enter_ns != 0 ? e->enter_ns : e->event.time_ns,
		};
		seen.name = language_module(b, interpreter_at(b, proc, e->event.time_ns), path,
					    &seen.language);
		if (seen.name == NULL || !is_loaded(e, path, &missed, &seen))
			continue;
		push(b, &b->imports,
		     (struct import_note){
			     .at_ns = seen.at_ns,
			     .thread = thread,
			     .name = seen.name,
			     .language = seen.language,
			     .is_of_file = true,
		     });
	}
}

static int by_thread(const void *left, const void *right)
{
	const struct import_note *a = left, *b = right;
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	if (a->at_ns != b->at_ns)
		return a->at_ns < b->at_ns ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* ---- time ---- */

struct loader {
	struct builder *b;
	struct module_list VEC(struct language_module) modules;
	struct id_map by_name;		/* of the thread's process, by files: name -> place + 1 */
	struct open_list VEC(int) open; /* places, the innermost last */
	int thread;
	uint64_t since_ns;
	size_t interval, segment; /* the first that may matter */
};

/* Off the CPU in [@from, @to), of the thread in hand. */
static uint64_t off_cpu(struct loader *l, uint64_t from, uint64_t to)
{
	const struct builder *b = l->b;
	const struct thread *t = &b->threads.items[l->thread];
	uint64_t sum = 0;
	for (size_t i = l->interval; i < t->first_interval + t->n_intervals; i++) {
		const struct interval *s = &b->intervals.items[i];
		if (s->out_ns >= to)
			break;
		if (s->back_ns <= from) {
			l->interval = i + 1;
			continue;
		}
		const uint64_t begin = s->out_ns > from ? s->out_ns : from;
		sum += (s->back_ns < to ? s->back_ns : to) - begin;
	}
	return sum;
}

/* Of the critical path, on the thread in hand. Who else wants a CPU is not the module's fault. */
static int64_t on_path(struct loader *l, int64_t from, int64_t to)
{
	const struct run *run = l->b->run;
	const struct thread *t = &l->b->threads.items[l->thread];
	int64_t sum = 0;
	for (size_t i = l->segment; i < run->n_segments; i++) {
		const struct segment *s = &run->segments[i];
		const int64_t end = s->start_ns + s->duration_ns;
		if (s->start_ns >= to)
			break;
		if (end <= from) {
			l->segment = i + 1;
			continue;
		}
		if (s->thread == t->tid && s->process == t->proc + 1 &&
		    s->state != ACTIVITY_RUNNABLE)
			sum += (end < to ? end : to) - (s->start_ns > from ? s->start_ns : from);
	}
	return sum;
}

/* Time up to @now is the innermost module's own. */
static void account(struct loader *l, uint64_t now)
{
	const struct run *run = l->b->run;
	struct language_module *m = l->open.n > 0 ? &l->modules.items[*vec_last(&l->open)] : NULL;
	if (m != NULL && m->self_ns != UNKNOWN && now > l->since_ns) {
		const uint64_t ns = now - l->since_ns;
		m->self_ns += (int64_t)ns;
		if (run->has_segments) {
			m->self_cpu_ns += (int64_t)(ns - off_cpu(l, l->since_ns, now));
			m->self_path_ns += on_path(l, rel(l->b, l->since_ns), rel(l->b, now));
		}
	}
	l->since_ns = now;
}

/* ---- nesting ---- */

static void begin(struct loader *l, const struct import_note *note, int64_t parent)
{
	struct builder *b = l->b;
	const bool is_timed = !note->is_of_file || !language_is_only_opened(note->language);
	const int64_t known = is_timed && b->run->has_segments ? 0 : UNKNOWN;
	const int place = (int)l->modules.n;
	if (l->modules.n == MAX_MODULES || l->open.n == MAX_DEPTH)
		return;
	push(b, &l->modules,
	     (struct language_module){
		     .id = place + 1,
		     .parent = parent,
		     .name = note->name,
		     .language = note->language,
		     .how = note->is_of_file ? seen_by_files : seen_by_probe,
		     .process = b->threads.items[l->thread].proc + 1,
		     .thread = b->threads.items[l->thread].tid,
		     .start_ns = rel(b, note->at_ns),
		     .self_ns = is_timed ? 0 : UNKNOWN,
		     .self_cpu_ns = known,
		     .self_path_ns = known,
	     });
	if (b->error == 0)
		push(b, &l->open, place);
}

/* Of files nobody knows when what was in the last one is done. */
static void forget_last(struct loader *l)
{
	if (l->open.n == 0)
		return;
	struct language_module *m = &l->modules.items[*vec_last(&l->open)];
	if (m->how == seen_by_files)
		m->self_ns = m->self_cpu_ns = m->self_path_ns = UNKNOWN;
}

static int64_t parent_by_name(struct loader *l, const struct import_note *note)
{
	for (const char *name = note->name;
	     (name = language_parent(l->b, note->language, name)) != NULL;) {
		const int place = id_map_get(&l->by_name, (uint64_t)(uintptr_t)name);
		if (place >= 0)
			return place + 1;
	}
	return UNKNOWN;
}

static void see(struct loader *l, const struct import_note *note)
{
	if (note->thread != l->thread) {
		forget_last(l);
		l->open.n = 0;
		l->thread = note->thread;
		l->interval = l->b->threads.items[note->thread].first_interval;
		l->segment = 0;
		id_map_done(&l->by_name);
		l->by_name = (struct id_map){ 0 };
	}
	account(l, note->at_ns);
	if (note->is_of_file && language_is_only_opened(note->language) &&
	    id_map_get(&l->by_name, (uint64_t)(uintptr_t)note->name) >= 0)
		return;
	if (note->is_of_file) {
		const int64_t parent = parent_by_name(l, note);
		l->open.n = 0;
		begin(l, note, parent);
		if (id_map_set(&l->by_name, (uint64_t)(uintptr_t)note->name,
			       (int)l->modules.n - 1) < 0)
			l->b->error = -ENOMEM;
	} else if (note->name != NULL) {
		begin(l, note, l->open.n > 0 ? *vec_last(&l->open) + 1 : UNKNOWN);
	} else if (l->open.n > 0) {
		l->open.n--;
	}
}

static int64_t sum_of(int64_t a, int64_t b)
{
	return a == UNKNOWN ? b : b == UNKNOWN ? a : a + b;
}

/* Parents come before what they load. */
static void sum_up(struct loader *l)
{
	vec_foreach(m, &l->modules) {
		m->total_ns = m->self_ns;
		m->total_cpu_ns = m->self_cpu_ns;
		m->total_path_ns = m->self_path_ns;
	}
	for (size_t i = l->modules.n; i-- > 0;) {
		const struct language_module *m = &l->modules.items[i];
		if (m->parent == UNKNOWN)
			continue;
		struct language_module *parent = &l->modules.items[m->parent - 1];
		parent->total_ns = sum_of(parent->total_ns, m->total_ns);
		parent->total_cpu_ns = sum_of(parent->total_cpu_ns, m->total_cpu_ns);
		parent->total_path_ns = sum_of(parent->total_path_ns, m->total_path_ns);
	}
}

void language_modules_finish(struct builder *b)
{
	struct run *run = b->run;
	struct loader l = { .b = b, .thread = -1 };
	if (b->facts->bpf != NULL || probes_lost_metric(b->facts->session, "startup.module[]"))
		return;
	drop_partial(b);
	add_opens(b);
	for (size_t i = 0; i < b->imports.n; i++)
		b->imports.items[i].order = i;
	if (b->imports.n > 1 && b->error == 0)
		qsort(b->imports.items, b->imports.n, sizeof(*b->imports.items), by_thread);
	for (size_t i = 0; i < b->imports.n && b->error == 0; i++)
		see(&l, &b->imports.items[i]);
	forget_last(&l);
	sum_up(&l);
	run->has_language_modules = true;
	if (l.modules.n > 0 && b->error == 0) {
		run->language_modules =
			keep(b, arena_memdup(b->arena, l.modules.items,
					     l.modules.n * sizeof(*l.modules.items)));
		run->n_language_modules = run->language_modules != NULL ? l.modules.n : 0;
	}
	vec_done(&l.modules);
	vec_done(&l.open);
	id_map_done(&l.by_name);
}
