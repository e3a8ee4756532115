/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* System calls, summed: which have a slot, what a process has besides its threads' sums, and the
 * telling. */
#include "bpf/syscalls.bpf.h"

#include <asm/unistd_64.h>

/* clang-format off */
/* Those that are timed, and below them the quick ones. */
#define CALLS_WITH_SLOT(X)                                                                        \
	X(read) X(write) X(close) X(openat) X(fstat) X(newfstatat) X(lseek) X(mmap) X(mprotect)   \
	X(munmap) X(brk) X(ioctl) X(pread64) X(pwrite64) X(readv) X(writev) X(access) X(pipe2)    \
	X(select) X(sched_yield) X(mremap) X(madvise) X(dup) X(dup2) X(dup3) X(nanosleep)         \
	X(clock_nanosleep) X(socket) X(connect) X(accept) X(accept4) X(sendto) X(recvfrom)        \
	X(sendmsg) X(recvmsg) X(bind) X(getsockname) X(setsockopt) X(getsockopt) X(clone)         \
	X(clone3) X(vfork) X(execve) X(wait4) X(kill) X(tgkill) X(fcntl) X(flock) X(fsync)        \
	X(fdatasync) X(getdents64) X(getcwd) X(unlink) X(readlink) X(readlinkat) X(stat) X(lstat) \
	X(statx) X(open) X(poll) X(ppoll) X(pselect6) X(epoll_wait) X(epoll_pwait) X(epoll_ctl)   \
	X(futex) X(getrandom) X(getrusage) X(sysinfo) X(prctl) X(rt_sigreturn) X(rt_sigsuspend)   \
	X(io_uring_enter) X(faccessat2)                                                           \
	X(rt_sigaction) X(rt_sigprocmask) X(sigaltstack) X(getpid) X(getppid) X(gettid) X(getuid) \
	X(geteuid) X(getgid) X(getegid) X(clock_gettime) X(gettimeofday) X(time) X(getcpu)        \
	X(times) X(arch_prctl) X(set_tid_address) X(set_robust_list) X(prlimit64) X(rseq)         \
	X(sched_getaffinity) X(uname)
/* clang-format on */

enum slot {
	SLOT_NONE,
#define SLOT_OF(name) SLOT_##name,
	CALLS_WITH_SLOT(SLOT_OF) SLOTS_USED
#undef SLOT_OF
};
_Static_assert(SLOTS_USED - 1 <= CALL_SLOTS, "more calls than slots");

const volatile __u8 call_slots[CALLS] = {
#define SLOT_BY_NUMBER(name) [__NR_##name] = SLOT_##name,
	CALLS_WITH_SLOT(SLOT_BY_NUMBER)
#undef SLOT_BY_NUMBER
};

const volatile __u16 slot_numbers[CALL_SLOTS] = {
#define NUMBER_BY_SLOT(name) [SLOT_##name - 1] = __NR_##name,
	CALLS_WITH_SLOT(NUMBER_BY_SLOT)
#undef NUMBER_BY_SLOT
};

struct call_total {
	__u64 count, errors, total_ns, cpu_ns;
};

#define RARE_CALLS 20 /* different numbers without a slot, of one process */
struct rare_call {
	__u64 key; /* number + 1; 0: free */
	struct call_total total;
};

struct process_calls {
	struct call_total ended[CALL_SLOTS]; /* of threads that are gone */
	struct rare_call rare[RARE_CALLS];
};

struct calls_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct process_calls);
};
struct calls_map process_calls SEC(".maps");

__u64 no_calls[sizeof(struct process_calls) / sizeof(__u64)] = { 0 };

/* ---- counting ---- */

static __always_inline int lose(void)
{
	__sync_fetch_and_add(&drop_counts[SL_KIND_CALLS], 1);
	return 0;
}

static __always_inline struct process_calls *of_current_process(void)
{
	const __u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct process_calls *of = bpf_map_lookup_elem(&process_calls, &tgid);

	if (of)
		return of;
	bpf_map_update_elem(&process_calls, &tgid, no_calls, BPF_NOEXIST);
	return bpf_map_lookup_elem(&process_calls, &tgid);
}

static __always_inline void total_add(struct call_total *total, __u64 count, __u64 errors,
				      __u64 total_ns, __u64 cpu_ns)
{
	__sync_fetch_and_add(&total->count, count);
	__sync_fetch_and_add(&total->errors, errors);
	__sync_fetch_and_add(&total->total_ns, total_ns);
	__sync_fetch_and_add(&total->cpu_ns, cpu_ns);
}

struct rare_add {
	struct process_calls *of;
	__u64 key, total_ns, cpu_ns;
	__u32 is_error, is_done;
};

static long add_rare(void *map, const __u32 *turn, void *value, struct rare_add *add)
{
	const __u32 i = *turn;
	struct rare_call *rare;

	if (i >= RARE_CALLS)
		return 1;
	rare = &add->of->rare[i];
	if (rare->key != add->key &&
	    (rare->key || __sync_val_compare_and_swap(&rare->key, 0, add->key) != 0) &&
	    rare->key != add->key) /* another thread may have come first, with the same call */
		return 0;
	total_add(&rare->total, 1, add->is_error, add->total_ns, add->cpu_ns);
	add->is_done = 1;
	return 1;
}

__noinline int calls_add_rare(__u32 number, __u32 is_error, __u64 total_ns, __u64 cpu_ns)
{
	struct rare_add add = {
		.of = of_current_process(),
		.key = (__u64)number + 1,
		.total_ns = total_ns,
		.cpu_ns = cpu_ns,
		.is_error = is_error,
		.is_done = unknown_zero,
	};

	if (!add.of)
		return lose();
	bpf_for_each_map_elem(&turns, add_rare, &add, 0);
	return add.is_done ? 0 : lose();
}

/* What a turn for each sum needs: the verifier looks at it once, and not for each of them. */
struct sum_walk {
	struct task_state *ts;
	struct process_calls *of;
	__u64 pid_tgid, moment;
	__u32 when;
};

/* The sum of this turn, and its slot; NULL: there are no more. */
static __always_inline struct call_sum *sum_of_turn(struct task_state *ts, __u32 i, __u32 *ret_slot)
{
	if (i >= CALL_SUMS || i >= ts->calls.n)
		return NULL;
	*ret_slot = ts->calls.slots[i];
	return *ret_slot < CALL_SLOTS ? &ts->calls.sums[i] : NULL;
}

static long hand_on_sum(void *map, const __u32 *turn, void *value, struct sum_walk *walk)
{
	__u32 slot;
	const struct call_sum *sum = sum_of_turn(walk->ts, *turn, &slot);

	if (!sum)
		return 1;
	total_add(&walk->of->ended[slot], sum->count, sum->errors, sum->total_ns, sum->cpu_ns);
	return 0;
}

__noinline int calls_hand_on(struct task_state *ts)
{
	struct sum_walk walk = { .ts = ts, .of = of_current_process() };

	if (!ts)
		return 0;
	if (walk.of)
		bpf_for_each_map_elem(&turns, hand_on_sum, &walk, 0);
	else
		lose();
	ts->calls.n = 0;
	__builtin_memset(ts->calls.sum_of, 0, sizeof(ts->calls.sum_of));
	return 0;
}

__noinline int calls_take_sum(struct task_state *ts, __u32 slot)
{
	struct call_sums *calls;
	__u32 at;

	if (!ts || slot >= CALL_SLOTS)
		return CALL_SUMS;
	calls = &ts->calls;
	if (calls->n >= CALL_SUMS)
		calls_hand_on(ts);
	at = calls->n++;
	if (at >= CALL_SUMS)
		return CALL_SUMS;
	calls->slots[at] = slot;
	calls->sums[at].count = calls->sums[at].errors = 0;
	calls->sums[at].total_ns = calls->sums[at].cpu_ns = 0;
	calls->sum_of[slot] = at + 1;
	return at;
}

/* ---- telling ---- */

int calls_emit(__u64 pid_tgid, __u64 moment, __u32 when, __u32 number,
	       const struct call_total *total);
__noinline int calls_emit(__u64 pid_tgid, __u64 moment, __u32 when, __u32 number,
			  const struct call_total *total)
{
	const bool is_timed = number < CALLS && !(call_table[number & (CALLS - 1)] & CALL_QUICK);
	struct sl_calls *event;

	if (!total || !total->count)
		return 0;
	event = sl_reserve_for(SL_KIND_CALLS, sizeof(*event), moment, pid_tgid);
	if (!event)
		return 0;
	event->when = when;
	event->number = number;
	event->count = total->count;
	event->errors = total->errors;
	event->total_ns = is_timed ? total->total_ns : SL_UNKNOWN;
	event->cpu_ns = is_timed ? total->cpu_ns : SL_UNKNOWN;
	sl_submit(event, false);
	return 0;
}

static long tell_sum(void *map, const __u32 *turn, void *value, struct sum_walk *walk)
{
	__u32 slot;
	const struct call_sum *sum = sum_of_turn(walk->ts, *turn, &slot);
	struct call_total total;

	if (!sum)
		return 1;
	total.count = sum->count;
	total.errors = sum->errors;
	total.total_ns = sum->total_ns;
	total.cpu_ns = sum->cpu_ns;
	calls_emit(walk->pid_tgid, walk->moment, walk->when, slot_numbers[slot], &total);
	return 0;
}

__noinline int calls_tell_thread(struct task_state *ts, __u64 pid_tgid, __u64 moment, __u32 when)
{
	struct sum_walk walk = { .ts = ts, .pid_tgid = pid_tgid, .moment = moment, .when = when };

	if (ts)
		bpf_for_each_map_elem(&turns, tell_sum, &walk, 0);
	return 0;
}

static long tell_ended(void *map, const __u32 *turn, void *value, struct sum_walk *walk)
{
	const __u32 i = *turn;

	if (i >= CALL_SLOTS)
		return 1;
	if (walk->of->ended[i].count)
		calls_emit(walk->pid_tgid, walk->moment, walk->when, slot_numbers[i],
			   &walk->of->ended[i]);
	return 0;
}

static long tell_rare(void *map, const __u32 *turn, void *value, struct sum_walk *walk)
{
	const __u32 i = *turn;

	if (i >= RARE_CALLS)
		return 1;
	if (walk->of->rare[i].key)
		calls_emit(walk->pid_tgid, walk->moment, walk->when, walk->of->rare[i].key - 1,
			   &walk->of->rare[i].total);
	return 0;
}

__noinline int calls_tell_process(__u32 tgid, __u64 moment, __u32 when)
{
	struct sum_walk walk = {
		.of = bpf_map_lookup_elem(&process_calls, &tgid),
		.pid_tgid = (__u64)tgid << 32 | tgid,
		.moment = moment,
		.when = when,
	};

	if (!walk.of)
		return 0;
	bpf_for_each_map_elem(&turns, tell_ended, &walk, 0);
	bpf_for_each_map_elem(&turns, tell_rare, &walk, 0);
	return 0;
}

int calls_forget(__u32 tgid)
{
	bpf_map_delete_elem(&process_calls, &tgid);
	return 0;
}
