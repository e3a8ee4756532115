/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/block.h"
#include "tests/unit/cmocka.h"
#include "userspace/base/clock.h"
#include "userspace/collect/shim/block_ring.h"

/* No process has that number. */
enum { PID = 4194305, RANDOM_ROUNDS = 400, SEEN = 4096, OP = 8, ADDRESS = 4 };

struct file {
	int fd;
	struct sl_blocks *ring;
};

static int setup(void **state)
{
	static struct file file;

	file.fd = memfd_create("ring", MFD_CLOEXEC);
	assert_true(file.fd >= 0);
	assert_int_equal(ftruncate(file.fd, sizeof(*file.ring)), 0);
	file.ring = mmap(NULL, sizeof(*file.ring), PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
	assert_true(file.ring != MAP_FAILED);
	file.ring->header = (struct sl_blocks_header){ .magic = SL_BLOCKS_MAGIC,
						       .version = SL_BLOCKS_VERSION,
						       .ns_pid = PID,
						       .start_ns = clock_ns(CLOCK_MONOTONIC),
						       .wall_ns = clock_ns(CLOCK_REALTIME) };
	*state = &file;
	return 0;
}

static int teardown(void **state)
{
	struct file *file = *state;

	munmap(file->ring, sizeof(*file->ring));
	close(file->fd);
	return 0;
}

struct seen {
	size_t n, n_bytes;
	uint64_t addresses[SEEN];
	uint64_t last_ns;
	int answer;
};

static int see(void *data, const struct stack_snapshot *taken, size_t n_bytes_max)
{
	struct seen *seen = data;
	unsigned int sum = 0;

	assert_int_equal(taken->reason, SNAPSHOT_BLOCK);
	assert_int_equal(taken->own_pid, PID);
	assert_true(taken->n_bytes <= n_bytes_max);
	for (size_t i = 0; i < taken->n_bytes; i++)
		sum += taken->bytes[i]; /* a sanitizer looks */
	seen->n_bytes += taken->n_bytes + 0 * sum;
	if (seen->n < SEEN)
		seen->addresses[seen->n] = taken->registers[ADDRESS];
	seen->last_ns = taken->time_ns;
	seen->n++;
	return seen->answer;
}

/* As the shim does. Returns the place, whose state the caller may spoil. */
static struct sl_block_record *tell(struct sl_blocks *ring, enum sl_block_op op, size_t n_stack)
{
	const uint64_t ticket = ring->n_records++;
	struct sl_block_record *record = &ring->records[ticket % SL_BLOCKS_RECORDS];
	struct stack_snapshot *s = (struct stack_snapshot *)(void *)record->snapshot;

	record->stack = 0;
	s->registers[OP] = op;
	s->registers[ADDRESS] = 1000 + ticket;
	if (n_stack > 0) {
		const uint64_t t = ring->n_stacks++;
		struct sl_block_stack *stack = &ring->stacks[t % SL_BLOCKS_STACKS];
		stack->n_bytes = n_stack;
		stack->state = SL_BLOCK_WHOLE(t);
		record->stack = t + 1;
	}
	record->state = SL_BLOCK_WHOLE(ticket);
	return record;
}

static void records_come_once_and_in_order(void **state)
{
	struct file *file = *state;
	struct block_ring ring = { .name = "" };
	struct seen seen = { 0 };

	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), 0);
	for (int i = 0; i < 7; i++)
		(void)tell(file->ring, i % 2 ? SL_BLOCK_FREED : SL_BLOCK_ALLOCATED, i % 2 ? 0 : 23);
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), 7);
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), 0);
	assert_int_equal(seen.n, 7);
	assert_int_equal(seen.n_bytes, 4 * 23);
	for (unsigned int i = 0; i < 7; i++)
		assert_int_equal(seen.addresses[i], 1000 + i);
	assert_int_equal(block_ring_lost(&ring), 0);
}

/* As for a lane, whose writer's clock is told in the same way. */
static void times_of_a_time_namespace_are_made_ours(void **state)
{
	struct file *file = *state;
	struct block_ring ring = { .name = "" };
	struct seen seen = { 0 };
	const uint64_t second_ns = 1000000000, ahead_ns = 5000 * second_ns;
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);

	file->ring->header.start_ns += ahead_ns;
	struct sl_block_record *record = tell(file->ring, SL_BLOCK_FREED, 0);
	((struct stack_snapshot *)(void *)record->snapshot)->time_ns = now + ahead_ns;
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), 1);
	assert_true(seen.last_ns > now - second_ns && seen.last_ns < now + second_ns);
}

static void what_was_overwritten_is_counted_as_lost(void **state)
{
	struct file *file = *state;
	struct block_ring ring = { .name = "" };
	struct seen seen = { 0 };

	for (unsigned int i = 0; i < SL_BLOCKS_RECORDS + 23; i++)
		(void)tell(file->ring, SL_BLOCK_ALLOCATED, 1);
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), SL_BLOCKS_RECORDS);
	assert_int_equal(seen.addresses[0], 1000 + 23);
	/* Of most the stack is gone, and that alone. */
	assert_int_equal(seen.n_bytes, SL_BLOCKS_STACKS);
	assert_int_equal(block_ring_lost(&ring), 23);
}

static void an_unfinished_record_is_waited_for_once(void **state)
{
	struct file *file = *state;
	struct block_ring ring = { .name = "" };
	struct seen seen = { 0 };

	(void)tell(file->ring, SL_BLOCK_ALLOCATED, 1);
	struct sl_block_record *open = tell(file->ring, SL_BLOCK_ALLOCATED, 1);
	const uint64_t whole = open->state;
	(void)tell(file->ring, SL_BLOCK_ALLOCATED, 1);
	open->state = whole - 1;
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), 1);
	open->state = whole;
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), 2);
	open = tell(file->ring, SL_BLOCK_ALLOCATED, 1);
	open->state--;
	(void)tell(file->ring, SL_BLOCK_ALLOCATED, 1);
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), 0);
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), 1);
	assert_int_equal(block_ring_lost(&ring), 1);
	/* At the end nobody writes any more. */
	open = tell(file->ring, SL_BLOCK_ALLOCATED, 1);
	open->state--;
	(void)tell(file->ring, SL_BLOCK_FREED, 0);
	assert_int_equal(block_ring_read(&ring, file->fd, true, see, &seen), 1);
	assert_int_equal(block_ring_lost(&ring), 2);
}

static void places_that_were_left_hold_nobody_up(void **state)
{
	struct file *file = *state;
	struct block_ring ring = { .name = "" };
	struct seen seen = { 0 };

	for (int i = 0; i < 41; i++) {
		tell(file->ring, SL_BLOCK_ALLOCATED, 1)->state--;
		(void)tell(file->ring, SL_BLOCK_ALLOCATED, 1);
	}
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), 0);
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), 41);
	assert_int_equal(block_ring_lost(&ring), 41);
}

static void what_is_no_ring_is_refused(void **state)
{
	struct file *file = *state;
	struct block_ring ring = { .name = "" };
	struct seen seen = { 0 };

	file->ring->header.magic = 0;
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), -EAGAIN);
	file->ring->header.magic = 23;
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), -EBADMSG);
	file->ring->header.magic = SL_BLOCKS_MAGIC;
	file->ring->header.version++;
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), -EBADMSG);
	file->ring->header.version--;
	file->ring->n_records = UINT64_MAX;
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), -EBADMSG);
	file->ring->n_records = 0;
	(void)tell(file->ring, 3, 1);
	tell(file->ring, SL_BLOCK_ALLOCATED, SL_BLOCKS_STACK_BYTES + 1);
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), 1);
	assert_int_equal(seen.n_bytes, 0);
	file->ring->n_records--;
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), -EBADMSG);
	assert_int_equal(ftruncate(file->fd, 100), 0);
	struct block_ring cut = { .name = "" };
	assert_int_equal(block_ring_read(&cut, file->fd, false, see, &seen), -EBADMSG);
}

static void whoever_takes_may_refuse(void **state)
{
	struct file *file = *state;
	struct block_ring ring = { .name = "" };
	struct seen seen = { .answer = -ENOSPC };

	(void)tell(file->ring, SL_BLOCK_ALLOCATED, 1);
	assert_int_equal(block_ring_read(&ring, file->fd, false, see, &seen), -ENOSPC);
}

static void random_bytes_crash_nobody(void **state)
{
	struct file *file = *state;
	unsigned int seed = 7;

	for (int round = 0; round < RANDOM_ROUNDS; round++) {
		struct block_ring ring = { .name = "" };
		struct seen seen = { 0 };
		for (int i = 0; i < 97; i++)
			(void)tell(file->ring, SL_BLOCK_ALLOCATED, 1 + i);
		for (int i = 0; i < 409; i++) {
			uint64_t *word =
				(uint64_t *)(void *)file->ring->records + rand_r(&seed) % 4096;
			*word = rand_r(&seed) % 3 == 0 ? (uint64_t)rand_r(&seed) << 33
						       : (uint64_t)rand_r(&seed) % 400;
		}
		file->ring->n_records += (uint64_t)rand_r(&seed) % 2000;
		for (int i = 0; i < 3; i++)
			(void)block_ring_read(&ring, file->fd, i == 2, see, &seen);
		assert_true(block_ring_lost(&ring) <= file->ring->n_records);
	}
}

static void names_are_told_apart_from_lanes(void **state)
{
	(void)state;
	assert_true(block_ring_name_is_valid("blocks-23-41"));
	assert_false(block_ring_name_is_valid("blocks-23"));
	assert_false(block_ring_name_is_valid("23-41"));
	assert_false(block_ring_name_is_valid("blocks-../41-1"));
	assert_false(lane_name_is_valid("blocks-23-41"));
}

int main(void)
{
#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_FILE(records_come_once_and_in_order),
		WITH_FILE(times_of_a_time_namespace_are_made_ours),
		WITH_FILE(what_was_overwritten_is_counted_as_lost),
		WITH_FILE(an_unfinished_record_is_waited_for_once),
		WITH_FILE(places_that_were_left_hold_nobody_up),
		WITH_FILE(what_is_no_ring_is_refused),
		WITH_FILE(whoever_takes_may_refuse),
		WITH_FILE(random_bytes_crash_nobody),
		cmocka_unit_test(names_are_told_apart_from_lanes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
