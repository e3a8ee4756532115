/* SPDX-License-Identifier: MIT */
/* Code at the end of a mapping, made up: its row is one that can be followed, or there is none. */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzzing.h"
#include "userspace/stacks/row_exit.h"

enum { PAGE = 4096 };

static uint8_t *page; /* with nothing behind it */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	page = mmap(NULL, (size_t)2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	return page == MAP_FAILED || munmap(page + PAGE, PAGE) < 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct code memory = { .pid = getpid() };
	struct row row = { .flags = 0 };
	if (size < 1 || size > PAGE)
		return 0;
	uint8_t *at = page + PAGE - size;
	memset(page, 0xcc, PAGE);
	memcpy(at, data, size);
	if (row_from_exit(&memory, (uint64_t)(uintptr_t)at, &row) != ROW_EXIT_FOUND)
		return 0;
	if ((row.cfa_register != REGISTER_RSP && row.cfa_register != REGISTER_RBP) ||
	    row.saved[SAVED_RIP] != RETURN_ADDRESS / WORD || !(row.flags & ROW_BY_CODE))
		abort();
	/* What is below RSP is in no slice. */
	if (row.cfa_register == REGISTER_RSP && row.cfa_offset < WORD)
		abort();
	return 0;
}
