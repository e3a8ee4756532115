/* SPDX-License-Identifier: MIT */
/* A ring of sampled blocks that somebody made up: what is handed over lies in what was read. The input lies over
 * the header and the first records, and again over the first stack. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/block.h"
#include "tests/fuzz/fuzzing.h"
#include "userspace/collect/shim/block_ring.h"

static int fd = -1;
static struct sl_blocks *ring;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fd = memfd_create("ring", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, sizeof(*ring)) < 0)
		abort();
	ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		abort();
	return 0;
}

static int take(void *data, const struct stack_snapshot *taken, size_t n_bytes_max)
{
	unsigned int *sum = data;
	if (taken->n_bytes > n_bytes_max || taken->reason != SNAPSHOT_BLOCK)
		abort();
	for (size_t i = 0; i < taken->n_bytes; i++)
		*sum += taken->bytes[i];
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct block_ring reader = { .name = "" };
	const size_t at[] = { offsetof(struct sl_blocks, n_records),
			      offsetof(struct sl_blocks, records),
			      offsetof(struct sl_blocks, stacks) };
	unsigned int sum = 0;

	ring->header.magic = SL_BLOCKS_MAGIC;
	ring->header.version = SL_BLOCKS_VERSION;
	for (size_t i = 0; i < 3; i++) {
		const size_t skip = i == 0 ? 0 : 16;
		const size_t n = i == 0 ? 16 : 8192;
		if (size > skip)
			memcpy((char *)ring + at[i], data + skip,
			       size - skip < n ? size - skip : n);
	}
	for (int i = 0; i < 3; i++)
		(void)block_ring_read(&reader, fd, i == 2, take, &sum);
	return 0;
}
