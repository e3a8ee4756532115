/* SPDX-License-Identifier: MIT */
/* A heap whose call sites are known: load_catalog() holds BLOCKS (757 unless told) blocks of 4,099 bytes, parse() 307
 * of 1,009, and loop() frees each of 5,003 at once. */
#include <stdlib.h>
#include <string.h>

#define MAX_BLOCKS 9973
#define PARSED	   307
#define TEMPORARY  5003

static void *catalog[MAX_BLOCKS], *parsed[PARSED];

__attribute__((noinline)) static void load_catalog(int blocks)
{
	for (int i = 0; i < blocks; i++) {
		catalog[i] = malloc(4099);
		if (catalog[i] != NULL)
			memset(catalog[i], 1, 4099);
	}
}

__attribute__((noinline)) static void parse(void)
{
	for (int i = 0; i < PARSED; i++) {
		parsed[i] = malloc(1009);
		if (parsed[i] != NULL)
			memset(parsed[i], 1, 1009);
	}
}

__attribute__((noinline)) static void loop(void)
{
	for (int i = 0; i < TEMPORARY; i++) {
		void *volatile block = malloc(503);
		free(block);
	}
}

int main(int argc, char **argv)
{
	const int blocks = argc > 1 ? atoi(argv[1]) : 757;
	load_catalog(blocks < MAX_BLOCKS ? blocks : MAX_BLOCKS);
	parse();
	loop();
	return 0;
}
