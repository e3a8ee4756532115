/* SPDX-License-Identifier: MIT */
/* Results of other tools, compared by processes: what is claimed of benchmarks that did not change, and
 * what is found of those that did. docs/statistics.md quotes what this prints. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_noise.h"
#include "userspace/base/arena.h"
#include "userspace/gate/family.h"
#include "userspace/gate/judge.h"
#include "userspace/model/history/history.h"

enum { ROUNDS = 5, MOST_PROCESSES = 20, BENCHMARKS = 40 };

static const struct metric bench = { .unit = UNIT_NS, .better = BETTER_LOWER, .class = CLASS_TIME };

/* --- a comparison of a suite ---------------------------------------------------------------- */

struct suite {
	size_t n_benchmarks, n_processes, n_changed; /* the first ones are slower in head */
	double sigma, within; /* from one process to the next, and within one */
	double effect;
};

static void name_of(size_t i, char name[static 32])
{
	(void)snprintf(name, 32, "bench[%05zu]", i);
}

static void add(struct session *s, struct machine *m, const struct suite *suite, size_t i,
		double effect)
{
	double values[MOST_PROCESSES * ROUNDS], sizes[MOST_PROCESSES];
	char name[32];
	size_t n = 0;
	for (size_t p = 0; p < suite->n_processes; p++) {
		const double process =
			1e6 * (1 + effect) * pow(factor(m, i % MOST_METRICS), suite->sigma / SIGMA);
		m->run++;
		sizes[p] = ROUNDS;
		for (size_t k = 0; k < ROUNDS; k++)
			values[n++] = process * exp(suite->within * random_normal(&m->random));
	}
	name_of(i, name);
	assert_int_equal(session_add_values(s, name, &bench, values, n), 0);
	assert_int_equal(session_set_processes(s, sizes, suite->n_processes), 0);
}

static struct comparison *compare(struct machine *m, const struct suite *suite,
				  struct session *sides[2])
{
	struct comparison *c = NULL;
	for (int side = 0; side < 2; side++) {
		assert_int_equal(session_new(&sides[side]), 0);
		machine_begin(m, MOST_PROCESSES);
		for (size_t i = 0; i < suite->n_benchmarks; i++)
			add(sides[side], m, suite, i,
			    side == 1 && i < suite->n_changed ? suite->effect : 0);
	}
	assert_int_equal(comparison_build(sides[0], sides[1], COMPARISON_LEVEL, &c), 0);
	assert_int_equal(family_set_claims(c), 0);
	return c;
}

static void done(struct comparison *c, struct session *sides[2])
{
	(void)comparison_free(c);
	(void)session_free(sides[0]);
	(void)session_free(sides[1]);
}

static bool is_red(const struct change *c)
{
	return level_of(c, verdict_of(c), &LEVELS_BASELINE) == LEVEL_RED;
}

struct rates {
	size_t trials, any_red, any_improved, unchanged, found, false_reds, reds;
};

static struct rates repeat(enum noise noise, const struct suite *suite, size_t trials)
{
	struct rates r = { .trials = trials };
	struct machine m;
	machine_init(&m, noise);
	for (size_t t = 0; t < trials; t++) {
		struct session *sides[2];
		struct comparison *c = compare(&m, suite, sides);
		bool any_red = false, any_improved = false;
		for (size_t i = 0; i < c->n_changes; i++) {
			const struct change *change = &c->changes[i];
			const bool is_changed = i < suite->n_changed;
			r.reds += is_red(change);
			r.found += is_changed && is_red(change);
			r.false_reds += !is_changed && is_red(change);
			any_red |= !is_changed && is_red(change);
			any_improved |= verdict_of(change) == VERDICT_IMPROVED;
			r.unchanged += !is_changed && verdict_of(change) == VERDICT_UNCHANGED;
		}
		r.any_red += any_red;
		r.any_improved += any_improved;
		done(c, sides);
	}
	return r;
}

/* --- facts ---------------------------------------------------------------------------------- */

static void a_suite_against_itself_is_not_red(void **state)
{
	(void)state;
	static const size_t processes[] = { 1, 2, 3, 5, 8, 10, 15 };
	const size_t trials = 120 / SHARE;
	(void)printf("of comparisons of %d benchmarks with themselves, with a false red one / one "
		     "called improved; benchmarks called unchanged:\n",
		     BENCHMARKS);
	for (enum noise noise = GAUSS; noise <= BIMODAL; noise++) {
		size_t red = 0, all = 0;
		for (size_t i = 0; i < sizeof(processes) / sizeof(*processes); i++) {
			const struct suite suite = { .n_benchmarks = BENCHMARKS,
						     .n_processes = processes[i],
						     .sigma = 0.02,
						     .within = 0.01 };
			const struct rates r = repeat(noise, &suite, trials);
			(void)printf("  %-9s %2zu processes: %.2f %% / %.2f %%; %.0f %%\n",
				     noise_names[noise], processes[i], percent(r.any_red, trials),
				     percent(r.any_improved, trials),
				     percent(r.unchanged, trials * BENCHMARKS));
			red += r.any_red;
			all += trials;
		}
		assert_true(percent(red, all) <= 0.5);
	}
}

/* How many benchmarks "bench[*]" with @text calls red. */
static size_t red_by_glob(struct comparison *c, const char *text)
{
	struct arena *arena = arena_new();
	const char *error = NULL;
	size_t at = 0, n = 0;
	struct budget budget;
	struct step step = { .command = "results" };
	struct scenario scenario = { .name = "suite",
				     .results = "results",
				     .steps = &step,
				     .n_steps = 1,
				     .budgets = &budget,
				     .n_budgets = 1,
				     .baseline_levels = LEVELS_BASELINE };
	struct against against = { .name = "main",
				   .label = "@main",
				   .session = c->base,
				   .head = c->head,
				   .comparison = c };
	const struct evidence evidence = { .scenario = &scenario,
					   .session = c->head,
					   .against = &against,
					   .n_against = 1,
					   .gate = &against };
	struct outcome outcome = { .scenario = "suite", .reason = "" };
	assert_int_equal(budget_parse(arena, "bench[*]", UNIT_NS, text, &budget, &error, &at), 0);
	assert_int_equal(judge_scenario(arena, &evidence, &outcome), 0);
	for (size_t i = 0; i < outcome.n_judgements; i++)
		n += outcome.judgements[i].is_budget && outcome.judgements[i].level == LEVEL_RED;
	(void)arena_free(arena);
	return n;
}

static void a_budget_by_glob_is_of_the_same_family(void **state)
{
	(void)state;
	static const char *const texts[] = { "+3 %", "<= 103 % of baseline", "mean +3 %",
					     "max <= 103 % of baseline" };
	const struct suite same = {
		.n_benchmarks = BENCHMARKS, .n_processes = 5, .sigma = 0.25, .within = 0.10
	};
	const size_t trials = SHARE > 1 ? 1 : 8;
	for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++) {
		struct machine m;
		struct session *sides[2];
		size_t red = 0;
		machine_init(&m, GAUSS);
		for (size_t t = 0; t < trials; t++) {
			struct comparison *c = compare(&m, &same, sides);
			red += red_by_glob(c, texts[k]) > 0;
			done(c, sides);
		}
		(void)printf("bench[*] \"%s\", %d benchmarks with themselves: %.2f %% with a red "
			     "one\n",
			     texts[k], BENCHMARKS, percent(red, trials));
		assert_int_equal(red, 0);
	}
}

static void noisy_machines_are_no_reason_either(void **state)
{
	(void)state;
	static const size_t processes[] = { 1, 2, 3, 5, 10 };
	const size_t trials = 100 / SHARE;
	for (enum noise noise = GAUSS; noise <= BIMODAL; noise++) {
		size_t red = 0, all = 0;
		for (size_t i = 0; i < sizeof(processes) / sizeof(*processes); i++) {
			const struct suite suite = { .n_benchmarks = BENCHMARKS,
						     .n_processes = processes[i],
						     .sigma = noise == GAUSS ? 0.25 : 0.10,
						     .within = 0.10 };
			const struct rates r = repeat(noise, &suite, trials);
			(void)printf("noise of %.0f %%, %s, %zu processes: %.2f %% with a false "
				     "red one\n",
				     100 * suite.sigma, noise_names[noise], processes[i],
				     percent(r.any_red, trials));
			red += r.any_red;
			all += trials;
		}
		assert_true(percent(red, all) <= 0.5);
	}
}

/* The level of a claim about the first of four benchmarks. */
static double level_at(double sigma, double within)
{
	const struct suite suite = {
		.n_benchmarks = 4, .n_processes = 10, .sigma = sigma, .within = within
	};
	struct session *sides[2];
	struct machine m;
	machine_init(&m, GAUSS);
	struct comparison *c = compare(&m, &suite, sides);
	const double level = c->changes[0].claim_alpha;
	done(c, sides);
	return level;
}

/* What is seen between processes, or within one. */
static void claims_are_rarer_where_processes_are_noisy(void **state)
{
	(void)state;
	const double calm = level_at(0.02, 0.01);
	assert_true(fabs(calm - FAMILY_ALPHA / 4) < 1e-12);
	assert_true(fabs(level_at(0.25, 0.01) - calm / 5) < 1e-12);
	assert_true(fabs(level_at(0.02, 0.25) - calm / 5) < 1e-12);
}

/* In % of @trials. */
static double found(double sigma, double effect, size_t n_processes, size_t n_changed, size_t n)
{
	const size_t trials = SHARE > 1 ? 4 : 60;
	const struct suite suite = { .n_benchmarks = n,
				     .n_processes = n_processes,
				     .n_changed = n_changed,
				     .sigma = sigma,
				     .within = 0.01,
				     .effect = effect };
	const struct rates r = repeat(GAUSS, &suite, trials);
	const double share = percent(r.found, trials * n_changed);
	(void)printf("  %+.0f %% of %zu of %zu benchmarks, noise of %.0f %%, %zu processes: red in "
		     "%.1f %%; a false red one in %.2f %%\n",
		     100 * effect, n_changed, n, 100 * sigma, n_processes, share,
		     percent(r.any_red, trials));
	return share;
}

static void changes_are_found(void **state)
{
	(void)state;
	for (size_t n_changed = 1; n_changed <= BENCHMARKS; n_changed *= 40) {
		assert_true(found(0.02, 9, 1, n_changed, BENCHMARKS) >= 99);
		assert_true(found(0.02, 1, 3, n_changed, BENCHMARKS) >= 99);
		assert_true(found(0.02, 0.3, 5, n_changed, BENCHMARKS) >= 95);
		assert_true(found(0.02, 0.1, 10, n_changed, BENCHMARKS) >= 90);
	}
	assert_true(found(0.02, 0.3, 5, 1, 1) >= 99);
	assert_true(found(0.02, 0.3, 8, 1, 20) >= 99);
	/* With sanitizers there are four trials. */
	assert_true(found(0.02, 0.1, 10, 1, 1) >= (SHARE > 1 ? 50 : 95));
}

static void of_thousands_the_rate_of_false_ones_is_held(void **state)
{
	(void)state;
	const struct suite suite = { .n_benchmarks = SHARE > 1 ? 60 : 2000,
				     .n_processes = 8,
				     .n_changed = SHARE > 1 ? 6 : 200,
				     .sigma = 0.02,
				     .within = 0.01,
				     .effect = 0.15 };
	const struct rates r = repeat(GAUSS, &suite, SHARE > 1 ? 1 : 4);
	(void)printf(
		"of %zu benchmarks %zu are 15 %% slower: %.1f %% of these are red, and %zu of %zu "
		"red ones are false\n",
		suite.n_benchmarks, suite.n_changed, percent(r.found, r.trials * suite.n_changed),
		r.false_reds, r.reds);
	assert_true(percent(r.found, r.trials * suite.n_changed) >= 90);
	assert_true((double)r.false_reds <= 0.01 * (double)r.reds);
}

/* One value a process in @values[side], in @ret; the session is the caller's. */
static struct change change_between(const double *base, const double *head, size_t n,
				    struct known_noise noise, struct arena *arena)
{
	static const double ones[MOST_PROCESSES] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	/* The change refers to them. */
	struct series *series = arena_alloc_array(arena, 2, sizeof(*series));
	assert_non_null(series);
	series[0] = (struct series){ .id = "bench[x]", .metric = &bench, .noise = noise };
	series[1] = (struct series){ .id = "bench[x]", .metric = &bench };
	struct change c;
	for (int side = 0; side < 2; side++) {
		const double *values = side == 0 ? base : head;
		series[side].values = arena_memdup(arena, values, n * sizeof(*values));
		series[side].n_values = n;
		series[side].processes = arena_memdup(arena, ones, n * sizeof(*ones));
		series[side].n_processes = n;
		summary_of(values, n, &series[side].summary);
	}
	assert_int_equal(change_of(&series[0], &series[1], 0.99, &c), 0);
	return c;
}

static void what_the_store_knows_counts(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	const double base = 100, head = 130;
	const struct known_noise none = { 0 }, quiet = { 0.01, 20 }, noisy = { 0.2, 20 };
	struct change c = change_between(&base, &head, 1, none, arena);
	assert_int_equal(verdict_of(&c), VERDICT_INCONCLUSIVE);
	assert_false(c.processes.is_known);
	c = change_between(&base, &head, 1, quiet, arena);
	assert_int_equal(verdict_of(&c), VERDICT_REGRESSED);
	assert_true(c.processes.is_known);
	c = change_between(&base, &head, 1, noisy, arena);
	assert_int_equal(verdict_of(&c), VERDICT_INCONCLUSIVE);
	assert_int_equal(arena_free(arena), 0);
}

/* What twelve results of 2 % noise tell: their own spread, as it happens to be. */
static struct known_noise noise_of_twelve(struct machine *m, size_t i)
{
	struct point points[12];
	struct trend t = { .points = points, .n_points = 12 };
	for (size_t k = 0; k < t.n_points; k++, m->run++)
		points[k].median = factor(m, i % MOST_METRICS);
	return trend_noise(&t, 1);
}

static void a_history_of_twelve_is_no_reason_for_false_ones(void **state)
{
	(void)state;
	const size_t trials = 400 / SHARE;
	for (enum noise noise = GAUSS; noise <= BIMODAL; noise++) {
		struct machine m;
		size_t red = 0, found = 0;
		machine_init(&m, noise);
		for (size_t t = 0; t < trials; t++) {
			struct session *sides[2];
			struct comparison *c = NULL;
			for (int side = 0; side < 2; side++) {
				assert_int_equal(session_new(&sides[side]), 0);
				machine_begin(&m, MOST_PROCESSES);
				for (size_t i = 0; i < BENCHMARKS; i++)
					add(sides[side], &m,
					    &(struct suite){ .n_processes = 1, .sigma = SIGMA }, i,
					    side == 1 && i == 0 ? 0.3 : 0);
			}
			for (size_t i = 0; i < sides[0]->n_series; i++)
				sides[0]->series[i].noise = noise_of_twelve(&m, i);
			assert_int_equal(comparison_build(sides[0], sides[1], COMPARISON_LEVEL, &c),
					 0);
			assert_int_equal(family_set_claims(c), 0);
			bool any_red = false;
			for (size_t i = 1; i < c->n_changes; i++)
				any_red |= is_red(&c->changes[i]);
			red += any_red;
			found += is_red(&c->changes[0]);
			done(c, sides);
		}
		(void)printf("a history of 12, one process, %-9s: %.2f %% with a false red one; "
			     "+30 %% found in %.0f %%\n",
			     noise_names[noise], percent(red, trials), percent(found, trials));
		assert_true(percent(red, trials) <= 0.5);
	}
}

static void ten_times_slower_is_red_and_says_what_is_missing(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	const double base = 100, head = 1000;
	const struct known_noise none = { 0 };
	const struct change c = change_between(&base, &head, 1, none, arena);
	assert_int_equal(verdict_of(&c), VERDICT_REGRESSED);
	const size_t n = family_certain_processes(&c);
	assert_in_range(n, 2, 5);
	assert_non_null(strstr(family_certain_words(arena, &c), "make it certain"));
	assert_int_equal(arena_free(arena), 0);
}

static void assert_near(double actual, double expected, double most)
{
	assert_true(fabs(actual - expected) <= most);
}

static void the_values_shown_have_the_ratio_shown(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	const double base[] = { 100, 104, 96, 130, 99 }, head[] = { 140, 131, 90, 133, 135 };
	const struct known_noise none = { 0 };
	const struct change c = change_between(base, head, 5, none, arena);
	assert_near(c.head_value / c.base_value, c.ratio, 1e-9);
	assert_true(c.low < c.ratio && c.ratio < c.high);
	assert_int_equal(arena_free(arena), 0);
}

static void how_many_more_is_about_right(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	const double base[] = { 100, 102, 98 }, head[] = { 112, 110, 114 };
	const struct known_noise none = { 0 };
	const struct change c = change_between(base, head, 3, none, arena);
	assert_int_equal(verdict_of(&c), VERDICT_INCONCLUSIVE);
	assert_in_range(family_more_processes(&c), 1, 12);
	assert_int_equal(arena_free(arena), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_suite_against_itself_is_not_red),
		cmocka_unit_test(a_budget_by_glob_is_of_the_same_family),
		cmocka_unit_test(noisy_machines_are_no_reason_either),
		cmocka_unit_test(claims_are_rarer_where_processes_are_noisy),
		cmocka_unit_test(changes_are_found),
		cmocka_unit_test(of_thousands_the_rate_of_false_ones_is_held),
		cmocka_unit_test(what_the_store_knows_counts),
		cmocka_unit_test(a_history_of_twelve_is_no_reason_for_false_ones),
		cmocka_unit_test(ten_times_slower_is_red_and_says_what_is_missing),
		cmocka_unit_test(the_values_shown_have_the_ratio_shown),
		cmocka_unit_test(how_many_more_is_about_right),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
