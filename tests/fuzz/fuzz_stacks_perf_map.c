/* SPDX-License-Identifier: MIT */
/* A map of names that a compiler at run time, or somebody in its place, wrote. */

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzzing.h"
#include "userspace/stacks/perf_map.h"

enum { PLACES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct code_place places[PLACES];
	const char *names[PLACES] = { NULL };
	struct arena *arena = arena_new();
	const int fd = memfd_create("map", MFD_CLOEXEC);
	for (uint32_t i = 0; i < PLACES; i++)
		places[i] = (struct code_place){ .offset = (uint64_t)i << i, .id = i };
	const struct symbol_search search = {
		.places = places,
		.n = PLACES,
		.names = names,
		.names_arena = arena,
		.until_ns = UINT64_MAX,
	};
	if (arena == NULL || fd < 0 || write(fd, data, size) != (ssize_t)size ||
	    perf_map_find(fd, &search) < 0)
		abort();
	for (size_t i = 0; i < PLACES; i++)
		if (names[i] != NULL && memchr(names[i], '\n', strlen(names[i])) != NULL)
			abort();
	(void)close(fd);
	arena_free(arena);
	return 0;
}
