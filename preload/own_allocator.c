/* SPDX-License-Identifier: MIT */
/* See own_allocator.h. Of jemalloc it is also told where a thread's own counters are: startline reads those
 * of all threads from outside, whenever it looks at the process (collect/proc/own_allocator.h). */
#include "preload/own_allocator.h"

#include <fcntl.h>

#include "bpf/schema.h"
#include "preload/image_symbols.h"
#include "preload/real.h"
#include "preload/shim.h"
#include "preload/sys.h"

typedef int mallctl_fn(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
typedef void process_info_fn(size_t *elapsed, size_t *user, size_t *system, size_t *rss,
			     size_t *peak_rss, size_t *commit, size_t *peak_commit, size_t *faults);
typedef int numeric_property_fn(const char *name, size_t *value);
typedef int version_number_fn(void);
typedef const char *version_text_fn(int *major, int *minor, const char **patch);

enum {
	VERSION_MAX = 32,
	/* jemalloc's own blocks for each thread's cache are among what it says is allocated: 28 KiB in
	 * 5.3 as it is configured by default. */
	CACHE_BYTES = 32 << 10,
	STACK_SCANNED = 1 << 20,
	SIGNALS = 64,
};

/* A function is only called where another of the same library stands beside it: a program may have one of
 * its own that is named like that. */
static const struct {
	enum sl_allocator_kind kind;
	char call[40], witness[24]; /* no pointers, which the loader would have to write */
} known[] = {
	{ SL_ALLOCATOR_JEMALLOC, "mallctl", "mallctlnametomib" },
	{ SL_ALLOCATOR_JEMALLOC, "je_mallctl", "je_mallctlnametomib" },
	{ SL_ALLOCATOR_MIMALLOC, "mi_process_info", "mi_version" },
	{ SL_ALLOCATOR_TCMALLOC, "MallocExtension_GetNumericProperty", "tc_version" },
};

enum { N_KNOWN = sizeof(known) / sizeof(known[0]) };
_Static_assert(2 * N_KNOWN <= IMAGE_NAMES, "all are looked for at once");

static struct {
	enum sl_allocator_kind kind; /* 0: none */
	uintptr_t call, witness;
	const uint64_t *allocated, *freed; /* of the first thread; NULL */
} own __attribute__((section(".cold")));

/* ---- finding it ---- */

typedef uintptr_t find_fn(const char *name);

static bool find_exported(find_fn *find)
{
	for (int i = 0; i < N_KNOWN && own.kind == 0; i++) {
		own.call = find(known[i].call);
		own.witness = own.call == 0 ? 0 : find(known[i].witness);
		if (own.witness != 0)
			own.kind = known[i].kind;
	}
	return own.kind != 0;
}

static void find_hidden(void)
{
	uintptr_t bias;
	struct image_names names = { 0 };

	if (!real_program_bias(&bias))
		return;
	const int fd = (int)sys_call4(SYS_openat, AT_FDCWD, (long)"/proc/self/exe",
				      O_RDONLY | O_CLOEXEC | SL_OPEN_OWN, 0);
	if (fd < 0)
		return;
	for (int i = 0; i < N_KNOWN; i++) {
		names.names[2 * i] = known[i].call;
		names.names[2 * i + 1] = known[i].witness;
	}
	image_symbols_find(fd, &names);
	(void)sys_call3(SYS_close, fd, 0, 0);
	for (int i = 0; i < N_KNOWN && own.kind == 0; i++) {
		if (names.values[2 * i] == 0 || names.values[2 * i + 1] == 0)
			continue;
		own.kind = known[i].kind;
		own.call = bias + names.values[2 * i];
		own.witness = bias + names.values[2 * i + 1];
	}
}

/* ---- asking it ---- */

/* jemalloc's sizes have the width of a pointer, as all that is asked here. */
static bool ask_jemalloc(const char *name, void *ret)
{
	size_t n = sizeof(uint64_t);

	return ((mallctl_fn *)own.call)(name, ret, &n, NULL, 0) == 0 && n == sizeof(uint64_t);
}

static uint64_t jemalloc_number(const char *name)
{
	uint64_t value = 0;

	return ask_jemalloc(name, &value) ? value : SL_UNKNOWN;
}

static char *jemalloc_version(char *at, const char *end)
{
	const char *text = NULL;

	/* "5.3.0-0-g54eaed1d…": what follows is about its sources. */
	if (ask_jemalloc("version", &text) && text != NULL)
		while (*text != '\0' && *text != '-' && at + 1 < end)
			*at++ = *text++;
	*at = '\0';
	return at;
}

/* 2.0.9 is 209, 3.4.2 is 30402, by their numbers of digits. */
static void mimalloc_version(char *at, const char *end)
{
	const int number = ((version_number_fn *)own.witness)();
	const uint64_t n = number > 0 ? (uint64_t)number : 0;
	const uint64_t base = n >= 10000 ? 100 : 10;

	at = text_append_number(at, end, n / base / base);
	at = text_append(at, end, ".");
	at = text_append_number(at, end, n / base % base);
	at = text_append(at, end, ".");
	(void)text_append_number(at, end, n % base);
}

static void tcmalloc_version(char *at, const char *end)
{
	int major = 0, minor = 0;
	const char *patch = NULL;

	(void)((version_text_fn *)own.witness)(&major, &minor, &patch);
	at = text_append_number(at, end, major > 0 ? (uint64_t)major : 0);
	at = text_append(at, end, ".");
	(void)text_append_number(at, end, minor > 0 ? (uint64_t)minor : 0);
}

static void read_version(char to[static VERSION_MAX])
{
	const char *end = to + VERSION_MAX;

	to[0] = '\0';
	if (own.kind == SL_ALLOCATOR_JEMALLOC)
		(void)jemalloc_version(to, end);
	else if (own.kind == SL_ALLOCATOR_MIMALLOC)
		mimalloc_version(to, end);
	else
		tcmalloc_version(to, end);
}

static uint64_t tcmalloc_number(const char *name)
{
	size_t value = 0;

	return ((numeric_property_fn *)own.call)(name, &value) != 0 ? value : SL_UNKNOWN;
}

static void ask_all(struct sl_allocator *e)
{
	size_t unused, commit = 0;

	switch (own.kind) {
	case SL_ALLOCATOR_JEMALLOC: {
		uint64_t epoch = 1;
		size_t n = sizeof(epoch);
		/* What it says is of the last time that somebody asked for new sums. */
		if (((mallctl_fn *)own.call)("epoch", &epoch, &n, &epoch, n) != 0)
			return;
		const uint64_t allocated = jemalloc_number("stats.allocated");
		/* 4096: of all arenas. Before 5.0 there is no such name, nor that number. */
		const uint64_t cached = jemalloc_number("stats.arenas.4096.tcache_bytes");
		if (allocated != SL_UNKNOWN && cached != SL_UNKNOWN && cached <= allocated) {
			e->live_bytes = allocated - cached;
			e->thread_error_bytes = CACHE_BYTES;
		}
		e->held_bytes = jemalloc_number("stats.active");
		return;
	}
	case SL_ALLOCATOR_MIMALLOC:
		((process_info_fn *)own.call)(&unused, &unused, &unused, &unused, &unused, &commit,
					      &unused, &unused);
		e->held_bytes = commit;
		return;
	case SL_ALLOCATOR_TCMALLOC:
		e->live_bytes = tcmalloc_number("generic.current_allocated_bytes");
		e->held_bytes = tcmalloc_number("generic.heap_size");
		return;
	case SL_ALLOCATOR_LIMIT:
		return;
	}
}

/* ---- telling ---- */

static void tell(enum sl_when when, const struct sl_allocator *said, const char *version)
{
	const size_t n = text_length(version);
	struct sl_event *event = shim_record(sizeof(*said) + n + 1);

	if (event == NULL)
		return;
	struct sl_allocator *e = (struct sl_allocator *)(void *)event;
	copy_bytes((char *)e + sizeof(*event), (const char *)said + sizeof(*event),
		   sizeof(*said) - sizeof(*event));
	e->when = when;
	e->allocator = own.kind;
	if (own.allocated != NULL && own.freed != NULL) {
		e->threads = 1;
		e->allocated_bytes = *own.allocated;
		e->freed_bytes = *own.freed;
		e->allocated_at = (uint64_t)(uintptr_t)own.allocated;
		e->freed_at = (uint64_t)(uintptr_t)own.freed;
	}
	copy_bytes(e->text, version, n);
	e->text[n] = '\0';
	lane_commit(event, SL_KIND_ALLOCATOR);
}

void own_allocator_begin(bool is_own)
{
	const struct sl_allocator nothing = { .live_bytes = SL_UNKNOWN,
					      .held_bytes = SL_UNKNOWN,
					      .thread_error_bytes = 0 };
	char version[VERSION_MAX];

	if (life.lane == NULL || (shim.settings.flags & SHIM_COUNTS_HEAP) == 0)
		return;
	/* Where the program's malloc is not the library's, it may still lead there. */
	const bool is_exported = find_exported(real_before) || (is_own && find_exported(real_next));
	/* Filters may kill who asks whether there is one. */
	if (!is_exported && !is_own)
		return;
	if (!shim_may_call()) {
		own.kind = 0;
		return;
	}
	const uint64_t begin_ns = clock_ns();
	if (!is_exported)
		find_hidden();
	if (own.kind != 0) {
		read_version(version);
		if (own.kind == SL_ALLOCATOR_JEMALLOC &&
		    (!ask_jemalloc("thread.allocatedp", &own.allocated) ||
		     !ask_jemalloc("thread.deallocatedp", &own.freed)))
			own.allocated = own.freed = NULL;
		tell(SL_WHEN_START, &nothing, version);
	}
	if (own.kind != 0 || is_own)
		shim_spent(begin_ns);
}

/* False: @signal has no handler that could be running. *ret_returns_to: where one goes on when it returns. */
static bool has_handler(int signal, uintptr_t *ret_returns_to)
{
	/* As the kernel has it. */
	struct {
		uintptr_t handler;
		unsigned long flags;
		uintptr_t restorer;
		uint64_t mask;
	} action;

	if (sys_call4(SYS_rt_sigaction, signal, 0, (long)&action, sizeof(action.mask)) != 0)
		return false;
	*ret_returns_to = action.restorer;
	return action.handler > 1; /* neither SIG_DFL nor SIG_IGN */
}

/* Whether exit may have been called by a signal's handler, which may have interrupted the allocator: the
 * place where a handler returns to is then on the stack. Stacks that are not the first thread's are not
 * looked at. */
static bool may_be_in_handler(void)
{
	const uintptr_t *at = (const uintptr_t *)__builtin_frame_address(0);
	const uintptr_t end = shim.stack_end;
	uintptr_t returns_to[4];
	int n = 0;

	for (int signal = 1; signal <= SIGNALS; signal++) {
		uintptr_t to = 0;
		if (!has_handler(signal, &to))
			continue;
		bool is_new = true;
		for (int i = 0; i < n; i++)
			is_new &= returns_to[i] != to;
		if (is_new && n == 4)
			return true;
		if (is_new)
			returns_to[n++] = to;
	}
	if (n == 0)
		return false;
	if ((uintptr_t)at >= end || end - (uintptr_t)at > STACK_SCANNED)
		return true;
	for (; (uintptr_t)(at + 1) <= end; at++)
		for (int i = 0; i < n; i++)
			if (*at == returns_to[i])
				return true;
	return false;
}

void own_allocator_end(void)
{
	struct sl_allocator said = { .live_bytes = SL_UNKNOWN,
				     .held_bytes = SL_UNKNOWN,
				     .thread_error_bytes = 0 };

	if (own.kind == 0 || life.lane == NULL || shim.last_generation != GENERATION_STEP ||
	    !shim_may_call() || !shim_is_own_process())
		return;
	/* A call of the kernel, too. */
	const uint64_t begin_ns = clock_ns();
	if (!may_be_in_handler())
		ask_all(&said);
	tell(SL_WHEN_EXIT, &said, "");
	shim_spent(begin_ns);
}
