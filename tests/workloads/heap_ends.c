/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* Threads allocate and free until the program ends as it is told to, and keep books of it in shared memory, which
 * outlives them: what each was about to do, and has done. What was counted must be in between.
 * usage: heap_ends BOOKS HOW THREADS STEPS PAUSE AGAIN
 * The first thread ends the program, or executes it AGAIN times, after STEPS, of which each begins with a pause of
 * so many us; the others are then at any step. With 0 steps none does anything. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_THREADS = 16, HELD = 17 };

static struct book {
	volatile int64_t begun, done, begun_bytes, done_bytes, begun_frees, done_frees, is_there,
		pad;
} * books;

static int n_threads;
static int64_t n_steps;
static useconds_t pause_us;
static const char *how;
static char **arguments;
static pthread_barrier_t all_there;

/* Sizes are such that one of 4 KiB samples them all, and that none is mapped by itself. */
static void *take(struct book *b, int64_t step)
{
	const int64_t n = 90001 + step % 97;

	b->begun++;
	b->begun_bytes += n;
	void *p = malloc((size_t)n);
	b->done_bytes += n;
	b->done++;
	return p;
}

static void give(struct book *b, void *p)
{
	if (p == NULL)
		return;
	b->begun_frees++;
	free(p);
	b->done_frees++;
}

static void work(struct book *b, int64_t steps)
{
	void *held[HELD] = { NULL };

	for (int64_t i = 0; i < steps; i++) {
		if (pause_us > 0)
			(void)usleep(pause_us);
		give(b, held[i % HELD]);
		held[i % HELD] = take(b, i);
	}
}

/* Ends only with the program. */
static void *thread(void *book)
{
	(void)pthread_barrier_wait(&all_there);
	work(book, n_steps > 0 ? INT64_MAX : 0);
	(void)pause();
	return NULL;
}

/* The parent is killed by it, whatever it is just doing. */
static void fork_killer(void)
{
	const pid_t parent = getpid();

	if (fork() != 0)
		return;
	while ((!books[0].is_there || books[0].done < n_steps) && getppid() == parent)
		(void)usleep(100);
	(void)kill(parent, SIGKILL);
	_exit(0);
}

static void fill_memory(struct book *b)
{
	for (int64_t i = 0; n_steps > 0; i++)
		memset(take(b, i), 1, 90001);
}

__attribute__((noinline)) static int64_t deeper(struct book *b, int64_t depth)
{
	volatile char frame[2000];

	frame[depth % 2000] = 1;
	if (n_steps > 0 && depth % 41 == 0) {
		if (pause_us > 0)
			(void)usleep(pause_us);
		give(b, take(b, depth));
	}
	return depth == INT64_MAX ? 0 : deeper(b, depth + 1) + frame[depth % 2000];
}

static void allocate_and_end(int signal)
{
	(void)signal;
	if (n_steps > 0)
		work(&books[0], 41);
	_exit(7);
}

static void overflow(struct book *b, int has_handler)
{
	const stack_t stack = { .ss_sp = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
				.ss_size = 65536 };
	const struct sigaction action = { .sa_handler = allocate_and_end, .sa_flags = SA_ONSTACK };

	if (has_handler) {
		(void)sigaltstack(&stack, NULL);
		(void)sigaction(SIGSEGV, &action, NULL);
	}
	(void)deeper(b, 0);
}

static void execute_again(void)
{
	char again[16];
	const int n = atoi(arguments[6]);

	if (n == 0)
		_exit(5);
	(void)snprintf(again, sizeof(again), "%d", n - 1);
	arguments[6] = again;
	(void)execv(arguments[0], arguments);
	_exit(99);
}

static void end(void)
{
	if (strcmp(how, "killed") == 0) {
		work(&books[0], n_steps > 0 ? INT64_MAX : 0);
		(void)pause();
	} else if (strcmp(how, "_exit") == 0)
		_exit(3);
	else if (strcmp(how, "abort") == 0)
		abort();
	else if (strcmp(how, "overflow") == 0 || strcmp(how, "overflow-handled") == 0)
		overflow(&books[0], how[8] != '\0');
	else if (strcmp(how, "exec") == 0)
		execute_again();
	else if (strcmp(how, "oom") == 0)
		fill_memory(&books[0]);
	(void)raise(SIGKILL);
}

int main(int argc, char **argv)
{
	const struct rlimit no_core = { 0, 0 };
	const int fd = argc > 6 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	pthread_t ignored;

	if (fd < 0 || ftruncate(fd, MAX_THREADS * sizeof(*books)) != 0)
		return 2;
	books = mmap(NULL, MAX_THREADS * sizeof(*books), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	how = argv[2];
	n_threads = atoi(argv[3]);
	n_steps = atoi(argv[4]);
	pause_us = (useconds_t)atoi(argv[5]);
	arguments = argv;
	if (books == MAP_FAILED || n_threads < 1 || n_threads > MAX_THREADS)
		return 2;
	(void)setrlimit(RLIMIT_CORE, &no_core);
	if (strcmp(how, "killed") == 0)
		fork_killer();
	(void)pthread_barrier_init(&all_there, NULL, (unsigned int)n_threads);
	for (int i = 1; i < n_threads; i++)
		if (pthread_create(&ignored, NULL, thread, &books[i]) != 0)
			return 1;
	/* What is made with the first sample is there when the others begin. */
	if (n_steps > 0)
		give(&books[0], take(&books[0], 0));
	books[0].is_there = 1;
	(void)pthread_barrier_wait(&all_there);
	work(&books[0], n_steps);
	end();
}
