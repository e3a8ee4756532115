/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* The maps, the settings and the two system call programs that everything hangs on. */
#include "bpf/common.bpf.h"
#include "bpf/overhead.bpf.h"
#include "bpf/percpu.bpf.h"
#include "bpf/stack.bpf.h"
#include "bpf/syscalls.bpf.h"

#include <asm/unistd_64.h>

char program_license[] SEC("license") = "Dual MIT/GPL";

struct task_map tasks SEC(".maps");
struct scratch_map scratches SEC(".maps");
struct ring_map ring SEC(".maps");
struct turns_map turns SEC(".maps");

const volatile __u32 want_output = 0;
const volatile __u32 wake_early = 0;
const volatile __u32 look_early = 0;
const volatile __u64 ring_wake_bytes = 8 << 20;
const volatile __u32 n_cpus = 0;
const volatile __u64 runqueues_offset = 0;
const volatile __u64 preempt_count_offset = 0;
const volatile __u64 this_cpu_off_offset = 0;
__u64 percpu_bases[PERCPU_CPUS];
__u32 unknown_zero = 0;
__u32 is_ready = 0;
__u32 is_over = 0;
__u32 has_calls = 0, has_switches = 0, has_rss_stat = 0, has_fault_probe = 0, has_length_probes = 0;
__u64 cpu_counts[SL_CPUS][SL_CPU_WORDS];
__u64 drop_counts[SL_KIND_LIMIT];

/* x86-64 numbers. What has no bit costs an untracked thread nothing more, a tracked one only the
 * note that it is in that call. */
const volatile __u16 call_table[CALLS] = {
	[__NR_execve] = CALL_EXEC,
	[__NR_execveat] = CALL_EXEC,
	[__NR_clone] = CALL_FORK,
	[__NR_clone3] = CALL_FORK,
	[__NR_read] = CALL_FD | CALL_TRAFFIC,
	[__NR_pread64] = CALL_FD,
	[__NR_readv] = CALL_FD | CALL_TRAFFIC,
	[__NR_preadv] = CALL_FD,
	[__NR_preadv2] = CALL_FD,
	[__NR_write] = CALL_FD | CALL_FILE | CALL_TRAFFIC | CALL_WRITE,
	[__NR_pwrite64] = CALL_FD | CALL_WRITE,
	[__NR_writev] = CALL_FD | CALL_FILE | CALL_TRAFFIC | CALL_WRITE,
	[__NR_pwritev] = CALL_FD | CALL_WRITE,
	[__NR_pwritev2] = CALL_FD | CALL_WRITE,
	[__NR_sendfile] = CALL_FD | CALL_TRAFFIC | CALL_WRITE,
	[__NR_splice] = CALL_FD | CALL_TRAFFIC,
	[__NR_sendto] = CALL_FD | CALL_NET | CALL_TRAFFIC | CALL_WRITE,
	[__NR_sendmsg] = CALL_FD | CALL_NET | CALL_TRAFFIC | CALL_WRITE,
	[__NR_sendmmsg] = CALL_FD | CALL_NET | CALL_TRAFFIC | CALL_WRITE,
	[__NR_recvfrom] = CALL_FD | CALL_TRAFFIC,
	[__NR_recvmsg] = CALL_FD | CALL_TRAFFIC,
	[__NR_recvmmsg] = CALL_FD | CALL_TRAFFIC | CALL_TIMED,
	[__NR_connect] = CALL_FD | CALL_NET | CALL_WRITE,
	[__NR_bind] = CALL_FD | CALL_NET,
	[__NR_listen] = CALL_FD | CALL_NET,
	[__NR_accept] = CALL_FD | CALL_NET,
	[__NR_accept4] = CALL_FD | CALL_NET,
	[__NR_shutdown] = CALL_FD | CALL_WRITE,
	[__NR_close] = CALL_FD | CALL_LINK,
	[__NR_poll] = CALL_NET | CALL_TIMED,
	[__NR_ppoll] = CALL_NET | CALL_TIMED,
	[__NR_select] = CALL_NET | CALL_TIMED,
	[__NR_pselect6] = CALL_NET | CALL_TIMED,
	[__NR_epoll_wait] = CALL_FD | CALL_NET | CALL_TIMED,
	[__NR_epoll_pwait] = CALL_FD | CALL_NET | CALL_TIMED,
	[__NR_epoll_pwait2] = CALL_FD | CALL_NET | CALL_TIMED,
	[__NR_epoll_ctl] = CALL_FD | CALL_NET,
	[__NR_io_uring_setup] = CALL_NET,
	[__NR_io_uring_enter] = CALL_FD | CALL_NET,
	[__NR_fsync] = CALL_FD,
	[__NR_fdatasync] = CALL_FD,
	[__NR_sync_file_range] = CALL_FD,
	[__NR_fallocate] = CALL_FD,
	[__NR_ftruncate] = CALL_FD,
	[__NR_getdents64] = CALL_FD,
	[__NR_flock] = CALL_FD,
	[__NR_fcntl] = CALL_FD,
	[__NR_ioctl] = CALL_FD,
	[__NR_futex] = CALL_TIMED | CALL_TOLD,
	[__NR_futex_waitv] = CALL_TIMED,
	[__NR_nanosleep] = CALL_TIMED | CALL_TOLD,
	[__NR_clock_nanosleep] = CALL_TIMED | CALL_TOLD,
	[__NR_wait4] = CALL_CHILD | CALL_TOLD,
	[__NR_waitid] = CALL_CHILD | CALL_TOLD,
	[__NR_vfork] = CALL_TOLD,
	[__NR_prctl] = CALL_NAME,
	[__NR_exit_group] = CALL_NAME,
	[__NR_rt_sigtimedwait] = CALL_TIMED,
	[__NR_semtimedop] = CALL_TIMED,
	[__NR_open] = CALL_FILE | CALL_TELLS | CALL_PATH,
	[__NR_openat] = CALL_FILE | CALL_TELLS | CALL_PATHAT,
	[__NR_openat2] = CALL_FILE | CALL_TELLS | CALL_PATHAT,
	[__NR_creat] = CALL_FILE | CALL_TELLS | CALL_PATH,
	[__NR_stat] = CALL_PATH,
	[__NR_lstat] = CALL_PATH,
	[__NR_newfstatat] = CALL_PATHAT,
	[__NR_statx] = CALL_PATHAT,
	[__NR_access] = CALL_PATH,
	[__NR_faccessat] = CALL_PATHAT,
	[__NR_faccessat2] = CALL_PATHAT,
	[__NR_readlink] = CALL_PATH,
	[__NR_readlinkat] = CALL_PATHAT,
	[__NR_mmap] = CALL_LINK,
	[__NR_mprotect] = CALL_LINK,
	[__NR_munmap] = CALL_LINK,
	[__NR_brk] = CALL_LINK,
	[__NR_mremap] = CALL_LINK,
	[__NR_set_tid_address] = CALL_LINK,
	[__NR_rseq] = CALL_LINK,
	[__NR_getpid] = CALL_QUICK,
	[__NR_getppid] = CALL_QUICK,
	[__NR_gettid] = CALL_QUICK,
	[__NR_getuid] = CALL_QUICK,
	[__NR_geteuid] = CALL_QUICK,
	[__NR_getgid] = CALL_QUICK,
	[__NR_getegid] = CALL_QUICK,
	[__NR_getpgrp] = CALL_QUICK,
	[__NR_getpgid] = CALL_QUICK,
	[__NR_getsid] = CALL_QUICK,
	[__NR_clock_gettime] = CALL_QUICK,
	[__NR_gettimeofday] = CALL_QUICK,
	[__NR_time] = CALL_QUICK,
	[__NR_umask] = CALL_QUICK,
	[__NR_getcpu] = CALL_QUICK,
	[__NR_rt_sigprocmask] = CALL_QUICK,
	[__NR_rt_sigaction] = CALL_QUICK,
	[__NR_rt_sigpending] = CALL_QUICK,
	[__NR_sigaltstack] = CALL_QUICK,
	[__NR_getrlimit] = CALL_QUICK,
	[__NR_times] = CALL_QUICK,
	[__NR_uname] = CALL_QUICK,
	[__NR_alarm] = CALL_QUICK,
	[__NR_set_robust_list] = CALL_QUICK,
	[__NR_get_robust_list] = CALL_QUICK,
	[__NR_sched_getaffinity] = CALL_QUICK,
	[__NR_sched_getparam] = CALL_QUICK,
	[__NR_sched_getscheduler] = CALL_QUICK,
	[__NR_getresuid] = CALL_QUICK,
	[__NR_getresgid] = CALL_QUICK,
	[__NR_getpriority] = CALL_QUICK,
	[__NR_clock_getres] = CALL_QUICK,
	[__NR_arch_prctl] = CALL_QUICK,
	[__NR_prlimit64] = CALL_QUICK,
};

#define STATUS_COMPAT 0x2u /* thread_info.status */

/* Is the current call one of 32 bits? The call and not the program decides: a program of 64 bits
 * can make them by `int $0x80`. */
static __always_inline bool is_compat(struct task_struct *task, struct task_state *ts)
{
	if (bpf_core_field_exists(task->thread_info.status))
		return task->thread_info.status & STATUS_COMPAT;
	return ts->flags & TASK_COMPAT;
}

/* Numbers of 32-bit x86 that matter, as those of 64 bits. Only calls whose arguments mean the
 * same: no array of pointers, no time. */
static __always_inline __u16 compat_number(__u64 nr)
{
	switch (nr) {
	case 3:
		return __NR_read;
	case 4:
		return __NR_write;
	case 5:
		return __NR_open;
	case 6:
		return __NR_close;
	case 7:
	case 114:
		return __NR_wait4;
	case 8:
		return __NR_creat;
	case 11:
		return __NR_execve;
	case 120:
		return __NR_clone;
	case 168:
		return __NR_poll;
	case 190:
		return __NR_vfork;
	case 255:
		return __NR_epoll_ctl;
	case 256:
		return __NR_epoll_wait;
	case 284:
		return __NR_waitid;
	case 295:
		return __NR_openat;
	case 358:
		return __NR_execveat;
	case 361:
		return __NR_bind;
	case 362:
		return __NR_connect;
	case 363:
		return __NR_listen;
	case 364:
		return __NR_accept4;
	default:
		return SL_NO_SYSCALL;
	}
}

static __always_inline void note_compat_arguments(struct task_state *ts, struct pt_regs *regs)
{
	ts->args[0] = (__u32)regs->bx;
	ts->args[1] = (__u32)regs->cx;
	ts->args[2] = (__u32)regs->dx;
	ts->args[3] = (__u32)regs->si;
	ts->args[4] = (__u32)regs->di;
	ts->args[5] = (__u32)regs->bp;
}

static __always_inline void note_arguments(struct task_state *ts, struct pt_regs *regs)
{
	ts->args[0] = regs->di;
	ts->args[1] = regs->si;
	ts->args[2] = regs->dx;
	ts->args[3] = regs->r10;
	ts->args[4] = regs->r8;
	ts->args[5] = regs->r9;
}

static __always_inline void enter_known(struct task_state *ts, __u16 bits)
{
	if (bits & CALL_NET)
		net_enter(ts);
	if (bits & CALL_EXEC)
		exec_enter(ts);
	if ((bits & (CALL_TRAFFIC | CALL_WRITE)) == CALL_TRAFFIC && pending_datagrams)
		ready_receive(ts);
	if (bits & CALL_NAME)
		name_enter(ts);
}

SEC("tp_btf/sys_enter")
int handle_sys_enter(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	const __u64 nr = ctx[1];
	__u16 bits = call_table[nr & (CALLS - 1)];
	struct task_struct *task;
	struct task_state *ts;

	/* Before anything else: it decides what the cheapest call costs. No call of 32 bits that
	 * matters has the number of a quick one. */
	if (nr < CALLS && (bits & CALL_QUICK))
		return 0;
	task = bpf_get_current_task_btf();
	ts = task_state_of(task);
	if (!ts)
		return 0;
	if (want_blocks && nr == __NR_read && !is_compat(task, ts) &&
	    stack_at_block(task, ts, regs))
		return 0;
	ts->enter_ns = bpf_ktime_get_ns();
	ts->offcpu_ns = 0;
	ts->in_syscall = 1;
	if (is_compat(task, ts)) {
		ts->nr = compat_number(nr);
		bits = ts->nr < CALLS ? call_table[ts->nr & (CALLS - 1)] : 0;
		if (bits)
			note_compat_arguments(ts, regs);
	} else {
		ts->nr = nr < SL_NO_SYSCALL ? nr : SL_NO_SYSCALL;
		if (nr >= CALLS)
			bits = 0;
		if (bits)
			note_arguments(ts, regs);
	}
	if (bits)
		enter_known(ts, bits);
	ts->probe_calls++;
	if (overhead_is_due(ts))
		overhead_add(ts, ts->enter_ns, OVERHEAD_SAMPLE);
	if (!(ts->flags & (TASK_COMPAT | TASK_ROOT)))
		stack_at_enter(task, ts);
	return 0;
}

static __noinline int emit_syscall(struct task_state *ts, __u64 now)
{
	struct sl_syscall *event =
		sl_reserve_for(SL_KIND_SYSCALL, sizeof(*event), now, bpf_get_current_pid_tgid());

	if (!event)
		return 0;
	event->enter_ns = ts->enter_ns;
	event->offcpu_ns = ts->offcpu_ns;
	event->number = ts->nr;
	event->reserved = 0;
	sl_submit(event, false);
	return 0;
}

static __always_inline void exit_known(struct task_state *ts, __u16 bits, long result)
{
	if (bits & CALL_NET)
		net_exit(ts, result);
	if (bits & CALL_FILE)
		file_exit(ts, result);
	if ((bits & CALL_TRAFFIC) && !has_length_probes)
		traffic_exit(ts, result);
	if (bits & CALL_EXEC)
		exec_exit(ts, result);
	if (bits & CALL_CHILD)
		child_exit(ts, result);
	if (bits & CALL_NAME)
		name_exit(ts, result);
	if (bits & CALL_LINK)
		link_exit(ts, result);
}

/* Their entry was not looked at. */
static __always_inline void exit_quick(__u64 nr, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *ts = task_state_of(task);

	if (ts)
		calls_add(ts, is_compat(task, ts) ? SL_NO_SYSCALL : nr, result, 0, 0);
}

SEC("tp_btf/sys_exit")
int handle_sys_exit(__u64 *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	const __u64 entered = regs->orig_ax;
	const long result = (long)ctx[1];
	struct task_state *ts;
	__u64 now, on_ns;
	__u16 bits;

	if (entered < CALLS && (call_table[entered & (CALLS - 1)] & CALL_QUICK)) {
		exit_quick(entered, result);
		return 0;
	}
	ts = task_state_of(bpf_get_current_task_btf());
	if (!ts || !ts->in_syscall)
		return 0;
	now = bpf_ktime_get_ns();
	if (ts->sched.out_ns)
		sched_returned(ts, now);
	on_ns = now - ts->enter_ns - ts->offcpu_ns;
	ts->system_ns += on_ns;
	calls_add(ts, ts->nr, result, now - ts->enter_ns, on_ns);
	if (on_ns >= SL_SYSCALL_MIN_NS && has_switches)
		emit_syscall(ts, now);
	bits = ts->nr < CALLS ? call_table[ts->nr & (CALLS - 1)] : 0;
	if (bits)
		exit_known(ts, bits, result);
	ts->in_syscall = 0;
	if (bits & CALL_TELLS)
		overhead_add(ts, now, 1);
	else if (overhead_is_due(ts))
		overhead_add(ts, now, OVERHEAD_SAMPLE);
	if (!(ts->flags & (TASK_COMPAT | TASK_ROOT)))
		stack_at_exit(ts, bits, now);
	return 0;
}
