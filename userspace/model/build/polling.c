/* SPDX-License-Identifier: MIT */
/* Loops of timed waits. A thread that waits with a time-out again and again has waited all that
 * time for what let it go on at last: who woke it from the last wait, or what it found when that
 * was over: a child that ended, a worker that is done, a peer that takes connections now.
 *
 * A loop reaches back over its ticks as far as what it waited for was under way: a sleep before
 * that is a sleep. Nothing here looks at more than some intervals, threads or connections per wait. */
#include "userspace/model/build/internal.h"

#include <math.h>
#include <string.h>

#include "userspace/base/units.h"

#define NONE SIZE_MAX

#define MAX_BETWEEN  64	       /* short waits between two ticks: for a lock, for a page */
#define MAX_ORIGIN   8	       /* from thread to waker */
#define MAX_ATTEMPTS 64	       /* connections looked at, per tick */
#define MAX_STEPS    100000000 /* in all: traces may be made up; afterwards waits stand alone */

/* What a thread does between two ticks of a loop: it hardly runs, and what it waits for otherwise
 * (the lock of an interpreter, above all) is not much longer than the ticks are. */
#define TICK_RUN_NS	NS_PER_MS
#define TICK_BLOCKED_NS (10 * NS_PER_MS)
#define RETRY_RUN_NS	(10 * NS_PER_MS)
#define RETRY_ROUND_NS	(100 * NS_PER_MS) /* the addresses of one name are tried within that */

#define TICKER_NS   NS_PER_MS /* who wakes another so soon after a tick of its own passes that on */
#define MIN_UNKNOWN 2	      /* ticks, where it is not known since when there was a reason */
#define MIN_FLAG    3	      /* waits, where nothing but the time tells what was noticed */
#define BUSY	    0.9

/* ---- ticks ---- */

static uint64_t asleep_ns(const struct interval *s)
{
	return s->wake_ns - s->out_ns;
}

/* Whether a timer ended it: its own time-out, or one of a descriptor. Where the kernel did not tell
 * what ended it, it may have been one. */
static bool is_by_timer(const struct interval *s)
{
	const struct sl_offcpu *e = s->event;
	const bool is_untold =
		(e->flags & SL_OFFCPU_INFERRED) != 0 && e->context == SL_CONTEXT_UNKNOWN;
	if ((e->context != SL_CONTEXT_HARDIRQ && !is_untold) || e->wake_ns == 0 ||
	    asleep_ns(s) == 0 || (e->flags & SL_OFFCPU_IOWAIT) != 0)
		return false;
	const enum wait_class class = syscall_class(e->syscall);
	if (class == WAIT_READ)
		return e->object == SL_OBJECT_OTHER; /* a timerfd */
	if (class == WAIT_FUTEX || class == WAIT_SIGNAL)
		return (e->flags & SL_OFFCPU_TIMEOUT) != 0;
	return class == WAIT_SLEEP || class == WAIT_POLL;
}

/* The last interval of @thread that was over by @at_ns; NONE. */
static size_t interval_before(const struct builder *b, int thread, uint64_t at_ns)
{
	const struct thread *t = &b->threads.items[thread];
	size_t low = 0, high = t->n_intervals;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (b->intervals.items[t->first_interval + middle].wake_ns <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 ? NONE : t->first_interval + low - 1;
}

/* Whether it was ended by a thread that only passed a tick of its own on. */
static bool is_by_ticker(struct builder *b, const struct interval *s)
{
	const int waker = wait_waker(b, s);
	size_t i = waker < 0 ? NONE : interval_before(b, waker, s->wake_ns);
	uint64_t run_ns = 0, until_ns = s->wake_ns;
	for (int n = 0; i != NONE && n < MAX_BETWEEN; n++) {
		const struct interval *last = &b->intervals.items[i];
		run_ns += until_ns > last->back_ns ? until_ns - last->back_ns : 0;
		if (run_ns > TICKER_NS)
			return false;
		if (asleep_ns(last) > TICKER_NS)
			return is_by_timer(last) && last->out_ns <= s->out_ns + TICKER_NS;
		until_ns = last->out_ns;
		i = i > b->threads.items[waker].first_interval ? i - 1 : NONE;
	}
	return false;
}

static bool is_tick(struct builder *b, const struct interval *s)
{
	return is_by_timer(s) || is_by_ticker(b, s);
}

/* The wait before interval @i in the same call, if hardly anything came between; NONE. Intervals below @low
 * do not count. */
static size_t previous_wait(const struct builder *b, size_t i, size_t low, uint64_t run_limit_ns)
{
	const struct interval *intervals = b->intervals.items;
	uint64_t run_ns = 0, blocked_ns = 0;

	for (size_t k = i; k > low && i - k < MAX_BETWEEN; k--) {
		const struct interval *s = &intervals[k - 1];
		const uint64_t length_ns = asleep_ns(s);
		run_ns += intervals[k].out_ns - s->back_ns;
		/* A short one that no timer ended is for a lock on the way to the next. */
		if (s->event->syscall == intervals[i].event->syscall &&
		    (is_by_timer(s) || length_ns > TICKER_NS))
			return run_ns <= (length_ns / 2 > run_limit_ns ? length_ns / 2
								       : run_limit_ns) &&
					       blocked_ns <= 2 * length_ns + TICK_BLOCKED_NS
				       ? k - 1
				       : NONE;
		if (syscall_class(s->event->syscall) == WAIT_SLEEP)
			return NONE;
		if (syscall_class(s->event->syscall) != WAIT_CONNECT)
			blocked_ns += length_ns;
	}
	return NONE;
}

/* How many ticks of the loop that stay @last belongs to came before it, and in *ret_first where
 * they begin: none of them before @since_ns. */
static size_t ticks_before(struct builder *b, size_t last, size_t low, uint64_t since_ns,
			   size_t *ret_first)
{
	size_t n = 0;
	*ret_first = last;
	for (;;) {
		const size_t k = previous_wait(b, *ret_first, low, TICK_RUN_NS);
		if (k == NONE || b->intervals.items[k].out_ns < since_ns ||
		    !is_tick(b, &b->intervals.items[k]))
			return n;
		*ret_first = k;
		n++;
	}
}

/* "polled every 100 ms": by the length of its last wait, to two digits. */
static const char *polled_every(struct builder *b, size_t last)
{
	const double ms = (double)asleep_ns(&b->intervals.items[last]) / 1e6;
	const double digit = pow(10, floor(log10(ms > 1e-3 ? ms : 1e-3)) - 1);
	const double rounded = round(ms / digit) * digit;
	const char *text = rounded < 1000
				   ? arena_printf(b->arena, "polled every %g ms", rounded)
				   : arena_printf(b->arena, "polled every %g s", rounded / 1000);
	const char *kept = text == NULL ? NULL : arena_intern(b->arena, text);
	return kept != NULL ? kept : "polled";
}

/* ---- since when there was something to wait for ---- */

struct origin {
	struct builder *b;
	int waiter;
	uint16_t syscall; /* that the waiter's loop waits in */
};

/* Whether the waiter set @s's thread to work when it woke it at the end of @s. Not if that thread had
 * been at work until the waiter's last tick was over: then it only waited for the waiter to make room. */
static bool is_set_to_work(const struct origin *o, const struct interval *s)
{
	const struct thread *t = &o->b->threads.items[o->waiter];
	size_t i = interval_before(o->b, o->waiter, s->wake_ns);
	for (int n = 0; i != NONE && i >= t->first_interval && n < MAX_BETWEEN; i--, n++) {
		const struct interval *w = &o->b->intervals.items[i];
		if (w->event->syscall == o->syscall && (is_by_timer(w) || asleep_ns(w) > TICKER_NS))
			return s->out_ns < w->wake_ns;
		if (i == 0)
			break;
	}
	return true;
}

/* The last instant in [@from, @to) at which the waiter acted on @thread, directly or by way of others;
 * @from: it did not. */
static uint64_t origin_of(const struct origin *o, int thread, uint64_t from, uint64_t to, int depth)
{
	struct builder *b = o->b;
	const struct thread *t = &b->threads.items[thread];
	if (thread == o->waiter)
		return to;
	size_t i = interval_before(b, thread, to);
	for (; i != NONE && i >= t->first_interval && b->n_poll_steps < MAX_STEPS; i--) {
		const struct interval *s = &b->intervals.items[i];
		b->n_poll_steps++;
		if (s->wake_ns <= from)
			return from;
		const int waker = asleep_ns(s) > 0 ? wait_waker(b, s) : -1;
		const uint64_t floor_ns = s->out_ns > from ? s->out_ns : from;
		if (waker == o->waiter && is_set_to_work(o, s))
			return s->wake_ns;
		if (waker >= 0 && waker != o->waiter && depth < MAX_ORIGIN) {
			const uint64_t at = origin_of(o, waker, floor_ns, s->wake_ns, depth + 1);
			if (at > floor_ns)
				return at;
		}
		if (i == 0)
			break;
	}
	if (t->start_ns <= from || t->start_ns >= to || t->creator < 0 || depth >= MAX_ORIGIN)
		return t->start_ns > from ? t->start_ns : from;
	return origin_of(o, t->creator, from, t->start_ns, depth + 1);
}

/* ---- what ended it ---- */

/* Its last wait was ended by a thread of the tree, or by somebody else. */
static bool ended_by_event(struct builder *b, size_t last, size_t low, struct poll_loop *ret)
{
	const struct interval *intervals = b->intervals.items, *s = &intervals[last];
	size_t first;
	size_t n = ticks_before(b, last, low, 0, &first);
	if (n == 0)
		return false;
	ret->thread = wait_waker(b, s);
	uint64_t since_ns = wait_began(b, s);
	if (ret->thread >= 0) {
		const struct origin o = { b, s->thread, s->event->syscall };
		since_ns = origin_of(&o, ret->thread, intervals[first].out_ns, s->wake_ns, 0);
	} else if (syscall_class(s->event->syscall) == WAIT_SLEEP) {
		return false; /* a sleep is interrupted, not waited out */
	} else {
		ret->why = wait_cause(b, s);
	}
	if (since_ns > intervals[first].out_ns)
		n = ticks_before(b, last, low, since_ns, &first);
	if (n < (ret->thread < 0 && since_ns == 0 ? MIN_UNKNOWN : 1u))
		return false;
	ret->first = first;
	ret->until_ns = s->wake_ns;
	return true;
}

/* When the next timed wait of its thread begins after interval @i; FOREVER: there is none. */
static uint64_t next_wait(const struct builder *b, size_t i)
{
	for (size_t k = i + 1; k < b->intervals.n && k - i < MAX_BETWEEN; k++) {
		const struct interval *s = &b->intervals.items[k];
		if (s->thread != b->intervals.items[i].thread)
			break;
		if (is_by_timer(s))
			return s->out_ns;
	}
	return FOREVER;
}

/* Whether no further wait of the loop comes after interval @i. */
static bool is_over(const struct builder *b, size_t i)
{
	const struct interval *s = &b->intervals.items[i];
	for (size_t k = i + 1; k < b->intervals.n && k - i < MAX_BETWEEN; k++) {
		const struct interval *next = &b->intervals.items[k];
		if (next->thread != s->thread)
			break;
		if (next->event->syscall == s->event->syscall && is_by_timer(next))
			return previous_wait(b, k, i, TICK_RUN_NS) == NONE;
	}
	return true;
}

/* After its last wait it learnt, without waiting, that a child had ended. */
static bool ended_by_child(struct builder *b, size_t last, size_t low, struct poll_loop *ret)
{
	const struct interval *s = &b->intervals.items[last];
	const uint64_t until = next_wait(b, last);
	size_t at = 0, high = b->reaps.n;
	while (at < high) { /* the first after the wait */
		const size_t middle = at + (high - at) / 2;
		if (b->reaps.items[middle].at_ns < s->wake_ns)
			at = middle + 1;
		else
			high = middle;
	}
	for (int n = 0; at < b->reaps.n && n < MAX_BETWEEN; at++, n++) {
		const struct reap *r = &b->reaps.items[at];
		if (r->at_ns >= until)
			break;
		const struct proc *child = &b->procs.items[r->child];
		if (r->thread != s->thread || child->end_ns >= s->wake_ns ||
		    child->end_ns <= s->out_ns)
			continue;
		(void)ticks_before(b, last, low, child->start_ns, &ret->first);
		ret->thread = child->ender >= 0 ? child->ender : child->last_thread;
		ret->until_ns = child->end_ns;
		return ret->thread >= 0 && child->end_ns > b->intervals.items[ret->first].out_ns;
	}
	return false;
}

/* When @t, busy since @from, was done with it: before @to; 0: it was not busy, or is not done. */
static uint64_t done_at(const struct builder *b, const struct thread *t, uint64_t from, uint64_t to)
{
	uint64_t idle_ns = 0, done_ns = t->end_ns;
	const int thread = (int)(t - b->threads.items);
	size_t i = interval_before(b, thread, to);
	const size_t next = i == NONE ? t->first_interval : i + 1;
	/* The one under way at @to. */
	if (next < t->first_interval + t->n_intervals && b->intervals.items[next].out_ns < to)
		done_ns = b->intervals.items[next].out_ns;
	if (t->start_ns > from || done_ns >= to || done_ns <= from)
		return 0;
	for (; i != NONE && i >= t->first_interval && b->intervals.items[i].wake_ns > from; i--) {
		const struct interval *s = &b->intervals.items[i];
		idle_ns += asleep_ns(s);
		if (i == 0)
			break;
	}
	return (double)idle_ns <= (1 - BUSY) * (double)(done_ns - from) ? done_ns : 0;
}

/* The loop is over, and another thread of the process, busy all the time, was done just before: that
 * it was done is what this one looked for. */
static bool ended_by_worker(struct builder *b, size_t last, size_t low, struct poll_loop *ret)
{
	const struct interval *intervals = b->intervals.items, *s = &intervals[last];
	const int proc = b->threads.items[s->thread].proc;
	size_t first;
	if (!is_over(b, last) || ticks_before(b, last, low, 0, &first) + 1 < MIN_FLAG)
		return false;
	const size_t before = previous_wait(b, last, low, TICK_RUN_NS);
	for (size_t i = 0; i < b->threads.n; i++) {
		const struct thread *t = &b->threads.items[i];
		b->n_poll_steps++;
		if (t->proc != proc || (int)i == s->thread)
			continue;
		const uint64_t done_ns = done_at(b, t, intervals[first].out_ns, s->wake_ns);
		if (done_ns <= intervals[before].wake_ns)
			continue;
		ret->first = first;
		ret->thread = (int)i;
		ret->until_ns = done_ns;
		return true;
	}
	return false;
}

/* ---- a peer that takes no connections yet ---- */

static bool is_failed(const struct connection_note *c)
{
	return !c->is_pending && strcmp(c->out.result, "ok") != 0;
}

/* The first connection that was begun at @at_ns or later. */
static size_t connection_from(const struct builder *b, uint64_t at_ns)
{
	size_t low = 0, high = b->connections.n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (b->zero_ns + (uint64_t)b->connections.items[middle].out.start_ns < at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_of(const struct builder *b, const struct connection_note *c, int thread)
{
	const struct thread *t = &b->threads.items[thread];
	return c->tid == t->tid && c->proc == t->proc;
}

/* The last attempt of @thread in [@from, @to) that failed, to @peer if that is given; NULL. */
static const struct connection_note *failed_in(const struct builder *b, int thread, uint64_t from,
					       uint64_t to, const char *peer)
{
	const size_t first = connection_from(b, from);
	size_t i = connection_from(b, to);
	for (int n = 0; i > first && n < MAX_ATTEMPTS; i--, n++) {
		const struct connection_note *c = &b->connections.items[i - 1];
		if (is_of(b, c, thread) && is_failed(c) &&
		    (peer == NULL || strcmp(c->out.peer, peer) == 0))
			return c;
	}
	return NULL;
}

/* What @thread tried to connect to next, before @to: what it reached, else what it tried last; NULL. */
static const struct connection_note *attempt_after(const struct builder *b, int thread,
						   uint64_t from, uint64_t to)
{
	const struct connection_note *last = NULL;
	size_t i = connection_from(b, from);
	for (int n = 0; i < b->connections.n && n < MAX_ATTEMPTS; i++, n++) {
		const struct connection_note *c = &b->connections.items[i];
		const uint64_t at_ns = b->zero_ns + (uint64_t)c->out.start_ns;
		if (at_ns >= to || at_ns > from + RETRY_ROUND_NS)
			break;
		if (!is_of(b, c, thread))
			continue;
		last = c;
		if (!is_failed(c))
			break;
	}
	return last;
}

/* "tcp 127.0.0.1:5432, refused 15 times, polled every 100 ms" */
static const char *refused_times(struct builder *b, const struct connection_note *c, size_t n,
				 size_t last)
{
	const bool is_refused = strcmp(c->out.result, "ECONNREFUSED") == 0;
	const char *how =
		is_refused ? "refused" : arena_printf(b->arena, "failed (%s)", c->out.result);
	const char *times = n == 1 ? "once" : arena_printf(b->arena, "%zu times", n);
	const char *text = how == NULL || times == NULL
				   ? NULL
				   : arena_printf(b->arena, "%s, %s %s, %s", c->out.peer, how,
						  times, polled_every(b, last));
	return text != NULL ? text : c->out.peer;
}

/* It tried to connect, failed, slept, and tries again (or gives up, after more than one turn). */
static bool ended_by_peer(struct builder *b, size_t last, size_t low, struct poll_loop *ret)
{
	const struct interval *intervals = b->intervals.items;
	const int thread = intervals[last].thread;
	const struct connection_note *next =
		attempt_after(b, thread, intervals[last].wake_ns, next_wait(b, last));
	const char *peer = next != NULL ? next->out.peer : NULL;
	const struct connection_note *failed = NULL;
	size_t n = 0;

	if (b->connections.n == 0)
		return false;
	for (size_t i = last, k; i != NONE; i = k) {
		const uint64_t out_ns = intervals[i].out_ns;
		k = previous_wait(b, i, low, RETRY_RUN_NS);
		const uint64_t from = k != NONE		      ? intervals[k].wake_ns
				      : out_ns > RETRY_RUN_NS ? out_ns - RETRY_RUN_NS
							      : 0;
		const struct connection_note *c = failed_in(b, thread, from, out_ns, peer);
		if (c == NULL)
			break;
		peer = c->out.peer;
		failed = failed == NULL ? c : failed;
		ret->first = i;
		n++;
	}
	if (n == 0 || (next == NULL && n == 1))
		return false;
	n += next != NULL && is_failed(next);
	ret->until_ns = intervals[last].wake_ns;
	ret->is_retry = true;
	ret->why = (struct why){ CAUSE_CONNECT, refused_times(b, failed, n, last) };
	return true;
}

bool poll_loop_ending(struct builder *b, size_t last, size_t low, struct poll_loop *ret)
{
	const struct interval *s = &b->intervals.items[last];
	*ret = (struct poll_loop){ .first = last, .last = last, .thread = -1 };
	if (asleep_ns(s) == 0 || s->event->wake_ns == 0 || b->n_poll_steps >= MAX_STEPS)
		return false;
	if (!is_by_timer(s))
		return ended_by_event(b, last, low, ret);
	if (!ended_by_child(b, last, low, ret) && !ended_by_peer(b, last, low, ret) &&
	    !ended_by_worker(b, last, low, ret))
		return false;
	if (ret->thread >= 0)
		ret->detail = polled_every(b, last);
	return true;
}
