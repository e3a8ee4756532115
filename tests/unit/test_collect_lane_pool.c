/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/lane.h"
#include "tests/unit/cmocka.h"
#include "userspace/collect/shim/lane_pool.h"
#include "userspace/collect/shim/lane_reader.h"

enum { SIZE = 3, BYTES = SL_LANE_BYTES(SL_LANE_RECORDS), LIMIT = 20 };

struct fixture {
	struct session_dir dir;
	int tree_fd;
	struct lane_pool pool;
};

static int set_up(void **state)
{
	static struct fixture f;

	(void)snprintf(f.dir.path, sizeof(f.dir.path), "/tmp/startline-test-XXXXXX");
	if (mkdtemp(f.dir.path) == NULL)
		return -1;
	f.dir.fd = open(f.dir.path, O_RDONLY | O_DIRECTORY);
	if (session_dir_make_tree(&f.dir, 0, 0, &f.tree_fd) < 0)
		return -1;
	lane_pool_init(&f.pool, &f.dir, f.tree_fd, false, SIZE);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	(void)close(f->tree_fd);
	session_dir_remove(&f->dir);
	return 0;
}

static void claim(const struct fixture *f, uint32_t next)
{
	assert_int_equal(
		pwrite(f->tree_fd, &next, sizeof(next), offsetof(struct sl_tree, pool_claimed)),
		sizeof(next));
}

static uint32_t made(const struct fixture *f)
{
	uint32_t n = 0;

	assert_int_equal(pread(f->tree_fd, &n, sizeof(n), offsetof(struct sl_tree, pool_made)),
			 sizeof(n));
	return n;
}

static void lanes_are_allocated(void **state)
{
	const struct fixture *f = *state;
	struct stat s;

	assert_int_equal(made(f), SIZE);
	assert_int_equal(fstatat(f->dir.fd, "pool-2", &s, 0), 0);
	assert_int_equal(s.st_size, BYTES);
	assert_true(s.st_blocks * 512 >= BYTES);
	assert_int_equal(fstatat(f->dir.fd, "pool-3", &s, 0), -1);
}

static void what_was_taken_is_replaced(void **state)
{
	struct fixture *f = *state;
	uint32_t first = 99;

	claim(f, 2);
	assert_int_equal(lane_pool_taken(&f->pool, &first), 2);
	assert_int_equal(first, 0);
	lane_pool_refill(&f->pool);
	assert_int_equal(made(f), SIZE + 2);
	assert_int_equal(lane_pool_taken(&f->pool, &first), 2);
	assert_int_equal(first, 2);
}

static void a_number_that_cannot_be_ends_the_pool(void **state)
{
	struct fixture *f = *state;
	uint32_t first = 99;

	claim(f, LIMIT);
	assert_int_equal(lane_pool_taken(&f->pool, &first), SIZE);
	assert_int_equal(first, 0);
	lane_pool_refill(&f->pool);
	assert_int_equal(made(f), SIZE);
	claim(f, 1);
	assert_int_equal(lane_pool_taken(&f->pool, &first), SIZE);
	assert_int_equal(first, SIZE);
}

/* As when there are no descriptors. */
static void when_no_more_can_be_made_the_others_are_still_taken(void **state)
{
	struct fixture *f = *state;
	uint32_t first = 99;

	claim(f, 1);
	assert_int_equal(lane_pool_taken(&f->pool, &first), 1);
	assert_int_equal(close(openat(f->dir.fd, "pool-3", O_WRONLY | O_CREAT | O_EXCL, 0600)), 0);
	lane_pool_refill(&f->pool);
	assert_int_equal(made(f), SIZE);
	claim(f, SIZE);
	assert_int_equal(lane_pool_taken(&f->pool, &first), SIZE);
	assert_int_equal(first, 1);
}

/* Between taking a number and opening the file nobody holds the file: that is no end. */
static void a_lane_that_is_taken_but_not_opened_loses_its_name(void **state)
{
	struct fixture *f = *state;
	struct lane l = { .name = "pool-0", .fd = -1, .is_unsettled = true };
	const int fd = lane_acquire(&l, f->dir.fd, true);

	assert_true(fd >= 0);
	assert_true(lane_is_abandoned(&l, fd));
	const int late = openat(f->dir.fd, "pool-0", O_RDWR);
	lane_settle(&l, f->dir.fd, fd);
	assert_int_equal(openat(f->dir.fd, "pool-0", O_RDWR), -1);
	assert_false(l.is_unsettled);
	/* Who came just before is still seen. */
	assert_false(lane_is_abandoned(&l, l.fd));
	(void)close(late);
	assert_true(lane_is_abandoned(&l, l.fd));
	(void)close(l.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lanes_are_allocated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_taken_is_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_number_that_cannot_be_ends_the_pool, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(when_no_more_can_be_made_the_others_are_still_taken,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lane_that_is_taken_but_not_opened_loses_its_name,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
