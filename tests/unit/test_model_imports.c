/* SPDX-License-Identifier: MIT */
/* Which of the modules that a program loads are named as heavy. */

#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"
#include "userspace/model/imports.h"

#define BEGIN	       "0 meta source.bpf=ok\n0 mark 9 spawn\n0 exec 9 /usr/bin/python3.11 argv=python3\n"
#define LOAD(at, name) #at "ms import 9 begin name=" name " language=python\n"
#define DONE(at)       #at "ms import 9 end\n"
#define END	       "200ms exit 9 code=0\n"

/* "name ns by" of those with 20 ms. */
static void assert_heavy(const char *story, const char *expected)
{
	struct session *s = build(story);
	const struct run *run = &s->runs[0];
	struct heavy_import_list list = { 0 };
	int64_t total_ns[32];
	char text[512] = "";
	for (size_t i = 0; i < run->n_language_modules; i++)
		total_ns[i] = run->language_modules[i].total_path_ns;
	assert_int_equal(imports_heaviest(run, total_ns, 20 * MS, &list), 0);
	vec_foreach(m, &list)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s %d %s, ",
			       (int)m->n_name, m->name, (int)(m->ns / MS),
			       m->by != NULL ? m->by : "-");
	assert_string_equal(text, expected);
	vec_done(&list);
	(void)session_free(s);
}

static void a_package_counts_as_one(void **state)
{
	(void)state;
	assert_heavy(BEGIN LOAD(10, "numpy") LOAD(20, "numpy.core") DONE(35) LOAD(36, "numpy.lib")
			     DONE(48) DONE(50) LOAD(60, "json") DONE(62) LOAD(70, "numpy.fft")
				     DONE(75) END,
		     "numpy 45 -, ");
}

static void a_module_with_nearly_all_of_it_is_named(void **state)
{
	(void)state;
	assert_heavy(BEGIN LOAD(10, "pkg") LOAD(12, "pkg.heavy") DONE(49) DONE(50) END,
		     "pkg.heavy 40 -, ");
}

static void what_only_loads_heavy_ones_stands_back(void **state)
{
	(void)state;
	assert_heavy(BEGIN LOAD(10, "app") LOAD(12, "app.db") LOAD(14, "sqlalchemy") DONE(44)
			     LOAD(45, "psycopg2") DONE(46) DONE(47) LOAD(48, "numpy") DONE(98)
				     DONE(100) END,
		     "numpy 50 app, sqlalchemy 30 app.db, ");
	/* It has enough of its own. */
	assert_heavy(BEGIN LOAD(10, "app") LOAD(40, "numpy") DONE(62) DONE(70) END, "app 60 -, ");
}

static void heavy_imports_are_a_finding(void **state)
{
	(void)state;
	struct session *s = build(BEGIN LOAD(10, "numpy") DONE(60) LOAD(70, "json") DONE(90)
					  LOAD(100, "flask") DONE(140) END);
	const struct run *run = &s->runs[0];
	assert_int_equal(run->n_findings, 1);
	assert_string_equal(run->findings[0].id, "heavy-import");
	assert_int_equal(run->findings[0].cost_ns, 90 * MS);
	assert_string_equal(
		run->findings[0].evidence,
		"loaded on the critical path: numpy 50.0 ms (25 %), flask 40.0 ms (20 %)");
	(void)session_free(s);
	s = build(BEGIN LOAD(10, "numpy") DONE(20) END);
	assert_int_equal(s->runs[0].n_findings, 0);
	(void)session_free(s);
}

/* 30 of its 50 ms it stood in the queue; a sleep is its own. */
static void waiting_for_a_cpu_is_not_of_the_module(void **state)
{
	(void)state;
	struct session *s = build(BEGIN LOAD(
		10,
		"numpy") "50ms offcpu 9 out=20ms state=R\n"
			 "55ms offcpu 9 out=51ms wake=55ms syscall=nanosleep context=hardirq timeout\n" DONE(
				 60) "120ms offcpu 9 out=100ms state=R\n" END);
	const struct run *run = &s->runs[0];
	const struct language_module *m = &run->language_modules[0];
	assert_int_equal(m->total_ns, 50 * MS);
	assert_int_equal(m->total_cpu_ns, 16 * MS);
	assert_int_equal(m->total_path_ns, 20 * MS);
	assert_int_equal(run->n_findings, 0);
	(void)session_free(s);
	s = build(BEGIN LOAD(10, "numpy") "50ms offcpu 9 out=20ms state=R\n" DONE(73) END);
	assert_int_equal(s->runs[0].n_findings, 1);
	assert_int_equal(s->runs[0].findings[0].cost_ns, 33 * MS);
	assert_string_equal(s->runs[0].findings[0].evidence,
			    "loaded on the critical path: numpy 33.0 ms (19 %)");
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_package_counts_as_one),
		cmocka_unit_test(a_module_with_nearly_all_of_it_is_named),
		cmocka_unit_test(what_only_loads_heavy_ones_stands_back),
		cmocka_unit_test(heavy_imports_are_a_finding),
		cmocka_unit_test(waiting_for_a_cpu_is_not_of_the_module),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
