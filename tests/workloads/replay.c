/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* Allocates and frees as a seed says, in threads that free each other's blocks, and in forked children that free
 * what they inherited; and keeps its own books meanwhile, in shared memory that no allocator knows of and that
 * outlives it: allocations, frees and bytes asked for of the whole tree, and usable bytes that the first process
 * has left. With 0 steps it does nothing else that threads and children ask for by themselves.
 * usage: replay BOOKS SEED THREADS STEPS CHILDREN [kill] */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLACES = 512, MAX_THREADS = 64 };

static struct books {
	int64_t allocs, frees, bytes, live;
} * books;

static void *places[PLACES]; /* a block here is whoever's takes it out */
static int n_steps, is_child;

static void add(int64_t *sum, int64_t n)
{
	(void)__atomic_fetch_add(sum, n, __ATOMIC_RELAXED);
}

static void book_allocated(void *p, size_t n)
{
	if (p == NULL)
		abort();
	memset(p, 1, n < 64 ? n : 64);
	add(&books->allocs, 1);
	add(&books->bytes, (int64_t)n);
	if (!is_child)
		add(&books->live, (int64_t)malloc_usable_size(p));
}

/* @usable is what it had before. */
static void book_freed(size_t usable)
{
	add(&books->frees, 1);
	if (!is_child)
		add(&books->live, -(int64_t)usable);
}

static uint64_t draw(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Mostly small ones, now and then one that is mapped by itself. */
static size_t size_of(uint64_t random)
{
	return 1 + (random >> 8) % ((size_t)1 << (3 + random % (random % 97 == 0 ? 18 : 11)));
}

static void *make(uint64_t random, size_t n)
{
	void *p = NULL;

	switch (random % 7) {
	case 0:
		return calloc(1, n);
	case 1:
		return posix_memalign(&p, 64, n) == 0 ? p : NULL;
	case 2:
		return aligned_alloc(32, n);
	case 3:
		return memalign(256, n);
	default:
		return malloc(n);
	}
}

static void drop(void *p)
{
	if (p == NULL)
		return;
	book_freed(malloc_usable_size(p));
	free(p);
}

/* Takes what is in one place, resizes it, and puts it into another, where it may meet another's. */
static void step(uint64_t *state)
{
	const uint64_t random = draw(state), where = draw(state);
	void *p = __atomic_exchange_n(&places[where % PLACES], NULL, __ATOMIC_ACQ_REL);
	const size_t n = size_of(random);

	if (p == NULL) {
		p = make(random >> 32, n);
		book_allocated(p, n);
	} else if (random >> 40 & 1) {
		drop(p);
		return;
	} else {
		const size_t before = malloc_usable_size(p);
		p = realloc(p, n);
		book_freed(before);
		book_allocated(p, n);
	}
	drop(__atomic_exchange_n(&places[(where >> 32) % PLACES], p, __ATOMIC_ACQ_REL));
}

static void *replay(void *seed)
{
	uint64_t state = (uintptr_t)seed * 0x9e3779b97f4a7c15u + 1;

	for (int i = 0; i < n_steps; i++)
		step(&state);
	return NULL;
}

/* All are there before any begins: what libc allocates for them finds the heap as it is without steps. */
static pthread_barrier_t all_there;

static void *thread(void *seed)
{
	(void)pthread_barrier_wait(&all_there);
	return replay(seed);
}

static void in_child(uint64_t seed)
{
	const pid_t pid = fork();

	if (pid == 0) {
		is_child = 1;
		(void)replay((void *)(uintptr_t)seed);
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_THREADS];

	if (argc < 6)
		return 2;
	const int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	const int seed = atoi(argv[2]), n_threads = atoi(argv[3]), n_children = atoi(argv[5]);
	if (fd < 0 || ftruncate(fd, sizeof(*books)) != 0 || n_threads > MAX_THREADS)
		return 2;
	books = mmap(NULL, sizeof(*books), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (books == MAP_FAILED)
		return 2;
	n_steps = atoi(argv[4]);
	(void)pthread_barrier_init(&all_there, NULL, (unsigned int)n_threads);
	for (int i = 0; i < n_threads; i++)
		if (pthread_create(&threads[i], NULL, thread, (void *)(uintptr_t)(1000 * seed + i)))
			return 1;
	for (int i = 0; i < n_threads; i++)
		(void)pthread_join(threads[i], NULL);
	for (int i = 0; i < n_children; i++)
		in_child((uint64_t)(1000 * seed + 500 + i));
	if (argc > 6) {
		uint64_t state = (uint64_t)seed + 7;
		const uint64_t n = n_steps == 0 ? 0 : draw(&state) % (uint64_t)n_steps;
		for (uint64_t i = 0; i < n; i++)
			step(&state);
		(void)raise(SIGKILL);
	}
	return 0;
}
