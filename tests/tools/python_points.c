/* SPDX-License-Identifier: MIT */
/* Stops a Python program at many points, reads its frames from outside, and has its own faulthandler
 * tell them at the very same point: tests/corpus/python.bats compares.
 *
 *	python_points VERSION RUNTIME POINTS SEED -- PYTHON SCRIPT...
 *
 * VERSION is hexadecimal (30b), RUNTIME the address of _PyRuntime in the program file (hexadecimal).
 * The script has registered faulthandler for SIGUSR1, to a file. Standard output, per point: "point N",
 * then a line "NAME FILE:LINE" for each frame, innermost first. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "userspace/stacks/python.h"

#define FRAMES 4096

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % limit;
}

/* Where the program lies, or the file that PYTHON_FILE is a part of the path of: its first mapping. */
static uint64_t load_address(pid_t pid)
{
	const char *file = getenv("PYTHON_FILE");
	char path[64], line[512];
	unsigned long long address = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *maps = fopen(path, "re");
	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, file != NULL ? file : "/python3") != NULL &&
		    sscanf(line, "%llx-", &address) == 1)
			break;
	}
	if (maps != NULL)
		(void)fclose(maps);
	return address;
}

static void print_frames(const struct python_layout *layout, uint64_t runtime, pid_t pid)
{
	static struct python_place places[FRAMES];
	const struct memory_reader memory = memory_of_process(pid);
	const size_t n = python_walk(layout, runtime, pid, memory, places, FRAMES);
	for (size_t i = 0; i < n; i++) {
		struct python_code code;
		if (python_code_read(layout, places[i].code, memory, &code) < 0)
			printf("? ?:0\n");
		else
			printf("%s %s:%d\n", buf_str(&code.name), buf_str(&code.file),
			       python_code_line(&code, places[i].offset));
		python_code_done(&code);
	}
}

static int wait_stopped(pid_t pid)
{
	int status;
	return waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) ? WSTOPSIG(status) : -1;
}

/* One point: whatever it was doing when SIGSTOP came. False: it has ended. */
static bool look(pid_t pid, const struct python_layout *layout, uint64_t runtime, int number)
{
	const struct timespec pause = { .tv_nsec = 2000000 + (long)random_below(3000000) };
	(void)nanosleep(&pause, NULL);
	if (kill(pid, SIGSTOP) < 0)
		return false;
	int signal = wait_stopped(pid);
	while (signal > 0 && signal != SIGSTOP) {
		(void)ptrace(PTRACE_CONT, pid, NULL, signal);
		signal = wait_stopped(pid);
	}
	if (signal < 0)
		return false;
	printf("point %d\n", number);
	print_frames(layout, runtime, pid);
	(void)ptrace(PTRACE_CONT, pid, NULL, SIGUSR1);
	return true;
}

int main(int argc, char **argv)
{
	if (argc < 7 || strcmp(argv[5], "--") != 0)
		return 2;
	const unsigned int version = (unsigned int)strtoul(argv[1], NULL, 16);
	const uint64_t symbol = strtoull(argv[2], NULL, 16);
	const int points = (int)strtol(argv[3], NULL, 10);
	random_state = strtoull(argv[4], NULL, 10);
	int ready[2];
	if (pipe(ready) < 0)
		return 1;
	const pid_t pid = fork();
	if (pid == 0) {
		(void)dup2(ready[1], 3);
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)execvp(argv[6], argv + 6);
		_exit(127);
	}
	(void)close(ready[1]);
	if (pid < 0 || wait_stopped(pid) != SIGTRAP)
		return 1;
	(void)ptrace(PTRACE_CONT, pid, NULL, NULL);
	char byte; /* the script says when its handler is in place */
	if (read(ready[0], &byte, 1) != 1)
		return 1;
	const struct memory_reader memory = memory_of_process(pid);
	struct python_layout layout;
	const bool is_fixed = getenv("PYTHON_FIXED") != NULL;
	const uint64_t runtime = symbol + (is_fixed ? 0 : load_address(pid));
	if (python_layout_of(version, runtime, memory, &layout) < 0)
		return 3;
	for (int i = 0; i < points && look(pid, &layout, runtime, i); i++)
		;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return 0;
}
