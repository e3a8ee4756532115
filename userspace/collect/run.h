/* SPDX-License-Identifier: MIT */
/* One run in progress: what collect.c, ready_probe.c and stop.c share. */
#ifndef USERSPACE_COLLECT_RUN_H
#define USERSPACE_COLLECT_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/collect/collect.h"
#include "userspace/collect/internal.h"
#include "userspace/collect/target.h"
#include "userspace/collect/tree.h"

struct collector {
	struct trace_writer *w;
	struct source_bpf *bpf;	  /* NULL: no kernel events */
	struct source_shim *shim; /* NULL: no shim */
	struct inheritance inheritance;
	int epoll_fd;
	int signal_fd;
	struct run *run; /* the one in progress, for the sink */
};

struct run {
	struct collector *c;
	const struct collect_spec *spec;
	struct target target;
	struct tree tree;
	struct ready_watch *watch; /* NULL: nothing to wait for */
	struct ready_point ready;
	bool is_ready;	    /* the watch says so */
	bool ready_is_done; /* … and it has been acted upon */

	uint64_t spawn_ns;
	uint64_t drained_ns; /* when the sources were last read */
	bool is_reaped;
	int status; /* wait status */
	uint64_t reaped_ns;

	unsigned int n_interrupts;
	int interrupt; /* the signal that ends startline; 0: none */

	enum sl_stop stop; /* why the tree was asked to end; 0: it was not */
	uint64_t stop_ns;
	bool rest_was_asked; /* the processes that outlived the command, too */
	uint64_t killed_ns;
	bool is_over;
};

struct sink collector_sink(struct collector *c);
/* Reads all sources now. */
int collector_drain(struct collector *c);
/* How many processes or threads of the tree still live. */
size_t run_alive(struct run *r);

/* stop.c: asks the tree to end, and insists. */
int run_stop(struct run *r, enum sl_stop why, uint64_t now);
/* Decides at @now whether the run is over, and what to do to get there. */
int run_step(struct run *r, uint64_t now);
/* When run_step() has something to do even if nothing happens; 0: nothing known. */
uint64_t run_deadline(const struct run *r);

#endif
