/* SPDX-License-Identifier: MIT */
/* When a run ends, and how the tree is made to end: the command's process is asked first; what
 * outlives it is asked too; after five seconds all that is left is killed. */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/run.h"

/* From asking to killing. */
#define PATIENCE_NS (5 * NS_PER_S)
/* A shell that was stopped leaves its children behind: they are asked this long after it ended. */
#define REST_NS (300 * NS_PER_MS)
/* SIGKILL acts at once, unless a process hangs in the kernel. */
#define KILLED_NS (1 * NS_PER_S)
/* A command that ended by itself: its last children get this long, so that a pipeline's tail is
 * seen to its end. What runs on after that is a daemon, and is left alone. */
#define GRACE_NS (200 * NS_PER_MS)
/* A load whose server has gone notices it, or else does not end. */
#define LOAD_GRACE_NS (1 * NS_PER_S)
/* Without kernel events deaths in the tree are found by looking. */
#define LOOK_NS (20 * NS_PER_MS)

void run_refresh(void *data)
{
	struct run *r = data;
	(void)collector_drain(r->c);
	if (!r->tree.has_events || r->tree.use_ns_pids)
		(void)run_walk(r);
}

static void signal_command(const struct run *r, int signal)
{
	if (!r->is_reaped)
		(void)syscall(SYS_pidfd_send_signal, r->target.pidfd, signal, NULL, 0);
}

void run_signal(struct run *r, int number)
{
	if (r->is_reaped)
		(void)tree_signal(&r->tree, number, run_refresh, r);
	else
		signal_command(r, number);
}

void run_note_missing(struct run *r)
{
	r->missing[0] = '\0';
	if (r->watch != NULL && !r->is_ready)
		probes_missing(r->probes, r->watch, r->spec->rules, r->spec->n_rules, r->missing,
			       sizeof(r->missing));
}

/* Asks the tree to end, and insists. */
static int run_stop(struct run *r, enum sl_stop why, uint64_t now)
{
	/* Where it ends because it is ready that has just been told. */
	const int looked = why == SL_STOP_READY ? 0 : run_look(r, SL_WHEN_EXIT);
	/* Of a server that was told to end, probes do not say what was missing. */
	run_note_missing(r);
	r->stop = why;
	r->stop_ns = now;
	if (looked < 0)
		return looked;
	const int e = emit_mark(collector_sink(r->c), SL_MARK_STOP, now, r->target.pid,
				(uint64_t)r->spec->stop_signal, why, NULL);
	signal_command(r, r->spec->stop_signal);
	return e;
}

static void insist(struct run *r, uint64_t now)
{
	if (r->is_reaped && !r->rest_was_asked && now >= r->reaped_ns + REST_NS) {
		r->rest_was_asked = true;
		(void)tree_signal(&r->tree, r->spec->stop_signal, run_refresh, r);
	}
	if (r->killed_ns == 0 && now >= r->stop_ns + PATIENCE_NS) {
		r->killed_ns = now;
		log_info("the command did not end within 5 s: killing what is left");
		signal_command(r, SIGKILL);
		(void)tree_signal(&r->tree, SIGKILL, run_refresh, r);
	}
}

/* Whether it still makes sense to wait for a tree whose command has ended. */
static bool is_worth_waiting(const struct run *r, uint64_t now)
{
	if (r->stop != 0)
		return r->killed_ns == 0 || now < r->killed_ns + KILLED_NS;
	/* A daemon: the command has ended well, and its children have yet to get ready, or to run
	 * for as long as was asked. Who failed has failed, whatever it left behind. */
	if (r->status == 0 && r->spec->until != UNTIL_EXIT)
		return true;
	return r->spec->until == UNTIL_EXIT && now < r->reaped_ns + GRACE_NS;
}

/* Without kernel events a daemon that left its parent is heard of when it first does something that
 * the shim sees. */
static bool may_come(const struct run *r, uint64_t now)
{
	return r->c->bpf == NULL && r->c->shim != NULL && r->stop == 0 && r->status == 0 &&
	       r->spec->until != UNTIL_EXIT && now < r->reaped_ns + GRACE_NS;
}

static bool is_past(uint64_t start, uint64_t duration, uint64_t now)
{
	return duration != 0 && now >= start + duration;
}

int run_step(struct run *r, uint64_t now)
{
	if (r->is_interrupted) {
		r->is_over = true;
		return emit_mark(collector_sink(r->c), SL_MARK_STOP, now, r->target.pid,
				 (uint64_t)r->end_signal, SL_STOP_SIGNAL, NULL);
	}

	int e = 0;
	/* The command may take Ctrl-C for something else, a load has no terminal that tells it. */
	if (r->stop == 0 && r->load_ns != 0 && r->end_signal != 0)
		e = run_stop(r, SL_STOP_SIGNAL, now);
	else if (r->stop == 0 && r->load_is_over)
		e = run_stop(r, r->helper_failure[0] != '\0' ? SL_STOP_FAILED : SL_STOP_LOADED,
			     now);
	else if (r->stop == 0 && r->ready_is_done && r->spec->until == UNTIL_READY &&
		 r->spec->load == NULL)
		e = run_stop(r, SL_STOP_READY, now);
	else if (r->stop == 0 && r->spec->until == UNTIL_DURATION &&
		 is_past(r->spawn_ns, r->spec->duration_ns, now))
		e = run_stop(r, SL_STOP_DURATION, now);
	else if (r->stop == 0 && r->failure != 0)
		e = run_stop(r, SL_STOP_FAILED, now);
	else if (r->stop == 0 && r->load_ns == 0 && is_past(r->spawn_ns, r->spec->timeout_ns, now))
		e = run_stop(r, SL_STOP_TIMEOUT, now);
	if (e < 0)
		return e;

	if (r->stop != 0)
		insist(r, now);
	/* The load may be what made the command end. */
	if (r->is_reaped && run_is_under_load(r) && now < r->reaped_ns + LOAD_GRACE_NS)
		return 0;
	if (r->is_reaped && ((run_alive(r) == 0 && !may_come(r, now)) || !is_worth_waiting(r, now)))
		r->is_over = true;
	/* A process in uninterruptible sleep does not die of SIGKILL: do not hang with it. */
	if (r->killed_ns != 0 && now >= r->killed_ns + KILLED_NS)
		r->is_over = true;
	return 0;
}

uint64_t run_sooner(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

uint64_t run_deadline(const struct run *r)
{
	const struct collect_spec *spec = r->spec;
	uint64_t at = 0;
	if (r->stop == 0 && spec->until == UNTIL_DURATION)
		at = run_sooner(at, r->spawn_ns + spec->duration_ns);
	at = run_sooner(at, run_load_deadline(r));
	if (r->stop == 0 && spec->timeout_ns != 0 && r->load_ns == 0)
		at = run_sooner(at, r->spawn_ns + spec->timeout_ns);
	if (r->stop != 0)
		at = run_sooner(at, r->killed_ns != 0 ? r->killed_ns + KILLED_NS
						      : r->stop_ns + PATIENCE_NS);
	if (r->is_reaped)
		at = run_sooner(at, r->drained_ns + LOOK_NS);
	return at;
}
