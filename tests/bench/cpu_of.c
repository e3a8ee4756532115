/* SPDX-License-Identifier: MIT */
/* Runs a command and appends the CPU time of it and of what it waited for to FILE, in ms: inside of what
 * measures, so that only the command's own is counted.
 * usage: cpu_of FILE COMMAND [ARG...] */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static double ms_of(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	int status = 0;

	if (argc < 3)
		return 2;
	const pid_t pid = fork();
	if (pid == 0) {
		(void)execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return 1;
	FILE *file = fopen(argv[1], "we");
	if (file == NULL)
		return 1;
	(void)fprintf(file, "%.3f\n", ms_of(usage.ru_utime) + ms_of(usage.ru_stime));
	if (fclose(file) != 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
