/* SPDX-License-Identifier: MIT */
/* Instructions of x86-64, taken apart as far as it takes to follow RSP and RBP: how long one is, its opcode
 * and operands. From the tables of Intel's manual (volume 2, appendix A). */
#ifndef USERSPACE_STACKS_INSTRUCTION_H
#define USERSPACE_STACKS_INSTRUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INSTRUCTION_MAX = 15 };

enum instruction_map {
	MAP_PLAIN,  /* one byte */
	MAP_0F,	    /* behind 0F */
	MAP_VECTOR, /* all others: none of them changes RSP or RBP */
};

struct instruction {
	uint8_t length;
	uint8_t map; /* enum instruction_map */
	uint8_t opcode;
	bool is_wide; /* operands of 64 bits */
	bool is_notrack;
	bool has_operand; /* the next three are there */
	uint8_t mode;	  /* 3: the operand is a register, else memory */
	uint8_t reg; /* as instructions number them, 0 to 15; or more of the opcode, its low 3 bits */
	uint8_t rm; /* the register, or the base; IN_CODE_NONE: there is none */
	bool has_index;
	int32_t displacement;
	int64_t immediate;
};

/* As instructions number registers. */
enum { IN_CODE_RSP = 4, IN_CODE_RBP = 5, IN_CODE_NONE = 0xff };

/* False: there is none in code[0..n), or not all of it. */
bool instruction_decode(const uint8_t *code, size_t n, struct instruction *ret);

#endif
