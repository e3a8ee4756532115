/* SPDX-License-Identifier: MIT */
/* How a program begins and ends: __libc_start_main is interposed and given a main of ours, which stamps
 * the time and jumps on to the program's. Our definition has no version, so it satisfies GLIBC_2.2.5,
 * GLIBC_2.34 and musl's (which passes six arguments; the seventh is then whatever is there and ignored). */
#include "preload/announce.h"
#include "preload/own_allocator.h"
#include "preload/real.h"
#include "preload/shim.h"

typedef int main_fn(int argc, char **argv, char **envp);
typedef int start_fn(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
		     void (*rtld_fini)(void), void *stack_end);

__attribute__((visibility("default"))) int __libc_start_main(main_fn *main, int argc, char **argv,
							     void (*init)(void), void (*fini)(void),
							     void (*rtld_fini)(void),
							     void *stack_end);

__attribute__((visibility("default"), noreturn)) void _exit(int status);
__attribute__((visibility("default"), noreturn)) void _Exit(int status);

static main_fn *programs_main;

static int marked_main(int argc, char **argv, char **envp)
{
	own_allocator_begin(shim_has_own_malloc());
	shim_mark_main();
	return programs_main(argc, argv, envp);
}

int __libc_start_main(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
		      void (*rtld_fini)(void), void *stack_end)
{
	/* Also where nothing ran our constructor and nothing was allocated yet. */
	const bool is_on = shim_start();
	start_fn *start = (start_fn *)real.__libc_start_main;

	if (is_on)
		programs_main = main;
	if (start == NULL) {
		/* Not a libc we know; the program can still run. */
		char **envp = argv + argc + 1;
		(void)sys_call3(SYS_exit_group, main(argc, argv, envp), 0, 0);
	}
	return start(is_on ? marked_main : main, argc, argv, init, fini, rtld_fini, stack_end);
}

/* An end that runs no destructor, as that of most shells and of many forked children. */
static __attribute__((noreturn)) void leave(const char *name, int status)
{
	typedef void exit_fn(int status);
	exit_fn *real_exit = (exit_fn *)real_next(name);

	announce_end();
	if (real_exit != NULL)
		real_exit(status);
	for (;;)
		(void)sys_call3(SYS_exit_group, status, 0, 0);
}

void _exit(int status)
{
	leave("_exit", status);
}

void _Exit(int status)
{
	leave("_Exit", status);
}
