/* SPDX-License-Identifier: MIT */
/* Processes whose live heap is known at any time. In blocks of 1 MB, besides half of one in the first:
 *
 * heap_tree serial END N       N children one after another, 10 each, ending by END:
 *                              kill, _exit, exit, exec (of /bin/true), return
 * heap_tree together END N     N children, 2 each, there at once for 200 ms, then ended by END
 * heap_tree burst END N        the same, for no time
 * heap_tree frees              10, a child that frees its copies; then 10 more          : 20
 * heap_tree renews             10, a child that frees its copies and allocates 10       : 20
 * heap_tree mixes              10, a child that allocates 10, frees its copies, then 5  : 25
 * heap_tree grandchild         10, a child that frees its copies and has a child that allocates 10 : 20
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MB = 1000000, MOST = 64 };

static void *inherited[10], *own[MOST];

static void allocate(void **blocks, int n)
{
	for (int i = 0; i < n; i++) {
		blocks[i] = malloc(MB);
		if (blocks[i] == NULL)
			_exit(9);
		memset(blocks[i], 1, MB);
	}
}

static void release(void **blocks, int n)
{
	for (int i = 0; i < n; i++)
		free(blocks[i]);
}

static void end(const char *how)
{
	if (strcmp(how, "kill") == 0)
		(void)raise(SIGKILL);
	if (strcmp(how, "_exit") == 0)
		_exit(0);
	if (strcmp(how, "exec") == 0)
		(void)execl("/bin/true", "true", (char *)NULL);
	if (strcmp(how, "exit") == 0)
		exit(0);
}

static int serial(const char *how, int n)
{
	for (int i = 0; i < n; i++) {
		const pid_t pid = fork();
		if (pid == 0) {
			allocate(own, 10);
			end(how);
			return 0;
		}
		(void)waitpid(pid, NULL, 0);
	}
	return 3;
}

/* Each says that it has its blocks, then all wait for the end of the pipe. */
static int together(const char *how, int n, int for_ms)
{
	int have[2], may_end[2];
	char byte;

	if (pipe(have) < 0 || pipe(may_end) < 0)
		return 9;
	for (int i = 0; i < n; i++) {
		if (fork() == 0) {
			(void)close(may_end[1]);
			allocate(own, 2);
			(void)!write(have[1], "x", 1);
			(void)!read(may_end[0], &byte, 1);
			end(how);
			return 0;
		}
	}
	for (int i = 0; i < n; i++)
		(void)!read(have[0], &byte, 1);
	(void)poll(NULL, 0, for_ms);
	(void)close(may_end[1]);
	while (wait(NULL) > 0)
		;
	return 3;
}

static int with_child(const char *mode)
{
	allocate(inherited, 10);
	const pid_t pid = fork();
	if (pid == 0) {
		if (strcmp(mode, "mixes") == 0)
			allocate(own + 10, 10);
		release(inherited, 10);
		if (strcmp(mode, "renews") == 0)
			allocate(own, 10);
		if (strcmp(mode, "mixes") == 0)
			allocate(own, 5);
		if (strcmp(mode, "grandchild") == 0 && fork() == 0) {
			allocate(own, 10);
			_exit(0);
		}
		while (wait(NULL) > 0)
			;
		if (strcmp(mode, "frees") == 0)
			(void)poll(NULL, 0, 60); /* while the parent allocates */
		_exit(0);
	}
	if (strcmp(mode, "frees") == 0) {
		(void)poll(NULL, 0, 20);
		allocate(own, 10);
	}
	(void)waitpid(pid, NULL, 0);
	return 3;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	const int n = argc > 3 ? atoi(argv[3]) : 0;
	char *half = malloc(MB / 2);

	if (half == NULL || n > MOST)
		return 9;
	memset(half, 1, MB / 2);
	if (strcmp(mode, "serial") == 0)
		return serial(argv[2], n);
	if (strcmp(mode, "together") == 0 || strcmp(mode, "burst") == 0)
		return together(argv[2], n, strcmp(mode, "burst") == 0 ? 0 : 200);
	return with_child(mode);
}
