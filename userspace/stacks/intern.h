/* SPDX-License-Identifier: MIT */
/* Stacks as a tree: each distinct frame and each distinct stack has an id, from 1, and is told once,
 * before it is used. A stack is its innermost frame and the stack of its caller. */
#ifndef USERSPACE_STACKS_INTERN_H
#define USERSPACE_STACKS_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "userspace/base/cleanup.h"
#include "userspace/stacks/unwind.h"

enum {
	/* Eight runs of a test suite in Python have 230,000 and 26,000. The map of so many stacks takes 32 MiB, and 16
	 * more for a moment; tests/corpus/long_runs.bats bounds the whole. */
	INTERN_STACKS_MAX = 1000000,
	INTERN_FRAMES_MAX = 200000,
};

/* Called for what is new: a module before its first frame, a frame before its first stack, a caller
 * before what it called. A negative errno ends intern_stack() with that. */
struct intern_listener {
	int (*module)(void *user, const struct module *module);
	int (*frame)(void *user, uint32_t id, uint32_t module, uint64_t offset);
	/* @caller: 0: it is the outermost. @is_cut: it is that only because no more could be read. */
	int (*stack)(void *user, uint32_t id, uint32_t caller, uint32_t frame, bool is_cut);
	void *user;
};

struct intern;

/* NULL: no memory. @modules must live longer. */
struct intern *intern_new(const struct modules *modules, const struct intern_listener *listener);
struct intern *intern_free(struct intern *n);
DEFINE_FREEP(struct intern, intern_free)

/* *ret_stack = the id of the stack; 0: it has no frames, or there is no more room, which is counted. */
int intern_stack(struct intern *n, const struct unwound *unwound, uint32_t *ret_stack);

/* The same of one frame that stack @caller (0: none) called. @is_cut: it has callers, which are not known. */
int intern_called(struct intern *n, uint32_t caller, const struct code_frame *frame, bool is_cut,
		  uint32_t *ret_stack);

/* The frames so far: ids are 1..n. */
size_t intern_n_frames(const struct intern *n);
void intern_frame(const struct intern *n, uint32_t id, uint32_t *ret_module, uint64_t *ret_offset);

/* Stacks that there was no room for. */
uint64_t intern_n_refused(const struct intern *n);

#endif
