/* SPDX-License-Identifier: MIT */
/* A stack machine on values that are known but for one register. */
#include "userspace/stacks/row_expression.h"

#include <dwarf.h>

#include "userspace/stacks/x86_64.h"

enum { DEPTH = 8, OPS_MAX = 64 }; /* PLT stubs need four, of eight operations */

struct machine {
	struct row_value stack[DEPTH];
	size_t n;
};

static bool push(struct machine *m, int base, int64_t offset)
{
	if (m->n == DEPTH)
		return false;
	m->stack[m->n++] = (struct row_value){ .base = base, .offset = offset };
	return true;
}

static bool push_register(struct machine *m, uint64_t number, int64_t offset, uint64_t address)
{
	if (number == REGISTER_RIP)
		return push(m, ROW_BASE_NUMBER, (int64_t)(address + (uint64_t)offset));
	return number < REGISTER_RIP && push(m, (int)number, offset);
}

/* left OP right, of numbers. */
static bool combine_numbers(uint8_t op, uint64_t left, uint64_t right, uint64_t *ret)
{
	switch (op) {
	case DW_OP_and:
		*ret = left & right;
		return true;
	case DW_OP_ge:
		*ret = (int64_t)left >= (int64_t)right;
		return true;
	case DW_OP_shl:
		*ret = right < 64 ? left << right : 0;
		return true;
	case DW_OP_mul:
		*ret = left * right;
		return true;
	case DW_OP_minus:
		*ret = left - right;
		return true;
	default:
		return false;
	}
}

static bool combine(struct machine *m, uint8_t op)
{
	if (m->n < 2)
		return false;
	struct row_value *left = &m->stack[m->n - 2];
	const struct row_value *right = &m->stack[--m->n];
	uint64_t result = 0;
	if (left->is_at || right->is_at)
		return false;
	if (op == DW_OP_plus && (left->base == ROW_BASE_NUMBER || right->base == ROW_BASE_NUMBER)) {
		if (left->base == ROW_BASE_NUMBER)
			left->base = right->base;
		left->offset = (int64_t)((uint64_t)left->offset + (uint64_t)right->offset);
		return true;
	}
	if (left->base != ROW_BASE_NUMBER || right->base != ROW_BASE_NUMBER ||
	    !combine_numbers(op, (uint64_t)left->offset, (uint64_t)right->offset, &result))
		return false;
	left->offset = (int64_t)result;
	return true;
}

static bool change_top(struct machine *m, const Dwarf_Op *op)
{
	if (m->n == 0 || m->stack[m->n - 1].is_at)
		return false;
	struct row_value *top = &m->stack[m->n - 1];
	if (op->atom == DW_OP_plus_uconst)
		top->offset = (int64_t)((uint64_t)top->offset + op->number);
	else if (op->atom == DW_OP_deref)
		top->is_at = true;
	else
		top->is_value = true;
	return true;
}

static bool step(struct machine *m, const Dwarf_Op *op, uint64_t address)
{
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
		return push_register(m, op->atom - DW_OP_breg0, (int64_t)op->number, address);
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(m, ROW_BASE_NUMBER, op->atom - DW_OP_lit0);
	switch (op->atom) {
	case DW_OP_bregx:
		return push_register(m, op->number, (int64_t)op->number2, address);
	case DW_OP_call_frame_cfa:
		return push(m, ROW_BASE_CFA, 0);
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_constu:
	case DW_OP_consts:
		return push(m, ROW_BASE_NUMBER, (int64_t)op->number);
	case DW_OP_plus_uconst:
	case DW_OP_deref:
	case DW_OP_stack_value:
		return change_top(m, op);
	default:
		return combine(m, op->atom);
	}
}

bool row_evaluate(const Dwarf_Op *ops, size_t n, uint64_t address, struct row_value *ret)
{
	struct machine m = { .n = 0 };
	if (n > OPS_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!step(&m, &ops[i], address))
			return false;
	if (m.n == 0)
		return false;
	*ret = m.stack[m.n - 1];
	return true;
}
