/* SPDX-License-Identifier: MIT */
/* How a run is built: events are folded into a struct builder in order of time, then the
 * finish functions fill struct run from it. Times in here are absolute CLOCK_MONOTONIC
 * nanoseconds, 0 when unknown; they become relative to R0 only in the session.
 *
 * Nothing in here fails visibly: running out of memory sets builder.error once and the rest is
 * skipped; what makes no sense in a trace is skipped too. */
#ifndef USERSPACE_MODEL_BUILD_INTERNAL_H
#define USERSPACE_MODEL_BUILD_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/schema.h"
#include "userspace/base/arena.h"
#include "userspace/base/id_map.h"
#include "userspace/base/vec.h"
#include "userspace/model/build/facts.h"
#include "userspace/model/build/growth.h"
#include "userspace/model/metrics.h"
#include "userspace/model/session.h"
#include "userspace/trace/ready.h"
#include "userspace/trace/trace.h"

#define WHEN_LIMIT 5 /* one past the last enum sl_when of counters */
#define FOREVER	   UINT64_MAX

/* ---- one run ---- */

struct image_note {
	struct image out;
	uint64_t enter_ns, done_ns, linked_ns, main_ns;
	char *args; /* as collected so far, without a hole */
	size_t n_args;
	bool has_hole;	 /* a piece is missing: the rest is dropped */
	bool has_python; /* it has loaded the library of that interpreter */
	bool is_ok;
};

struct heap_note { /* one image's counters */
	uint64_t since_ns;
	const struct sl_heap *last, *ready;
};

struct look_note { /* RESIDENT of one moment */
	const struct sl_resident *all, *tables;
	struct resident_list VEC(const struct sl_resident *) parts;
};

struct allocator_note { /* ALLOCATOR of the current image; NULL */
	const struct sl_allocator *start, *looks[LOOK_OF_ALL];
	int64_t n_threads, n_ended[LOOK_OF_ALL];
};

struct call_counts {
	int64_t calls, errors, total_ns, cpu_ns;
};

struct call_sum { /* of one process and number */
	uint32_t number;
	struct call_counts at[WHEN_LIMIT]; /* EXIT, READY */
};

struct proc {
	struct process out;
	uint32_t pid, ns_pid;
	uint64_t start_ns, end_ns;    /* end 0: not seen */
	int older_pid, older_ns_pid;  /* who had the same id before; -1 */
	int parent;		      /* index; -1 */
	int main_thread, last_thread; /* last_thread: the last that ended; -1 */
	int ender;		      /* the thread that ended all others; -1 */
	bool has_task;
	bool has_imports;  /* its interpreter tells what it loads */
	bool has_own_word; /* the shim in it told what it executes */
	struct image_list VEC(struct image_note) images;
	struct heap_list VEC(struct heap_note) heaps;
	struct look_note looks[LOOK_COUNT];
	struct allocator_note allocator;
	const struct sl_name *name, *title; /* of the current image */
	const struct sl_usage *usage[WHEN_LIMIT];
	struct call_sum_list VEC(struct call_sum) call_sums;
	uint64_t calls_told_ns[WHEN_LIMIT];	   /* 0: not at all */
	const struct sl_cover *cover, *cover_next; /* of the current image, of the next one */
	uint64_t shim_ns;			   /* MARK OVERHEAD until startup ended */
	uint64_t n_timer;			   /* the timer's samples until then */
	uint64_t shim_open_ns; /* when its loader last opened the shim; 0: never */
	int64_t live_threads;
	struct step_list VEC(struct step) steps;	     /* see phases.c */
	struct link_list VEC(const struct sl_event *) links; /* OPEN and MAPPING; loading.c */
	struct library_part_list VEC(struct library_part) library_parts; /* in order; libraries.c */
};

/* Thread @tid of a process was loading that one of builder.libraries. */
struct library_part {
	uint64_t from_ns, until_ns;
	uint32_t tid;
	size_t library;
};

/* From at_ns on the process is in that phase, if it is on the spine. */
struct step {
	uint64_t at_ns;
	enum phase phase;
	bool is_own; /* after an exec of its own */
};

struct thread {
	uint32_t tid;
	int proc, creator, older; /* creator: thread index or -1; older: same tid before */
	uint64_t start_ns, end_ns;
	size_t first_interval, n_intervals, first_call, n_calls; /* after waits_finish() */
};

struct interval { /* off the CPU: [out, wake) asleep, [wake, back) waiting for a CPU */
	uint64_t out_ns, wake_ns, back_ns;
	const struct sl_offcpu *event;
	int thread;
};

struct call { /* a long system call */
	uint64_t enter_ns, leave_ns;
	uint32_t number;
	int thread;
};

struct socket {
	uint64_t sock;
	const char *peer; /* of the last connect; NULL */
	bool is_dns;
	int connection; /* the last one; -1 */
	int listener;	/* index into run->listeners, after sockets_finish(); -1 */
};

/* Something came in on a connected socket: it may be what a wait on many sockets waited for. */
struct delivery {
	uint64_t at_ns;
	int proc;
	uint32_t tid;
	uint64_t sock;
	uint64_t since_ns; /* the request, or the call of connect; 0: not known */
	bool is_connect;   /* the connection came through or failed */
};

struct connection_note {
	struct connection out;
	int proc;
	uint32_t tid; /* who called connect */
	bool is_pending;
	struct reply_list VEC(int64_t) replies;
};

struct import_note { /* a module begins to load; name NULL: it is loaded */
	uint64_t at_ns;
	int thread;
	const char *name, *language;
	uint16_t interpreter; /* that told, below SL_INTERPRETERS */
	bool is_of_file;      /* only its file was opened: what follows is not said */
	size_t order;
};

struct reap { /* a thread learnt, without waiting, that a child has ended */
	uint64_t at_ns;
	int thread, child;
};

struct taken { /* a SAMPLE */
	const struct sl_sample *event;
	int thread;
};

struct site_note { /* a SITE */
	const struct sl_site *event;
	int proc, node; /* of code.nodes; -1: no stack */
};

struct builder {
	struct arena *arena;
	struct facts *facts;
	struct run *run;
	const struct span *span;
	int error; /* 0 or -ENOMEM */

	uint64_t zero_ns; /* R0 */
	uint64_t spawn_ns;
	uint64_t last_ns; /* of any event of the run */
	uint64_t end_ns;  /* of startup */
	int end_thread;	  /* where the end happened; -1 */
	const char *zero_evidence, *zero_source;

	struct proc_list VEC(struct proc) procs; /* [0] is the command */
	struct id_map by_pid, by_ns_pid;
	struct thread_list VEC(struct thread) threads;
	struct id_map by_tid;
	struct id_map by_own_tid; /* as startline's pid namespace counts */
	struct interval_list VEC(struct interval) intervals;
	struct call_list VEC(struct call) calls;
	struct socket_list VEC(struct socket) sockets;
	struct id_map by_sock;
	struct note_list VEC(struct connection_note) connections;
	struct delivery_list VEC(struct delivery) deliveries; /* in order of time */
	struct reap_list VEC(struct reap) reaps;	      /* in order of time */
	struct taken_list VEC(struct taken) samples;	      /* after samples_finish() by thread */
	struct site_note_list VEC(struct site_note) sites;
	struct growth_notes growth;

	/* after ending_watch() */
	struct ready_watch *watch;	/* all events have gone through it */
	const struct listening *ladder; /* the listener that the run is about; NULL */
	struct ready_point ready;	/* when is_ready: all rules hold */
	bool is_ready;

	/* marks */
	uint64_t reaped_ns, gone_ns, notified_ns;
	const char *notified_by; /* the rule, when notified_ns is set */
	uint32_t wait_status, stop_reason;
	uint64_t stop_ns; /* 0: startline did not stop it */
	bool has_status;
	const struct sl_mark *ready_mark, *notified_mark;
	bool has_ready_usage; /* counters at readiness were seen */
	bool has_call_sums;   /* of any process */

	/* tree */
	int64_t threads_now, threads_peak;
	int64_t n_opens, n_misses;
	struct import_list VEC(struct import_note) imports;
	struct package_list VEC(const char *) package_names;
	struct id_map package_index; /* directory -> place in package_names */
	struct module_open_list VEC(const struct sl_open *) module_opens;
	struct file_list VEC(struct file) files;
	struct id_map file_index; /* hash of the path -> place in files */
	int64_t files_cut;	  /* opens of files that are not in there */
	int64_t switches_summed;
	const struct sl_memory *memory_last, *memory_ready;
	const struct sl_resident *resident_peak; /* the look with the highest PSS */
	const struct sl_heap *heap_tree;	 /* the highest tree peak */
	const struct sl_host *host_first, *host_last;

	struct library_list VEC(struct library) libraries;
	uint64_t n_link_steps; /* of loading.c, all together */

	uint64_t n_poll_steps;	  /* of polling.c, all together */
	int64_t retry_ns;	  /* the longest retry loop on the critical path */
	const char *retry_detail; /* … and what it waited for; NULL: there was none */

	bool *is_spine; /* per process, after phases_finish(): became ready, or an ancestor */
};

/* names of things (text.c); results live in the arena, are never NULL */
const char *text_of(struct arena *a, const struct sl_event *event, const char *text);
const char *text_path(struct arena *a, const struct sl_event *event, const char *text);
const char *text_endpoint(struct arena *a, const struct sl_addr *addr);
const char *text_errno(struct arena *a, int error); /* "ENOENT" */
const char *text_join(struct arena *a, const struct text_list *list, size_t limit);
bool text_is_dns(const struct sl_addr *addr);

/* syscalls.c: x86-64 */
enum wait_class {
	WAIT_OTHER = 0x1,
	WAIT_SLEEP = 0x2,
	WAIT_POLL = 0x4,
	WAIT_CHILD = 0x8,
	WAIT_FUTEX = 0x10,
	WAIT_READ = 0x20,
	WAIT_WRITE = 0x40,
	WAIT_CONNECT = 0x80,
	WAIT_LOCK = 0x100,
	WAIT_SIGNAL = 0x200,
	WAIT_FORK = 0x400,
	WAIT_FAULT = 0x800,
	WAIT_FILE = 0x1000,
	WAIT_ANY = 0xffff,
};
const char *syscall_name(struct arena *a, unsigned int number);
enum wait_class syscall_class(unsigned int number);

/* Whether @glob is about any of them; then one that does not occur was called 0 times. */
bool syscall_matches(const char *glob);

/* files.c */
void file_open(struct builder *b, const struct sl_open *e);
void files_finish(struct builder *b); /* after waits_finish() */

/* language_files.c */
bool language_file_ending(const char *path, size_t n); /* may it be a module? */
/* The module that an interpreter @exe loads from @path, and its language; NULL: none. */
const char *language_module(struct builder *b, const char *exe, const char *path,
			    const char **ret_language);
/* Its files are opened at other times than what is in them is loaded: nothing tells how long that takes. */
bool language_is_only_opened(const char *language);
/* The module that one of that name is a part of; NULL: none. Interned, as these are. */
const char *language_parent(struct builder *b, const char *language, const char *name);

/* language_modules.c */
void module_import(struct builder *b, const struct sl_import *e);
void module_open(struct builder *b, const struct sl_open *e);
void language_modules_finish(struct builder *b); /* after critical_path() */

/* call_sums.c */
void calls_told(struct builder *b, const struct sl_calls *e);
void call_sums_finish(struct builder *b);

/* fold.c */
void fold_event(struct builder *b, const struct sl_event *event);

/* processes.c */
int process_first(struct builder *b, uint32_t pid, uint32_t ns_pid, uint64_t start_ns);
/* Who @event is about. Creates it when unknown; -1 when there is none. */
int process_of(struct builder *b, const struct sl_event *event);
/* By pid (else by pid in a namespace) at @at_ns. -1: none. */
int process_lookup(const struct builder *b, uint32_t pid, uint64_t at_ns);
int process_lookup_ns(const struct builder *b, uint32_t ns_pid, uint64_t at_ns);
void process_task(struct builder *b, const struct sl_task *e);
void process_exec(struct builder *b, const struct sl_exec *e);
void process_exit(struct builder *b, const struct sl_exit *e);
void process_usage(struct builder *b, const struct sl_usage *e);
void process_name(struct builder *b, const struct sl_name *e);
void processes_finish(struct builder *b);

/* images.c */
void image_exec(struct builder *b, struct proc *p, const struct sl_exec *e);
void image_execfail(struct builder *b, const struct sl_execfail *e);
void image_args(struct builder *b, const struct sl_args *e);
void image_mark(struct builder *b, const struct sl_mark *e);
void images_finish(struct builder *b, struct proc *p);
/* The image in place at @at_ns, or NULL. */
struct image_note *image_at(const struct proc *p, uint64_t at_ns);
/* The one whose execve was under way at @at_ns, failed ones included, or NULL. */
const struct image_note *image_after(const struct proc *p, uint64_t at_ns);

/* threads.c */
int thread_new(struct builder *b, uint32_t tid, int proc, int creator, uint64_t start_ns);
/* startline's pid namespace knows it by that; 0: unknown. */
void thread_has_own_tid(struct builder *b, int index, uint32_t own_tid);
int thread_lookup(const struct builder *b, uint32_t tid, uint64_t at_ns);
int thread_of(struct builder *b, const struct sl_event *event, uint64_t since_ns);

/* sockets.c */
void socket_event(struct builder *b, const struct sl_net *e);
const struct socket *socket_of(const struct builder *b, uint64_t sock);
/* What @proc's thread @tid, asleep until @wake_ns, running again from @back_ns and waiting next at
 * @next_ns, was woken for; NULL: not known. */
const struct delivery *delivery_of(const struct builder *b, int proc, uint32_t tid,
				   uint64_t wake_ns, uint64_t back_ns, uint64_t next_ns);
void sockets_finish(struct builder *b);

/* waits.c */
struct why {
	enum cause cause;
	const char *detail;
};
void wait_offcpu(struct builder *b, const struct sl_offcpu *e);
void wait_syscall(struct builder *b, const struct sl_syscall *e);
void waits_finish(struct builder *b); /* sorts intervals and calls by thread and time */
struct why wait_cause(struct builder *b, const struct interval *s);
/* The socket with a named peer that it waited for, also through poll or epoll; NULL: none. */
const struct socket *wait_peer(const struct builder *b, const struct interval *s,
			       bool *ret_connect);
/* The thread of the tree that ended the sleep; -1: none, or it waited for a named peer: that is told
 * as such, also when the peer is in the tree. To the program it is a dependency with an address. */
int wait_waker(const struct builder *b, const struct interval *s);
/* Since when there was a peer's answer to wait for; 0: not known. */
uint64_t wait_began(const struct builder *b, const struct interval *s);
void wait_reaped(struct builder *b, const struct sl_mark *e);

/* polling.c */
struct poll_loop {
	size_t first, last; /* its intervals, without a gap */
	int thread;	    /* that it waited for; -1: `why` says what for */
	uint64_t
		until_ns; /* when that was done; from then to its last wake-up it was not noticed */
	const char *detail; /* "polled every 100 ms", for that rest */
	struct why why;
	bool is_retry; /* of connecting */
};
/* Whether a loop of timed waits ended with interval @last; its intervals are @low or later. */
bool poll_loop_ending(struct builder *b, size_t last, size_t low, struct poll_loop *ret);

/* phases.c */
void phases_finish(struct builder *b);
void phases_judge(struct builder *b); /* after critical_path() */
/* The phase of process @proc at @at_ns; *ret_until: it stays so until then at least. */
enum phase phase_at(const struct builder *b, int proc, uint64_t at_ns, uint64_t *ret_until);

/* loading.c, libraries.c */
void library_event(struct builder *b, const struct sl_event *e);
void libraries_find(struct builder *b);	 /* after processes_finish() */
void libraries_order(struct builder *b); /* … so that library_at() finds them */
/* What @t was loading at @at_ns, or NULL; *ret_until: so it was until then at least. */
struct library *library_at(struct builder *b, const struct thread *t, uint64_t at_ns,
			   uint64_t *ret_until);
void libraries_finish(struct builder *b); /* after critical_path() */

/* probes.c: what the kernel refused */
/* META "probe@key=@value". */
int probes_read(struct facts *f, const char *key, const char *value);
int probes_keep(struct facts *f); /* into the session */
/* Whether the probe @name is had, and whether it is by its first mechanism. */
bool probes_have(const struct facts *f, const char *name);
bool probes_work(const struct facts *f, const char *name);
/* @id as in the table: "net.connect[]". */
bool probes_lost_metric(const struct session *s, const char *id);
void probes_finish(struct builder *b);
void probes_forget_values(const struct session *s, double *values);

/* the rest, in the order they are called */
void ending_watch(struct builder *b);  /* ending.c: feeds the watch, before sockets_finish() */
void ending_finish(struct builder *b); /* exit, ready, end of startup */
void ladder_finish(struct builder *b); /* ladder.c */
void critical_path(struct builder *b); /* critical_path.c */
void sample_event(struct builder *b, const struct sl_sample *e); /* samples.c */
void samples_finish(struct builder *b);				 /* after critical_path() */
void overhead_mark(struct builder *b, const struct sl_mark *e);	 /* overhead.c */
void overhead_finish(struct builder *b);
void memory_heap(struct builder *b, const struct sl_heap *e); /* memory.c */
/* Whether @setting of the environment ("PYTHONMALLOC=malloc") makes a runtime use malloc. own_allocator.c */
bool own_allocator_is_off(const char *setting);
/* What @p is known to use besides malloc, or NULL. Ancestors must have their images. */
const char *own_allocator(const struct builder *b, const struct proc *p);
void memory_finish(struct builder *b);
void site_event(struct builder *b, const struct sl_site *e);	    /* sites.c */
void sites_finish(struct builder *b);				    /* after memory_finish() */
void resident_told(struct builder *b, const struct sl_resident *e); /* resident.c */
void resident_finish(struct builder *b);			    /* after memory_finish() */
void coverage_cover(struct builder *b, const struct sl_cover *e);   /* coverage.c */
/* Whether @c is about an image that the shim runs in, counting or not. */
bool coverage_is_in(const struct sl_cover *c);
void coverage_finish(struct builder *b);
void producers_begin(struct facts *f); /* the next run begins */
void producers_see(struct facts *f, const struct sl_event *event);
void producers_finish(struct builder *b, bool is_last);
void findings_finish(struct builder *b); /* findings.c */
/* Those that need the names of functions, after code_finish(); -ENOMEM. */
int constructors_name(struct session *s,
		      struct run *run); /* of libraries, and in slow-constructor */
int hot_function(struct session *s, struct run *run);
int repeated_work(struct session *s, struct run *run);
int heap_findings(struct session *s, struct run *run);
/* findings.c: of the startup what was no waiting for a CPU. */
int64_t startup_own_ns(const struct run *run);
/* findings.c: puts @finding behind the others; -ENOMEM, also where it has no evidence. */
int finding_add(struct session *s, struct run *run, struct finding finding);
#define SLOW_CONSTRUCTOR "slow-constructor"
/* What that is about, and what it took; NULL: none is worth a word. */
const struct library *slowest_constructors(const struct run *run, int64_t *ret_ns);
double *metrics_values(struct arena *arena, const struct run *run); /* metrics.c; NULL: no memory */
/* Where a metric is also a number of the run, or of each process: it is UNKNOWN. */
void metrics_forget(const struct metric *metric, struct run *run);

/* series.c: the collect functions of metrics that take a parameter. 0 or -ENOMEM. */
int series_children(const struct run *run, const char *glob, struct series *ret);
int series_libraries(const struct run *run, const char *glob, struct series *ret);
int series_connects(const struct run *run, const char *glob, struct series *ret);
int series_replies(const struct run *run, const char *glob, struct series *ret);
int series_language_modules(const struct run *run, const char *glob, struct series *ret);
int series_calls(const struct run *run, const char *glob, struct series *ret);
int series_functions(const struct run *run, const char *glob, struct series *ret);
int series_sites(const struct run *run, const char *glob, struct series *ret);
int series_add(struct series *s, double value);
bool series_matches(const char *glob, const char *text);

static inline int64_t rel(const struct builder *b, uint64_t at_ns)
{
	return at_ns == 0 ? UNKNOWN : (int64_t)(at_ns - b->zero_ns);
}

static inline int64_t counter(uint64_t value) /* one that the document can hold */
{
	return value > (uint64_t)INT64_MAX ? UNKNOWN : (int64_t)value;
}
static inline unsigned int source_of(const struct sl_event *event)
{
	return event->flags & SL_FLAG_SOURCE;
}

static inline void *keep(struct builder *b, void *object) /* notes a failed allocation */
{
	if (object == NULL)
		b->error = -ENOMEM;
	return object;
}

#define push(b, list, ...)                             \
	do {                                           \
		if (vec_push((list), __VA_ARGS__) < 0) \
			(b)->error = -ENOMEM;          \
	} while (0)

#endif
