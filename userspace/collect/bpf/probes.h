/* SPDX-License-Identifier: MIT */
/* THE table of kernel probes: what each of them tells, by which mechanisms it can be had, in order,
 * and what is lost without. Whether a mechanism works here is found out by trying it.
 *
 * To add a probe: its program in bpf/, its row in `probes`. Names of programs must differ in their
 * first 15 characters: the kernel keeps no more. */
#ifndef USERSPACE_COLLECT_BPF_PROBES_H
#define USERSPACE_COLLECT_BPF_PROBES_H

#include <stdbool.h>
#include <stddef.h>

#include "bpf/schema.h"
#include "userspace/collect/bpf/interpreter.h"
#include "userspace/collect/run/source.h"

#define PROBE_WAYS	     3
#define PROBE_PROGRAMS	     2
#define PROBE_PROGRAMS_TOTAL 64

enum probe {
	PROBE_FORK,
	PROBE_EXEC,
	PROBE_EXIT,
	PROBE_CALLS,
	PROBE_SWITCHES,
	PROBE_WAKEUPS,
	PROBE_RESIDENT,
	PROBE_FAULTS,
	PROBE_SOCKETS,
	PROBE_LENGTHS,
	PROBE_URING_SUBMITTED,
	PROBE_URING_ARMED,
	PROBE_URING_COMPLETED,
	PROBE_TASKS,
	PROBE_PLACES,
	PROBE_PYTHON,
	PROBE_GROUP,
	PROBE_CONTAINERS,
	PROBE_IMPORTS,
	PROBES
};

/* What only this could tell: see struct probe_report. */
struct loss {
	const char *metrics, *causes, *text;
	bool is_of_uring; /* nobody misses it who does not use io_uring */
};

struct mechanism {
	const char *programs[PROBE_PROGRAMS]; /* it takes all of them; none: user space does it */
	const char *name;		      /* NULL: the sections of the programs */
	bool (*works)(void);		      /* NULL: where its programs do */
	bool is_shim;			      /* where there is one */
	struct loss loss;		      /* compared with the first one */
};

struct probe_row {
	const char *name;
	bool is_needed;			     /* without it there are no kernel events */
	bool is_second;			     /* loaded by the second thread: see load.c */
	struct mechanism by[PROBE_WAYS + 1]; /* in order; the last one is empty */
	struct loss loss;		     /* when none of them works */
	const char *since;		     /* the kernel that has it; NULL: all that we run on */
};

extern const struct probe_row probe_rows[PROBES];

/* A program of the kernel object, in this process. */
struct program {
	const char *name, *section;
	bool exists; /* the kernel has what it is to be attached to */
	bool is_wanted;
	bool is_second;	 /* the second thread loads it */
	int error;	 /* why the kernel refused to load or attach it; 0: it did not */
	int fd, link_fd; /* -1: not loaded, not attached */
	/* In files of programs, for sections of that kind. */
	struct place {
		const char *path;
		struct static_probe probe;
		uint64_t cookie; /* tells the program which place it is */
		int link_fd;	 /* -1: not attached */
	} places[SL_INTERPRETERS];
	size_t n_places;
};

struct programs {
	struct program items[PROBE_PROGRAMS_TOTAL];
	size_t n;
	int way[PROBES];	    /* index into `by`; -1: none of them works */
	bool is_asked[PROBES];	    /* false: nobody wants to know that */
	bool has_shim, has_imports; /* … : PROBE_IMPORTS has a place */
};

/* NULL: there is no such. */
struct program *programs_find(struct programs *p, const char *name);
/* Decides by which mechanism each probe is had, passing over those that were refused, and which
 * programs are wanted for that. A negative errno: a needed probe cannot be had; *ret_program is the
 * program that is to blame. */
int programs_choose(struct programs *p, const struct program **ret_program);
/* Where PROBE_IMPORTS' programs go, too: without, they are loaded and nowhere. @i must live as long as @p.
 * False: there are no such programs, or they are in SL_INTERPRETERS files. */
bool programs_place_imports(struct programs *p, const struct interpreter *i);
/* Whether @probe is had, and by a mechanism of the kernel's. */
bool programs_have(const struct programs *p, enum probe probe);

/* How @probe is had, for reports. False: nobody asked for it. @used_uring: somebody made a ring. */
bool programs_report(struct programs *p, enum probe probe, bool used_uring,
		     struct probe_report *ret);
/* Whether what is said of @probe depends on whether io_uring is used, which shows in the end. */
bool programs_depend_on_uring(const struct programs *p, enum probe probe);

#endif
