/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Resident memory of the whole tree at its worst instant. The kernel says when a memory's page
 * counters change (rss_stat, about once per page fault); the sum over all memories of recorded
 * processes is kept here, each counted once however many processes share it. The counters are
 * split over the CPUs, so their parts are added up: see counter_sum(). */
#include "bpf/common.bpf.h"
#include "bpf/percpu.bpf.h"
#include "bpf/process.bpf.h"
#include "bpf/tax.bpf.h"

#define PAGE_BYTES   4096ull
#define MEMBERS	     4 /* file, anonymous, swap, shared */
#define MEMBER_SWAP  2
#define CPUS_SUMMED  16 /* with more CPUs only this one's part is read: it is per page fault */
#define PEAK_TRIES   8
#define THREAD_BATCH 64 /* pages a thread may hold back in its own counters, before 6.2 */

struct memory_state {
	__u64 pages;
	__u64 peak_pages;
	__u64 users;	  /* processes */
	__u32 is_shared;  /* by several threads, now or once */
	__u32 probe_left; /* runs until the next one that is timed */
	__s64 member[MEMBERS];
	__s32 parts[MEMBERS][CPUS_SUMMED]; /* each CPU's, as last seen */
};

struct memory_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u64); /* address of the struct mm_struct */
	__type(value, struct memory_state);
};

struct memory_map memories SEC(".maps");

__u64 tree_pages = 0;
__u64 tree_peak_pages = 0;
__u64 tree_peak_ns = 0;
const volatile __u32 has_rss_stat = 0;

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

struct counter {
	__s64 count;
	const __s32 *parts;
};

#define COUNTER_BYTES 64

/* In one read, as long as what lies between the two is as short as it is without debugging. */
static __always_inline struct counter counter_load(__u64 mm, __u32 member)
{
	struct percpu_counter *address = (void *)mm +
					 bpf_core_field_offset(struct mm_struct, rss_stat) +
					 member * bpf_core_type_size(struct percpu_counter);
	const __u32 first = bpf_core_field_offset(struct percpu_counter, count);
	const __u32 last = bpf_core_field_offset(struct percpu_counter, counters);
	char bytes[COUNTER_BYTES] = { 0 };
	struct counter counter;

	if (last < first || last - first > COUNTER_BYTES - sizeof(__u64)) {
		counter.count = BPF_CORE_READ(address, count);
		counter.parts = BPF_CORE_READ(address, counters);
		return counter;
	}
	bpf_probe_read_kernel(bytes, last - first + sizeof(__u64), (void *)address + first);
	counter.count = *(__s64 *)bytes;
	counter.parts = *(const __s32 **)(bytes + (last - first));
	return counter;
}

/* Updates one of the numbers of @memory from the counter of @mm. With @only_here, it is only this
 * CPU's part that can have changed. Before 6.2 there was one number and a share of up to
 * THREAD_BATCH pages in each thread. Global, so that it is verified once. */
int counter_sum(struct memory_state *memory, __u64 mm, __u32 member, __u32 only_here);
__noinline int counter_sum(struct memory_state *memory, __u64 mm, __u32 member, __u32 only_here)
{
	const __u32 here = bpf_get_smp_processor_id();
	struct counter counter;

	if (!memory || member >= MEMBERS)
		return 0;
	if (bpf_core_type_exists(struct mm_rss_stat)) {
		memory->member[member] = counter_before_6_2(mm, member);
		return 0;
	}
	counter = counter_load(mm, member);
	if (n_cpus > CPUS_SUMMED) {
		memory->member[member] = counter.count + percpu_s32(counter.parts, here);
		return 0;
	}
	for (__u32 cpu = 0; cpu < CPUS_SUMMED; cpu++) {
		if (cpu >= n_cpus)
			break;
		if (!only_here || cpu == here)
			memory->parts[member][cpu] = percpu_s32(counter.parts, cpu);
		counter.count += memory->parts[member][cpu];
	}
	memory->member[member] = counter.count;
	return 0;
}

static __always_inline void raise(__u64 *peak, __u64 value, bool is_tree)
{
	for (int i = 0; i < PEAK_TRIES; i++) {
		__u64 old = *peak;

		if (value <= old)
			return;
		if (__sync_val_compare_and_swap(peak, old, value) == old) {
			if (is_tree)
				tree_peak_ns = bpf_ktime_get_ns();
			return;
		}
	}
}

/* The counters of @memory were read: passes the difference on to the tree. Exchanging makes the
 * differences add up whoever comes first. */
static __always_inline void memory_set(struct memory_state *memory, __s64 pages)
{
	__u64 now = pages > 0 ? pages : 0;
	__u64 before = __sync_lock_test_and_set(&memory->pages, now);
	__u64 tree;

	if (now == before)
		return;
	tree = __sync_fetch_and_add(&tree_pages, now - before) + now - before;
	if (now < before)
		return;
	raise(&memory->peak_pages, now, false);
	raise(&tree_peak_pages, tree, true);
}

static __always_inline void memory_read(struct memory_state *memory, __u64 mm)
{
	__s64 sum = 0;

	for (__u32 member = 0; member < MEMBERS; member++) {
		counter_sum(memory, mm, member, false);
		if (member != MEMBER_SWAP)
			sum += memory->member[member];
	}
	memory_set(memory, sum);
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
		memory->probe_left = bpf_get_prandom_u32() % TAX_SAMPLE;
		memory_read(memory, mm);
	}
	return 0;
}

int memory_share(__u64 mm)
{
	struct memory_state *memory = bpf_map_lookup_elem(&memories, &mm);

	if (memory)
		memory->is_shared = 1;
	return 0;
}

__u64 memory_leave(__u64 mm)
{
	struct memory_state *memory = bpf_map_lookup_elem(&memories, &mm);
	__u64 peak;

	if (!memory || !has_rss_stat)
		return SL_UNKNOWN;
	peak = memory->peak_pages;
	if (__sync_fetch_and_sub(&memory->users, 1) != 1)
		return peak;
	memory_set(memory, 0);
	bpf_map_delete_elem(&memories, &mm);
	return peak;
}

__u64 memory_pages(__u64 mm)
{
	struct memory_state *memory = bpf_map_lookup_elem(&memories, &mm);

	return memory && has_rss_stat ? memory->pages : SL_UNKNOWN;
}

__u64 memory_peak_pages(__u64 mm)
{
	struct memory_state *memory = bpf_map_lookup_elem(&memories, &mm);

	return memory && has_rss_stat ? memory->peak_pages : SL_UNKNOWN;
}

/* How far the sum may be off: what another CPU is just adding; and where the parts cannot all be
 * read, what they may hold. */
static __always_inline __u64 error_pages(void)
{
	if (bpf_core_type_exists(struct mm_rss_stat))
		return (__u64)live_threads * THREAD_BATCH * (MEMBERS - 1);
	if (n_cpus > CPUS_SUMMED || !percpu_known())
		return (__u64)live_processes * n_cpus * 2 * n_cpus * (MEMBERS - 1);
	return 2 * n_cpus;
}

/* A run begins. */
int memory_reset(void)
{
	tree_pages = tree_peak_pages = tree_peak_ns = 0;
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

SEC("?raw_tp/rss_stat")
int handle_rss_stat(__u64 *ctx)
{
	__u64 key = ctx[0];
	__u32 member = (__u32)ctx[1];
	struct memory_state *memory;
	struct task_state *payer;
	__u64 begin = 0;

	if (!live_processes)
		return 0;
	memory = bpf_map_lookup_elem(&memories, &key);
	if (!memory || member == MEMBER_SWAP)
		return 0;
	if (!memory->probe_left--) {
		memory->probe_left = TAX_SAMPLE - 1;
		begin = bpf_ktime_get_ns() + clock_cost_ns;
	}
	percpu_learn();
	counter_sum(memory, key, member, !memory->is_shared);
	memory_set(memory, memory->member[0] + memory->member[1] + memory->member[3]);
	if (!begin)
		return 0;
	/* Whoever changed the memory: hardly ever another than the one it belongs to. */
	payer = task_state_of(bpf_get_current_task_btf());
	if (payer) {
		payer->probe_hits += TAX_SAMPLE;
		tax_add(payer, begin, TAX_SAMPLE);
	}
	return 0;
}
