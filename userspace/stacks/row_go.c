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

/* Functions that tell of themselves that they are no usual ones. What moves to another stack cannot be left
 * by what lies on the one where it is now; of these it is known what is there. */
struct special {
	const char *name;
	bool is_last; /* nothing is outside of it … */
	bool calls;   /* … when it has called */
	bool is_walkable;
};

static const struct special *special_of(const char *name)
{
	static const struct special all[] = {
		{ .name = "runtime.goexit", .is_last = true },
		{ .name = "runtime.rt0_go", .is_last = true },
		/* The scheduler does not come back: what lies there are remains of others. */
		{ .name = "runtime.mcall", .is_last = true, .calls = true },
		/* The first in a thread. */
		{ .name = "runtime.clone", .is_last = true, .calls = true },
		/* Both stacks lead outwards from it. */
		{ .name = "runtime.cgocallback", .is_walkable = true },
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
	const struct special *special = NULL;
	if (f->go.n_functions == 0 || !go_function_find(f, address, &function))
		return 0;
	if (function.flags & (GO_SETS_STACK | GO_OUTERMOST)) {
		go_function_name(f, &function, name);
		special = special_of(name);
	}
	if (special != NULL && special->is_last &&
	    (!special->calls || row_is_in_call(f, address))) {
		*ret = (struct row){ .flags = ROW_END };
		return 1;
	}
	const int32_t growth = go_function_growth(f, &function, address);
	const bool is_switch =
		(function.flags & GO_SETS_STACK) && (special == NULL || !special->is_walkable);
	if (growth < 0 || is_switch)
		return -1;
	*ret = row_of(f, &function, address, growth);
	return 1;
}
