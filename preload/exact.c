/* SPDX-License-Identifier: MIT */
/* See exact.h. */
#include "preload/exact.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "bpf/exact.h"
#include "preload/lane.h"
#include "preload/shim.h"
#include "preload/sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

#define UNUSUAL __attribute__((noinline, cold))

enum {
	PATH_LIMIT = 320,
	RECORD_MAX = 3, /* words */
	NAPS_MAX = 20000,
	NAP_NS = 100000,
};

struct exact_thread {
	enum { RING_NONE, RING_THERE, RING_REFUSED } state;
	struct sl_exact_ring *ring;
	uint64_t *small, *large;
	uint64_t head, tail, grown_at; /* as in the ring; tail: as it was last seen */
	uintptr_t busy;		       /* where on the stack a record is being made; 0: none is */
	struct unwind_thread unwind;
};

/* Zero at first, and again in a forked child. */
struct exact {
	struct sl_exact *file; /* NULL: not begun */
	uint32_t is_starting;
	bool is_refused;
	struct code code;
	struct stack_nodes nodes;
	char path[PATH_LIMIT];
	struct exact_thread threads[SL_LANE_SLOTS];
	uint32_t buckets[NODE_BUCKETS];
};

static struct exact *memory __attribute__((section(".cold")));

static bool may_call(void)
{
	return !shim.is_off && !shim.is_sealed;
}

static bool is_wanted(void)
{
	return __atomic_load_n(&tree->exact, __ATOMIC_RELAXED) != SL_EXACT_OFF;
}

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

	if (room >= SL_EXACT_NODES)
		return false;
	/* Two threads that do it at once do the same. */
	if (!may_call() || !allocate(e, SL_EXACT_NODES_AT,
				     SL_EXACT_NODES * (uint64_t)sizeof(struct sl_exact_node)))
		return false;
	__atomic_store_n(&e->file->nodes_room, SL_EXACT_NODES, __ATOMIC_RELEASE);
	return true;
}

/* ---- beginning ---- */

static struct exact *memory_made(void)
{
	if (memory != NULL)
		return memory;
	const long at = sys_call6(SYS_mmap, 0, sizeof(*memory), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(at))
		return NULL;
	if (sys_call3(SYS_madvise, at, sizeof(*memory), MADV_WIPEONFORK) != 0) {
		(void)sys_call3(SYS_munmap, at, sizeof(*memory), 0);
		return NULL;
	}
	memory = (struct exact *)at;
	return memory;
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

/* Past its file size limit a process is killed. */
static bool may_grow(void)
{
	struct rlimit limit = { 0 };

	return sys_call4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit) == 0 &&
	       limit.rlim_cur >= SL_EXACT_BYTES;
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
	if (!may_grow() || !set_path(e))
		return false;
	struct sl_exact *file = file_made(e);
	if (file == NULL)
		return false;
	file->version = SL_EXACT_VERSION;
	file->ns_pid = shim.pid;
	file->start_ns = life.lane->start_ns;
	file->clock = __builtin_ia32_rdtsc();
	file->clock_ns = clock_ns();
	file->nodes_room = SL_EXACT_NODES_FIRST;
	e->code.directory = shim.settings.directory;
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

void exact_begin(void)
{
	struct exact *e = is_wanted() && may_call() ? memory_made() : NULL;
	uint32_t expected = 0;

	if (e == NULL || e->is_refused || e->file != NULL ||
	    !__atomic_compare_exchange_n(&e->is_starting, &expected, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return;
	e->is_refused = !file_begin(e);
	__atomic_store_n(&e->is_starting, 0, __ATOMIC_RELEASE);
}

static bool ring_begin(struct exact *e, struct exact_thread *t)
{
	const uint64_t offset =
		SL_EXACT_RINGS_AT + (uint64_t)(t - e->threads) * SL_EXACT_RING_BYTES;
	char *at = NULL;

	if (may_call()) {
		const long fd = open_file(e, 0);
		at = map_part(fd, offset, SL_EXACT_RING_BYTES, SL_EXACT_RING_FIRST);
		if (fd >= 0)
			(void)sys_call3(SYS_close, fd, 0, 0);
	}
	t->state = at == NULL ? RING_REFUSED : RING_THERE;
	if (at == NULL)
		return false;
	t->ring = (struct sl_exact_ring *)(void *)at;
	t->small = (uint64_t *)(void *)(at + sizeof(*t->ring));
	t->large = t->small + SL_EXACT_SMALL;
	t->grown_at = ~0ull;
	__atomic_store_n(&t->ring->grown_at, ~0ull, __ATOMIC_RELEASE);
	return true;
}

/* ---- whose ring ---- */

static void count(__u64 *counter)
{
	/* Relaxed: a sum of its own. */
	(void)__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* NULL: nothing is recorded. */
static inline struct exact *recording(void)
{
	struct exact *e = memory;

	return e != NULL && e->file != NULL &&
			       !__atomic_load_n(&e->file->is_over, __ATOMIC_RELAXED) && is_wanted()
		       ? e
		       : NULL;
}

/* The thread's place in its lane is its ring. NULL: it has none. */
static inline struct exact_thread *thread_of(struct exact *e)
{
	const uintptr_t at =
		(uintptr_t)thread_state.slot - (uintptr_t)life.lane - life.lane->slots_offset;
	const uintptr_t i = at / sizeof(struct sl_lane_slot);

	return likely(i < SL_LANE_SLOTS) ? &e->threads[i] : NULL;
}

/* A signal handler that allocates while its thread makes a record goes without one. What was left by
 * siglongjmp() is over: it stood further in. */
static inline struct exact_thread *enter(struct exact *e)
{
	struct exact_thread *t = thread_of(e);
	const uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	if (unlikely(t == NULL || (t->busy != 0 && here < t->busy) || t->state == RING_REFUSED ||
		     (t->state == RING_NONE && !ring_begin(e, t)))) {
		count(&e->file->n_unrecorded);
		return NULL;
	}
	t->busy = here;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return t;
}

static inline void leave(struct exact_thread *t)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->busy = 0;
}

void exact_thread_begin(void)
{
	struct exact *e = memory;
	struct exact_thread *t = e != NULL && e->file != NULL ? thread_of(e) : NULL;

	/* Another thread may have had the place before. */
	if (t != NULL) {
		t->busy = 0;
		t->unwind.low = t->unwind.high = 0;
		t->unwind.n_last = 0;
	}
}

/* ---- room ---- */

static uint64_t n_free(const struct exact_thread *t)
{
	if (t->grown_at == ~0ull)
		return SL_EXACT_SMALL - (t->head - t->tail);
	return SL_EXACT_LARGE - (t->head - (t->tail > t->grown_at ? t->tail : t->grown_at));
}

/* The reader's word is not believed beyond what was written. */
static bool look_at_tail(struct exact_thread *t)
{
	/* Acquire: what was read may be overwritten. */
	const uint64_t tail = __atomic_load_n(&t->ring->tail, __ATOMIC_ACQUIRE);

	if (tail >= t->tail && tail <= t->head)
		t->tail = tail;
	return n_free(t) >= RECORD_MAX;
}

static bool ring_grow(struct exact *e, struct exact_thread *t)
{
	const uint64_t offset =
		SL_EXACT_RINGS_AT + (uint64_t)(t - e->threads) * SL_EXACT_RING_BYTES;

	if (t->grown_at != ~0ull || !may_call() ||
	    !allocate(e, offset + SL_EXACT_RING_FIRST, SL_EXACT_LARGE * sizeof(uint64_t)))
		return false;
	t->grown_at = t->head;
	__atomic_store_n(&t->ring->grown_at, t->head, __ATOMIC_RELEASE);
	return true;
}

static UNUSUAL bool make_room(struct exact *e, struct exact_thread *t)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };

	if (look_at_tail(t) || ring_grow(e, t))
		return true;
	for (int i = 0; i < NAPS_MAX && may_call() &&
			__atomic_load_n(&tree->exact, __ATOMIC_RELAXED) == SL_EXACT_SLOW;
	     i++) {
		t->ring->n_naps++;
		(void)sys_call3(SYS_nanosleep, (long)&nap, 0, 0);
		if (look_at_tail(t))
			return true;
	}
	count(&e->file->n_lost);
	__atomic_store_n(&e->file->is_over, 1, __ATOMIC_RELAXED);
	return false;
}

static inline uint64_t *word_at(const struct exact_thread *t, uint64_t n)
{
	return n < t->grown_at ? &t->small[n % SL_EXACT_SMALL] : &t->large[n % SL_EXACT_LARGE];
}

static inline uint64_t clock_word(enum sl_exact_kind kind)
{
	return __builtin_ia32_rdtsc() << SL_EXACT_KIND_BITS | kind;
}

static inline void publish(struct exact_thread *t, uint64_t n)
{
	t->head += n;
	/* Release: pairs with the collector's acquire; what is below was written. */
	__atomic_store_n(&t->ring->head, t->head, __ATOMIC_RELEASE);
}

/* ---- records ---- */

void exact_allocated(const struct unwind_start *start, const void *p, __s64 usable)
{
	struct exact *e = recording();
	struct exact_thread *t = e == NULL ? NULL : enter(e);

	if (unlikely(t == NULL))
		return;
	const uint64_t stack = unwind_stack(&e->code, &e->nodes, &t->unwind, start, may_call());
	if (likely(n_free(t) >= RECORD_MAX) || make_room(e, t)) {
		const uint64_t bytes = (uint64_t)usable < SL_EXACT_USABLE_MAX ? (uint64_t)usable
									      : SL_EXACT_USABLE_MAX;
		*word_at(t, t->head) = clock_word(SL_EXACT_ALLOCATED);
		*word_at(t, t->head + 1) = (uintptr_t)p;
		*word_at(t, t->head + 2) = stack << SL_EXACT_USABLE_BITS | bytes;
		publish(t, RECORD_MAX);
	}
	leave(t);
}

__attribute__((noinline)) void exact_allocated_here(const void *p, __s64 usable)
{
	const struct unwind_start start = UNWIND_START();

	exact_allocated(&start, p, usable);
}

void exact_freed(const void *p)
{
	struct exact *e = recording();
	struct exact_thread *t = e == NULL ? NULL : enter(e);

	if (unlikely(t == NULL))
		return;
	if (likely(n_free(t) >= RECORD_MAX) || make_room(e, t)) {
		*word_at(t, t->head) = clock_word(SL_EXACT_FREED);
		*word_at(t, t->head + 1) = (uintptr_t)p;
		publish(t, 2);
	}
	leave(t);
}

void exact_code_changed(void)
{
	if (memory != NULL && memory->file != NULL)
		code_changed(&memory->code);
}
