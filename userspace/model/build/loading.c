/* SPDX-License-Identifier: MIT */
/* Which libraries a process loaded, and what each of them took: looked for, mapped, relocated,
 * initialised. The loader does one after the other, and each step ends with something that the kernel
 * sees: an open that succeeds; the last mapping; relocated data made read only; the first execution
 * of the next one's code, called by the loader. What ends with nothing to be seen stays unknown. */
#include "userspace/model/build/loading.h"

#include <string.h>

#define LOADER_BYTES (1u << 20) /* as in bpf/link.bpf.c */
#define CACHE_NAME   "ld.so.cache"
#define MAX_BACK     256   /* events of other threads between an open and its mapping */
#define MAX_SEARCH   16384 /* directories that are looked into for a library, and such events */
#define MAX_STEPS \
	200000000 /* of all loops over libraries and opens of a run; 10,000 libraries take half */
#define MAP_FIXED     0x10u
#define MAP_DENYWRITE 0x800u

enum { NOBODY = -1 };

/* The loader of one image at work. */
struct loading {
	struct builder *b;
	struct proc *p;
	const struct image_note *image; /* NULL: of a forked child that executed nothing */
	struct loaded_list all;		/* of this image */
	size_t group;			/* those from here on were asked for together */
	uint64_t base;			/* of the loader; 0: not known */
	uint64_t edge_ns;		/* what is relocated next began then at the earliest */
	uint32_t tid;			/* that it runs in */
	int current, initialising;	/* of `all` */
	int program, loader;		/* … their own rows */
	bool has_relocated;		/* of the group */
	bool is_started;		/* main was called, or the program began */
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static const struct sl_open *open_at(const struct loading *l, size_t at, uint32_t tid)
{
	const struct sl_event *e = l->p->links.items[at];
	return e->kind == SL_KIND_OPEN && e->tid == tid ? (const struct sl_open *)e : NULL;
}

static bool is_mapping_of(const struct sl_event *e, uint32_t tid)
{
	return e->kind == SL_KIND_MAPPING && e->tid == tid;
}

static struct loaded *add(struct loading *l, const char *path, int *ret)
{
	const struct loaded fresh = { .path = path, .tid = l->tid, .is_late = l->is_started };
	*ret = (int)l->all.n;
	push(l->b, &l->all, fresh);
	return l->b->error < 0 ? NULL : vec_last(&l->all);
}

static void set_step(struct loaded *lib, enum loading_step step, uint64_t from_ns,
		     uint64_t until_ns)
{
	if (from_ns != 0 && from_ns <= until_ns)
		lib->steps[step] = (struct loading_time){ from_ns, until_ns };
}

/* ---- search and map ---- */

/* The open of the file that is mapped at @at, if it is a new one; SIZE_MAX: none. */
static size_t opened_for(const struct loading *l, size_t at, const struct sl_mapping *e)
{
	for (size_t n = 0; at-- > 0 && n < MAX_BACK; n++) {
		const struct sl_open *open = open_at(l, at, e->event.tid);
		if (open != NULL && open->result == e->fd)
			return at;
		if (is_mapping_of(l->p->links.items[at], e->event.tid))
			break;
	}
	return SIZE_MAX;
}

/* Tries before it that failed are part of the search, and so is a look at the loader's cache. */
static void look_back(struct loading *l, struct loaded *lib, size_t at, const struct sl_open *found)
{
	const char *name = base_name(lib->path);
	const uint32_t tid = found->event.tid;
	uint64_t from_ns = found->enter_ns;
	lib->search_end = lib->search_first = at;
	for (size_t n = 0; at-- > 0 && n < MAX_SEARCH && l->b->n_link_steps < MAX_STEPS; n++) {
		const struct sl_open *open = open_at(l, at, tid);
		l->b->n_link_steps++;
		if (is_mapping_of(l->p->links.items[at], tid))
			break;
		if (open == NULL)
			continue;
		const char *tried = base_name(text_of(l->b->arena, &open->event, open->text));
		const bool is_miss = open->result < 0 && strcmp(tried, name) == 0;
		if (!is_miss && (open->result < 0 || strcmp(tried, CACHE_NAME) != 0))
			break;
		from_ns = open->enter_ns;
		lib->n_misses += is_miss;
		lib->search_first = at;
	}
	set_step(lib, LOADING_SEARCH, from_ns, found->event.time_ns);
}

static struct loaded *row_of(struct loading *l, int *row, const char *path)
{
	return *row >= 0 ? &l->all.items[*row] : path != NULL ? add(l, path, row) : NULL;
}

/* Until it looks for the first library it is busy with itself. */
static void begin_loader(struct loading *l, uint64_t until_ns)
{
	struct loaded *loader = row_of(l, &l->loader, LIBRARY_LOADER);
	if (loader != NULL && l->image != NULL)
		set_step(loader, LOADING_INIT, l->image->done_ns, until_ns);
}

static void begin_library(struct loading *l, size_t open_index, uint32_t tid)
{
	const struct sl_open *open = (const void *)l->p->links.items[open_index];
	if (l->has_relocated || tid != l->tid) {
		l->group = l->all.n;
		l->has_relocated = false;
		l->initialising = l->is_started ? NOBODY : l->initialising;
	}
	const int before = l->current;
	l->tid = tid;
	struct loaded *lib = add(l, text_of(l->b->arena, &open->event, open->text), &l->current);
	if (lib == NULL)
		return;
	lib->is_shim =
		l->b->facts->shim_path != NULL && strcmp(lib->path, l->b->facts->shim_path) == 0;
	look_back(l, lib, open_index, open);
	/* The loader closes what it has mapped and reads what that needs, before it looks for it. */
	if (before >= 0 && (size_t)before >= l->group)
		set_step(&l->all.items[before], LOADING_MAP,
			 l->all.items[before].steps[LOADING_MAP].from_ns,
			 lib->steps[LOADING_SEARCH].from_ns);
	if (before < 0 && !l->is_started)
		begin_loader(l, lib->steps[LOADING_SEARCH].from_ns);
}

static void see_map(struct loading *l, size_t at, const struct sl_mapping *e)
{
	const size_t open_index = opened_for(l, at, e);
	if (open_index != SIZE_MAX)
		begin_library(l, open_index, e->event.tid);
	if (l->current < 0 || l->b->error < 0 || e->event.tid != l->tid)
		return;
	struct loaded *lib = &l->all.items[l->current];
	const uint64_t end = e->address + e->length;
	if (lib->high == 0 || e->address < lib->low)
		lib->low = e->address;
	if (end > lib->high)
		lib->high = end;
	lib->is_by_loader |= (e->flags & (MAP_DENYWRITE | MAP_FIXED)) != 0;
	set_step(lib, LOADING_MAP, lib->steps[LOADING_SEARCH].until_ns, e->event.time_ns);
	l->edge_ns = e->event.time_ns;
}

/* Between what it maps and what it relocates glibc's loader sets up the first thread. */
static void see_setup(struct loading *l, const struct sl_mapping *e)
{
	if (e->event.tid != l->tid)
		return;
	l->edge_ns = e->event.time_ns;
	if (l->current < 0)
		return;
	struct loading_time *map = &l->all.items[l->current].steps[LOADING_MAP];
	if (map->until_ns != 0 && e->enter_ns > map->until_ns && e->enter_ns < l->edge_ns)
		map->until_ns = e->enter_ns;
}

/* ---- relocate ---- */

static struct loaded *library_with(struct loading *l, uint64_t address)
{
	for (size_t i = l->all.n; i-- > 0 && l->b->n_link_steps < MAX_STEPS;) {
		struct loaded *lib = &l->all.items[i];
		l->b->n_link_steps++;
		if (address >= lib->low && address < lib->high)
			return lib;
	}
	return NULL;
}

/* What no file was mapped for was there when the image began: the program, or the loader, which
 * relocates itself last. */
static struct loaded *row_with(struct loading *l, uint64_t address)
{
	const bool is_loader = l->base != 0 ? address - l->base < LOADER_BYTES : l->program >= 0;
	if (l->is_started || l->image == NULL)
		return NULL;
	return is_loader ? row_of(l, &l->loader, LIBRARY_LOADER)
			 : row_of(l, &l->program, l->image->out.exe);
}

/* Code that was called until now was for relocation: it chose between variants of a function. */
static void forget_calls(struct loading *l)
{
	if (l->initialising < 0) /* none was called since */
		return;
	for (size_t i = l->group; i < l->all.n && l->b->n_link_steps < MAX_STEPS; i++) {
		l->b->n_link_steps++;
		if ((int)i != l->loader)
			l->all.items[i].steps[LOADING_INIT] = (struct loading_time){ 0 };
	}
	l->initialising = NOBODY;
}

static void see_protect(struct loading *l, const struct sl_mapping *e)
{
	struct loaded *lib = library_with(l, e->address);
	if (lib == NULL)
		lib = row_with(l, e->address);
	if (lib == NULL || e->event.tid != l->tid || lib->steps[LOADING_RELOCATE].from_ns != 0)
		return;
	forget_calls(l);
	set_step(lib, LOADING_RELOCATE, l->edge_ns, e->event.time_ns);
	l->edge_ns = e->event.time_ns;
	l->has_relocated = true;
}

/* ---- initialise ---- */

static void end_init(struct loading *l, uint64_t at_ns)
{
	if (l->initialising < 0)
		return;
	struct loaded *lib = &l->all.items[l->initialising];
	set_step(lib, LOADING_INIT, lib->steps[LOADING_INIT].from_ns, at_ns);
	l->initialising = NOBODY;
}

static void begin_init(struct loading *l, struct loaded *lib, uint64_t at_ns)
{
	end_init(l, at_ns);
	lib->steps[LOADING_INIT].from_ns = at_ns;
	l->initialising = (int)(lib - l->all.items);
}

static bool is_of_group(const struct loading *l, const struct loaded *lib)
{
	return lib >= l->all.items + l->group && lib->steps[LOADING_INIT].from_ns == 0;
}

static void see_enter(struct loading *l, const struct sl_mapping *e)
{
	const uint64_t at_ns = e->event.time_ns;
	struct loaded *lib = library_with(l, e->address);
	if (e->event.tid != l->tid ||
	    (l->image != NULL && !l->is_started && at_ns < l->image->linked_ns))
		return;
	if (lib != NULL && is_of_group(l, lib)) {
		/* musl's loader calls them after the program began: where its own begin is not seen. */
		if (!l->is_started && l->program >= 0 && l->initialising == l->program)
			forget_calls(l);
		begin_init(l, lib, at_ns);
	} else if (lib == NULL && !l->is_started && l->image != NULL) {
		lib = row_of(l, &l->program, l->image->out.exe);
		if (lib != NULL && lib->steps[LOADING_INIT].from_ns == 0)
			begin_init(l, lib, at_ns);
	}
}

static void see_done(struct loading *l, const struct sl_mapping *e)
{
	if (e->event.tid != l->tid)
		return;
	if (l->group == 0 && !l->is_started) /* the libraries of the program: not yet initialised */
		forget_calls(l);
	else
		end_init(l, e->event.time_ns);
}

/* ---- images ---- */

static void start_program(struct loading *l)
{
	if (l->image != NULL && l->image->main_ns != 0)
		end_init(l, l->image->main_ns);
	l->initialising = NOBODY;
	l->is_started = true;
}

/* Each call of the loader's tells where it lies. */
static uint64_t loader_base(const struct loading *l, size_t first)
{
	for (size_t i = first; i < l->p->links.n; i++) {
		const struct sl_mapping *e = (const void *)l->p->links.items[i];
		if (image_at(l->p, e->event.time_ns) != l->image)
			break;
		if (e->event.kind == SL_KIND_MAPPING && e->op == SL_MAPPING_ENTER)
			return e->offset;
	}
	return 0;
}

static void end_image(struct loading *l)
{
	if (!l->is_started)
		start_program(l);
	libraries_keep(l->b, l->p, &l->all);
	l->all.n = 0;
}

static void begin_image(struct loading *l, const struct image_note *image, size_t at)
{
	struct loaded_list all = l->all;
	*l = (struct loading){
		.b = l->b,
		.p = l->p,
		.image = image,
		.all = all,
		.edge_ns = image != NULL ? image->done_ns : 0,
		.tid = l->p->links.items[at]->tid,
		.current = NOBODY,
		.initialising = NOBODY,
		.program = NOBODY,
		.loader = NOBODY,
		.is_started = image == NULL,
	};
	l->base = loader_base(l, at);
}

static void see_mapping(struct loading *l, size_t at)
{
	const struct sl_mapping *e = (const void *)l->p->links.items[at];
	switch (e->op) {
	case SL_MAPPING_MAP:
		see_map(l, at, e);
		break;
	case SL_MAPPING_PROTECT:
		see_protect(l, e);
		break;
	case SL_MAPPING_SETUP:
		see_setup(l, e);
		break;
	case SL_MAPPING_ENTER:
		see_enter(l, e);
		break;
	case SL_MAPPING_DONE:
		see_done(l, e);
		break;
	default: /* of a later version */
		break;
	}
}

static void walk(struct builder *b, struct proc *p)
{
	struct loading l = { .b = b, .p = p };
	for (size_t i = 0; i < p->links.n && b->error == 0; i++) {
		const struct sl_event *e = p->links.items[i];
		const struct image_note *image = image_at(p, e->time_ns);
		if (i == 0 || image != l.image) {
			if (i > 0)
				end_image(&l);
			begin_image(&l, image, i);
		}
		if (!l.is_started && image != NULL && image->main_ns != 0 &&
		    e->time_ns > image->main_ns)
			start_program(&l);
		if (e->kind == SL_KIND_MAPPING)
			see_mapping(&l, i);
	}
	if (p->links.n > 0 && b->error == 0)
		end_image(&l);
	vec_done(&l.all);
}

void library_event(struct builder *b, const struct sl_event *e)
{
	const int proc = e->time_ns < b->zero_ns ? NOBODY : process_of(b, e);
	if (proc >= 0)
		push(b, &b->procs.items[proc].links, e);
}

void libraries_find(struct builder *b)
{
	if (b->facts->bpf != NULL || !probes_have(b->facts, "system calls"))
		return;
	b->run->libraries_cut = 0;
	for (size_t i = 0; i < b->procs.n; i++)
		walk(b, &b->procs.items[i]);
	libraries_order(b);
	b->run->has_libraries = b->error == 0;
}
