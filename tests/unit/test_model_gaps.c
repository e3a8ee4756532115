/* SPDX-License-Identifier: MIT */
/* What a thread did between the moments at which its stack was taken. Stacks are numbers: of 123 its
 * last digit is the innermost frame, so 123 and 124 have 12 in common. */

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/buf.h"
#include "userspace/model/build/gaps.h"

#define US 1000

static int common(const void *context, int a, int b)
{
	(void)context;
	while (a != b && a > 0) {
		if (a >= b)
			a /= 10;
		else
			b /= 10;
	}
	return a > 0 ? a : -1;
}

/* "0-50:12 50-100:13", in us; '?' for nothing known, '~' behind what is open. */
static void assert_cut(const struct glimpse *glimpses, size_t n, uint64_t to_us,
		       const char *expected)
{
	struct part_list parts = { 0 };
	struct buf out = { .limit = 4096 };
	uint64_t at = 0;
	assert_int_equal(gaps_cut(glimpses, n, 0, to_us * US, common, NULL, &parts), 0);
	vec_foreach(part, &parts) {
		assert_int_equal(part->from_ns, at);
		at = part->to_ns;
		(void)buf_addf(&out, "%s%g-%g:", out.len > 0 ? " " : "", (double)part->from_ns / US,
			       (double)part->to_ns / US);
		if (part->node < 0)
			(void)buf_addc(&out, '?');
		else
			(void)buf_addf(&out, "%d%s", part->node, part->is_open ? "~" : "");
	}
	assert_int_equal(at, to_us * US);
	assert_string_equal(buf_str(&out), expected);
	buf_done(&out);
	vec_done(&parts);
}
#define TIMER(when, of)                                            \
	{                                                          \
		.at_ns = (when)*US, .is_timer = true, .node = (of) \
	}
#define CALL(left, when, of)                                            \
	{                                                               \
		.at_ns = (when)*US, .since_ns = (left)*US, .node = (of) \
	}
#define CUT(to, expected, ...)                                               \
	do {                                                                 \
		const struct glimpse all[] = { __VA_ARGS__ };                \
		assert_cut(all, sizeof(all) / sizeof(all[0]), to, expected); \
	} while (0)

static void without_a_stack_nothing_is_known(void **state)
{
	(void)state;
	assert_cut(NULL, 0, 1000, "0-1000:?");
}

static void a_moment_of_the_timer_stands_for_half_of_both_gaps(void **state)
{
	(void)state;
	CUT(4000, "0-1500:12 1500-2500:13 2500-4000:12", TIMER(1000, 12), TIMER(2000, 13),
	    TIMER(3000, 12));
}

static void calls_that_follow_closely_stand_for_what_lies_before_them(void **state)
{
	(void)state;
	/* In the kernel until 30 and 60; then 20 and 15 us of its own. */
	CUT(90, "0-30:12 30-60:13 60-90:14", CALL(1, 10, 12), CALL(30, 50, 13), CALL(60, 75, 14));
}

static void a_long_stretch_before_a_call_is_what_both_ends_share(void **state)
{
	(void)state;
	CUT(2000, "0-100:123 100-1500:12~ 1500-2000:124", CALL(1, 50, 123), CALL(100, 1500, 124));
	CUT(2000, "0-100:12 100-1500:? 1500-2000:34", CALL(1, 50, 12), CALL(100, 1500, 34));
	/* The same at both ends: not even then is it known what was called meanwhile. */
	CUT(2000, "0-100:123 100-1500:123~ 1500-2000:123", CALL(1, 50, 123), CALL(100, 1500, 123));
}

static void the_timer_tells_what_a_long_stretch_held(void **state)
{
	(void)state;
	CUT(2000, "0-50:123 50-1000:125 1000-1500:126 1500-2000:124", CALL(1, 50, 123),
	    TIMER(800, 125), TIMER(1200, 126), CALL(100, 1500, 124));
	/* It looked before the last call but one: of the stretch since it knows nothing. */
	CUT(2000, "0-50:123 50-900:125 900-1500:12~ 1500-2000:124", CALL(1, 50, 123),
	    TIMER(800, 125), CALL(900, 1500, 124));
}

static void until_its_first_stack_a_thread_is_unknown(void **state)
{
	(void)state;
	CUT(1000, "0-500:? 500-1000:12", CALL(500, 550, 12));
	CUT(1000, "0-550:? 550-1000:12", CALL(1, 550, 12));
}

static void a_since_that_makes_no_sense_does_no_harm(void **state)
{
	(void)state;
	CUT(1000, "0-1000:12", CALL(5000, 50, 12));
	CUT(1000, "0-900:12 900-1000:13", CALL(1, 50, 12), CALL(5000, 900, 13));
	CUT(1000, "0-50:12 50-900:1~ 900-1000:13", CALL(1, 50, 12), CALL(0, 900, 13));
}

/* Whatever comes, the parts are the whole, in order. */
static void parts_are_the_whole(void **state)
{
	(void)state;
	uint64_t x = 1;
	for (int round = 0; round < 2000; round++) {
		struct glimpse all[16];
		struct part_list parts = { 0 };
		uint64_t at = 1000;
		for (int i = 0; i < 16; i++) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			at += (x >> 40) % 300000;
			all[i] = (struct glimpse){ .at_ns = at,
						   .since_ns = (x >> 33) % 3000000,
						   .is_timer = (x >> 60) < 7,
						   .node = (int)((x >> 50) % 200) };
		}
		uint64_t until = 1000;
		assert_int_equal(gaps_cut(all, 16, 1000, at + 5000, common, NULL, &parts), 0);
		vec_foreach(part, &parts) {
			assert_true(part->from_ns == until && part->to_ns > until);
			until = part->to_ns;
		}
		assert_true(until == at + 5000 && parts.n <= 3 * 16 + 1);
		vec_done(&parts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_stack_nothing_is_known),
		cmocka_unit_test(a_moment_of_the_timer_stands_for_half_of_both_gaps),
		cmocka_unit_test(calls_that_follow_closely_stand_for_what_lies_before_them),
		cmocka_unit_test(a_long_stretch_before_a_call_is_what_both_ends_share),
		cmocka_unit_test(the_timer_tells_what_a_long_stretch_held),
		cmocka_unit_test(until_its_first_stack_a_thread_is_unknown),
		cmocka_unit_test(a_since_that_makes_no_sense_does_no_harm),
		cmocka_unit_test(parts_are_the_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
