/* build: musl */
/* SPDX-License-Identifier: MIT */
/* Starts PROGRAM in one of the many ways, most of them with an environment of its own making.
 * usage: heap_exec WAY PROGRAM */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int spawn(const char *way, char *program, char *const *envp)
{
	char *args[] = { program, NULL };
	int status = 0;
	pid_t pid = 0;
	const int e = strcmp(way, "posix_spawn") == 0
			      ? posix_spawn(&pid, program, NULL, NULL, args, envp)
			      : posix_spawnp(&pid, program, NULL, NULL, args, environ);
	if (e != 0)
		return 98;
	(void)waitpid(pid, &status, 0);
	return status_of(status);
}

static int shell(const char *way, const char *program)
{
	if (strcmp(way, "system") == 0)
		return status_of(system(program));
	FILE *stream = popen(program, "r");
	return stream == NULL ? 98 : status_of(pclose(stream));
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	char *const way = argv[1], *const program = argv[2];
	char *args[] = { program, NULL };
	char *own[] = { "A=b", NULL };

	if (strcmp(way, "execve") == 0)
		(void)execve(program, args, own);
	else if (strcmp(way, "execv") == 0)
		(void)execv(program, args);
	else if (strcmp(way, "execvp") == 0)
		(void)execvp(program, args);
	else if (strcmp(way, "execvpe") == 0)
		(void)execvpe(program, args, own);
	else if (strcmp(way, "execl") == 0)
		(void)execl(program, program, (char *)NULL);
	else if (strcmp(way, "execlp") == 0)
		(void)execlp(program, program, (char *)NULL);
	else if (strcmp(way, "execle") == 0)
		(void)execle(program, program, (char *)NULL, own);
	else if (strcmp(way, "fexecve") == 0)
		(void)fexecve(open(program, O_RDONLY | O_CLOEXEC), args, own);
	else if (strncmp(way, "posix_", 6) == 0)
		return spawn(way, program, own);
	else
		return shell(way, program);
	return 99;
}
