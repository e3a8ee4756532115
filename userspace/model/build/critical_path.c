/* SPDX-License-Identifier: MIT */
/* The critical path: from the thread where startup ended back to R0. A stretch in which it slept
 * belongs to whoever woke it, as far as that is a thread of the tree; a thread's time before it
 * existed belongs to its creator. So each instant has one owner, and the segments add up.
 *
 * Windows of time are handed down from sleeper to waker. Windows of one depth never overlap, a
 * thread that is already being walked is not walked again (cycles end there), and depth, length
 * of creator chains and total work are bounded: traces may be made up. */
#include "userspace/model/build/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"

#define MAX_DEPTH 64	    /* sleeper to waker to its waker …; also the depth of recursion */
#define MAX_CHAIN 1024	    /* thread to creator to its creator … */
#define MAX_STEPS 100000000 /* of all walks together; afterwards sleepers keep their own cause */

struct piece { /* of a chain of creators */
	int thread;
	uint64_t from_ns, to_ns;
};

struct walker {
	struct builder *b;
	struct segment_list VEC(struct segment) segments;
	struct piece_list VEC(struct piece) pieces;
	struct loop_list
		VEC(struct poll_loop) loops; /* of the threads being walked, earliest last */
	bool *is_walked;		     /* per thread: further up in the recursion */
	uint64_t reached_ns;		     /* segments cover [zero, reached) */
	uint64_t n_steps;
};

static bool is_same(const struct segment *a, const struct segment *b)
{
	return a->process == b->process && a->thread == b->thread && a->phase == b->phase &&
	       a->state == b->state && a->cause == b->cause && strcmp(a->detail, b->detail) == 0;
}

static void append(struct walker *w, const struct segment *s)
{
	struct segment *last = w->segments.n > 0 ? vec_last(&w->segments) : NULL;
	if (last != NULL && is_same(last, s))
		last->duration_ns += s->duration_ns;
	else
		push(w->b, &w->segments, *s);
}

/* Time on the CPU while the program is linked is named by the library that it is for. */
static bool names_library(enum phase phase, struct why why)
{
	return (phase == PHASE_LINK || phase == PHASE_INIT) && why.cause == CAUSE_CPU &&
	       why.detail[0] == '\0';
}

/* [@from, @to) of @thread, cut where its process's phase changes, and from library to library. */
static void emit(struct walker *w, int thread, uint64_t from, uint64_t to, enum activity state,
		 struct why why)
{
	struct builder *b = w->b;
	const struct thread *t = &b->threads.items[thread];

	assert(b->error < 0 || from == w->reached_ns);
	while (from < to && b->error == 0) {
		uint64_t until, loaded;
		const enum phase phase = phase_at(b, t->proc, from, &until);
		struct library *library = library_at(b, t, from, &loaded);
		if (until > loaded)
			until = loaded;
		if (until > to)
			until = to;
		if (library != NULL && state != ACTIVITY_RUNNABLE)
			library->path_ns += (int64_t)(until - from);
		const bool is_named = library != NULL && names_library(phase, why);
		append(w, &(struct segment){
				  .start_ns = rel(b, from),
				  .duration_ns = (int64_t)(until - from),
				  .process = t->proc + 1,
				  .thread = t->tid,
				  .phase = phase,
				  .state = state,
				  .cause = why.cause,
				  .detail = is_named ? library->path : why.detail,
				  .stack = UNKNOWN,
			  });
		from = until;
	}
	w->reached_ns = from;
}

/* On the CPU: long system calls are named, the rest is the program's own code and short calls. */
static void emit_running(struct walker *w, int thread, uint64_t from, uint64_t to)
{
	const struct builder *b = w->b;
	const struct thread *t = &b->threads.items[thread];
	const struct call *calls = t->n_calls > 0 ? &b->calls.items[t->first_call] : NULL;
	const struct why user = { CAUSE_CPU, "" };
	size_t low = 0, high = t->n_calls;

	while (low < high) { /* the first call that returned after from */
		const size_t middle = low + (high - low) / 2;
		if (calls[middle].leave_ns <= from)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < t->n_calls && calls[low].enter_ns < to && from < to; low++) {
		const struct call *c = &calls[low];
		if (c->enter_ns > from) {
			emit(w, thread, from, c->enter_ns, ACTIVITY_RUNNING, user);
			from = c->enter_ns;
		}
		const uint64_t until = c->leave_ns < to ? c->leave_ns : to;
		if (until <= from)
			continue;
		const struct why inside = { CAUSE_CPU, syscall_name(b->arena, c->number) };
		emit(w, thread, from, until, ACTIVITY_RUNNING, inside);
		from = until;
	}
	if (from < to)
		emit(w, thread, from, to, ACTIVITY_RUNNING, user);
}

/* Collects who lived in [from, to): @thread, before it its creator, and so on. Returns since
 * when somebody did. */
static uint64_t collect_chain(struct walker *w, int thread, uint64_t from, uint64_t to)
{
	const struct builder *b = w->b;
	uint64_t start = from;
	for (int n = 0; n < MAX_CHAIN && to > from; n++) {
		const struct thread *t = &b->threads.items[thread];
		start = t->start_ns > from ? t->start_ns : from;
		/* A creator that began later than what it created is a made-up trace. */
		if (start > to)
			start = to;
		w->n_steps++;
		push(w->b, &w->pieces, (struct piece){ thread, start, to });
		to = start;
		if (start == from || t->creator < 0 || w->is_walked[t->creator])
			break;
		thread = t->creator;
	}
	return start;
}

static void walk_chain(struct walker *w, size_t first_piece, int depth);

/* Who waits for a child that goes on (startup ended meanwhile, or a signal ended the wait) waits for
 * the one that was started last. */
static int living_child(struct walker *w, const struct interval *s)
{
	const struct builder *b = w->b;
	const int parent = b->threads.items[s->thread].proc;
	w->n_steps += b->procs.n;
	for (size_t i = b->procs.n; i > 0; i--) {
		const struct proc *p = &b->procs.items[i - 1];
		if (p->parent == parent && p->start_ns < s->wake_ns &&
		    (p->end_ns == 0 || p->end_ns >= s->wake_ns))
			return p->main_thread;
	}
	return -1;
}

/* Whether @thread's time may be told here: not while it is told further up. */
static bool is_free(const struct walker *w, int thread, int depth)
{
	return thread >= 0 && depth < MAX_DEPTH && w->n_steps < MAX_STEPS && !w->is_walked[thread];
}

static int waker_of(struct walker *w, const struct interval *s)
{
	const int waker = wait_waker(w->b, s);
	if (waker >= 0 || syscall_class(s->event->syscall) != WAIT_CHILD)
		return waker;
	return living_child(w, s);
}

/* [@from, @to), in which @s's thread slept, is @waker's time, as far back as there was somebody. */
static void hand_over_to(struct walker *w, const struct interval *s, int waker, uint64_t from,
			 uint64_t to, int depth)
{
	const size_t first_piece = w->pieces.n;
	const uint64_t since = collect_chain(w, waker, from, to);
	if (since > from)
		emit(w, s->thread, from, since, ACTIVITY_BLOCKED, wait_cause(w->b, s));
	walk_chain(w, first_piece, depth + 1);
}

static void walk_sleep(struct walker *w, const struct interval *s, uint64_t from, uint64_t to,
		       int depth)
{
	const int waker = waker_of(w, s);
	if (is_free(w, waker, depth))
		hand_over_to(w, s, waker, from, to, depth);
	else
		emit(w, s->thread, from, to, ACTIVITY_BLOCKED, wait_cause(w->b, s));
}

static uint64_t clip(uint64_t at, uint64_t from, uint64_t to)
{
	return at < from ? from : at > to ? to : at;
}

static void walk_interval(struct walker *w, const struct interval *s, uint64_t from, uint64_t to,
			  int depth)
{
	const bool is_throttled = (s->event->flags & SL_OFFCPU_THROTTLED) != 0;
	const struct why queue = { is_throttled ? CAUSE_THROTTLED : CAUSE_RUNQUEUE, "" };
	const uint64_t out = clip(s->out_ns, from, to);
	const uint64_t wake = clip(s->wake_ns, from, to);
	const uint64_t back = clip(s->back_ns, from, to);

	if (out < wake)
		walk_sleep(w, s, out, wake, depth);
	if (wake < back)
		emit(w, s->thread, wake, back, ACTIVITY_RUNNABLE, queue);
}

/* A loop of timed waits is one wait. */
static void walk_loop(struct walker *w, const struct poll_loop *l, uint64_t from, uint64_t to,
		      int depth)
{
	const struct interval *first = &w->b->intervals.items[l->first],
			      *last = &w->b->intervals.items[l->last];
	const uint64_t out = clip(first->out_ns, from, to);
	const uint64_t until = clip(l->until_ns, from, to);
	const uint64_t wake = clip(last->wake_ns, from, to);

	if (l->thread >= 0) {
		const struct why polled = { CAUSE_SLEEP, l->detail };
		hand_over_to(w, last, l->thread, out, until, depth);
		emit(w, last->thread, until, wake, ACTIVITY_BLOCKED, polled);
	} else {
		emit(w, last->thread, out, wake, ACTIVITY_BLOCKED, l->why);
	}
	if (l->is_retry && (int64_t)(wake - out) > w->b->retry_ns) {
		w->b->retry_ns = (int64_t)(wake - out);
		w->b->retry_detail = l->why.detail;
	}
	walk_interval(w, last, wake, to, depth);
}

/* The loops among @thread's intervals [@low, @high), the last one first. */
static void find_loops(struct walker *w, size_t low, size_t high, int depth)
{
	while (high > low && w->b->error == 0) {
		struct poll_loop l;
		w->n_steps++;
		if (poll_loop_ending(w->b, --high, low, &l) &&
		    (l.thread < 0 || is_free(w, l.thread, depth))) {
			high = l.first;
			push(w->b, &w->loops, l);
		}
	}
}

/* The timeline of one thread in [from, to), during which it existed. */
static void walk_thread(struct walker *w, const struct piece *piece, int depth)
{
	const struct builder *b = w->b;
	const struct thread *t = &b->threads.items[piece->thread];
	/* Nothing may be added to a null pointer, not even 0. */
	const struct interval *intervals =
		t->n_intervals > 0 ? &b->intervals.items[t->first_interval] : NULL;
	const int thread = piece->thread;
	uint64_t at = piece->from_ns;
	size_t low = 0, high = t->n_intervals;

	while (low < high) { /* the first interval that ended after `at` */
		const size_t middle = low + (high - low) / 2;
		if (intervals[middle].back_ns <= at)
			low = middle + 1;
		else
			high = middle;
	}
	high = low;
	while (high < t->n_intervals && intervals[high].out_ns < piece->to_ns)
		high++;
	w->is_walked[thread] = true;
	const size_t n_loops = w->loops.n;
	find_loops(w, t->first_interval + low, t->first_interval + high, depth);
	for (; low < high && b->error == 0; low++) {
		w->n_steps++;
		if (intervals[low].out_ns > at)
			emit_running(w, thread, at, intervals[low].out_ns);
		if (w->loops.n > n_loops && vec_last(&w->loops)->first == t->first_interval + low) {
			const struct poll_loop l = *vec_last(&w->loops);
			w->loops.n--;
			walk_loop(w, &l, piece->from_ns, piece->to_ns, depth);
			low = l.last - t->first_interval;
		} else {
			walk_interval(w, &intervals[low], piece->from_ns, piece->to_ns, depth);
		}
		at = clip(intervals[low].back_ns, piece->from_ns, piece->to_ns);
	}
	w->loops.n = n_loops;
	w->is_walked[thread] = false;
	if (at >= piece->to_ns)
		return;
	/* A waker may be seen to end a moment before its last wake-up; the thread where startup
	 * ended may have ended long before. */
	const uint64_t end = depth == 0 ? clip(t->end_ns, at, piece->to_ns) : piece->to_ns;
	if (at < end)
		emit_running(w, thread, at, end);
	if (end < piece->to_ns)
		emit(w, thread, end, piece->to_ns, ACTIVITY_BLOCKED,
		     (struct why){ CAUSE_UNKNOWN, "after its end" });
}

/* Pieces were collected backwards: the last one is the earliest. */
static void walk_chain(struct walker *w, size_t first_piece, int depth)
{
	while (w->pieces.n > first_piece && w->b->error == 0) {
		const struct piece piece = *vec_last(&w->pieces);
		w->pieces.n--;
		if (piece.from_ns < piece.to_ns)
			walk_thread(w, &piece, depth);
	}
}

static void hand_over(struct builder *b, struct walker *w)
{
	struct run *run = b->run;
	int64_t at = 0;
	if (w->segments.n == 0) {
		run->segments = arena_alloc(b->arena, sizeof(struct segment));
	} else if (arena_adopt(b->arena, w->segments.items)) {
		run->segments = take_ptr(w->segments.items);
		run->n_segments = w->segments.n;
	}
	if (keep(b, run->segments) == NULL)
		return;
	run->has_segments = true;
	run->startup_unknown_ns = 0;
	for (size_t i = 0; i < run->n_segments; i++) {
		assert(run->segments[i].start_ns == at);
		at += run->segments[i].duration_ns;
		if (run->segments[i].cause == CAUSE_UNKNOWN)
			run->startup_unknown_ns += run->segments[i].duration_ns;
	}
	assert(at == run->startup_total_ns);
}

/* What the threads that @ender ended take to go is the last one's. Returns where it begins. */
static uint64_t hand_to_last(struct walker *w, int ender)
{
	const struct builder *b = w->b;
	const struct thread *t = &b->threads.items[ender];
	const struct proc *p = &b->procs.items[t->proc];
	if (ender != p->ender || p->last_thread == ender || t->end_ns <= b->zero_ns ||
	    t->end_ns >= b->end_ns || b->threads.items[p->last_thread].start_ns > t->end_ns)
		return b->end_ns;
	push(w->b, &w->pieces, (struct piece){ p->last_thread, t->end_ns, b->end_ns });
	return t->end_ns;
}

void critical_path(struct builder *b)
{
	/* Without the scheduler's events there is nothing to tell running from waiting. */
	if (b->facts->bpf != NULL || !probes_have(b->facts, "switches") || b->end_thread < 0 ||
	    b->error < 0)
		return;
	struct walker w = {
		.b = b,
		.is_walked = keep(b, calloc(b->threads.n, sizeof(bool))),
		.reached_ns = b->zero_ns,
	};
	if (w.is_walked == NULL)
		return;
	const uint64_t since =
		collect_chain(&w, b->end_thread, b->zero_ns, hand_to_last(&w, b->end_thread));
	if (since > b->zero_ns)
		emit(&w, w.pieces.n > 0 ? vec_last(&w.pieces)->thread : b->end_thread, b->zero_ns,
		     since, ACTIVITY_BLOCKED,
		     (struct why){ CAUSE_UNKNOWN, "creator not recorded" });
	walk_chain(&w, 0, 0);
	if (b->error == 0)
		hand_over(b, &w);
	free(w.is_walked);
	vec_done(&w.segments);
	vec_done(&w.pieces);
	vec_done(&w.loops);
}
