/* SPDX-License-Identifier: MIT */
/* What all probes share: who is recorded, what is remembered about a thread between two probes,
 * and how an event gets into the ring.
 *
 * A thread is recorded when it has a `struct task_state` in the task storage `tasks` with
 * TASK_TRACKED set. The storage is set by the collector through a pidfd, or inherited at fork,
 * and vanishes with the task; being tied to the task and not to a number it is right inside pid
 * namespaces and immune to pid reuse. What concerns a process is in `processes`, by its pid: it
 * survives an exec that lets another thread become the leader.
 *
 * To write an event: sl_reserve(), fill what follows the header, sl_submit(); or, when its length
 * is not known beforehand, build it in what sl_scratch_take() returns, hand it to sl_output() and
 * give the scratch back.
 *
 * Programs are raw_tp where they do without the types of their arguments: a tp_btf program costs
 * some 3 ms more to load, because the kernel looks up its tracepoint's types one by one.
 *
 * There is one program on sys_enter and one on sys_exit, in core.bpf.c. A new call that somebody
 * wants to see gets a CALL_* bit in the table there. */
#ifndef SL_COMMON_BPF_H
#define SL_COMMON_BPF_H

#include <linux/bpf.h>

#include "bpf/kernel_net_types.h"
#include "bpf/kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/control.h"
#include "bpf/schema.h"

#define PF_EXITING  0x4u /* of a task's flags */
#define EINPROGRESS 115
#define EAGAIN	    11

/* What *counter was before @n was added to it. Of 64 bits only: clang 19 takes an addition to 32 bits
 * for one whose answer nobody wants. */
#define fetch_add(counter, n)                                             \
	({                                                                \
		_Static_assert(sizeof(*(counter)) == 8, "wants 64 bits"); \
		__sync_fetch_and_add(counter, n);                         \
	})

/* ---- settings and counters, shared with source_bpf.c ---- */

extern const volatile __u32 want_output;     /* capture what the program prints */
extern const volatile __u32 wake_early;	     /* wake the reader for what may mean "ready" */
extern const volatile __u32 look_early;	     /* … and when an image is linked, and begins */
extern const volatile __u64 ring_wake_bytes; /* … and otherwise when that much is waiting */
extern __u32 is_over;	     /* the recording ended: the probes only wait to be detached */
extern __u32 is_ready;	     /* readiness was reached */
extern __u32 faults_are_off; /* page faults are no longer noted */

/* Which of the programs the kernel let us have; set before anything is recorded. */
extern __u32 has_calls, has_switches, has_rss_stat, has_fault_probe, has_length_probes;

#define SL_CPUS 1024 /* more CPUs than that share counters, two by two */

#define SL_CPU_WORDS 8 /* a cache line each; the first word is the next sequence number */
extern __u64 cpu_counts[SL_CPUS][SL_CPU_WORDS];
extern __u64 drop_counts[SL_KIND_LIMIT];

/* ---- what is remembered about a thread ---- */

/* Off-CPU record under construction; see sched.bpf.c. */
#define OFF_TEXT_MAX  128 /* longest text that is kept */
#define OFF_TEXT_ROOM (OFF_TEXT_MAX + 256 + 8)

struct sched_state {
	__u64 in_ns;			 /* on the CPU since; 0: it is not */
	__u64 in_sum_ns;		 /* the scheduler's run time sum at in_ns */
	__u64 out_ns;			 /* off the CPU since; 0: it is not */
	__u64 out_sum_ns;		 /* … at out_ns */
	__u64 in_switches, in_voluntary; /* the kernel's counts at in_ns, see sched.bpf.c */
	__u64 wake_ns;			 /* last wake-up */
	__u64 major_faults;
	__u64 fault_address;
	__u64 since_ns, blocked_ns, runnable_ns, count; /* sums past the switch limit */
	__u32 waker_pid, waker_tid;
	__u32 context;
	__u32 is_idle; /* blocked: not counted as running */
	__u32 text_length;
	__u32 reserved;
	char waker_comm[SL_COMM_SIZE];
	char record[sizeof(struct sl_offcpu) + OFF_TEXT_ROOM] __attribute__((aligned(8)));
};

/* For network.bpf.c alone. */
struct net_state {
	__u64 sock; /* from enter to exit of the current call */
	__u64 other;
	__u64 word[6];
};

/* For syscalls.bpf.h alone: a thread's calls, by number. Storage of more than 2 KiB in all would make
 * each fork dearer. */
#define CALL_SLOTS 96 /* numbers that can have a sum */
#define CALL_SUMS  32 /* that have one at a time */
struct call_sum {
	__u32 count, errors;
	__u64 total_ns, cpu_ns;
};
struct call_sums {
	struct call_sum sums[CALL_SUMS];
	__u8 slots[CALL_SUMS];	 /* of which each is */
	__u8 sum_of[CALL_SLOTS]; /* + 1; 0: it has none */
	__u64 n;
};

/* For link.bpf.c alone: what the dynamic loader is at. Of a thread; loader goes on to its children. */
struct link_state {
	__u64 loader;	 /* where it lies; 0: there is none */
	__u64 entry;	 /* where the program begins, once it is loaded */
	__u64 cache;	 /* what may be its cache */
	__u64 closed_ns; /* a file was closed last */
	__u64 setup_ns;	 /* the thread set itself up, and nothing was relocated yet */
	__u32 protects;	 /* that may still come: of each library one */
	__u32 enters;	 /* … likewise */
	__u32 is_entered;
	__u32 is_linked; /* SL_MAPPING_LINKED was told */
};

struct task_state {
	struct task_head; /* its members are ours */
	__u64 enter_ns;
	__u64 offcpu_ns;		  /* off the CPU since enter_ns */
	__u64 args[6];			  /* only of calls with a CALL_* bit */
	__u64 base_run_ns;		  /* of its run time, what lies before R0 */
	__u64 system_ns;		  /* on the CPU in system calls */
	__u64 net_rx_bytes, net_tx_bytes; /* of this thread, kept by network.bpf.c */
	__u64 left_ns;			  /* it returned from its last call; 0: from none yet */
	__u64 stack_due_ns;		  /* its stack is not taken before it has run so long */
	__u64 speed_samples, speed_sum;	  /* see struct sl_usage */
	__u32 probe_left;		  /* runs until the next one that is timed */
	__u32 grown_pages;		  /* by the call that returns, whose stack is wanted */
	struct sched_state sched;
	struct net_state net;
	__u64 python_thread;	/* see stack_python.bpf.c */
	struct call_sums calls; /* see syscalls.bpf.h */
	struct link_state link;
};

struct task_map {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
};
extern struct task_map tasks SEC(".maps");

/* The value, by way of a place in a map: so that the verifier, which knows nothing of what is there, looks at what
 * follows once, and not once for each range that the value may be in. */
#define FORGET_RANGE(place, value)                                 \
	({                                                         \
		*(volatile __typeof__(place) *)&(place) = (value); \
		*(volatile __typeof__(place) *)&(place);           \
	})

extern __u64 running; /* recorded threads that are not blocked */

/* NULL unless @task is recorded. */
static __always_inline struct task_state *task_state_of(struct task_struct *task)
{
	struct task_state *ts = bpf_task_storage_get(&tasks, task, NULL, 0);

	return ts && (ts->flags & TASK_TRACKED) ? ts : NULL;
}

/* tracked(task): is it recorded? */
static __always_inline bool tracked(struct task_struct *task)
{
	return task_state_of(task) != NULL;
}

/* ---- system calls ----
 *
 * handle_sys_enter and handle_sys_exit (core.bpf.c) store number, time and arguments and then
 * call these for calls that have the bit in the table there. @ts is never NULL in earnest; the
 * verifier wants the check. They run with preemption off. Functions with a body in another file
 * must be global and return int. */

#define CALL_EXEC    0x01u
#define CALL_FORK    0x02u
#define CALL_NET     0x04u  /* net_enter(), net_exit() */
#define CALL_FILE    0x08u  /* file_exit() */
#define CALL_FD	     0x10u  /* the first argument is a descriptor it may wait for */
#define CALL_WRITE   0x20u  /* … which it writes to */
#define CALL_TIMED   0x40u  /* may have a timeout */
#define CALL_TRAFFIC 0x80u  /* traffic_exit(), on kernels where tracepoints do not tell lengths */
#define CALL_QUICK   0x100u /* never sleeps and never lasts: only counted */
#define CALL_TELLS   0x200u /* mostly writes an event, so that its exit is always timed */

#define CALL_TOLD 0x400u /* its name is the reason of a sleep: the place is not looked up */

#define CALL_PATH   0x800u  /* its first argument is the path of a file */
#define CALL_PATHAT 0x1000u /* … the second one, after a directory */

#define CALL_CHILD 0x2000u /* child_exit() */
#define CALL_NAME  0x4000u /* name_enter(), name_exit() */
#define CALL_LINK  0x8000u /* link_exit(), growth_exit() */

#define CALLS 512
extern const volatile __u16 call_table[CALLS]; /* by system call number */

int net_enter(struct task_state *ts);
int net_exit(struct task_state *ts, long result);
extern __u32
	pending_datagrams; /* sockets that are bound, and that nobody waits to receive on yet */
int ready_receive(struct task_state *ts); /* … a call that reads, while there are some */
int file_exit(struct task_state *ts, long result);
/* From now on the current thread's descriptors 1 and 2 are the program's output. */
int output_note_files(void);
int traffic_exit(struct task_state *ts, long result);
int exec_enter(struct task_state *ts);
int exec_exit(struct task_state *ts, long result);
int child_exit(struct task_state *ts, long result);
int name_enter(struct task_state *ts);
int name_exit(struct task_state *ts, long result);
int link_exit(struct task_state *ts, long result);
int growth_exit(struct task_state *ts, long result);

/* link.bpf.c: the current thread wanted to execute what is at @address, where no page was. */
int link_fetched(__u64 address, __u64 regs);
/* … and began to execute an image; without a loader both are 0. */
int link_begin(struct task_state *ts, __u64 loader, __u64 entry);

/* sched.bpf.c: the current thread was told to be off the CPU. */
int sched_returned(struct task_state *ts, __u64 now);

/* ---- descriptors and sockets ---- */

/* The open file behind @fd of @task, or NULL. Read its members with BPF_CORE_READ. */
static __always_inline struct file *file_of_fd(struct task_struct *task, int fd)
{
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file *file = NULL;

	if (fd < 0 || !fdt || (unsigned int)fd >= BPF_CORE_READ(fdt, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(fdt, fd) + fd);
	return file;
}

#define MODE_FORMAT    0170000
#define MODE_SOCKET    0140000
#define MODE_CHARACTER 0020000
#define MODE_BLOCK     0060000
#define MODE_PIPE      0010000

/* The socket behind @file, or NULL when it is none. */
static __always_inline struct sock *sock_of_file(struct file *file)
{
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & MODE_FORMAT) != MODE_SOCKET)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

/* What names a socket in the recording: the number of its inode, which the kernel hands out
 * from one 32-bit counter for the whole machine, so that it comes back after four billion
 * sockets and pipes at the earliest; and which says nothing about addresses in the kernel.
 * 0: it has none, because it was not accepted yet or is closed already. */
static __always_inline __u64 sock_id(struct sock *sk)
{
	struct socket *socket = BPF_CORE_READ(sk, sk_socket);
	struct socket_alloc *alloc;

	if (!socket)
		return 0;
	alloc = (void *)socket - bpf_core_field_offset(struct socket_alloc, socket);
	return BPF_CORE_READ(alloc, vfs_inode.i_ino);
}

/* ---- loops ---- */

/* A loop that the verifier looks at once and not for every turn: the elements of an array are
 * its turns, for bpf_for_each_map_elem(). (bpf_loop is not in 5.15.) */
#define TURNS 8704 /* as many as the walk over wait queues may take */

struct turns_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TURNS);
	__type(key, __u32);
	__type(value, __u8);
};
extern struct turns_map turns SEC(".maps");

/* 0, which the verifier does not know. That of 6.1 looks at the first turn only, and removes what
 * that turn cannot reach: what a turn counts or leaves to the next one must begin with this. */
extern __u32 unknown_zero;

/* ---- writing events ---- */

struct ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20); /* collect/bpf/maps.c decides */
};
extern struct ring_map ring SEC(".maps");

/* Counts a record, written or not: a gap in the numbers is a lost record. */
static __always_inline void sl_number(struct sl_event *event, bool is_lost, __u16 kind)
{
	__u32 cpu = bpf_get_smp_processor_id() & (SL_CPUS - 1);
	__u64 seq = fetch_add(&cpu_counts[cpu][0], 1);

	if (is_lost) {
		if (kind < SL_KIND_LIMIT)
			__sync_fetch_and_add(&drop_counts[kind], 1);
		return;
	}
	event->cpu = cpu;
	event->seq = (__u32)seq;
}

/* @pid_tgid as bpf_get_current_pid_tgid() returns it: the process in the upper half. */
static __always_inline void sl_fill(struct sl_event *event, __u16 kind, __u32 size, __u64 time_ns,
				    __u64 pid_tgid)
{
	event->size = size;
	event->kind = kind;
	event->flags = SL_SOURCE_BPF;
	event->time_ns = time_ns;
	event->pid = pid_tgid >> 32;
	event->tid = (__u32)pid_tgid;
}

/* Room for an event about the thread @pid_tgid, header filled in; NULL (counted) when the ring
 * is full. @size is a constant and a multiple of 8. Everything behind the header must be written:
 * the ring is not cleared. */
static __always_inline void *sl_reserve_for(__u16 kind, __u32 size, __u64 time_ns, __u64 pid_tgid)
{
	struct sl_event *event;

	if (is_over)
		return NULL;
	event = bpf_ringbuf_reserve(&ring, size, 0);
	if (!event) {
		sl_number(NULL, true, kind);
		return NULL;
	}
	sl_fill(event, kind, size, time_ns, pid_tgid);
	sl_number(event, false, kind);
	return event;
}

/* The same about the current thread, now. */
static __always_inline void *sl_reserve(__u16 kind, __u32 size)
{
	return sl_reserve_for(kind, size, bpf_ktime_get_ns(), bpf_get_current_pid_tgid());
}

#define WAKE_SAMPLE 32 /* asking how full the ring is costs more than an event: ask now and then */

static __always_inline __u64 sl_wake_flags(__u32 seq, __u32 size, bool wake)
{
	if (wake && wake_early && !is_ready)
		return BPF_RB_FORCE_WAKEUP;
	if ((seq % WAKE_SAMPLE == 0 || size >= 2048) &&
	    bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= ring_wake_bytes)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

/* Commits what sl_reserve() returned. @wake: it may mean that the program is ready. */
static __always_inline void sl_submit(void *data, bool wake)
{
	struct sl_event *event = data;

	bpf_ringbuf_submit(event, sl_wake_flags(event->seq, event->size, wake));
}

/* Writes an event that was built elsewhere, header filled by sl_fill() but for cpu and seq.
 * @size may vary; the verifier must see its bound. False (counted) when the ring is full.
 * event->size is set here, rounded up to 8: leave room. */
static __always_inline bool sl_output(struct sl_event *event, __u32 size, bool wake)
{
	const __u16 kind = event->kind;
	__u64 flags;

	if (is_over)
		return false;
	size = (size + 7) & ~7u;
	event->size = size;
	sl_number(event, false, kind);
	flags = sl_wake_flags(event->seq, size, wake);
	if (bpf_ringbuf_output(&ring, event, size, flags) == 0)
		return true;
	if (kind < SL_KIND_LIMIT)
		__sync_fetch_and_add(&drop_counts[kind], 1);
	return false;
}

/* ---- room to build events of varying length ---- */

#define SCRATCH_BYTES 4096 /* usable; text behind it is cut */
#define SCRATCH_ROOM  (SCRATCH_BYTES + 512)

/* Each CPU has some, so that nothing is allocated for a thread that may only live for a moment.
 * More than one are taken only where programs can be preempted, which kernels up to now do not
 * do. */
#define SCRATCHES 2

struct scratch {
	union {
		struct sl_event event;
		char bytes[SCRATCH_ROOM];
	};
	__u64 is_taken;
};

struct scratch_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, __u32);
	__type(value, struct scratch);
};
extern struct scratch_map scratches SEC(".maps");

static __always_inline struct scratch *sl_scratch_try(__u32 number)
{
	struct scratch *scratch = bpf_map_lookup_elem(&scratches, &number);

	return scratch && !__sync_lock_test_and_set(&scratch->is_taken, 1) ? scratch : NULL;
}

/* One that nobody uses, not cleared, until it is given back; NULL when there is none. For programs
 * in the context of a thread; those that may run in an interrupt must not. */
static __always_inline struct scratch *sl_scratch_take(void)
{
	struct scratch *scratch = sl_scratch_try(0);

	return scratch ? scratch : sl_scratch_try(SCRATCHES - 1);
}

static __always_inline void sl_scratch_give(struct scratch *scratch)
{
	scratch->is_taken = 0;
}

#endif
