/* SPDX-License-Identifier: MIT */
/* What a thread that leaves the CPU waits for: the descriptor of its system call, or the file in
 * whose mapping a page is missing. Runs in the scheduler, so only what is cheap. */
#ifndef SL_OBJECT_BPF_H
#define SL_OBJECT_BPF_H

#include "bpf/common.bpf.h"
#include "bpf/path.bpf.h"

#include <asm/unistd_64.h>

#define AF_UNIX		    1
#define AF_INET		    2
#define AF_INET6	    10
#define SOCK_STREAM	    1
#define SOCK_DGRAM	    2
#define ANON_INODE_FS_MAGIC 0x09041934u
#define OFF_COMPONENTS	    12
#define OFF_PATH_MAX	    256 /* below OFF_TEXT_ROOM */
#define FUTEX_WAIT_OPS	    ((1u << 0) | (1u << 6) | (1u << 9) | (1u << 11) | (1u << 13))

static __always_inline __u16 object_of_socket(struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	__u16 type = BPF_CORE_READ(sk, sk_type);

	if (family == AF_UNIX)
		return SL_OBJECT_UNIX;
	if (family != AF_INET && family != AF_INET6)
		return SL_OBJECT_SOCKET;
	return type == SOCK_STREAM  ? SL_OBJECT_TCP
	       : type == SOCK_DGRAM ? SL_OBJECT_UDP
				    : SL_OBJECT_SOCKET;
}

static __always_inline void object_text(struct task_state *ts, struct sl_offcpu *record,
					struct file *file)
{
	struct path_text text =
		path_walk(file, ts->sched.record + sizeof(*record), OFF_TEXT_MAX, OFF_COMPONENTS);

	ts->sched.text_length = text.length;
	record->event.flags |= SL_FLAG_LEAF | (text.is_cut ? SL_FLAG_CUT : 0);
}

static __always_inline void object_of_file(struct task_state *ts, struct sl_offcpu *record,
					   struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	__u32 format = BPF_CORE_READ(inode, i_mode) & MODE_FORMAT;
	struct sock *sk;

	if (format == MODE_SOCKET) {
		sk = sock_of_file(file);
		if (!sk)
			return;
		record->object = object_of_socket(sk);
		record->sock = sock_id(sk);
		return;
	}
	if (format == MODE_PIPE) {
		record->object = SL_OBJECT_PIPE;
		return;
	}
	object_text(ts, record, file);
	if (BPF_CORE_READ(inode, i_sb, s_magic) == ANON_INODE_FS_MAGIC) {
		const char *name = ts->sched.record + sizeof(*record);

		/* "[eventpoll]" */
		record->object =
			name[0] == '[' && name[6] == 'p' ? SL_OBJECT_EPOLL : SL_OBJECT_OTHER;
		return;
	}
	record->object = format == MODE_CHARACTER || format == MODE_BLOCK ? SL_OBJECT_DEVICE
									  : SL_OBJECT_FILE;
}

/* Where the disk is read to find a file: its path as the program gave it. The kernel has just copied
 * it, so its page is there. */
static __always_inline void object_of_path(struct task_state *ts, struct sl_offcpu *record,
					   __u64 path)
{
	const long length = bpf_probe_read_user_str(ts->sched.record + sizeof(*record),
						    OFF_PATH_MAX, (const void *)path);

	if (length <= 1 || length > OFF_PATH_MAX)
		return;
	ts->sched.text_length = length;
	if (length == OFF_PATH_MAX)
		record->event.flags |= SL_FLAG_CUT;
}

/* The descriptor it waits for, or -1. */
static __always_inline int waited_fd(struct task_state *ts)
{
	int fd = -1;

	if (call_table[ts->nr & (CALLS - 1)] & CALL_FD)
		return (int)ts->args[0];
	/* The usual case of poll: one descriptor. */
	if ((ts->nr == __NR_poll || ts->nr == __NR_ppoll) && ts->args[1] == 1)
		bpf_probe_read_user(&fd, sizeof(fd), (void *)ts->args[0]);
	return fd;
}

static __always_inline bool has_timeout(struct task_state *ts)
{
	switch (ts->nr) {
	case __NR_nanosleep:
	case __NR_clock_nanosleep:
		return true;
	case __NR_poll:
		return (int)ts->args[2] > 0;
	case __NR_epoll_wait:
	case __NR_epoll_pwait:
		return (int)ts->args[3] > 0;
	case __NR_ppoll:
	case __NR_rt_sigtimedwait:
		return ts->args[2] != 0;
	case __NR_epoll_pwait2:
	case __NR_semtimedop:
	case __NR_futex_waitv:
		return ts->args[3] != 0;
	case __NR_futex:
		return ts->args[3] != 0 && (1u << (ts->args[1] & 15) & FUTEX_WAIT_OPS);
	case __NR_select:
	case __NR_pselect6:
	case __NR_recvmmsg:
		return ts->args[4] != 0;
	default:
		return false;
	}
}

/* ---- page faults ---- */

static long fault_in_mapping(struct task_struct *task, struct vm_area_struct *vma, void *data)
{
	struct task_state *ts = task_state_of(task);
	struct file *file = BPF_CORE_READ(vma, vm_file);
	struct sl_offcpu *record;

	if (!ts || !file)
		return 0;
	record = (struct sl_offcpu *)ts->sched.record;
	record->object = SL_OBJECT_FAULT_FILE;
	object_text(ts, record, file);
	return 0;
}

/* Blocked, not interruptible and in no system call: a page is missing, or the thread is ending. */
static __always_inline void object_of_fault(struct task_struct *task, struct task_state *ts,
					    struct sl_offcpu *record)
{
	__u64 data = 0;

	if (record->state != SL_STATE_UNINTERRUPTIBLE || (task->flags & PF_EXITING) ||
	    !ts->sched.fault_address || faults_are_off)
		return;
	record->object = SL_OBJECT_FAULT_ANON;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_find_vma))
		bpf_find_vma(task, ts->sched.fault_address, fault_in_mapping, &data, 0);
}

/* Notes in @record what @task, which is leaving the CPU blocked, waits for. */
static __always_inline void object_note(struct task_struct *task, struct task_state *ts,
					struct sl_offcpu *record)
{
	struct file *file;
	__u16 bits;
	int fd;

	if (!ts->in_syscall) {
		object_of_fault(task, ts, record);
		return;
	}
	if (ts->nr >= CALLS)
		return;
	bits = call_table[ts->nr & (CALLS - 1)];
	if (!bits)
		return;
	if (bits & (CALL_PATH | CALL_PATHAT)) {
		if (record->flags & SL_OFFCPU_IOWAIT)
			object_of_path(ts, record, ts->args[bits & CALL_PATH ? 0 : 1]);
		return;
	}
	if ((bits & CALL_TIMED) && has_timeout(ts))
		record->flags |= SL_OFFCPU_TIMEOUT;
	fd = waited_fd(ts);
	file = file_of_fd(task, fd);
	if (!file)
		return;
	record->fd = fd;
	object_of_file(ts, record, file);
}

#endif
