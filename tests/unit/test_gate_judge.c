/* SPDX-License-Identifier: MIT */
/* A scenario's sessions become an outcome: nothing that could not be judged passes. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/arena.h"
#include "userspace/gate/judge.h"
#include "userspace/gate/steps.h"

#define MS 1e6
#define N  20

static struct arena *arena;
static struct session *base, *head;
static struct comparison *comparison;
static struct step step = { .command = "./server" };
static struct scenario scenario;
static struct against against;
static struct evidence evidence;
static struct outcome outcome;

/* Values around @middle, a percent apart from end to end. */
static void add(struct session *s, const char *id, double middle)
{
	double values[N];
	for (int i = 0; i < N; i++)
		values[i] = middle * (1 + 0.01 * (i - N / 2) / N);
	assert_int_equal(session_add_values(s, id, metrics_row(id), values, N), 0);
}

static int setup(void **state)
{
	(void)state;
	arena = arena_new();
	scenario = (struct scenario){
		.name = "server",
		.steps = &step,
		.n_steps = 1,
		.runs = N,
		.budget_levels = LEVELS_BUDGET,
		.baseline_levels = LEVELS_BASELINE,
	};
	outcome = (struct outcome){ .scenario = "server", .reason = "" };
	return session_new(&base) < 0 || session_new(&head) < 0;
}

static int teardown(void **state)
{
	(void)state;
	comparison = comparison_free(comparison);
	base = session_free(base);
	head = session_free(head);
	arena = arena_free(arena);
	return 0;
}

static void judge(void)
{
	assert_int_equal(judge_scenario(arena, &evidence, &outcome), 0);
}

static void with_baseline(void)
{
	assert_int_equal(comparison_build(base, head, 0.985, &comparison), 0);
	against = (struct against){ .name = "main",
				    .label = "@main",
				    .session = base,
				    .head = head,
				    .comparison = comparison };
	evidence = (struct evidence){ .scenario = &scenario,
				      .session = head,
				      .against = &against,
				      .n_against = 1,
				      .gate = &against };
}

static void without_baseline(void)
{
	evidence = (struct evidence){ .scenario = &scenario, .session = head };
}

static void give_budget(const char *metric, const char *text)
{
	const char *error = NULL;
	size_t at = 0;
	scenario.budgets = arena_alloc(arena, sizeof(*scenario.budgets));
	scenario.n_budgets = 1;
	assert_int_equal(budget_parse(arena, metric, metrics_row(metric)->unit, text,
				      scenario.budgets, &error, &at),
			 0);
}

static void nothing_to_judge_by_does_not_pass(void **state)
{
	(void)state;
	add(head, "time.wall", 100 * MS);
	without_baseline();
	judge();
	assert_int_equal(outcome.kind, OUTCOME_CANNOT_JUDGE);
	assert_int_equal(outcome.n_judgements, 0);
}

static void a_baseline_that_is_not_there_yet_costs_the_comparison(void **state)
{
	(void)state;
	add(head, "time.wall", 100 * MS);
	without_baseline();
	evidence.awaits = "there is none yet";
	give_budget("time.wall", "< 1 s");
	judge();
	assert_int_equal(outcome.kind, OUTCOME_JUDGED);
	assert_int_equal(outcome.judgements[0].level, LEVEL_GREEN);
	/* What needs it is not green, and does not make up for nothing else. */
	give_budget("time.wall", "+10 %");
	outcome = (struct outcome){ .reason = "" };
	judge();
	assert_int_equal(outcome.judgements[0].level, LEVEL_INCONCLUSIVE);
	assert_int_equal(outcome.kind, OUTCOME_CANNOT_JUDGE);
	assert_string_equal(outcome.reason, "there is none yet");
	assert_int_equal(outcomes_status(&outcome, 1, false), 4);
}

static void what_was_not_captured_cannot_be_judged(void **state)
{
	(void)state;
	add(head, "time.wall", 100 * MS);
	give_budget("startup.ready", "< 1 s");
	without_baseline();
	judge();
	assert_int_equal(outcome.kind, OUTCOME_CANNOT_JUDGE);
	assert_non_null(
		strstr(outcome.reason, "startup.ready was not captured; `startline doctor`"));
	assert_int_equal(outcome.n_judgements, 1);
	assert_int_equal(outcomes_status(&outcome, 1, false), 4);
}

static void the_usual_metrics_are_judged_where_they_are(void **state)
{
	(void)state;
	add(base, "time.wall", 100 * MS);
	add(head, "time.wall", 120 * MS);
	with_baseline();
	judge();
	assert_int_equal(outcome.kind, OUTCOME_JUDGED);
	assert_int_equal(outcome.n_judgements, 1); /* mem.peak_rss was on neither side */
	assert_int_equal(outcome.judgements[0].verdict, VERDICT_REGRESSED);
	assert_int_equal(outcome.judgements[0].level, LEVEL_RED);
	assert_string_equal(outcome.judgements[0].target, "@main +10.0 %");
}

static void without_a_direction_it_has_changed(void **state)
{
	static const double heads[] = { 0.2, 0.6 };
	const char *ids[] = { "cpu.utilization" };
	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		(void)teardown(NULL);
		(void)setup(NULL);
		add(base, ids[0], 0.4);
		add(head, ids[0], heads[i]);
		scenario.gate = (struct text_list){ ids, 1 };
		with_baseline();
		judge();
		assert_int_equal(outcome.judgements[0].verdict, VERDICT_CHANGED);
		assert_string_equal(judgement_word(&outcome.judgements[0]), "changed");
		assert_int_equal(outcome.judgements[0].level, LEVEL_RED);
	}
}

static void a_metric_that_was_asked_for_has_to_be_there(void **state)
{
	const char *ids[] = { "time.wall", "mem.peak_rss" }, *foreign[] = { "bench[nobody's]" };
	(void)state;
	add(base, "time.wall", 100 * MS);
	add(head, "time.wall", 100 * MS);
	add(head, "mem.peak_rss", 1e6);
	scenario.gate = (struct text_list){ ids, 2 };
	with_baseline();
	judge();
	assert_int_equal(outcome.kind, OUTCOME_CANNOT_JUDGE);
	assert_non_null(strstr(outcome.reason, "mem.peak_rss against @main: only in head"));
	/* Nor need it be one that anybody knows. */
	scenario.gate = (struct text_list){ foreign, 1 };
	outcome = (struct outcome){ .reason = "" };
	judge();
	assert_non_null(strstr(outcome.reason, "bench[nobody's] against @main: on neither side"));
}

/* Of a benchmark that was run for a minute: two thousand times sorting them would take minutes. */
static void many_values_are_judged_in_a_second(void **state)
{
	static double v[50000];
	(void)state;
	for (size_t i = 0; i < 50000; i++)
		v[i] = (double)(i * 7919 % 50000) + MS;
	assert_int_equal(session_add_values(base, "time.wall", NULL, v, 50000), 0);
	assert_int_equal(session_add_values(head, "time.wall", NULL, v, 50000), 0);
	give_budget("time.wall", "p95 +1 %");
	with_baseline();
	judge();
	assert_int_equal(outcome.n_judgements, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(outcome.judgements[i].level, LEVEL_GREEN);
		assert_true(outcome.judgements[i].high > 1);
	}
}

static void nothing_in_common_does_not_pass(void **state)
{
	(void)state;
	add(base, "cpu.user", 100 * MS);
	add(head, "time.wall", 100 * MS);
	with_baseline();
	judge();
	assert_int_equal(outcome.kind, OUTCOME_CANNOT_JUDGE);
	assert_non_null(strstr(outcome.reason, "nothing in common with @main"));
}

static void different_machines_are_not_compared(void **state)
{
	(void)state;
	add(base, "time.wall", 100 * MS);
	add(head, "time.wall", 100 * MS);
	base->host.cpu = "one CPU";
	head->host.cpu = "another CPU";
	give_budget("time.wall", "+10 %");
	with_baseline();
	judge();
	assert_int_equal(outcome.kind, OUTCOME_CANNOT_JUDGE);
	assert_int_equal(outcome.n_judgements, 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(outcome.judgements[i].verdict, VERDICT_INCOMPARABLE);
	assert_non_null(strstr(outcome.reason, "one CPU"));
	assert_false(judge_screen(&evidence));
}

static void screening_suspects_what_may_be_worse(void **state)
{
	static const struct {
		double head;
		bool passes;
	} cases[] = { { 100, true }, { 90, true }, { 101, false }, { 120, false } };
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		(void)teardown(NULL);
		(void)setup(NULL);
		add(base, "time.wall", 100 * MS);
		add(head, "time.wall", cases[i].head * MS);
		with_baseline();
		assert_int_equal(judge_screen(&evidence), cases[i].passes);
	}
}

static void below_a_range_the_missing_connections_are_named(void **state)
{
	struct connection failed = { .peer = "tcp 127.0.0.1:5432",
				     .result = "ECONNREFUSED",
				     .duration_ns = 1 };
	struct connection made = { .peer = "tcp 127.0.0.1:6379", .result = "ok", .duration_ns = 1 };
	struct run in_head = { .connections = &failed, .n_connections = 1 };
	struct run in_base = { .connections = &made, .n_connections = 1 };
	(void)state;
	add(base, "time.wall", 100 * MS);
	add(head, "time.wall", 100 * MS);
	give_budget("time.wall", "5-15 s");
	head->runs = &in_head;
	base->runs = &in_base;
	head->n_runs = base->n_runs = 1;
	against = (struct against){ .session = base, .head = head };
	evidence = (struct evidence){ .scenario = &scenario, .session = head, .against = &against };
	judge();
	assert_int_equal(outcome.judgements[0].level, LEVEL_YELLOW);
	assert_non_null(strstr(outcome.judgements[0].reason, "tcp 127.0.0.1:5432: ECONNREFUSED"));
	in_head.n_connections = 0;
	outcome.n_judgements = 0;
	judge();
	assert_non_null(strstr(outcome.judgements[0].reason, "it made no connection"));
	in_head.n_connections = 1;
	assert_int_equal(comparison_build(base, head, 0.985, &comparison), 0);
	against.comparison = comparison;
	against.label = "@main";
	evidence.gate = &against;
	judge();
	const struct judgement *j = outcome.judgements;
	while (!j->is_budget)
		j++;
	assert_non_null(strstr(j->reason, "tcp 127.0.0.1:6379: not connected to"));
	/* They are on the stack. */
	head->n_runs = base->n_runs = 0;
}

static void steps_add_up_run_by_run(void **state)
{
	struct step steps[] = { { .name = "build" },
				{ .name = "start", .ready = { (const char *[]){ "accept" }, 1 } } };
	struct session *both[] = { base, head }, *sum = NULL;
	struct run runs[N] = { 0 };
	(void)state;
	add(base, "time.wall", 100 * MS);
	add(head, "time.wall", 900 * MS);
	add(head, "startup.ready", 50 * MS);
	base->runs = head->runs = runs;
	base->n_runs = N;
	head->n_runs = N - 1;
	scenario.steps = steps;
	scenario.n_steps = 2;
	assert_int_equal(steps_sum(&scenario, both, &sum), 0);
	const struct series *wall = metrics_find(sum, "time.wall");
	assert_int_equal(wall->n_values, N - 1);
	assert_true(fabs(wall->values[10] - 150 * MS) < 1);
	(void)session_free(sum);
	base->n_runs = head->n_runs = 0;
}

/* Every second run is on a core that others use, too. */
static void on_shared_cores(struct session *s, double work_ns)
{
	static const char *const ids[] = { "time.wall", "startup.undisturbed", METRIC_SPEED };
	double values[3][N];
	for (int i = 0; i < N; i++) {
		values[2][i] = i % 2 == 0 ? 9e5 + i : 6e5 + i;
		values[0][i] = values[1][i] = work_ns * 9e5 / values[2][i];
	}
	for (size_t i = 0; i < 3; i++)
		(void)session_add_values(s, ids[i], metrics_row(ids[i]), values[i], N);
	metrics_mark_interleaved(s);
}

static void that_speeds_were_made_equal_is_said(void **state)
{
	(void)state;
	on_shared_cores(base, 100 * MS);
	on_shared_cores(head, 115 * MS);
	with_baseline();
	against.name = NULL;
	judge();
	const struct judgement *j = &outcome.judgements[0];
	assert_string_equal(j->metric, "startup.undisturbed");
	assert_int_equal(j->level, LEVEL_RED);
	assert_non_null(strstr(j->reason, "at equal speed of the CPUs"));
	assert_non_null(strstr(outcome.judgements[1].reason, "left to startup.undisturbed"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Sides of which head takes 40 % more wall time, in runs of which @n_tainted were disturbed. */
static struct run runs[2][N];

static void slower_beside_neighbours(size_t n_tainted)
{
	static const char *wall[] = { "time.wall" };
	struct session *const sides[] = { base, head };
	for (size_t side = 0; side < 2; side++) {
		memset(runs[side], 0, sizeof(runs[side]));
		sides[side]->runs = runs[side];
		sides[side]->n_runs = N;
	}
	for (size_t i = 0; i < n_tainted; i++)
		runs[1][i].tainted = "tasks waited for a CPU during 60 % of the run (PSI)";
	scenario.gate = (struct text_list){ wall, 1 };
	add(base, "time.wall", 100 * MS);
	add(head, "time.wall", 140 * MS);
	add(base, "cpu.user", 80 * MS);
}

static void expect(enum level level, const char *reason)
{
	with_baseline();
	judge();
	assert_int_equal(outcome.kind, OUTCOME_JUDGED);
	assert_int_equal(outcome.n_judgements, 1);
	assert_int_equal(outcome.judgements[0].level, level);
	assert_non_null(strstr(outcome.judgements[0].reason, reason));
}

static void neighbours_are_no_regression(void **state)
{
	(void)state;
	slower_beside_neighbours(N / 2);
	add(head, "cpu.user", 84 * MS);
	expect(LEVEL_INCONCLUSIVE, "the machine was busy in 10 of 20 runs of head (tasks waited");
}

static void a_few_disturbed_runs_excuse_nothing(void **state)
{
	(void)state;
	slower_beside_neighbours(N / 5);
	add(head, "cpu.user", 80 * MS);
	expect(LEVEL_RED, "regressed +40.0 %");
}

static void what_cpu_time_carries_is_red_on_a_busy_machine(void **state)
{
	(void)state;
	slower_beside_neighbours(N);
	add(head, "cpu.user", 110 * MS);
	expect(LEVEL_RED, "regressed +40.0 %");
}

static void what_counts_carry_is_red_on_a_busy_machine(void **state)
{
	const double one[] = { 1, 1, 1 }, two[] = { 2, 2, 2 };
	(void)state;
	slower_beside_neighbours(N);
	add(head, "cpu.user", 80 * MS);
	assert_int_equal(session_add_values(base, "proc.execs", metrics_row("proc.execs"), one, 3),
			 0);
	assert_int_equal(session_add_values(head, "proc.execs", metrics_row("proc.execs"), two, 3),
			 0);
	expect(LEVEL_RED, "regressed +40.0 %");
}

static void what_was_interleaved_met_the_same_neighbours(void **state)
{
	(void)state;
	slower_beside_neighbours(N);
	add(head, "cpu.user", 80 * MS);
	with_baseline();
	against.name = NULL;
	judge();
	assert_int_equal(outcome.judgements[0].level, LEVEL_RED);
}

static void a_budget_against_a_baseline_is_not_over_by_neighbours(void **state)
{
	static struct budget budget;
	const char *error;
	size_t at;
	(void)state;
	slower_beside_neighbours(N);
	add(head, "cpu.user", 80 * MS);
	with_baseline();
	assert_int_equal(budget_parse(arena, "time.wall", UNIT_NS, "+10 %", &budget, &error, &at),
			 0);
	scenario.budgets = &budget;
	scenario.n_budgets = 1;
	evidence.gate = &against;
	judge();
	for (size_t i = 0; i < outcome.n_judgements; i++)
		assert_int_equal(outcome.judgements[i].level, LEVEL_INCONCLUSIVE);
	assert_int_equal(outcome.n_judgements, 2);
}

/* The scenario itself has none. */
static void nor_is_one_against_a_baseline_that_it_names(void **state)
{
	(void)state;
	slower_beside_neighbours(N);
	add(head, "cpu.user", 80 * MS);
	with_baseline();
	against.name = "old";
	evidence.gate = NULL;
	give_budget("time.wall", "<= 100 % of @old");
	judge();
	assert_int_equal(outcome.n_judgements, 1);
	assert_int_equal(outcome.judgements[0].level, LEVEL_INCONCLUSIVE);
	assert_non_null(strstr(outcome.judgements[0].reason, "the machine was busy in 20 of 20"));
}

/* Medians of noisy values are not what its ratio is of: which comparison it is does not show in them. */
static void a_budget_over_its_baseline_has_the_cause_of_that_comparison(void **state)
{
	(void)state;
	add(base, "heap.bytes", 1e6);
	add(head, "heap.bytes", 1.5e6);
	base->series[0].values[0] *= 1.01;
	with_baseline();
	evidence.gate = NULL;
	give_budget("heap.bytes", "<= 100 % of @main");
	judge();
	assert_int_equal(outcome.judgements[0].level, LEVEL_RED);
	assert_ptr_equal(outcome.judgements[0].comparison, comparison);
	assert_string_equal(outcome.judgements[0].cause, "which process is not known");
}

static void count_of(struct session *s, const char *id, double value)
{
	const double values[] = { value, value, value };
	assert_int_equal(session_add_values(s, id, metrics_row(id), values, 3), 0);
}

static enum verdict verdict_of_counts(double of_base, double of_head, double exact)
{
	static const char *allocs[] = { "heap.allocs" };
	scenario.gate = (struct text_list){ allocs, 1 };
	scenario.baseline_levels.exact = exact;
	count_of(base, "heap.allocs", of_base);
	count_of(head, "heap.allocs", of_head);
	with_baseline();
	judge();
	return outcome.judgements[0].verdict;
}

static void one_more_of_many_is_of_no_interest(void **state)
{
	(void)state;
	assert_int_equal(verdict_of_counts(60005, 60006, GATE_EXACT), VERDICT_UNCHANGED);
}

static void one_more_of_few_is(void **state)
{
	(void)state;
	assert_int_equal(verdict_of_counts(1, 2, GATE_EXACT), VERDICT_REGRESSED);
}

static void how_much_is_of_interest_can_be_said(void **state)
{
	(void)state;
	assert_int_equal(verdict_of_counts(60005, 60006, 0), VERDICT_REGRESSED);
	assert_int_equal(outcome.judgements[0].level, LEVEL_GREEN);
}

/* Where nothing may get worse. */
static void one_more_of_many_is_red_where_each_counts(void **state)
{
	(void)state;
	scenario.baseline_levels = (struct levels){ 0, 0, 0 };
	assert_int_equal(verdict_of_counts(60005, 60006, GATE_EXACT), VERDICT_UNCHANGED);
	assert_int_equal(outcome.judgements[0].level, LEVEL_GREEN);
	(void)teardown(NULL);
	(void)setup(NULL);
	scenario.baseline_levels = (struct levels){ 0, 0, 0 };
	assert_int_equal(verdict_of_counts(60005, 60006, 0), VERDICT_REGRESSED);
	assert_int_equal(outcome.judgements[0].level, LEVEL_RED);
}

static void what_one_side_did_not_capture_is_a_row(void **state)
{
	(void)state;
	memset(runs, 0, sizeof(runs));
	base->runs = runs[0];
	head->runs = runs[1];
	base->n_runs = head->n_runs = N;
	add(base, "time.wall", 100 * MS);
	add(head, "time.wall", 100 * MS);
	add(head, "mem.peak_rss", 32e6);
	with_baseline();
	judge();
	assert_int_equal(outcome.kind, OUTCOME_JUDGED);
	assert_int_equal(outcome.n_judgements, 2);
	assert_string_equal(outcome.judgements[0].metric, "mem.peak_rss");
	assert_int_equal(outcome.judgements[0].level, LEVEL_INCONCLUSIVE);
	assert_non_null(strstr(outcome.judgements[0].reason, "only in head"));
}

static void one_run_each_says_so(void **state)
{
	static const char *rss[] = { "mem.peak_rss" };
	const double less = 10e6, more = 12.9e6;
	(void)state;
	scenario.gate = (struct text_list){ rss, 1 };
	assert_int_equal(session_add_values(base, rss[0], metrics_row(rss[0]), &less, 1), 0);
	assert_int_equal(session_add_values(head, rss[0], metrics_row(rss[0]), &more, 1), 0);
	with_baseline();
	judge();
	assert_non_null(strstr(outcome.judgements[0].reason, "one run each"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_to_judge_by_does_not_pass),
		TEST(a_baseline_that_is_not_there_yet_costs_the_comparison),
		TEST(what_was_not_captured_cannot_be_judged),
		TEST(the_usual_metrics_are_judged_where_they_are),
		TEST(without_a_direction_it_has_changed),
		TEST(a_metric_that_was_asked_for_has_to_be_there),
		TEST(many_values_are_judged_in_a_second),
		TEST(nothing_in_common_does_not_pass),
		TEST(different_machines_are_not_compared),
		TEST(screening_suspects_what_may_be_worse),
		TEST(below_a_range_the_missing_connections_are_named),
		TEST(steps_add_up_run_by_run),
		TEST(that_speeds_were_made_equal_is_said),
		TEST(neighbours_are_no_regression),
		cmocka_unit_test_setup_teardown(a_few_disturbed_runs_excuse_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_cpu_time_carries_is_red_on_a_busy_machine,
						setup, teardown),
		cmocka_unit_test_setup_teardown(what_counts_carry_is_red_on_a_busy_machine, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_was_interleaved_met_the_same_neighbours, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_budget_against_a_baseline_is_not_over_by_neighbours, setup, teardown),
		TEST(nor_is_one_against_a_baseline_that_it_names),
		TEST(a_budget_over_its_baseline_has_the_cause_of_that_comparison),
		TEST(one_more_of_many_is_of_no_interest),
		TEST(one_more_of_few_is),
		TEST(how_much_is_of_interest_can_be_said),
		TEST(one_more_of_many_is_red_where_each_counts),
		TEST(what_one_side_did_not_capture_is_a_row),
		TEST(one_run_each_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
