/* build: musl */
/* SPDX-License-Identifier: MIT */
/* "heap_family ROUNDS": in each round, by each function of the malloc family, 17 allocations of which 16 are
 * freed; 7 are aligned, 2 by calloc, 5 are resized. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void round_of_all(void)
{
	void *p = NULL;

	for (int i = 0; i < 2; i++)
		free(calloc(7, 41));
	for (int i = 0; i < 3; i++) {
		if (posix_memalign(&p, 64, 97) != 0)
			exit(9);
		free(p);
	}
	for (int i = 0; i < 2; i++)
		free(aligned_alloc(64, 128));
	free(memalign(64, 128));
	free(valloc(41));
	free(strdup("what libc allocates for the program"));
	p = malloc(23);
	for (int i = 0; i < 5; i++)
		p = realloc(p, (size_t)i * 20011 + 41);
	(void)malloc(41);
	free(p);
}

int main(int argc, char **argv)
{
	for (int rounds = argc > 1 ? atoi(argv[1]) : 0; rounds > 0; rounds--)
		round_of_all();
	return 3;
}
