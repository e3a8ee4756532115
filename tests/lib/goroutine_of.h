/* SPDX-License-Identifier: MIT */
/* The goroutine of a stopped thread, for tests: what bpf/stack_go.bpf.c takes in the kernel, by the same rules. */
#ifndef TESTS_LIB_GOROUTINE_OF_H
#define TESTS_LIB_GOROUTINE_OF_H

#include "tests/lib/snapshot_of.h"

enum { GOROUTINE_STACK_BYTES = 16 << 10 };

static inline uint64_t word_of(pid_t pid, uint64_t address)
{
	uint64_t word = 0;
	return read_stack(pid, address, (uint8_t *)&word, sizeof(word)) == sizeof(word) ? word : 0;
}

/* False: @s is on its own stack, or not Go's. @thread: its thread pointer. */
static inline bool goroutine_of(const struct snapshot *s, uint64_t thread,
				uint8_t stack[static GOROUTINE_STACK_BYTES], struct goroutine *ret)
{
	enum { LOW, HIGH, M = 6, SP, PC, G, N_WORDS, CURG = 184 };
	uint64_t g[N_WORDS] = { 0 };
	const uint64_t m = word_of(s->pid, word_of(s->pid, thread - WORD) + (uint64_t)M * WORD);
	uint64_t address = word_of(s->pid, m + CURG + WORD);
	if (address == 0)
		address = word_of(s->pid, m + CURG);
	if (read_stack(s->pid, address, (uint8_t *)g, sizeof(g)) != sizeof(g) || g[M] != m ||
	    g[G] != address || g[HIGH] - s->registers[REGISTER_RSP] <= g[HIGH] - g[LOW])
		return false;
	const uint64_t size = g[HIGH] - g[LOW], left = g[HIGH] - g[SP];
	const uint64_t called = g[HIGH] - s->registers[REGISTER_R12];
	uint64_t n = left <= size ? left : 0;
	if (called <= size && called > n)
		n = called;
	*ret = (struct goroutine){ .address = address,
				   .rsp = g[SP],
				   .rip = g[PC],
				   .end = g[HIGH],
				   .bottom = g[HIGH] - n,
				   .stack = stack };
	if (n > GOROUTINE_STACK_BYTES)
		n = GOROUTINE_STACK_BYTES;
	ret->n_stack = read_stack(s->pid, ret->bottom, stack, n);
	return ret->n_stack > 0;
}

#endif
