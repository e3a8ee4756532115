/* SPDX-License-Identifier: MIT */
/* One run in progress: what collect.c, ready/probe.c and stop.c share. */
#ifndef USERSPACE_COLLECT_RUN_RUN_H
#define USERSPACE_COLLECT_RUN_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/base/buf.h"
#include "userspace/collect/proc/cgroup.h"
#include "userspace/collect/proc/resident.h"
#include "userspace/collect/ready/logpipe.h"
#include "userspace/collect/ready/probe.h"
#include "userspace/collect/run/aside.h"
#include "userspace/collect/run/collect.h"
#include "userspace/collect/run/overhead.h"
#include "userspace/collect/run/pace.h"
#include "userspace/collect/run/redact.h"
#include "userspace/collect/run/signals.h"
#include "userspace/collect/run/source.h"
#include "userspace/collect/run/target.h"
#include "userspace/collect/run/tree.h"

/* What a readable descriptor of the loop means. */
enum wake {
	WAKE_BPF,
	WAKE_SHIM,
	WAKE_STACKS,
	WAKE_SIGNAL,
	WAKE_EXIT,
	WAKE_REPORT,
	WAKE_PROBES,
	WAKE_OUTPUT,
	WAKE_ERROR_OUTPUT,
	WAKE_LOAD,
};

struct collector {
	struct trace_writer *w;
	int write_error;	     /* why the recording is not complete; 0 so far */
	struct source_bpf *bpf;	     /* NULL: no kernel events */
	struct source_shim *shim;    /* NULL: no shim */
	struct source_perf *perf;    /* NULL: nobody wants stacks */
	bool has_opened;	     /* the sources, as far as they are there */
	struct redactor *redactor;   /* NULL: nothing to mask */
	struct overhead_trial trial; /* until the sources are open */
	int epoll_fd;
	struct signals signals;
	uint64_t memory_limit_bytes; /* that startline shares with the command; SL_UNKNOWN: none */
	struct run *run;	     /* the one in progress, for the sink */
};

/* Images that have begun and were not looked at yet. */
#define EARLY_AHEAD 8

struct looks {			  /* at the resident memory of the tree; looks.c */
	struct buf peak;	  /* RESIDENT of the highest so far */
	uint64_t rss_bytes;	  /* … and what it found */
	struct resident_sums pss; /* of the one that found most PSS, at pss_ns; 0: none */
	uint64_t pss_ns;
	struct look_pace pace; /* of those on its way up */
	struct early_look {
		pid_t pid;
		enum sl_when when;
	} early[EARLY_AHEAD]; /* asked for */
	size_t n_early, n_early_all;
};

struct run {
	struct collector *c;
	const struct collect_spec *spec;
	struct target target;
	pid_t pid; /* the command's, also when it has been reaped */
	struct tree tree;
	struct cgroup cgroup;
	struct logpipe logpipe;
	struct probes *probes;	   /* NULL: events tell all there is to know */
	struct ready_watch *watch; /* NULL: nothing to wait for */
	struct ready_point ready;
	char waived_why[128]; /* for what the watch was told not to ask */
	uint64_t told_lines;  /* bit N: MARK READY told that rule N, a log: one, held */
	bool is_ready;	      /* the watch says so */
	bool ready_is_done;   /* … and it has been acted upon */

	struct aside prepare, load;
	uint64_t load_ns; /* when the load began; 0: it has not */
	bool load_is_over;
	char helper_failure[512]; /* of these two; "" */
	char missing[512];	  /* as in struct collect_result: when it was stopped, or ended */

	uint64_t spawn_ns;
	uint64_t drained_ns; /* when the sources were last read */
	uint64_t flushed_ns; /* when what is recorded was last written out */
	uint64_t sampled_ns; /* … and, without kernel probes, resident memory */
	unsigned int n_samples;
	uint64_t own_peak_bytes; /* startline's, when it created the command */
	struct resident command_rss;
	uint64_t tree_peak_bytes, tree_peak_ns;
	uint64_t resident_bytes; /* without kernel probes: the last sample */
	struct looks looks;
	uint64_t idle_cpu_ns, idle_since_ns;
	size_t idle_processes;
	bool is_reaped;
	int status; /* wait status */
	uint64_t reaped_ns;

	int end_signal; /* the last that asked to end; 0: none */
	unsigned int n_end_signals;
	bool is_interrupted; /* startline ends, whatever the command does */

	enum sl_stop stop; /* why the tree was asked to end; 0: it was not */
	uint64_t stop_ns;
	bool rest_was_asked; /* the processes that outlived the command, too */
	uint64_t killed_ns;
	int failure; /* why the run cannot be what was asked for: startline's exit; 0: it can */
	bool is_over;
};

struct sink collector_sink(struct collector *c);
/* Adds @fd (-1: nothing) to the loop; @flags: EPOLLET. */
int collector_watch(const struct collector *c, int fd, enum wake wake, uint32_t flags);
/* launch.c: creates the command's process, tells the sources, and lets it go. */
int run_launch(struct run *r);
/* SHIM_* for the shim of this recording. @has_calls: the kernel probes tell of system calls. */
unsigned int shim_flags(const struct collect_spec *spec, bool has_calls);
/* Reads all sources now. */
int collector_drain(struct collector *c);
/* usage.c: resident memory and resource counters, in place of those of the kernel probes. */
/* Brings the tree up to date from /proc and reports who is new. */
int run_walk(struct run *r);
void run_sample(struct run *r, uint64_t now);
int run_usage_ready(struct run *r);
int run_usage_exit(struct run *r);
/* MEMORY of the run, when it is ready or over. */
int run_memory(struct run *r, enum sl_when when);
/* looks.c: tells what resident memory is made of now, of all processes of the tree (RESIDENT). */
int run_look(struct run *r, enum sl_when when);
/* To be told all events, and afterwards to look at what began. */
void run_look_feed(struct run *r, const struct sl_event *event);
int run_look_early(struct run *r);
/* Looks, if the tree has grown since and it is time, and keeps what stands for the peak … */
int run_look_up(struct run *r, uint64_t now);
/* … until the run is over. */
int run_look_done(struct run *r);
/* confirm.c: connects to a listener of which nothing else tells whether it is ready, if it is time. */
int run_confirm(struct run *r, uint64_t now);
/* When it is; 0: there is no such listener. */
uint64_t run_confirm_deadline(const struct run *r);
/* Whether @pid is one of the tree's. */
bool run_has(void *data, pid_t pid);
/* Since when all of the tree sleeps; 0: it does not. */
uint64_t run_idle_since(void *data);
/* design.c: META about what was asked for. */
int emit_design(struct sink sink, const struct collect_spec *spec);
/* How many processes or threads of the tree still live. */
size_t run_alive(struct run *r);

/* helpers.c: runs what prepares the run, if anything does. Afterwards it may be interrupted, or
 * helper_failure be set. */
int run_make_ready(struct run *r);
/* Begins the load when it is time, and notes its end. */
int run_load_step(struct run *r, uint64_t now);
/* When a load has taken too long; 0: none is under way. */
uint64_t run_load_deadline(const struct run *r);
bool run_is_under_load(const struct run *r);
void run_helpers_done(struct run *r);

/* suspend.c: if the command has stopped itself, stops startline as well until it goes on. */
void run_suspend(struct run *r);
/* stop.c: reads what is new, and brings the tree up to date. */
void run_refresh(void *data);
/* Sends a signal to the command, or to what it left behind. */
void run_signal(struct run *r, int number);
/* Sets .missing. */
void run_note_missing(struct run *r);
/* Decides at @now whether the run is over, and what to do to get there. */
int run_step(struct run *r, uint64_t now);
/* When run_step() has something to do even if nothing happens; 0: nothing known. */
uint64_t run_deadline(const struct run *r);
/* The earlier of two times; 0: none. */
uint64_t run_sooner(uint64_t a, uint64_t b);

#endif
