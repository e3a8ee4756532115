/* SPDX-License-Identifier: MIT */
/* See exact_file.h. */
#include "preload/exact_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "preload/lane.h"
#include "preload/shim.h"
#include "preload/sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct exact *exact_memory __attribute__((section(".cold")));

/* ---- parts of the file ---- */

static long open_file(const struct exact *e, int flags)
{
	return sys_call4(SYS_openat, AT_FDCWD, (long)e->path,
			 O_RDWR | O_CLOEXEC | O_NOFOLLOW | SL_OPEN_OWN | flags, 0600);
}

/* Allocates: a page that cannot be had later would be a SIGBUS. */
static bool allocate(const struct exact *e, uint64_t offset, uint64_t n)
{
	const long fd = open_file(e, 0);

	if (fd < 0)
		return false;
	const bool ok = sys_call4(SYS_fallocate, fd, 0, (long)offset, (long)n) == 0;
	(void)sys_call3(SYS_close, fd, 0, 0);
	return ok;
}

/* Maps @n bytes, of which the first @n_first are allocated. NULL: they cannot be had. */
static void *map_part(long fd, uint64_t offset, uint64_t n, uint64_t n_first)
{
	if (fd < 0 || sys_call4(SYS_fallocate, fd, 0, (long)offset, (long)n_first) != 0)
		return NULL;
	const long at = sys_call6(SYS_mmap, 0, (long)n, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
				  (long)offset);
	if (sys_failed(at))
		return NULL;
	/* A child writes nothing of ours. */
	(void)sys_call3(SYS_madvise, at, (long)n, MADV_DONTFORK);
	return (void *)at;
}

static bool grow_nodes(void *user)
{
	struct exact *e = user;
	const uint32_t room = __atomic_load_n(&e->file->nodes_room, __ATOMIC_ACQUIRE);

	if (room >= SL_EXACT_NODES || e->has_no_more_nodes || !shim_may_call())
		return false;
	/* Two threads that do it at once do the same. */
	if (!allocate(e, SL_EXACT_NODES_AT,
		      SL_EXACT_NODES * (uint64_t)sizeof(struct sl_exact_node))) {
		e->has_no_more_nodes = true;
		return false;
	}
	__atomic_store_n(&e->file->nodes_room, SL_EXACT_NODES, __ATOMIC_RELEASE);
	return true;
}

/* ---- beginning ---- */

static struct exact *memory_made(void)
{
	if (exact_memory != NULL)
		return exact_memory;
	const long at = sys_call6(SYS_mmap, 0, sizeof(struct exact), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(at))
		return NULL;
	if (sys_call3(SYS_madvise, at, sizeof(struct exact), MADV_WIPEONFORK) != 0) {
		(void)sys_call3(SYS_munmap, at, sizeof(struct exact), 0);
		return NULL;
	}
	exact_memory = (struct exact *)at;
	return exact_memory;
}

static bool set_path(struct exact *e)
{
	const char *end = e->path + sizeof(e->path);
	char *at = text_append(e->path, end, shim.settings.directory);

	at = text_append(at, end, "/" SL_EXACT_PREFIX);
	at = text_append_number(at, end, shim.pid);
	at = text_append(at, end, "-");
	at = text_append_number(at, end, life.lane->start_ns);
	return at + 1 < end;
}

/* Past its file size limit a process is killed; and what it may map is the program's. */
static bool may_grow(void)
{
	struct rlimit file = { 0 }, map = { 0 };

	return sys_call4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&file) == 0 &&
	       file.rlim_cur >= SL_EXACT_BYTES &&
	       sys_call4(SYS_prlimit64, 0, RLIMIT_AS, 0, (long)&map) == 0 &&
	       map.rlim_cur == RLIM_INFINITY;
}

/* An image may have been begun by one that gave it up: who reads it is killed. */
static bool may_read_clock(void)
{
	uint32_t mode = PR_TSC_ENABLE;

	/* Where the kernel does not know the question nobody could have asked for it. */
	(void)sys_call3(SYS_prctl, PR_GET_TSC, (long)&mode, 0);
	return mode == PR_TSC_ENABLE;
}

static struct sl_exact *file_made(const struct exact *e)
{
	const long fd = open_file(e, O_CREAT | O_EXCL);
	struct sl_exact *file = NULL;

	if (fd >= 0 && sys_call3(SYS_ftruncate, fd, SL_EXACT_BYTES, 0) == 0)
		file = map_part(fd, 0, SL_EXACT_RINGS_AT,
				SL_EXACT_NODES_AT +
					SL_EXACT_NODES_FIRST * sizeof(struct sl_exact_node));
	if (fd >= 0)
		(void)sys_call3(SYS_close, fd, 0, 0);
	if (file == NULL && fd >= 0)
		(void)sys_call3(SYS_unlink, (long)e->path, 0, 0);
	return file;
}

static bool file_begin(struct exact *e)
{
	if (!may_grow() || !may_read_clock() || !set_path(e))
		return false;
	struct sl_exact *file = file_made(e);
	if (file == NULL)
		return false;
	file->version = SL_EXACT_VERSION;
	file->ns_pid = shim.pid;
	file->clock = __builtin_ia32_rdtsc();
	file->nodes_room = SL_EXACT_NODES_FIRST;
	e->code.directory = shim.settings.directory;
	e->code.may_call = shim_may_call;
	e->nodes = (struct stack_nodes){
		.file = file,
		.nodes = (struct sl_exact_node *)(void *)((char *)file + SL_EXACT_NODES_AT),
		.buckets = e->buckets,
		.grow = grow_nodes,
		.user = e,
	};
	/* Release: pairs with the collector's acquire; who sees it sees the fields above. */
	__atomic_store_n(&file->magic, SL_EXACT_MAGIC, __ATOMIC_RELEASE);
	__atomic_store_n(&e->file, file, __ATOMIC_RELEASE);
	return true;
}

bool exact_file_begin(void)
{
	struct exact *e = shim_may_call() ? memory_made() : NULL;
	uint32_t expected = 0;

	if (e == NULL || e->file != NULL ||
	    !__atomic_compare_exchange_n(&e->is_starting, &expected, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return e != NULL && e->file != NULL;
	const bool is_begun = file_begin(e);
	__atomic_store_n(&e->is_starting, 0, __ATOMIC_RELEASE);
	return is_begun;
}

/* So that the reader looks at no more than there are. */
static void raise_n_rings(struct sl_exact *file, uint32_t n)
{
	uint32_t before = __atomic_load_n(&file->n_rings, __ATOMIC_RELAXED);

	while (before < n && !__atomic_compare_exchange_n(&file->n_rings, &before, n, false,
							  __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

/* Which part is written to. */
static void set_part(struct exact_thread *t)
{
	const bool is_large = t->ring->grown_at != ~0ull;
	uint64_t *small = (uint64_t *)(void *)(t->ring + 1);

	t->words = is_large ? small + SL_EXACT_SMALL : small;
	t->size = is_large ? SL_EXACT_LARGE : SL_EXACT_SMALL;
}

void exact_ring_mend(struct exact_thread *t)
{
	if (t->state != RING_THERE)
		return;
	set_part(t);
	t->limit = t->head; /* to be looked at */
	t->clock = 0;
}

bool exact_ring_begin(struct exact *e, struct exact_thread *t)
{
	const uint64_t offset =
		SL_EXACT_RINGS_AT + (uint64_t)(t - e->threads) * SL_EXACT_RING_BYTES;
	char *at = NULL;

	if (shim_may_call()) {
		const long fd = open_file(e, 0);
		at = map_part(fd, offset, SL_EXACT_RING_BYTES, SL_EXACT_RING_FIRST);
		if (fd >= 0)
			(void)sys_call3(SYS_close, fd, 0, 0);
	}
	/* By a signal's handler that came in between: one mapping too many does no harm. */
	if (t->state == RING_THERE)
		return true;
	if (at == NULL) {
		t->state = RING_REFUSED;
		return false;
	}
	t->ring = (struct sl_exact_ring *)(void *)at;
	__atomic_store_n(&t->ring->grown_at, ~0ull, __ATOMIC_RELEASE);
	set_part(t);
	t->limit = SL_EXACT_SMALL;
	t->state = RING_THERE;
	raise_n_rings(e->file, (uint32_t)(t - e->threads) + 1);
	return true;
}

bool exact_ring_grow(struct exact *e, struct exact_thread *t)
{
	const uint64_t offset =
		SL_EXACT_RINGS_AT + (uint64_t)(t - e->threads) * SL_EXACT_RING_BYTES;

	if (t->size == SL_EXACT_LARGE || !shim_may_call() ||
	    !allocate(e, offset + SL_EXACT_RING_FIRST, SL_EXACT_LARGE * sizeof(uint64_t)))
		return false;
	__atomic_store_n(&t->ring->grown_at, t->head, __ATOMIC_RELEASE);
	set_part(t);
	t->limit = t->head + SL_EXACT_LARGE;
	return true;
}
