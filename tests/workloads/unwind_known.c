/* build: optimised dl origin */
/* SPDX-License-Identifier: MIT */
/* Stands still at the end of a known chain of calls: "unwind_known plain|signal|altstack LIBRARY". Through
 * a library that is loaded late, and back; in a signal handler, on a stack of its own or not. Says "there"
 * when it is. */
#include <alloca.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nobody calls the last thing it does by a jump, and nothing is known of what is called. */
#define KNOWN __attribute__((noinline, noclone, noipa)) void
#define STAY  __asm__ volatile("" ::: "memory")

typedef void through(void (*back)(void));
static const char *mode;
static through *plugin;

KNOWN stand_still(void)
{
	(void)!write(1, "there\n", 6);
	for (;;) {
		pause();
		STAY;
	}
}

KNOWN handle(int number)
{
	(void)number;
	stand_still();
	STAY;
}

KNOWN come_back(void)
{
	if (strcmp(mode, "plain") == 0)
		stand_still();
	else
		raise(SIGUSR1);
	STAY;
}

/* Its frame has a size that only it knows. */
KNOWN of_any_size(size_t n)
{
	volatile char *room = alloca(n);
	room[n - 1] = 1;
	plugin(come_back);
	STAY;
}

/* Its stack is aligned anew. */
KNOWN aligned(size_t n)
{
	volatile struct {
		char c[64];
	} __attribute__((aligned(64))) room;
	room.c[0] = (char)n;
	of_any_size(n + (uintptr_t)&room % 64);
	STAY;
}

int main(int argc, char **argv)
{
	static char signals[1 << 16];
	const stack_t stack = { .ss_sp = signals, .ss_size = sizeof(signals) };
	struct sigaction action = { .sa_handler = handle };
	void *library = argc == 3 ? dlopen(argv[2], RTLD_NOW) : NULL;

	if (library == NULL || (plugin = (through *)dlsym(library, "plugin_through")) == NULL)
		return 1;
	mode = argv[1];
	action.sa_flags = strcmp(mode, "altstack") == 0 ? SA_ONSTACK : 0;
	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	aligned((size_t)argc * 1000);
	STAY;
	return 0;
}
