/* SPDX-License-Identifier: MIT */
/* Programs that make life hard for whoever is loaded into them: in strict seccomp mode any system
 * call but read, write and exit is death; after closing all descriptors every one found open is the
 * program's own; on a small alternate stack a deep call is a crash.
 * usage: heap_sealed strict|closed|altstack */
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { COUNT = 41, SIZE = 41, ROOM = 3072 };

static void count(void)
{
	void *blocks[COUNT];
	for (int i = 0; i < COUNT; i++)
		blocks[i] = malloc(SIZE);
	for (int i = 0; i < 7; i++)
		free(blocks[i]);
}

static void on_signal(int number)
{
	(void)number;
	count();
}

static int on_small_stack(void)
{
	/* What the kernel needs for the registers, and little more. */
	static char stack[65536];
	const stack_t alternate = { .ss_sp = stack,
				    .ss_size = (size_t)sysconf(_SC_MINSIGSTKSZ) + ROOM };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	if (sigaltstack(&alternate, NULL) != 0 || sigaction(SIGUSR1, &action, NULL) != 0)
		return 1;
	return raise(SIGUSR1) == 0 ? 3 : 1;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	if (strcmp(how, "altstack") == 0)
		return on_small_stack();
	if (strcmp(how, "closed") == 0) {
		(void)syscall(SYS_close_range, 0, ~0u, 0);
		if (open("/dev/null", O_RDONLY) != 0)
			return 1;
		count();
		/* The next descriptor is the next number: nobody opened one in between. */
		return open("/dev/null", O_RDONLY) == 1 ? 3 : 1;
	}
	free(malloc(8192)); /* makes the heap large enough: growing it needs a system call */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
		return 1;
	count();
	(void)syscall(SYS_exit, 3);
	return 1;
}
