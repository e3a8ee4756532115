/* SPDX-License-Identifier: MIT */
/* Prefixes, opcode, operand, displacement, immediate: each says how the next is to be read. */
#include "userspace/stacks/instruction.h"

#include <string.h>

enum layout {
	BAD = 0x80,	/* no instruction of 64-bit code */
	OPERAND = 0x40, /* ModRM, and what that asks for */
	BYTES = 0x0f,	/* of the immediate … */
	BY_SIZE = 0x0e, /* … 2 or 4, as the operands are */
	BY_WIDTH = 0x0f /* … 2, 4 or 8 */
};

#define M  OPERAND
#define MB (OPERAND | 1)
#define MI (OPERAND | BY_SIZE)
#define I  BY_SIZE
#define X  BAD

/* clang-format off */
static const uint8_t plain[256] = {
/* 00 */ M, M, M, M, 1, I, X, X, M, M, M, M, 1, I, X, X,
/* 10 */ M, M, M, M, 1, I, X, X, M, M, M, M, 1, I, X, X,
/* 20 */ M, M, M, M, 1, I, X, X, M, M, M, M, 1, I, X, X,
/* 30 */ M, M, M, M, 1, I, X, X, M, M, M, M, 1, I, X, X,
/* 40 */ X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
/* 50 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
/* 60 */ X, X, X, M, X, X, X, X, I, MI, 1, MB, 0, 0, 0, 0,
/* 70 */ 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
/* 80 */ MB, MI, X, MB, M, M, M, M, M, M, M, M, M, M, M, M,
/* 90 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, X, 0, 0, 0, 0, 0,
/* a0 */ 8, 8, 8, 8, 0, 0, 0, 0, 1, I, 0, 0, 0, 0, 0, 0,
/* b0 */ 1, 1, 1, 1, 1, 1, 1, 1, BY_WIDTH, BY_WIDTH, BY_WIDTH, BY_WIDTH,
	 BY_WIDTH, BY_WIDTH, BY_WIDTH, BY_WIDTH,
/* c0 */ MB, MB, 2, 0, X, X, MB, MI, 3, 0, 2, 0, 0, 1, X, 0,
/* d0 */ M, M, M, M, X, X, X, 0, M, M, M, M, M, M, M, M,
/* e0 */ 1, 1, 1, 1, 1, 1, 1, 1, 4, 4, X, 1, 0, 0, 0, 0,
/* f0 */ X, 0, X, X, 0, 0, M, M, 0, 0, 0, 0, 0, 0, M, M,
};

static const uint8_t behind_0f[256] = {
/* 00 */ M, M, M, M, X, 0, 0, 0, 0, 0, X, 0, X, M, 0, MB,
/* 10 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
/* 20 */ M, M, M, M, X, X, X, X, M, M, M, M, M, M, M, M,
/* 30 */ 0, 0, 0, 0, 0, 0, X, 0, X, X, X, X, X, X, X, X,
/* 40 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
/* 50 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
/* 60 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
/* 70 */ MB, MB, MB, MB, M, M, M, 0, M, M, X, X, M, M, M, M,
/* 80 */ 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
/* 90 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
/* a0 */ 0, 0, 0, M, MB, M, X, X, 0, 0, 0, M, MB, M, M, M,
/* b0 */ M, M, M, M, M, M, M, M, M, M, MB, M, M, M, M, M,
/* c0 */ M, M, MB, M, MB, MB, MB, M, 0, 0, 0, 0, 0, 0, 0, 0,
/* d0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
/* e0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
/* f0 */ M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
};
/* clang-format on */

struct cursor {
	const uint8_t *code;
	size_t at, n;
	bool is_short;	     /* operands of 16 bits */
	uint8_t rex;	     /* 0: none */
	bool is_0f38, is_ok; /* not ok: the code ends before the instruction does */
};

static int64_t take(struct cursor *c, size_t n)
{
	int64_t value = 0;
	if (c->n - c->at < n) {
		c->is_ok = false;
		c->at = c->n;
		return 0;
	}
	memcpy(&value, c->code + c->at, n);
	c->at += n;
	/* It has a sign. */
	return n == 0 || n == 8 ? value
				: (int64_t)((uint64_t)value << (64 - 8 * n)) >> (64 - 8 * n);
}

static uint8_t take_byte(struct cursor *c)
{
	return (uint8_t)take(c, 1);
}

static void take_prefixes(struct cursor *c, struct instruction *ret)
{
	for (; c->at < c->n; c->at++) {
		const uint8_t b = c->code[c->at];
		c->is_short |= b == 0x66;
		ret->is_notrack |= b == 0x3e;
		if (b != 0x66 && b != 0x67 && b != 0xf0 && b != 0xf2 && b != 0xf3 && b != 0x2e &&
		    b != 0x36 && b != 0x3e && b != 0x26 && b != 0x64 && b != 0x65)
			break;
	}
	if (c->at < c->n && (c->code[c->at] & 0xf0) == 0x40)
		c->rex = c->code[c->at++];
	ret->is_wide = (c->rex & 8) != 0;
}

/* VEX and EVEX say which table their opcode is of. */
static uint8_t take_vector_opcode(struct cursor *c, uint8_t first, struct instruction *ret)
{
	const uint8_t next = take_byte(c);
	const uint8_t table = first == 0xc5 ? 1 : next & (first == 0xc4 ? 0x1f : 7);
	c->at += first == 0xc4 ? 1 : first == 0x62 ? 2 : 0;
	if (c->at > c->n)
		c->at = c->n;
	ret->map = MAP_VECTOR;
	ret->opcode = take_byte(c);
	if (table == 1)
		return (behind_0f[ret->opcode] & BYTES) == 1 ? MB : ret->opcode == 0x77 ? 0 : M;
	return table == 3 ? MB : M;
}

static uint8_t take_opcode(struct cursor *c, struct instruction *ret)
{
	ret->opcode = take_byte(c);
	if (ret->opcode == 0xc4 || ret->opcode == 0xc5 || ret->opcode == 0x62)
		return take_vector_opcode(c, ret->opcode, ret);
	if (ret->opcode != 0x0f)
		return plain[ret->opcode];
	ret->opcode = take_byte(c);
	ret->map = ret->opcode == 0x38 || ret->opcode == 0x3a ? MAP_VECTOR : MAP_0F;
	if (ret->map == MAP_0F)
		return behind_0f[ret->opcode];
	const uint8_t layout = ret->opcode == 0x3a ? MB : M;
	ret->opcode = take_byte(c);
	return layout;
}

static void take_operand(struct cursor *c, struct instruction *ret)
{
	const uint8_t modrm = take_byte(c);
	ret->has_operand = true;
	ret->mode = modrm >> 6;
	ret->reg = (uint8_t)((modrm >> 3 & 7) | (c->rex & 4) << 1);
	ret->rm = (uint8_t)((modrm & 7) | (c->rex & 1) << 3);
	if (ret->mode == 3)
		return;
	if ((modrm & 7) == 4) {
		const uint8_t sib = take_byte(c);
		ret->has_index = (sib >> 3 & 7) != 4 || (c->rex & 2) != 0;
		ret->rm = (uint8_t)((sib & 7) | (c->rex & 1) << 3);
		if (ret->mode == 0 && (sib & 7) == 5) {
			ret->rm = IN_CODE_NONE;
			ret->displacement = (int32_t)take(c, 4);
		}
	} else if (ret->mode == 0 && (modrm & 7) == 5) {
		ret->rm = IN_CODE_NONE; /* RIP */
		ret->displacement = (int32_t)take(c, 4);
	}
	if (ret->mode != 0)
		ret->displacement = (int32_t)take(c, ret->mode == 1 ? 1 : 4);
}

static size_t immediate_bytes(const struct cursor *c, uint8_t layout, const struct instruction *i)
{
	size_t n = layout & BYTES;
	if (i->map == MAP_PLAIN && (i->opcode & 0xfe) == 0xf6 && (i->reg & 7) < 2)
		n = i->opcode == 0xf6 ? 1 : BY_SIZE; /* test */
	if (n == BY_WIDTH)
		return i->is_wide ? 8 : c->is_short ? 2 : 4;
	return n == BY_SIZE ? (c->is_short && !i->is_wide ? 2 : 4) : n;
}

bool instruction_decode(const uint8_t *code, size_t n, struct instruction *ret)
{
	struct cursor c = { .code = code,
			    .n = n < INSTRUCTION_MAX ? n : INSTRUCTION_MAX,
			    .is_ok = true };
	*ret = (struct instruction){ .rm = IN_CODE_NONE };
	take_prefixes(&c, ret);
	const uint8_t layout = take_opcode(&c, ret);
	if (layout == BAD)
		return false;
	if (layout & OPERAND)
		take_operand(&c, ret);
	ret->immediate = take(&c, immediate_bytes(&c, layout, ret));
	/* The register stands in the opcode. */
	if (!ret->has_operand && ret->map == MAP_PLAIN)
		ret->rm = (uint8_t)((ret->opcode & 7) | (c.rex & 1) << 3);
	ret->length = (uint8_t)c.at;
	return c.is_ok;
}
