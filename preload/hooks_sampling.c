/* SPDX-License-Identifier: MIT */
/* The fast path of threads that sample: what hooks.c does, and besides a countdown at each allocation
 * and a byte that is looked at at each free. What a sample costs comes on top, once in half a megabyte or
 * so: the block is noted, and told of (bpf/block.h). */
#include "preload/hooks_sampling.h"

#include <signal.h>
#include <sys/mman.h>

#include "preload/block_ring.h"
#include "preload/hooks.h"
#include "preload/hooks_exact.h"
#include "preload/real.h"
#include "preload/shim.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

#define HOT	__attribute__((aligned(64)))
#define UNUSUAL __attribute__((noinline, cold))

/* Made with the first sample, and then for good. */
static struct sampled *table __attribute__((section(".cold")));

/* ---- samples ---- */

static struct sampled *table_made(void)
{
	struct sampled *made = __atomic_load_n(&table, __ATOMIC_ACQUIRE);

	if (made != NULL)
		return made;
	const long at = sys_call6(SYS_mmap, 0, sizeof(*made), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sys_failed(at))
		return NULL;
	/* A forked child frees what it inherited: these are not the blocks that were told of. */
	const bool is_wiped = sys_call3(SYS_madvise, at, sizeof(*made), MADV_WIPEONFORK) == 0;
	if (!is_wiped || !__atomic_compare_exchange_n(&table, &made, (struct sampled *)at, false,
						      __ATOMIC_RELEASE, __ATOMIC_ACQUIRE))
		(void)sys_call3(SYS_munmap, at, sizeof(*made), 0);
	return is_wiped ? table : NULL;
}

/* Tells the calling thread, and how far it is in its calls; 0: unknown. Two are equal if the thread
 * has called nothing in between. */
static uint64_t thread_position(void)
{
	const struct sl_lane_slot *s = thread_state.slot;
	uint64_t n = 0;

	if (s == NULL || s == &life.lane->shared)
		return 0;
	for (int i = 0; i < SL_HEAP_BUCKETS; i++)
		n += s->buckets[i];
	n += s->calls[SL_HEAP_FAILED] + s->calls[SL_HEAP_FREE];
	const uint64_t place = (uintptr_t)s - (uintptr_t)life.lane;
	return place << 32 | (uint32_t)n;
}

static void count_lost(__u64 *counter)
{
	/* Relaxed: a sum of its own. */
	(void)__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static bool has_probes(void)
{
	return (shim.settings.flags & SHIM_PROBES_TAKE_STACKS) != 0;
}

/* Made with the first block that is to be told of; asked for once, and by one thread. */
static struct sl_blocks *blocks_made(void)
{
	struct sl_blocks *blocks = __atomic_load_n(&life.blocks, __ATOMIC_ACQUIRE);

	if (blocks != NULL || __atomic_exchange_n(&life.has_asked_for_blocks, 1, __ATOMIC_RELAXED))
		return blocks;
	/* A handler that leaves by siglongjmp() would take the one ring along. */
	const uint64_t all = ~0ull;
	uint64_t before = 0;
	const bool is_masked = sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before,
					 sizeof(all)) == 0;
	blocks = block_ring_open(shim.settings.directory, shim.pid, clock_ns());
	if (is_masked)
		(void)sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof(before));
	/* Release: pairs with the load above. */
	__atomic_store_n(&life.blocks, blocks, __ATOMIC_RELEASE);
	return blocks;
}

/* A call to the probes also passes filters that no hook saw being installed. */
static bool may_tell(void)
{
	if (has_probes())
		return !shim.is_off && !shim.is_sealed;
	return shim_may_call() && blocks_made() != NULL;
}

#if defined(__x86_64__)
/* Those that a function finds its caller's by, and where they were so; by DWARF's numbers. */
#define NOTE_REGISTERS(to)                                                                      \
	__asm__ volatile("movq %%rbx, 24(%0)\n\tmovq %%rbp, 48(%0)\n\tmovq %%rsp, 56(%0)\n\t"   \
			 "movq %%r12, 96(%0)\n\tmovq %%r13, 104(%0)\n\tmovq %%r14, 112(%0)\n\t" \
			 "movq %%r15, 120(%0)\n\tleaq (%%rip), %%rcx\n\tmovq %%rcx, 128(%0)"    \
			 :                                                                      \
			 : "r"(to)                                                              \
			 : "rcx", "memory")
#endif

enum { DWARF_RSP = 7 };

/* Nobody needs what lies above the stack: the thread's own variables, the environment. */
static uint64_t stack_bytes(uintptr_t sp)
{
	const uintptr_t ends[] = { thread_pointer(), shim.stack_end };
	uint64_t n = SL_BLOCKS_STACK_BYTES;

	for (int i = 0; i < 2; i++) {
		if (ends[i] > sp && ends[i] - sp < n)
			n = ends[i] - sp;
	}
	return n;
}

static UNUSUAL void tell_ring(const void *p, uint64_t peak, __s64 usable, enum sl_block_op op,
			      uint64_t detail)
{
	struct sl_block_record *record = block_ring_begin(life.blocks);

	if (record == NULL)
		return;
	struct stack_snapshot *s = block_record_snapshot(record);
	NOTE_REGISTERS(s->registers);
	s->time_ns = s->since_ns = clock_ns();
	/* A vfork child's blocks are its parent's, and so is the ring. */
	s->pid = s->own_pid = shim.pid;
	s->tid = s->own_tid = (uint32_t)sys_call3(SYS_gettid, 0, 0, 0);
	s->reason = SNAPSHOT_BLOCK;
	s->syscall = SYS_read;
	if (op == SL_BLOCK_ALLOCATED) {
		const uintptr_t sp = s->registers[DWARF_RSP];
		block_ring_copy_stack(life.blocks, record, (uint32_t)sys_call3(SYS_getpid, 0, 0, 0),
				      sp, stack_bytes(sp));
	}
	s->registers[1] = peak;
	s->registers[4] = (uintptr_t)p;
	s->registers[8] = op;
	s->registers[9] = detail;
	s->registers[10] = (uint64_t)usable;
	block_ring_commit(record);
}

/* @peak and @detail: as in RDX and R9 (bpf/block.h). */
static void tell(const void *p, uint64_t peak, __s64 usable, enum sl_block_op op, uint64_t detail)
{
	if (has_probes())
		(void)sys_call6(SYS_read, SL_BLOCK_FD, (long)p, (long)peak, (long)usable, op,
				(long)detail);
	else
		tell_ring(p, peak, usable, op, detail);
}

void sample_begin(void)
{
	static uint64_t n_threads;
	struct thread_state *t = &thread_state;

	/* Others than a child forked at that place in its parent has, or a thread in the same place later. */
	t->random = life.lane->start_ns ^ (uint64_t)shim.pid << 40 ^ thread_pointer() ^
		    __atomic_add_fetch(&n_threads, 1, __ATOMIC_RELAXED) << 20;
	t->until_sample = sample_draw(&t->random, shim.sample_bytes);
}

UNUSUAL bool sample_add(void *p)
{
	struct thread_state *t = &thread_state;

	/* First of all: a signal handler that allocates counts on. */
	t->until_sample = sample_draw(&t->random, shim.sample_bytes);
	struct sampled *to = may_tell() ? table_made() : NULL;
	if (to == NULL || !sampled_add(to, p, thread_position())) {
		sample_lost();
		return false;
	}
	sample_filter_set(to);
	return true;
}

UNUSUAL void sample_tell(void *p, __s64 usable)
{
	const __s64 live = counters_live(life.lane), peak = counters_peak(life.lane);

	tell(p, peak > 0 ? (uint64_t)peak : 0, usable, SL_BLOCK_ALLOCATED,
	     live > 0 ? (uint64_t)live : 0);
}

static UNUSUAL void sample(void *p, __s64 usable)
{
	if (sample_add(p))
		sample_tell(p, usable);
}

void sample_allocated(void *p, __s64 usable)
{
	slot_subtract_signed(&thread_state.until_sample, usable);
	if (slot_get(&thread_state.until_sample) < 0)
		sample(p, usable);
}

void sample_lost(void)
{
	count_lost(&life.lane->samples_lost);
}

UNUSUAL bool sample_remove(void *p, unsigned int *ret_flags)
{
	uint64_t then = 0;

	if (table == NULL || !sampled_remove(table, p, &then))
		return false;
	*ret_flags = then != 0 && then == thread_position() ? SL_BLOCK_TEMPORARY : 0;
	return true;
}

UNUSUAL void sample_tell_freed(void *p, unsigned int flags)
{
	if (!may_tell())
		count_lost(&life.lane->frees_lost);
	else
		tell(p, 0, 0, SL_BLOCK_FREED, flags);
}

UNUSUAL bool sample_release(void *p)
{
	unsigned int flags = 0;

	if (!sample_remove(p, &flags))
		return false;
	sample_tell_freed(p, flags);
	return true;
}

/* ---- the fast path, and its exceptions, which end in the way in which the hook does ---- */

static UNUSUAL void *allocated_unusually(void *p)
{
	struct sl_lane_slot *s = thread_state.slot;

	if (slot_get(&s->live) > slot_get(&s->up))
		counters_raise(life.lane, s);
	if (slot_get(&thread_state.until_sample) < 0)
		sample(p, chunk_bytes(p));
	return p;
}

static inline void *allocated(struct sl_lane_slot *s, void *p, size_t n)
{
	const __s64 usable = chunk_bytes(p);
	const bool is_raised = slot_allocated(s, n, usable);

	if (unlikely(sample_is_due(usable)) || is_raised)
		return allocated_unusually(p);
	return p;
}

HOT void *malloc_sampling(size_t n)
{
	if (unlikely(!is_sampling()))
		return malloc_exact(n);
	void *p = real.malloc(n);
	if (unlikely(p == NULL))
		return allocation_failed(SL_HEAP_MALLOC);
	return allocated(current_slot(), p, n);
}

static UNUSUAL void free_unusually(void *p)
{
	struct sl_lane_slot *s = thread_state.slot;

	if (slot_get(&s->live) < slot_get(&s->low))
		counters_flush(life.lane, s);
	real.free(p);
}

static UNUSUAL void free_sampled(void *p)
{
	struct sl_lane_slot *s = thread_state.slot;

	(void)sample_release(p);
	if (slot_freed(s, SL_HEAP_FREE, chunk_bytes(p)))
		counters_flush(life.lane, s);
	real.free(p);
}

HOT void free_sampling(void *p)
{
	if (unlikely(!is_sampling() || p == NULL)) {
		free_exact(p);
		return;
	}
	if (sample_may_have(p)) {
		free_sampled(p);
		return;
	}
	if (slot_freed(thread_state.slot, SL_HEAP_FREE, chunk_bytes(p))) {
		free_unusually(p);
		return;
	}
	real.free(p);
}

HOT void *calloc_sampling(size_t n, size_t size, const void *caller)
{
	if (unlikely(!is_sampling()))
		return calloc_exact(n, size, caller);
	const size_t total = calloc_bytes(n, size, caller);
	void *p = real.calloc(n, size);
	if (unlikely(p == NULL))
		return allocation_failed(SL_HEAP_CALLOC);
	struct sl_lane_slot *s = current_slot();
	slot_add(&s->calls[SL_HEAP_CALLOC], 1);
	return allocated(s, p, total);
}

/* A sampled block is told to be freed before it is resized: afterwards its old place may be another
 * thread's. */
static UNUSUAL void *resize_failed(bool was_sampled)
{
	if (was_sampled)
		sample_lost();
	return allocation_failed(SL_HEAP_REALLOC);
}

HOT void *realloc_sampling(void *p, size_t n)
{
	if (unlikely(!is_sampling() || n == 0 || p == NULL))
		return realloc_exact(p, n);
	const __s64 old = chunk_bytes(p);
	const bool was_sampled = sample_freed(p);
	void *q = real.realloc(p, n);
	if (unlikely(q == NULL))
		return resize_failed(was_sampled);
	struct sl_lane_slot *s = current_slot();
	slot_add(&s->calls[SL_HEAP_REALLOC], 1);
	if (slot_freed(s, SL_HEAP_REALLOC_FREE, old))
		counters_flush(life.lane, s);
	return allocated(s, q, n);
}
