/* build: shared */
/* SPDX-License-Identifier: MIT */
/* A library that a user preloads, audits with, or loads late: it says when, stands in front of malloc
 * and execve itself, and has thread storage of the initial-exec kind. */
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static __thread char room[1000] __attribute__((tls_model("initial-exec")));

static void say(const char *text)
{
	(void)!write(STDOUT_FILENO, text, strlen(text));
}

__attribute__((constructor)) static void begin(void)
{
	say("guest's constructor\n");
}
__attribute__((destructor)) static void end(void)
{
	say("guest's destructor\n");
}

int static_tls(void)
{
	memset(room, 1, sizeof(room));
	return room[sizeof(room) - 1];
}

unsigned int la_version(unsigned int version)
{
	say("auditing\n");
	return version < LAV_CURRENT ? version : LAV_CURRENT;
}

static unsigned long n_calls;
void *malloc(size_t n)
{
	static void *(*next)(size_t);
	if (next == NULL)
		next = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	n_calls++;
	return next(n);
}

int execve(const char *path, char *const *argv, char *const *envp)
{
	int (*next)(const char *, char *const *, char *const *) =
		(int (*)(const char *, char *const *, char *const *))dlsym(RTLD_NEXT, "execve");
	say(n_calls > 0 ? "guest's execve after malloc\n" : "guest's execve\n");
	return next(path, argv, envp);
}
