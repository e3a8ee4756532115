/* SPDX-License-Identifier: MIT */
/* What the first screen says of the code that a start spent its time in. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"
#include "userspace/view/report/report.h"

#define BEGIN "0 meta source.bpf=ok\n0 meta source.stacks=ok\n0 mark 1 spawn\n"

/* To be freed. */
static char *printed(const char *story, const char *view)
{
	struct session *s = build(story);
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	assert_non_null(f);
	struct table *t = report_find(view)->build(s, 0);
	struct page page = { .f = f, .format = TABLE_TEXT, .width = 200 };
	assert_int_equal(table_print(t, &page), 0);
	(void)fclose(f);
	table_free(t);
	(void)session_free(s);
	return text;
}

static void assert_prints(const char *story, const char *view, const char *const *expected)
{
	char *text = printed(story, view);
	for (size_t i = 0; expected[i] != NULL; i++)
		if (strstr(text, expected[i]) == NULL)
			fail_msg("no '%s' in:\n%s", expected[i], text);
	free(text);
}
#define PRINTS(story, view, ...) \
	assert_prints(story, view, (const char *const[]){ __VA_ARGS__, NULL })

/* The JVM calls made code, which calls the JVM again. */
#define JVM                                                                                    \
	"0 module /usr/lib/jvm/lib/server/libjvm.so id=1 type=file\n"                          \
	"0 module [JIT] id=2 type=anon\n0 frame id=1 module=1 offset=16\n"                     \
	"0 frame id=2 module=2 offset=4096\n0 frame id=3 module=1 offset=48\n"                 \
	"0 stack id=1 frame=1\n0 stack id=2 caller=1 frame=2\n0 stack id=3 caller=2 frame=3\n" \
	"0 exec 1 /usr/bin/java argv=java\n5ms sample 1 timer stack=1\n"                       \
	"10ms sample 1 timer stack=3\n15ms sample 1 timer stack=3\n"                           \
	"20ms sample 1 timer stack=3\n25ms sample 1 timer stack=3\n"                           \
	"30ms sample 1 timer stack=2\n35ms sample 1 timer stack=2\n60ms exit 1 code=0\n"
#define JVM_NAMES "90ms function JavaCalls::call() frame=1\n90ms function allocate frame=3\n"

static void code_made_at_run_time_stands_for_what_it_calls(void **state)
{
	(void)state;
	PRINTS(BEGIN JVM JVM_NAMES "90ms function org.example.Server.index(int) frame=2\n",
	       "startup", "88 % in Server.index");
}

static void a_class_is_told_without_its_package_where_lines_are_narrow(void **state)
{
	(void)state;
	PRINTS(BEGIN JVM JVM_NAMES
	       "90ms function org.example.catalogue.Server$Index.index frame=2\n",
	       "functions", "\n  Server$Index.index ");
}

static void without_names_it_is_said_what_gives_them(void **state)
{
	(void)state;
	PRINTS(BEGIN JVM JVM_NAMES, "startup", "54 % ran in code without names that java made",
	       "-XX:+DumpPerfMapAtExit");
	PRINTS(BEGIN JVM, "functions", "46 % ran in functions of libjvm.so that have no names",
	       "debug symbols");
}

/* build_index(), from main(), at @how of the ten moments. */
static const char *working(const char *how)
{
	static char story[4096];
	int n = snprintf(story, sizeof(story),
			 BEGIN "0 module /usr/bin/work id=1 type=file\n"
			       "0 frame id=1 module=1 offset=16\n0 frame id=2 module=1 offset=48\n"
			       "0 stack id=1 frame=1\n0 stack id=2 caller=1 frame=2\n"
			       "0 exec 1 /usr/bin/work argv=work\n");
	for (int i = 0; how[i] != '\0'; i++)
		n += snprintf(story + n, sizeof(story) - (size_t)n,
			      "%dms sample 1 timer stack=%c\n", 5 + 10 * i, how[i]);
	(void)snprintf(story + n, sizeof(story) - (size_t)n,
		       "100ms exit 1 code=0\n100ms function main frame=1\n"
		       "100ms function build_index frame=2\n");
	return story;
}

static void assert_equation(const char *story, const char *expected)
{
	struct session *s = build(story);
	assert_string_equal(report_equation(s, 0), expected);
	(void)session_free(s);
}

static void the_first_line_names_a_function_that_is_certain(void **state)
{
	(void)state;
	assert_equation(working("1122222211"), "done in 100 ms = main 100 (build_index ~60)");
	/* A tenth is little, and main() says nothing. */
	assert_equation(working("1111211111"), "done in 100 ms = main 100");
	/* Too few samples to tell. */
	assert_equation(working("22"), "done in 100 ms = main 100");
}

/* Eight of ten moments are in main(), each in another function that it calls. */
static void main_is_no_answer(void **state)
{
	char story[4096];
	int n = snprintf(story, sizeof(story),
			 BEGIN "0 module /usr/bin/work id=1 type=file\n"
			       "0 frame id=1 module=1 offset=16\n0 stack id=1 frame=1\n"
			       "0 exec 1 /usr/bin/work argv=work\n");
	(void)state;
	for (int i = 0; i < 10; i++)
		n += snprintf(story + n, sizeof(story) - (size_t)n,
			      "%dms frame id=%d module=1 offset=%d\n"
			      "%dms stack id=%d caller=%d frame=%d\n%dms sample 1 timer stack=%d\n",
			      5 + 10 * i, i + 2, 32 + 16 * i, 5 + 10 * i, i + 2, i < 8, i + 2,
			      5 + 10 * i, i + 2);
	(void)snprintf(story + n, sizeof(story) - (size_t)n,
		       "100ms exit 1 code=0\n100ms function main frame=1\n");
	char *text = printed(story, "startup");
	assert_non_null(strstr(text, "cpu"));
	assert_null(strstr(text, "in main"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_made_at_run_time_stands_for_what_it_calls),
		cmocka_unit_test(a_class_is_told_without_its_package_where_lines_are_narrow),
		cmocka_unit_test(without_names_it_is_said_what_gives_them),
		cmocka_unit_test(the_first_line_names_a_function_that_is_certain),
		cmocka_unit_test(main_is_no_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
