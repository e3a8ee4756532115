/* SPDX-License-Identifier: MIT */
/* What budgets mean: the grammar, where it points on a mistake, and the levels. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/arena.h"
#include "userspace/gate/budget.h"

#define MS 1e6
#define S  1e9

static struct arena *arena;
static struct session *session;

/* cmocka knows floats only. */
static void same(double a, double b)
{
	if (!(fabs(a - b) <= 1e-9 * fabs(b)))
		print_message("%.17g is not %.17g\n", a, b);
	assert_true(fabs(a - b) <= 1e-9 * fabs(b));
}

static int setup(void **state)
{
	(void)state;
	arena = arena_new();
	return arena != NULL ? session_new(&session) : -1;
}

static int teardown(void **state)
{
	(void)state;
	session = session_free(session);
	arena = arena_free(arena);
	return 0;
}

static struct budget parsed(const char *metric, const char *text)
{
	struct budget b;
	const char *error = NULL;
	size_t at = 0;
	const struct metric *row = metrics_row(metric);
	const int r = budget_parse(arena, metric, row != NULL ? row->unit : UNIT_NS, text, &b,
				   &error, &at);
	if (r < 0)
		print_message("'%s': %s at %zu\n", text, error, at);
	assert_int_equal(r, 0);
	return b;
}

static void refused(const char *metric, const char *text, size_t at, const char *word)
{
	struct budget b;
	const char *error = NULL;
	size_t found_at = 999;
	assert_int_equal(
		budget_parse(arena, metric, metrics_row(metric)->unit, text, &b, &error, &found_at),
		-EINVAL);
	if (found_at != at || strstr(error, word) == NULL)
		print_message("'%s': %s at %zu\n", text, error, found_at);
	assert_int_equal(found_at, at);
	assert_non_null(strstr(error, word));
}

/* --- grammar -------------------------------------------------------------------------------- */

static void limits_have_units(void **state)
{
	static const struct {
		const char *metric, *text;
		double high;
	} cases[] = {
		{ "time.wall", "< 1 s", 1 * S },
		{ "time.wall", "<1s", 1 * S },
		{ "time.wall", "< 180 seconds", 180 * S },
		{ "time.wall", "<= 1.5 min", 90 * S },
		{ "time.wall", "< 250 us", 250e3 },
		{ "time.wall", "< 250 \xc2\xb5s", 250e3 },
		{ "time.wall", "< 2", 2 * S },
		{ "mem.peak_rss", "< 2 GB", 2e9 },
		{ "mem.peak_rss", "< 2 GiB", 2147483648.0 },
		{ "mem.peak_rss", "< 2GB", 2e9 },
		{ "cpu.utilization", "< 80 %", 0.8 },
		{ "cpu.utilization", "< 80%", 0.8 },
		{ "cpu.utilization", "< 0.8", 0.8 },
		{ "proc.execs", "<= 41", 41 },
		{ "time.wall", "cv < 5 %", 0.05 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct budget b = parsed(cases[i].metric, cases[i].text);
		assert_int_equal(b.kind, BUDGET_LIMIT);
		same(b.high, cases[i].high);
		assert_true(b.low == -(double)INFINITY);
		assert_int_equal(b.is_high_inclusive, strchr(cases[i].text, '=') != NULL);
		assert_string_equal(b.text, cases[i].text);
	}
	const struct budget b = parsed("time.wall", ">= 3 s");
	same(b.low, 3 * S);
	assert_true(b.high == (double)INFINITY && b.is_low_inclusive);
}

static void statistics_stand_in_front(void **state)
{
	(void)state;
	assert_int_equal(parsed("time.wall", "< 1 s").statistic, STATISTIC_MEDIAN);
	assert_int_equal(parsed("time.wall", "mean < 1 s").statistic, STATISTIC_MEAN);
	assert_int_equal(parsed("time.wall", "max<1s").statistic, STATISTIC_MAX);
	assert_int_equal(parsed("time.wall", "stddev < 1 s").statistic, STATISTIC_STDDEV);
	assert_int_equal(parsed("time.wall", "cv < 5 %").statistic, STATISTIC_CV);
	const struct budget b = parsed("net.connect[tcp *:5432]", "p95 < 10 ms");
	assert_int_equal(b.statistic, STATISTIC_QUANTILE);
	same(b.quantile, 0.95);
	same(parsed("time.wall", "p(99.9)<500ms").quantile, 0.999);
	assert_int_equal(budget_min_n(&b), 20);
}

static void ranges_share_a_unit(void **state)
{
	static const char *const texts[] = { "5-15 s",	   "5 - 15 s",	   "5..15 s",
					     "5 s - 15 s", "5000 ms-15 s", "5 to 15 s" };
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const struct budget b = parsed("startup.ready", texts[i]);
		assert_int_equal(b.kind, BUDGET_RANGE);
		same(b.low, 5 * S);
		same(b.high, 15 * S);
	}
}

static void baselines_are_named_or_the_scenarios(void **state)
{
	(void)state;
	struct budget b = parsed("time.wall", "<= 50 % of @pre");
	assert_int_equal(b.kind, BUDGET_OF);
	same(b.high, 0.5);
	assert_string_equal(b.baseline, "pre");
	b = parsed("time.wall", "50 % of @pre");
	same(b.high, 0.5);
	b = parsed("time.wall", "improve >= 50 %");
	assert_int_equal(b.kind, BUDGET_OF);
	same(b.high, 0.5);
	assert_null(b.baseline);
	assert_string_equal(parsed("time.wall", "improve >= 30 % of @old").baseline, "old");
	b = parsed("time.wall", "+10 %");
	assert_int_equal(b.kind, BUDGET_CHANGE);
	same(b.high, 1.1);
	b = parsed("time.wall", "-10 % @main");
	same(b.high, 0.9);
	assert_string_equal(b.baseline, "main");
	assert_true(budget_needs_baseline(&b));
}

static void matrices_scale(void **state)
{
	(void)state;
	struct budget b = parsed("time.wall", "scaling(workers) <= 1.1");
	assert_int_equal(b.kind, BUDGET_SCALING);
	assert_string_equal(b.parameter, "workers");
	same(b.high, 1.1);
	b = parsed("time.wall", "scaling(workers) <= -0.8");
	same(b.high, -0.8);
	b = parsed("time.wall", "efficiency(workers) >= 70 %");
	assert_int_equal(b.kind, BUDGET_EFFICIENCY);
	same(b.low, 0.7);
	assert_true(budget_spans_matrix(&b));
}

static void mistakes_are_pointed_at(void **state)
{
	(void)state;
	refused("time.wall", "", 0, "not a budget");
	refused("time.wall", "fast", 0, "not a budget");
	refused("time.wall", "< fast", 2, "number");
	refused("time.wall", "< 1 lightyear", 2, "not a time");
	refused("time.wall", "< 5 GB", 2, "not a time");
	refused("mem.peak_rss", "< 5 s", 2, "not a size");
	refused("time.wall", "5 s", 0, "above or below");
	refused("time.wall", "15-5 s", 0, "empty");
	refused("time.wall", "< 50 %", 2, "of what");
	refused("time.wall", "<= 50 % of pre", 11, "@NAME");
	refused("time.wall", "< 1 s please", 6, "complete");
	refused("time.wall", "p100 < 1 s", 0, "quantile");
	refused("time.wall", "improve >= 100 %", 11, "100 %");
	refused("time.wall", "improve <= 50 %", 8, "lower limit");
	refused("time.wall", "+10 ms", 0, "percentage");
	refused("time.wall", "scaling <= 1", 8, "parameter");
	refused("time.wall", "scaling(n) 1", 11, "<=");
	refused("time.wall", "< 99999999999999999999 s", 2, "large");
	refused("proc.execs", "< 1 s", 2, "count");
	refused("cpu.utilization", "< 80", 2, "'80 %'");
	refused("time.wall", "cv < 5", 5, "'80 %'");
	refused("time.wall", "< 1.5.2 s", 2, "not a time");
}

/* --- levels --------------------------------------------------------------------------------- */

static struct judgement judged(const char *text, const double *v, size_t n, struct levels levels)
{
	struct judgement j;
	const struct budget b = parsed("startup.ready", text);
	struct session *s = NULL;
	assert_int_equal(session_new(&s), 0);
	assert_int_equal(session_add_values(s, "startup.ready", NULL, v, n), 0);
	assert_int_equal(
		budget_judge(arena, &b, metrics_find(s, "startup.ready"), NULL, &levels, &j), 0);
	(void)session_free(s);
	return j;
}

static enum level level_of_one(const char *text, double value, struct levels levels)
{
	return judged(text, &value, 1, levels).level;
}

static void over_a_limit_has_four_levels(void **state)
{
	const struct levels levels = { .warn = 0.10, .fail = 0.20 };
	(void)state;
	assert_int_equal(level_of_one("<= 50 ms", 50 * MS, levels), LEVEL_GREEN);
	assert_int_equal(level_of_one("< 50 ms", 49.9 * MS, levels), LEVEL_GREEN);
	assert_int_equal(level_of_one("< 50 ms", 50 * MS, levels), LEVEL_TOLERATED);
	assert_int_equal(level_of_one("< 50 ms", 54.9 * MS, levels), LEVEL_TOLERATED);
	assert_int_equal(level_of_one("< 50 ms", 55.1 * MS, levels), LEVEL_YELLOW);
	assert_int_equal(level_of_one("< 50 ms", 59.9 * MS, levels), LEVEL_YELLOW);
	assert_int_equal(level_of_one("< 50 ms", 60.1 * MS, levels), LEVEL_RED);
	assert_int_equal(level_of_one("< 50 ms", 50.1 * MS, LEVELS_BUDGET), LEVEL_RED);
	/* What should be above is turned around. */
	assert_int_equal(level_of_one("> 50 ms", 50.1 * MS, levels), LEVEL_GREEN);
	assert_int_equal(level_of_one("> 50 ms", 45.1 * MS, levels), LEVEL_TOLERATED);
	assert_int_equal(level_of_one("> 50 ms", 44.9 * MS, levels), LEVEL_YELLOW);
	assert_int_equal(level_of_one("> 50 ms", 39.9 * MS, levels), LEVEL_RED);
}

static void an_interval_across_the_border_is_inconclusive(void **state)
{
	/* Six values: the interval is the whole sample. */
	static const double across[] = { 48 * MS, 49 * MS, 49 * MS, 49.5 * MS, 49.6 * MS, 51 * MS };
	static const double beyond[] = { 51 * MS, 52 * MS, 52 * MS, 53 * MS, 53 * MS, 54 * MS };
	const struct levels lenient = { .warn = 0.01, .fail = 0.20 };
	(void)state;
	struct judgement j = judged("< 50 ms", across, 6, LEVELS_BUDGET);
	assert_int_equal(j.level, LEVEL_INCONCLUSIVE);
	assert_int_equal(j.verdict, VERDICT_INCONCLUSIVE);
	assert_true(j.more_runs > 0);
	assert_non_null(strstr(j.reason, "48.0 ms to 51.0 ms"));
	/* Five have none: the value decides. */
	assert_int_equal(judged("< 50 ms", across, 5, LEVELS_BUDGET).level, LEVEL_GREEN);
	assert_int_equal(judged("< 50 ms", beyond, 6, LEVELS_BUDGET).level, LEVEL_RED);
	/* The border is where red begins, not the limit. */
	assert_int_equal(judged("< 50 ms", across, 6, lenient).level, LEVEL_GREEN);
	assert_int_equal(judged("< 50 ms", beyond, 6, lenient).level, LEVEL_YELLOW);
}

static void below_a_range_is_yellow(void **state)
{
	(void)state;
	const double low = 3 * S, good = 10 * S, high = 16 * S;
	struct judgement j = judged("5-15 s", &low, 1, LEVELS_BUDGET);
	assert_int_equal(j.level, LEVEL_YELLOW);
	assert_true(j.is_below);
	assert_true(isnan(j.headroom));
	assert_int_equal(judged("5-15 s", &good, 1, LEVELS_BUDGET).level, LEVEL_GREEN);
	assert_int_equal(judged("5-15 s", &high, 1, LEVELS_BUDGET).level, LEVEL_RED);
}

static void headroom_is_target_by_actual(void **state)
{
	(void)state;
	const double v = 20 * MS;
	same(judged("< 50 ms", &v, 1, LEVELS_BUDGET).headroom, 2.5);
	same(judged("> 10 ms", &v, 1, LEVELS_BUDGET).headroom, 2);
}

static void spread_is_judged(void **state)
{
	static const double steady[] = { 100, 101, 99 }, wild[] = { 50, 100, 180 };
	(void)state;
	assert_int_equal(judged("cv < 5 %", steady, 3, LEVELS_BUDGET).level, LEVEL_GREEN);
	const struct judgement j = judged("cv < 5 %", wild, 3, LEVELS_BUDGET);
	assert_int_equal(j.level, LEVEL_RED);
	assert_int_equal(j.unit, UNIT_RATIO);
}

static void few_runs_give_no_tail(void **state)
{
	static const double v[19] = { 1, 2, 3 };
	const struct levels levels = LEVELS_BUDGET;
	struct judgement j;
	(void)state;
	const struct budget b = parsed("time.wall", "p95 < 1 s");
	assert_int_equal(session_add_values(session, "time.wall", NULL, v, 19), 0);
	assert_int_equal(
		budget_judge(arena, &b, metrics_find(session, "time.wall"), NULL, &levels, &j),
		-EDOM);
	assert_non_null(strstr(j.reason, "needs 20 values, there are 19"));
	assert_int_equal(budget_judge(arena, &b, NULL, NULL, &levels, &j), -ENODATA);
	assert_true(isnan(j.actual));
}

/* --- against a baseline --------------------------------------------------------------------- */

static struct judgement between(const char *metric, const char *text, const double *base,
				const double *head, size_t n)
{
	struct change change;
	struct judgement j;
	struct session *s = NULL, *t = NULL;
	const struct levels levels = LEVELS_BUDGET;
	assert_int_equal(session_new(&s), 0);
	assert_int_equal(session_new(&t), 0);
	assert_int_equal(session_add_values(s, metric, NULL, base, n), 0);
	assert_int_equal(session_add_values(t, metric, NULL, head, n), 0);
	assert_int_equal(change_of(metrics_find(s, metric), metrics_find(t, metric), 0.99, &change),
			 0);
	const struct budget budget = parsed(metric, text);
	assert_int_equal(
		budget_judge(arena, &budget, metrics_find(t, metric), &change, &levels, &j), 0);
	(void)session_free(s);
	(void)session_free(t);
	return j;
}

static struct judgement against(const char *text, double base, double head, double noise)
{
	double b[10], h[10];
	for (int i = 0; i < 10; i++) {
		b[i] = base * (1 + noise * (i - 4.5));
		h[i] = head * (1 + noise * (i - 4.5));
	}
	return between("time.wall", text, b, h, 10);
}

static void improvements_are_ratios(void **state)
{
	(void)state;
	assert_int_equal(against("improve >= 50 %", 10 * S, 4 * S, 0.005).level, LEVEL_GREEN);
	assert_int_equal(against("improve >= 50 %", 10 * S, 6 * S, 0.005).level, LEVEL_RED);
	assert_int_equal(against("<= 50 % of @pre", 10 * S, 5 * S, 0.005).level,
			 LEVEL_INCONCLUSIVE);
	same(against("<= 50 % of @pre", 10 * S, 4 * S, 0.005).ratio, 0.4);
	assert_int_equal(against("p50 <= 50 % of @pre", 10 * S, 4 * S, 0.005).level, LEVEL_GREEN);
	assert_int_equal(against("mean <= 50 % of @pre", 10 * S, 6 * S, 0.005).level, LEVEL_RED);
}

static void a_worsening_has_existence_and_size(void **state)
{
	static const double base[] = { 0, 1, 2, 3, 4, 5, 6, 7 },
			    head[] = { 0, 2, 3, 4, 4, 6, 6, 8 };
	(void)state;
	assert_int_equal(against("+10 %", 10 * S, 10 * S, 0.005).level, LEVEL_GREEN);
	/* Proven, and smaller than allowed for certain. */
	assert_int_equal(against("+10 %", 10 * S, 10.5 * S, 0.001).level, LEVEL_GREEN);
	/* 10 % is reached by the interval. */
	assert_int_equal(against("+10 %", 10 * S, 11 * S, 0.005).level, LEVEL_RED);
	assert_int_equal(against("+10 %", 10 * S, 15 * S, 0.005).level, LEVEL_RED);
	/* So noisy that neither is proven. */
	assert_int_equal(against("+10 %", 10 * S, 10.1 * S, 0.05).level, LEVEL_INCONCLUSIVE);
	/* Also of values that have no logarithm. */
	assert_int_equal(between("io.read", "+10 %", base, head, 8).level, LEVEL_INCONCLUSIVE);
	assert_int_equal(against("-10 %", 10 * S, 8 * S, 0.005).level, LEVEL_GREEN);
	assert_int_equal(against("-10 %", 10 * S, 9.8 * S, 0.005).level, LEVEL_RED);
}

static void a_range_typed_by_hand_is_a_baseline(void **state)
{
	static const double v[] = { 45 * S, 46 * S, 44 * S };
	const struct summary range = { .min = 120 * S,
				       .max = 300 * S,
				       .median = NAN,
				       .mean = NAN,
				       .stddev = NAN,
				       .ci95_low = NAN,
				       .ci95_high = NAN };
	const struct levels levels = LEVELS_BUDGET;
	struct session *t = NULL;
	struct change change;
	struct judgement j;
	(void)state;
	assert_int_equal(session_new(&t), 0);
	assert_int_equal(session_add_summary(session, "time.wall", NULL, &range), 0);
	assert_int_equal(session_add_values(t, "time.wall", NULL, v, 3), 0);
	assert_int_equal(change_of(metrics_find(session, "time.wall"), metrics_find(t, "time.wall"),
				   0.99, &change),
			 0);
	const struct budget b = parsed("time.wall", "improve >= 50 % of @pre");
	assert_int_equal(
		budget_judge(arena, &b, metrics_find(t, "time.wall"), &change, &levels, &j), 0);
	/* 46 s of 120 s at worst: 38 %. */
	assert_int_equal(j.level, LEVEL_GREEN);
	(void)session_free(t);
}

static void a_missing_baseline_is_said(void **state)
{
	static const double v[] = { 1 * S };
	const struct levels levels = LEVELS_BUDGET;
	struct judgement j;
	(void)state;
	const struct budget b = parsed("time.wall", "+10 %");
	assert_int_equal(session_add_values(session, "time.wall", NULL, v, 1), 0);
	assert_int_equal(
		budget_judge(arena, &b, metrics_find(session, "time.wall"), NULL, &levels, &j),
		-ENOENT);
	assert_int_equal(j.level, LEVEL_INCONCLUSIVE);
}

/* --- matrices ------------------------------------------------------------------------------- */

static int scaled(const char *text, double exponent, double noise, struct judgement *ret)
{
	static const double x[] = { 1, 2, 4, 8 };
	const struct levels levels = LEVELS_BUDGET;
	struct session *s[4] = { NULL };
	const struct series *series[4];
	for (int i = 0; i < 4; i++) {
		double v[6];
		for (int k = 0; k < 6; k++)
			v[k] = 100 * MS * pow(x[i], exponent) * (1 + noise * (k - 2.5));
		assert_int_equal(session_new(&s[i]), 0);
		assert_int_equal(session_add_values(s[i], "time.wall", NULL, v, 6), 0);
		series[i] = metrics_find(s[i], "time.wall");
	}
	const struct budget b = parsed("time.wall", text);
	const int r = budget_judge_scaling(arena, &b, x, series, 4, &levels, ret);
	for (int i = 0; i < 4; i++)
		(void)session_free(s[i]);
	return r;
}

static void growth_has_an_exponent(void **state)
{
	struct judgement j;
	(void)state;
	assert_int_equal(scaled("scaling(n) <= 1.1", 1, 0.005, &j), 0);
	assert_int_equal(j.level, LEVEL_GREEN);
	same(j.actual, 1);
	assert_true(j.actual_low < 1 && j.actual_high > 1);
	assert_int_equal(scaled("scaling(n) <= 1.1", 2, 0.005, &j), 0);
	assert_int_equal(j.level, LEVEL_RED);
	assert_int_equal(scaled("scaling(n) <= 1.1", 1.1, 0.05, &j), 0);
	assert_int_equal(j.level, LEVEL_INCONCLUSIVE);
	assert_int_equal(scaled("efficiency(n) >= 70 %", -1, 0.005, &j), 0);
	assert_int_equal(j.level, LEVEL_GREEN);
	same(j.actual, 1);
	assert_int_equal(scaled("efficiency(n) >= 70 %", -0.5, 0.005, &j), 0);
	assert_int_equal(j.level, LEVEL_RED);
	same(j.actual, sqrt(8) / 8);
}

static void one_cell_does_not_scale(void **state)
{
	static const double x[] = { 2, 2 };
	static const double v[] = { 1 * S };
	const struct levels levels = LEVELS_BUDGET;
	struct judgement j;
	(void)state;
	assert_int_equal(session_add_values(session, "time.wall", NULL, v, 1), 0);
	const struct series *s = metrics_find(session, "time.wall");
	const struct series *const series[] = { s, s };
	const struct budget b = parsed("time.wall", "scaling(n) <= 1.1");
	assert_int_equal(budget_judge_scaling(arena, &b, x, series, 2, &levels, &j), -EDOM);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(limits_have_units),
		TEST(statistics_stand_in_front),
		TEST(ranges_share_a_unit),
		TEST(baselines_are_named_or_the_scenarios),
		TEST(matrices_scale),
		TEST(mistakes_are_pointed_at),
		TEST(over_a_limit_has_four_levels),
		TEST(an_interval_across_the_border_is_inconclusive),
		TEST(below_a_range_is_yellow),
		TEST(headroom_is_target_by_actual),
		TEST(spread_is_judged),
		TEST(few_runs_give_no_tail),
		TEST(improvements_are_ratios),
		TEST(a_worsening_has_existence_and_size),
		TEST(a_range_typed_by_hand_is_a_baseline),
		TEST(a_missing_baseline_is_said),
		TEST(growth_has_an_exponent),
		TEST(one_cell_does_not_scale),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
