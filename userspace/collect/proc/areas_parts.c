/* SPDX-License-Identifier: MIT */
/* Which part of resident memory a mapping is: by its name where it has one, else by what allocators and
 * runtimes are known to map, where, and what they write at its beginning. */

#include "userspace/collect/proc/areas.h"

#include <string.h>

#define KIB	   1024ull
#define MIB	   (1024 * KIB)
#define GIB	   (1024 * MIB)
#define PAGE_BYTES (4 * KIB)

/* glibc, malloc/arena.c: an arena's heaps lie at multiples of HEAP_MAX_SIZE, twice the largest
 * threshold, and begin with struct heap_info: the arena (in the first heap of it), the heap before, its size. */
#define ARENA_BYTES (64 * MIB)
#define ARENA_HEAD  (1 * KIB)
/* malloc/malloc.c: bits of a block's size. That of a mapping is 2, and nothing else. */
#define BLOCK_BITS   7u
#define BLOCK_MAPPED 2u
/* Its least threshold: smaller blocks have no mapping of their own. */
#define MALLOC_LEAST (128 * KIB)
/* Enough for a mapping that the kernel has put together of many blocks. */
#define BLOCKS_MAX 4096
/* Guards of stacks have a page (glibc), two (musl) or some more (JVM). */
#define GUARD_MOST  (1 * MIB)
#define STACK_LEAST (16 * KIB)
/* Go, runtime/malloc.go: hints for the heap of amd64, 0x00c0 << 32 and on. */
#define GO_START 0xc000000000ull
#define GO_END	 0xc100000000ull
/* HotSpot: with compressed pointers the heap lies below 32 GiB, and behind it the classes. */
#define JAVA_HEAP_END	 (32 * GIB)
#define JAVA_CLASSES_END (36 * GIB)

/* A library has seldom more data that begins as zeroes; CPython's own allocator maps no less. */
#define LIBRARY_ZEROES (256 * KIB)

struct sorting {
	struct areas *a;
	const struct areas_hints *hints;
	const struct area *program; /* its first mapping; NULL */
	bool has_jvm;
	unsigned int allocators; /* bits by enum sl_allocator_kind */
};

static bool begins_with(const char *text, const char *head)
{
	return head != NULL && head[0] != '\0' && strncmp(text, head, strlen(head)) == 0;
}

static bool is_anonymous(const struct sorting *s, const struct area *area)
{
	return !area->has_file && !area->is_shared && area_name(s->a, area)[0] == '\0';
}

static const struct area *before(const struct sorting *s, const struct area *area)
{
	return area > s->a->list.items && area[-1].end == area->start ? area - 1 : NULL;
}

static const struct area *behind(const struct sorting *s, const struct area *area)
{
	const struct area *end = s->a->list.items + s->a->list.n;
	return area + 1 < end && area[1].start == area->end ? area + 1 : NULL;
}

static bool is_closed(const struct area *area)
{
	return !area->can_read && !area->can_write && !area->can_execute;
}

static bool peek(const struct sorting *s, uint64_t address, uint64_t *to, size_t n)
{
	return s->hints->peek != NULL &&
	       s->hints->peek(s->hints->data, address, to, n * sizeof(*to));
}

/* ---- the C library's allocator ---- */

static bool is_arena(const struct sorting *s, const struct area *area)
{
	const struct area *rest = behind(s, area);
	uint64_t head[3];
	if (area->start % ARENA_BYTES != 0 || !area->can_write)
		return false;
	if (peek(s, area->start, head, 3))
		return head[0] % ARENA_BYTES < ARENA_HEAD && head[0] >= ARENA_BYTES &&
		       head[1] % ARENA_BYTES == 0 && head[2] <= ARENA_BYTES &&
		       head[2] % PAGE_BYTES == 0 && head[2] > 0;
	return rest != NULL && is_closed(rest) && rest->end % ARENA_BYTES == 0;
}

/* Whether blocks with mappings of their own are most of @area: the kernel puts neighbours together. */
static bool is_malloc(const struct sorting *s, const struct area *area)
{
	const uint64_t size = area->end - area->start;
	uint64_t done = 0;
	for (int i = 0; size >= MALLOC_LEAST && i < BLOCKS_MAX && done < size; i++) {
		uint64_t head[2];
		if (!peek(s, area->start + done, head, 2))
			break;
		const uint64_t bytes = head[1] & ~(uint64_t)BLOCK_BITS;
		if ((head[1] & BLOCK_BITS) != BLOCK_MAPPED || head[0] >= PAGE_BYTES ||
		    bytes % PAGE_BYTES != 0 || bytes == 0 || bytes > size - done)
			break;
		done += bytes;
	}
	return done > size / 2;
}

/* ---- stacks ---- */

static bool has_stack_pointer(const struct sorting *s, const struct area *area)
{
	size_t low = 0, high = s->hints->n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (s->hints->stack_pointers[middle] < area->start)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->hints->n && s->hints->stack_pointers[low] < area->end;
}

/* Of a thread that runs the pointer is not known: what has a guard below it. */
static bool is_guarded(const struct sorting *s, const struct area *area)
{
	const struct area *guard = before(s, area);
	return guard != NULL && is_closed(guard) && !guard->has_file &&
	       guard->end - guard->start <= GUARD_MOST && area->end - area->start >= STACK_LEAST;
}

/* ---- runtimes ---- */

static const char *java(const struct area *area)
{
	if (area->can_execute)
		return "Java code cache";
	if (area->end <= JAVA_HEAP_END)
		return "Java heap";
	return area->end <= JAVA_CLASSES_END ? "Java classes" : NULL;
}

static const char *runtime_of(const struct sorting *s, const struct area *area)
{
	if (area->start >= GO_START && area->end <= GO_END)
		return "Go heap";
	return s->has_jvm ? java(area) : NULL;
}

/* ---- allocators that the program brings along ---- */

static const struct {
	const char *library, *name;
} allocators[SL_ALLOCATOR_LIMIT] = {
	[SL_ALLOCATOR_JEMALLOC] = { "/libjemalloc.so", "jemalloc" },
	[SL_ALLOCATOR_MIMALLOC] = { "/libmimalloc", "mimalloc" },
	[SL_ALLOCATOR_TCMALLOC] = { "/libtcmalloc", "tcmalloc" },
};

static unsigned int allocators_in(const char *file)
{
	unsigned int bits = 0;
	for (size_t kind = 1; kind < SL_ALLOCATOR_LIMIT; kind++)
		if (strstr(file, allocators[kind].library) != NULL)
			bits |= 1u << kind;
	return bits;
}

/* They keep what they know of a block elsewhere, so that their mappings show no sign. Where there is one, what
 * shows none of anything else is its; with two of them nobody can say whose. */
static const char *allocator_of(const struct sorting *s, const struct area *area)
{
	for (size_t kind = 1; kind < SL_ALLOCATOR_LIMIT; kind++)
		if (s->allocators == 1u << kind && area->can_write && !area->can_execute)
			return allocators[kind].name;
	return NULL;
}

/* ---- all together ---- */

static enum sl_part part_of_named(const struct sorting *s, struct area *area, const char *name)
{
	/* As glibc names its own where it is told to (glibc.mem.decorate_maps). */
	static const struct {
		const char *name;
		enum sl_part part;
	} names[] = {
		{ "[heap]", SL_PART_HEAP },
		{ "[stack]", SL_PART_STACK },
		{ "[vdso]", SL_PART_KERNEL },
		{ "[vvar", SL_PART_KERNEL },
		{ "[vsyscall]", SL_PART_KERNEL },
		{ "[uprobes]", SL_PART_KERNEL },
		{ "[anon: glibc: malloc arena]", SL_PART_ARENA },
		{ "[anon: glibc: malloc]", SL_PART_MALLOC },
		{ "[anon: glibc: pthread stack", SL_PART_THREAD_STACK },
		{ "[anon: glibc: loader", SL_PART_LOADER },
		{ "[anon:", SL_PART_NAMED },
		{ "[anon_shmem:", SL_PART_SHARED },
		{ "/dev/zero (deleted)", SL_PART_SHARED },
		{ "/SYSV", SL_PART_SHARED },
		{ "/memfd:", SL_PART_SHARED },
		{ "/dev/shm/", SL_PART_SHARED },
	};
	if (begins_with(name, s->hints->own_directory) || begins_with(name, s->hints->own_file))
		return SL_PART_OWN;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (begins_with(name, names[i].name))
			return names[i].part;
	return area->is_shared && !area->has_file ? SL_PART_SHARED : SL_PART_FILE;
}

/* The data of a file that begins as zeroes has no pages in it, and lies behind the rest of its data. Behind
 * a library's the kernel may have put an allocator's memory; what lies lowest is the program. */
static const struct area *file_before(const struct sorting *s, const struct area *area)
{
	const struct area *file = before(s, area);
	if (file == NULL || !file->has_file || file->is_shared || !file->can_write ||
	    (file->part != SL_PART_FILE && file->part != SL_PART_OWN))
		return NULL;
	const bool is_program = s->program != NULL &&
				strcmp(area_name(s->a, file), area_name(s->a, s->program)) == 0;
	return is_program || area->end - area->start < LIBRARY_ZEROES ? file : NULL;
}

static enum sl_part part_of_anonymous(const struct sorting *s, struct area *area)
{
	const struct area *file = file_before(s, area);
	if (file != NULL) {
		area->name = file->name;
		return file->part;
	}
	area->known_as = runtime_of(s, area);
	if (area->known_as != NULL)
		return SL_PART_RUNTIME;
	if (is_arena(s, area))
		return SL_PART_ARENA;
	if (area->can_write && has_stack_pointer(s, area))
		return SL_PART_THREAD_STACK;
	if (is_malloc(s, area))
		return SL_PART_MALLOC;
	if (area->can_write && is_guarded(s, area))
		return SL_PART_THREAD_STACK;
	if (area->end - area->start < MALLOC_LEAST)
		return SL_PART_LOADER;
	area->known_as = allocator_of(s, area);
	return area->known_as != NULL ? SL_PART_RUNTIME : SL_PART_ANONYMOUS;
}

void areas_sort_out(struct areas *a, const struct areas_hints *hints)
{
	struct sorting s = { .a = a, .hints = hints };
	if (hints->allocator > 0 && hints->allocator < SL_ALLOCATOR_LIMIT)
		s.allocators = 1u << hints->allocator;
	vec_foreach(area, &a->list) {
		s.has_jvm |= area->has_file && strstr(area_name(a, area), "/libjvm.so") != NULL;
		if (area->has_file && area->can_execute)
			s.allocators |= allocators_in(area_name(a, area));
		if (s.program == NULL && area->has_file && !area->is_shared)
			s.program = area;
	}
	vec_foreach(area, &a->list)
		area->part = is_anonymous(&s, area) ? part_of_anonymous(&s, area)
						    : part_of_named(&s, area, area_name(a, area));
}
