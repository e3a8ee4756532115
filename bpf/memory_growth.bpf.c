/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* How memories grow. What brk, mmap and mremap add is summed, and told together with what is resident whenever
 * either has changed by enough and the last time is long enough ago: the longer the run, the longer, so that a
 * recording of any length has some thousand of these at most. A call that adds much leaves its stack, too, as
 * long as there are not too many. */
#include "bpf/memory.bpf.h"
#include "bpf/stack.bpf.h"

#include <asm/unistd_64.h>

#define PROT_WRITE    0x2u
#define MAP_ANONYMOUS 0x20u

#define TOLD_GAP_NS   200000ull
#define TOLD_PART     9	 /* … or the time of the run, shifted by that */
#define CHANGE_PAGES  16 /* or what was told last, shifted by CHANGE_PART, if that is more */
#define CHANGE_PART   6
#define STACKS_PER_NS 1000000ull /* on average, and so many at once: */
#define STACKS_AHEAD  256
/* Between stacks of who touches memory, on average; or what was touched so far, shifted by TRACE_PART, if that is
 * more: that many stacks then, and each stands for a small part of it. */
#define TRACE_PAGES 64
#define TRACE_PART  5

__u64 memories_made = 0;
static __u64 run_begin_ns = 0;
static __u64 stacks_until_ns = 0; /* by then those that were taken have had their time */

int growth_reset(void)
{
	run_begin_ns = bpf_ktime_get_ns();
	return 0;
}

/* Not evenly, since programs have rhythms of their own. */
static __always_inline void trace_next(struct memory_state *memory)
{
	const __u32 part = memory->touched_pages >> TRACE_PART;
	const __u32 gap = part > TRACE_PAGES ? part : TRACE_PAGES;

	memory->trace_at_pages = memory->touched_pages + gap / 2 + bpf_get_prandom_u32() % gap;
}

__noinline int growth_begin(struct memory_state *memory, __u64 mm)
{
	if (!memory)
		return 0;
	memory->number = fetch_add(&memories_made, 1) + 1;
	memory->touched_pages = 0; /* by it: not what exec and fork have put there */
	trace_next(memory);
	memory->brk_end = BPF_CORE_READ((struct mm_struct *)mm, brk);
	return 0;
}

/* Whether @mm can still be read. At the end of a process it depends on the kernel; what was executed has replaced
 * it. */
static __always_inline bool is_there(__u64 mm, __u32 when)
{
	return when != SL_WHEN_EXEC &&
	       (when != SL_WHEN_EXIT || memory_key(bpf_get_current_task_btf()) == mm);
}

static __always_inline __u64 kind_of(__u32 member, bool is_known)
{
	const __s64 pages = tree_members[member];

	return !is_known ? SL_UNKNOWN : pages > 0 ? pages * PAGE_BYTES : 0;
}

static __always_inline void kinds_fill(__u64 kinds[SL_MEMORY_KINDS], bool is_known)
{
	kinds[SL_MEMORY_ANONYMOUS] = kind_of(MEMBER_ANONYMOUS, is_known);
	kinds[SL_MEMORY_FILE] = kind_of(MEMBER_FILE, is_known);
	kinds[SL_MEMORY_SHARED] = kind_of(MEMBER_SHARED, is_known);
}

__noinline int growth_tell(struct memory_state *memory, __u64 mm, __u64 pid_tgid, __u32 when)
{
	const __u64 now = bpf_ktime_get_ns();
	const bool is_known = is_there(mm, when);
	struct sl_mapped *event;

	if (!memory)
		return 0;
	event = sl_reserve_for(SL_KIND_MAPPED, sizeof(*event), now, pid_tgid);
	if (!event)
		return 0;
	memory->told_ns = now;
	memory->told_pages = memory->pages;
	event->when = when;
	event->memory = memory->number;
	event->rss_bytes = is_known && has_rss_stat ? memory->pages * PAGE_BYTES : SL_UNKNOWN;
	event->tree_bytes = is_known && has_rss_stat ? tree_pages * PAGE_BYTES : SL_UNKNOWN;
	event->touched_bytes = has_rss_stat ? memory->touched_pages * PAGE_BYTES : SL_UNKNOWN;
	kinds_fill(event->tree_kinds, is_known && has_rss_stat);
	event->data_bytes =
		is_known ? BPF_CORE_READ((struct mm_struct *)mm, data_vm) * PAGE_BYTES : SL_UNKNOWN;
	for (int i = 0; i < SL_GROWTH_WAYS; i++) {
		event->grown[i].calls = memory->grown[i].calls;
		event->grown[i].bytes = memory->grown[i].bytes;
	}
	event->grown_ns = memory->grown_ns;
	sl_submit(event, false);
	return 0;
}

static __always_inline bool is_gap_over(const struct memory_state *memory)
{
	const __u64 now = bpf_ktime_get_ns(), part = (now - run_begin_ns) >> TOLD_PART;

	return now - memory->told_ns >= (part > TOLD_GAP_NS ? part : TOLD_GAP_NS);
}

/* A memory that is being torn down has not shrunk, and what others do to it they do not tell of. */
static __always_inline bool is_own(const struct memory_state *memory, __u64 mm)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return memory->number && !(task->flags & PF_EXITING) && memory_key(task) == mm;
}

__noinline int growth_follow(struct memory_state *memory, __u64 mm)
{
	__u64 least;
	__s64 change;

	if (!memory)
		return 0;
	change = memory->pages - memory->told_pages;
	least = memory->told_pages >> CHANGE_PART;
	if ((__u64)(change < 0 ? -change : change) <
		    (least > CHANGE_PAGES ? least : CHANGE_PAGES) ||
	    !is_gap_over(memory) || !is_own(memory, mm))
		return 0;
	return growth_tell(memory, mm, bpf_get_current_pid_tgid(), 0);
}

__noinline int growth_trace(struct memory_state *memory, __u64 mm)
{
	struct task_state *ts;
	__u64 touched, before;

	if (!want_stacks || !memory || memory->touched_pages < memory->trace_at_pages ||
	    !is_own(memory, mm))
		return 0;
	ts = task_state_of(bpf_get_current_task_btf());
	touched = memory->touched_pages;
	before = __sync_lock_test_and_set(&memory->traced_pages, touched);
	trace_next(memory);
	if (!ts || touched <= before)
		return 0;
	return stack_take(ts, SNAPSHOT_TOUCHED, (touched - before) * PAGE_BYTES,
			  bpf_ktime_get_ns());
}

/* ---- calls ---- */

static __always_inline bool stack_is_due(void)
{
	const __u64 now = bpf_ktime_get_ns();

	if (stacks_until_ns > now + STACKS_AHEAD * STACKS_PER_NS)
		return false;
	stacks_until_ns = (stacks_until_ns > now ? stacks_until_ns : now) + STACKS_PER_NS;
	return true;
}

/* What the call that returned @result has added; *@way: by what. */
static __always_inline __u64 bytes_added(struct task_state *ts, struct memory_state *memory,
					 __u64 result, enum sl_growth *way)
{
	__u64 before;

	switch (ts->nr) {
	case __NR_brk:
		*way = SL_GROWTH_BRK;
		before = memory->brk_end;
		memory->brk_end = result;
		return before && result > before ? result - before : 0;
	case __NR_mmap:
		*way = SL_GROWTH_MMAP;
		return (ts->args[2] & PROT_WRITE) && (ts->args[3] & MAP_ANONYMOUS) ? ts->args[1]
										   : 0;
	case __NR_mremap: /* of an old size of 0 it is another place for the same */
		*way = SL_GROWTH_MREMAP;
		return ts->args[1] && ts->args[2] > ts->args[1] ? ts->args[2] - ts->args[1] : 0;
	default:
		return 0;
	}
}

__noinline int growth_exit(struct task_state *ts, long result)
{
	const __u64 mm = memory_key(bpf_get_current_task_btf());
	struct memory_state *memory = bpf_map_lookup_elem(&memories, &mm);
	enum sl_growth way = SL_GROWTH_WAYS;
	__u64 pages, bytes;

	if (!ts || !memory)
		return 0;
	bytes = bytes_added(ts, memory, result, &way);
	if (!bytes || way >= SL_GROWTH_WAYS)
		return 0;
	pages = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
	memory->grown_ns = bpf_ktime_get_ns();
	__sync_fetch_and_add(&memory->grown[way].calls, 1);
	__sync_fetch_and_add(&memory->grown[way].bytes, pages * PAGE_BYTES);
	if (want_stacks && pages >= GROWTH_LEAST / PAGE_BYTES && stack_is_due())
		ts->grown_pages = pages < ~0u ? pages : ~0u;
	return is_gap_over(memory) ? growth_tell(memory, mm, bpf_get_current_pid_tgid(), 0) : 0;
}
