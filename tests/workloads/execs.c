/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* Ways to become another program. Known answers: what runs afterwards, and under which pid.
 *
 *	thread		a thread that is not the leader executes `true`
 *	vfork		a vfork child executes `true`
 *	fail PATH	executing PATH fails; ends with status 7
 *	long BYTES	executes itself with an argv of exactly BYTES bytes, NULs included
 *	reuse		two children one after the other with the same pid (needs root) */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *execute(void *unused)
{
	(void)unused;
	execl("/bin/true", "true", "from", "thread", (char *)NULL);
	return NULL;
}

static void *wait_forever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

static int exec_from_thread(void)
{
	pthread_t sleeper, executor;
	if (pthread_create(&sleeper, NULL, wait_forever, NULL) != 0 ||
	    pthread_create(&executor, NULL, execute, NULL) != 0)
		return 1;
	(void)pthread_join(sleeper, NULL);
	return 1;
}

static int exec_from_vfork(void)
{
	int status = 0;
	const pid_t pid = vfork();
	if (pid == 0) {
		execl("/bin/true", "true", "from", "vfork", (char *)NULL);
		_exit(1);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid ? 1 : WEXITSTATUS(status);
}

/* Letters of a period of 89, so that a lost or doubled piece cannot look right. */
static int exec_long(const char *self, size_t bytes)
{
	const size_t fixed = sizeof("execs") + sizeof("end") + 1;
	char *text = malloc(bytes);
	if (text == NULL || bytes <= fixed)
		return 1;
	for (size_t i = 0; i < bytes - fixed; i++)
		text[i] = (char)(33 + i % 89);
	text[bytes - fixed] = '\0';
	execl(self, "execs", "end", text, (char *)NULL);
	return 1;
}

/* The next pid is the kernel's last one plus one, and the last one can be set. Others may be
 * quicker, so this tries until it is given the pid it wants. */
static int same_pid_twice(void)
{
	char text[32];
	const pid_t first = fork();
	if (first == 0)
		execl("/bin/true", "true", "first", (char *)NULL);
	(void)waitpid(first, NULL, 0);
	for (int i = 0; i < 1000; i++) {
		const int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
		const int n = snprintf(text, sizeof(text), "%d", first - 1);
		if (fd < 0 || write(fd, text, (size_t)n) != n)
			return 1;
		(void)close(fd);
		const pid_t pid = fork();
		if (pid == 0) {
			if (getpid() == first)
				execl("/bin/echo", "echo", "second", (char *)NULL);
			_exit(0);
		}
		(void)waitpid(pid, NULL, 0);
		if (pid == first)
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	if (strcmp(what, "end") == 0)
		return 0;
	if (strcmp(what, "thread") == 0)
		return exec_from_thread();
	if (strcmp(what, "vfork") == 0)
		return exec_from_vfork();
	if (strcmp(what, "reuse") == 0)
		return same_pid_twice();
	if (strcmp(what, "long") == 0 && argc > 2)
		return exec_long(argv[0], strtoul(argv[2], NULL, 10));
	if (strcmp(what, "fail") == 0 && argc > 2) {
		execl(argv[2], argv[2], (char *)NULL);
		return errno == ENOENT ? 7 : 1;
	}
	return 2;
}
