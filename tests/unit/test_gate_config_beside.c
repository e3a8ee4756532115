/* SPDX-License-Identifier: MIT */
#include "cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/log.h"
#include "userspace/gate/config.h"

#define A_SCENARIO "scenarios:\n  - name: a\n    command: ./a\n"

static char said[1024];

static void remember(enum log_level level, const char *message, void *user)
{
	(void)level;
	(void)user;
	(void)snprintf(said, sizeof(said), "%s", message);
}

static struct config *loaded(const char *text)
{
	struct config *c = NULL;
	assert_int_equal(config_parse(text, strlen(text), "f.yml", &c), 0);
	return c;
}

static void refused(const char *text, const char *place, const char *what)
{
	struct config *c = NULL;
	char start[64];
	log_set_sink(remember, NULL);
	assert_int_equal(config_parse(text, strlen(text), "f.yml", &c), -EINVAL);
	log_set_sink(NULL, NULL);
	(void)snprintf(start, sizeof(start), "f.yml:%s: ", place);
	assert_memory_equal(said, start, strlen(start));
	if (strstr(said, what) == NULL)
		assert_string_equal(said, what);
}

/* @wanted: NULL-terminated. */
static void has_environment(const struct step *step, const char *const *wanted)
{
	size_t i = 0;
	for (; wanted[i] != NULL; i++)
		assert_string_equal(step->environment[i], wanted[i]);
	assert_null(step->environment[i]);
}

static void the_innermost_variable_comes_last(void **state)
{
	static const char *const of_a[] = { "X=top", "Y=1", NULL };
	static const char *const of_b[] = { "X=top", "X=", "X=b 2", NULL };
	(void)state;
	struct config *c =
		loaded("env: { X: top }\nmatrix: { n: [2] }\n" A_SCENARIO "    env: { Y: 1 }\n"
		       "  - name: b\n    env: { X: '' }\n"
		       "    steps: [{ name: s, command: x, env: { X: \"b {n}\" } }]\n");
	has_environment(&c->scenarios[0].steps[0], of_a);
	has_environment(&c->scenarios[1].steps[0], of_b);
	(void)config_free(c);
}

static void helpers_are_of_a_step(void **state)
{
	(void)state;
	struct config *c = loaded(A_SCENARIO "    prepare: make clean\n    ready: accept\n"
					     "    load: ./smoke\n"
					     "  - name: b\n    steps:\n"
					     "      - { name: s, command: x, prepare: rm y }\n"
					     "      - { name: t, command: x }\n");
	assert_string_equal(c->scenarios[0].steps[0].prepare, "make clean");
	assert_string_equal(c->scenarios[0].steps[0].load, "./smoke");
	assert_string_equal(c->scenarios[1].steps[0].prepare, "rm y");
	assert_null(c->scenarios[1].steps[1].prepare);
	assert_null(c->scenarios[1].steps[0].environment);
	(void)config_free(c);
}

static void services_are_steps_without_budgets(void **state)
{
	static const char *const of_db[] = { "X=1", "Y=2", NULL };
	(void)state;
	struct config *c =
		loaded(A_SCENARIO "    env: { X: 1 }\n    background:\n"
				  "      db: { command: db -D x, ready: \"accept:5432\", "
				  "env: { Y: 2 }, timeout: 3 s }\n"
				  "      queue: { command: a; b, shell: true }\n");
	const struct scenario *a = &c->scenarios[0];
	assert_int_equal(a->n_background, 2);
	assert_string_equal(a->background[0].name, "db");
	assert_string_equal(a->background[0].argv[1], "-D");
	assert_int_equal(a->background[0].timeout_ns, 3000000000ull);
	has_environment(&a->background[0], of_db);
	assert_string_equal(a->background[1].argv[2], "a; b");
	(void)config_free(c);
	refused(A_SCENARIO "    background: [x]\n", "4:17", "services by name");
	refused(A_SCENARIO "    background: { a: { ready: accept } }\n", "4:22",
		"`command` is missing");
	refused(A_SCENARIO "    background: { a: { command: x, target: 1 s } }\n", "4:36",
		"a service");
	refused(A_SCENARIO "    background: { a: { command: x, ready: accept } }\n", "4:43",
		"accept:PORT, tcp:HOST:PORT");
	refused(A_SCENARIO "    background: { a: { command: x, ready: 'log:up' } }\n", "4:43",
		"of a service in the background");
}

static void containers_are_followed_where_that_is_asked_for(void **state)
{
	(void)state;
	struct config *c = loaded("containers: true\n" A_SCENARIO
				  "    follow_cgroup: /x.slice\n    containers: false\n"
				  "  - name: b\n    command: x\n");
	assert_false(c->scenarios[0].has_containers);
	assert_string_equal(c->scenarios[0].follow_cgroup, "/x.slice");
	assert_true(c->scenarios[1].has_containers);
	assert_null(c->scenarios[1].follow_cgroup);
	(void)config_free(c);
	refused(A_SCENARIO "    containers: docker\n", "4:17", "true or false");
}

static void mistakes_are_said_where_they_are(void **state)
{
	(void)state;
	refused(A_SCENARIO "    env: MODE=fast\n", "4:10", "'{ MODE: fast }'");
	refused(A_SCENARIO "    env: { 'A=B': c }\n", "4:12", "no name for a variable");
	refused(A_SCENARIO "    env: { A: [1] }\n", "4:15", "a value");
	refused(A_SCENARIO "    env: { A: 1, A: 2 }\n", "4:18", "twice");
	refused(A_SCENARIO "    load: ./smoke\n", "4:11", "'ready: accept'");
	refused(A_SCENARIO "    retries: 2\n", "4:14", "nothing but luck");
	refused("retries: 2\n" A_SCENARIO, "1:10", "more `runs`");
	refused("scenarios:\n  - name: a\n    prepare: x\n    steps: [{ name: s, command: x }]\n",
		"3:14", "belongs in a step");
	refused("scenarios:\n  - { name: a, results: r.json, env: { A: b } }\n", "2:38",
		"no meaning");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_innermost_variable_comes_last),
		cmocka_unit_test(helpers_are_of_a_step),
		cmocka_unit_test(services_are_steps_without_budgets),
		cmocka_unit_test(containers_are_followed_where_that_is_asked_for),
		cmocka_unit_test(mistakes_are_said_where_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
