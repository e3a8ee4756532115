/* SPDX-License-Identifier: MIT */
/* The readiness ladder of the run: of the process that became ready and its listener, else of
 * the command and the first listener. A rung that was not seen says why. */
#include "userspace/model/build/internal.h"

#include <string.h>

#define MAX_RUNGS     10
#define MAX_ANCESTORS 1000 /* bounds the way up the process tree */

struct rung {
	int64_t time_ns;
	int process;
	const char *evidence, *source;
};

static void add(struct builder *b, const char *name, struct rung rung)
{
	b->run->milestones[b->run->n_milestones++] = (struct milestone){
		.name = name,
		.time_ns = rung.time_ns,
		.process = rung.process,
		.evidence = rung.evidence,
		.source = rung.time_ns == UNKNOWN ? "" : rung.source,
	};
}

/* Whether the kernel tells of sockets. */
static bool has_network(const struct builder *b)
{
	return b->facts->bpf == NULL && probes_work(b->facts, "system calls");
}

static const char *network_source(const struct builder *b)
{
	return has_network(b) ? "bpf" : "shim";
}

/* Why the loader's and main's marks are missing. */
static const char *no_mark(const struct builder *b, const struct process *p,
			   const struct image_note *image, const char *fallback)
{
	if (image != NULL && image->out.is_static)
		return "static program: no loader to see";
	if (b->facts->shim != NULL)
		return "no shim: counted as main from the exec on";
	if (p->coverage_heap[0] != '\0' && strcmp(p->coverage_heap, "counted") != 0)
		return p->coverage_heap;
	return fallback;
}

/* A forked worker runs the image of whoever executed it last among its ancestors. */
static int whose_image(const struct builder *b, int proc)
{
	uint64_t at_ns = b->end_ns;
	for (int at = proc, steps = 0; at >= 0 && steps < MAX_ANCESTORS; steps++) {
		const struct proc *p = &b->procs.items[at];
		if (image_at(p, at_ns) != NULL)
			return at;
		at_ns = p->start_ns;
		at = p->parent;
	}
	return proc;
}

static void program_rungs(struct builder *b, int ready)
{
	const int proc = whose_image(b, ready);
	const struct proc *p = &b->procs.items[proc];
	const uint64_t until_ns = proc == ready ? b->end_ns : b->procs.items[ready].start_ns;
	const struct image_note *image = image_at(p, until_ns);
	const bool is_static = image != NULL && image->out.is_static;
	struct rung linked = { .time_ns = UNKNOWN, .process = proc + 1, .source = "shim" };
	struct rung main_entered = linked;

	add(b, "exec",
	    (struct rung){ .time_ns = 0,
			   .process = 1,
			   .evidence = b->zero_evidence,
			   .source = b->zero_source });
	linked.evidence = no_mark(b, &p->out, image, "the loader's hand-over was not seen");
	main_entered.evidence = is_static ? "static program: main is not seen"
					  : no_mark(b, &p->out, image, "main was not seen");
	if (image != NULL && image->linked_ns != 0) {
		linked.time_ns = rel(b, image->linked_ns);
		linked.evidence = "libraries relocated, constructors begin";
	} else if (is_static) {
		linked.time_ns = rel(b, image->done_ns);
		linked.evidence = "static program: the exec itself";
		linked.source = "bpf";
	}
	if (image != NULL && image->main_ns != 0) {
		main_entered.time_ns = rel(b, image->main_ns);
		main_entered.evidence = "main is entered";
	}
	add(b, "linked", linked);
	add(b, "main", main_entered);
}

static const char no_network[] = "not seen without bpf and shim";

const struct listener *run_listener(const struct run *run)
{
	for (size_t i = 0; i < run->n_listeners; i++) {
		if (run->listeners[i].is_main)
			return &run->listeners[i];
	}
	return NULL;
}

static void listener_rungs(struct builder *b)
{
	const struct listener *l = run_listener(b->run);
	const char *source = network_source(b);
	/* The shim sees the C library's functions; Go does without them. */
	const char *none = has_network(b)	    ? "no listening socket"
			   : b->facts->shim == NULL ? "the shim saw no listening socket"
						    : no_network;
	if (l == NULL) {
		const struct rung nothing = { .time_ns = UNKNOWN, .evidence = none };
		add(b, "bind", nothing);
		add(b, "listen", nothing);
		add(b, "accept_ready", nothing);
		return;
	}
	const char *inherited = strncmp(l->endpoint, "udp ", 4) == 0 ? "datagrams: nothing listens"
								     : "inherited listener";
	add(b, "bind",
	    (struct rung){ l->bind_ns, l->process, l->bind_ns == UNKNOWN ? inherited : l->endpoint,
			   source });
	add(b, "listen",
	    (struct rung){ l->listen_ns, l->process,
			   l->listen_ns == UNKNOWN ? inherited : l->endpoint, source });
	add(b, "accept_ready",
	    (struct rung){ l->accept_ready_ns, l->accept_ready_process, l->evidence, source });
}

/* Why nothing notified. */
static const char *not_notified(const struct builder *b)
{
	const struct facts *f = b->facts;
	for (size_t i = 0; i < f->n_rules; i++) {
		const char *text = NULL;
		if (strcmp(ready_rule_level(&f->rules[i]), "notified") == 0)
			text = arena_printf(b->arena, "%s never held", f->rules[i].spec);
		if (text != NULL)
			return text;
	}
	return "no --ready asked for it";
}

static void notified_rung(struct builder *b)
{
	struct rung rung = { .time_ns = UNKNOWN,
			     .evidence = not_notified(b),
			     .source = "collector" };
	const struct run *run = b->run;
	if (b->notified_ns != 0) {
		rung.time_ns = rel(b, b->notified_ns);
		rung.evidence = b->notified_by != NULL ? b->notified_by : "";
		rung.process = run->ready_process;
	} else if (run->has_ready && strcmp(run->ready_level, "notified") == 0) {
		rung.time_ns = run->ready_ns;
		rung.process = run->ready_process;
		rung.evidence = "startline saw it";
	}
	add(b, "notified", rung);
}

static void client_rungs(struct builder *b)
{
	const struct listener *l = run_listener(b->run);
	const int64_t accept_ns = l != NULL ? l->first_accept_ns : UNKNOWN;
	const int64_t byte_ns = l != NULL ? l->first_byte_ns : UNKNOWN;
	const int proc = l != NULL ? l->accept_ready_process : 0;
	const char *source = network_source(b);
	/* The shim follows calls that make connections, not those that use them. */
	const char *no_byte =
		!has_network(b) ? "not seen without kernel probes" : "nothing was answered";
	const char *no_accept =
		!has_network(b) && b->facts->shim != NULL ? no_network : "no client came";
	add(b, "first_accept",
	    (struct rung){ accept_ns, proc, accept_ns == UNKNOWN ? no_accept : l->endpoint,
			   source });
	add(b, "first_byte",
	    (struct rung){ byte_ns, proc, byte_ns == UNKNOWN ? no_byte : l->endpoint, source });
}

void ladder_finish(struct builder *b)
{
	struct run *run = b->run;
	run->milestones = keep(b, arena_alloc_array(b->arena, MAX_RUNGS, sizeof(struct milestone)));
	if (run->milestones == NULL)
		return;
	int proc = run->ready_process > 0 ? run->ready_process - 1 : 0;
	program_rungs(b, proc);
	listener_rungs(b);
	notified_rung(b);
	client_rungs(b);
	if (run->has_ready && strcmp(run->ready_level, "quiet") == 0)
		add(b, "quiet",
		    (struct rung){ run->ready_ns, run->ready_process, "nothing ran any more",
				   "collector" });
}
