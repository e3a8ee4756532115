/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/lane.h"
#include "preload/sys.h"
#include "tests/unit/cmocka.h"

enum { THREADS = 8, EACH = 23 };

static const struct lane_spec spec = { .records_end = SL_LANE_RECORDS, .ns_pid = 7 };

static struct sl_lane *lane_new(void)
{
	const uint32_t n = SL_LANE_BYTES(spec.records_end);
	void *memory = NULL;

	assert_int_equal(posix_memalign(&memory, 4096, n), 0);
	memset(memory, 0, n);
	lane_init(memory, &spec, n);
	return memory;
}

static void records_follow_each_other(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new();
	struct sl_event *a = lane_reserve(lane, 33);
	struct sl_event *b = lane_reserve(lane, sizeof(struct sl_mark));

	assert_ptr_equal((unsigned char *)a, (unsigned char *)lane + lane->records_offset);
	assert_int_equal(a->size, 40);
	assert_ptr_equal((unsigned char *)b, (unsigned char *)a + 40);
	assert_int_equal(a->kind, SL_KIND_NONE);
	lane_commit(a, SL_KIND_COVER);
	assert_int_equal(a->kind, SL_KIND_COVER);
	assert_int_equal(lane->cursor >> 32, 2);
	free(lane);
}

static void a_full_lane_counts_what_it_refuses(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new();
	uint64_t n_attempts = 0, n_given = 0;

	for (; n_attempts < 1009; n_attempts++)
		n_given += lane_reserve(lane, 64) != NULL;
	assert_int_equal(n_given, (lane->records_end - lane->records_offset) / 64);
	assert_int_equal((lane->cursor >> 32) + lane->refused, n_attempts);
	/* Nothing was written behind the end of the records. */
	const unsigned char *behind = (const unsigned char *)lane + lane->records_end;
	for (size_t i = 0; i < SL_LANE_SLOTS * sizeof(struct sl_lane_slot); i++)
		assert_int_equal(behind[i], 0);
	free(lane);
}

static void *write_records(void *data)
{
	for (int i = 0; i < EACH; i++) {
		struct sl_event *event = lane_reserve(data, sizeof(struct sl_mark));
		if (event == NULL)
			return NULL;
		event->tid = (__u32)i;
		lane_commit(event, SL_KIND_MARK);
	}
	return NULL;
}

static void threads_do_not_overwrite_each_other(void **state)
{
	(void)state;
	struct sl_lane *lane = lane_new();
	pthread_t threads[THREADS];
	int seen[EACH] = { 0 };

	/* More than fits: the end is part of the test. */
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_records, lane), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	uint32_t at = lane->records_offset, n = 0;
	while (at + sizeof(struct sl_mark) <= lane->records_end) {
		const struct sl_event *event =
			(const struct sl_event *)(const void *)((unsigned char *)lane + at);
		if (event->size == 0)
			break;
		assert_int_equal(event->kind, SL_KIND_MARK);
		seen[event->tid]++;
		at += event->size;
		n++;
	}
	assert_int_equal(n, (lane->records_end - lane->records_offset) / sizeof(struct sl_mark));
	for (int i = 0; i < EACH; i++)
		assert_in_range(seen[i], 0, THREADS);
	free(lane);
}

static void a_lane_is_a_file_that_is_fully_allocated(void **state)
{
	(void)state;
	char directory[] = "/tmp/startline-test-XXXXXX", command[128];
	struct stat s;

	assert_non_null(mkdtemp(directory));
	const struct lane_spec in = { .directory = directory,
				      .records_end = SL_LANE_RECORDS,
				      .ns_pid = 41 };
	struct sl_lane *lane = lane_open(&in);
	assert_non_null(lane);
	assert_int_equal(lane->magic, SL_LANE_MAGIC);
	(void)snprintf(command, sizeof(command), "%s/41-%llu", directory,
		       (unsigned long long)lane->start_ns);
	assert_int_equal(stat(command, &s), 0);
	assert_int_equal(s.st_size, lane->bytes);
	assert_true((uint64_t)s.st_blocks * 512 >= lane->bytes);
	(void)munmap(lane, lane->bytes);
	(void)unlink(command);
	(void)rmdir(directory);
}

static void a_lane_made_beforehand_is_taken_if_it_is_whole(void **state)
{
	(void)state;
	char directory[] = "/tmp/startline-test-XXXXXX", path[64];
	struct sl_tree tree = { .pool_made = 2 };

	assert_non_null(mkdtemp(directory));
	/* The second one is too short to be used. */
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/pool-%d", directory, i);
		const int fd = open(path, O_RDWR | O_CREAT, 0600);
		assert_int_equal(posix_fallocate(fd, 0, SL_LANE_BYTES(SL_LANE_RECORDS) >> i), 0);
		(void)close(fd);
	}
	for (uint32_t i = 0; i < 3; i++) {
		const struct lane_spec in = { .directory = directory,
					      .records_end = SL_LANE_RECORDS,
					      .ns_pid = 41,
					      .start_ns = i,
					      .tree = &tree };
		struct sl_lane *lane = lane_open(&in);
		assert_non_null(lane);
		assert_int_equal(lane->magic, SL_LANE_MAGIC);
		assert_int_equal(tree.pool_claimed, i < 2 ? i + 1 : 2);
		(void)munmap(lane, lane->bytes);
		(void)snprintf(path, sizeof(path), "%s/41-%u", directory, i);
		assert_int_equal(unlink(path), i == 0 ? -1 : 0);
	}
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/pool-%d", directory, i);
		assert_int_equal(unlink(path), 0);
	}
	(void)rmdir(directory);
}

static void trouble_gives_no_lane(void **state)
{
	(void)state;
	struct rlimit before, small = { .rlim_cur = 4096, .rlim_max = RLIM_INFINITY };
	const struct lane_spec nowhere = { .directory = "/nonexistent",
					   .records_end = SL_LANE_RECORDS };
	const struct lane_spec limited = { .directory = "/tmp", .records_end = SL_LANE_RECORDS };

	assert_null(lane_open(&nowhere));
	assert_null(tree_open("/nonexistent"));
	/* Without the check the kernel would end this test with SIGXFSZ. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_null(lane_open(&limited));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_follow_each_other),
		cmocka_unit_test(a_full_lane_counts_what_it_refuses),
		cmocka_unit_test(threads_do_not_overwrite_each_other),
		cmocka_unit_test(a_lane_is_a_file_that_is_fully_allocated),
		cmocka_unit_test(a_lane_made_beforehand_is_taken_if_it_is_whole),
		cmocka_unit_test(trouble_gives_no_lane),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
