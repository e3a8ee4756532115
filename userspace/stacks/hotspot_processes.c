/* SPDX-License-Identifier: MIT */
/* A few processes in a list, each with what was met of its code, by address; names of all of them in one
 * table. */
#include "userspace/stacks/hotspot_processes.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"
#include "userspace/stacks/elf_symbols.h"
#include "userspace/stacks/hotspot_frames.h"
#include "userspace/stacks/module_file.h"

#define PROCESSES_MAX	 1024u
#define PIECES_MAX	 (1u << 16) /* of code and methods, of all processes */
#define NAMES_MAX	 (1u << 16)
#define NAME_BYTES_MAX	 (16u << 20)
#define BUCKETS		 (1u << 17)	     /* a power of two, more than NAMES_MAX */
#define BELIEVED_NS	 (200 * NS_PER_MS)   /* before it is looked at again */
#define NAMED		 (UINT64_C(1) << 63) /* an offset that is a number */
#define PAUSE_MAX	 (1u << 10)	     /* misses between two looks for something new */
#define LAYOUT_PAUSE_MAX (1u << 6) /* then it has none: what tells it is there before any code is */

/* Code, or a method of the interpreter. */
struct piece {
	uint64_t start, end; /* of a method: its address, and one more */
	struct hotspot_blob blob;
	uint64_t identity; /* of a method */
	uint32_t name;	   /* its number; 0: none */
	uint64_t checked_ns;
};

struct piece_list VEC(struct piece);

/* Something that is tried again after 1, 2, 4 ... misses. */
struct attempts {
	uint32_t n_missed, pause;
};

struct process {
	pid_t pid;
	struct memory_reader memory;
	struct hotspot_tables tables;
	struct hotspot_layout layout;
	bool has_layout;
	struct hotspot_heap heaps[HOTSPOT_HEAPS_MAX];
	size_t n_heaps;
	struct attempts layout_attempts, heap_attempts;
	struct piece_list code, methods; /* by address, none over another */
};

struct hotspot_processes {
	struct modules *modules;
	struct VEC(struct process) processes;
	size_t n_pieces;
	struct arena *arena; /* of names */
	struct VEC(const char *) names;
	size_t n_name_bytes;
	uint32_t buckets[BUCKETS]; /* numbers of names; 0: empty */
	struct buf name;
};

struct hotspot_processes *hotspot_processes_new(struct modules *modules)
{
	struct hotspot_processes *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->modules = modules;
	buf_init(&p->name, 2 * HOTSPOT_NAME_MAX + 1);
	p->arena = arena_new();
	return p->arena != NULL ? p : hotspot_processes_free(p);
}

struct hotspot_processes *hotspot_processes_free(struct hotspot_processes *p)
{
	if (p == NULL)
		return NULL;
	hotspot_processes_gone(p);
	vec_done(&p->processes);
	vec_done(&p->names);
	buf_done(&p->name);
	arena_free(p->arena);
	free(p);
	return NULL;
}

/* ---- processes ---- */

static struct process *find_process(const struct hotspot_processes *p, pid_t pid)
{
	vec_foreach(process, &p->processes)
		if (process->pid == pid)
			return process;
	return NULL;
}

static bool symbol_address(const struct module_file *f, const char *name, uint64_t bias,
			   uint64_t *ret)
{
	const struct elf_image image = { .elf = f->elf, .fd = f->fd };
	Elf64_Sym symbol;
	if (!elf_symbol_named(&image, name, &symbol) || symbol.st_value == 0)
		return false;
	*ret = symbol.st_value + bias;
	return true;
}

static void add_process(struct hotspot_processes *p, pid_t pid, const struct hotspot_tables *tables,
			struct memory_reader memory)
{
	hotspot_process_gone(p, pid);
	if (p->processes.n < PROCESSES_MAX)
		(void)vec_push(
			&p->processes,
			((struct process){ .pid = pid, .memory = memory, .tables = *tables }));
}

void hotspot_process_found(struct hotspot_processes *p, pid_t pid, const struct region *region)
{
	struct module *module = region->module;
	const char *slash =
		module != NULL && module->type == MODULE_FILE ? strrchr(module->path, '/') : NULL;
	if (slash == NULL || strcmp(slash, "/libjvm.so") != 0)
		return;
	struct hotspot_tables tables;
	uint64_t address = 0;
	/* The first look needs to know who has it. */
	if (modules_look(p->modules, module, pid, region->start, region->end) == NULL)
		return;
	const struct module_file *f = modules_open(p->modules, module, pid);
	if (f == NULL || !module_file_address(f, region->offset, &address))
		return;
	const uint64_t bias = region->start - address;
	if (symbol_address(f, "gHotSpotVMStructs", bias, &tables.structs) &&
	    symbol_address(f, "gHotSpotVMTypes", bias, &tables.types))
		add_process(p, pid, &tables, memory_of_process(pid));
}

void hotspot_processes_set_memory(struct hotspot_processes *p, pid_t pid,
				  const struct hotspot_tables *tables, struct memory_reader memory)
{
	add_process(p, pid, tables, memory);
}

void hotspot_process_gone(struct hotspot_processes *p, pid_t pid)
{
	struct process *process = find_process(p, pid);
	if (process == NULL)
		return;
	p->n_pieces -= process->code.n + process->methods.n;
	vec_done(&process->code);
	vec_done(&process->methods);
	*process = p->processes.items[--p->processes.n];
}

void hotspot_processes_gone(struct hotspot_processes *p)
{
	while (p->processes.n > 0)
		hotspot_process_gone(p, p->processes.items[0].pid);
}

static bool is_time(struct attempts *a)
{
	if (++a->n_missed < a->pause)
		return false;
	a->n_missed = 0;
	a->pause = a->pause == 0 ? 1 : a->pause < PAUSE_MAX ? 2 * a->pause : a->pause;
	return true;
}

/* The heap that @address is in. While the JVM begins, or grows, there may be more than was seen. */
static const struct hotspot_heap *heap_of(struct process *process, uint64_t address)
{
	if (!process->has_layout) {
		if (process->layout_attempts.pause > LAYOUT_PAUSE_MAX ||
		    !is_time(&process->layout_attempts) ||
		    hotspot_layout_read(&process->tables, process->memory, &process->layout) < 0)
			return NULL;
		process->has_layout = true;
	}
	const struct hotspot_heap *heap =
		hotspot_heap_of(process->heaps, process->n_heaps, address);
	if (heap == NULL && is_time(&process->heap_attempts)) {
		process->n_heaps =
			hotspot_heaps_read(&process->layout, process->memory, process->heaps);
		heap = hotspot_heap_of(process->heaps, process->n_heaps, address);
	}
	return heap;
}

/* ---- names ---- */

/* Its number; 0: no room. */
static uint32_t number_of(struct hotspot_processes *p, const char *text)
{
	const bool is_full = p->names.n == NAMES_MAX || p->n_name_bytes > NAME_BYTES_MAX;
	const char *name = is_full ? NULL : arena_intern(p->arena, text);
	if (name == NULL)
		return 0;
	size_t at = (size_t)((uintptr_t)name * UINT64_C(0x9e3779b97f4a7c15) >> 32) % BUCKETS;
	for (; p->buckets[at] != 0; at = (at + 1) % BUCKETS)
		if (p->names.items[p->buckets[at] - 1] == name)
			return p->buckets[at];
	p->n_name_bytes += strlen(name);
	if (vec_push(&p->names, name) < 0)
		return 0;
	return p->buckets[at] = (uint32_t)p->names.n;
}

const char *hotspot_process_name(const struct hotspot_processes *p, uint64_t offset)
{
	const uint64_t number = offset & ~NAMED;
	return (offset & NAMED) != 0 && number >= 1 && number <= p->names.n
		       ? p->names.items[number - 1]
		       : NULL;
}

/* ---- pieces ---- */

/* The first that ends behind @address. */
static size_t first_behind(const struct piece_list *pieces, uint64_t address)
{
	size_t low = 0, high = pieces->n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (pieces->items[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct piece *piece_at(const struct piece_list *pieces, uint64_t address)
{
	const size_t at = first_behind(pieces, address);
	return at < pieces->n && pieces->items[at].start <= address ? &pieces->items[at] : NULL;
}

static void remove_piece(struct hotspot_processes *p, struct piece_list *pieces, size_t at)
{
	pieces->n--;
	p->n_pieces--;
	memmove(&pieces->items[at], &pieces->items[at + 1],
		(pieces->n - at) * sizeof(*pieces->items));
}

/* In the place of those that it lies over. NULL: no room. */
static struct piece *put_piece(struct hotspot_processes *p, struct piece_list *pieces,
			       const struct piece *piece)
{
	const size_t at = first_behind(pieces, piece->start);
	while (at < pieces->n && pieces->items[at].start < piece->end)
		remove_piece(p, pieces, at);
	if (p->n_pieces == PIECES_MAX || vec_reserve(pieces, pieces->n + 1) < 0)
		return NULL;
	memmove(&pieces->items[at + 1], &pieces->items[at],
		(pieces->n - at) * sizeof(*pieces->items));
	pieces->items[at] = *piece;
	pieces->n++;
	p->n_pieces++;
	return &pieces->items[at];
}

static bool is_believed(const struct piece *piece, uint64_t time_ns)
{
	return piece != NULL && time_ns < piece->checked_ns + BELIEVED_NS;
}

static struct piece *code_at(struct hotspot_processes *p, struct process *process, uint64_t address,
			     uint64_t time_ns)
{
	struct piece *known = piece_at(&process->code, address);
	if (is_believed(known, time_ns))
		return known;
	if (known != NULL &&
	    hotspot_blob_is_there(&process->layout, &known->blob, process->memory)) {
		known->checked_ns = time_ns;
		return known;
	}
	const struct hotspot_heap *heap = heap_of(process, address);
	struct piece piece = { .checked_ns = time_ns };
	if (heap == NULL || hotspot_blob_read(&process->layout, heap, address, process->memory,
					      &piece.blob, &p->name) < 0)
		return known;
	piece.start = piece.blob.start;
	piece.end = piece.blob.end;
	if (piece.blob.kind == HOTSPOT_COMPILED &&
	    hotspot_method_name(&process->layout, piece.blob.method, process->memory, &p->name) < 0)
		buf_clear(&p->name);
	piece.name = p->name.len > 0 ? number_of(p, buf_str(&p->name)) : 0;
	return put_piece(p, &process->code, &piece);
}

/* Number of the name of @method; 0: it is none. */
static uint32_t method_name(struct hotspot_processes *p, struct process *process, uint64_t method,
			    uint64_t time_ns)
{
	struct piece *known = piece_at(&process->methods, method);
	if (is_believed(known, time_ns))
		return known->name;
	struct piece piece = { .start = method, .end = method + 1, .checked_ns = time_ns };
	piece.identity = hotspot_method_identity(&process->layout, method, process->memory);
	if (known != NULL && (piece.identity == 0 || piece.identity == known->identity)) {
		known->checked_ns = time_ns;
		return known->name;
	}
	if (piece.identity == 0 ||
	    hotspot_method_name(&process->layout, method, process->memory, &p->name) < 0)
		return 0;
	piece.name = number_of(p, buf_str(&p->name));
	(void)put_piece(p, &process->methods, &piece);
	return piece.name;
}

/* ---- frames ---- */

/* What the interpreter runs there. Where it has no frame yet, or no more, it stands as itself. */
static void look_at_interpreted(struct hotspot_processes *p, struct process *process,
				struct made_frame *frame)
{
	uint64_t method = 0;
	const uint32_t name = hotspot_interpreted(frame, &method)
				      ? method_name(p, process, method, frame->time_ns)
				      : 0;
	if (name == 0)
		return;
	frame->name = NAMED | name;
	hotspot_leave_interpreted(frame);
}

void hotspot_processes_look(void *data, struct made_frame *frame)
{
	struct hotspot_processes *p = data;
	struct process *process = find_process(p, frame->pid);
	const struct piece *code =
		process != NULL ? code_at(p, process, frame->address, frame->time_ns) : NULL;
	if (code == NULL)
		return;
	frame->name = code->name != 0 ? NAMED | code->name : 0;
	if (code->blob.kind == HOTSPOT_INTERPRETER)
		look_at_interpreted(p, process, frame);
	else
		hotspot_leave(&code->blob, process->heaps, process->n_heaps, process->memory,
			      frame);
}
