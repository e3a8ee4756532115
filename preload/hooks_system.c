/* SPDX-License-Identifier: MIT */
/* system() and popen() start their shell inside libc, with environ: no function of ours is asked. So
 * environ points to a copy with our variables while they run.
 *
 * Other threads may look at environ, or call setenv, meanwhile. The copy therefore lives in memory of
 * its own that is never unmapped, holds everything environ held, and what was changed in it is carried
 * over at the end. Only one thread at a time swaps: the others find our variables there already. */
#include <fcntl.h>
#include <sys/mman.h>

#include "preload/inject.h"
#include "preload/real.h"
#include "preload/shim.h"

#define EXPORT __attribute__((visibility("default")))
#define SHELL  "/bin/sh"

/* Under names of their own here: calling the real ones is banned in this tree. */
int hooked_system(const char *command) __asm__("system");
/* Returns a FILE *, which is only passed on. */
void *hooked_popen(const char *command, const char *mode) __asm__("popen");

static struct {
	uint32_t is_taken;
	char **copy; /* what environ points to, or the last one did */
	size_t bytes;
	const char *text; /* the joined LD_PRELOAD in the copy */
	const char *text_end;
	char *users_load; /* the program's own entry that it stands for */
} swap;

static bool grow(size_t bytes)
{
	if (bytes <= swap.bytes)
		return true;
	const size_t wanted = (bytes + 8191) & ~(size_t)4095;
	const long at = sys_call6(SYS_mmap, 0, (long)wanted, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(at))
		return false;
	/* The former copy stays mapped: somebody may still be reading it. */
	swap.copy = (char **)at;
	swap.bytes = wanted;
	return true;
}

/* Returns what environ was, or NULL when nothing was swapped. */
static char **environ_swap(void)
{
	size_t text_bytes = 0;
	uint32_t free_now = 0;

	char ***environ_at = real_environ();
	char **before = environ_at == NULL ? NULL : *environ_at;
	if (!inject_into(AT_FDCWD, SHELL, before))
		return NULL;
	/* Acquire and release pair up: one swapper at a time sees the other's finished state. */
	if (!__atomic_compare_exchange_n(&swap.is_taken, &free_now, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return NULL;
	/* clearenv() leaves no environment at all. */
	const size_t n = before == NULL ? 0 : settings_room(&shim.settings, before, &text_bytes);
	if (n == 0 || !grow(n * sizeof(char *) + text_bytes)) {
		__atomic_store_n(&swap.is_taken, 0, __ATOMIC_RELEASE);
		return NULL;
	}
	char *text = (char *)(swap.copy + n);
	settings_add(&shim.settings, before, swap.copy, text);
	swap.text = text;
	swap.text_end = text + text_bytes;
	swap.users_load = NULL;
	for (char **e = before; *e != NULL && swap.users_load == NULL; e++) {
		if (text_after(*e, LOAD_VARIABLE) != NULL)
			swap.users_load = *e;
	}
	__atomic_store_n(environ_at, swap.copy, __ATOMIC_RELEASE);
	return before;
}

/* Carries the entries of @from that are the program's over to @to; writes only what differs. */
static void carry_over(char *const *from, char **to)
{
	for (; *from != NULL; from++) {
		char *entry = *from;
		if (entry == shim.settings.load || entry == shim.settings.variable)
			continue;
		if (entry >= swap.text && entry < swap.text_end)
			entry = swap.users_load;
		if (*to != entry)
			*to = entry;
		to++;
	}
	if (*to != NULL)
		*to = NULL;
}

static void environ_restore(char **before)
{
	char ***environ_at = real_environ();
	char **now = __atomic_load_n(environ_at, __ATOMIC_ACQUIRE);

	/* setenv of a new name has made libc move to an array of its own. */
	if (now != swap.copy) {
		carry_over(now, now);
	} else {
		carry_over(now, before);
		__atomic_store_n(environ_at, before, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&swap.is_taken, 0, __ATOMIC_RELEASE);
}

EXPORT int hooked_system(const char *command)
{
	int (*function)(const char *) = (int (*)(const char *))real_next("system");
	char **before = command == NULL ? NULL : environ_swap();

	if (function == NULL)
		return -1;
	const int status = function(command);
	if (before != NULL)
		environ_restore(before);
	return status;
}

EXPORT void *hooked_popen(const char *command, const char *mode)
{
	void *(*function)(const char *, const char *) =
		(void *(*)(const char *, const char *))real_next("popen");
	char **before = environ_swap();

	if (function == NULL)
		return NULL;
	void *stream = function(command, mode);
	if (before != NULL)
		environ_restore(before);
	return stream;
}
