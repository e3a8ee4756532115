/* SPDX-License-Identifier: MIT */
/* How often the breakdown of a program against itself proves a change of its total, and how often a
 * planted one: waits that only some runs have, two modes, and a machine that is slow for a while. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_session.h"
#include "userspace/base/random.h"
#include "userspace/gate/judge.h"
#include "userspace/gate/proven.h"

#define RUNS  12
#define ROWS  20
#define WARN  0.05
#define TRIES 300

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHARE 10
#else
#define SHARE 1
#endif

enum noise { CALM_NOISE, SOME_WAIT, TWO_MODES, WAVES, NOISES };

static int64_t wait_of(struct random *r, enum noise noise)
{
	if (noise == CALM_NOISE)
		return (int64_t)(2e6 * exp(0.1 * random_normal(r)));
	if (noise == TWO_MODES)
		return random_below(r, 2) == 0 ? 100000 : 30 * MS;
	return random_below(r, 10) < 3 ? (int64_t)(15e6 * exp(0.8 * random_normal(r))) : 100000;
}

/* What the machine does to both runs of a pair. */
static double waves[RUNS];

static void draw_waves(struct random *r, enum noise noise)
{
	double wave = 0;
	for (size_t i = 0; i < RUNS; i++) {
		wave = 0.8 * wave + (noise == WAVES ? 0.1 : 0.01) * random_normal(r);
		waves[i] = wave;
	}
}

static struct session *session_of(struct random *r, enum noise noise, size_t n, int64_t planted_ns)
{
	struct session *s = sample_new(n);
	for (size_t i = 0; i < n; i++) {
		struct run *run = &s->runs[i];
		struct process one = sample_process(s, 1, "server", "x");
		run->n_processes = 1;
		run->processes = sample_copy(s, &one, sizeof(one));
		const double cpu = waves[i] + (noise == WAVES ? 0.1 : 0.02) * random_normal(r);
		sample_segment(s, run, (int64_t)(400e6 * exp(cpu)), PHASE_MAIN, CAUSE_CPU, "");
		for (int row = 0; row < (noise == TWO_MODES ? 3 : ROWS); row++) {
			char name[16];
			(void)snprintf(name, sizeof(name), "/data/%c", 'a' + row);
			sample_segment(s, run, wait_of(r, noise), PHASE_MAIN, CAUSE_DISK,
				       arena_strdup(s->arena, name));
		}
		if (planted_ns > 0)
			sample_segment(s, run, planted_ns + (int64_t)random_below(r, MS),
				       PHASE_MAIN, CAUSE_SLEEP, "");
		sample_value(run, "time.wall", (double)run->startup_total_ns);
	}
	assert_int_equal(metrics_collect(s), 0);
	return s;
}

static double share_of(struct random *r, enum noise noise, size_t n, int64_t planted_ns)
{
	draw_waves(r, noise);
	struct session *base = session_of(r, noise, n, 0);
	struct session *head = session_of(r, noise, n, planted_ns);
	struct comparison *c = NULL;
	assert_int_equal(comparison_build(base, head, 0.984, &c), 0);
	const double share = proven_share(c);
	(void)comparison_free(c);
	(void)session_free(base);
	(void)session_free(head);
	return share;
}

static void nothing_is_proven_of_a_program_against_itself(void **state)
{
	struct random r;
	size_t n_all = 0, n_false = 0;
	(void)state;
	random_seed(&r, 23);
	for (int noise = 0; noise < NOISES; noise++) {
		for (size_t i = 0; i < TRIES / SHARE; i++, n_all++)
			n_false += fabs(share_of(&r, (enum noise)noise, RUNS, 0)) >= WARN;
	}
	print_message("%zu of %zu comparisons of a program with itself\n", n_false, n_all);
	assert_true(n_false <= n_all / 400);
}

static void a_planted_sleep_is_proven_whatever_the_rest_does(void **state)
{
	struct random r;
	(void)state;
	random_seed(&r, 7);
	for (int noise = 0; noise < NOISES; noise++) {
		for (size_t i = 0; i < TRIES / SHARE / 10; i++)
			assert_true(share_of(&r, (enum noise)noise, RUNS, 100 * MS) >= WARN);
	}
}

static void few_runs_prove_nothing(void **state)
{
	struct random r;
	(void)state;
	random_seed(&r, 7);
	assert_true(share_of(&r, CALM_NOISE, 7, 100 * MS) == 0);
	assert_true(share_of(&r, CALM_NOISE, 8, 100 * MS) > 0);
}

/* The whole is open; the row of the sleep is not. */
static struct judgement judged(struct arena *arena, bool has_control)
{
	static const char *wall[] = { "time.wall" };
	struct step step = { .command = "server" };
	const struct scenario scenario = { .name = "server",
					   .steps = &step,
					   .n_steps = 1,
					   .gate = { wall, 1 },
					   .baseline_levels = LEVELS_BASELINE };
	struct random r;
	random_seed(&r, 5);
	draw_waves(&r, WAVES);
	struct against a = { .label = "v1" };
	a.session = session_of(&r, WAVES, RUNS, 0);
	a.head = session_of(&r, WAVES, RUNS, 60 * MS);
	a.control = has_control ? session_of(&r, WAVES, RUNS, 0) : NULL;
	assert_int_equal(comparison_build(a.session, a.head, 0.984, &a.comparison), 0);
	const struct evidence e = {
		.scenario = &scenario, .session = a.head, .against = &a, .n_against = 1, .gate = &a
	};
	struct outcome o = { .scenario = "server", .reason = "" };
	assert_int_equal(judge_scenario(arena, &e, &o), 0);
	const struct judgement j = o.judgements[0];
	(void)comparison_free(a.comparison);
	(void)session_free(a.session);
	(void)session_free(a.head);
	(void)session_free(a.control);
	return j;
}

static void rows_decide_what_the_whole_leaves_open(void **state)
{
	struct arena *arena = arena_new();
	(void)state;
	const struct judgement open = judged(arena, false);
	assert_int_equal(open.verdict, VERDICT_INCONCLUSIVE);
	const struct judgement j = judged(arena, true);
	assert_int_equal(j.verdict, VERDICT_REGRESSED);
	assert_int_equal(j.level, LEVEL_RED);
	assert_true(fabs(j.actual / j.base_value - j.ratio) < 1e-9 && j.ratio > 1.1);
	assert_non_null(
		strstr(j.reason, "is proven by rows of its breakdown, of the rest nothing"));
	(void)arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_proven_of_a_program_against_itself),
		cmocka_unit_test(a_planted_sleep_is_proven_whatever_the_rest_does),
		cmocka_unit_test(few_runs_prove_nothing),
		cmocka_unit_test(rows_decide_what_the_whole_leaves_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
