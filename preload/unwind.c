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

/* What is walked from frame to frame. Only inlined functions see it, so that it stays in registers. */
struct registers {
	uint64_t rip, rsp, rbp;
	uint16_t rbp_below; /* words */
	bool knows_rbp;
};

struct walk {
	struct unwind_thread *thread;
	struct code *code;
	uintptr_t floor; /* from here to the end of the thread's own stack everything can be read */
	uint32_t n_fresh;
	bool may_call, is_asked;
	bool is_own; /* all of it is on the thread's own stack */
	bool is_cut;
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
	struct unwind_row *row = unwind_row_of(w->thread, address);

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

static inline bool step_by_context(struct walk *w, struct registers *r)
{
	uint64_t rip, rsp, rbp;

	w->is_own = false; /* it may have led to another stack */
	if (!read_word(w, r->rsp + CONTEXT_RIP, &rip) ||
	    !read_word(w, r->rsp + CONTEXT_RSP, &rsp) || !read_word(w, r->rsp + CONTEXT_RBP, &rbp))
		return false;
	*r = (struct registers){ rip | SL_EXACT_INTERRUPTED, rsp, rbp, 0, true };
	return true;
}

/* False: it leads nowhere. */
static inline bool step(struct walk *w, uint32_t rule, struct registers *r)
{
	const uint64_t words = SL_RULE_WORDS(rule);
	const uint32_t saved = SL_RULE_SAVED(rule);
	const uint32_t kind = SL_RULE_KIND(rule);
	uint64_t cfa = r->rsp + words * WORD;

	if (unlikely(kind == SL_RULE_CONTEXT))
		return step_by_context(w, r);
	if (kind != SL_RULE_RSP && !r->knows_rbp)
		return false;
	if (kind == SL_RULE_RBP)
		cfa = r->rbp + words * WORD;
	else if (kind == SL_RULE_AT_RBP && !read_word(w, r->rbp - words * WORD, &cfa))
		return false;
	uint64_t rip;
	if (cfa <= r->rsp || !read_word(w, cfa - WORD, &rip))
		return false;
	r->rbp_below = 0;
	if (kind == SL_RULE_AT_RBP) {
		const uint64_t at = r->rbp;
		/* It was pushed after what stands at the CFA: else this is no such frame. */
		if (at >= cfa)
			return false;
		r->knows_rbp = read_word(w, at, &r->rbp);
		/* Too far to be noted. */
		w->is_own = w->is_own && (cfa - at) / WORD <= UINT16_MAX;
		r->rbp_below = (uint16_t)((cfa - at) / WORD);
	} else if (saved == SL_SAVED_LOST) {
		r->knows_rbp = false;
	} else if (saved != SL_SAVED_NOT) {
		r->knows_rbp = read_word(w, cfa - (uint64_t)saved * WORD, &r->rbp);
		r->rbp_below = (uint16_t)saved;
	}
	r->rip = rip;
	r->rsp = cfa;
	return true;
}

/* ---- what is as it was ---- */

/* Whether what led from the frame at @at outwards still holds the same values. */
static inline bool is_unchanged(const struct unwind_thread *t, uint32_t at)
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
static inline bool is_met(const struct unwind_thread *t, const struct registers *r, uint32_t *at)
{
	while (*at > 0 && t->last[*at - 1].rsp < r->rsp)
		--*at;
	if (*at == 0)
		return false;
	const struct unwind_frame *f = &t->last[*at - 1];
	return f->rsp == r->rsp && f->address == r->rip &&
	       (!f->needs_rbp || (r->knows_rbp && f->rbp == r->rbp)) && is_unchanged(t, *at - 1);
}

/* ---- the walk ---- */

/* The last byte of a call, which may be the last instruction of a function. */
static inline uint64_t place_of(uint64_t rip)
{
	return rip & SL_EXACT_INTERRUPTED ? rip & ~SL_EXACT_INTERRUPTED : rip - 1;
}

static inline bool uses_rbp(uint32_t rule)
{
	return SL_RULE_KIND(rule) == SL_RULE_RBP || SL_RULE_KIND(rule) == SL_RULE_AT_RBP;
}

/* So many frames of the last time are the rest. */
static inline uint32_t walk_out(struct walk *w, struct registers r)
{
	struct unwind_thread *t = w->thread;
	uint32_t at = t->n_last, n = 0;

	for (;; n++) {
		if (is_met(t, &r, &at)) {
			/* Whoever called may be another one, that has put it elsewhere. */
			t->last[at - 1].rbp = r.rbp;
			t->last[at - 1].rbp_below = r.rbp_below;
			w->n_fresh = n;
			return at;
		}
		if (n == UNWIND_FRAMES) {
			w->is_cut = true;
			break;
		}
		/* Nothing called the outermost one; that is looked at the next time, too. */
		const uint32_t rule =
			r.rip == 0 ? SL_RULE(SL_RULE_END, 0, 0) : find_rule(w, place_of(r.rip));
		t->fresh[n] = (struct unwind_frame){
			.address = r.rip,
			.rsp = r.rsp,
			.rbp = r.rbp,
			.rbp_below = r.rbp_below,
			.needs_rbp = uses_rbp(rule),
		};
		if (SL_RULE_KIND(rule) == SL_RULE_END) {
			n++;
			break;
		}
		if (SL_RULE_KIND(rule) == SL_RULE_UNKNOWN || !step(w, rule, &r)) {
			n++;
			w->is_cut = true;
			break;
		}
	}
	w->n_fresh = n;
	return 0;
}

/* Going on outwards from @inner leads to @outer. What does not depend on RBP need not be looked at the next time. */
static inline void link_rbp(struct unwind_frame *inner, struct unwind_frame *outer)
{
	if (!outer->needs_rbp)
		outer->rbp_below = 0;
	else if (outer->rbp_below == 0)
		inner->needs_rbp = true;
}

static inline uint32_t number_of(struct unwind_thread *t, struct stack_nodes *nodes,
				 uint32_t caller, uint64_t address)
{
	struct unwind_node *known =
		&t->nodes[(address ^ address >> 9 ^ caller * 0x9e3779b1u >> 20) % UNWIND_NODES];

	if (likely(known->address == address && known->caller == caller))
		return known->number;
	const uint32_t number = stack_nodes_intern(nodes, caller, address);
	if (number != 0)
		*known = (struct unwind_node){ address, caller, number };
	return number;
}

/* Numbers what is new, from outside. */
static inline uint32_t intern(struct walk *w, struct stack_nodes *nodes, uint32_t n_met)
{
	struct unwind_thread *t = w->thread;
	uint32_t number = n_met > 0 ? t->last[n_met - 1].node : SL_EXACT_OUTERMOST;
	uint32_t n = n_met;

	if (n_met == 0 && w->is_cut)
		number = SL_EXACT_CUT;
	const bool has_room = n_met + w->n_fresh <= UNWIND_FRAMES;
	bool is_there = true;
	for (uint32_t i = w->n_fresh; i-- > 0 && is_there;) {
		if (likely(t->fresh[i].address != 0)) {
			number = number_of(t, nodes, number, t->fresh[i].address);
			is_there = number != 0;
		}
		if (has_room) {
			if (n > 0)
				link_rbp(&t->fresh[i], &t->last[n - 1]);
			t->last[n] = t->fresh[i];
			t->last[n++].node = number;
		}
	}
	/* What was cut may go on the next time; and only what lies on the own stack can be looked at. */
	t->n_last = has_room && w->is_own && !w->is_cut && is_there ? n : 0;
	return number;
}

uint32_t unwind_stack(struct code *code, struct stack_nodes *nodes, struct unwind_thread *thread,
		      const struct unwind_start *start, bool may_call)
{
	const struct registers r = { start->rip, start->rsp, start->rbp, 0, true };
	const uint32_t epoch = code_epoch(code);
	struct walk w;

	w.thread = thread;
	w.code = code;
	w.n_fresh = 0;
	w.may_call = may_call;
	w.is_asked = w.is_cut = false;
	w.reader.n_asked = 0;
	w.is_own = is_own_stack(&w, r.rsp);
	w.floor = w.is_own ? r.rsp : thread->high;
	if (unlikely(thread->epoch != epoch)) {
		for (size_t i = 0; i < UNWIND_CACHE; i++)
			thread->rows[i].address = 0;
		thread->n_last = 0;
		thread->epoch = epoch;
	}
	if (!w.is_own)
		thread->n_last = 0;
	const uint32_t n_met = walk_out(&w, r);
	if (unlikely(w.is_cut))
		(void)__atomic_fetch_add(&nodes->file->n_cut, 1, __ATOMIC_RELAXED);
	return intern(&w, nodes, n_met);
}
