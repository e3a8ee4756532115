/* SPDX-License-Identifier: MIT */
/* What forked children do each for themselves. */

#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define BEGIN                                                                                    \
	"0 meta source.bpf=ok\n0 meta source.stacks=ok\n0 mark 9 spawn\n"                        \
	"0 exec 9 /usr/bin/python3 argv=python3\n0 module /srv/app.py id=1 type=file\n"          \
	"0 module /lib/libc.so.6 id=2 type=file\n0 frame id=1 module=1 offset=16\n"              \
	"0 frame id=2 module=2 offset=32\n0 stack id=1 frame=1\n0 stack id=2 caller=1 frame=2\n" \
	"0 stack id=3 frame=2\n"
#define NAMES \
	"190ms function load_model frame=1\n190ms function memcpy frame=2\n200ms exit 9 code=0\n"

static const char *told(const char *children, struct session **ret)
{
	char story[8192];
	(void)snprintf(story, sizeof(story), "%s%s%s", BEGIN, children, NAMES);
	*ret = build(story);
	const struct run *run = &(*ret)->runs[0];
	for (size_t i = 0; i < run->n_findings; i++)
		if (strcmp(run->findings[i].id, "repeated-work") == 0)
			return run->findings[i].evidence;
	return NULL;
}

static void a_module_that_each_loads_is_told(void **state)
{
	(void)state;
	struct session *s;
	const char *text =
		told("10ms task 11 parent=9\n10ms task 12 parent=9\n10ms task 13 parent=9\n"
		     "20ms import 11 begin name=app language=python\n50ms import 11 end\n"
		     "20ms import 12 begin name=app language=python\n50ms import 12 end\n"
		     "20ms import 13 begin name=app language=python\n"
		     "25ms import 13 begin name=numpy language=python\n45ms import 13 end\n"
		     "50ms import 13 end\n"
		     "150ms exit 11 code=0\n150ms exit 12 code=0\n150ms exit 13 code=0\n",
		     &s);
	assert_non_null(text);
	assert_string_equal(
		text, "3 forked children of python3 each loaded app, for 30.0 ms of CPU time");
	(void)session_free(s);
	/* Of two nobody knows whether it is a habit; and these run programs of their own. */
	assert_null(told("10ms task 11 parent=9\n10ms task 12 parent=9\n"
			 "20ms import 11 begin name=app language=python\n50ms import 11 end\n"
			 "20ms import 12 begin name=app language=python\n50ms import 12 end\n"
			 "150ms exit 11 code=0\n150ms exit 12 code=0\n",
			 &s));
	(void)session_free(s);
}

#define SAMPLES(pid)                                                             \
	"20ms sample " pid " timer stack=2\n40ms sample " pid " timer stack=1\n" \
	"60ms sample " pid " timer stack=3\n"

static void a_function_that_each_runs_is_told(void **state)
{
	(void)state;
	struct session *s;
	const char *text = told(
		"10ms task 11 parent=9\n10ms task 12 parent=9\n10ms task 13 parent=9\n"
		"10ms task 14 parent=9\n15ms exec 14 /bin/x argv=x\n" SAMPLES("11") SAMPLES("12")
			SAMPLES("13") SAMPLES(
				"14") "80ms exit 11 code=0\n80ms exit 12 code=0\n80ms exit 13 code=0\n"
				      "80ms exit 14 code=0\n",
		&s);
	assert_non_null(text);
	assert_string_equal(
		text,
		"3 forked children of python3 each ran load_model of app.py, for 40.0 ms of CPU time");
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_module_that_each_loads_is_told),
		cmocka_unit_test(a_function_that_each_runs_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
