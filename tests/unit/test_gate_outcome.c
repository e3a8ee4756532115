/* SPDX-License-Identifier: MIT */
/* What a gate says in one number and one line. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/gate/outcome.h"

static struct judgement judged(enum level level)
{
	return (struct judgement){
		.metric = "time.wall",
		.target = "< 1 s",
		.is_budget = true,
		.unit = UNIT_NS,
		.actual = 2e9,
		.base_value = NAN,
		.ratio = NAN,
		.headroom = NAN,
		.level = level,
		.reason = "",
	};
}

static void status_is_the_gravest_kind(void **state)
{
	struct judgement green = judged(LEVEL_GREEN), red = judged(LEVEL_RED);
	struct judgement unsure = judged(LEVEL_INCONCLUSIVE), yellow = judged(LEVEL_YELLOW);
	const struct outcome passed = { .judgements = &green, .n_judgements = 1 };
	const struct outcome warned = { .judgements = &yellow, .n_judgements = 1 };
	const struct outcome failed = { .judgements = &red, .n_judgements = 1 };
	const struct outcome open = { .judgements = &unsure, .n_judgements = 1 };
	const struct outcome skipped = { .kind = OUTCOME_SKIPPED };
	/* Each with what outranks it. */
	const struct outcome ladder[] = {
		passed,
		open,
		failed,
		{ .kind = OUTCOME_CANNOT_JUDGE, .judgements = &red, .n_judgements = 1 },
		{ .kind = OUTCOME_TARGET_FAILED },
		{ .kind = OUTCOME_TROUBLE },
		{ .kind = OUTCOME_MISCONFIGURED },
	};
	static const int strict[] = { 0, 5, 1, 4, 3, 6, 2 };
	static const int bisect[] = { 0, 125, 1, 125, 125, 125, 125 };
	(void)state;
	for (size_t i = 0; i < sizeof(strict) / sizeof(*strict); i++) {
		assert_int_equal(outcomes_status(ladder, i + 1, true), strict[i]);
		assert_int_equal(outcomes_bisect_status(ladder, i + 1), bisect[i]);
	}
	assert_int_equal(outcomes_status(&open, 1, false), 0);
	assert_int_equal(outcomes_status(&warned, 1, true), 0);
	assert_int_equal(outcomes_status(&skipped, 1, true), 0);
}

static void a_gate_that_judged_nothing_has_not_passed(void **state)
{
	struct judgement green = judged(LEVEL_GREEN);
	const struct outcome both[] = { { .judgements = &green, .n_judgements = 1 },
					{ .kind = OUTCOME_JUDGED } };
	(void)state;
	assert_int_equal(outcomes_status(NULL, 0, false), 4);
	assert_int_equal(outcomes_status(both, 2, false), 4);
}

static void the_worst_comes_first(void **state)
{
	struct judgement all[] = { judged(LEVEL_GREEN), judged(LEVEL_RED), judged(LEVEL_YELLOW),
				   judged(LEVEL_RED), judged(LEVEL_INCONCLUSIVE) };
	struct outcome o = { .judgements = all, .n_judgements = 5 };
	(void)state;
	all[1].headroom = 0.9;
	all[3].headroom = 0.5;
	outcome_sort(&o);
	assert_true(all[0].headroom == 0.5);
	assert_int_equal(all[1].level, LEVEL_RED);
	assert_int_equal(all[2].level, LEVEL_INCONCLUSIVE);
	assert_int_equal(all[3].level, LEVEL_YELLOW);
	assert_int_equal(all[4].level, LEVEL_GREEN);
	assert_int_equal(outcome_level(&o), LEVEL_RED);
}

static void the_headline_names_the_worst_and_its_cause(void **state)
{
	struct arena *arena = arena_new();
	struct judgement all[] = { judged(LEVEL_GREEN), judged(LEVEL_RED) };
	struct contribution most = { .cause = CAUSE_CONNECT,
				     .detail = "tcp 127.0.0.1:5432",
				     .process = "server",
				     .delta_ns = 560000000 };
	struct comparison comparison = { .contributions = &most, .n_contributions = 1 };
	struct outcome o = { .judgements = all, .n_judgements = 2, .comparison = &comparison };
	(void)state;
	assert_string_equal(outcome_headline(arena, &o),
			    "over budget: time.wall 2.00 s, target < 1 s");
	all[1].is_budget = false;
	all[1].metric = "startup.ready";
	all[1].verdict = VERDICT_REGRESSED;
	all[1].base_value = 8e8;
	all[1].ratio = 2.5;
	assert_string_equal(outcome_headline(arena, &o),
			    "regressed: startup.ready 800 ms -> 2.00 s (+150 %), connect tcp "
			    "127.0.0.1:5432 +560 ms");
	o.kind = OUTCOME_TARGET_FAILED;
	o.reason = "run 3 of 10: killed by signal 11";
	assert_string_equal(outcome_headline(arena, &o), o.reason);
	(void)arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_the_gravest_kind),
		cmocka_unit_test(a_gate_that_judged_nothing_has_not_passed),
		cmocka_unit_test(the_worst_comes_first),
		cmocka_unit_test(the_headline_names_the_worst_and_its_cause),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
