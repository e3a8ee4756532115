/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* open_storm N: two threads together fail N times to open a file that is not there: N recorded
 * events, as fast as the machine can. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#define THREADS 2

static void *storm(void *n)
{
	for (long i = *(long *)n; i > 0; i--)
		(void)open("missing", O_RDONLY);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	const long all = argc > 1 ? atol(argv[1]) : 41;
	long n[THREADS];

	for (int i = 0; i < THREADS; i++) {
		n[i] = (all + i) / THREADS;
		if (pthread_create(&threads[i], NULL, storm, &n[i]) != 0)
			return 1;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
