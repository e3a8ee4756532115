/* SPDX-License-Identifier: MIT */
/* What stacks must know of x86-64, all of it. */
#ifndef USERSPACE_STACKS_X86_64_H
#define USERSPACE_STACKS_X86_64_H

#include <stddef.h>
#include <stdint.h>

/* By their numbers in DWARF (System V ABI for x86-64, "DWARF Register Number Mapping"). */
enum {
	REGISTER_RAX,
	REGISTER_RDX,
	REGISTER_RCX,
	REGISTER_RBX,
	REGISTER_RSI,
	REGISTER_RDI,
	REGISTER_RBP,
	REGISTER_RSP,
	REGISTER_R8,
	REGISTER_R9,
	REGISTER_R10,
	REGISTER_R11,
	REGISTER_R12,
	REGISTER_R13,
	REGISTER_R14,
	REGISTER_R15,
	REGISTER_RIP,
	N_REGISTERS,
};

enum { WORD = 8 };

/* What a function gives back as it found it, and where it returns to. */
#define SAVED_REGISTERS                                                               \
	{                                                                             \
		REGISTER_RBX, REGISTER_RBP, REGISTER_R12, REGISTER_R13, REGISTER_R14, \
			REGISTER_R15, REGISTER_RIP                                    \
	}
enum { N_SAVED = 7, SAVED_RBP = 1, SAVED_RIP = 6 };

/* A function with a frame pointer keeps its caller's at RBP and the return address above it. */
enum { FRAME_POINTER_CFA = 2 * WORD, FRAME_POINTER_RBP = -2 * WORD, RETURN_ADDRESS = -WORD };

/* Where the registers stand, counted from RSP, when the handler of a signal has returned: the kernel's
 * struct rt_sigframe without its return address, uc.uc_mcontext in the order of struct sigcontext. */
enum { SIGNAL_CONTEXT = 40, N_SIGNAL_REGISTERS = 17 };
#define SIGNAL_REGISTERS                                                                          \
	{                                                                                         \
		REGISTER_R8, REGISTER_R9, REGISTER_R10, REGISTER_R11, REGISTER_R12, REGISTER_R13, \
			REGISTER_R14, REGISTER_R15, REGISTER_RDI, REGISTER_RSI, REGISTER_RBP,     \
			REGISTER_RBX, REGISTER_RDX, REGISTER_RAX, REGISTER_RCX, REGISTER_RSP,     \
			REGISTER_RIP                                                              \
	}

/* Addresses from here on are the kernel's. */
#define KERNEL_ADDRESSES (UINT64_C(1) << 63)

#endif
