/* SPDX-License-Identifier: MIT */
/* A search through the ways that the code can take, the one straight on first, until one of them leaves.
 * All lead from the same state, so that the first that is sure will do. Ways behind a call come last, since
 * a call may be one that never returns, with other code behind it. */
#include "userspace/stacks/row_exit.h"

#include <string.h>

#include "userspace/stacks/instruction.h"
#include "userspace/stacks/row_way.h"

enum {
	INSTRUCTIONS_MAX = 1000, /* some ten microseconds; V8's need 160 */
	READS_MAX = 24,
	WAYS_MAX = 32,
	TARGETS_MAX = 512, /* a power of two; half of it is used */
	CALLEE_MAX = 40,
	FRAME_MAX = 300, /* instructions until a frame that is set up is used or left */
	WINDOW = 1024,
	WINDOW_BEFORE = 256, /* much leads back */
	PAGE = 4096,
};

struct search {
	const struct code *code;
	struct way ways[WAYS_MAX], behind_calls[WAYS_MAX];
	size_t n_ways, n_behind_calls;
	uint64_t targets[TARGETS_MAX]; /* where branches led; 0: empty */
	size_t n_targets, n_instructions, n_reads;
	uint8_t window[WINDOW];
	uint64_t window_at;
	size_t n_window;
	struct row *row;
};

/* False: it has been there, or there is no room to note it. */
static bool is_new(struct search *s, uint64_t target)
{
	size_t at = (size_t)((target * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % TARGETS_MAX;
	for (; s->targets[at] != 0; at = (at + 1) % TARGETS_MAX)
		if (s->targets[at] == target)
			return false;
	if (s->n_targets == TARGETS_MAX / 2)
		return false;
	s->targets[at] = target;
	s->n_targets++;
	return true;
}

static bool fetch(struct search *s, uint64_t address, struct instruction *ret)
{
	const uint64_t at = address - s->window_at;
	if (at < s->n_window && instruction_decode(s->window + at, s->n_window - at, ret))
		return true;
	/* It is not there, or not all of it, and not because there is no more. */
	if (s->n_reads++ == READS_MAX || (at < s->n_window && s->n_window - at >= INSTRUCTION_MAX))
		return false;
	const uint64_t in_page = address % PAGE, before = at < s->n_window	    ? 0
							  : in_page < WINDOW_BEFORE ? in_page
										    : WINDOW_BEFORE;
	s->window_at = address - before;
	s->n_window = code_read(s->code, s->window_at, s->window, sizeof(s->window));
	return s->n_window > before &&
	       instruction_decode(s->window + before, s->n_window - before, ret);
}

static bool is_call(const struct instruction *i)
{
	return i->map == MAP_PLAIN &&
	       (i->opcode == 0xe8 ||
		(i->opcode == 0xff && ((i->reg & 7) == 2 || (i->reg & 7) == 3)));
}

/* To where a register or memory says. */
static bool is_far_jump(const struct instruction *i)
{
	return i->map == MAP_PLAIN && i->opcode == 0xff && ((i->reg & 7) == 4 || (i->reg & 7) == 5);
}

static bool is_branch(const struct instruction *i)
{
	return i->map == MAP_PLAIN ? (i->opcode & 0xf0) == 0x70 || (i->opcode & 0xfc) == 0xe0
				   : i->map == MAP_0F && (i->opcode & 0xf0) == 0x80;
}

/* Whether the function at @address takes its return address away and sets up a frame. */
static bool makes_frame(struct search *s, uint64_t address)
{
	enum { NONE, POP, PUSH } seen = NONE;
	struct instruction i;
	for (int n = 0; n < CALLEE_MAX && fetch(s, address, &i); n++) {
		if (sets_frame_pointer(&i))
			return seen == PUSH;
		if (is_call(&i) || (i.map == MAP_PLAIN && i.opcode == 0xc3))
			return false;
		const uint8_t op = i.map == MAP_PLAIN ? i.opcode : 0;
		seen = op >= 0x58 && op <= 0x5f						? POP
		       : seen == POP && op == 0x50 + IN_CODE_RBP && i.rm == IN_CODE_RBP ? PUSH
											: NONE;
		address += i.length;
	}
	return false;
}

/* *w has passed @i, which leads to another place. */
static enum verdict turn(struct search *s, struct way *w, const struct instruction *i)
{
	const uint64_t target = w->address + (uint64_t)i->immediate;
	if (is_call(i)) {
		if (w->has_called)
			return GOES_ON;
		if (i->opcode == 0xe8 && way_is_untouched(w) && makes_frame(s, target))
			return way_found(w, w->rsp, s->row);
		w->has_called = true;
		w->has_called_bare = way_is_untouched(w);
		w->has_popped = 0;
		if (s->n_behind_calls < WAYS_MAX && is_new(s, w->address))
			s->behind_calls[s->n_behind_calls++] = *w;
		return LEADS_NOWHERE;
	}
	if (!is_new(s, target))
		return is_branch(i) ? GOES_ON : LEADS_NOWHERE;
	if (is_branch(i) && s->n_ways < WAYS_MAX) {
		s->ways[s->n_ways] = *w;
		s->ways[s->n_ways++].address = target;
	} else if (!is_branch(i)) {
		w->address = target;
	}
	return GOES_ON;
}

/* Whether a function returns with the frame that it has set up, as one does that makes it for who calls it:
 * what is above is not where that one returns to. */
static bool leaves_frame(struct search *s, uint64_t address)
{
	struct instruction i;
	for (int n = 0; n < FRAME_MAX && fetch(s, address, &i); n++) {
		const bool is_plain = i.map == MAP_PLAIN;
		const bool is_jump = is_plain && (i.opcode == 0xe9 || i.opcode == 0xeb);
		if (is_plain && (i.opcode == 0xc2 || i.opcode == 0xc3))
			return true;
		/* It is restored, or there are others to find their way by it. */
		if (is_call(&i) ||
		    (is_plain && (i.opcode == 0xc9 || i.opcode == 0xcc || is_far_jump(&i) ||
				  (i.opcode == 0x58 + IN_CODE_RBP && i.rm == IN_CODE_RBP))))
			return false;
		address += i.length + (is_jump ? (uint64_t)i.immediate : 0);
	}
	return false;
}

/* push %rbp; mov %rsp,%rbp: the return address is above. */
static enum verdict found_set_up(struct search *s, struct way *w)
{
	const struct value at = value_moved(w->rsp, WORD);
	if (w->has_called)
		return LEADS_NOWHERE;
	if (at.offset > 0 && at.offset != w->again_at) {
		w->makes_frame = true;
		w->rbp = w->rsp;
		return GOES_ON;
	}
	return leaves_frame(s, w->address) ? IS_HOPELESS : way_found(w, at, s->row);
}

static enum verdict go_on(struct search *s, struct way *w, const struct instruction *i)
{
	const bool is_jump = i->map == MAP_PLAIN && (i->opcode == 0xe9 || i->opcode == 0xeb);
	if (is_jump || is_branch(i) || is_call(i))
		return turn(s, w, i);
	if (!sets_frame_pointer(i))
		return way_follow(w, i, s->row);
	if (way_is_set_up(w))
		return found_set_up(s, w);
	/* There is no frame yet, and it is not known how far up the return address is. */
	return w->rsp.base == VALUE_UNKNOWN && !w->has_called ? IS_HOPELESS
							      : way_follow(w, i, s->row);
}

static enum verdict go(struct search *s, struct way *w)
{
	struct instruction i;
	enum verdict v = GOES_ON;
	while (v == GOES_ON && s->n_instructions++ < INSTRUCTIONS_MAX && fetch(s, w->address, &i)) {
		w->address += i.length;
		v = go_on(s, w, &i);
	}
	return v;
}

/* Between push %rbp and mov %rsp,%rbp. */
static enum verdict found_between(struct search *s, uint64_t address)
{
	static const struct value at = { VALUE_RSP, WORD, VALUE_UNKNOWN },
				  rbp = { VALUE_CALLER, 0, VALUE_RSP };
	struct instruction i;
	uint8_t before = 0;
	if (!fetch(s, address, &i) || !sets_frame_pointer(&i) ||
	    code_read(s->code, address - 1, &before, 1) != 1 || before != 0x50 + IN_CODE_RBP)
		return GOES_ON;
	if (leaves_frame(s, address + i.length))
		return IS_HOPELESS;
	return row_leaves(s->row, at, rbp) ? IS_FOUND : IS_HOPELESS;
}

static enum verdict search(struct search *s, uint64_t address, bool *ret_calls)
{
	enum verdict v = found_between(s, address);
	s->ways[s->n_ways++] = way_begin(address);
	while (v != IS_FOUND && v != IS_HOPELESS && s->n_ways + s->n_behind_calls > 0) {
		struct way way =
			s->n_ways > 0 ? s->ways[--s->n_ways] : s->behind_calls[--s->n_behind_calls];
		*ret_calls |= way.has_called;
		v = go(s, &way);
	}
	return v;
}

enum row_exit row_from_exit(const struct code *code, uint64_t address, struct row *ret)
{
	struct search s; /* 30 KiB: most of it is never touched */
	bool calls = false;
	s.code = code;
	s.row = ret;
	s.n_ways = s.n_behind_calls = s.n_targets = s.n_instructions = s.n_reads = s.n_window = 0;
	s.window_at = 0;
	memset(s.targets, 0, sizeof(s.targets));
	switch (search(&s, address, &calls)) {
	case IS_FOUND:
		return ROW_EXIT_FOUND;
	case IS_HOPELESS:
		*ret = (struct row){ .flags = ROW_NONE };
		return ROW_EXIT_UNKNOWN;
	case GOES_ON:
	case LEADS_NOWHERE:
		break;
	}
	return calls ? ROW_EXIT_CALLS : ROW_EXIT_UNKNOWN;
}
