/* build: pthread tcmalloc mimalloc jemalloc own-runtime */
/* SPDX-License-Identifier: MIT */
/* Allocates with each operator new: "heap_cxx ROUNDS [throw|handler|threads]". What the
 * runtime allocates for itself is in a run of 0 rounds, too. */
#include <pthread.h>

#include <cstdlib>
#include <cstring>
#include <new>

enum { N_THREADS = 37, HUGE_SHIFT = 62 };
#define ALIGNED std::align_val_t(64)

/* 30 allocations of 41 bytes, of which 20 are freed, in every way there is. */
static void round_of_all()
{
	for (int i = 0; i < 3; i++)
		(void)operator new(41);
	for (int i = 0; i < 7; i++)
		(void)operator new[](41, std::nothrow);
	operator delete(operator new(41));
	operator delete(operator new(41), std::nothrow);
	operator delete(operator new(41), std::size_t(41));
	operator delete[](operator new[](41));
	operator delete[](operator new[](41), std::nothrow);
	operator delete[](operator new[](41), std::size_t(41));
	operator delete(operator new(41, ALIGNED), ALIGNED);
	operator delete(operator new(41, ALIGNED), ALIGNED, std::nothrow);
	operator delete(operator new(41, ALIGNED), std::size_t(41), ALIGNED);
	operator delete[](operator new[](41, ALIGNED), ALIGNED);
	operator delete[](operator new[](41, ALIGNED), ALIGNED, std::nothrow);
	operator delete[](operator new[](41, ALIGNED), std::size_t(41), ALIGNED);
	operator delete(operator new(41, std::nothrow));
	operator delete[](operator new[](41, std::nothrow));
	operator delete(operator new(41, ALIGNED, std::nothrow), ALIGNED);
	operator delete[](operator new[](41, ALIGNED, std::nothrow), ALIGNED);
	free(operator new(41));
	operator delete(malloc(41));
	operator delete(static_cast<void *>(nullptr));
	void *p = realloc(operator new(41), 41);
	free(p);
}

static void *thread_of_rounds(void *rounds)
{
	for (int i = 0; i < *static_cast<int *>(rounds); i++)
		round_of_all();
	return nullptr;
}

static void in_threads(int rounds)
{
	pthread_t threads[N_THREADS];
	for (pthread_t &t : threads)
		(void)pthread_create(&t, nullptr, thread_of_rounds, &rounds);
	for (pthread_t &t : threads)
		(void)pthread_join(t, nullptr);
}

static int n_handled;

static void give_up()
{
	n_handled++;
	std::set_new_handler(nullptr);
}

/* The exception passes whoever stands between us and operator new. */
static bool is_refused(std::size_t n)
{
	try {
		(void)operator new(n);
	} catch (const std::bad_alloc &) {
		try {
			(void)operator new[](n, ALIGNED);
		} catch (const std::bad_alloc &) {
			return operator new(n, std::nothrow) == nullptr;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	const int rounds = argc > 1 ? atoi(argv[1]) : 0;
	const char *mode = argc > 2 ? argv[2] : "";
	const std::size_t huge = std::size_t(1) << HUGE_SHIFT;

	if (strcmp(mode, "threads") == 0)
		in_threads(rounds);
	for (int i = 0; i < rounds && strcmp(mode, "threads") != 0; i++)
		round_of_all();
	if (strcmp(mode, "handler") == 0)
		std::set_new_handler(give_up);
	if (strcmp(mode, "throw") == 0 || strcmp(mode, "handler") == 0) {
		if (!is_refused(huge))
			return 1;
	}
	if (strcmp(mode, "handler") == 0 && n_handled != 1)
		return 1;
	return 3;
}
