/* SPDX-License-Identifier: MIT */
/* The command: created suspended, so that every source can be told about it before its first
 * instruction, then released. What it inherits is what startline was given: descriptors, signal
 * dispositions and mask, limits, process group, terminal, environment. */
#ifndef USERSPACE_COLLECT_RUN_TARGET_H
#define USERSPACE_COLLECT_RUN_TARGET_H

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "userspace/collect/run/collect.h"
#include "userspace/collect/run/source.h"

struct target_spec {
	char *const *argv;
	const char *directory;		/* that it starts in; NULL: ours */
	const struct rights_user *user; /* NULL: stay as we are */
	bool null_stdin;
	enum output output;
	int cgroup_fd;		  /* "0" is written here, which may take long; -1: nowhere */
	const int *output_fds;	  /* two, for descriptors 1 and 2 (-1: as ours are); NULL: both */
	char *const *environment; /* NULL: ours */
	const char *notify_text;  /* "NOTIFY_SOCKET=…" or NULL */
};

struct target {
	pid_t pid;
	int pidfd;
	int go_fd;	       /* release writes here */
	int report_fd;	       /* readable: the exec succeeded (end of file) or failed (an errno) */
	char *path;	       /* what will be executed, resolved with the command's own rights, as
				* seen from our directory */
	int exec_errno;	       /* why it cannot be executed; 0 so far */
	struct launch *launch; /* private, as is what follows */
	char *stack;
	char **environment;
	char *resolved; /* holds @path where the command has a directory of its own */
};

/* Creates the suspended process and learns @path. A command that cannot be found or executed is
 * not an error: exec_errno is set and the process is gone. Negative errno, logged, otherwise. */
int target_spawn(const struct target_spec *spec, struct target *ret);
/* Waits until it has nothing left to do but to execute, the joining of its cgroup done. To be called
 * once. */
void target_await(const struct target *t);
/* Lets it execute, with @shim in addition to its environment (NULL: nothing). */
int target_release(struct target *t, const struct shim_environment *shim);
/* Call when report_fd is readable. True: it executed; else exec_errno says why not. */
bool target_read_report(struct target *t);
/* What it and the children it waited for have used, once it has ended and before it is reaped. */
bool target_usage(const struct target *t, struct rusage *ret);
/* Reaps it if it has ended. */
bool target_reap(struct target *t, int *ret_status);
/* Closes what is open; a process that was never released ends. */
void target_done(struct target *t);

#endif
