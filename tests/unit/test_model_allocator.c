/* SPDX-License-Identifier: MIT */
/* What allocators say that nobody counted, and how sure that is. */

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define BEGIN                                                                                 \
	"0 meta source.bpf=ok\n0 meta source.shim=ok\n0 meta ready=file:/x\n0 mark 9 spawn\n" \
	"1ms exec 9 /x argv=x\n1ms cover 9 own\n"                                             \
	"2ms allocator 9 start jemalloc threads=1 text=5.3.0\n"
#define READY	     "5ms mark 9 ready text=file:/x\n"
#define ONE_MORE     "3ms task 9/10 parent=9 thread\n"
#define LIVE_UNKNOWN " live=18446744073709551615\n"
#define END	     "9ms exit 9 code=0\n"

static const struct allocator *of(const struct session *s, size_t process)
{
	return &s->runs[0].processes[process].allocator;
}

/* What the first process's allocator says at that moment. */
static struct allocator_look look_at(int when, const char *story)
{
	struct session *s = build(story);
	const struct allocator_look look = of(s, 0)->looks[when];
	(void)session_free(s);
	return look;
}

static void the_counters_of_all_threads_are_exact(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN ONE_MORE READY
		"6ms allocator 9 ready jemalloc threads=2 allocated=500 freed=200 held=18446744073709551615" LIVE_UNKNOWN
		"9ms exit 9/10 thread\n9ms exit 9 code=0\n");
	const struct allocator_look *look = &of(s, 0)->looks[LOOK_READY];

	assert_string_equal(of(s, 0)->name, "jemalloc");
	assert_string_equal(of(s, 0)->version, "5.3.0");
	assert_string_equal(s->runs[0].processes[0].coverage_heap, "own allocator: jemalloc");
	assert_true(look->is_known);
	assert_int_equal(look->live_bytes, 300);
	assert_int_equal(look->error_bytes, 0);
	assert_int_equal(look->allocated_bytes, 500);
	assert_int_equal(look->threads_ended, 0);
	assert_int_equal(look->held_bytes, UNKNOWN);
	assert_false(of(s, 0)->looks[LOOK_END].is_known);
	assert_false(s->runs[0].processes[0].heap.is_known);
	(void)session_free(s);
}

static void a_thread_that_ended_took_its_counters_along(void **state)
{
	(void)state;
	const struct allocator_look look = look_at(
		LOOK_READY, BEGIN ONE_MORE
		"4ms exit 9/10 thread\n" READY
		"6ms allocator 9 ready jemalloc threads=1 allocated=500 freed=200" LIVE_UNKNOWN
			END);

	assert_int_equal(look.live_bytes, 300);
	assert_int_equal(look.error_bytes, UNKNOWN);
	assert_int_equal(look.threads_ended, 1);
}

#define AT_EXIT \
	"8ms allocator 9 exit jemalloc threads=1 allocated=500 freed=200 live=350 thread_error=100 held=4K\n"

static void the_end_is_exact_of_one_thread_and_a_sum_of_several(void **state)
{
	(void)state;
	const struct allocator_look one = look_at(LOOK_END, BEGIN AT_EXIT END);
	const struct allocator_look several =
		look_at(LOOK_END, BEGIN ONE_MORE "4ms exit 9/10 thread\n" AT_EXIT
						 "8ms usage 9 exit threads=2\n" END);

	assert_int_equal(one.live_bytes, 300);
	assert_int_equal(one.error_bytes, 0);
	assert_int_equal(one.held_bytes, 4096);
	assert_int_equal(several.live_bytes, 350);
	assert_int_equal(several.error_bytes, 200);
	assert_int_equal(several.allocated_bytes, UNKNOWN);
}

static void impossible_counters_are_no_figure(void **state)
{
	(void)state;
	const struct allocator_look look = look_at(
		LOOK_READY, BEGIN READY
		"6ms allocator 9 ready jemalloc threads=1 allocated=1 freed=200" LIVE_UNKNOWN END);

	assert_int_equal(look.live_bytes, UNKNOWN);
	assert_int_equal(look.allocated_bytes, UNKNOWN);
}

static void another_image_has_another_allocator(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN READY "6ms allocator 9 ready jemalloc threads=1 allocated=9" LIVE_UNKNOWN
			    "7ms exec 9 /y argv=y\n7ms cover 9 own\n"
			    "8ms allocator 9 start tcmalloc text=2.10\n9ms exit 9 code=0\n");

	assert_string_equal(of(s, 0)->name, "tcmalloc");
	assert_false(of(s, 0)->looks[LOOK_READY].is_known);
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_counters_of_all_threads_are_exact),
		cmocka_unit_test(a_thread_that_ended_took_its_counters_along),
		cmocka_unit_test(the_end_is_exact_of_one_thread_and_a_sum_of_several),
		cmocka_unit_test(impossible_counters_are_no_figure),
		cmocka_unit_test(another_image_has_another_allocator),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
