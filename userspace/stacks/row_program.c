/* SPDX-License-Identifier: MIT */
/* One instruction after the other (DWARF 5, 6.4.2), on a state of three registers. Of the others nobody
 * asks where they are. */
#include "userspace/stacks/row_program.h"

#include <dwarf.h>
#include <string.h>

#include "bpf/rows.h"
#include "userspace/stacks/x86_64.h"

enum { REMEMBERED_MAX = 16, POINTER = 8 };

uint64_t row_bytes_number(struct row_bytes *b, size_t n)
{
	uint64_t value = 0;

	if ((size_t)(b->end - b->at) < n) {
		b->is_over = true;
		b->at = b->end;
		return 0;
	}
	memcpy(&value, b->at, n);
	b->at += n;
	return value;
}

uint64_t row_bytes_uleb(struct row_bytes *b)
{
	uint64_t value = 0;
	uint8_t byte = 0x80;

	for (unsigned int shift = 0; (byte & 0x80) != 0 && !b->is_over; shift += 7) {
		byte = (uint8_t)row_bytes_number(b, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
	}
	return value;
}

int64_t row_bytes_sleb(struct row_bytes *b)
{
	uint64_t value = 0;
	uint8_t byte = 0x80;
	unsigned int shift = 0;

	for (; (byte & 0x80) != 0 && !b->is_over; shift += 7) {
		byte = (uint8_t)row_bytes_number(b, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
	}
	if (shift < 64 && (byte & 0x40) != 0)
		value |= UINT64_MAX << shift;
	return (int64_t)value;
}

uint64_t row_bytes_pointer(struct row_bytes *b, uint8_t encoding, uint64_t address)
{
	uint64_t value = 0;

	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		value = row_bytes_number(b, POINTER);
		break;
	case DW_EH_PE_udata4:
		value = row_bytes_number(b, sizeof(uint32_t));
		break;
	case DW_EH_PE_sdata4:
		value = (uint64_t)(int64_t)(int32_t)row_bytes_number(b, sizeof(uint32_t));
		break;
	default:
		b->is_over = true;
		return 0;
	}
	if ((encoding & 0x70) == DW_EH_PE_pcrel)
		return value + address;
	b->is_over |= (encoding & 0x70) != DW_EH_PE_absptr;
	return value;
}

/* ---- the state ---- */

enum cfa_kind { CFA_SUM, CFA_AT_RBP, CFA_CONTEXT, CFA_UNKNOWN };
enum place_kind { PLACE_UNCHANGED, PLACE_BELOW_CFA, PLACE_AT_RBP, PLACE_UNDEFINED, PLACE_LOST };

struct place {
	enum place_kind kind;
	int64_t offset; /* from the CFA */
};

struct state {
	enum cfa_kind cfa;
	uint64_t cfa_register;
	int64_t cfa_offset;
	struct place rbp, rip;
};

struct machine {
	const struct row_common *common;
	struct row_bytes bytes;
	struct state now, first;
	struct state remembered[REMEMBERED_MAX];
	size_t n_remembered;
	uint64_t address;
	row_told *told;
	void *user;
};

static uint32_t rule_of_place(const struct place *p)
{
	const int64_t words = -p->offset / WORD;

	if (p->kind == PLACE_UNCHANGED)
		return SL_SAVED_NOT;
	return p->kind == PLACE_BELOW_CFA && p->offset % WORD == 0 && words > 0 &&
			       words < SL_SAVED_LOST
		       ? (uint32_t)words
		       : SL_SAVED_LOST;
}

static uint32_t rule_of(const struct machine *m)
{
	const struct state *s = &m->now;

	if (s->rip.kind == PLACE_UNDEFINED)
		return SL_RULE_END;
	if (s->cfa == CFA_CONTEXT)
		return m->common->is_signal ? SL_RULE_CONTEXT : SL_RULE_UNKNOWN;
	if (m->common->is_signal || s->rip.kind != PLACE_BELOW_CFA ||
	    s->rip.offset != RETURN_ADDRESS || s->cfa == CFA_UNKNOWN || s->cfa_offset % WORD != 0)
		return SL_RULE_UNKNOWN;
	const int64_t words = s->cfa_offset / WORD;
	if (s->cfa == CFA_AT_RBP)
		return s->rbp.kind == PLACE_AT_RBP && words <= 0 && -words <= SL_RULE_WORDS_MAX
			       ? SL_RULE(SL_RULE_AT_RBP, 0, -words)
			       : SL_RULE_UNKNOWN;
	if (words <= 0 || words > SL_RULE_WORDS_MAX)
		return SL_RULE_UNKNOWN;
	if (s->cfa_register == REGISTER_RSP) {
		/* Compilers don't say of what was popped that the register has it again. */
		const uint32_t saved = rule_of_place(&s->rbp);
		const bool is_popped = saved != SL_SAVED_LOST && saved > words;
		return SL_RULE(SL_RULE_RSP, is_popped ? SL_SAVED_NOT : saved, words);
	}
	return s->cfa_register == REGISTER_RBP ? SL_RULE(SL_RULE_RBP, rule_of_place(&s->rbp), words)
					       : SL_RULE_UNKNOWN;
}

/* ---- instructions ---- */

static struct place *place_of(struct state *s, uint64_t number)
{
	return number == REGISTER_RBP ? &s->rbp : number == REGISTER_RIP ? &s->rip : NULL;
}

static void set_place(struct machine *m, uint64_t number, enum place_kind kind, int64_t offset)
{
	struct place *p = place_of(&m->now, number);

	if (p != NULL)
		*p = (struct place){ kind, offset };
}

static void set_offset(struct machine *m, uint64_t number, int64_t factored)
{
	int64_t offset;

	if (__builtin_mul_overflow(factored, m->common->data_factor, &offset))
		set_place(m, number, PLACE_LOST, 0);
	else
		set_place(m, number, PLACE_BELOW_CFA, offset);
}

static void restore(struct machine *m, uint64_t number)
{
	struct place *p = place_of(&m->now, number);

	if (p != NULL)
		*p = number == REGISTER_RBP ? m->first.rbp : m->first.rip;
}

static struct row_bytes block(struct machine *m)
{
	const uint64_t n = row_bytes_uleb(&m->bytes);
	struct row_bytes b = { .at = m->bytes.at, .end = m->bytes.at };

	if (n > (uint64_t)(m->bytes.end - m->bytes.at)) {
		m->bytes.is_over = true;
		return b;
	}
	b.end += n;
	m->bytes.at += n;
	return b;
}

/* Register + offset, and what stands there: what realigned stacks have, and the frame of a signal. */
static void set_cfa_expression(struct machine *m)
{
	struct row_bytes b = block(m);
	const uint8_t op = (uint8_t)row_bytes_number(&b, 1);
	const int64_t offset = row_bytes_sleb(&b);
	const bool is_deref = row_bytes_number(&b, 1) == DW_OP_deref && !b.is_over && b.at == b.end;
	const int rsp_in_context = SIGNAL_CONTEXT + 15 * WORD;

	m->now.cfa = CFA_UNKNOWN;
	m->now.cfa_offset = offset;
	if (is_deref && op == DW_OP_breg0 + REGISTER_RBP)
		m->now.cfa = CFA_AT_RBP;
	else if (is_deref && op == DW_OP_breg0 + REGISTER_RSP && offset == rsp_in_context)
		m->now.cfa = CFA_CONTEXT;
}

static void set_expression(struct machine *m, bool is_value)
{
	const uint64_t number = row_bytes_uleb(&m->bytes);
	struct row_bytes b = block(m);
	const uint8_t op = (uint8_t)row_bytes_number(&b, 1);
	const bool is_at_rbp = op == DW_OP_breg0 + REGISTER_RBP && row_bytes_sleb(&b) == 0 &&
			       !b.is_over && b.at == b.end && !is_value;

	set_place(m, number, is_at_rbp ? PLACE_AT_RBP : PLACE_LOST, 0);
}

static bool advance(struct machine *m, uint64_t by)
{
	if (!m->told(m->user, m->address, rule_of(m)))
		return false;
	m->address += by * m->common->code_factor;
	return true;
}

static bool step_cfa(struct machine *m, uint8_t op)
{
	const bool has_register = op != DW_CFA_def_cfa_offset && op != DW_CFA_def_cfa_offset_sf;
	const bool has_offset = op != DW_CFA_def_cfa_register;
	const bool is_signed = op == DW_CFA_def_cfa_sf || op == DW_CFA_def_cfa_offset_sf;

	if (has_register)
		m->now.cfa_register = row_bytes_uleb(&m->bytes);
	if (has_offset && is_signed)
		m->now.cfa_offset = (int64_t)((uint64_t)row_bytes_sleb(&m->bytes) *
					      (uint64_t)m->common->data_factor);
	else if (has_offset)
		m->now.cfa_offset = (int64_t)row_bytes_uleb(&m->bytes);
	if (has_register)
		m->now.cfa = CFA_SUM;
	return true;
}

static bool step_state(struct machine *m, uint8_t op)
{
	if (op == DW_CFA_remember_state) {
		if (m->n_remembered == REMEMBERED_MAX)
			return false;
		m->remembered[m->n_remembered++] = m->now;
		return true;
	}
	if (m->n_remembered == 0)
		return false;
	m->now = m->remembered[--m->n_remembered];
	return true;
}

/* Of those that name a register, and how it is. */
static bool step_register(struct machine *m, uint8_t op)
{
	const uint64_t number = row_bytes_uleb(&m->bytes);

	switch (op) {
	case DW_CFA_offset_extended:
		set_offset(m, number, (int64_t)row_bytes_uleb(&m->bytes));
		return true;
	case DW_CFA_offset_extended_sf:
		set_offset(m, number, row_bytes_sleb(&m->bytes));
		return true;
	case DW_CFA_restore_extended:
		restore(m, number);
		return true;
	case DW_CFA_undefined:
		set_place(m, number, PLACE_UNDEFINED, 0);
		return true;
	case DW_CFA_same_value:
		set_place(m, number, PLACE_UNCHANGED, 0);
		return true;
	case DW_CFA_register:
	case DW_CFA_val_offset:
		(void)row_bytes_uleb(&m->bytes);
		break;
	case DW_CFA_val_offset_sf:
		(void)row_bytes_sleb(&m->bytes);
		break;
	default:
		return false;
	}
	set_place(m, number, PLACE_LOST, 0);
	return true;
}

static bool step_other(struct machine *m, uint8_t op)
{
	switch (op) {
	case DW_CFA_nop:
		return true;
	case DW_CFA_advance_loc1:
		return advance(m, row_bytes_number(&m->bytes, 1));
	case DW_CFA_advance_loc2:
		return advance(m, row_bytes_number(&m->bytes, 2));
	case DW_CFA_advance_loc4:
		return advance(m, row_bytes_number(&m->bytes, 4));
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_register:
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
		return step_cfa(m, op);
	case DW_CFA_def_cfa_expression:
		set_cfa_expression(m);
		return true;
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		set_expression(m, op == DW_CFA_val_expression);
		return true;
	case DW_CFA_remember_state:
	case DW_CFA_restore_state:
		return step_state(m, op);
	case DW_CFA_GNU_args_size:
		(void)row_bytes_uleb(&m->bytes);
		return true;
	default:
		return step_register(m, op);
	}
}

static bool run(struct machine *m, struct row_bytes program)
{
	bool ok = true;

	m->bytes = program;
	while (ok && m->bytes.at < m->bytes.end) {
		const uint8_t op = (uint8_t)row_bytes_number(&m->bytes, 1);
		const uint8_t low = op & 0x3f;
		if ((op & 0xc0) == DW_CFA_advance_loc)
			ok = advance(m, low);
		else if ((op & 0xc0) == DW_CFA_offset)
			set_offset(m, low, (int64_t)row_bytes_uleb(&m->bytes));
		else if ((op & 0xc0) == DW_CFA_restore)
			restore(m, low);
		else
			ok = step_other(m, op);
		ok = ok && !m->bytes.is_over;
	}
	return ok;
}

void row_program_run(const struct row_common *common, struct row_bytes entry, uint64_t address,
		     row_told *told, void *user)
{
	struct machine m = {
		.common = common,
		.address = address,
		.told = told,
		.user = user,
		.now = { .cfa = CFA_UNKNOWN, .rip = { .kind = PLACE_LOST } },
	};

	bool ok = run(&m, common->program);
	m.first = m.now;
	ok = ok && run(&m, entry);
	/* What makes no sense is not guessed. */
	(void)told(user, m.address, ok ? rule_of(&m) : SL_RULE_UNKNOWN);
}
