/* build: pthread musl static m32 nopie asan */
/* SPDX-License-Identifier: MIT */
/* Known answers: 23 mallocs of 41 bytes before main, 41 after it, 7 frees, 5 reallocs to 97; then an
 * end of the caller's choice; `few`: a forked child allocates 13 bytes 7 times. Nothing else allocates.
 * usage: heap_counts [return|_exit|kill|segv|few|fork|clone|vfork|threads|exec PROGRAM ARG...] */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BEFORE = 23, AFTER = 41, SIZE = 41, FREES = 7, REALLOCS = 5, LARGER = 97, THREADS = 8 };

static void *early[BEFORE];

__attribute__((constructor)) static void before_main(void)
{
	for (int i = 0; i < BEFORE; i++)
		early[i] = malloc(SIZE);
}

static void after_main(void)
{
	void *blocks[AFTER];
	for (int i = 0; i < AFTER; i++)
		blocks[i] = malloc(SIZE);
	for (int i = 0; i < FREES; i++)
		free(blocks[i]);
	for (int i = FREES; i < FREES + REALLOCS; i++)
		blocks[i] = realloc(blocks[i], LARGER);
}

static void *thread(void *unused)
{
	after_main();
	return unused;
}

static int wait_for(pid_t pid)
{
	int status = 0;
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int in_threads(void)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, thread, NULL) != 0)
			return 1;
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	return 3;
}

int main(int argc, char **argv)
{
	const char *end = argc > 1 ? argv[1] : "return";
	pid_t pid = -1;

	if (strcmp(end, "threads") == 0)
		return in_threads();
	if (strcmp(end, "few") == 0) {
		pid = fork();
		if (pid != 0)
			return wait_for(pid);
		for (int i = 0; i < 7; i++)
			early[i] = malloc(13);
		_exit(3);
	}
	if (strcmp(end, "fork") == 0 || strcmp(end, "clone") == 0) {
		/* The raw call goes past libc and its fork handlers. */
		pid = end[0] == 'f' ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		if (pid != 0)
			return wait_for(pid);
	}
	after_main();
	if (strcmp(end, "vfork") == 0) {
		pid = vfork();
		if (pid == 0) {
			char *const none[] = { NULL };
			(void)execve(argv[2], argv + 2, none);
			_exit(99);
		}
		return wait_for(pid);
	}
	if (strcmp(end, "kill") == 0)
		(void)kill(getpid(), SIGKILL);
	if (strcmp(end, "segv") == 0)
		*(volatile int *)8 = 0;
	if (strcmp(end, "exec") == 0)
		(void)execv(argv[2], argv + 2);
	if (strcmp(end, "return") == 0)
		return 3;
	_exit(3);
}
