/* SPDX-License-Identifier: MIT */
/* The walk: auxiliary vector -> program headers -> DT_DEBUG -> the loader's list of objects -> each
 * object's symbol hash table. See real.h. */
#include "preload/real.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "bpf/schema.h"
#include "preload/object.h"
#include "preload/readable.h"
#include "preload/sys.h"

#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif

enum { AUXV_MAX = 48 }; /* entries; Linux hands over about 22 */

struct real real;

/* The list's head and our own entry; the loader itself. Written once, the same by everyone. */
static struct {
	const struct link_map *head;
	const struct link_map *self;
	const struct link_map *allocator; /* whose malloc is the real one */
	uintptr_t loader_base;
	struct region_image image;
	uint32_t uid; /* the real one, as this image began; NO_UID if the effective one differed */
	int n_at_start; /* objects */
	bool is_secure, is_go;
} list;

extern const Elf64_Dyn own_dynamic[] __asm__("_DYNAMIC") __attribute__((visibility("hidden")));

static void *map_find(const struct link_map *map, const char *name, uint32_t hash)
{
	struct object o;

	object_read(map->l_addr, map->l_ld, &o);
	return object_find(&o, name, hash);
}

/* ---- finding the list ---- */

static size_t auxv_read(Elf64_auxv_t *auxv, size_t size)
{
	long n = sys_call6(SYS_prctl, PR_GET_AUXV, (long)auxv, (long)size, 0, 0, 0);

	if (n > 0) /* Linux 6.4; the full size is returned, also when less was written */
		return (size_t)n < size ? (size_t)n : size;
	const long fd = sys_call4(SYS_openat, -100, (long)"/proc/self/auxv",
				  O_RDONLY | O_CLOEXEC | SL_OPEN_OWN, 0);
	if (fd < 0)
		return 0;
	n = sys_call3(SYS_read, fd, (long)auxv, (long)size);
	(void)sys_call3(SYS_close, fd, 0, 0);
	return n > 0 ? (size_t)n : 0;
}

/* The load bias: PT_PHDR says where the headers are meant to be; an object without one (the
 * loader run as a program) has them at a known place of its first segment. */
static bool bias_of(const Elf64_Phdr *headers, size_t n, uintptr_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (headers[i].p_type == PT_PHDR) {
			*ret = (uintptr_t)headers - headers[i].p_vaddr;
			return true;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (headers[i].p_type != PT_LOAD || headers[i].p_offset != 0)
			continue;
		const uintptr_t start = (uintptr_t)headers & ~(uintptr_t)4095;
		*ret = start - headers[i].p_vaddr;
		return true;
	}
	return false;
}

/* Whether a note in @at .. @end is Go's: its programs have an allocator of their own, and what little
 * they allocate with malloc says nothing. */
static bool is_gos_note(const char *at, const char *end)
{
	static const char name[] = "Go\0"; /* padded to four bytes, as in the note */
	while ((size_t)(end - at) >= sizeof(Elf64_Nhdr) + sizeof(name)) {
		const Elf64_Nhdr *note = (const Elf64_Nhdr *)(const void *)at;
		const uint64_t length = sizeof(*note) + (((uint64_t)note->n_namesz + 3) & ~3ull) +
					(((uint64_t)note->n_descsz + 3) & ~3ull);
		uint32_t words[2];
		copy_bytes(&words[0], note + 1, sizeof(words[0]));
		copy_bytes(&words[1], name, sizeof(words[1]));
		if (note->n_namesz == sizeof(name) && words[0] == words[1])
			return true;
		if (length > (size_t)(end - at))
			return false;
		at += length;
	}
	return false;
}

static bool is_go(const Elf64_Phdr *headers, size_t n)
{
	uintptr_t bias = 0;

	if (headers == NULL || !bias_of(headers, n, &bias))
		return false;
	for (size_t i = 0; i < n; i++) {
		const char *notes = (const char *)(bias + headers[i].p_vaddr);
		if (headers[i].p_type == PT_NOTE && is_gos_note(notes, notes + headers[i].p_memsz))
			return true;
	}
	return false;
}

static const struct r_debug *debug_of(const Elf64_Phdr *headers, size_t n)
{
	uintptr_t bias = 0;

	if (headers == NULL || !bias_of(headers, n, &bias))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (headers[i].p_type != PT_DYNAMIC)
			continue;
		const Elf64_Dyn *dynamic = (const Elf64_Dyn *)(bias + headers[i].p_vaddr);
		for (const Elf64_Dyn *d = dynamic; d->d_tag != DT_NULL; d++) {
			if (d->d_tag == DT_DEBUG && d->d_un.d_ptr != 0)
				return (const struct r_debug *)d->d_un.d_ptr;
		}
		/* "ld.so prog": the program the kernel knows is the loader. */
		struct object o;
		object_read(bias, dynamic, &o);
		const struct r_debug *glibcs = object_find(&o, "_r_debug", object_hash("_r_debug"));
		const struct r_debug *const *musls =
			object_find(&o, "_dl_debug_addr", object_hash("_dl_debug_addr"));
		return glibcs != NULL || musls == NULL ? glibcs : *musls;
	}
	return NULL;
}

static void find_loader(uintptr_t base)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;

	if (base == 0)
		return;
	const Elf64_Phdr *p = (const Elf64_Phdr *)(base + header->e_phoff);
	for (int i = 0; i < header->e_phnum; i++) {
		if (p[i].p_type != PT_LOAD || (p[i].p_flags & PF_X) == 0)
			continue;
		real.loader_start = base + p[i].p_vaddr;
		real.loader_bytes = p[i].p_memsz;
	}
}

static bool list_find(void)
{
	Elf64_auxv_t auxv[AUXV_MAX];
	const size_t n = auxv_read(auxv, sizeof(auxv)) / sizeof(auxv[0]);
	const Elf64_Phdr *headers = NULL;
	size_t n_headers = 0;
	uint64_t uid = 0, effective_uid = 0;

	for (size_t i = 0; i < n; i++) {
		const uint64_t value = auxv[i].a_un.a_val;
		if (auxv[i].a_type == AT_PHDR)
			headers = (const Elf64_Phdr *)value;
		else if (auxv[i].a_type == AT_PHNUM)
			n_headers = value;
		else if (auxv[i].a_type == AT_BASE)
			list.loader_base = value;
		else if (auxv[i].a_type == AT_UID)
			uid = value;
		else if (auxv[i].a_type == AT_EUID)
			effective_uid = value;
		else if (auxv[i].a_type == AT_SECURE)
			list.is_secure = value != 0;
	}
	list.is_go = is_go(headers, n_headers);
	find_loader(list.loader_base);
	if (headers != NULL && bias_of(headers, n_headers, &list.image.bias)) {
		list.image.headers = headers;
		list.image.n_headers = n_headers;
	}
	list.uid = uid == effective_uid ? (uint32_t)uid : NO_UID;
	const struct r_debug *debug = debug_of(headers, n_headers);
	if (debug == NULL)
		return false;
	list.head = debug->r_map;
	for (const struct link_map *m = list.head; m != NULL; m = m->l_next) {
		list.n_at_start++;
		if (m->l_ld == own_dynamic)
			__atomic_store_n(&list.self, m, __ATOMIC_RELEASE);
	}
	return list.self != NULL;
}

/* ---- what the shim asks for ---- */

/* Any hook may be the first to be called: a library's constructor, before anything was allocated. */
static bool list_is_known(void)
{
	return __atomic_load_n(&list.self, __ATOMIC_ACQUIRE) != NULL || list_find();
}

/* From @*map on, which becomes the object that has it. */
static uintptr_t find_from(const struct link_map **map, const char *name)
{
	const uint32_t hash = object_hash(name);

	for (; *map != NULL; *map = (*map)->l_next) {
		const void *found = map_find(*map, name, hash);
		if (found != NULL)
			return (uintptr_t)found;
	}
	return 0;
}

static uintptr_t find_next(const char *name, const struct link_map **ret_map)
{
	*ret_map = list_is_known() ? list.self->l_next : NULL;
	return find_from(ret_map, name);
}

uintptr_t real_next(const char *name)
{
	const struct link_map *map;

	return find_next(name, &map);
}

uintptr_t real_beside(const char *name, const char *function)
{
	const struct link_map *map;

	return find_next(name, &map) == 0 ? 0 : find_from(&map, function);
}

uintptr_t real_allocators(const char *name)
{
	const struct link_map *map = NULL;
	const uintptr_t found = real.is_glibc ? 0 : find_next(name, &map);

	return map == list.allocator ? found : 0;
}

uintptr_t real_before(const char *name)
{
	const uint32_t hash = object_hash(name);

	for (const struct link_map *m = list_is_known() ? list.head : NULL;
	     m != NULL && m != list.self; m = m->l_next) {
		const void *found = map_find(m, name, hash);
		if (found != NULL)
			return (uintptr_t)found;
	}
	return 0;
}

bool real_program_bias(uintptr_t *ret)
{
	*ret = list.image.bias;
	return list.image.headers != NULL && list.loader_base != 0;
}

/* ---- what each start asks for, in one walk ---- */

/* malloc last: who sees it set sees the others. The first ones are the members of struct real. */
#define WANTED(each)                                                                   \
	each(free) each(calloc) each(realloc) each(posix_memalign) each(aligned_alloc) \
		each(memalign) each(valloc) each(pvalloc) each(free_sized)             \
			each(free_aligned_sized) each(malloc_usable_size) each(execve) \
				each(execvpe) each(__libc_start_main) each(malloc)

static const char marks[][16] = { "__asan_init", "__tsan_init", "__hwasan_init", "__lsan_init",
				  "__msan_init" };

enum wanted {
#define AS_NUMBER(name) WANTED_##name,
	WANTED(AS_NUMBER) N_WANTED,
	N_MARKS = sizeof(marks) / sizeof(marks[0])
};

/* What the walk found; written before `real`. */
static struct {
	uintptr_t first_malloc;
	char ***environ_at;
	const long *const *stack_end;
	bool has_sanitizer;
} found;

struct walk {
	uintptr_t address[N_WANTED];
	uint32_t hashes[N_WANTED];
	uint32_t mark_hashes[N_MARKS];
	bool is_behind_us;
};

static const char wanted_names[N_WANTED][24] = {
#define AS_NAME(name) #name,
	WANTED(AS_NAME)
};

static void walk_init(struct walk *w)
{
	for (int i = 0; i < N_WANTED; i++) {
		w->address[i] = 0;
		w->hashes[i] = object_hash(wanted_names[i]);
	}
	for (int i = 0; i < N_MARKS; i++)
		w->mark_hashes[i] = object_hash(marks[i]);
	w->is_behind_us = false;
}

/* All from one allocator: the object that has malloc, else a mixture could arise when a library
 * overrides only a part. */
static void take_wanted(struct walk *w, const struct link_map *map, const struct object *o)
{
	const bool had_malloc = w->address[WANTED_malloc] != 0;

	for (int i = 0; i < N_WANTED; i++) {
		/* Another allocator's would take what lies in front of a block for a size. */
		if (i == WANTED_malloc_usable_size && had_malloc)
			continue;
		const bool is_exec = i == WANTED_execve || i == WANTED_execvpe;
		if (w->address[i] != 0 && !is_exec)
			continue;
		const uintptr_t address = (uintptr_t)object_find(o, wanted_names[i], w->hashes[i]);
		if (w->address[i] == 0)
			w->address[i] = address;
		else if (address != 0)
			real.is_exec_wrapped = true;
	}
	if (had_malloc || w->address[WANTED_malloc] == 0)
		return;
	list.allocator = map;
	real.is_glibc =
		object_find(o, "gnu_get_libc_version", object_hash("gnu_get_libc_version")) != NULL;
}

static void look_at(struct walk *w, const struct link_map *map)
{
	struct object o;

	object_read(map->l_addr, map->l_ld, &o);
	for (int i = 0; i < N_MARKS && !found.has_sanitizer; i++)
		found.has_sanitizer = object_find(&o, marks[i], w->mark_hashes[i]) != NULL;
	if (w->is_behind_us)
		take_wanted(w, map, &o);
	if (found.first_malloc == 0)
		found.first_malloc = (uintptr_t)object_find(&o, "malloc", w->hashes[WANTED_malloc]);
	if (found.environ_at == NULL)
		found.environ_at = object_find(&o, "__environ", object_hash("__environ"));
	if (found.stack_end == NULL && (map->l_addr == list.loader_base || list.loader_base == 0))
		found.stack_end =
			object_find(&o, "__libc_stack_end", object_hash("__libc_stack_end"));
}

bool real_resolve(void)
{
	struct walk w;

	if (real.is_resolved)
		return real.malloc != NULL;
	if (!list_is_known()) {
		real.is_resolved = true;
		return false;
	}
	walk_init(&w);
	for (const struct link_map *m = list.head; m != NULL; m = m->l_next) {
		if (m == list.self)
			w.is_behind_us = true;
		else
			look_at(&w, m);
	}
#define TAKE(name) real.name = (__typeof__(real.name))w.address[WANTED_##name];
	WANTED(TAKE)
	__atomic_store_n(&real.is_resolved, true, __ATOMIC_RELEASE);
	return real.malloc != NULL && real.free != NULL;
}

/* glibc's loader knows where the kernel put argc; libc's environ is not set yet when the loader
 * makes the first allocation. musl sets environ before anything of ours can run. */
static char **find_envp(void)
{
	if (found.stack_end != NULL && *found.stack_end != NULL) {
		const long argc = **found.stack_end;
		if (argc >= 0 && argc < (1L << 22))
			return (char **)(uintptr_t)(*found.stack_end + 1 + argc + 1);
	}
	return found.environ_at != NULL ? *found.environ_at : NULL;
}

void real_facts(struct process_facts *ret)
{
	/* musl's loader may have moved the break by now, and "ld.so prog" moves its arguments. */
	const bool is_as_left = found.stack_end != NULL && list.loader_base != 0;

	*ret = (struct process_facts){
		.envp = find_envp(),
		.uid = list.uid,
		.image = is_as_left ? list.image : (struct region_image){ 0 },
		.is_secure = list.is_secure,
		.has_sanitizer = found.has_sanitizer,
		/* Also a library in front of us: then that one is called in our place. */
		.is_go = list.is_go,
		.has_own_malloc = list.is_go || (list.self != list.head &&
						 found.first_malloc != (uintptr_t)real.malloc),
	};
}

char ***real_environ(void)
{
	return found.environ_at;
}

int *real_errno(void)
{
	static int *(*location)(void);

	if (location == NULL)
		location = (int *(*)(void))real_next("__errno_location");
	return location == NULL ? NULL : location();
}

/* ---- what lies where ---- */

/* As <dlfcn.h> of glibc 2.35 has it, which need not be the one that we were built with. */
struct object_found {
	uint64_t flags;
	uintptr_t start, end;
	const struct link_map *map;
	void *rest[12];
};

typedef int find_object_fn(void *address, struct object_found *ret);

/* Where what is loaded at @base ends; 0: its headers do not lie there, as of a program that is loaded at a fixed
 * place, or of a library that was made for another one. */
static uintptr_t end_of(uintptr_t base)
{
	struct reader reader = { 0 };
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
	uintptr_t end = 0;

	if (!reader_may_read(&reader, header, sizeof(*header)) || header->e_ident[0] != ELFMAG0 ||
	    header->e_ident[1] != ELFMAG1 || header->e_phentsize != sizeof(Elf64_Phdr))
		return 0;
	const Elf64_Phdr *p = (const Elf64_Phdr *)(base + header->e_phoff);
	if (!reader_may_read(&reader, p, header->e_phnum * sizeof(*p)))
		return 0;
	for (int i = 0; i < header->e_phnum; i++)
		if (p[i].p_type == PT_LOAD)
			end = base + p[i].p_vaddr + p[i].p_memsz;
	return end;
}

/* The objects of the start are never unloaded, and first. musl unloads none, and has no other. */
static bool walk_to(uintptr_t address, uintptr_t *ret_start, uintptr_t *ret_end)
{
	const struct link_map *m = list_is_known() ? list.head : NULL;

	for (int i = 0; m != NULL && i < list.n_at_start; i++, m = m->l_next) {
		const uintptr_t end = end_of(m->l_addr);
		if (end > m->l_addr && address - m->l_addr < end - m->l_addr) {
			*ret_start = m->l_addr;
			*ret_end = end;
			return true;
		}
	}
	return false;
}

bool real_object_at(uintptr_t address, uintptr_t *ret_start, uintptr_t *ret_end)
{
	/* Asked for once: of code that was made at run time, at each call that comes out of it. */
	static uintptr_t find_object;
	static bool is_looked_for;
	struct object_found object = { 0 };

	if (!__atomic_load_n(&is_looked_for, __ATOMIC_ACQUIRE)) {
		find_object = real_next("_dl_find_object");
		/* Release: pairs with the load above. */
		__atomic_store_n(&is_looked_for, true, __ATOMIC_RELEASE);
	}
	if (find_object == 0)
		return walk_to(address, ret_start, ret_end);
	if (((find_object_fn *)find_object)((void *)address, &object) != 0)
		return false;
	*ret_start = object.start;
	*ret_end = object.end;
	return true;
}

uintptr_t real_stack_end(void)
{
	return found.stack_end != NULL ? (uintptr_t)*found.stack_end : 0;
}
