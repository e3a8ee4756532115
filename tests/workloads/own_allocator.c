/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* A program whose live bytes are known, in sizes that jemalloc and tcmalloc do not round up. To be linked with
 * an allocator of its own: the test does that.
 *
 *	own_allocator threads READY	1009 blocks of 1 KiB, and in a second thread 101 of 5 KiB
 *	own_allocator handler READY	exit is called by a signal's handler, mostly in the middle of malloc
 *	own_allocator forks READY	as `threads`, but a child goes on, and exits */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_SMALL = 1009, SMALL = 1024, N_LARGE = 101, LARGE = 5120, N_FREED = 5003, FREED = 768 };

static void *kept[N_SMALL + N_LARGE];
static size_t n_kept;
static pthread_barrier_t barrier;

static void keep(size_t n, size_t bytes)
{
	for (size_t i = 0; i < n; i++) {
		void *p = malloc(bytes);
		if (p == NULL)
			abort();
		memset(p, 1, bytes);
		kept[n_kept++] = p;
	}
}

static void *thread(void *unused)
{
	keep(N_LARGE, LARGE);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return unused;
}

static void say_ready(const char *path)
{
	FILE *f = fopen(path, "w");
	if (f == NULL || fputs("ready\n", f) == EOF || fclose(f) == EOF)
		abort();
	/* Until it was looked at. */
	usleep(300000);
}

static void leave(int signal)
{
	exit(signal == SIGALRM ? 0 : 1);
}

static void allocate_until_told(void)
{
	struct sigaction action = { .sa_handler = leave };
	sigaction(SIGALRM, &action, NULL);
	ualarm(20000, 0);
	for (size_t i = 0;; i++) {
		void *volatile p = malloc(i % 20011);
		free(p);
	}
}

int main(int argc, char **argv)
{
	pthread_t id;
	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "handler") == 0)
		allocate_until_told();
	keep(N_SMALL, SMALL);
	for (int i = 0; i < N_FREED; i++) {
		void *volatile p = malloc(FREED);
		free(p);
	}
	if (pthread_barrier_init(&barrier, NULL, 2) != 0 ||
	    pthread_create(&id, NULL, thread, NULL) != 0)
		return 3;
	pthread_barrier_wait(&barrier);
	if (strcmp(argv[1], "forks") == 0) {
		const pid_t child = fork();
		if (child == 0)
			exit(0);
		waitpid(child, NULL, 0);
	}
	say_ready(argv[2]);
	pthread_barrier_wait(&barrier);
	pthread_join(id, NULL);
	printf("done\n");
	return 0;
}
