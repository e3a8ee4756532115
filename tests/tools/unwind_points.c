/* SPDX-License-Identifier: MIT */
/* Unwinds stopped threads, for tests/corpus/unwind_against_gdb.py, which stops them. Each line of standard
 * input is "PID TID" and the registers by their DWARF numbers and the thread pointer, in hexadecimal; each of standard output, the
 * end of the stack, the bytes that were at hand, and for each frame "ADDRESS MODULE+OFFSET". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/goroutine_of.h"
#include "userspace/stacks/proc_maps.h"
#include "userspace/stacks/unwind.h"

enum { STACK_BYTES = 64 << 10 };

/* What it has mapped now, told as the kernel would have. */
static void tell_mappings(struct spaces *spaces, pid_t pid, uint64_t time_ns)
{
	struct proc_maps maps;
	struct mapping mapping;
	(void)spaces_exec(spaces, pid, time_ns);
	if (proc_maps_begin(&maps, pid) == 0)
		while (proc_maps_next(&maps, &mapping))
			(void)spaces_map(spaces, pid, time_ns, &mapping);
	proc_maps_end(&maps);
}

static bool read_line(const char *line, struct snapshot *ret, uint64_t *ret_thread)
{
	char *rest;
	ret->pid = (pid_t)strtol(line, &rest, 10);
	ret->tid = (pid_t)strtol(rest, &rest, 10);
	for (size_t i = 0; i < N_REGISTERS; i++)
		ret->registers[i] = strtoull(rest, &rest, 16);
	*ret_thread = strtoull(rest, &rest, 16);
	return ret->registers[REGISTER_RIP] != 0;
}

static void print(const struct unwound *unwound, const struct modules *modules, size_t n_stack)
{
	printf("%s\t%zu", unwind_end_name(unwound->end), n_stack);
	for (size_t i = 0; i < unwound->n; i++) {
		const struct code_frame *f = &unwound->frames[i];
		const struct module *module = modules_get(modules, f->module);
		printf("\t%#llx %s+%#llx", (unsigned long long)f->address,
		       module != NULL ? module->path : "?", (unsigned long long)f->offset);
	}
	printf("\n");
	(void)fflush(stdout);
}

int main(void)
{
	static struct unwound unwound;
	static uint8_t stack[STACK_BYTES], goroutine_stack[GOROUTINE_STACK_BYTES];
	_cleanup_(modules_freep) struct modules *modules = modules_new();
	_cleanup_(spaces_freep) struct spaces *spaces = spaces_new(modules);
	_cleanup_(unwinder_freep) struct unwinder *u = unwinder_new(spaces);
	if (u == NULL)
		return 1;
	char line[1024];
	for (uint64_t time_ns = 1; fgets(line, sizeof(line), stdin) != NULL; time_ns++) {
		struct snapshot snapshot = { .time_ns = time_ns, .stack = stack };
		struct goroutine goroutine;
		uint64_t thread = 0;
		if (!read_line(line, &snapshot, &thread))
			return 1;
		tell_mappings(spaces, snapshot.pid, time_ns);
		snapshot.n_stack = read_stack(snapshot.pid, snapshot.registers[REGISTER_RSP], stack,
					      sizeof(stack));
		if (goroutine_of(&snapshot, thread, goroutine_stack, &goroutine))
			snapshot.goroutine = &goroutine;
		unwind(u, &snapshot, &unwound);
		print(&unwound, modules, snapshot.n_stack);
	}
	return 0;
}
