/* SPDX-License-Identifier: MIT */
/* operator new and delete. Those of a C++ runtime call malloc and free and are counted there: here
 * they are only passed on. An allocator that brings its own (tcmalloc, mimalloc, jemalloc) has them
 * allocate inside itself, as a rule: these are counted here. Some take the way through malloc or
 * free all the same, so whether our hook of that was called meanwhile is looked at each time.
 *
 * Where they need not be counted they are taken out of our symbol table, before the program can ask
 * for them by name: a library that is loaded later with a C++ runtime of its own shall find that one.
 * Those which the loader has already bound to us are of the program itself and its libraries, and what
 * they would have found without us is the next in order.
 *
 * An exception passes through a frame here that has nothing to clean up. */
#include "preload/hooks.h"

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>

#include "preload/hooks_exact.h"
#include "preload/real.h"
#include "preload/shim.h"

#define EXPORT	__attribute__((visibility("default")))
#define UNUSUAL __attribute__((noinline, cold))

/* In the order of what they do. All arguments travel in registers of one kind, and what a function is
 * passed beyond its own is ignored: so all can have one type. */
/* clang-format off */
#define FUNCTIONS(each)                                                          \
	each(_Znwm) each(_ZnwmRKSt9nothrow_t)                                    \
	each(_Znam) each(_ZnamRKSt9nothrow_t)                                    \
	each(_ZnwmSt11align_val_t) each(_ZnwmSt11align_val_tRKSt9nothrow_t)      \
	each(_ZnamSt11align_val_t) each(_ZnamSt11align_val_tRKSt9nothrow_t)      \
	each(_ZdlPv) each(_ZdlPvRKSt9nothrow_t) each(_ZdlPvm)                    \
	each(_ZdaPv) each(_ZdaPvRKSt9nothrow_t) each(_ZdaPvm)                    \
	each(_ZdlPvSt11align_val_t) each(_ZdlPvSt11align_val_tRKSt9nothrow_t)    \
	each(_ZdaPvSt11align_val_t) each(_ZdaPvSt11align_val_tRKSt9nothrow_t)    \
	each(_ZdlPvmSt11align_val_t) each(_ZdaPvmSt11align_val_t)
/* clang-format on */

enum function {
#define AS_NUMBER(name) FUNCTION##name,
	FUNCTIONS(AS_NUMBER) N_FUNCTIONS,
	FIRST_ALIGNED = FUNCTION_ZnwmSt11align_val_t,
	FIRST_DELETE = FUNCTION_ZdlPv,
};

static const char names[N_FUNCTIONS][40] = {
#define AS_NAME(name) #name,
	FUNCTIONS(AS_NAME)
};

typedef void *function_fn(uintptr_t a, uintptr_t b, uintptr_t c);

/* Where a call goes on; NULL: not looked for yet, or to be counted. */
static function_fn *next[N_FUNCTIONS] __attribute__((section(".cold")));
/* The allocator's own, to be counted. */
static function_fn *counted[N_FUNCTIONS] __attribute__((section(".cold")));
/* Whether our hook of malloc or free was called inside, when it could last be told. */
static bool is_counted_inside[N_FUNCTIONS] __attribute__((section(".cold")));

extern Elf64_Sym own_symbols[] __attribute__((visibility("hidden")));
extern Elf64_Sym own_symbols_end[] __attribute__((visibility("hidden")));
extern const char own_names[] __attribute__((visibility("hidden")));

void *malloc(size_t n);
void *memalign(size_t alignment, size_t n);
void free(void *p);

/* Only a slot that is the thread's own tells what this thread did. */
static bool was_counted(enum function f, const struct sl_lane_slot *s, bool has_changed)
{
	/* Relaxed: a hint, and the same whoever sets it. */
	if (s == &life.in_ancestor || s == &life.lane->shared)
		return __atomic_load_n(&is_counted_inside[f], __ATOMIC_RELAXED);
	__atomic_store_n(&is_counted_inside[f], has_changed, __ATOMIC_RELAXED);
	return has_changed;
}

static void *count_new(enum function f, uintptr_t n, uintptr_t b, uintptr_t c)
{
	struct sl_lane_slot *s = shim_slot();

	if (s == NULL)
		return counted[f](n, b, c);
	const __s64 live = slot_get(&s->live);
	const __u64 failures = s->calls[SL_HEAP_FAILED];
	void *p = counted[f](n, b, c);
	const bool has_changed = slot_get(&s->live) != live || s->calls[SL_HEAP_FAILED] != failures;
	if (!was_counted(f, s, has_changed))
		allocated_slow(s, f < FIRST_ALIGNED ? SL_HEAP_MALLOC : SL_HEAP_MEMALIGN, p, n);
	return p;
}

static void *count_delete(enum function f, uintptr_t p, uintptr_t b, uintptr_t c)
{
	struct sl_lane_slot *s = p == 0 ? NULL : shim_slot();

	if (s == NULL)
		return counted[f](p, b, c);
	/* While the block is still there; not where free will ask for it anyway. */
	const bool is_inside = __atomic_load_n(&is_counted_inside[f], __ATOMIC_RELAXED);
	const __s64 usable = is_inside ? 0 : usable_proven((void *)p);
	const __u64 n_frees = s->calls[SL_HEAP_FREE];
	(void)block_freed((void *)p);
	(void)counted[f](p, b, c);
	if (!was_counted(f, s, s->calls[SL_HEAP_FREE] != n_frees))
		freed_slow(s, SL_HEAP_FREE, usable);
	return NULL;
}

/* Nobody else defines it: a reference that may stay open was bound to us. */
static void *stand_in(enum function f, uintptr_t a, uintptr_t b)
{
	if (f >= FIRST_DELETE)
		free((void *)a);
	return f >= FIRST_DELETE ? NULL : f >= FIRST_ALIGNED ? memalign(b, a) : malloc(a);
}

static UNUSUAL void *call_slow(enum function f, uintptr_t a, uintptr_t b, uintptr_t c)
{
	shim_prepare();
	if (counted[f] != NULL)
		return f < FIRST_DELETE ? count_new(f, a, b, c) : count_delete(f, a, b, c);
	function_fn *to = (function_fn *)real_next(names[f]);
	if (to == NULL)
		return stand_in(f, a, b);
	next[f] = to;
	return to(a, b, c);
}

#define AS_HOOK(name)                                                                         \
	EXPORT void *name(uintptr_t a, uintptr_t b, uintptr_t c);                             \
	EXPORT void *name(uintptr_t a, uintptr_t b, uintptr_t c)                              \
	{                                                                                     \
		function_fn *to = next[FUNCTION##name];                                       \
		return likely(to != NULL) ? to(a, b, c) : call_slow(FUNCTION##name, a, b, c); \
	}
FUNCTIONS(AS_HOOK)

/* ---- whose they are ---- */

static bool is_counted(const char *name)
{
	for (unsigned int f = 0; f < N_FUNCTIONS; f++) {
		if (counted[f] != NULL && text_equal(name, names[f]))
			return true;
	}
	return false;
}

void new_prepare(void)
{
	const bool has_own = shim.counts && real_allocators(names[0]) != 0;

	for (unsigned int f = 0; f < N_FUNCTIONS && has_own; f++)
		counted[f] = (function_fn *)real_allocators(names[f]);
	for (Elf64_Sym *s = own_symbols; s < own_symbols_end; s++) {
		const char *name = own_names + s->st_name;
		/* A symbol without a value is passed over, by every loader. */
		if (name[0] == '_' && name[1] == 'Z' && !(has_own && is_counted(name)))
			s->st_value = 0;
	}
}
