/* SPDX-License-Identifier: MIT */
/* See unwind.h. */
#include "preload/unwind.h"

#include "preload/readable.h"
#include "preload/real.h"
#include "preload/sys.h"

enum {
	WORD = 8,
	PAGE = 4096,
	PROOF_PAGES = 192, /* at a time; below a main stack the kernel keeps 256 free of others */
	/* The kernel's frame of a signal, from RSP on when the handler has returned. */
	CONTEXT_RBP = 40 + 10 * WORD,
	CONTEXT_RSP = 40 + 15 * WORD,
	CONTEXT_RIP = 40 + 16 * WORD,
};

struct walk {
	struct unwind_thread *thread;
	struct code *code;
	uint64_t rip, rsp, rbp;
	bool knows_rbp;
	bool may_call, is_asked;
	bool is_own;	 /* all of it is on the thread's own stack */
	uintptr_t floor; /* from here to the end of that one everything can be read */
	bool is_cut;
	uint32_t rbp_below;
	uint32_t n_fresh;
	struct reader reader;
};

/* ---- what may be read ---- */

/* A filter that no hook saw being installed may kill: the kernel is asked, but only where there is need. */
static bool may_call(struct walk *w)
{
	if (w->may_call && !w->is_asked) {
		w->is_asked = true;
		w->may_call = w->code->may_call == NULL || w->code->may_call();
	}
	return w->may_call;
}

/* Whether all pages from that of @from up to @to can be read. */
static bool is_proved(uintptr_t from, uintptr_t to)
{
	uintptr_t at = from & ~(uintptr_t)(PAGE - 1);

	if (to - at > PROOF_PAGES * PAGE)
		return false;
	for (; at < to; at += PAGE) {
		struct reader reader = { 0 };
		if (!reader_may_read(&reader, (const void *)at, 1))
			return false;
	}
	return true;
}

/* The main stack ends where the kernel has put arguments; those that a C library makes end at the thread's
 * control block, or behind it. */
static void look_for_end(struct unwind_thread *t, uintptr_t rsp)
{
	const uintptr_t ends[] = { real_stack_end(), thread_pointer() };

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) && t->high == 0; i++) {
		if (ends[i] > rsp && is_proved(rsp, ends[i])) {
			t->low = rsp & ~(uintptr_t)(PAGE - 1);
			t->high = ends[i];
		}
	}
}

/* Has the thread's own part reach down to @rsp. False: that lies elsewhere. */
static bool is_own_stack(struct walk *w, uintptr_t rsp)
{
	struct unwind_thread *t = w->thread;

	if (likely(unwind_is_own(t, rsp)))
		return true;
	if (!may_call(w))
		return false;
	if (t->high == 0)
		look_for_end(t, rsp);
	else if (rsp < t->low && is_proved(rsp, t->low))
		t->low = rsp & ~(uintptr_t)(PAGE - 1);
	return unwind_is_own(t, rsp);
}

static inline bool read_word(struct walk *w, uint64_t at, uint64_t *ret)
{
	const uintptr_t high = w->thread->high;

	if (unlikely(at % WORD != 0))
		return false;
	if (unlikely(at - w->floor >= high - w->floor || high - at < WORD)) {
		w->is_own = false;
		if (!may_call(w) || !reader_may_read(&w->reader, (const void *)at, WORD))
			return false;
	}
	*ret = *(const uint64_t *)at;
	return true;
}

/* ---- one step ---- */

static uint32_t find_rule(struct walk *w, uint64_t address)
{
	struct unwind_row *row = &w->thread->rows[(address ^ address >> 8) % UNWIND_CACHE];

	if (likely(row->address == address))
		return row->rule;
	uint32_t rule = code_rule(w->code, address, false);
	if (rule == SL_RULE_UNKNOWN && may_call(w))
		rule = code_rule(w->code, address, true);
	/* What is unknown now may be known later. */
	if (rule != SL_RULE_UNKNOWN)
		*row = (struct unwind_row){ .address = address, .rule = rule };
	return rule;
}

static bool step_by_context(struct walk *w)
{
	uint64_t rip, rsp, rbp;

	w->is_own = false; /* it may have led to another stack */
	if (!read_word(w, w->rsp + CONTEXT_RIP, &rip) ||
	    !read_word(w, w->rsp + CONTEXT_RSP, &rsp) || !read_word(w, w->rsp + CONTEXT_RBP, &rbp))
		return false;
	w->rip = rip | SL_EXACT_INTERRUPTED;
	w->rsp = rsp;
	w->rbp = rbp;
	w->knows_rbp = true;
	return true;
}

/* False: it leads nowhere. */
static inline bool step(struct walk *w, uint32_t rule)
{
	const uint64_t words = SL_RULE_WORDS(rule);
	const uint32_t saved = SL_RULE_SAVED(rule);
	const uint32_t kind = SL_RULE_KIND(rule);
	uint64_t cfa = w->rsp + words * WORD;

	if (kind == SL_RULE_CONTEXT)
		return step_by_context(w);
	if (kind != SL_RULE_RSP && !w->knows_rbp)
		return false;
	if (kind == SL_RULE_RBP)
		cfa = w->rbp + words * WORD;
	else if (kind == SL_RULE_AT_RBP && !read_word(w, w->rbp - words * WORD, &cfa))
		return false;
	uint64_t rip;
	if (cfa <= w->rsp || !read_word(w, cfa - WORD, &rip))
		return false;
	w->rbp_below = 0;
	if (kind == SL_RULE_AT_RBP) {
		const uint64_t at = w->rbp;
		/* It was pushed after what stands at the CFA: else this is no such frame. */
		if (at >= cfa)
			return false;
		w->knows_rbp = read_word(w, at, &w->rbp);
		w->rbp_below = (uint32_t)((cfa - at) / WORD);
	} else if (saved == SL_SAVED_LOST) {
		w->knows_rbp = false;
	} else if (saved != SL_SAVED_NOT) {
		w->knows_rbp = read_word(w, cfa - (uint64_t)saved * WORD, &w->rbp);
		w->rbp_below = saved;
	}
	w->rip = rip;
	w->rsp = cfa;
	return true;
}

/* ---- what is as it was ---- */

/* Whether what led from the frame at @at outwards still holds the same values. */
static bool is_unchanged(const struct unwind_thread *t, uint32_t at)
{
	while (at-- > 0) {
		const struct unwind_frame *f = &t->last[at];
		if (*(const uint64_t *)(f->rsp - WORD) != f->address ||
		    (f->rbp_below != 0 &&
		     *(const uint64_t *)(f->rsp - (uint64_t)f->rbp_below * WORD) != f->rbp))
			return false;
	}
	return true;
}

/* Whether the frame that the walk has come to is one of the last time; *at is where to look from, and then
 * which. */
static inline bool is_met(const struct walk *w, uint32_t *at)
{
	const struct unwind_thread *t = w->thread;

	while (*at > 0 && t->last[*at - 1].rsp < w->rsp)
		--*at;
	if (*at == 0)
		return false;
	const struct unwind_frame *f = &t->last[*at - 1];
	return f->rsp == w->rsp && f->address == w->rip && f->rbp == w->rbp && w->knows_rbp &&
	       is_unchanged(t, *at - 1);
}

/* ---- the walk ---- */

/* *ret_met: so many frames of the last time are the rest. */
static void walk_out(struct walk *w, uint32_t *ret_met)
{
	struct unwind_thread *t = w->thread;
	uint32_t at = t->n_last;

	for (*ret_met = 0; w->rip != 0; w->n_fresh++) {
		if (is_met(w, &at)) {
			*ret_met = at;
			return;
		}
		if (w->n_fresh == UNWIND_FRAMES) {
			w->is_cut = true;
			return;
		}
		t->fresh[w->n_fresh] = (struct unwind_frame){
			.address = w->rip,
			.rsp = w->rsp,
			.rbp = w->rbp,
			.rbp_below = w->rbp_below,
		};
		/* The last byte of a call, which may be the last instruction of a function. */
		const uint64_t place =
			w->rip & SL_EXACT_INTERRUPTED ? w->rip & ~SL_EXACT_INTERRUPTED : w->rip - 1;
		const uint32_t rule = find_rule(w, place);
		if (SL_RULE_KIND(rule) == SL_RULE_END) {
			w->n_fresh++;
			return;
		}
		if (SL_RULE_KIND(rule) == SL_RULE_UNKNOWN || !step(w, rule)) {
			w->n_fresh++;
			w->is_cut = true;
			return;
		}
		/* Frames are told apart by their RBP, too. */
		w->is_own = w->is_own && w->knows_rbp;
	}
}

/* Numbers what is new, from outside. */
static uint32_t intern(struct walk *w, struct stack_nodes *nodes, uint32_t n_met)
{
	struct unwind_thread *t = w->thread;
	uint32_t number = n_met > 0 ? t->last[n_met - 1].node : SL_EXACT_OUTERMOST;
	uint32_t n = n_met;

	if (n_met == 0 && w->is_cut)
		number = SL_EXACT_CUT;
	const bool has_room = n_met + w->n_fresh <= UNWIND_FRAMES;
	for (uint32_t i = w->n_fresh; i-- > 0;) {
		number = stack_nodes_intern(nodes, number, t->fresh[i].address);
		if (number == 0)
			break;
		if (has_room) {
			t->last[n] = t->fresh[i];
			t->last[n++].node = number;
		}
	}
	/* What was cut may go on the next time; and only what lies on the own stack can be looked at. */
	t->n_last = has_room && w->is_own && !w->is_cut && number != 0 ? n : 0;
	return number;
}

uint32_t unwind_stack(struct code *code, struct stack_nodes *nodes, struct unwind_thread *thread,
		      const struct unwind_start *start, bool may_call)
{
	struct walk w = {
		.thread = thread,
		.code = code,
		.rip = start->rip,
		.rsp = start->rsp,
		.rbp = start->rbp,
		.knows_rbp = true,
		.may_call = may_call,
	};
	const uint32_t epoch = code_epoch(code);
	uint32_t n_met = 0;

	w.is_own = is_own_stack(&w, start->rsp);
	w.floor = w.is_own ? start->rsp : thread->high;
	if (unlikely(thread->epoch != epoch)) {
		for (size_t i = 0; i < UNWIND_CACHE; i++)
			thread->rows[i].address = 0;
		thread->n_last = 0;
		thread->epoch = epoch;
	}
	if (!w.is_own)
		thread->n_last = 0;
	walk_out(&w, &n_met);
	if (w.is_cut)
		(void)__atomic_fetch_add(&nodes->file->n_cut, 1, __ATOMIC_RELAXED);
	return intern(&w, nodes, n_met);
}
