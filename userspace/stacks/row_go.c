/* SPDX-License-Identifier: MIT */
/* A function of Go keeps its caller's frame pointer below the return address, and no other register. */
#include "userspace/stacks/row_go.h"

#include <string.h>

#include "userspace/stacks/row_bytes.h"

/* Before the frame pointer is saved, just behind the instruction that makes room for it:
 * mov %rbp,8(%rsp) or with a longer offset. */
static bool is_about_to_save(const struct module_file *f, uint64_t address)
{
	uint8_t code[4] = { 0 };
	if (module_file_read(f, address, code, sizeof(code)) != sizeof(code))
		return false;
	return code[0] == 0x48 && code[1] == 0x89 && (code[2] == 0x6c || code[2] == 0xac) &&
	       code[3] == 0x24;
}

static struct row row_of(const struct module_file *f, const struct go_function *function,
			 uint64_t address, int32_t growth)
{
	struct row row = { .cfa_register = REGISTER_RSP, .cfa_offset = growth + WORD };
	for (size_t i = 0; i < N_SAVED; i++)
		row.saved[i] = SAVED_LOST;
	row.saved[SAVED_RIP] = RETURN_ADDRESS / WORD;
	if (growth == 0 || is_about_to_save(f, address))
		row.saved[SAVED_RBP] = SAVED_UNCHANGED;
	else if (!(function->flags & GO_ASSEMBLER))
		row.saved[SAVED_RBP] = FRAME_POINTER_RBP / WORD;
	return row;
}

/* Functions that the runtime treats as no usual ones. What moves to another stack cannot be left by what lies on
 * the one where it is now; of these it is known what is there. */
struct special {
	const char *name;
	uint16_t flags;
	bool when_called;      /* the flags are those of a frame that has called */
	bool is_alone;	       /* the flags are all there is to its row */
	bool has_stack_in_r12; /* where it was */
};

static const struct special *special_of(const char *name)
{
	static const struct special all[] = {
		{ .name = "runtime.goexit", .flags = ROW_END, .is_alone = true },
		{ .name = "runtime.rt0_go", .flags = ROW_END, .is_alone = true },
		/* It does not come back: what lies there are remains of others. */
		{ .name = "runtime.mcall",
		  .flags = ROW_END,
		  .is_alone = true,
		  .when_called = true },
		/* The first in a thread. */
		{ .name = "runtime.clone",
		  .flags = ROW_END,
		  .is_alone = true,
		  .when_called = true },
		/* Both stacks lead outwards from it. */
		{ .name = "runtime.cgocallback" },
		{ .name = "runtime.systemstack",
		  .flags = ROW_GOROUTINE,
		  .is_alone = true,
		  .when_called = true },
		{ .name = "runtime.morestack",
		  .flags = ROW_GOROUTINE,
		  .is_alone = true,
		  .when_called = true },
		/* It may have been on the thread's stack already. */
		{ .name = "runtime.asmcgocall",
		  .flags = ROW_GOROUTINE_IF,
		  .is_alone = true,
		  .when_called = true },
		{ .name = "runtime.systemstack_switch", .flags = ROW_UNREAL },
		{ .name = "runtime.schedule", .flags = ROW_SCHEDULER },
		{ .name = "runtime.goschedImpl", .flags = ROW_SCHEDULER },
		/* The kernel does, once they have begun. */
		{ .name = "runtime.sigreturn",
		  .flags = ROW_SIGNAL | ROW_CONTEXT,
		  .is_alone = true },
		{ .name = "runtime.sigreturn__sigaction",
		  .flags = ROW_SIGNAL | ROW_CONTEXT,
		  .is_alone = true },
		{ .name = "runtime.nanotime1", .when_called = true, .has_stack_in_r12 = true },
		{ .name = "runtime.walltime", .when_called = true, .has_stack_in_r12 = true },
		{ .name = "time.now", .when_called = true, .has_stack_in_r12 = true },
		{ .name = "runtime.vgetrandom1", .when_called = true, .has_stack_in_r12 = true },
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		const size_t n = strlen(all[i].name);
		if (strncmp(name, all[i].name, n) == 0 &&
		    (name[n] == '\0' || strcmp(name + n, ".abi0") == 0))
			return &all[i];
	}
	return NULL;
}

int row_from_go(const struct module_file *f, uint64_t address, struct row *ret)
{
	struct go_function function;
	char name[GO_NAME_MAX];
	if (f->go.n_functions == 0 || !go_function_find(f, address, &function))
		return 0;
	go_function_name(f, &function, name);
	const struct special *special = special_of(name);
	if (special != NULL && special->when_called &&
	    !row_is_in_call(&(struct code){ .file = f }, address))
		special = NULL;
	if (special != NULL && special->is_alone) {
		*ret = (struct row){ .flags = special->flags };
		return 1;
	}
	const int32_t growth = go_function_growth(f, &function, address);
	/* With its first instruction it has set nothing yet. */
	const bool sets_stack = (function.flags & GO_SETS_STACK) && address > function.start;
	if (growth < 0 || (sets_stack && special == NULL))
		return -1;
	*ret = row_of(f, &function, address, growth);
	if (special != NULL) {
		ret->flags = special->flags;
		ret->cfa_register = special->has_stack_in_r12 ? REGISTER_R12 : REGISTER_RSP;
	}
	return 1;
}
