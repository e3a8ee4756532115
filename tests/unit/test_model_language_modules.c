/* SPDX-License-Identifier: MIT */
/* IMPORT and OPEN become modules of languages, with their times. */

#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define BPF "0 meta source.bpf=ok\n"
#define RUN "0 mark 9 spawn\n0 exec 9 /usr/bin/python3.11 argv=python3\n"
#define END "90ms exit 9 code=0\n100ms mark 9 gone\n"

/* "name parent total/self/cpu/path", times in ms; "-": unknown. */
static void check(const struct session *s, const char *const *expected)
{
	const struct run *run = &s->runs[0];
	for (size_t i = 0; i < run->n_language_modules; i++) {
		const struct language_module *m = &run->language_modules[i];
		const int64_t numbers[] = { m->total_ns, m->self_ns, m->total_cpu_ns,
					    m->total_path_ns };
		char text[256];
		int n = snprintf(text, sizeof(text), "%s %s", m->name,
				 m->parent == UNKNOWN ? "-"
						      : run->language_modules[m->parent - 1].name);
		for (size_t k = 0; k < 4; k++)
			n += numbers[k] == UNKNOWN
				     ? snprintf(text + n, sizeof(text) - (size_t)n, " -")
				     : snprintf(text + n, sizeof(text) - (size_t)n, " %g",
						(double)numbers[k] / MS);
		assert_non_null(expected[i]);
		assert_string_equal(text, expected[i]);
	}
	assert_null(expected[run->n_language_modules]);
}
#define MODULES(s, ...) check(s, (const char *const[]){ __VA_ARGS__, NULL })

static void what_the_interpreter_tells_is_nested(void **state)
{
	(void)state;
	struct session *s = build(BPF RUN "10ms import 9 begin name=app language=python\n"
					  "20ms import 9 begin name=db language=python\n"
					  "28ms offcpu 9 out=22ms wake=27ms syscall=nanosleep "
					  "context=hardirq\n"
					  "30ms import 9 end\n"
					  "31ms import 9 begin name=json language=python\n"
					  "35ms import 9 end\n"
					  "40ms import 9 end\n" END);
	/* It was woken 1 ms before it had a CPU. */
	MODULES(s, "app - 30 16 24 29", "db app 10 10 4 9", "json app 4 4 4 4");
	assert_string_equal(s->runs[0].language_modules[0].how, "probe");
	assert_true(value_of(s, "startup.module[app]") == 29 * MS);
	/* What lies in each other is counted once. */
	assert_true(value_of(s, "startup.module[*]") == 29 * MS);
	assert_true(value_of(s, "startup.module[[dj]*]") == 13 * MS);
	assert_true(isnan(value_of(s, "startup.module[numpy]")));
	(void)session_free(s);
}

static void threads_load_for_themselves(void **state)
{
	(void)state;
	struct session *s = build(BPF RUN "5ms task 9/10 parent=9 thread\n"
					  "10ms import 9 begin name=app language=python\n"
					  "11ms import 9/10 begin name=db language=python\n"
					  "12ms import 9 end\n15ms import 9/10 end\n"
					  "16ms import 9 end\n" END);
	assert_int_equal(s->runs[0].n_language_modules, 2);
	assert_int_equal(s->runs[0].language_modules[0].total_ns, 2 * MS);
	assert_int_equal(s->runs[0].language_modules[1].total_ns, 4 * MS);
	assert_true(s->runs[0].language_modules[1].parent == UNKNOWN);
	(void)session_free(s);
}

static void files_tell_names_and_at_most_how_long(void **state)
{
	(void)state;
	struct session *s = build(
		BPF RUN
		"10ms open 9 /usr/lib/python3/dist-packages/pkg/__pycache__/__init__.cpython-311.pyc "
		"result=3 enter=10ms\n"
		"12ms open 9 /usr/lib/python3/dist-packages/pkg/__pycache__/missing.cpython-311.pyc "
		"result=-2 enter=12ms\n"
		"15ms open 9 /usr/lib/python3/dist-packages/pkg/sub/__pycache__/mod.cpython-311.pyc "
		"result=3 enter=15ms\n"
		"16ms open 9 /etc/hosts result=3 enter=16ms\n"
		"16ms open 9 /usr/lib/python3.11/read.py result=3 enter=16ms\n"
		"18ms open 9 /usr/lib/python3.11/lib-dynload/_json.cpython-311-x86_64-linux-gnu.so "
		"result=3 enter=18ms\n"
		"19ms open 9 __pycache__/own.cpython-311.pyc result=-2 enter=19ms\n"
		"21ms open 9 own.py result=3 enter=21ms\n"
		"22ms open 9 last.pyc result=3 enter=22ms\n" END);
	MODULES(s, "pkg - 8 5 8 8", "pkg.sub.mod pkg 3 3 3 3", "_json - 1 1 1 1", "own - 3 3 3 3",
		"last - - - - -");
	assert_string_equal(s->runs[0].language_modules[0].how, "files");
	(void)session_free(s);
}

static void parts_of_packages_elsewhere_have_their_names(void **state)
{
	(void)state;
	struct session *s = build(
		BPF RUN
		"10ms open 9 /app/my/__pycache__/__init__.cpython-311.pyc result=3 enter=10ms\n"
		"12ms open 9 /app/my/db/__pycache__/__init__.cpython-311.pyc result=3 enter=12ms\n"
		"13ms open 9 /app/my/db/__pycache__/sql.cpython-311.pyc result=3 enter=13ms\n"
		"14ms open 9 /app/my/_fast.cpython-311-x86_64-linux-gnu.so result=3 enter=14ms\n"
		"15ms open 9 /app/__pycache__/main.cpython-311.pyc result=3 enter=15ms\n"
		"16ms open 9 rel/__pycache__/__init__.cpython-311.pyc result=3 enter=16ms\n"
		"17ms open 9 rel/__pycache__/part.cpython-311.pyc result=3 enter=17ms\n"
		"18ms open 9 __pycache__/__init__.cpython-311.pyc result=3 enter=18ms\n"
		"19ms open 9 __init__.pyc result=3 enter=19ms\n" END);
	MODULES(s, "my - 5 2 5 5", "my.db my 2 1 2 2", "my.db.sql my.db 1 1 1 1",
		"my._fast my 1 1 1 1", "main - 1 1 1 1", "rel - 1 1 1 1", "rel.part rel - - - -");
	(void)session_free(s);
}

static void of_a_jvm_no_times_are_known(void **state)
{
	(void)state;
	struct session *s = build(BPF "0 mark 9 spawn\n0 exec 9 /usr/lib/jvm/bin/java argv=java\n"
				      "10ms open 9 /srv/lib/guava-31.jar result=3 enter=10ms\n"
				      "20ms open 9 /srv/lib/guava-31.jar result=4 enter=20ms\n"
				      "30ms open 9 /srv/Server.class result=3 enter=30ms\n"
				      "40ms open 9 /srv/Index.class result=3 enter=40ms\n" END);
	MODULES(s, "guava-31 - - - - -", "Server - - - - -", "Index - - - - -");
	assert_int_equal(s->runs[0].n_findings, 0);
	(void)session_free(s);
}

static void scripts_of_php_are_modules(void **state)
{
	(void)state;
	struct session *s = build(
		BPF "0 mark 9 spawn\n0 exec 9 /usr/bin/php8.2 argv=php\n"
		    "10ms open 9 /app/vendor/symfony/http-kernel/Kernel.php result=3 enter=10ms\n"
		    "14ms open 9 /app/index.php result=3 enter=14ms\n"
		    "17ms open 9 /app/last.php result=3 enter=17ms\n" END);
	MODULES(s, "symfony/http-kernel/Kernel - 4 4 4 4", "index - 3 3 3 3", "last - - - - -");
	(void)session_free(s);
}

static void other_languages_have_names_of_their_own(void **state)
{
	(void)state;
	struct session *s = build(
		BPF
		"0 mark 9 spawn\n0 exec 9 /usr/bin/perl argv=perl\n"
		"10ms open 9 /usr/share/perl/5.36.0/File/Temp.pm result=3 enter=10ms\n"
		"12ms exec 9 /usr/bin/node argv=node\n"
		"13ms open 9 /app/node_modules/express/lib/router/index.js result=3 enter=13ms\n"
		"14ms open 9 /app/server.js result=3 enter=14ms\n"
		"15ms exec 9 /usr/bin/ruby3.1 argv=ruby\n"
		"16ms open 9 /usr/lib/ruby/3.1.0/json/common.rb result=3 enter=16ms\n"
		"17ms exec 9 /bin/cat argv=cat\n"
		"18ms open 9 /app/server.js result=3 enter=18ms\n" END);
	MODULES(s, "File::Temp - 3 3 3 3", "express/lib/router - 1 1 1 1", "server - 2 2 2 2",
		"json/common - - - - -");
	assert_string_equal(s->runs[0].language_modules[3].language, "ruby");
	(void)session_free(s);
}

static void without_kernel_events_nothing_is_known(void **state)
{
	(void)state;
	struct session *s = build("0 meta source.bpf=not root\n" RUN END);
	assert_false(s->runs[0].has_language_modules);
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_interpreter_tells_is_nested),
		cmocka_unit_test(threads_load_for_themselves),
		cmocka_unit_test(files_tell_names_and_at_most_how_long),
		cmocka_unit_test(parts_of_packages_elsewhere_have_their_names),
		cmocka_unit_test(of_a_jvm_no_times_are_known),
		cmocka_unit_test(scripts_of_php_are_modules),
		cmocka_unit_test(other_languages_have_names_of_their_own),
		cmocka_unit_test(without_kernel_events_nothing_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
