/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Resident memory of the whole tree at its worst instant. The kernel says when a memory's page
 * counters change (rss_stat, about once per page fault); the sum over all memories of recorded
 * processes is kept here, each counted once however many processes share it. The counters are
 * split over the CPUs, so their parts are added up: see counters_read(). That happens at every
 * RSS_PATIENCE-th change, and at once when a change was larger than what the kernel keeps in a
 * CPU's part: see is_small(). */
#include "bpf/memory.bpf.h"

#include "bpf/overhead.bpf.h"
#include "bpf/percpu.bpf.h"
#include "bpf/process.bpf.h"

#define PEAK_TRIES   8
#define THREAD_BATCH 64 /* pages a thread may hold back in its own counters, before 6.2 */
#define RSS_PATIENCE 16 /* changes of one memory on one CPU, of which one is read */
#define CPU_BATCH    32 /* pages a CPU's part holds at most, or two per CPU if that is more */

struct memory_map memories SEC(".maps");

__u64 tree_pages = 0;
__s64 tree_members[MEMBERS] = { 0 };
__u64 tree_peak_pages = 0;
__u64 tree_peak_ns = 0;

/* A function of its own, or the compiler moves accesses that this kernel's types do not have in
 * front of the question whether they exist. */
static __noinline __s64 counter_before_6_2(__u64 mm, __u32 member)
{
	struct mm_struct___atomic *old = (void *)mm;
	__s64 sum = 0;

	bpf_probe_read_kernel(&sum, sizeof(sum),
			      (void *)&old->rss_stat.count[0] + member * sizeof(sum));
	return sum;
}

/* What each CPU saw last, so that most changes cost it a comparison or two; a cache line. Numbers
 * and not a struct, because the skeleton does not know our types. */
enum rss_word {
	RSS_MM, /* 0: none */
	RSS_LEFT,
	RSS_IS_OURS,
	RSS_UNTIMED, /* reads until the next one that is timed, whichever memory it is of */
	RSS_COUNTS,
	RSS_WORDS = 8,
};

__u64 rss_seen[SL_CPUS][RSS_WORDS];

static __always_inline __u64 *seen_here(void)
{
	return rss_seen[bpf_get_smp_processor_id() & (SL_CPUS - 1)];
}

static __always_inline void seen_set(__u64 *seen, __u64 mm, bool is_ours)
{
	seen[RSS_MM] = mm;
	seen[RSS_LEFT] = RSS_PATIENCE - 1;
	seen[RSS_IS_OURS] = is_ours;
}

struct counter {
	__s64 count;
	const __s32 *parts;
};

#define COUNTERS_BYTES 160 /* no more: the calls to here leave no room on the stack */

/* All counters in one read, where their structure is as short as it is without lock debugging. */
static __always_inline void counters_load(__u64 mm, struct counter counters[MEMBERS])
{
	const __u64 address = mm + bpf_core_field_offset(struct mm_struct, rss_stat);
	const __u32 size = bpf_core_type_size(struct percpu_counter);
	const __u32 count_at = bpf_core_field_offset(struct percpu_counter, count);
	const __u32 parts_at = bpf_core_field_offset(struct percpu_counter, counters);
	char bytes[COUNTERS_BYTES] = { 0 };

	if (size * MEMBERS > COUNTERS_BYTES) {
		for (__u32 i = 0; i < MEMBERS; i++) {
			const struct percpu_counter *c = (void *)(address + i * size);

			counters[i].count = BPF_CORE_READ(c, count);
			counters[i].parts = BPF_CORE_READ(c, counters);
		}
		return;
	}
	bpf_probe_read_kernel(bytes, size * MEMBERS, (void *)address);
	for (__u32 i = 0; i < MEMBERS; i++) {
		counters[i].count = *(__s64 *)(bytes + i * size + count_at);
		counters[i].parts = *(const __s32 **)(bytes + i * size + parts_at);
	}
}

/* Pages of @mm, from all its counters. With @only_here, it is only this CPU's parts that can have
 * changed. Before 6.2 there was one number and a share of up to THREAD_BATCH pages in each thread.
 * Global, so that it is verified once. */
int counters_read(struct memory_state *memory, __u64 mm, __u32 only_here);
__noinline int counters_read(struct memory_state *memory, __u64 mm, __u32 only_here)
{
	const __u32 here = bpf_get_smp_processor_id();
	__u64 *seen = seen_here();
	struct counter counters[MEMBERS];
	__s64 sum = 0;

	if (!memory)
		return 0;
	seen_set(seen, bpf_core_type_exists(struct mm_rss_stat) ? 0 : mm, true);
	if (bpf_core_type_exists(struct mm_rss_stat)) {
		for (__u32 member = 0; member < MEMBERS; member++) {
			if (member == MEMBER_SWAP)
				continue;
			memory->members[member] = counter_before_6_2(mm, member);
			sum += memory->members[member];
		}
		return sum;
	}
	counters_load(mm, counters);
	for (__u32 member = 0; member < MEMBERS; member++) {
		seen[RSS_COUNTS + member] = counters[member].count;
		if (member == MEMBER_SWAP)
			continue;
		__s64 pages = counters[member].count;
		if (n_cpus > CPUS_SUMMED)
			pages += percpu_s32(counters[member].parts, here);
		for (__u32 cpu = 0; cpu < CPUS_SUMMED; cpu++) {
			if (cpu >= n_cpus || n_cpus > CPUS_SUMMED)
				break;
			if (!only_here || cpu == here)
				memory->parts[member][cpu] =
					percpu_s32(counters[member].parts, cpu);
			pages += memory->parts[member][cpu];
		}
		memory->members[member] = pages;
		sum += pages;
	}
	return sum;
}

/* A counter's parts are not read at one instant. */
static __always_inline __u64 at_least_none(__s64 pages)
{
	return pages > 0 ? pages : 0;
}

static __always_inline bool raise(__u64 *peak, __u64 value)
{
	for (int i = 0; i < PEAK_TRIES; i++) {
		__u64 old = *peak;

		if (value <= old)
			return false;
		if (__sync_val_compare_and_swap(peak, old, value) == old)
			return true;
	}
	return false;
}

/* Exchanging makes the differences add up whoever comes first. */
static __always_inline void members_set(struct memory_state *memory)
{
	for (__u32 member = 0; member < MEMBERS; member++) {
		const __s64 now = at_least_none(memory->members[member]);

		if (now == memory->counted[member]) /* most are: an exchange is dear */
			continue;
		__sync_fetch_and_add(&tree_members[member],
				     now - __sync_lock_test_and_set(&memory->counted[member], now));
	}
}

/* The counters of @memory were read: passes the difference on to the tree, likewise. */
static __always_inline void memory_set(struct memory_state *memory, __s64 pages)
{
	__u64 now = at_least_none(pages);
	__u64 before = __sync_lock_test_and_set(&memory->pages, now);
	__u64 tree;

	if (now == before)
		return;
	members_set(memory);
	tree = fetch_add(&tree_pages, now - before) + now - before;
	if (now < before)
		return;
	__sync_fetch_and_add(&memory->touched_pages, now - before);
	if (raise(&memory->peak_pages, now))
		for (__u32 member = 0; member < MEMBERS; member++)
			memory->peak_members[member] = memory->members[member];
	if (raise(&tree_peak_pages, tree))
		tree_peak_ns = bpf_ktime_get_ns();
}

static __always_inline void memory_read(struct memory_state *memory, __u64 mm, __u32 only_here)
{
	memory_set(memory, counters_read(memory, mm, only_here));
}

int memory_join(__u64 mm)
{
	static const struct memory_state fresh = { .users = 1 };
	struct memory_state *memory;

	if (!mm)
		return 0;
	percpu_learn();
	memory = bpf_map_lookup_elem(&memories, &mm);
	if (memory) {
		__sync_fetch_and_add(&memory->users, 1);
		memory->is_shared = 1;
		return 0;
	}
	bpf_map_update_elem(&memories, &mm, &fresh, BPF_ANY);
	memory = bpf_map_lookup_elem(&memories, &mm);
	if (memory) {
		memory_read(memory, mm, false);
		growth_begin(memory, mm);
	}
	return 0;
}

int memory_refresh(__u64 mm)
{
	struct memory_state *memory = bpf_map_lookup_elem(&memories, &mm);

	if (memory && has_rss_stat)
		memory_read(memory, mm, false);
	return 0;
}

int memory_tell(__u64 mm, __u64 pid_tgid, __u32 when)
{
	struct memory_state *memory = bpf_map_lookup_elem(&memories, &mm);

	return memory ? growth_tell(memory, mm, pid_tgid, when) : 0;
}

int memory_share(__u64 mm)
{
	struct memory_state *memory = bpf_map_lookup_elem(&memories, &mm);

	if (memory)
		memory->is_shared = 1;
	return 0;
}

static __always_inline void resident_fill(struct resident *ret, __u64 pages, const __s64 *members)
{
	ret->pages = pages;
	ret->kinds[SL_MEMORY_ANONYMOUS] = at_least_none(members[MEMBER_ANONYMOUS]);
	ret->kinds[SL_MEMORY_FILE] = at_least_none(members[MEMBER_FILE]);
	ret->kinds[SL_MEMORY_SHARED] = at_least_none(members[MEMBER_SHARED]);
}

static __always_inline void resident_unknown(struct resident *ret)
{
	__builtin_memset(ret, 0, sizeof(*ret));
	ret->pages = SL_UNKNOWN;
}

int memory_leave(__u64 mm, struct resident *peak)
{
	struct memory_state *memory = bpf_map_lookup_elem(&memories, &mm);

	if (!memory || !has_rss_stat) {
		if (peak)
			resident_unknown(peak);
		return 0;
	}
	if (peak)
		resident_fill(peak, memory->peak_pages, memory->peak_members);
	if (fetch_add(&memory->users, -1) != 1)
		return 0;
	for (__u32 member = 0; member < MEMBERS; member++)
		memory->members[member] = 0;
	memory_set(memory, 0);
	bpf_map_delete_elem(&memories, &mm);
	return 0;
}

int memory_look(__u64 mm, struct resident *now, struct resident *peak)
{
	struct memory_state *memory = bpf_map_lookup_elem(&memories, &mm);

	if (!now || !peak)
		return 0;
	resident_unknown(now);
	resident_unknown(peak);
	if (!memory || !has_rss_stat)
		return 0;
	resident_fill(now, memory->pages, memory->members);
	resident_fill(peak, memory->peak_pages, memory->peak_members);
	return 0;
}

/* How far the sum may be off: changes that were not read, what another CPU is just adding; and
 * where the parts cannot all be read, what they may hold. */
static __always_inline __u64 error_pages(void)
{
	const __u64 batch = 2 * n_cpus > CPU_BATCH ? 2 * n_cpus : CPU_BATCH;

	if (bpf_core_type_exists(struct mm_rss_stat))
		return (__u64)live_threads * THREAD_BATCH * (MEMBERS - 1);
	if (n_cpus > CPUS_SUMMED || !percpu_known())
		return (__u64)live_processes * n_cpus * batch * (MEMBERS - 1);
	/* File and anonymous pages are what grows. */
	return (__u64)live_processes * 2 * (batch - 1) + 2 * n_cpus;
}

/* A run begins. */
int memory_reset(void)
{
	tree_pages = tree_peak_pages = tree_peak_ns = 0;
	for (__u32 member = 0; member < MEMBERS; member++)
		tree_members[member] = 0;
	growth_reset();
	return 0;
}

/* The sums so far. */
int memory_emit(__u32 when)
{
	struct sl_memory *event;

	if (!has_rss_stat)
		return 0;
	event = sl_reserve(SL_KIND_MEMORY, sizeof(*event));
	if (event) {
		event->event.pid = event->event.tid = 0;
		event->when = when;
		event->processes = live_processes;
		event->now_bytes = tree_pages * PAGE_BYTES;
		event->peak_bytes = tree_peak_pages * PAGE_BYTES;
		event->peak_ns = tree_peak_ns;
		event->error_bytes = error_pages() * PAGE_BYTES;
		event->cgroup_peak_bytes = SL_UNKNOWN;
		sl_submit(event, false);
	}
	return 0;
}

/* Not to be read now? A change that is larger than what a CPU's part may hold moves the counter
 * itself, which is quickly compared. */
static __always_inline bool is_small(__u64 mm, __u32 member)
{
	__u64 *seen = seen_here();
	const struct percpu_counter *counter;

	if (seen[RSS_MM] != mm || !seen[RSS_LEFT])
		return false;
	if (seen[RSS_IS_OURS] && member != MEMBER_SWAP) {
		if (bpf_core_type_exists(struct mm_rss_stat)) /* before 6.2: no such counter */
			return false;
		counter = (void *)mm + bpf_core_field_offset(struct mm_struct, rss_stat) +
			  (member & (MEMBERS - 1)) * bpf_core_type_size(struct percpu_counter);
		if (BPF_CORE_READ(counter, count) !=
		    (__s64)seen[RSS_COUNTS + (member & (MEMBERS - 1))])
			return false;
	}
	seen[RSS_LEFT]--;
	return true;
}

/* Whoever changed the memory: hardly ever another than the one it belongs to. */
static __always_inline void pay(__u64 begin, __u32 hits)
{
	struct task_state *payer = task_state_of(bpf_get_current_task_btf());

	if (!payer)
		return;
	payer->probe_hits += OVERHEAD_SAMPLE * hits;
	overhead_add(payer, begin, OVERHEAD_SAMPLE);
}

SEC("raw_tp/rss_stat")
int handle_rss_stat(__u64 *ctx)
{
	__u64 key = ctx[0];
	struct memory_state *memory;
	__u64 *seen = seen_here();
	__u64 begin = 0;
	__u32 hits = 1;

	if (!live_processes || is_small(key, (__u32)ctx[1]))
		return 0;
	memory = bpf_map_lookup_elem(&memories, &key);
	if (!memory) {
		seen_set(seen, key, false);
		return 0;
	}
	if (!seen[RSS_UNTIMED]--) {
		seen[RSS_UNTIMED] = OVERHEAD_SAMPLE - 1;
		if (seen[RSS_MM] == key)
			hits = RSS_PATIENCE - seen[RSS_LEFT]; /* with those it passed over */
		begin = bpf_ktime_get_ns() + clock_cost_ns;
	}
	percpu_learn();
	memory_read(memory, key, !memory->is_shared);
	growth_follow(memory, key);
	if (begin)
		pay(begin, hits);
	/* Which counts its time itself. */
	growth_trace(memory, key);
	return 0;
}
