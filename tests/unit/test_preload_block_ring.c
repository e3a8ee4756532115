/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload/block_ring.h"
#include "tests/unit/cmocka.h"

enum { THREADS = 4, ROUNDS = 20011, PAGE = 4096 };

static struct sl_blocks *ring_new(void)
{
	struct sl_blocks *ring = calloc(1, sizeof(*ring));

	assert_non_null(ring);
	block_ring_init(ring, 41);
	return ring;
}

static void a_record_is_whole_when_it_is_committed(void **state)
{
	(void)state;
	struct sl_blocks *ring = ring_new();
	struct sl_block_record *record = block_ring_begin(ring);

	assert_ptr_equal(record, &ring->records[0]);
	assert_int_equal(record->state, SL_BLOCK_BUSY(0));
	block_ring_commit(record);
	assert_int_equal(record->state, SL_BLOCK_WHOLE(0));
	assert_int_equal(ring->n_records, 1);
	free(ring);
}

static void the_oldest_makes_room_and_a_busy_one_does_not(void **state)
{
	(void)state;
	struct sl_blocks *ring = ring_new();
	struct sl_block_record *busy = block_ring_begin(ring);

	for (unsigned int i = 1; i < SL_BLOCKS_RECORDS; i++)
		block_ring_commit(block_ring_begin(ring));
	assert_null(block_ring_begin(ring));
	struct sl_block_record *second = block_ring_begin(ring);
	assert_ptr_equal(second, &ring->records[1]);
	block_ring_commit(busy);
	assert_int_equal(busy->state, SL_BLOCK_WHOLE(0));
	free(ring);
}

static void only_what_can_be_read_of_a_stack_is_copied(void **state)
{
	(void)state;
	struct sl_blocks *ring = ring_new();
	struct sl_block_record *record = block_ring_begin(ring);
	unsigned char *pages =
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uintptr_t at = (uintptr_t)pages + PAGE - 41;

	assert_true(pages != MAP_FAILED);
	memset(pages, 23, 2 * PAGE);
	assert_int_equal(mprotect(pages + 2 * PAGE, PAGE, PROT_NONE), 0);
	block_ring_copy_stack(ring, record, (uint32_t)getpid(), at, SL_BLOCKS_STACK_BYTES);
	assert_int_equal(record->stack, 1);
	assert_int_equal(ring->stacks[0].n_bytes, PAGE + 41);
	assert_memory_equal(ring->stacks[0].bytes, (void *)at, PAGE + 41);
	block_ring_copy_stack(ring, record, (uint32_t)getpid(), at, 97);
	assert_int_equal(ring->stacks[1].n_bytes, 97);
	block_ring_copy_stack(ring, record, (uint32_t)getpid(), 8, SL_BLOCKS_STACK_BYTES);
	assert_int_equal(ring->stacks[2].n_bytes, 0);
	assert_int_equal(ring->stacks[2].state, SL_BLOCK_WHOLE(2));
	munmap(pages, 3 * PAGE);
	free(ring);
}

static void *write_many(void *data)
{
	struct sl_blocks *ring = data;
	uintptr_t n_lost = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct sl_block_record *record = block_ring_begin(ring);
		if (record == NULL) {
			n_lost++;
			continue;
		}
		memset(record->snapshot, i, sizeof(record->snapshot));
		block_ring_commit(record);
	}
	return (void *)n_lost;
}

static void threads_never_share_a_place(void **state)
{
	(void)state;
	struct sl_blocks *ring = ring_new();
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, ring), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(ring->n_records, THREADS * ROUNDS);
	for (unsigned int i = 0; i < SL_BLOCKS_RECORDS; i++) {
		assert_int_equal(ring->records[i].state % 2, 0);
		for (int k = 1; k < 22; k++)
			assert_int_equal(ring->records[i].snapshot[k],
					 ring->records[i].snapshot[0]);
	}
	free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_whole_when_it_is_committed),
		cmocka_unit_test(the_oldest_makes_room_and_a_busy_one_does_not),
		cmocka_unit_test(only_what_can_be_read_of_a_stack_is_copied),
		cmocka_unit_test(threads_never_share_a_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
