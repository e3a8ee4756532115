/* SPDX-License-Identifier: MIT */
/* The collector: launches a program suspended, records it with every source there is, and stops
 * when it should. It appends events and interprets none of them; the only question it asks is
 * trace/ready.h's "is it ready?". One thread, one poll loop. */
#ifndef USERSPACE_COLLECT_RUN_COLLECT_H
#define USERSPACE_COLLECT_RUN_COLLECT_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/heap_mode.h"
#include "userspace/base/rights.h"
#include "userspace/trace/ready.h"
#include "userspace/trace/trace.h"

enum probe_set { PROBE_BPF = 1, PROBE_SHIM = 2, PROBE_AUTO = 4 };
enum until { UNTIL_EXIT, UNTIL_READY, UNTIL_DURATION };
/* Where descriptors 1 and 2 of the command lead. */
enum output {
	OUTPUT_OWN,	  /* where ours do */
	OUTPUT_TO_STDERR, /* both to our standard error: standard output is for the result */
	OUTPUT_NOWHERE,
};

/* As parse_rate() has it. */
enum { STACKS_AUTO = 0, STACKS_OFF = -1, STACKS_HZ_MAX = 10000 };

struct collect_spec {
	char *const *argv;	   /* NULL-terminated */
	unsigned int run;	   /* number of this run, from 0 */
	unsigned int runs, warmup; /* how many are asked for; 0: not known beforehand */
	bool is_warmup;
	const char *arm;       /* of an interleaved comparison that this run belongs to, or NULL */
	const char *directory; /* that the command starts in; NULL: the current one */
	char *const *environment; /* that the command gets; NULL: ours */
	/* Bytes put on the command's stack, to vary where things lie from run to run. Only with the
	 * shim, which keeps them out of the environment that the program sees. */
	size_t pad_bytes;
	unsigned int probes; /* enum probe_set bits; 0: none */
	struct heap_mode heap;
	bool slows_on_overrun;	 /* with exact: who records faster than is read has to wait */
	bool looks_early;	 /* at each image's resident memory as it is linked and begins */
	bool keeps_blocks;	 /* with exact: BLOCK of every allocation and free */
	int stacks_hz;		 /* of the timer that samples stacks; STACKS_AUTO, STACKS_OFF */
	uint64_t wait_stacks_ns; /* a wait as long as that has its stack; 0: 1 ms */
	uint64_t debuginfod_ns;	 /* that fetching debug information may take; 0: none is fetched */
	const struct ready_rule *rules;
	size_t n_rules;
	enum until until;
	uint64_t duration_ns; /* UNTIL_DURATION */
	uint64_t timeout_ns;  /* 0: none */
	int stop_signal;
	size_t ring_bytes;		/* 0: default */
	const struct rights_user *user; /* run as this one; NULL: as ourselves */
	const char *follow_cgroup;	/* also record tasks of this cgroup, or NULL */
	bool follows_containers; /* … and of those that container runtimes make meanwhile */
	const regex_t *redact;	 /* mask this in all texts, or NULL */
	/* Shell commands, run where and as the command is, and not recorded; NULL: none. Each may take
	 * as long as timeout_ns, or 60 s. */
	const char *prepare; /* before the command */
	const char *load;    /* UNTIL_READY: once it is ready; the run ends with it */
	bool null_stdin;
	bool no_connect; /* make no connection to a listener of the command's to see if it accepts */
	enum output output;
};

enum collect_end {
	COLLECT_EXITED,	  /* by itself; status as wait(2) */
	COLLECT_READY,	  /* startline stopped it because it was ready, and the load done */
	COLLECT_DURATION, /* … because the time asked for was over */
	COLLECT_TIMEOUT,
	COLLECT_INTERRUPTED,	/* a second Ctrl-C, TERM or HUP */
	COLLECT_NOT_FOUND,	/* 127 */
	COLLECT_NOT_EXECUTABLE, /* 126 */
	COLLECT_HELPER_FAILED,	/* what prepares it, or the load; see `helper` */
};

struct collect_result {
	enum collect_end end;
	int status;	   /* wait status of the command; meaningful when it was reaped */
	char missing[512]; /* what --ready conditions did not hold, "accept, file:/x"; and
			 * of probed ones why, "http://x/ (status 403)"; "" */
	char helper[512];  /* HELPER_FAILED: which, and how: "load './smoke': exit status 1" */
	bool was_ready;
	bool has_begun; /* there is a run in the recording */
	int exec_errno; /* NOT_FOUND, NOT_EXECUTABLE */
	int signal; /* that asked startline or the command to end (Ctrl-C, TERM, HUP); 0: none */
};

/* Records one run into @w. Sources are opened at the first run and reused by the next ones of
 * the same collector. Returns 0, or a negative errno (logged) when startline itself failed. */
struct collector;
int collector_new(const struct collect_spec *spec, struct trace_writer *w, struct collector **ret);
int collector_run(struct collector *c, const struct collect_spec *spec, struct collect_result *ret);
/* Puts a fact about the recording, or about the run before it, into it: META "key=value". */
int collector_fact(struct collector *c, const char *key, const char *value);
/* Whether Ctrl-C or a signal to end is waiting to be noticed by the next run. */
bool collector_is_interrupted(void);
/* Ends the recording: final DROPS and TALLY records. Also returns what kept the recording from
 * being written in full: runs go on without. */
int collector_finish(struct collector *c);
struct collector *collector_free(struct collector *c);

#endif
