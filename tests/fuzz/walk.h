/* SPDX-License-Identifier: MIT */
/* A walk through the code of a fuzzer's file. */
#ifndef TESTS_FUZZ_WALK_H
#define TESTS_FUZZ_WALK_H

#include "tests/fuzz/elf_around.h"
#include "userspace/stacks/unwind.h"

/* Stacks full of places in that code, the thread's and a goroutine's, which goes on at one of them. */
static inline void fuzz_walk(struct modules *modules, const struct module *module,
			     const uint8_t *data, size_t n)
{
	enum { BASE = 0x400000, STACK = 0x7000, GOROUTINE = 0x3000, WORDS = 512 };
	static uint64_t stack[WORDS];
	static struct unwound unwound;
	struct spaces *spaces = spaces_new(modules);
	struct unwinder *unwinder = unwinder_new(spaces);
	const struct mapping mapping = { .address = BASE,
					 .length = 1 << 20,
					 .path = module->path,
					 .identity = module->identity };
	const pid_t pid = 1 << 23;
	if (spaces == NULL || unwinder == NULL || spaces_map(spaces, pid, 1, &mapping) < 0)
		abort();
	for (size_t i = 0; i < WORDS; i++)
		stack[i] = BASE + ELF_TEXT + (n > 0 ? data[i % n] : 0) * 4u + i;
	const struct goroutine goroutine = { .address = stack[0],
					     .rsp = GOROUTINE + (n > 0 ? data[n / 2] : 0) * 32u,
					     .rip = stack[1],
					     .end = GOROUTINE + sizeof(stack),
					     .bottom = GOROUTINE,
					     .stack = (const uint8_t *)stack,
					     .n_stack = sizeof(stack) };
	struct snapshot snapshot = { .time_ns = 2,
				     .pid = pid,
				     .stack = (const uint8_t *)stack,
				     .n_stack = sizeof(stack),
				     .goroutine = n % 2 == 0 ? &goroutine : NULL };
	snapshot.registers[REGISTER_RIP] = BASE + ELF_TEXT;
	snapshot.registers[REGISTER_RSP] = STACK;
	snapshot.registers[REGISTER_RBP] = STACK + 0x100;
	unwind(unwinder, &snapshot, &unwound);
	if (unwound.n == 0 || unwound.n > FRAMES_MAX)
		abort();
	unwinder_free(unwinder);
	spaces_free(spaces);
}

#endif
