/* SPDX-License-Identifier: MIT */
/* The event schema: the one contract between the kernel probes, the preload
 * shim, the collector, the trace file and the model.
 *
 * To add an event: add a row to SL_EVENT_KINDS, define struct sl_<token> with its size asserted, write
 * fold_<token>() in userspace/model (the build asks for it), emit it, and describe it in docs/trace-format.md.
 *
 * Rules. Fixed-width types only, no implicit padding. A kind's number is frozen and never reused. New fields go at
 * the end: readers accept longer payloads, zero-fill nothing and reject shorter ones. Times are CLOCK_MONOTONIC
 * nanoseconds, ids are those of the initial pid namespace unless SL_FLAG_NS_IDS is set, sizes are bytes. A trailing
 * array without a length is text[] or bytes[]; its length is what `size` leaves, and text ends at the first NUL or at
 * the record's end. Everything here may come from a hostile program. */
#ifndef SL_SCHEMA_H
#define SL_SCHEMA_H

#ifndef SL_HAVE_KERNEL_TYPES
#include <linux/types.h>
#endif

/* X(number, ENUM, token, doc) */
#define SL_EVENT_KINDS(X)                                                                    \
	X(1, META, meta, "a key=value fact about the recording")                             \
	X(2, MARK, mark, "a milestone of the run or of a process")                           \
	X(3, TASK, task, "a thread or process was created")                                  \
	X(4, EXEC, exec, "execve succeeded; a new image starts")                             \
	X(5, ARGS, args, "a piece of the new image's argument vector")                       \
	X(6, EXECFAIL, execfail, "execve failed")                                            \
	X(7, EXIT, exit, "a thread ended")                                                   \
	X(8, USAGE, usage, "resource counters of one process at one moment")                 \
	X(9, OFFCPU, offcpu, "a thread was off the CPU: why, for how long, woken by whom")   \
	X(10, SYSCALL, syscall, "a system call that ran on the CPU for long")                \
	X(11, OPEN, open, "a file was opened, or could not be")                              \
	X(12, NET, net, "something happened to a socket")                                    \
	X(13, HEAP, heap, "allocator counters of one process image at one moment")           \
	X(14, COVER, cover, "why an image is or is not seen by the shim")                    \
	X(15, MEMORY, memory, "resident memory of the whole tree")                           \
	X(16, SCHEDSUM, schedsum, "off-CPU sums of a thread, in place of OFFCPU records")    \
	X(17, SYMBOL, symbol, "the name of a kernel address used in OFFCPU")                 \
	X(18, OUTPUT, output, "bytes written to descriptor 1 or 2 (log readiness only)")     \
	X(19, HOST, host, "contention on the machine at one moment")                         \
	X(20, DROPS, drops, "records of one kind a producer could not write")                \
	X(21, TALLY, tally, "how many records a CPU produced in all")                        \
	X(22, END, end, "the recording finished; nothing follows")                           \
	X(23, NAME, name, "what a thread or a process calls itself")                         \
	X(24, MODULE, module, "a file, or other region, of code")                            \
	X(25, FRAME, frame, "a place in code")                                               \
	X(26, FUNCTION, function, "a function that a frame is in")                           \
	X(27, STACK, stack, "a frame, and the stack it was called from")                     \
	X(28, SAMPLE, sample, "the stack of a thread at one moment")                         \
	X(29, CALLS, calls, "system calls of a process, summed by number")                   \
	X(30, MAPPING, mapping, "a file of code was mapped, or protected")                   \
	X(31, IMPORT, import, "a module of a language begins to load, or is loaded")         \
	X(32, SITE, site, "what one call site has allocated, at one moment")                 \
	X(33, RESIDENT, resident, "a part of a process's resident memory, at one moment")    \
	X(34, MAPPED, mapped, "what a memory has resident and has grown by, so far")         \
	X(35, MAPSITE, mapsite, "what one call site has mapped")                             \
	X(36, LIVE, live, "live bytes of the heap of the whole tree, at one moment")         \
	X(37, ALLOCATOR, allocator, "what an allocator of the program's own says of itself") \
	X(38, BLOCK, block, "a block of the heap was allocated or freed")

enum sl_kind {
	SL_KIND_NONE = 0, /* reserved, not committed */
#define SL_KIND_ROW(number, name, token, doc) SL_KIND_##name = number,
	SL_EVENT_KINDS(SL_KIND_ROW)
#undef SL_KIND_ROW
		SL_KIND_LIMIT /* one past the last known kind */
};

/* sl_event.flags */
#define SL_FLAG_SOURCE 0x0003u /* enum sl_source */
#define SL_FLAG_NS_IDS 0x0004u /* pid and tid are those of the sender's own pid namespace */
#define SL_FLAG_CUT    0x0008u /* the text was too long: its head is missing */
#define SL_FLAG_LEAF   0x0010u /* text is path components, leaf first, each NUL-terminated */

enum sl_source {
	SL_SOURCE_BPF = 0,
	SL_SOURCE_SHIM = 1,
	SL_SOURCE_COLLECT = 2,
};

/* First member of every payload. Lives at 8-byte alignment. */
struct sl_event {
	__u32 size; /* bytes, header included, multiple of 8 */
	__u16 kind; /* enum sl_kind; written last by lock-free writers */
	__u16 flags;
	__u64 time_ns;
	__u32 pid; /* process (thread group) the event is about; 0 when none */
	__u32 tid;
	__u32 cpu; /* bpf: the CPU; shim: the lane's number; collector: 0 */
	__u32 seq; /* with (source, cpu): gapless from 0, or records were lost */
};

#define SL_EVENT_MAX 65536u /* no record is longer; a reader may refuse one that is */

/* ---- the recording itself ---- */

struct sl_meta {
	struct sl_event event;
	char text[]; /* "key=value", UTF-8; keys are listed in docs/trace-format.md */
};

enum sl_mark_id {
	SL_MARK_SPAWN = 1,  /* collector: released the command; value = run number from 0 */
	SL_MARK_LINKED = 2, /* shim: libraries are relocated, constructors begin */
	SL_MARK_MAIN = 3,   /* shim: main is about to be entered */
	SL_MARK_READY = 4,  /* collector: a condition of --ready held at time_ns; text = its spec;
			      * value = the process's pid if known */
	SL_MARK_STOP = 5,   /* collector: asked the tree to stop; value = signal, detail = enum
			      * sl_stop */
	SL_MARK_REAPED = 6, /* collector: the command ended; value = wait status */
	SL_MARK_GONE = 7,   /* collector: the whole tree has ended (or was given up on) */
	SL_MARK_OVERHEAD =
		8, /* collector, from a lane: value = ns that its shim spent in making lanes
			      * and in looking at images to execute; detail = enum sl_when */
	SL_MARK_NOTIFIED = 9, /* collector: sd_notify READY=1 arrived */
	SL_MARK_REAPED_CHILD =
		10, /* bpf: a call with WNOHANG told that a child ended; value = its pid
				    * as the caller knows it */
};

enum sl_stop {
	SL_STOP_READY = 1,
	SL_STOP_TIMEOUT = 2,
	SL_STOP_DURATION = 3,
	SL_STOP_SIGNAL = 4,
	SL_STOP_FAILED = 5, /* what --ready named turned out to be another process's */
	SL_STOP_LOADED = 6, /* the load that was put on it has ended */
};

struct sl_mark {
	struct sl_event event;
	__u32 mark; /* enum sl_mark_id */
	__u32 detail;
	__u64 value;
	char text[];
};

/* One per source and kind at the end of a recording, also when count is 0 for kind 0. */
struct sl_drops {
	struct sl_event event;
	__u32 source; /* enum sl_source */
	__u32 kind;   /* enum sl_kind; 0: any (bpf: how often the kernel skipped a probe) */
	__u64 count;
};

/* One per CPU (bpf) or lane (shim) at the end: a gap at the tail shows too. */
struct sl_tally {
	struct sl_event event;
	__u32 source;
	__u32 producer; /* CPU number or lane number */
	__u64 count;	/* records attempted; the next sequence number */
};

struct sl_end {
	struct sl_event event;
};

/* ---- processes ---- */

#define SL_COMM_SIZE 16

#define SL_TASK_THREAD	  0x1u /* a thread of an existing process */
#define SL_TASK_SHARES_MM 0x2u /* shares memory with its parent (thread, vfork, posix_spawn) */
#define SL_TASK_VFORK	  0x4u /* the parent sleeps until exec or exit */
#define SL_TASK_ATTACHED  0x8u /* not created now: it already ran when recording began */

/* event.pid/tid are the new task's. */
struct sl_task {
	struct sl_event event;
	__u32 parent_pid;
	__u32 parent_tid; /* the thread that called fork or clone */
	__u32 ns_pid;	  /* the new task's ids in its innermost pid namespace */
	__u32 ns_tid;
	__u32 flags;   /* SL_TASK_* */
	__u32 own_tid; /* … in startline's, by which perf tells of it; 0: unknown */
	char comm[SL_COMM_SIZE];
};

#define SL_EXEC_SECURE	 0x1u /* AT_SECURE: setuid, setgid or file capabilities */
#define SL_EXEC_STATIC	 0x2u /* the image has no interpreter (no dynamic loader) */
#define SL_EXEC_32BIT	 0x4u
#define SL_EXEC_ARGS_CUT 0x8u /* argv was longer than SL_ARGS_MAX: only the first part follows */

#define SL_ARGS_MAX   131072u /* bytes of argv recorded per exec */
#define SL_ARGS_PIECE 16384u

/* time_ns = the new image is in place; enter_ns = the execve call entered the kernel. */
struct sl_exec {
	struct sl_event event;
	__u64 enter_ns;
	__u32 caller_tid; /* the thread that called execve (differs from tid: not the leader) */
	__u32 ns_pid;
	__u32 argv_bytes; /* true length, NULs included */
	__u32 flags;	  /* SL_EXEC_* */
	__u64 start_ns;	  /* the process's creation time: joins lanes across pid reuse */
	char text[];	  /* path of the image (exe), leaf first if SL_FLAG_LEAF */
};

struct sl_args {
	struct sl_event event;
	__u64 exec_ns; /* time_ns of the EXEC it belongs to */
	__u32 offset;
	__u32 length;
	char bytes[]; /* NUL-separated strings */
};

struct sl_execfail {
	struct sl_event event; /* time_ns = the call returned */
	__u64 enter_ns;
	__s32 result; /* negative errno */
	__u32 reserved;
	char text[]; /* the path as the program gave it */
};

#define SL_EXIT_PROCESS	  0x1u /* it was the last thread: the process ended */
#define SL_EXIT_NO_STATUS 0x2u /* how is not known: status means nothing */
#define SL_EXIT_GROUP	  0x4u /* it called exit_group: that ends the other threads */
struct sl_exit {
	struct sl_event event;
	__u32 status; /* as wait(2) reports it; of the process if SL_EXIT_PROCESS */
	__u32 flags;
	__u64 run_ns; /* CPU time of this thread, the scheduler's own sum */
};

enum sl_when {
	SL_WHEN_EXIT = 1,
	SL_WHEN_READY = 2,
	SL_WHEN_START = 3,
	SL_WHEN_EXEC = 4,
	SL_WHEN_PROBED = 5, /* just before NET PROBED */
	/* RESIDENT: when the tree had most, as far as anybody looked, and soon after an image was linked, and began. */
	SL_WHEN_PEAK = 6,
	SL_WHEN_LINKED,
	SL_WHEN_MAIN,
};

/* What resident pages are of, as the kernel counts them and /proc/PID/status says. */
enum sl_memory_kind {
	SL_MEMORY_ANONYMOUS = 0, /* heap, stacks, what was written of private mappings */
	SL_MEMORY_FILE = 1,	 /* mapped files: code, libraries, data */
	SL_MEMORY_SHARED = 2,	 /* shared anonymous memory, tmpfs */
	SL_MEMORY_KINDS = 3,
};

/* Whole process, all threads living and dead. */
struct sl_usage {
	struct sl_event event;
	__u32 when; /* enum sl_when */
	__u32 threads_peak;
	__u64 user_ns;
	__u64 system_ns;
	__u64 run_ns; /* scheduler's sum over all threads */
	__u64 minor_faults;
	__u64 major_faults;
	__u64 voluntary_switches;
	__u64 involuntary_switches;
	__u64 read_bytes;  /* fetched from storage */
	__u64 write_bytes; /* sent towards storage */
	__u64 read_chars;  /* through read-like calls, cache hits included */
	__u64 write_chars;
	__u64 rss_bytes;
	__u64 rss_peak_bytes; /* of the current image only, never inherited */
	__u64 net_rx_bytes;
	__u64 net_tx_bytes;
	__u64 flags; /* SL_USAGE_*: which groups could not be read */
	/* What the kernel probes cost it; all 0 where there are none. */
	__u64 probe_ns;	   /* inside probes, from samples */
	__u64 probe_calls; /* system calls that were looked at */
	__u64 probe_hits;  /* other occasions on which a probe ran */
	/* What rss_bytes and rss_peak_bytes consist of, by enum sl_memory_kind; all 0: not known. */
	__u64 rss_kinds[SL_MEMORY_KINDS];
	__u64 rss_peak_kinds[SL_MEMORY_KINDS];
	/* How fast the CPUs were at samples of the timer: how often that was measured, and the sum. */
	__u64 speed_samples;
	__u64 speed_sum; /* turns of a loop per ms */
};
#define SL_USAGE_NO_IO	0x1u
#define SL_USAGE_NO_NET 0x2u
#define SL_USAGE_NO_RSS 0x4u
#define SL_USAGE_NO_CPU 0x8u

/* ---- the scheduler ---- */

enum sl_state {
	SL_STATE_PREEMPTED = 0,	      /* was still runnable */
	SL_STATE_INTERRUPTIBLE = 1,   /* S */
	SL_STATE_UNINTERRUPTIBLE = 2, /* D */
	SL_STATE_STOPPED = 3,	      /* stopped or traced */
	SL_STATE_NEW = 4,	      /* not yet run since it was created */
};

enum sl_context { /* where the wake-up was issued */
		  SL_CONTEXT_UNKNOWN = 0,
		  SL_CONTEXT_TASK = 1,
		  SL_CONTEXT_SOFTIRQ = 2,
		  SL_CONTEXT_HARDIRQ = 3,
};

enum sl_object { /* what the system call's descriptor, or the fault, was about */
		 SL_OBJECT_NONE = 0,
		 SL_OBJECT_FILE = 1,   /* regular file or directory; text = path */
		 SL_OBJECT_TCP = 2,    /* sock */
		 SL_OBJECT_UDP = 3,    /* sock */
		 SL_OBJECT_UNIX = 4,   /* sock */
		 SL_OBJECT_SOCKET = 5, /* another family */
		 SL_OBJECT_PIPE = 6,
		 SL_OBJECT_DEVICE = 7,	   /* text = name; a terminal, for one */
		 SL_OBJECT_FAULT_FILE = 8, /* page fault in a file mapping; text = path */
		 SL_OBJECT_FAULT_ANON = 9, /* page fault elsewhere */
		 SL_OBJECT_EPOLL = 10,
		 SL_OBJECT_OTHER = 11, /* eventfd, timerfd, signalfd, inotify …; text = its name */
};

#define SL_OFFCPU_IOWAIT    0x1u /* the kernel counted it as waiting for a disk */
#define SL_OFFCPU_STILL	    0x2u /* snapshot: not back on the CPU at time_ns; wake_ns 0 if asleep */
#define SL_OFFCPU_MAJOR	    0x4u /* a major fault ended in this interval */
#define SL_OFFCPU_TIMEOUT   0x8u /* the wait had a finite timeout */
#define SL_OFFCPU_THROTTLED 0x10u /* held back by its CPU quota */
#define SL_OFFCPU_INFERRED  0x20u /* the kernel did not tell of it: its length is from sums */

#define SL_NO_SYSCALL 0xffffu

/* One off-CPU interval. time_ns = back on the CPU. [out_ns, wake_ns) it slept, [wake_ns,
 * time_ns) it waited for a CPU; a preempted thread has wake_ns == out_ns. */
struct sl_offcpu {
	struct sl_event event;
	__u64 out_ns;
	__u64 wake_ns;
	__u32 waker_pid; /* meaningful with SL_CONTEXT_TASK, else whoever was interrupted */
	__u32 waker_tid;
	__u16 state;   /* enum sl_state */
	__u16 context; /* enum sl_context, of the wake-up */
	__u16 syscall; /* x86-64 number it slept in, or SL_NO_SYSCALL */
	__u16 object;  /* enum sl_object */
	__s32 fd;      /* -1: none */
	__u32 flags;   /* SL_OFFCPU_* */
	__u64 sock;    /* identity of the socket, as in struct sl_net; 0: none */
	__u64 wait_ip; /* key of a SYMBOL, a number per place: where it slept; 0: not sampled */
	char waker_comm[SL_COMM_SIZE];
	char text[];
};

/* On-CPU time of at least SL_SYSCALL_MIN_NS inside one call. time_ns = it returned. */
#define SL_SYSCALL_MIN_NS 50000u
struct sl_syscall {
	struct sl_event event;
	__u64 enter_ns;
	__u64 offcpu_ns; /* of which off the CPU */
	__u32 number;
	__u32 reserved;
};

struct sl_schedsum {
	struct sl_event event;
	__u64 since_ns; /* the sums cover [since_ns, time_ns) */
	__u64 blocked_ns;
	__u64 runnable_ns;
	__u64 count;
};

struct sl_symbol {
	struct sl_event event;
	__u64 ip; /* as in sl_offcpu.wait_ip */
	char text[];
};

/* ---- files ---- */

#define SL_OPEN_OWN 0x40000000u /* the shim's; the kernel ignores unknown bits: openat2(2) */
struct sl_open {
	struct sl_event event; /* time_ns = the call returned */
	__u64 enter_ns;
	__s32 result; /* descriptor or negative errno */
	__u32 flags;  /* O_* as given, SL_OPEN_OWN */
	char text[];  /* path as the program gave it */
};

/* ---- sockets ---- */

/* family is AF_*, 0: unknown. port in host order. bytes: 4 or 16 address bytes, or the UNIX
 * path (an abstract one starts with NUL); length counts the bytes in use. */
struct sl_addr {
	__u16 family;
	__u16 port;
	__u16 length;
	__u16 type; /* SOCK_STREAM, SOCK_DGRAM … without flags; 0: unknown */
	__u8 bytes[112];
};

enum sl_net_op {
	SL_NET_BIND = 1,	 /* addr = local */
	SL_NET_LISTEN = 2,	 /* addr = local */
	SL_NET_CONNECT = 3,	 /* the call returned; addr = peer; result may be -EINPROGRESS */
	SL_NET_ESTABLISHED = 4,	 /* an -EINPROGRESS connect came through; addr = peer */
	SL_NET_REFUSED = 5,	 /* … or failed; result = negative errno if known, else -1 */
	SL_NET_ACCEPT_READY = 6, /* first stands ready to accept from listener `sock`; addr = local;
				  * how = enum sl_ready_how */
	SL_NET_ACCEPT = 7,	 /* sock = the new connection, other = its listener; addr = peer;
				  * only the first per listener and process, failed tries included
				  * once (result < 0) */
	SL_NET_FIRST_BYTE = 8,	 /* first bytes written on accepted `sock`; other = its listener;
				  * only the first per listener */
	SL_NET_REPLY = 9,	 /* first bytes read after a request on connected `sock`; enter_ns =
				  * the request's last byte went out; addr = peer */
	SL_NET_INHERITED = 10, /* a listener was there at exec (socket activation); addr = local */
	SL_NET_SENDTO = 11,    /* datagram sent to addr; first per sock and peer */
	SL_NET_CLOSED = 12,    /* a TCP listener was closed, before readiness and not by an exit */
	SL_NET_PROBED = 13, /* collector: startline connected to listener `other`, to see whether it
				* is accepted; pid = its own, addr = our end; result = threads of the program that
				* were running */
};

enum sl_ready_how {
	SL_HOW_ACCEPT = 1, /* blocked or tried in accept */
	SL_HOW_POLL = 2,
	SL_HOW_EPOLL = 3,      /* level-triggered epoll */
	SL_HOW_EPOLL_EDGE = 4, /* edge-triggered: unconfirmed until an accept is tried; sent
				     * again at each further wait until then */
	SL_HOW_IO_URING = 5,
	SL_HOW_EDGE_ACCEPT = 6, /* first accept try of an edge-triggered listener */
	SL_HOW_RECEIVE = 7,	/* began to receive from a bound datagram socket */
	SL_HOW_SELECT = 8,
};

struct sl_net {
	struct sl_event event;
	__u64 enter_ns; /* the system call began; see op for others */
	__u64 sock;	/* unique within the recording, never reused; 0: unknown */
	__u64 other;
	__u16 op; /* enum sl_net_op */
	__u16 how;
	__s32 result; /* negative errno, else >= 0 */
	__s32 fd;     /* -1: unknown */
	__u32 backlog;
	struct sl_addr addr;
};

/* ---- memory ---- */

enum sl_heap_call { /* order is frozen */
		    SL_HEAP_MALLOC,
		    SL_HEAP_CALLOC,
		    SL_HEAP_REALLOC,  /* realloc(NULL, n), and resizing a block */
		    SL_HEAP_MEMALIGN, /* posix_memalign, aligned_alloc, memalign, valloc, pvalloc */
		    SL_HEAP_FREE,     /* of a non-null pointer, cfree and free_sized included */
		    SL_HEAP_REALLOC_FREE, /* realloc of a block: the old one counts as a free */
		    SL_HEAP_FAILED,	  /* returned NULL */
		    SL_HEAP_UNMATCHED, /* more bytes freed than were seen allocated, counted as blocks if known */
		    SL_HEAP_CALLS = 8,
};
#define SL_HEAP_BUCKETS 48 /* bucket b counts requests of 2^(b-1) .. 2^b - 1 bytes; 0: size 0 */

/* Sums since the image started (since_ns). allocs = the first four calls minus failures;
 * frees = FREE + REALLOC_FREE. */
struct sl_heap {
	struct sl_event event;
	__u32 when;   /* enum sl_when */
	__u32 ns_pid; /* as in sl_exec.ns_pid */
	__u64 since_ns;
	__u64 calls[SL_HEAP_CALLS];
	__u64 requested_bytes;
	__u64 live_bytes;	/* usable bytes allocated and not freed */
	__u64 peak_bytes;	/* highest live_bytes of this image */
	__u64 peak_error_bytes; /* peak_bytes may be too low by at most this */
	/* The same for all processes of the tree together, as measured at one moment; it may be too high,
	 * too, by what belonged to processes that had ended unnoticed. */
	__u64 tree_peak_bytes;
	__u64 tree_peak_error_bytes;
	__u64 tree_peak_excess_bytes;
	__u64 buckets[SL_HEAP_BUCKETS];
};

enum sl_site_part {		   /* order is frozen */
		    SL_SITE_TOTAL, /* allocated since the image began */
		    SL_SITE_LIVE,  /* … and not freed */
		    SL_SITE_PEAK,  /* live when the image had most, as far as the samples tell */
		    SL_SITE_TREE_PEAK, /* live when the whole tree had most */
		    SL_SITE_TEMPORARY, /* freed by the next call of the thread that allocated it */
		    SL_SITE_PARTS = 5,
};

/* Of blocks, by usable bytes. Where allocations were sampled these are estimates without bias. */
struct sl_site_sum {
	__u64 blocks;
	__u64 bytes;
	__u64 error_bytes; /* standard error of bytes; 0: exact */
	__u64 samples;	   /* blocks that were seen */
};

/* Blocks of one image that were allocated with the same stack, at one moment. Those of a later moment
 * replace them. Freed blocks: TOTAL less LIVE; their lifetimes add up to lifetime_ns. */
struct sl_site {
	struct sl_event event;
	__u32 when;	/* enum sl_when */
	__u32 stack;	/* STACK id of the innermost frame; 0: unknown */
	__u64 since_ns; /* when the image was first heard of: tells those of a process apart */
	__u64 lifetime_ns;
	__u64 peak_bytes; /* the most that its counters told of with a block; 0: they did not */
	struct sl_site_sum sums[SL_SITE_PARTS];
};

enum sl_cover_reason {
	SL_COVER_COUNTED = 1, /* the shim runs in it and counts */
	SL_COVER_STATIC = 2,
	SL_COVER_SECURE = 3, /* secure-exec */
	SL_COVER_SANITIZER = 4,
	SL_COVER_32BIT = 5,
	SL_COVER_CHROOT = 6,	    /* the shim's file is not visible there */
	SL_COVER_OWN_ALLOCATOR = 7, /* the program defines malloc itself */
	SL_COVER_OFF = 8,	    /* switched itself off; text says why */
	/* 9 was a guess */
	SL_COVER_DEEPBIND = 10,
	SL_COVER_USER = 11, /* another user now, who cannot reach the session's directory */
};

/* From the shim: about its own image (next == 0), or the one it is about to execute (next == 1). */
struct sl_cover {
	struct sl_event event;
	__u32 reason; /* enum sl_cover_reason */
	__u32 next;
	__u32 ns_pid;
	__u32 reserved;
	char text[];
};

struct sl_memory {
	struct sl_event event;
	__u32 when;		 /* enum sl_when */
	__u32 processes;	 /* alive now */
	__u64 now_bytes;	 /* sum of resident bytes of all live processes */
	__u64 peak_bytes;	 /* highest such sum so far */
	__u64 peak_ns;		 /* when that was */
	__u64 error_bytes;	 /* the kernel batches its counters: each sum may be off by this */
	__u64 cgroup_peak_bytes; /* the run's own memory cgroup; ~0: there is none */
};

#define SL_UNKNOWN (~0ull) /* in struct sl_host, sl_memory and sl_calls: could not be read */

struct sl_host { /* machine-wide monotone counters */
	struct sl_event event;
	__u32 when; /* enum sl_when */
	__u32 reserved;
	__u64 cpu_pressure_ns; /* PSI "some" totals */
	__u64 io_pressure_ns;
	__u64 memory_pressure_ns;
	__u64 steal_ns;
	__u64 throttled_ns; /* of startline's own cgroup */
};

struct sl_output {
	struct sl_event event;
	__s32 fd;
	__u32 length;
	char bytes[];
};

/* The name of the thread, set by prctl; or the title that a forked process wrote over its arguments, as
 * far as it goes, told at its end: its first argument if it did not. */
#define SL_NAME_MAX 64u
struct sl_name {
	struct sl_event event;
	__u32 is_title;
	__u32 reserved;
	char text[];
};

#define SL_SIZE_IS(type, bytes) \
	_Static_assert(sizeof(struct type) == (bytes), #type " has padding or grew")
SL_SIZE_IS(sl_event, 32);
SL_SIZE_IS(sl_meta, 32);
SL_SIZE_IS(sl_mark, 48);
SL_SIZE_IS(sl_drops, 48);
SL_SIZE_IS(sl_tally, 48);
SL_SIZE_IS(sl_end, 32);
SL_SIZE_IS(sl_task, 72);
SL_SIZE_IS(sl_exec, 64);
SL_SIZE_IS(sl_args, 48);
SL_SIZE_IS(sl_execfail, 48);
SL_SIZE_IS(sl_exit, 48);
SL_SIZE_IS(sl_usage, 256);
SL_SIZE_IS(sl_offcpu, 104);
SL_SIZE_IS(sl_syscall, 56);
SL_SIZE_IS(sl_schedsum, 64);
SL_SIZE_IS(sl_symbol, 40);
SL_SIZE_IS(sl_open, 48);
SL_SIZE_IS(sl_addr, 120);
SL_SIZE_IS(sl_net, 192);
SL_SIZE_IS(sl_heap, 552);
SL_SIZE_IS(sl_site, 224);
SL_SIZE_IS(sl_cover, 48);
SL_SIZE_IS(sl_memory, 80);
SL_SIZE_IS(sl_host, 80);
SL_SIZE_IS(sl_output, 40);
SL_SIZE_IS(sl_name, 40);

#include "bpf/schema_code.h"
#include "bpf/schema_memory.h"

#endif
