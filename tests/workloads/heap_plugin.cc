/* build: shared */
/* SPDX-License-Identifier: MIT */
/* A library for heap_load: with a C++ runtime that the program may not have. */
#include <cstdlib>
#include <new>

enum { N_BLOCKS = 41, BLOCK = 97 };

/* Allocates 41 blocks of 97 bytes by new and as many by malloc, frees half of each. 3: all as should be. */
extern "C" int plugin_use()
{
	for (int i = 0; i < N_BLOCKS; i++) {
		char *p = new char[BLOCK];
		void *q = malloc(BLOCK);
		if (i % 2 == 0) {
			delete[] p;
			free(q);
		}
	}
	try {
		(void)operator new(std::size_t(1) << 62);
	} catch (const std::bad_alloc &) {
		return 3;
	}
	return 1;
}
