/* SPDX-License-Identifier: MIT */
/* Finds the functions the shim stands in front of, without dlsym: dlsym allocates, takes the
 * loader's lock and, before glibc 2.34, calls calloc. Instead the loader's own list of objects
 * is walked and their hash tables are read. No lock, no allocation, no call into the loader.
 *
 * Objects that were there at program start are never unloaded and come first in the list, so
 * walking it while another thread runs dlopen is safe as long as the walk ends among them; it does,
 * since libc is one of them. */
#ifndef PRELOAD_REAL_H
#define PRELOAD_REAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/region.h"

/* The functions allocations are forwarded to. All NULL until real_resolve(); malloc_usable_size and
 * those libc may not have can stay NULL. */
struct real {
	void *(*malloc)(size_t);
	void (*free)(void *);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	void *(*memalign)(size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	void (*free_sized)(void *, size_t);
	void (*free_aligned_sized)(void *, size_t, size_t);
	size_t (*malloc_usable_size)(void *);
	/* Found along with them: a forked child, which would have to look for them again each time,
	 * calls one of these next. */
	int (*execve)(const char *, char *const *, char *const *);
	int (*execvpe)(const char *, char *const *, char *const *);
	uintptr_t __libc_start_main;
	/* Where the loader's code is, which allocates for new threads. */
	uintptr_t loader_start;
	size_t loader_bytes; /* 0: not known */
	bool is_resolved;
	bool is_exec_wrapped; /* another library, too, stands in front of libc's execve or execvpe */
	bool is_glibc;	      /* malloc is glibc's own: a chunk's size stands in front of it */
};

extern struct real real __attribute__((visibility("hidden")));

#define NO_UID UINT32_MAX

/* Facts about the process, from the same walk. */
struct process_facts {
	uint32_t uid;		   /* as the image began; NO_UID: the effective one differs */
	char **envp;		   /* where the environment's pointers are, or NULL */
	struct region_image image; /* empty: whose memory does not lie as the kernel left it */
	bool is_secure;		   /* AT_SECURE */
	bool has_sanitizer;	   /* a sanitizer's runtime is loaded */
	bool has_own_malloc;	   /* the program itself defines malloc: we see nothing */
	bool is_go;		   /* … or has Go's */
};

/* Fills @real. Idempotent: two threads doing it at once write the same words. False if not even
 * malloc and free were found; the hooks then use the emergency functions. */
bool real_resolve(void);
void real_facts(struct process_facts *ret);
/* Where the program keeps environ, as the walk found it; NULL: nowhere. */
char ***real_environ(void);

/* Where the calling thread's errno is, or NULL. */
int *real_errno(void);

/* The address of the function @name that follows ours in the search order, or 0. */
uintptr_t real_next(const char *name);
/* @function of the first object behind ours that defines @name, or of those behind that one; or 0. */
uintptr_t real_beside(const char *name, const char *function);
/* As real_next(), but only if the allocator itself, that malloc is taken from, defines it; else 0. */
uintptr_t real_allocators(const char *name);

/* The function @name of the program, or of a library in front of ours; or 0. */
uintptr_t real_before(const char *name);
/* What lies between the addresses of the program's file and those it has; false: it was not begun by the
 * kernel, but by a loader that was run as a program. */
bool real_program_bias(uintptr_t *ret);
/* Where the object lies that has @address; false: none that is known. No lock is taken. */
bool real_object_at(uintptr_t address, uintptr_t *ret_start, uintptr_t *ret_end);
/* Where the main stack ends, at least; 0: unknown. */
uintptr_t real_stack_end(void);

/* Allocation of last resort, one mapping each, never reused: only if no libc was found. */
void *emergency_alloc(size_t n, size_t alignment);
size_t emergency_size(const void *p);

#endif
