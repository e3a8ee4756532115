/* SPDX-License-Identifier: MIT */
/* What instructions do to RSP and RBP, and which of them leave a function. */
#include "userspace/stacks/row_way.h"

enum {
	NOWHERE = INT32_MIN,
	SAVED_RBP_MAX = 256, /* bytes below the return address */
};

static bool is_same(struct value a, struct value b)
{
	return a.base == b.base && a.offset == b.offset;
}

struct value value_moved(struct value value, int64_t by)
{
	/* Nothing on a stack is further away, and sums stay small. */
	const int64_t limit = 1 << 20;
	if (value.offset + by > limit || value.offset + by < -limit)
		return (struct value){ .base = VALUE_UNKNOWN };
	value.offset += by;
	return value;
}

/* ---- the row ---- */

static struct row row_by(uint8_t cfa_register, int32_t cfa_offset)
{
	struct row row = { .cfa_register = cfa_register,
			   .cfa_offset = cfa_offset,
			   .flags = ROW_BY_CODE };
	/* Made code need not keep them. */
	for (size_t i = 0; i < N_SAVED; i++)
		row.saved[i] = SAVED_LOST;
	row.saved[SAVED_RIP] = RETURN_ADDRESS / WORD;
	return row;
}

struct row row_of_frame_pointer(void)
{
	struct row row = row_by(REGISTER_RBP, FRAME_POINTER_CFA);
	row.flags |= ROW_FRAME_POINTER;
	row.saved[SAVED_RBP] = FRAME_POINTER_RBP / WORD;
	return row;
}

/* The return address is at @at. False: it is where a slice has nothing. */
bool row_leaves(struct row *row, struct value at, struct value rbp)
{
	if ((at.base != VALUE_RSP && at.base != VALUE_RBP) || at.offset % WORD != 0 ||
	    (at.base == VALUE_RSP && at.offset < 0))
		return false;
	*row = row_by(at.base == VALUE_RSP ? REGISTER_RSP : REGISTER_RBP,
		      (int32_t)at.offset + WORD);
	if (rbp.base == VALUE_RBP && rbp.offset == 0)
		row->saved[SAVED_RBP] = SAVED_UNCHANGED;
	else if (rbp.base == VALUE_CALLER && rbp.at == at.base &&
		 (rbp.at == VALUE_RBP || rbp.offset >= 0) &&
		 at.offset - rbp.offset <= SAVED_RBP_MAX && rbp.offset < at.offset)
		row->saved[SAVED_RBP] = (int16_t)((rbp.offset - row->cfa_offset) / WORD);
	return true;
}

/* ---- one instruction ---- */

static bool is_popped(const struct way *w, uint8_t number)
{
	return number < N_IN_CODE && (w->has_popped >> number & 1) != 0;
}

/* @number: the register; or IN_CODE_NONE. */
static void push(struct way *w, uint8_t number)
{
	w->rsp = value_moved(w->rsp, -WORD);
	w->is_again_on_top = is_popped(w, number);
	if (w->is_again_on_top)
		w->again_from = w->popped_from[number];
	if (number == IN_CODE_RBP) {
		w->pushed_at = w->rsp;
		w->pushed = w->rbp;
	}
	if (w->rsp.base != VALUE_RSP)
		return;
	if (w->rsp.offset > w->overwritten)
		w->overwritten = w->rsp.offset;
	if (w->is_again_on_top)
		w->again_at = w->rsp.offset;
	else if (w->again_at == w->rsp.offset)
		w->again_at = NOWHERE;
}

/* Perhaps of the return address, which will be overwritten where it is. */
static void push_memory(struct way *w, const struct instruction *i)
{
	const struct value from = value_moved(w->rsp, i->displacement);
	const bool is_of_stack = i->mode != 3 && i->rm == IN_CODE_RSP && !i->has_index &&
				 from.base == VALUE_RSP && from.offset > w->overwritten &&
				 from.offset >= 0;
	push(w, IN_CODE_NONE);
	if (!is_of_stack || w->rsp.base != VALUE_RSP)
		return;
	w->is_again_on_top = true;
	w->again_at = w->rsp.offset;
	w->again_from = from.offset;
}

static void pop(struct way *w, uint8_t number)
{
	w->has_popped &= (uint16_t) ~(1u << number);
	w->is_again_on_top = false;
	if (w->rsp.base == VALUE_RSP && w->rsp.offset > w->overwritten && w->rsp.offset >= 0) {
		w->has_popped |= (uint16_t)(1u << number);
		w->popped_from[number] = (int32_t)w->rsp.offset;
	}
	w->rsp = number == IN_CODE_RSP ? (struct value){ 0 } : value_moved(w->rsp, WORD);
}

/* RBP becomes what is at @from. True: that is the caller's, where RBP points to. */
static bool load_rbp(struct way *w, struct value from)
{
	if (from.base != VALUE_UNKNOWN && is_same(from, w->pushed_at))
		w->rbp = w->pushed;
	else if (from.base == VALUE_RSP || from.base == VALUE_RBP)
		w->rbp = (struct value){ VALUE_CALLER, from.offset, from.base };
	else
		w->rbp.base = VALUE_UNKNOWN;
	return from.base == VALUE_RBP && from.offset == 0;
}

static bool pop_rbp(struct way *w)
{
	const bool is_frame = load_rbp(w, w->rsp);
	w->rsp = value_moved(w->rsp, WORD);
	return is_frame;
}

/* mov (%rbp),%rbp: before a jump that leaves the frame. */
static bool loads_rbp(const struct instruction *i)
{
	return i->map == MAP_PLAIN && i->opcode == 0x8b && i->is_wide && i->mode != 3 &&
	       i->reg == IN_CODE_RBP && i->rm == IN_CODE_RBP && !i->has_index;
}

/* Of one that does nothing else to RSP or RBP. */
static bool writes(const struct instruction *i, uint8_t number)
{
	const uint8_t op = i->opcode;
	const bool to_rm = (i->has_operand ? i->mode == 3 : true) && i->rm == number;
	const bool to_reg = i->has_operand && i->reg == number;
	if (i->map == MAP_0F)
		return ((op & 0xf0) == 0x40 || (op >= 0xa3 && op <= 0xc1) || (op & 0xf8) == 0xc8 ||
			op == 0x2c || op == 0x2d || op == 0x50 || op == 0x7e || op == 0xd7) &&
		       (to_rm || to_reg);
	if (i->map != MAP_PLAIN)
		return false;
	if (op < 0x40) /* the last of them compares */
		return (op & 0x38) != 0x38 && (op & 5) == 1 && ((op & 2) != 0 ? to_reg : to_rm);
	switch (op) {
	case 0x63:
	case 0x69:
	case 0x6b:
	case 0x8b:
	case 0x8d:
		return to_reg;
	case 0x81:
	case 0x83:
		return (i->reg & 7) != 7 && to_rm;
	case 0x87:
		return to_rm || to_reg;
	case 0x89:
	case 0x8f:
	case 0xc1:
	case 0xc7:
	case 0xd1:
	case 0xd3:
		return to_rm;
	case 0xf7:
		return ((i->reg & 7) == 2 || (i->reg & 7) == 3) && to_rm;
	case 0xff:
		return (i->reg & 7) < 2 && to_rm;
	default:
		return ((op >= 0x91 && op <= 0x97) || (op >= 0xb8 && op <= 0xbf)) && to_rm;
	}
}

static void forget_written(struct way *w, const struct instruction *i)
{
	if (writes(i, IN_CODE_RSP))
		w->rsp.base = VALUE_UNKNOWN;
	if (writes(i, IN_CODE_RBP))
		w->rbp.base = VALUE_UNKNOWN;
	for (uint8_t number = 0; number < N_IN_CODE && w->has_popped != 0; number++)
		if (is_popped(w, number) && writes(i, number))
			w->has_popped &= (uint16_t) ~(1u << number);
}

/* mov, lea, add, sub of constants between the two: true if it was one. */
static bool moves(struct way *w, const struct instruction *i)
{
	const struct value *const from[] = { [IN_CODE_RSP] = &w->rsp, [IN_CODE_RBP] = &w->rbp };
	struct value *const to[] = { [IN_CODE_RSP] = &w->rsp, [IN_CODE_RBP] = &w->rbp };
	const bool has_rm = i->rm == IN_CODE_RSP || i->rm == IN_CODE_RBP;
	const bool has_reg = i->reg == IN_CODE_RSP || i->reg == IN_CODE_RBP;
	if (i->map != MAP_PLAIN || !i->has_operand || !i->is_wide || !has_rm)
		return false;
	if (i->opcode == 0x89 && i->mode == 3 && has_reg)
		*to[i->rm] = *from[i->reg];
	else if (i->opcode == 0x8b && i->mode == 3 && has_reg)
		*to[i->reg] = *from[i->rm];
	else if (i->opcode == 0x8d && i->mode != 3 && !i->has_index && has_reg)
		*to[i->reg] = value_moved(*from[i->rm], i->displacement);
	else if ((i->opcode == 0x81 || i->opcode == 0x83) && i->mode == 3 && (i->reg & 7) == 0)
		*to[i->rm] = value_moved(*from[i->rm], i->immediate);
	else if ((i->opcode == 0x81 || i->opcode == 0x83) && i->mode == 3 && (i->reg & 7) == 5)
		*to[i->rm] = value_moved(*from[i->rm], -i->immediate);
	else
		return false;
	return true;
}

/* Whether the frame is only about to be set up: RBP has just been pushed, as the caller left it. */
bool way_is_set_up(const struct way *w)
{
	return w->rsp.base == VALUE_RSP && is_same(w->rsp, w->pushed_at) &&
	       w->pushed.base == VALUE_RBP && w->pushed.offset == 0;
}

/* The return address is at @at, as things are there now; where was it? */
enum verdict way_found(const struct way *w, struct value at, struct row *row)
{
	static const struct value rbp_now = { .base = VALUE_RBP };
	/* It calls with nothing on the stack but its return address? The code behind is other code. */
	if (w->has_called_bare && at.base == VALUE_RSP && at.offset == 0)
		return LEADS_NOWHERE;
	const bool is_again = at.base == VALUE_RSP && at.offset == w->again_at;
	if (is_again)
		at.offset = w->again_from;
	else if (w->makes_frame || (at.base == VALUE_RSP && at.offset <= w->overwritten))
		return IS_HOPELESS; /* the return address was elsewhere all the time */
	if (!row_leaves(row, at, w->makes_frame ? rbp_now : w->rbp))
		return LEADS_NOWHERE;
	row->flags |= w->makes_frame ? ROW_MAKES_FRAME : 0;
	return IS_FOUND;
}

static enum verdict found_frame(struct row *row)
{
	*row = row_of_frame_pointer();
	return IS_FOUND;
}

/* ret, or a jump to elsewhere, perhaps to what was popped, where the callee takes its arguments away. */
static enum verdict returns(const struct way *w, struct row *row, const struct instruction *i)
{
	const bool is_jump = i->opcode == 0xff;
	struct value at = w->rsp;
	if (is_jump && (i->has_index || i->is_notrack)) /* by a table, in the function */
		return LEADS_NOWHERE;
	if (is_jump && i->mode == 3 && is_popped(w, i->rm))
		at = (struct value){ VALUE_RSP, w->popped_from[i->rm], VALUE_UNKNOWN };
	else if (!is_jump && at.base == VALUE_UNKNOWN && w->is_again_on_top)
		at = (struct value){ VALUE_RSP, w->again_from, VALUE_UNKNOWN };
	return way_found(w, at, row);
}

static enum verdict follow_plain(struct way *w, const struct instruction *i, struct row *row)
{
	const uint8_t op = i->opcode;
	switch (op) {
	case 0x68:
	case 0x6a:
	case 0x9c:
		push(w, IN_CODE_NONE);
		return GOES_ON;
	case 0x8f:
	case 0x9d:
		w->rsp = value_moved(w->rsp, WORD);
		return GOES_ON;
	case 0xc8:
		return !w->has_called ? way_found(w, w->rsp, row) : LEADS_NOWHERE;
	case 0xc9:
		w->rsp = w->rbp;
		return pop_rbp(w) ? found_frame(row) : GOES_ON;
	case 0xc2:
	case 0xc3:
		return returns(w, row, i);
	case 0xcc:
	case 0xf4:
		return LEADS_NOWHERE;
	default:
		break;
	}
	if (op >= 0x50 && op <= 0x57) {
		push(w, i->rm);
	} else if (op >= 0x58 && op <= 0x5f && i->rm == IN_CODE_RBP) {
		return pop_rbp(w) ? found_frame(row) : GOES_ON;
	} else if (op >= 0x58 && op <= 0x5f) {
		pop(w, i->rm);
	} else if (op == 0xff && (i->reg & 7) == 6) {
		push_memory(w, i);
	} else if (op == 0xff && ((i->reg & 7) == 4 || (i->reg & 7) == 5)) {
		return returns(w, row, i);
	} else if (loads_rbp(i)) {
		return load_rbp(w, value_moved(w->rbp, i->displacement)) ? found_frame(row)
									 : GOES_ON;
	} else if (!moves(w, i)) {
		forget_written(w, i);
	}
	return GOES_ON;
}

/* mov %rsp,%rbp, in either of its forms. */
bool sets_frame_pointer(const struct instruction *i)
{
	return i->map == MAP_PLAIN && i->is_wide && i->mode == 3 &&
	       ((i->opcode == 0x89 && i->reg == IN_CODE_RSP && i->rm == IN_CODE_RBP) ||
		(i->opcode == 0x8b && i->reg == IN_CODE_RBP && i->rm == IN_CODE_RSP));
}

enum verdict way_follow(struct way *w, const struct instruction *i, struct row *row)
{
	if (i->map == MAP_0F && i->opcode == 0x0b)
		return LEADS_NOWHERE;
	if (i->map == MAP_PLAIN)
		return follow_plain(w, i, row);
	forget_written(w, i);
	return GOES_ON;
}

struct way way_begin(uint64_t address)
{
	return (struct way){ .address = address,
			     .rsp = { .base = VALUE_RSP },
			     .rbp = { .base = VALUE_RBP },
			     .again_at = NOWHERE,
			     .overwritten = -1 };
}

bool way_is_untouched(const struct way *w)
{
	return w->rsp.base == VALUE_RSP && w->rsp.offset == 0 && w->rbp.base == VALUE_RBP &&
	       w->rbp.offset == 0;
}
