/* SPDX-License-Identifier: MIT */
/* What a gate says in one number and one line. */

#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
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
		{ .kind = OUTCOME_CANNOT_JUDGE, .judgements = &green, .n_judgements = 1 },
		failed,
		{ .kind = OUTCOME_TARGET_FAILED },
		{ .kind = OUTCOME_TROUBLE },
		{ .kind = OUTCOME_MISCONFIGURED },
	};
	static const int strict[] = { 0, 5, 4, 1, 3, 6, 2 };
	static const int bisect[] = { 0, 125, 125, 1, 125, 125, 125 };
	(void)state;
	for (size_t i = 0; i < sizeof(strict) / sizeof(*strict); i++) {
		assert_int_equal(outcomes_status(ladder, i + 1, true), strict[i]);
		assert_int_equal(outcomes_bisect_status(ladder, i + 1), bisect[i]);
	}
	/* Of one scenario, too: what is proven stays proven where something else could not be judged. */
	const struct outcome both = { .kind = OUTCOME_CANNOT_JUDGE,
				      .judgements = &red,
				      .n_judgements = 1 };
	assert_int_equal(outcomes_status(&both, 1, false), 1);
	assert_int_equal(outcomes_status(&open, 1, false), 0);
	assert_int_equal(outcomes_status(&warned, 1, true), 0);
	assert_int_equal(outcomes_status(&skipped, 1, true), 0);
}

static void bisecting_asks_only_whether_it_may_be_as_bad_as_to_fail(void **state)
{
	struct judgement red = judged(LEVEL_RED), below = judged(LEVEL_INCONCLUSIVE);
	struct judgement unsure[] = { below, judged(LEVEL_INCONCLUSIVE) };
	const struct outcome good = { .judgements = &below, .n_judgements = 1 };
	const struct outcome failed[] = { good, { .judgements = &red, .n_judgements = 1 } };
	const struct outcome open[] = { good, { .judgements = unsure, .n_judgements = 2 } };
	const struct outcome nothing[] = { good, { .kind = OUTCOME_JUDGED } };
	(void)state;
	below.excludes_fail = unsure[0].excludes_fail = true;
	assert_int_equal(outcomes_bisect_status(&good, 1), 0);
	assert_int_equal(outcomes_bisect_status(failed, 2), 1);
	assert_int_equal(outcomes_bisect_status(open, 2), 125);
	assert_int_equal(outcomes_bisect_status(nothing, 2), 125);
	/* Otherwise it is as inconclusive as before. */
	assert_int_equal(outcomes_status(&good, 1, true), 5);
	judgement_withhold(&below, "");
	assert_int_equal(outcomes_bisect_status(&good, 1), 125);
}

/* A change of which only the ends of the interval are known. */
static bool excludes_ten_percent(struct arena *arena, const char *metric, double low, double high)
{
	const struct change change = { .id = metric,
				       .metric = metrics_row(metric),
				       .basis = BASIS_SHIFT,
				       .ratio = sqrt(low * high),
				       .low = low,
				       .high = high };
	struct judgement j;
	assert_int_equal(
		judge_change(arena, "@main", &change, VERDICT_INCONCLUSIVE, &LEVELS_BASELINE, &j),
		0);
	assert_int_equal(strstr(j.reason, "but it is not 10.0 % worse") != NULL, j.excludes_fail);
	return j.excludes_fail;
}

static void what_is_below_the_limit_for_certain_says_so(void **state)
{
	struct arena *arena = arena_new();
	(void)state;
	assert_true(excludes_ten_percent(arena, "time.wall", 0.97, 1.09));
	assert_false(excludes_ten_percent(arena, "time.wall", 0.97, 1.11));
	/* Half as much would be a lot less of what should be low. */
	assert_true(excludes_ten_percent(arena, "time.wall", 0.5, 1.01));
	assert_false(excludes_ten_percent(arena, "time.wall", NAN, NAN));
	(void)arena_free(arena);
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
	assert_int_equal(outcome_severity(&o), SEVERITY_FAILED);
}

static void the_headline_names_the_worst_and_its_cause(void **state)
{
	struct arena *arena = arena_new();
	struct judgement all[] = { judged(LEVEL_GREEN), judged(LEVEL_RED) };
	struct outcome o = { .judgements = all, .n_judgements = 2 };
	(void)state;
	assert_string_equal(outcome_headline(arena, &o),
			    "over budget: time.wall 2.00 s, target < 1 s");
	all[1].is_budget = false;
	all[1].metric = "startup.ready";
	all[1].verdict = VERDICT_REGRESSED;
	all[1].base_value = 8e8;
	all[1].ratio = 2.5;
	all[1].cause = "+560 ms connect in main: tcp 127.0.0.1:5432";
	assert_string_equal(outcome_headline(arena, &o),
			    "regressed: startup.ready 800 ms -> 2.00 s (+150 %), +560 ms "
			    "connect in main: tcp 127.0.0.1:5432");
	/* Where nothing is wrong, it is the time that is told. */
	struct judgement good[] = { judged(LEVEL_GREEN), judged(LEVEL_GREEN) };
	good[0].metric = "mem.peak_rss";
	good[0].headroom = 1.01;
	good[1].headroom = 5;
	o.judgements = good;
	assert_non_null(strstr(outcome_headline(arena, &o), "passed: time.wall"));
	o.kind = OUTCOME_TARGET_FAILED;
	o.reason = "run 3 of 10: killed by signal 11";
	assert_string_equal(outcome_headline(arena, &o), o.reason);
	(void)arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_the_gravest_kind),
		cmocka_unit_test(bisecting_asks_only_whether_it_may_be_as_bad_as_to_fail),
		cmocka_unit_test(what_is_below_the_limit_for_certain_says_so),
		cmocka_unit_test(a_gate_that_judged_nothing_has_not_passed),
		cmocka_unit_test(the_worst_comes_first),
		cmocka_unit_test(the_headline_names_the_worst_and_its_cause),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
