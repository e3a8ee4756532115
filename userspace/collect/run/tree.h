/* SPDX-License-Identifier: MIT */
/* Which processes of the command's tree are alive, as far as events and /proc tell. Used to stop
 * them and to know when the run is over; what they did is the model's business. */
#ifndef USERSPACE_COLLECT_RUN_TREE_H
#define USERSPACE_COLLECT_RUN_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bpf/schema.h"
#include "userspace/base/vec.h"

struct kin {
	pid_t pid, parent;
};

/* Ended processes of which tree_knows() still tells, and for how long. */
#define TREE_ENDED    64u
#define TREE_ENDED_NS 1000000000ull

struct tree {
	struct pid_list VEC(pid_t) pids;      /* sorted */
	struct kin_list VEC(struct kin) news; /* found by the last walk of /proc */
	struct pid_list dead;		      /* … and those it no longer found */
	struct pid_list told;		      /* without events: who the shim says there is */
	struct {
		pid_t pid;
		uint64_t time_ns;
	} ended[TREE_ENDED]; /* a ring */
	unsigned int n_ended;
	bool has_events;    /* kernel events tell of births and deaths; else /proc is walked */
	bool has_strangers; /* events also tell of processes that others have started */
	bool use_ns_pids;   /* startline lives in a pid namespace: kernel ids are not ours */
};

void tree_init(struct tree *t, bool has_events);
void tree_done(struct tree *t);
/* The command itself. */
int tree_add(struct tree *t, pid_t pid);
/* Births and deaths. Other events are ignored. */
int tree_feed(struct tree *t, const struct sl_event *event);
/* Without events: adds living descendants of known processes, drops the dead. */
int tree_walk_proc(struct tree *t);
/* Without events: adds those of whom the shim told, who perhaps left their parents, that live and have
 * mapped a file in @directory. What the shim says is hostile, hence the proof. */
int tree_add_told(struct tree *t, const char *directory);
/* Whether @pid runs: zombies do not. */
bool tree_is_alive(pid_t pid);
/* Whether it was stopped by a signal. */
bool tree_is_stopped(pid_t pid);
bool tree_has(const struct tree *t, pid_t pid);
/* … or that it was a moment ago. */
bool tree_knows(const struct tree *t, pid_t pid);
/* Sends @signal to each process, by pidfd. @refresh is called between opening the pidfds and
 * sending, and must bring the set up to date. Returns how many were reached. */
size_t tree_signal(struct tree *t, int signal, void (*refresh)(void *data), void *data);

#endif
