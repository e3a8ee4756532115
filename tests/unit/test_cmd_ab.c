/* SPDX-License-Identifier: MIT */
/* The engine of interleaved comparisons. Without probes, so that it needs no rights; what is measured
 * are shells that end at once. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/launching.h"
#include "userspace/base/arena.h"
#include "userspace/cmd/ab.h"
#include "userspace/model/metrics.h"

static char missing[] = "/nonexistent";
static char *good[] = { shell, dash_c, succeeds, NULL };
static char *bad[] = { shell, dash_c, fails, NULL };
static char *none[] = { missing, NULL };

static struct ab_spec spec_of(char *const *base, char *const *head)
{
	static const char *gate[] = { "time.wall" };
	needs_launching();
	return (struct ab_spec){
		.gate = { gate, 1 },
		.record = { .output = OUTPUT_NOWHERE },
		.base = { .argv = base },
		.head = { .argv = head },
		.trace_path = trace_path,
		.seed = 23,
		.max_pairs = 4,
		.waiting.is_quiet = true,
	};
}

static struct arena *arena;

static struct outcome judged(const struct ab_spec *spec, const struct ab_result *r)
{
	struct outcome o;
	arena = arena_free(arena);
	arena = arena_new();
	assert_int_equal(ab_judge(spec, r, "start", "v1", arena, &o), 0);
	return o;
}

static void both_arms_and_a_control_are_run(void **state)
{
	(void)state;
	const struct ab_spec spec = spec_of(good, good);
	struct ab_result r;
	assert_int_equal(ab_run(&spec, &r), 0);
	assert_int_equal(r.end == AB_DECIDED || r.end == AB_OPEN, true);
	assert_int_equal(r.pairs, 4);
	assert_int_equal(r.base->n_runs, 4);
	assert_int_equal(r.head->n_runs, 4);
	assert_int_equal(r.control->n_runs, 2);
	const struct outcome o = judged(&spec, &r);
	assert_int_equal(o.n_judgements, 1);
	assert_string_equal(o.judgements[0].metric, "time.wall");
	ab_result_done(&r);
}

static void a_failure_ends_it_and_says_where(void **state)
{
	(void)state;
	struct ab_spec spec = spec_of(good, bad);
	struct ab_result r;
	assert_int_equal(ab_run(&spec, &r), 0);
	assert_int_equal(r.end, AB_FAILED);
	assert_string_equal(r.reason, "head: '/bin/sh' failed with status 23");
	assert_int_equal(r.pairs, 0);
	assert_null(r.comparison);
	ab_result_done(&r);

	spec = spec_of(none, good);
	assert_int_equal(ab_run(&spec, &r), 0);
	assert_int_equal(r.end, AB_CANNOT_RUN);
	assert_non_null(strstr(r.reason, "base: cannot execute '/nonexistent'"));
	assert_int_equal(judged(&spec, &r).kind, OUTCOME_TARGET_FAILED);
	ab_result_done(&r);
}

static void what_was_not_measured_has_an_outcome_as_well(void **state)
{
	(void)state;
	const struct ab_spec spec = spec_of(good, bad);
	struct ab_result r;
	assert_int_equal(ab_run(&spec, &r), 0);
	const struct outcome o = judged(&spec, &r);
	assert_int_equal(o.kind, OUTCOME_TARGET_FAILED);
	assert_int_equal(o.n_judgements, 0);
	assert_string_equal(o.reason, r.reason);
	ab_result_done(&r);
}

static void a_metric_that_is_none_is_refused(void **state)
{
	(void)state;
	const char *ids[] = { "time.wall", "time.wal" };
	struct ab_spec spec = spec_of(good, good);
	struct ab_result r;
	spec.gate = (struct text_list){ .items = ids, .n = 2 };
	assert_int_equal(ab_run(&spec, &r), -EINVAL);
	ab_result_done(&r);
}

static void what_is_not_captured_is_not_waited_for(void **state)
{
	(void)state;
	const char *ids[] = { "net.connect[tcp *]" };
	struct ab_spec spec = spec_of(good, good);
	struct ab_result r;
	spec.gate = (struct text_list){ .items = ids, .n = 1 };
	spec.max_pairs = 9;
	assert_int_equal(ab_run(&spec, &r), 0);
	assert_int_equal(r.pairs, 8);
	const struct outcome o = judged(&spec, &r);
	assert_int_equal(o.kind, OUTCOME_CANNOT_JUDGE);
	assert_int_equal(o.judgements[0].level, LEVEL_INCONCLUSIVE);
	ab_result_done(&r);
}

static void runs_take_turns(void **state)
{
	(void)state;
	struct ab_spec spec = spec_of(good, good);
	struct ab_result r;
	spec.max_pairs = 2;
	assert_int_equal(ab_run(&spec, &r), 0);
	assert_true(metrics_find(r.base, "time.wall")->is_interleaved);
	assert_true(metrics_find(r.head, "time.wall")->is_interleaved);
	assert_true(metrics_find(r.control, "time.wall")->is_interleaved);
	ab_result_done(&r);
}

/* A session whose every run took @ms. */
static struct session *measured(double ms)
{
	static const struct metric like = { .unit = UNIT_NS, .class = CLASS_TIME };
	double values[12];
	struct session *s = NULL;
	for (size_t i = 0; i < 12; i++)
		values[i] = ms * 1e6 * (1 + 0.0001 * (double)i);
	assert_int_equal(session_new(&s), 0);
	assert_int_equal(session_add_values(s, "time.wall", &like, values, 12), 0);
	return s;
}

static void head_alone_against_what_was_measured(void **state)
{
	(void)state;
	struct ab_spec spec = spec_of(good, good);
	struct session *slow = measured(10000), *fast = measured(0.000001);
	struct ab_result r;
	spec.max_pairs = 8;
	spec.measured_base = slow;
	assert_int_equal(ab_run(&spec, &r), 0);
	assert_int_equal(r.end, AB_DECIDED);
	assert_int_equal(judged(&spec, &r).judgements[0].verdict, VERDICT_IMPROVED);
	assert_null(r.control);
	assert_int_equal(r.head->n_runs, 8);
	assert_false(metrics_find(r.head, "time.wall")->is_interleaved);
	ab_result_done(&r);

	spec.measured_base = fast;
	assert_int_equal(ab_run(&spec, &r), 0);
	assert_int_equal(judged(&spec, &r).judgements[0].verdict, VERDICT_REGRESSED);
	ab_result_done(&r);
	(void)session_free(slow);
	(void)session_free(fast);
}

static void what_is_certainly_not_as_bad_is_settled_where_that_is_asked(void **state)
{
	(void)state;
	/* From a tenth of what the shell takes to a thousand times that: no verdict comes of it. */
	static const struct metric like = { .unit = UNIT_NS, .class = CLASS_TIME };
	const double scattered[] = { 1e5, 1e9, 2e5, 5e8, 3e5, 2e8, 4e5, 1e8 };
	struct ab_spec spec = spec_of(good, good);
	struct session *base = NULL;
	struct ab_result r;
	assert_int_equal(session_new(&base), 0);
	assert_int_equal(session_add_values(base, "time.wall", &like, scattered, 8), 0);
	spec.measured_base = base;
	spec.max_pairs = 12;
	assert_int_equal(ab_run(&spec, &r), 0);
	assert_int_equal(r.end, AB_OPEN);
	assert_int_equal(r.pairs, 12);
	ab_result_done(&r);

	spec.good_below = 1e6;
	assert_int_equal(ab_run(&spec, &r), 0);
	assert_int_equal(r.end, AB_DECIDED);
	assert_int_equal(r.pairs, 8);
	assert_int_equal(judged(&spec, &r).judgements[0].verdict, VERDICT_INCONCLUSIVE);
	ab_result_done(&r);
	(void)session_free(base);
}

static void no_pair_begins_after_the_time(void **state)
{
	(void)state;
	struct ab_spec spec = spec_of(good, good);
	struct ab_result r;
	spec.max_time_ns = 1;
	assert_int_equal(ab_run(&spec, &r), 0);
	assert_int_equal(r.end, AB_OUT_OF_TIME);
	assert_int_equal(r.pairs, 0);
	assert_true(r.enough_s > 0);
	assert_non_null(strstr(r.reason, "after 0 pairs; a verdict takes "));
	ab_result_done(&r);
}

static void pads_even_out_what_the_arms_differ_by(void **state)
{
	(void)state;
	enum { DRAWS = 4000, SPREAD = 4096 };
	char longer[] = "/usr/local/bin/server", text[] = "--option";
	char *argv[] = { longer, text, NULL };
	const struct ab_arm small = { .argv = none }, large = { .argv = argv };
	/* Both strings end in a NUL, and the name of the program is there twice. */
	const size_t differ = 2 * (strlen(longer) - strlen(missing)) + strlen(text) + 1;
	struct random a, b;
	size_t least = SIZE_MAX, most = 0;
	random_seed(&a, 7);
	random_seed(&b, 7);
	for (int i = 0; i < DRAWS; i++) {
		const size_t of_large = ab_pad(&a, &large, &small);
		assert_int_equal(ab_pad(&b, &small, &large), of_large + differ);
		least = of_large < least ? of_large : least;
		most = of_large > most ? of_large : most;
	}
	assert_true(least >= 1 && least < 32);
	assert_true(most <= SPREAD && most > SPREAD - 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_arms_and_a_control_are_run),
		cmocka_unit_test(a_failure_ends_it_and_says_where),
		cmocka_unit_test(what_was_not_measured_has_an_outcome_as_well),
		cmocka_unit_test(a_metric_that_is_none_is_refused),
		cmocka_unit_test(what_is_not_captured_is_not_waited_for),
		cmocka_unit_test(runs_take_turns),
		cmocka_unit_test(head_alone_against_what_was_measured),
		cmocka_unit_test(what_is_certainly_not_as_bad_is_settled_where_that_is_asked),
		cmocka_unit_test(no_pair_begins_after_the_time),
		cmocka_unit_test(pads_even_out_what_the_arms_differ_by),
	};
	const int n_failed = cmocka_run_group_tests(tests, make_trace, remove_trace);
	(void)arena_free(arena);
	return n_failed;
}
