/* SPDX-License-Identifier: MIT */
/* stack_names PID: the functions that a process is in, innermost first, one a line: "NAME FILE:LINE", as far
 * as they are known, with "  in" before the functions that were inlined, "MODULE+OFFSET" for code without a
 * name; then how the stack ends. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/snapshot_of.h"
#include "userspace/base/units.h"
#include "userspace/stacks/symbols.h"
#include "userspace/stacks/unwind.h"

enum { STACK_BYTES = 64 << 10, INLINED = 32, LINE_BYTES = 512 };

/* Functions come from the outside in, and are printed the other way round. */
struct lines {
	char text[INLINED][LINE_BYTES];
	size_t n;
};

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static int add_line(void *user, const struct code_function *f)
{
	struct lines *lines = user;
	if (lines->n < INLINED)
		(void)snprintf(lines->text[lines->n++], LINE_BYTES, "%s%s %s:%u",
			       f->depth > 0 ? "  in " : "", f->name,
			       f->file != NULL ? last_part(f->file) : "?", f->line);
	return 0;
}

static void print_frame(struct modules *modules, const struct code_frame *frame)
{
	struct module *module = modules_get(modules, frame->module);
	struct code_place place = { .offset = frame->offset };
	static struct lines lines;
	lines.n = 0;
	if (module != NULL)
		(void)symbols_find(modules, module, &place, 1, NS_PER_S, add_line, &lines);
	for (size_t i = lines.n; i-- > 0;)
		puts(lines.text[i]);
	if (lines.n == 0)
		printf("%s+%#llx\n", module != NULL ? last_part(module->path) : "?",
		       (unsigned long long)frame->offset);
}

int main(int argc, char **argv)
{
	static uint8_t stack[STACK_BYTES];
	static struct unwound unwound;
	const pid_t pid = argc == 2 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	_cleanup_(modules_freep) struct modules *modules = modules_new();
	_cleanup_(spaces_freep) struct spaces *spaces = spaces_new(modules);
	_cleanup_(unwinder_freep) struct unwinder *u = unwinder_new(spaces);
	struct snapshot snapshot;
	if (u == NULL || pid <= 0 || ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ||
	    !take_snapshot(pid, stack, sizeof(stack), &snapshot))
		return 1;
	unwind(u, &snapshot, &unwound);
	for (size_t i = 0; i < unwound.n; i++)
		print_frame(modules, &unwound.frames[i]);
	puts(unwind_end_name(unwound.end));
	return 0;
}
