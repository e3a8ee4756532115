/* SPDX-License-Identifier: MIT */
/* What an interleaved comparison claims on noise of known kinds: the proof of docs/statistics.md,
 * which quotes what this prints. The real design drives it, control arm included. */

#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_noise.h"
#include "userspace/base/stats_shift.h"
#include "userspace/gate/sequence.h"
#include "userspace/gate/statistic.h"

enum { LOOKS = 5 };

/* --- one comparison ------------------------------------------------------------------------- */

static const struct metric wall = {
	.id = "time.wall", .unit = UNIT_NS, .better = BETTER_LOWER, .class = CLASS_TIME
};

/* What is compared. Metric 0 differs by the effects, the others do not. */
struct plan {
	size_t max_pairs, n_metrics;
	double head_effect, control_effect;
	bool has_control; /* its runs are made in any case; else they are ignored */
	bool is_stopped;  /* as soon as it is decided */
};

struct look {
	enum verdict verdict; /* of metric 0 */
	enum level level;
	bool misses_below, misses_above; /* the interval lies below the true ratio, or above */
};

struct result {
	struct look looks[LOOKS];
	size_t n_looks, pairs;
	bool is_any_alarm; /* some metric is called regressed at the end */
};

struct samples {
	double values[ARM_COUNT][MOST_METRICS][MOST_PAIRS];
	size_t n[ARM_COUNT];
};

static void measure_run(struct machine *m, const struct plan *plan, enum arm arm, struct samples *s)
{
	const double effects[] = { 0, plan->head_effect, plan->control_effect };
	m->run++;
	for (size_t i = 0; i < plan->n_metrics; i++)
		s->values[arm][i][s->n[arm]] = 1e8 * factor(m, i) * (i == 0 ? 1 + effects[arm] : 1);
	s->n[arm]++;
}

/* The changes from base to @arm. */
static void changes_of(const struct plan *plan, struct samples *s, enum arm arm,
		       struct series series[static MOST_METRICS][2], struct change *ret)
{
	for (size_t i = 0; i < plan->n_metrics; i++) {
		const enum arm sides[] = { ARM_BASE, arm };
		for (int k = 0; k < 2; k++) {
			double *values = s->values[sides[k]][i];
			series[i][k] = (struct series){ .id = "time.wall",
							.metric = &wall,
							.values = values,
							.n_values = s->n[sides[k]],
							false,
							{ 0 },
							true,
							TIER_UNKNOWN };
			summary_of(values, s->n[sides[k]], &series[i][k].summary);
		}
		const int r = change_of(&series[i][0], &series[i][1], SEQUENCE_LEVEL, &ret[i]);
		assert_int_equal(r, 0);
	}
}

/* True: decided. */
static bool look(const struct plan *plan, struct samples *s, struct result *ret)
{
	static const struct levels levels = { .warn = 0.05, .fail = 0.10 };
	static struct series heads[MOST_METRICS][2], controls[MOST_METRICS][2];
	struct change changes[MOST_METRICS] = { 0 }, control[MOST_METRICS] = { 0 };
	enum verdict verdicts[MOST_METRICS];
	struct look *l = &ret->looks[ret->n_looks++];
	changes_of(plan, s, ARM_HEAD, heads, changes);
	if (plan->has_control)
		changes_of(plan, s, ARM_CONTROL, controls, control);
	const bool is_decided = sequence_judge(changes, plan->has_control ? control : NULL,
					       plan->n_metrics, verdicts);
	*l = (struct look){
		.verdict = verdicts[0],
		.level = level_of(&changes[0], verdicts[0], &levels),
		.misses_below =
			changes[0].high<1 + plan->head_effect, .misses_above = changes[0].low> 1 +
			plan->head_effect
	};
	ret->is_any_alarm = false;
	for (size_t i = 0; i < plan->n_metrics; i++)
		ret->is_any_alarm |= verdicts[i] == VERDICT_REGRESSED;
	return is_decided;
}

/* All of it, with its looks. */
static struct result compare(struct machine *m, const struct plan *plan)
{
	static struct samples samples;
	struct result result = { 0 };
	struct sequence s;
	memset(samples.n, 0, sizeof(samples.n));
	sequence_init(&s, random_u64(&m->random), plan->max_pairs);
	machine_begin(m, plan->max_pairs);
	while (!sequence_is_over(&s)) {
		bool is_discarded = false;
		const enum arm arm = sequence_next(&s, &is_discarded);
		if (!is_discarded)
			measure_run(m, plan, arm, &samples);
		if (!sequence_done(&s, false) || !sequence_is_look(&s))
			continue;
		result.pairs = s.pairs;
		if (look(plan, &samples, &result) && plan->is_stopped)
			break;
	}
	return result;
}

/* --- many comparisons ----------------------------------------------------------------------- */

struct tally {
	size_t red, alarms, verdicts[VERDICT_COUNT];
	size_t misses[LOOKS], ever_below, ever_above;
	double mean_pairs;
};

static void count(const struct result *r, struct tally *t)
{
	const struct look *last = &r->looks[r->n_looks - 1];
	bool is_below = false, is_above = false;
	t->red += last->level == LEVEL_RED;
	t->verdicts[last->verdict]++;
	t->alarms += r->is_any_alarm;
	for (size_t i = 0; i < r->n_looks; i++) {
		t->misses[i] += r->looks[i].misses_below || r->looks[i].misses_above;
		is_below |= r->looks[i].misses_below;
		is_above |= r->looks[i].misses_above;
	}
	t->ever_below += is_below;
	t->ever_above += is_above;
	t->mean_pairs += (double)r->pairs;
}

static struct tally repeat(enum noise noise, const struct plan *plan, size_t trials)
{
	struct machine m;
	struct tally t = { 0 };
	machine_init(&m, noise);
	for (size_t i = 0; i < trials; i++) {
		const struct result r = compare(&m, plan);
		count(&r, &t);
	}
	t.mean_pairs /= (double)trials;
	return t;
}

/* Most of @trials that may happen when the chance is @p: three standard deviations of luck. */
static size_t by_chance(double p, size_t trials)
{
	const double n = (double)trials;
	return (size_t)(n * p + 3 * sqrt(n * p * (1 - p)));
}

static const struct plan usual = {
	.max_pairs = 30, .n_metrics = 1, .has_control = true, .is_stopped = true
};

/* --- claims --------------------------------------------------------------------------------- */

static void noise_alone_is_hardly_ever_called_a_regression(void **state)
{
	(void)state;
	enum { TRIALS = 10000 / SHARE };
	for (int noise = 0; noise < NOISES; noise++) {
		const struct tally t = repeat((enum noise)noise, &usual, TRIALS);
		print_message("%-10s false alarms %zu of %d, unchanged %.1f %%, pairs %.1f\n",
			      noise_names[noise], t.alarms, TRIALS,
			      percent(t.verdicts[VERDICT_UNCHANGED], TRIALS), t.mean_pairs);
		assert_true(SHARE > 1 || t.alarms * 1000 <= TRIALS);
	}
}

static void forty_metrics_together_raise_no_more_alarms(void **state)
{
	(void)state;
	enum { TRIALS = 500 / SHARE };
	struct plan plan = usual;
	plan.n_metrics = MOST_METRICS;
	for (int noise = 0; noise < NOISES; noise++) {
		const struct tally t = repeat((enum noise)noise, &plan, TRIALS);
		print_message("%-10s runs with a false alarm %zu of %d, pairs %.1f\n",
			      noise_names[noise], t.alarms, TRIALS, t.mean_pairs);
		assert_true(SHARE > 1 || t.alarms * 100 <= TRIALS);
	}
}

/* Heavy tails need four pairs more. */
static void ten_percent_are_caught(void **state)
{
	(void)state;
	enum { TRIALS = 4000 / SHARE };
	struct plan plan = usual;
	plan.head_effect = 0.10;
	for (int noise = 0; noise < NOISES; noise++) {
		const bool is_hard = noise == OUTLIERS || noise == BIMODAL;
		plan.max_pairs = is_hard ? 16 : 12;
		const struct tally t = repeat((enum noise)noise, &plan, TRIALS);
		print_message("%-10s red %.2f %% by %zu pairs, on average %.1f\n",
			      noise_names[noise], percent(t.red, TRIALS), plan.max_pairs,
			      t.mean_pairs);
		assert_true(SHARE > 1 || t.red * 100 >= TRIALS * (is_hard ? 95 : 97));
	}
}

/* Improvements are no regressions, and are found as well. */
static void smaller_effects_and_improvements(void **state)
{
	(void)state;
	enum { TRIALS = 1000 / SHARE };
	static const double effects[] = { -0.10, -0.05, 0.01, 0.03, 0.05, 0.07 };
	for (size_t i = 0; i < sizeof(effects) / sizeof(effects[0]); i++) {
		struct plan plan = usual;
		plan.head_effect = effects[i];
		const struct tally t = repeat(GAUSS, &plan, TRIALS);
		print_message(
			"%+3.0f %% improved %.1f, unchanged %.1f, regressed %.1f, inconclusive "
			"%.1f %%, pairs %.1f\n",
			effects[i] * 100, percent(t.verdicts[VERDICT_IMPROVED], TRIALS),
			percent(t.verdicts[VERDICT_UNCHANGED], TRIALS),
			percent(t.verdicts[VERDICT_REGRESSED], TRIALS),
			percent(t.verdicts[VERDICT_INCONCLUSIVE], TRIALS), t.mean_pairs);
		if (SHARE > 1)
			continue;
		if (effects[i] < 0)
			assert_int_equal(t.verdicts[VERDICT_REGRESSED], 0);
		if (effects[i] == -0.10)
			assert_true(t.verdicts[VERDICT_IMPROVED] >= TRIALS * 99 / 100);
	}
}

/* Without ties, and for values that do not depend on each other, this is no matter of luck. */
static void intervals_cover_by_construction(void **state)
{
	(void)state;
	const double tail = (1 - SEQUENCE_LEVEL) / 2;
	for (size_t n = 5; n <= STATS_EXACT_MAX; n++) {
		size_t k = 0;
		while (stats_mann_whitney_cdf(n, n, k) < tail)
			k++;
		assert_true(k > 0);
		assert_true(1 - 2 * stats_mann_whitney_cdf(n, n, k - 1) >= SEQUENCE_LEVEL);
	}
}

static void intervals_cover_the_truth_at_each_look(void **state)
{
	(void)state;
	enum { TRIALS = 16000 / SHARE };
	struct plan plan = usual;
	plan.is_stopped = false;
	plan.head_effect = 0.10;
	plan.has_control = false;
	for (int noise = 0; noise < NOISES; noise++) {
		const struct tally t = repeat((enum noise)noise, &plan, TRIALS);
		print_message("%-10s covered", noise_names[noise]);
		for (size_t i = 0; i < LOOKS; i++)
			print_message(" %.2f", 100 - percent(t.misses[i], TRIALS));
		print_message(" %%; ever missed below %.2f %%, above %.2f %%\n",
			      percent(t.ever_below, TRIALS), percent(t.ever_above, TRIALS));
		for (size_t i = 0; i < LOOKS; i++)
			assert_true(t.misses[i] <= by_chance(1 - SEQUENCE_LEVEL, TRIALS));
		/* Looking five times: what the level of the looks was chosen for. */
		assert_true(t.ever_below <= by_chance(0.025, TRIALS));
		assert_true(t.ever_above <= by_chance(0.025, TRIALS));
	}
}

/* How often the 95 % interval of a statistic holds what 200,000 runs come to. */
static size_t covered(enum noise noise, struct statistic_spec spec, size_t n, size_t trials)
{
	enum { MANY = 200000 };
	static double many[MANY];
	struct machine m;
	size_t count = 0;
	machine_init(&m, noise);
	machine_begin(&m, MOST_PAIRS);
	for (size_t i = 0; i < MANY; i++)
		many[i] = factor(&m, 0);
	const double truth = statistic_value(spec, many, MANY);
	for (size_t i = 0; i < trials; i++) {
		double values[MOST_PAIRS];
		struct series series = {
			.id = "time.wall", .metric = &wall, .values = values, .n_values = n
		};
		struct estimate e;
		for (size_t k = 0; k < n; k++)
			values[k] = factor(&m, 0);
		assert_int_equal(statistic_of(&series, spec, &e), 0);
		count += e.low <= truth && truth <= e.high;
	}
	return count;
}

static void a_budget_on_the_median_is_judged_by_an_interval_that_covers(void **state)
{
	(void)state;
	enum { TRIALS = 1000 / SHARE };
	static const struct {
		const char *name;
		struct statistic_spec spec;
	} rows[] = { { "median", { STATISTIC_MEDIAN, 0 } },
		     { "mean", { STATISTIC_MEAN, 0 } },
		     { "cv", { STATISTIC_CV, 0 } },
		     { "p90", { STATISTIC_QUANTILE, 0.9 } } };
	static const enum noise noises[] = { GAUSS, OUTLIERS };
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
			const size_t trials = k == 0 ? TRIALS : TRIALS / 4 + 1;
			size_t counts[3];
			for (size_t n = 10; n <= 30; n += 10) {
				counts[n / 10 - 1] = covered(noises[i], rows[k].spec, n, trials);
				assert_true(k > 0 ||
					    trials - counts[n / 10 - 1] <= by_chance(0.05, trials));
			}
			print_message("%-8s %-6s covered %.0f, %.0f, %.0f %% of 10, 20, 30 runs\n",
				      noise_names[noises[i]], rows[k].name,
				      percent(counts[0], trials), percent(counts[1], trials),
				      percent(counts[2], trials));
		}
	}
}

/* What the control arm costs where nothing is wrong, and what it prevents where something is: the
 * harness itself makes every program that is not the first slower. */
static void the_control_arm_is_cheap_and_withholds(void **state)
{
	(void)state;
	enum { TRIALS = 2000 / SHARE };
	struct plan plan = usual;
	plan.head_effect = 0.10;
	for (int noise = 0; noise < NOISES; noise++) {
		plan.has_control = true;
		const struct tally with = repeat((enum noise)noise, &plan, TRIALS);
		plan.has_control = false;
		const struct tally without = repeat((enum noise)noise, &plan, TRIALS);
		print_message("%-10s red %.2f %% with a control, %.2f %% without\n",
			      noise_names[noise], percent(with.red, TRIALS),
			      percent(without.red, TRIALS));
		assert_true(SHARE > 1 || with.red + TRIALS / 100 >= without.red);
	}
	for (int bias = 5; bias <= 15; bias += 5) {
		plan.has_control = true;
		plan.head_effect = plan.control_effect = bias / 100.0;
		const struct tally with = repeat(GAUSS, &plan, TRIALS);
		plan.has_control = false;
		const struct tally without = repeat(GAUSS, &plan, TRIALS);
		print_message("bias %2d %%  alarms %.1f %% with a control, %.1f %% without\n", bias,
			      percent(with.alarms, TRIALS), percent(without.alarms, TRIALS));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noise_alone_is_hardly_ever_called_a_regression),
		cmocka_unit_test(forty_metrics_together_raise_no_more_alarms),
		cmocka_unit_test(ten_percent_are_caught),
		cmocka_unit_test(smaller_effects_and_improvements),
		cmocka_unit_test(intervals_cover_by_construction),
		cmocka_unit_test(intervals_cover_the_truth_at_each_look),
		cmocka_unit_test(a_budget_on_the_median_is_judged_by_an_interval_that_covers),
		cmocka_unit_test(the_control_arm_is_cheap_and_withholds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
