/* SPDX-License-Identifier: MIT */
/* Memory of an interpreter that somebody made up: walks end, texts are texts, lines are found or not. The
 * first byte says which layout it has, 3.13's of its own among them. */
#include <errno.h>
#include <string.h>

#include "tests/fuzz/fuzzing.h"
#include "userspace/stacks/python.h"

enum {
	BASE = 0x1000, /* where the memory begins: small pointers are met by chance */
	PLACES = 128,
	CODES = 8,
};

struct memory {
	const uint8_t *bytes;
	size_t n;
};

static int read_memory(void *data, uint64_t address, void *to, size_t n)
{
	const struct memory *m = data;
	if (address < BASE || address - BASE > m->n || n > m->n - (address - BASE))
		return -EFAULT;
	memcpy(to, m->bytes + (address - BASE), n);
	return 0;
}

static void check_code(const struct python_layout *l, const struct python_place *place,
		       struct memory_reader memory)
{
	struct python_code code;
	if (python_code_read(l, place->code, memory, &code) >= 0) {
		if (code.name.len == 0 || code.file.len == 0)
			abort();
		if (python_code_line(&code, place->offset) < 0 && code.first_line >= 0)
			abort();
		(void)python_code_line(&code, 0);
	}
	python_code_done(&code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct python_layout layout;
	struct python_place places[PLACES];
	if (size < 1)
		return 0;
	struct memory of = { data + 1, size - 1 };
	const struct memory_reader memory = { read_memory, &of };
	const unsigned int version = data[0] % 2 == 0 ? 0x030b : 0x030d;
	if (python_layout_of(version, BASE, memory, &layout) < 0)
		return 0;
	const size_t n = python_walk(&layout, BASE, data[0] / 2, memory, places, PLACES);
	if (n > PLACES)
		abort();
	for (size_t i = 0; i < n && i < CODES; i++)
		check_code(&layout, &places[i], memory);
	const struct python_place first = { .code = BASE, .offset = 0 };
	check_code(&layout, &first, memory);
	return 0;
}
