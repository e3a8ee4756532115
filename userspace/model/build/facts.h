/* SPDX-License-Identifier: MIT */
/* The recording as a whole, whose runs are built one after the other (internal.h): what holds for all of them,
 * and where each begins and ends. */
#ifndef USERSPACE_MODEL_BUILD_FACTS_H
#define USERSPACE_MODEL_BUILD_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/schema.h"
#include "userspace/base/arena.h"
#include "userspace/base/id_map.h"
#include "userspace/base/vec.h"
#include "userspace/model/session.h"
#include "userspace/trace/ready.h"
#include "userspace/trace/trace.h"

/* Which records of one producer a run has seen, against what it must have written. */
struct producer {
	uint32_t source, id;
	uint64_t n_seen;      /* in this run */
	uint64_t next;	      /* one past the highest number seen so far in any run */
	uint64_t next_before; /* the same when this run began */
	size_t run;	      /* the run, from 1, that the two above are about */
	uint64_t tally;	      /* numbers given out in all; UINT64_MAX: no TALLY */
};

/* What things cost on the recording's machine, and the error of that; UNKNOWN: nobody measured. */
struct overhead_facts {
	int64_t call_ps, call_error_ps;	    /* a system call, for being looked at */
	int64_t hit_ps, hit_error_ps;	    /* the kernel's way to any other run of a probe */
	int64_t image_ns, image_error_ns;   /* an image, for having the shim */
	int64_t hook_ps, hook_error_ps;	    /* an allocation or free that is counted */
	int64_t sample_ns, sample_error_ns; /* a sample of the timer's */
};

/* ---- code (code.c): what frames and stacks are made of ---- */

struct code_place { /* a FRAME */
	const struct sl_frame *event;
	int last_function; /* of its functions, as they came; -1 */
	int first; /* its frames in the session, n of them, the innermost first; -1: not yet */
	size_t n;
};

struct code_function {
	const struct sl_function *event;
	int before; /* another of the same place; -1 */
};

struct code_node {	   /* a STACK */
	int caller, place; /* -1 */
	int depth;	   /* frames from here to the outermost one */
	bool is_cut;
	int64_t stack; /* in the session; UNKNOWN: not yet */
};

struct code {
	int error; /* 0 or -ENOMEM */
	struct id_map module_of, place_of, node_of;
	struct code_module_list VEC(const struct sl_module *) modules;
	struct code_place_list VEC(struct code_place) places;
	struct code_function_list VEC(struct code_function) functions;
	struct code_node_list VEC(struct code_node) nodes;
	/* of the session */
	struct frame_list VEC(struct frame) frames;
	struct stack_list VEC(struct stack) stacks;
	size_t n_entries; /* frames of all these stacks */
	size_t n_refused; /* times that a stack was asked for when there were too many */
};

void code_module(struct code *code, const struct sl_module *e);
void code_frame(struct code *code, const struct sl_frame *e);
void code_function(struct code *code, const struct sl_function *e);
void code_stack(struct code *code, const struct sl_stack *e);
/* Which node STACK @id is; -1: none. */
int code_node(const struct code *code, uint32_t id);
/* What the two have in common from the outermost frame inwards: the last that is the same call, or
 * another call out of the same function. -1: nothing. */
int code_common(const struct code *code, int a, int b);
/* A node with the @n innermost frames of @node alone, which is cut; -1: there are none, or no memory. */
int code_cut(struct code *code, int node, size_t n);
/* Its place among the session's stacks; UNKNOWN: there is none, or no room. */
int64_t code_keep(struct code *code, struct arena *a, int node);
/* Into the session. 0 or -ENOMEM. */
int code_finish(struct code *code, struct session *s);
void code_done(struct code *code);

struct facts {
	const struct trace *trace;
	struct session *session;
	const char *bpf, *shim; /* NULL: it was on; else why not, or "" when nobody said */
	const char *shim_path;	/* what the loader opens for it; NULL: unknown */
	uint64_t imports_since_ns[SL_INTERPRETERS]; /* IMPORT of what began later; 0: of all */
	const char *
		environment; /* "PYTHONMALLOC=malloc": has an allocator of its own do without; NULL */
	bool has_end;
	bool has_stacks; /* they were sampled, whether or not there was something to sample */
	struct code code;
	struct note_text_list VEC(const char *) notes; /* META note: lines to print */
	struct probe_list VEC(struct probe) probes;    /* META probe and what follows it */
	struct ready_rule *rules;
	size_t n_rules;
	bool is_redacted;      /* what log: rules would match is not there */
	struct id_map symbols; /* wait_ip -> index into symbol_names */
	struct symbol_list VEC(const char *) symbol_names;
	struct id_map producer_index; /* source << 32 | producer */
	struct producer_list VEC(struct producer) producers;
	uint64_t drops[4][SL_KIND_LIMIT]; /* [enum sl_source][kind] */
	uint64_t n_bpf, n_shim;		  /* events of that source */
	struct overhead_facts overhead;
	size_t n_runs;			    /* warm-up runs included */
	size_t run;			    /* the one being folded, from 1 */
	struct active_list VEC(int) active; /* producers seen in it */
};

/* The events of one run: trace->events[first .. last). */
struct span {
	size_t first, last;
	size_t spawn; /* index of its MARK SPAWN */
	bool is_warmup;
	bool is_dropped;	   /* said so afterwards: its pair was repeated, or not completed */
	const struct sl_meta *arm; /* META run.arm, or NULL */
};

int facts_read(const struct trace *trace, struct session *session, struct facts *ret);
void facts_done(struct facts *f);
/* The name of a place in the kernel, or NULL. */
const char *facts_symbol(const struct facts *f, uint64_t ip);

#endif
