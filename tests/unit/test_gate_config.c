/* SPDX-License-Identifier: MIT */
/* startline.yml: what it means, and where it points when something is wrong. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/gate/config.h"

static char messages[4096];

static void remember(enum log_level level, const char *message, void *user)
{
	(void)level;
	(void)user;
	const size_t n = strlen(messages);
	(void)snprintf(messages + n, sizeof(messages) - n, "%s\n", message);
}

static struct config *loaded(const char *text)
{
	struct config *c = NULL;
	messages[0] = '\0';
	log_set_sink(remember, NULL);
	const int r = config_parse(text, strlen(text), "f.yml", &c);
	log_set_sink(NULL, NULL);
	if (r < 0)
		print_message("%s", messages);
	assert_int_equal(r, 0);
	return c;
}

/* @place: "3:7", of the last line that is said; @word occurs somewhere. */
static void refused(const char *text, const char *place, const char *word)
{
	struct config *c = NULL;
	char expected[64];
	messages[0] = '\0';
	(void)snprintf(expected, sizeof(expected), "f.yml:%s: ", place);
	log_set_sink(remember, NULL);
	const int r = config_parse(text, strlen(text), "f.yml", &c);
	log_set_sink(NULL, NULL);
	if (r != -EINVAL || strstr(messages, expected) == NULL || strstr(messages, word) == NULL)
		print_message("expected %s%s, got %d: %s\n%s\n", expected, word, r, messages, text);
	assert_int_equal(r, -EINVAL);
	assert_non_null(strstr(messages, expected));
	assert_non_null(strstr(messages, word));
}

static void same_argv(char *const *argv, const char *const *expected)
{
	size_t i = 0;
	for (; expected[i] != NULL; i++) {
		assert_non_null(argv[i]);
		assert_string_equal(argv[i], expected[i]);
	}
	assert_null(argv[i]);
}

#define A_SCENARIO "scenarios:\n  - name: a\n    command: ./a\n"

/* --- what it means -------------------------------------------------------------------------- */

static void foreign_scenarios_load_verbatim(void **state)
{
	static const char text[] = "scenarios:\n"
				   "  - name: \"Full Test Suite\"\n"
				   "    command: \"python -m pytest -v -n 2 --cov=.\"\n"
				   "    target: \"< 180 seconds\"\n"
				   "  - name: \"Quick Tests Only\"\n"
				   "    command: \"python -m pytest -v -n 2 -m 'not slow'\"\n"
				   "    target: \"< 120 seconds\"\n"
				   "  - name: \"Single Worker\"\n"
				   "    command: \"python -m pytest -v --cov=.\"\n"
				   "    target: \"< 300 seconds\"\n"
				   "  - name: \"Parallel Workers\"\n"
				   "    command: \"python -m pytest -v -n 4 --cov=.\"\n"
				   "    target: \"< 150 seconds\"\n";
	static const char *const quick[] = { "python", "-m", "pytest",	 "-v", "-n",
					     "2",      "-m", "not slow", NULL };
	static const double limits[] = { 180, 120, 300, 150 };
	(void)state;
	struct config *c = loaded(text);
	assert_int_equal(c->n_scenarios, 4);
	for (size_t i = 0; i < 4; i++) {
		const struct scenario *s = &c->scenarios[i];
		assert_int_equal(s->n_steps, 1);
		assert_int_equal(s->n_budgets, 1);
		assert_string_equal(s->budgets[0].metric, "time.wall");
		assert_true(s->budgets[0].high == limits[i] * 1e9);
		assert_int_equal(s->budgets[0].line, 4 + 3 * (int)i);
		assert_int_equal(s->line, 2 + 3 * (int)i);
		assert_int_equal(s->runs, 10);
		assert_int_equal(s->max_time_ns, 60 * NS_PER_S);
	}
	same_argv(c->scenarios[1].steps[0].argv, quick);
	(void)config_free(c);
}

static void the_whole_format_loads(void **state)
{
	static const char text[] =
		"store: postgresql://perf@db/startline      # default\n"
		"baseline: main                             # default: none; also per scenario\n"
		"levels: { budget: { warn: 0 %, fail: 0 % }, baseline: { warn: 5 %, fail: 10 % } }\n"
		"scenarios:\n"
		"  - name: memory mode\n"
		"    command: ./server --mode memory        # split by shell quoting\n"
		"    ready: accept\n"
		"    runs: 10                               # default 10\n"
		"    base: { worktree: origin/main }        # or command:, directory:\n"
		"    budgets:\n"
		"      startup.ready: \"< 1 s\"\n"
		"      mem.peak_rss: \"< 2 GiB\"\n"
		"      cpu.utilization: \"< 80 %\"\n"
		"      \"net.connect[tcp *:5432]\": \"p95 < 10 ms\"\n"
		"  - name: distributed mode\n"
		"    command: ./server --mode distributed\n"
		"    ready: accept\n"
		"    budgets: { startup.ready: \"5-15 s\" }\n"
		"  - name: Full Test Suite\n"
		"    command: \"python -m pytest -v -n 2 --cov=.\"\n"
		"    target: \"< 180 seconds\"                # startup.ready if ready is set\n"
		"  - name: suite versus old stack\n"
		"    command: make test\n"
		"    budgets: { time.wall: \"<= 50 % of @pre\" }\n"
		"  - name: pipeline\n"
		"    steps:\n"
		"      - { name: build, command: make, target: \"< 120 seconds\" }\n"
		"      - { name: start, command: ./server, ready: accept, target: \"< 60 seconds\" }\n"
		"    target: \"< 300 seconds\"                # the sum\n"
		"matrix: { workers: [1, 2, 4] }             # {workers} in a command\n";
	(void)state;
	struct config *c = loaded(text);
	assert_string_equal(c->store, "postgresql://perf@db/startline");
	assert_int_equal(c->n_scenarios, 5);
	const struct scenario *s = &c->scenarios[0];
	assert_string_equal(s->name, "memory mode");
	assert_string_equal(s->baseline, "main");
	assert_int_equal(s->base_kind, BASE_WORKTREE);
	assert_string_equal(s->base, "origin/main");
	assert_int_equal(s->n_budgets, 4);
	assert_string_equal(s->budgets[3].metric, "net.connect[tcp *:5432]");
	assert_string_equal(s->steps[0].ready.items[0], "accept");
	assert_int_equal(s->max_time_ns, 0); /* whoever gives a number gets it */
	assert_true(s->baseline_levels.warn == 0.05 && s->baseline_levels.fail == 0.10);
	assert_true(s->baseline_levels.exact == GATE_EXACT);
	assert_string_equal(scenario_main_metric(s), "startup.ready");
	assert_string_equal(c->scenarios[3].budgets[0].baseline, "pre");
	s = &c->scenarios[4];
	assert_int_equal(s->n_steps, 2);
	assert_string_equal(s->steps[0].budgets[0].metric, "time.wall");
	assert_string_equal(s->steps[1].budgets[0].metric, "startup.ready");
	assert_string_equal(s->budgets[0].metric, "time.wall");
	assert_true(s->budgets[0].high == 300e9);
	(void)config_free(c);
}

static void a_scenario_overrides_the_defaults(void **state)
{
	static const char *const shell[] = { "/bin/sh", "-c", "make | tee log", NULL };
	static const char *const base[] = { "/bin/sh", "-c", "cc -o a $FLAGS", NULL };
	(void)state;
	struct config *c = loaded(
		"baseline: main\nruns: 5\nmax_time: 2 min\nwarmup: 1\nheap: off\n"
		"stacks: off\nwait_stacks: 5 ms\ndebuginfod: 30 s\n"
		"levels: { budget: { warn: 10%, fail: 0.2 }, exact: 2 % }\n"
		"scenarios:\n"
		"  - name: a\n    command: make | tee log\n    shell: true\n"
		"    base: { command: cc -o a $FLAGS }\n"
		"    baseline: '@other'\n    max_time: 3 s\n    heap: count\n    stacks: 199\n"
		"    wait_stacks: 200us\n    debuginfod: 5 s\n"
		"    levels: { baseline: { warn: 20 % }, exact: 0 % }\n"
		"    gate: [time.wall, heap.allocs]\n    inputs: server\n"
		"    directory: sub\n    timeout: 5 s\n    ready: [accept, 'log:up']\n"
		"  - name: b\n    command: ./b\n"
		"    levels: { baseline: { fail: 3 % } }\n");
	const struct scenario *a = &c->scenarios[0], *b = &c->scenarios[1];
	same_argv(a->steps[0].argv, shell);
	same_argv(a->base_argv, base);
	assert_string_equal(a->baseline, "other");
	assert_string_equal(b->baseline, "main");
	assert_int_equal(a->runs, 5);
	assert_int_equal(a->warmup, 1);
	assert_int_equal(a->max_time_ns, 3 * NS_PER_S);
	assert_int_equal(b->max_time_ns, 120 * NS_PER_S);
	assert_true(a->heap.kind == HEAP_COUNT && b->heap.kind == HEAP_OFF);
	assert_true(a->stacks_hz == 199 && b->stacks_hz == -1);
	assert_true(a->wait_stacks_ns == 200000 && b->wait_stacks_ns == 5 * NS_PER_MS);
	assert_true(a->debuginfod_ns == 5 * NS_PER_S && b->debuginfod_ns == 30 * NS_PER_S);
	assert_true(fabs(a->budget_levels.warn - 0.1) < 1e-12 && a->budget_levels.fail == 0.2);
	assert_true(a->baseline_levels.warn == 0.2 && a->baseline_levels.fail == 0.2);
	assert_true(a->baseline_levels.exact == 0 && b->baseline_levels.exact == 0.02);
	/* What stands alone takes the other one along. */
	assert_true(b->baseline_levels.warn == 0.03 && b->baseline_levels.fail == 0.03);
	assert_int_equal(a->gate.n, 2);
	assert_int_equal(a->inputs.n, 1);
	assert_string_equal(a->steps[0].directory, "sub");
	assert_int_equal(a->steps[0].timeout_ns, 5 * NS_PER_S);
	assert_int_equal(a->steps[0].ready.n, 2);
	(void)config_free(c);
}

static void results_bring_their_own_metrics(void **state)
{
	(void)state;
	struct config *c =
		loaded("scenarios:\n  - name: a\n    results: r.json\n    baseline: ./b.json\n"
		       "    budgets: { BenchmarkX: \"< 5 ms\", size: \"< 2 kB\", n: \"< 5\", "
		       "share: \"< 5 %\", time.wall: \"p95 < 5\" }\n");
	static const enum unit units[] = { UNIT_NS, UNIT_BYTES, UNIT_COUNT, UNIT_RATIO, UNIT_NS };
	assert_string_equal(c->scenarios[0].results, "r.json");
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(c->scenarios[0].budgets[i].unit, units[i]);
	(void)config_free(c);
}

static void a_matrix_gives_a_scenario_per_cell(void **state)
{
	static const char *const argv[] = { "pytest", "-n", "2", "{other}", NULL };
	(void)state;
	struct config *c =
		loaded("matrix: { workers: [1, 2], mode: [fast, slow] }\n"
		       "scenarios:\n"
		       "  - name: plain\n    command: ./a\n"
		       "  - name: suite\n    command: pytest -n {workers} '{other}'\n"
		       "    budgets:\n      time.wall: [\"< {workers} min\", \"cv < 5 %\", "
		       "\"scaling(workers) <= -0.5\"]\n"
		       "  - name: \"{mode} {size}\"\n    matrix: { size: [3] }\n"
		       "    command: ./b {mode} {size} {workers}\n"
		       "    budgets: { time.wall: \"efficiency(workers) >= 70 %\" }\n");
	assert_int_equal(c->n_scenarios, 1 + 2 + 4);
	assert_string_equal(c->scenarios[1].name, "suite [workers=1]");
	assert_string_equal(c->scenarios[1].group, "suite");
	same_argv(c->scenarios[2].steps[0].argv, argv);
	assert_true(c->scenarios[2].budgets[0].high == 120e9);
	assert_int_equal(c->scenarios[2].n_budgets, 2);
	assert_int_equal(c->n_spans, 3);
	assert_string_equal(c->spans[0].name, "suite");
	assert_int_equal(c->spans[0].n, 2);
	assert_int_equal(c->spans[0].scenarios[1], 2);
	assert_true(c->spans[0].x[1] == 2);
	assert_string_equal(c->scenarios[3].name, "fast 3 [workers=1]");
	assert_string_equal(c->spans[1].name, "fast 3");
	assert_int_equal(c->spans[2].n, 2);
	assert_int_equal(c->spans[2].scenarios[0], 4);
	(void)config_free(c);
}

/* --- mistakes ------------------------------------------------------------------------------- */

static void keys_that_nobody_reads_are_mistakes(void **state)
{
	(void)state;
	refused("scenario:\n  - a\n", "1:1", "did you mean 'scenarios'");
	refused("scenarios:\n  - name: a\n    command: x\n    budget: 3\n", "4:5",
		"did you mean 'budgets'");
	refused("scenarios:\n  - name: a\n    comand: x\n", "3:5", "did you mean 'command'");
	refused("scenarios:\n  - name: a\n    zzzzzzzz: x\n", "3:5", "there are name, command");
	refused(A_SCENARIO "    name: b\n", "4:5", "twice; first in line 2");
	refused("levels: { budgets: { warn: 1 % } }\n" A_SCENARIO, "1:11", "'budget'");
	refused("scenarios:\n  - name: a\n    steps:\n      - { name: s, command: x, runs: 3 }\n",
		"4:32", "'runs' is not a key of a step");
	refused(A_SCENARIO "    base: { tree: x }\n", "4:13", "worktree");
	refused("scenarios:\n  - [1]\n", "2:5", "keys and values of a scenario");
	refused("- 1\n", "1:1", "keys and values of this file");
}

static void what_is_missing_is_said(void **state)
{
	(void)state;
	refused("", "1:1", "scenarios:");
	refused("# only a comment\n", "1:1", "scenarios:");
	refused("store: x\n", "1:1", "`scenarios` is missing");
	refused("scenarios: []\n", "1:12", "a list of scenarios");
	refused("scenarios:\n  - command: x\n", "2:5", "`name` is missing");
	refused("scenarios:\n  - name: a\n", "2:5", "`command` is missing");
	refused("scenarios:\n  - name: a\n    command:\n", "3:13", "expected a command");
	refused("scenarios:\n  - name: a\n    command: ~\n", "3:14", "expected a command");
	refused(A_SCENARIO "    base: { setup: make }\n", "4:11", "the base is missing");
	refused("scenarios:\n  - name: a\n    steps: []\n", "3:12", "a list of 1 to");
}

static void what_is_for_a_shell_needs_one(void **state)
{
	(void)state;
	refused("scenarios:\n  - { name: a, command: echo hi && sleep 1 }\n", "2:33",
		"'&&' is for a shell");
	refused("scenarios:\n  - { name: a, command: '  MODE=x ./a' }\n", "2:28", "'MODE=' is for");
	refused("base: { command: $HOME/a }\n" A_SCENARIO, "3:5", "'$HOME' is for");
	refused(A_SCENARIO "    base: { command: a > b }\n", "4:24", "`shell: true`");
	(void)config_free(loaded("scenarios:\n  - { name: a, command: a && b, shell: true }\n"));
	(void)config_free(loaded("scenarios:\n  - { name: a, command: sh -c 'a && b' }\n"));
}

static void braces_name_a_parameter_of_a_matrix(void **state)
{
	(void)state;
	refused("matrix: { workers: [1, 2] }\nscenarios:\n  - name: a\n"
		"    command: pytest -n {worker}\n",
		"4:24", "no matrix has a parameter {worker}; did you mean {workers}?");
	refused("scenarios:\n  - name: a\n    command: x {n}\n", "3:16",
		"define it under `matrix`");
	refused("scenarios:\n  - name: a {sizes}\n    matrix: { size: [1] }\n"
		"    command: x {size}\n",
		"2:13", "did you mean {size}?");
	(void)config_free(
		loaded("scenarios:\n  - name: a\n"
		       "    command: awk '{print}' ${A} %{http_code} x{{b}} {} {1,2} \\{c}\n"
		       "    shell: true\n"));
}

static void budgets_point_at_the_wrong_word(void **state)
{
	(void)state;
	refused(A_SCENARIO "    target: \"< 1 parsec\"\n", "4:16", "150 ms");
	refused(A_SCENARIO "    target: < 1 parsec\n", "4:15", "150 ms");
	refused(A_SCENARIO "    target: \"<\\u0020 1 parsec\"\n", "4:13", "150 ms");
	refused(A_SCENARIO "    budgets: { time.wal: \"< 1 s\" }\n", "4:16",
		"did you mean 'time.wall'");
	refused(A_SCENARIO "    budgets: { net.connect: \"< 1 s\" }\n", "4:16",
		"did you mean 'net.connect[PATTERN]'");
	refused(A_SCENARIO "    budgets: { \"net.connect[]\": \"< 1 s\" }\n", "4:16",
		"net.connect[PATTERN]");
	refused(A_SCENARIO "    budgets: { time.wall: \"< 1 s\", time.wall: \"< 2 s\" }\n", "4:36",
		"write a list");
	refused(A_SCENARIO "    budgets: [time.wall]\n", "4:14", "metrics and their limits");
	refused(A_SCENARIO "    budgets: { time.wall: \"p95 < 1 s\" }\n", "4:27",
		"needs 20 runs, there are 10: write 'runs: 20'");
	refused(A_SCENARIO "    budgets: { time.wall: \"+10 %\" }\n", "4:27", "of which baseline");
	refused(A_SCENARIO "    budgets: { time.wall: \"scaling(n) < 1\" }\n", "4:27",
		"no parameter {n}");
	refused("matrix: { n: [a, b] }\nscenarios:\n  - name: a\n    command: x {n}\n"
		"    budgets: { time.wall: \"scaling(n) < 1\" }\n",
		"5:27", "numbers above 0");
	refused("matrix: { n: 1 }\nscenarios:\n  - name: a\n    command: x {n}\n"
		"    budgets: { time.wall: \"scaling(n) < 1\" }\n",
		"5:27", "at least two");
	refused("scenarios:\n  - name: a\n    steps: [{ name: s, command: x }, { name: t, command: y }]\n"
		"    budgets: { mem.peak_rss: \"< 1 GB\" }\n",
		"4:30", "does not add up");
}

static void values_point_at_themselves(void **state)
{
	(void)state;
	refused(A_SCENARIO "    runs: many\n", "4:11", "a number from 1");
	refused(A_SCENARIO "    runs: 0\n", "4:11", "a number from 1");
	refused(A_SCENARIO "    runs: [1]\n", "4:11", "a number");
	refused(A_SCENARIO "    max_time: 3 parsecs\n", "4:15", "'60 s'");
	refused(A_SCENARIO "    shell: yes\n", "4:12", "true or false");
	refused(A_SCENARIO "    heap: some\n", "4:11", "off, count, sample");
	refused(A_SCENARIO "    stacks: on\n", "4:13", "off, auto or a rate");
	refused(A_SCENARIO "    ready: acept\n", "4:12", "unknown condition");
	refused(A_SCENARIO "    ready: [accept, 'tcp:x']\n", "4:21", "tcp:HOST:PORT");
	refused("scenarios:\n  - name: a\n    command: echo 'x\n", "3:19", "not closed");
	refused("scenarios:\n  - name: a\n    command: \"echo 'x\"\n", "3:20", "not closed");
	refused(A_SCENARIO "    budgets: { startup.ready: \"< 1 s\" }\n", "4:31",
		"'ready: accept'");
	refused("levels: { budget: { warn: much } }\n" A_SCENARIO, "1:27", "'10 %'");
	refused("levels: { budget: { warn: 10 } }\n" A_SCENARIO, "1:27", "'10 %'");
	refused("levels: { budget: { warn: 20 %, fail: 10 % } }\n" A_SCENARIO, "1:19", "above");
	refused(A_SCENARIO "    gate: [time.wall, nothing]\n", "4:23", "no metric 'nothing'");
	refused(A_SCENARIO "    base: { worktree: x, command: y }\n", "4:11", "is one of");
	refused(A_SCENARIO "  - name: a\n    command: ./a\n", "4:5", "already, in line 2");
	refused("matrix: { n: [1, 1] }\nscenarios:\n  - name: a\n    command: x {n}\n", "3:5",
		"already");
	refused(A_SCENARIO "    matrix: { n: [1] }\n", "4:15", "{n} occurs nowhere");
	refused("matrix: [1]\n" A_SCENARIO, "1:9", "parameters");
	refused("matrix: { 'a b': [1] }\n" A_SCENARIO, "1:11", "no name for a parameter");
	refused("scenarios:\n  - name: a\n    command: x\n    steps: [{ name: s, command: x }]\n",
		"3:14", "belongs in a step");
	refused("scenarios:\n  - { name: a, results: r.json, runs: 3 }\n", "2:39", "no meaning");
	refused("scenarios:\n  - name: \"a\\0b\"\n    command: x\n", "2:11", "zero byte");
}

static void what_is_not_yaml_says_how_to_mend_it(void **state)
{
	(void)state;
	refused(A_SCENARIO "    target: > 1 s\n", "4:15", "into quotes");
	refused(A_SCENARIO "    baseline: @main\n", "4:15", "into quotes");
	refused(A_SCENARIO "    budgets: { a: b\n", "5:1", "");
	refused("scenarios:\n  - { name: a, command: x {n} }\n", "2:27", "into quotes");
	refused("scenarios:\n  - name: a: b\n", "2:12", "into quotes");
	refused(A_SCENARIO "---\n" A_SCENARIO, "5:1", "a second document");
	struct config *c = NULL;
	log_set_sink(remember, NULL);
	assert_int_equal(config_parse("a: \xff\xfe", 5, "f.yml", &c), -EINVAL);
	log_set_sink(NULL, NULL);
}

/* A few lines of aliases are millions of values. */
static void aliases_do_not_multiply_without_bound(void **state)
{
	char text[8192];
	size_t n = 0;
	(void)state;
	n += (size_t)snprintf(text + n, sizeof(text) - n,
			      "scenarios:\n  - name: x{n}\n    matrix: { n: [");
	for (int i = 0; i < 900; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%d,", i);
	n += (size_t)snprintf(text + n, sizeof(text) - n,
			      "] }\n    command: x\n    budgets: { time.wall: &l [");
	for (int i = 0; i < 200; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "\"< 1s\",");
	(void)snprintf(text + n, sizeof(text) - n, "], cpu.user: *l }\n");
	refused(text, "5:1137", "too large");
	refused("scenarios: &a [*a]\n", "1:12", "a scenario");
	refused("matrix: &m { n: *m }\n" A_SCENARIO, "1:9", "a value");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign_scenarios_load_verbatim),
		cmocka_unit_test(the_whole_format_loads),
		cmocka_unit_test(a_scenario_overrides_the_defaults),
		cmocka_unit_test(results_bring_their_own_metrics),
		cmocka_unit_test(a_matrix_gives_a_scenario_per_cell),
		cmocka_unit_test(keys_that_nobody_reads_are_mistakes),
		cmocka_unit_test(what_is_missing_is_said),
		cmocka_unit_test(what_is_for_a_shell_needs_one),
		cmocka_unit_test(braces_name_a_parameter_of_a_matrix),
		cmocka_unit_test(budgets_point_at_the_wrong_word),
		cmocka_unit_test(values_point_at_themselves),
		cmocka_unit_test(what_is_not_yaml_says_how_to_mend_it),
		cmocka_unit_test(aliases_do_not_multiply_without_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
