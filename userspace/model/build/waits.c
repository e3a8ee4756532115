/* SPDX-License-Identifier: MIT */
/* Stays off the CPU and what each of them waited for: one typed cause, from one table. */
#include "userspace/model/build/internal.h"

#include <stdlib.h>
#include <string.h>

void wait_offcpu(struct builder *b, const struct sl_offcpu *e)
{
	const uint64_t back_ns = e->event.time_ns;
	const int thread = thread_of(b, &e->event, e->out_ns);
	if (thread < 0 || e->out_ns == 0 || e->out_ns > back_ns)
		return;
	struct interval s = {
		.out_ns = e->out_ns,
		.wake_ns = e->wake_ns,
		.back_ns = back_ns,
		.event = e,
		.thread = thread,
	};
	const bool is_asleep = (e->flags & SL_OFFCPU_STILL) != 0 && e->wake_ns == 0;
	if (e->state == SL_STATE_NEW || e->state == SL_STATE_PREEMPTED)
		s.wake_ns = s.out_ns;
	else if (is_asleep || s.wake_ns > back_ns)
		s.wake_ns = back_ns;
	else if (s.wake_ns < s.out_ns)
		s.wake_ns = s.out_ns;
	push(b, &b->intervals, s);
}

void wait_syscall(struct builder *b, const struct sl_syscall *e)
{
	const int thread = thread_of(b, &e->event, e->enter_ns);
	if (thread < 0 || e->enter_ns > e->event.time_ns)
		return;
	push(b, &b->calls,
	     (struct call){
		     .enter_ns = e->enter_ns,
		     .leave_ns = e->event.time_ns,
		     .number = e->number,
		     .thread = thread,
	     });
}

static int compare_intervals(const void *left, const void *right)
{
	const struct interval *a = left, *b = right;
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	if (a->out_ns != b->out_ns)
		return a->out_ns < b->out_ns ? -1 : 1;
	/* Of two records of one interval the later one knows its end. */
	return a->back_ns < b->back_ns ? -1 : a->back_ns > b->back_ns;
}

static int compare_calls(const void *left, const void *right)
{
	const struct call *a = left, *b = right;
	if (a->thread != b->thread)
		return a->thread < b->thread ? -1 : 1;
	return a->enter_ns < b->enter_ns ? -1 : a->enter_ns > b->enter_ns;
}

/* Makes the intervals of each thread follow each other without overlap. A snapshot of an interval that
 * went on is replaced by the record of its end. */
static size_t untangle(struct interval *intervals, size_t n)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		struct interval s = intervals[i];
		struct interval *last = kept > 0 ? &intervals[kept - 1] : NULL;
		if (last != NULL && last->thread == s.thread && last->out_ns == s.out_ns) {
			*last = s;
			continue;
		}
		if (last != NULL && last->thread == s.thread && last->back_ns > s.out_ns) {
			s.out_ns = last->back_ns;
			if (s.wake_ns < s.out_ns)
				s.wake_ns = s.out_ns;
		}
		if (s.out_ns < s.back_ns)
			intervals[kept++] = s;
	}
	return kept;
}

void waits_finish(struct builder *b)
{
	if (b->intervals.n > 0) {
		qsort(b->intervals.items, b->intervals.n, sizeof(struct interval),
		      compare_intervals);
		b->intervals.n = untangle(b->intervals.items, b->intervals.n);
	}
	if (b->calls.n > 0)
		qsort(b->calls.items, b->calls.n, sizeof(struct call), compare_calls);
	for (size_t i = b->intervals.n; i > 0; i--) {
		struct thread *t = &b->threads.items[b->intervals.items[i - 1].thread];
		t->first_interval = i - 1;
		t->n_intervals++;
	}
	for (size_t i = b->calls.n; i > 0; i--) {
		struct thread *t = &b->threads.items[b->calls.items[i - 1].thread];
		t->first_call = i - 1;
		t->n_calls++;
	}
}

/* ---- causes ---- */

#define SYS_EXECVE   59 /* x86-64, as in the record */
#define SYS_EXECVEAT 322

enum detail { DETAIL_NONE, DETAIL_TEXT, DETAIL_PEER, DETAIL_CHILD, DETAIL_WAKER, DETAIL_SYSCALL };

#define BIT(x) (1u << (x))
#define SOCKETS \
	(BIT(SL_OBJECT_TCP) | BIT(SL_OBJECT_UDP) | BIT(SL_OBJECT_UNIX) | BIT(SL_OBJECT_SOCKET))
#define FAULTS	   (BIT(SL_OBJECT_FAULT_FILE) | BIT(SL_OBJECT_FAULT_ANON))
#define LOOPS	   (BIT(SL_OBJECT_NONE) | BIT(SL_OBJECT_EPOLL))
#define FILES	   BIT(SL_OBJECT_FILE)
#define ANYTHING   0xffffffffu
#define BY_TIMER   BIT(SL_CONTEXT_HARDIRQ)
#define BY_NETWORK BIT(SL_CONTEXT_SOFTIRQ)
#define TIMEOUT	   SL_OFFCPU_TIMEOUT

/* The first row that fits decides. `flags` must all be set. */
static const struct {
	unsigned int classes;  /* enum wait_class */
	unsigned int objects;  /* bits of enum sl_object */
	unsigned int contexts; /* bits of enum sl_context */
	unsigned int flags;    /* SL_OFFCPU_* */
	enum cause cause;
	enum detail detail;
} rules[] = {
	/* clang-format off */
	{ WAIT_ANY,	FAULTS,	  ANYTHING, 0,	CAUSE_PAGE_FAULT, DETAIL_TEXT },
	{ WAIT_FAULT,	ANYTHING, ANYTHING, SL_OFFCPU_MAJOR, CAUSE_PAGE_FAULT, DETAIL_TEXT },
	{ WAIT_SLEEP,	ANYTHING, ANYTHING, 0,	CAUSE_SLEEP, DETAIL_NONE },
	{ WAIT_CONNECT, ANYTHING, ANYTHING, 0,	CAUSE_CONNECT, DETAIL_PEER },
	{ WAIT_POLL | WAIT_FUTEX | WAIT_SIGNAL | WAIT_READ | WAIT_WRITE,
			ANYTHING, BY_TIMER, TIMEOUT, CAUSE_SLEEP, DETAIL_NONE },
	{ WAIT_POLL | WAIT_READ, BIT(SL_OBJECT_OTHER), BY_TIMER, 0, CAUSE_SLEEP, DETAIL_TEXT },
	{ WAIT_POLL,	LOOPS,	  BY_TIMER, 0,	CAUSE_SLEEP, DETAIL_NONE },
	{ WAIT_CHILD | WAIT_FORK, ANYTHING, ANYTHING, 0, CAUSE_CHILD, DETAIL_CHILD },
	{ WAIT_FUTEX,	ANYTHING, ANYTHING, 0,	CAUSE_LOCK, DETAIL_WAKER },
	{ WAIT_LOCK,	ANYTHING, ANYTHING, 0,	CAUSE_LOCK, DETAIL_TEXT },
	{ WAIT_SIGNAL,	ANYTHING, ANYTHING, 0,	CAUSE_SIGNAL, DETAIL_WAKER },
	{ WAIT_ANY,	SOCKETS,  ANYTHING, 0,	CAUSE_NETWORK, DETAIL_PEER },
	{ WAIT_ANY,	BIT(SL_OBJECT_PIPE), ANYTHING, 0, CAUSE_PIPE, DETAIL_WAKER },
	{ WAIT_READ | WAIT_FILE, FILES, ANYTHING, 0, CAUSE_FILE_READ, DETAIL_TEXT },
	{ WAIT_WRITE,	FILES,	  ANYTHING, 0,	CAUSE_FILE_WRITE, DETAIL_TEXT },
	{ WAIT_POLL,	ANYTHING, BY_NETWORK, 0, CAUSE_NETWORK, DETAIL_PEER },
	{ WAIT_POLL,	BIT(SL_OBJECT_NONE) | BIT(SL_OBJECT_EPOLL),
				  BIT(SL_CONTEXT_TASK), 0, CAUSE_NETWORK, DETAIL_WAKER },
	{ WAIT_FILE,	ANYTHING, ANYTHING, SL_OFFCPU_IOWAIT, CAUSE_FILE_READ, DETAIL_TEXT },
	{ WAIT_ANY,	FILES,	  ANYTHING, SL_OFFCPU_IOWAIT, CAUSE_FILE_READ, DETAIL_TEXT },
	{ WAIT_ANY,	ANYTHING, ANYTHING, SL_OFFCPU_IOWAIT, CAUSE_DISK, DETAIL_SYSCALL },
	/* clang-format on */
};

/* The command line of a process, short enough for a row. */
#define CHILD_LINE_BYTES 200

static const char *process_line(struct builder *b, int proc)
{
	const struct process *p = &b->procs.items[proc].out;
	const char *line = text_join(b->arena, &p->argv, CHILD_LINE_BYTES);
	return line[0] != '\0' ? line : p->exe != NULL ? p->exe : "";
}

static const char *waker_name(struct builder *b, const struct sl_offcpu *e)
{
	char name[SL_COMM_SIZE + 1];
	if (e->context != SL_CONTEXT_TASK)
		return "";
	memcpy(name, e->waker_comm, SL_COMM_SIZE);
	name[SL_COMM_SIZE] = '\0';
	const char *kept = arena_intern(b->arena, name);
	return kept != NULL ? kept : "";
}

static const char *child_line(struct builder *b, const struct interval *s)
{
	const int waker = thread_lookup(b, s->event->waker_tid, s->wake_ns);
	if (s->event->context == SL_CONTEXT_TASK && waker >= 0)
		return process_line(b, b->threads.items[waker].proc);
	return waker_name(b, s->event);
}

/* Whether who woke @s may have sent on @socket: somebody outside the tree, or its peer in it. The
 * loop may have been woken by something else and found data waiting. */
static bool is_from(const struct builder *b, const struct socket *socket, const struct interval *s)
{
	if (s->event->context != SL_CONTEXT_TASK || socket->connection < 0)
		return true;
	const int waker = thread_lookup(b, s->event->waker_tid, s->wake_ns);
	const struct connection *c = &b->run->connections[socket->connection];
	return waker < 0 || b->threads.items[waker].proc + 1 == c->peer_process;
}

/* Which of many sockets a wait on all of them ended for is seen by what came in on one. NULL: none,
 * or it did not wait on sockets, or a timer ended it. */
static const struct delivery *delivered(const struct builder *b, const struct interval *s)
{
	const struct sl_offcpu *e = s->event;
	const bool is_poll = syscall_class(e->syscall) == WAIT_POLL && e->object < 32 &&
			     (BIT(e->object) & (SOCKETS | LOOPS)) != 0;
	if (!is_poll || e->context == SL_CONTEXT_HARDIRQ)
		return NULL;
	const struct thread *t = &b->threads.items[s->thread];
	const struct interval *next = s + 1;
	const bool has_next =
		next < b->intervals.items + b->intervals.n && next->thread == s->thread;
	const struct delivery *d = delivery_of(b, t->proc, t->tid, s->wake_ns, s->back_ns,
					       has_next ? next->out_ns : FOREVER);
	if (d == NULL)
		return NULL;
	const struct socket *socket = socket_of(b, d->sock);
	return socket != NULL && is_from(b, socket, s) ? d : NULL;
}

const struct socket *wait_peer(const struct builder *b, const struct interval *s, bool *ret_connect)
{
	const struct delivery *d = delivered(b, s);
	const struct socket *socket = socket_of(b, d != NULL ? d->sock : s->event->sock);
	*ret_connect = d != NULL && d->is_connect;
	return socket != NULL && socket->peer != NULL ? socket : NULL;
}

uint64_t wait_began(const struct builder *b, const struct interval *s)
{
	const struct delivery *d = delivered(b, s);
	return d != NULL ? d->since_ns : 0;
}

/* Who waits for a process is woken by the last of its threads, which may only have been ended by
 * another: then that one. */
static int ender_of(const struct builder *b, int thread, uint64_t at_ns)
{
	const int ender = b->procs.items[b->threads.items[thread].proc].ender;
	return ender >= 0 && b->threads.items[ender].end_ns <= at_ns ? ender : thread;
}

int wait_waker(const struct builder *b, const struct interval *s)
{
	const struct sl_offcpu *e = s->event;
	bool is_connect;
	if (e->context != SL_CONTEXT_TASK || e->wake_ns == 0 ||
	    wait_peer(b, s, &is_connect) != NULL)
		return -1;
	int waker = thread_lookup(b, e->waker_tid, s->wake_ns);
	if (waker >= 0 && syscall_class(e->syscall) == WAIT_CHILD)
		waker = ender_of(b, waker, s->wake_ns);
	return waker == s->thread ? -1 : waker;
}

void wait_reaped(struct builder *b, const struct sl_mark *e)
{
	const int thread = thread_of(b, &e->event, e->event.time_ns);
	const uint32_t pid = e->value <= UINT32_MAX ? (uint32_t)e->value : 0;
	int child = thread < 0 ? -1 : process_lookup_ns(b, pid, e->event.time_ns);
	if (child < 0 && thread >= 0)
		child = process_lookup(b, pid, e->event.time_ns);
	if (child >= 0 && b->procs.items[child].parent == b->threads.items[thread].proc)
		push(b, &b->reaps,
		     (struct reap){ .at_ns = e->event.time_ns, .thread = thread, .child = child });
}

static const char *peer_of(struct builder *b, const struct interval *interval)
{
	const struct sl_offcpu *e = interval->event;
	bool is_connect;
	const struct socket *s = wait_peer(b, interval, &is_connect);
	if (s != NULL)
		return s->peer;
	s = socket_of(b, e->sock);
	if (s != NULL && s->listener >= 0)
		return b->run->listeners[s->listener].endpoint;
	return e->object == SL_OBJECT_EPOLL ? "" : text_path(b->arena, &e->event, e->text);
}

/* The path in the record; execve has none yet, but the image it put in place has. */
static const char *path_of(struct builder *b, const struct interval *s)
{
	const struct sl_offcpu *e = s->event;
	const char *text = text_path(b->arena, &e->event, e->text);
	if (text[0] != '\0' || (e->syscall != SYS_EXECVE && e->syscall != SYS_EXECVEAT))
		return text;
	const struct proc *p = &b->procs.items[b->threads.items[s->thread].proc];
	const struct image_note *i = image_after(p, s->out_ns);
	return i != NULL ? i->out.exe : "";
}

static const char *detail_of(struct builder *b, const struct interval *s, enum detail detail)
{
	const struct sl_offcpu *e = s->event;
	switch (detail) {
	case DETAIL_TEXT:
		return path_of(b, s);
	case DETAIL_PEER:
		return peer_of(b, s);
	case DETAIL_CHILD:
		return child_line(b, s);
	case DETAIL_WAKER:
		return waker_name(b, e);
	case DETAIL_SYSCALL:
		return e->syscall == SL_NO_SYSCALL ? "" : syscall_name(b->arena, e->syscall);
	case DETAIL_NONE:
	default:
		return "";
	}
}

/* No rule knows it: the place in the kernel, if it was sampled, else the call it slept in. */
static struct why unknown_cause(struct builder *b, const struct interval *s)
{
	const struct sl_offcpu *e = s->event;
	const char *symbol = facts_symbol(b->facts, e->wait_ip);
	if (e->state == SL_STATE_STOPPED)
		return (struct why){ CAUSE_SIGNAL, "stopped" };
	if (symbol != NULL)
		return (struct why){ CAUSE_KERNEL, symbol };
	const char *text = text_path(b->arena, &e->event, e->text);
	return (struct why){ CAUSE_UNKNOWN,
			     text[0] != '\0' ? text : detail_of(b, s, DETAIL_SYSCALL) };
}

/* A wait for the network whose peer is known: a resolver, or a connection on its way. */
static struct why refined(struct builder *b, const struct interval *s, struct why why)
{
	bool is_connect;
	const struct socket *peer = wait_peer(b, s, &is_connect);
	if (peer == NULL)
		return why;
	why.detail = peer->peer;
	if (is_connect)
		why.cause = CAUSE_CONNECT;
	if (peer->is_dns)
		why.cause = CAUSE_DNS;
	return why;
}

/* It would still wait for whatever comes first, had startline not stopped the command. */
static bool is_woken_by_stop(const struct builder *b, const struct interval *s)
{
	const struct sl_offcpu *e = s->event;
	return b->stop_ns != 0 && s->wake_ns >= b->stop_ns && e->context == SL_CONTEXT_TASK &&
	       thread_lookup(b, e->waker_tid, s->wake_ns) < 0 &&
	       syscall_class(e->syscall) == WAIT_POLL;
}

struct why wait_cause(struct builder *b, const struct interval *s)
{
	const struct sl_offcpu *e = s->event;
	const unsigned int class = (unsigned int)syscall_class(e->syscall);
	const unsigned int object = e->object < 32 ? BIT(e->object) : 0;
	const unsigned int context = e->context < 32 ? BIT(e->context) : 0;

	if (is_woken_by_stop(b, s))
		return (struct why){ CAUSE_SIGNAL, waker_name(b, e) };
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if ((rules[i].classes & class) == 0 || (rules[i].objects & object) == 0 ||
		    (rules[i].contexts & context) == 0 ||
		    (e->flags & rules[i].flags) != rules[i].flags)
			continue;
		struct why why = { rules[i].cause, detail_of(b, s, rules[i].detail) };
		return why.cause == CAUSE_NETWORK || why.cause == CAUSE_CONNECT ? refined(b, s, why)
										: why;
	}
	return unknown_cause(b, s);
}
