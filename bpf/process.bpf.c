/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Processes and threads as they come and go: fork, exec, exit. What they used is in
 * usage.bpf.c. */
#include "bpf/process.bpf.h"
#include "bpf/common.bpf.h"
#include "bpf/overhead.bpf.h"
#include "bpf/path.bpf.h"
#include "bpf/syscalls.bpf.h"

#include <asm/unistd_64.h>

#define CLONE_VFORK 0x4000ull
#define AT_BASE	    7 /* where the dynamic loader was mapped */
#define AT_ENTRY    9 /* where the program begins */
#define AUXV_PAIRS  12

#define SIGNAL_GROUP_EXIT 0x4u

#define EXEC_TEXT_MAX	2048 /* bytes of the image's path; a power of two */
#define EXEC_COMPONENTS 32
#define ARGS_SMALL	(SCRATCH_BYTES - 64) /* up to here a piece is built in the scratch */

__u64 live_threads = 0, live_processes = 0;
__u32 own_level = 0;
struct process_map processes SEC(".maps");

/* ---- fork ---- */

/* Its process gets one thread more, or comes into being. */
__noinline int process_count_thread(__u32 tgid, __u64 mm)
{
	struct process_state *process = bpf_map_lookup_elem(&processes, &tgid);
	struct scratch *scratch;
	long r;

	__sync_fetch_and_add(&live_threads, 1);
	if (process) {
		__u64 live = fetch_add(&process->live_threads, 1) + 1;

		if (live > process->threads_peak)
			process->threads_peak = live;
		memory_share(process->mm);
		return 0;
	}
	scratch = sl_scratch_take(); /* the stack is too small */
	if (!scratch)
		return 0;
	process = (struct process_state *)scratch->bytes;
	__builtin_memset(process, 0, sizeof(*process));
	process->live_threads = 1;
	process->threads_peak = 1;
	process->mm = mm;
	r = bpf_map_update_elem(&processes, &tgid, process, BPF_ANY);
	sl_scratch_give(scratch);
	if (r)
		return 0;
	__sync_fetch_and_add(&live_processes, 1);
	memory_join(mm);
	return 0;
}

static __always_inline bool is_vfork(struct task_state *ts)
{
	__u64 flags = ts->args[0];

	if (!ts->in_syscall)
		return false;
	if (ts->nr == __NR_vfork)
		return true;
	if (ts->nr == __NR_clone3 &&
	    bpf_probe_read_user(&flags, sizeof(flags), (void *)ts->args[0]))
		return false;
	return (ts->nr == __NR_clone || ts->nr == __NR_clone3) && (flags & CLONE_VFORK);
}

SEC("tp_btf/sched_process_fork")
int handle_fork(__u64 *ctx)
{
	struct task_struct *parent = (struct task_struct *)ctx[0];
	struct task_struct *child = (struct task_struct *)ctx[1];
	struct task_state *creator = task_state_of(parent);
	struct task_state *ts;
	__u64 now;
	__u32 flags = 0;

	if (!creator && !(follows_cgroups && cgroup_is_followed(leader_address(child))))
		return 0;
	now = bpf_ktime_get_ns();
	if (child->tgid == parent->tgid)
		flags |= SL_TASK_THREAD;
	if (memory_key(child) == memory_key(parent))
		flags |= SL_TASK_SHARES_MM;
	if (creator && is_vfork(creator))
		flags |= SL_TASK_VFORK;
	flags ^= unknown_zero; /* else the verifier follows each combination to the end */
	task_emit(child, parent, flags, now);

	ts = bpf_task_storage_get(&tasks, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!ts) { /* no memory: say that something is missing */
		__sync_fetch_and_add(&drop_counts[SL_KIND_NONE], 1);
		return 0;
	}
	ts->flags = TASK_TRACKED | TASK_ANNOUNCED | TASK_NEW;
	if (creator) {
		ts->flags |= creator->flags & (TASK_COMPAT | TASK_FORKED);
		ts->link.loader = creator->link.loader;
	}
	if (!(flags & SL_TASK_THREAD))
		ts->flags |= TASK_FORKED;
	ts->sched.out_ns = now;
	ts->sched.waker_pid = parent->tgid;
	ts->sched.waker_tid = parent->pid;
	ts->sched.context = SL_CONTEXT_TASK;
	bpf_probe_read_kernel(ts->sched.waker_comm, sizeof(ts->sched.waker_comm), parent->comm);
	ts->probe_left = now % OVERHEAD_SAMPLE;
	sched_created(ts, false);
	process_count_thread(child->tgid, memory_key(child));
	if (creator) {
		creator->probe_hits++;
		overhead_add(creator, now, 1);
	}
	return 0;
}

/* ---- exec ---- */

/* The functions with "exec_" are global so that the verifier looks at each of them once. */

int exec_image_flags(__u64 address, struct task_state *ts);
int exec_args_piece(__u64 from, __u32 offset, __u32 length, __u64 now);

/* Whether the image has a dynamic loader, from the kernel's note for it: AT_BASE is among the
 * first entries on every architecture, and AT_ENTRY follows. */
__noinline int exec_image_flags(__u64 address, struct task_state *ts)
{
	struct mm_struct *mm = (void *)address;
	/* An image of 32 bits ends below 4 GiB, on every architecture. */
	const bool is_32bit = BPF_CORE_READ(mm, task_size) <= 1ull << 32;
	union {
		__u64 words[2 * AUXV_PAIRS];
		__u32 halves[2 * AUXV_PAIRS];
	} auxv = { 0 };
	__u64 loader = 0, entry = 0;

	bpf_probe_read_kernel(&auxv, sizeof(auxv),
			      (char *)mm + bpf_core_field_offset(struct mm_struct, saved_auxv));
	if (is_32bit) {
		link_begin(ts, 0, 0);
		for (int i = 0; i < 2 * AUXV_PAIRS; i += 2)
			if (auxv.halves[i] == AT_BASE)
				return SL_EXEC_32BIT | (auxv.halves[i + 1] ? 0 : SL_EXEC_STATIC);
		return SL_EXEC_32BIT | SL_EXEC_STATIC;
	}
	for (int i = 0; i < 2 * AUXV_PAIRS; i += 2) {
		if (auxv.words[i] == AT_BASE)
			loader = auxv.words[i + 1];
		if (auxv.words[i] == AT_ENTRY)
			entry = auxv.words[i + 1];
	}
	link_begin(ts, loader, entry);
	return loader ? 0 : SL_EXEC_STATIC;
}

/* A piece of argv that is short enough to be copied through the scratch. */
static __always_inline void args_small(__u64 from, __u32 offset, __u32 length, __u64 now)
{
	struct scratch *scratch = sl_scratch_take();
	struct sl_args *args;

	if (!scratch) {
		sl_number(NULL, true, SL_KIND_ARGS);
		return;
	}
	args = (struct sl_args *)scratch->bytes;
	/* Swapped out: the piece is missing, as offsets and lengths show. */
	if (length <= ARGS_SMALL && !bpf_probe_read_user(args->bytes, length, (void *)from)) {
		sl_fill(&args->event, SL_KIND_ARGS, 0, now, bpf_get_current_pid_tgid());
		args->exec_ns = now;
		args->offset = offset;
		args->length = length;
		sl_output(&args->event, sizeof(*args) + length, false);
	}
	sl_scratch_give(scratch);
}

static __always_inline void args_large(__u64 from, __u32 offset, __u32 length, __u64 now)
{
	struct sl_args *args = sl_reserve_for(SL_KIND_ARGS, sizeof(*args) + SL_ARGS_PIECE, now,
					      bpf_get_current_pid_tgid());

	if (!args)
		return;
	args->exec_ns = now;
	args->offset = offset;
	if (bpf_probe_read_user(args->bytes, length, (void *)from))
		length = 0;
	args->length = length;
	args->event.size = sizeof(*args) + ((length + 7) & ~7u);
	sl_submit(args, false);
}

__noinline int exec_args_piece(__u64 from, __u32 offset, __u32 length, __u64 now)
{
	if (length <= ARGS_SMALL)
		args_small(from, offset, length, now);
	else
		args_large(from, offset, length > SL_ARGS_PIECE ? SL_ARGS_PIECE : length, now);
	return 0;
}

struct args {
	__u64 from, total, now;
};

static long args_turn(void *map, const __u32 *turn, void *value, const struct args *args)
{
	const __u32 offset = *turn * SL_ARGS_PIECE;

	if (*turn >= SL_ARGS_MAX / SL_ARGS_PIECE || offset >= args->total)
		return 1;
	exec_args_piece(args->from + offset, offset,
			(args->total < SL_ARGS_MAX ? args->total : SL_ARGS_MAX) - offset,
			args->now);
	return 0;
}

static __always_inline void emit_args(__u64 from, __u64 total, __u64 now)
{
	struct args args = { .from = from, .total = total, .now = now };

	bpf_for_each_map_elem(&turns, args_turn, &args, 0);
}

/* The process has another memory now. */
static __always_inline void change_memory(__u32 tgid, __u64 mm)
{
	struct process_state *process = bpf_map_lookup_elem(&processes, &tgid);

	if (!process || process->mm == mm)
		return;
	memory_tell(process->mm, bpf_get_current_pid_tgid(), SL_WHEN_EXEC);
	memory_leave(process->mm, NULL);
	process->mm = mm;
	memory_join(mm);
	memory_tell(mm, bpf_get_current_pid_tgid(), SL_WHEN_START);
}

/* EXEC and ARGS. A function of its own, as others called from handle_exec() take its stack's room. */
static __noinline int exec_tell(__u64 *ctx, struct task_state *ts, __u64 now)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct scratch *scratch = sl_scratch_take();
	struct sl_exec *event;
	struct path_text text;
	struct file *exe;
	__u64 from, total;

	if (!scratch) {
		sl_number(NULL, true, SL_KIND_EXEC);
		return 0;
	}
	from = BPF_CORE_READ(mm, arg_start);
	total = BPF_CORE_READ(mm, arg_end) - from;
	event = (struct sl_exec *)scratch->bytes;
	sl_fill(&event->event, SL_KIND_EXEC, 0, now, bpf_get_current_pid_tgid());
	event->enter_ns = ts->in_syscall ? ts->enter_ns : has_calls ? now : 0;
	event->caller_tid = (__u32)ctx[1];
	event->ns_pid = ns_id(task);
	event->argv_bytes = total < ~0u ? total : ~0u;
	event->flags = exec_image_flags(memory_key(task), ts);
	if (BPF_CORE_READ_BITFIELD_PROBED((struct linux_binprm *)ctx[2], secureexec))
		event->flags |= SL_EXEC_SECURE;
	if (total > SL_ARGS_MAX)
		event->flags |= SL_EXEC_ARGS_CUT;
	event->start_ns = BPF_CORE_READ(task, group_leader, start_time);
	if (event->flags & SL_EXEC_32BIT)
		ts->flags |= TASK_COMPAT;
	exe = BPF_CORE_READ(mm, exe_file);
	text = path_walk(exe, event->text, EXEC_TEXT_MAX, EXEC_COMPONENTS);
	event->event.flags |= SL_FLAG_LEAF | (text.is_cut ? SL_FLAG_CUT : 0);
	if (text.length <= EXEC_TEXT_MAX + PATH_COMPONENT)
		sl_output(&event->event, sizeof(*event) + text.length, false);
	sl_scratch_give(scratch);
	emit_args(from, total, now);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int handle_exec(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *ts = task_state_of(task);
	const __u64 mm = memory_key(task);
	__u64 now;
	bool is_first;

	if (!ts || !mm)
		return 0;
	now = bpf_ktime_get_ns();
	if (!(ts->flags & TASK_ANNOUNCED))
		usage_announce(ts);
	change_memory(task->tgid, mm);
	is_first = ts->flags & TASK_ROOT;
	ts->flags &= ~(TASK_ROOT | TASK_COMPAT | TASK_FORKED);
	exec_tell(ctx, ts, now);
	if (is_first)
		output_note_files();
	if (is_first || has_listeners)
		ready_inherited();
	ts->probe_hits++;
	overhead_add(ts, now, 1);
	return 0;
}

int exec_exit(struct task_state *ts, long result)
{
	struct scratch *scratch;
	struct sl_execfail *event;
	const char *path;
	long length;

	if (!ts || result >= 0)
		return 0;
	scratch = sl_scratch_take();
	if (!scratch) {
		sl_number(NULL, true, SL_KIND_EXECFAIL);
		return 0;
	}
	event = (struct sl_execfail *)scratch->bytes;
	sl_fill(&event->event, SL_KIND_EXECFAIL, 0, bpf_ktime_get_ns(), bpf_get_current_pid_tgid());
	event->enter_ns = ts->enter_ns;
	event->result = result;
	event->reserved = 0;
	path = (const char *)(ts->nr == __NR_execveat ? ts->args[1] : ts->args[0]);
	length = bpf_probe_read_user_str(event->text, ARGS_SMALL, path);
	if (length < 0)
		length = 0;
	if (length <= ARGS_SMALL)
		sl_output(&event->event, sizeof(*event) + length, false);
	sl_scratch_give(scratch);
	return 0;
}

/* ---- wait ---- */

#define WNOHANG	    1
#define SIGINFO_PID 16 /* of si_pid, on x86-64 */

/* Who asks again and again whether a child has ended learns it here. */
int child_exit(struct task_state *ts, long result)
{
	struct sl_mark *event;
	__s32 pid = (__s32)result;

	if (!ts || result < 0 || !(ts->args[ts->nr == __NR_waitid ? 3 : 2] & WNOHANG))
		return 0;
	if (ts->nr == __NR_waitid &&
	    bpf_probe_read_user(&pid, sizeof(pid), (void *)(ts->args[2] + SIGINFO_PID)))
		return 0;
	if (pid <= 0)
		return 0;
	event = sl_reserve(SL_KIND_MARK, sizeof(*event));
	if (!event)
		return 0;
	event->mark = SL_MARK_REAPED_CHILD;
	event->detail = 0;
	event->value = pid;
	sl_submit(event, false);
	return 0;
}

/* ---- names ---- */

#define PR_SET_NAME 15

static __always_inline struct sl_name *name_reserve(__u32 is_title)
{
	struct sl_name *event = sl_reserve(SL_KIND_NAME, sizeof(*event) + SL_NAME_MAX);

	if (!event)
		return NULL;
	event->is_title = is_title;
	event->reserved = 0;
	__builtin_memset(event->text, 0, SL_NAME_MAX);
	return event;
}

int name_exit(struct task_state *ts, long result)
{
	struct sl_name *event;

	if (!ts || result || ts->nr != __NR_prctl || ts->args[0] != PR_SET_NAME)
		return 0;
	event = name_reserve(0);
	if (event) {
		bpf_get_current_comm(event->text, SL_COMM_SIZE);
		sl_submit(event, false);
	}
	return 0;
}

/* What is in the place of the arguments of a process that was forked and now ends. */
int name_enter(struct task_state *ts)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct sl_name *event;

	if (!ts || ts->nr != __NR_exit_group || !(ts->flags & TASK_FORKED))
		return 0;
	event = name_reserve(1);
	if (event) {
		bpf_probe_read_user_str(event->text, SL_NAME_MAX,
					(const void *)BPF_CORE_READ(task, mm, arg_start));
		sl_submit(event, false);
	}
	return 0;
}

/* ---- exit ---- */

/* As wait(2) will report it. */
static __always_inline __u32 process_status(struct task_struct *task)
{
	if (BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT)
		return BPF_CORE_READ(task, signal, group_exit_code);
	return BPF_CORE_READ(task, group_leader, exit_code);
}

SEC("raw_tp/sched_process_exit")
int handle_exit(__u64 *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *ts = task_state_of(task);
	struct process_state *process;
	struct sl_exit *event;
	__u32 tgid = task->tgid;
	bool is_last = false;
	__u64 now;

	if (!ts || (ts->flags & TASK_ENDED))
		return 0;
	now = bpf_ktime_get_ns();
	ts->flags |= TASK_ENDED;
	sched_ended(ts, pid_tgid_of(task));
	usage_thread_ended(ts);
	process = bpf_map_lookup_elem(&processes, &tgid);
	/* Before it is counted as gone: the last one tells what the others left. */
	if (process && process->live_threads > 1)
		calls_hand_on(ts);
	if (process)
		is_last = fetch_add(&process->live_threads, -1) == 1;
	event = sl_reserve_for(SL_KIND_EXIT, sizeof(*event), now, pid_tgid_of(task));
	if (event) {
		event->status = is_last ? process_status(task) : (__u32)task->exit_code;
		event->flags = is_last ? SL_EXIT_PROCESS : 0;
		if (ts->in_syscall && ts->nr == __NR_exit_group)
			event->flags |= SL_EXIT_GROUP;
		event->run_ns = run_ns_of(task, ts, now) - ts->base_run_ns;
		sl_submit(event, false);
	}
	__sync_fetch_and_sub(&live_threads, 1);
	if (!is_last || !process)
		return 0;
	calls_tell_thread(ts, pid_tgid_of(task), now, SL_WHEN_EXIT);
	calls_tell_process(tgid, now, SL_WHEN_EXIT);
	calls_forget(tgid);
	if (memory_key(task) == process->mm) /* before 6.16 it is gone already */
		memory_refresh(process->mm);
	memory_tell(process->mm, pid_tgid_of(task), SL_WHEN_EXIT);
	memory_leave(process->mm, &process->peak);
	process->mm = 0;
	usage_emit_ended(tgid);
	bpf_map_delete_elem(&processes, &tgid);
	if (fetch_add(&live_processes, -1) == 1)
		memory_emit(SL_WHEN_EXIT);
	return 0;
}
