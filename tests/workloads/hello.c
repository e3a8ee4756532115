/* build: static static-pie musl musl-static m32 nopie asan */
/* SPDX-License-Identifier: MIT */
/* A small program of every kind: says its arguments, allocates, forks, executes a shell, and in which
 * order it ends. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *text)
{
	printf("%s\n", text);
	(void)fflush(stdout);
}

__attribute__((constructor)) static void begin(void)
{
	say("constructor");
}
__attribute__((destructor)) static void end(void)
{
	say("destructor");
}
static void first(void)
{
	say("registered first");
}
static void second(void)
{
	say("registered second");
}

int main(int argc, char **argv)
{
	int status = -1;

	(void)atexit(first);
	(void)atexit(second);
	for (int i = 0; i < argc; i++)
		say(i == 0 ? "main" : argv[i]);
	for (size_t i = 1; i < 3000; i++)
		free(realloc(malloc(i), i * 2));
	say(getenv("LD_PRELOAD") == NULL ? "nothing preloaded" : "preloaded");
	const pid_t pid = fork();
	if (pid == 0) {
		free(malloc(41));
		(void)execl("/bin/sh", "sh", "-c", "exit 23", (char *)NULL);
		_exit(96);
	}
	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	printf("child %d\n", pid < 0 ? -1 : WEXITSTATUS(status));
	return 3;
}
