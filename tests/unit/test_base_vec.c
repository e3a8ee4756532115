/* SPDX-License-Identifier: MIT */
/* The growable array and the owners of cleanup.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/vec.h"

struct point {
	int x;
	int y;
};

struct points VEC(struct point);

static void an_empty_list_has_no_items(void **state)
{
	(void)state;
	struct points points = { 0 };
	size_t n = 0;
	vec_foreach(p, &points)
		n += (size_t)p->x + 1;
	assert_int_equal(n, 0);
	vec_done(&points);
}

static void pushed_items_are_visited_in_order(void **state)
{
	(void)state;
	struct points points = { 0 };
	for (int i = 0; i < 1009; i++)
		assert_int_equal(vec_push(&points, (struct point){ .x = i, .y = -i }), 0);
	assert_int_equal(points.n, 1009);
	int expected = 0;
	vec_foreach(p, &points) {
		assert_int_equal(p->x, expected);
		assert_int_equal(p->y, -expected);
		expected++;
	}
	assert_int_equal(expected, 1009);
	assert_int_equal(vec_last(&points)->x, 1008);
	vec_done(&points);
	assert_int_equal(points.n, 0);
	assert_null(points.items);
}

static void impossible_sizes_leave_the_list_unchanged(void **state)
{
	(void)state;
	struct points points = { 0 };
	assert_int_equal(vec_push(&points, (struct point){ .x = 23 }), 0);
	assert_int_equal(vec_reserve(&points, SIZE_MAX), -ENOMEM);
	assert_int_equal(vec_reserve(&points, SIZE_MAX / 8 + 1), -ENOMEM);
	assert_int_equal(points.n, 1);
	assert_int_equal(points.items[0].x, 23);
	vec_done(&points);
}

static void a_taken_pointer_leaves_null_behind(void **state)
{
	(void)state;
	_cleanup_free_ char *owner = strdup("text");
	_cleanup_free_ char *taken = take_ptr(owner);
	assert_null(owner);
	assert_string_equal(taken, "text");
}

static void a_descriptor_is_closed_at_the_end_of_its_scope_unless_taken(void **state)
{
	(void)state;
	int taken = -1;
	int number = -1;
	{
		_cleanup_close_ int kept = open("/dev/null", O_RDONLY | O_CLOEXEC);
		_cleanup_close_ int given = open("/dev/null", O_RDONLY | O_CLOEXEC);
		number = kept;
		taken = take_fd(given);
		assert_int_equal(given, -1);
	}
	assert_int_equal(fcntl(number, F_GETFD), -1);
	assert_true(fcntl(taken, F_GETFD) >= 0);
	assert_int_equal(close(taken), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_list_has_no_items),
		cmocka_unit_test(pushed_items_are_visited_in_order),
		cmocka_unit_test(impossible_sizes_leave_the_list_unchanged),
		cmocka_unit_test(a_taken_pointer_leaves_null_behind),
		cmocka_unit_test(a_descriptor_is_closed_at_the_end_of_its_scope_unless_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
