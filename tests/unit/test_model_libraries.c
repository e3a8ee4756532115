/* SPDX-License-Identifier: MIT */
/* The steps of a loader, from what the kernel sees of them. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define BEGIN                                                                             \
	"0 meta source.bpf=ok\n0 meta source.shim=ok\n0 meta source.shim.path=/shim.so\n" \
	"0 mark 9 spawn\n0 task 9 parent=1\n1ms exec 9 /bin/x argv=x enter=0\n"
#define END "90ms exit 9 code=0\n"

/* The loader lies at 9000000, a.so at 100000 .. 200000, b.so at 300000 .. 400000; the program at 5000. */
#define LOAD_A                                                                         \
	"9ms open 9 /rp/glibc-hwcaps/x86-64-v3/a.so enter=8ms result=ENOENT\n"         \
	"10ms open 9 /rp/a.so enter=9ms result=ENOENT\n"                               \
	"11ms open 9 /etc/ld.so.cache enter=10500us result=3\n"                        \
	"12ms open 9 /lib/a.so enter=11ms result=3\n"                                  \
	"14ms mapping 9 map enter=13ms address=100000 length=100000 fd=3 flags=2050\n" \
	"15ms mapping 9 map enter=14ms address=190000 length=10000 fd=3 flags=2066\n"
#define LOAD_B                                                                         \
	"17ms open 9 /lib/b.so enter=16ms result=3\n"                                  \
	"18ms mapping 9 map enter=17ms address=300000 length=100000 fd=3 flags=2050\n" \
	"21ms mapping 9 setup enter=19ms\n"

static const struct library *library(const struct session *s, const char *path)
{
	const struct run *run = &s->runs[0];
	for (size_t i = 0; i < run->n_libraries; i++)
		if (strcmp(run->libraries[i].path, path) == 0)
			return &run->libraries[i];
	return NULL;
}

static double in_ms(int64_t ns)
{
	return ns == UNKNOWN ? -1 : (double)ns / MS;
}

/* "search map relocate init" in ms, -1: not known. */
static void assert_steps(const struct session *s, const char *path, const char *expected)
{
	const struct library *l = library(s, path);
	char got[128];
	if (l == NULL)
		fail_msg("%s is not there", path);
	else
		(void)snprintf(got, sizeof(got), "%g %g %g %g", in_ms(l->search_ns),
			       in_ms(l->map_ns), in_ms(l->relocate_ns), in_ms(l->init_ns));
	assert_string_equal(got, expected);
}

static void each_step_has_its_time(void **state)
{
	(void)state;
	struct session *s = build(BEGIN LOAD_A LOAD_B
				  "24ms mapping 9 protect enter=23ms address=390000 length=4096\n"
				  "29ms mapping 9 protect enter=28ms address=190000 length=4096\n"
				  "30ms mapping 9 protect enter=29ms address=5000 length=4096\n"
				  "32ms mapping 9 protect enter=31ms address=9000100 length=4096\n"
				  "33ms mark 9 linked\n"
				  "34ms mapping 9 enter address=310000 offset=9000000\n"
				  "38ms mapping 9 enter address=110000 offset=9000000\n"
				  "43ms mapping 9 enter address=4000 offset=9000000\n"
				  "50ms mark 9 main\n" END);
	assert_steps(s, "/lib/a.so", "4 4 5 5");
	assert_steps(s, "/lib/b.so", "1 2 3 4");
	assert_steps(s, "/bin/x", "-1 -1 1 7");
	assert_steps(s, LIBRARY_LOADER, "-1 -1 2 7");
	assert_int_equal(s->runs[0].n_libraries, 4);
	assert_int_equal(library(s, "/lib/a.so")->misses, 2);
	assert_int_equal(library(s, "/lib/a.so")->missed.n, 1);
	assert_string_equal(library(s, "/lib/a.so")->missed.items[0], "/rp");
	PATH(s, "0+1 p1 exec running cpu", "1+7 p1 link running cpu [loader]",
	     "8+8 p1 link running cpu /lib/a.so", "16+3 p1 link running cpu /lib/b.so",
	     "19+2 p1 link running cpu", "21+3 p1 link running cpu /lib/b.so",
	     "24+5 p1 link running cpu /lib/a.so", "29+1 p1 link running cpu /bin/x",
	     "30+2 p1 link running cpu [loader]", "32+1 p1 link running cpu",
	     "33+1 p1 init running cpu", "34+4 p1 init running cpu /lib/b.so",
	     "38+5 p1 init running cpu /lib/a.so", "43+7 p1 init running cpu /bin/x",
	     "50+40 p1 main running cpu");
	assert_int_equal(library(s, "/lib/a.so")->path_ns, 18 * MS);
	(void)session_free(s);
}

/* What has no RELRO is in its neighbour, and where the shim is not, nothing tells where main begins. */
static void what_is_not_seen_is_unknown(void **state)
{
	(void)state;
	struct session *s = build("0 meta source.bpf=ok\n0 mark 9 spawn\n0 task 9 parent=1\n"
				  "1ms exec 9 /bin/x argv=x enter=0\n" LOAD_A LOAD_B
				  "22ms mapping 9 enter address=120000 offset=9000000\n"
				  "29ms mapping 9 protect enter=28ms address=190000 length=4096\n"
				  "34ms mapping 9 enter address=310000 offset=9000000\n"
				  "43ms mapping 9 enter address=4000 offset=9000000\n" END);
	assert_steps(s, "/lib/a.so", "4 4 8 -1");
	assert_steps(s, "/lib/b.so", "1 2 -1 9");
	(void)session_free(s);
}

/* A variant of a function is chosen while something else is relocated. */
static void calls_for_relocation_are_no_init(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN LOAD_A "22ms mapping 9 enter address=120000 offset=9000000\n"
				   "29ms mapping 9 protect enter=28ms address=190000 length=4096\n"
				   "30ms mapping 9 enter address=130000 offset=9000000\n"
				   "33ms mark 9 linked\n"
				   "35ms mapping 9 enter address=110000 offset=9000000\n"
				   "43ms mapping 9 enter address=4000 offset=9000000\n"
				   "50ms mark 9 main\n" END);
	assert_steps(s, "/lib/a.so", "4 3 14 8");
	(void)session_free(s);
}

static void shim_is_none_of_the_programs(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN "5ms open 9 /shim.so enter=4ms result=3\n"
			    "6ms mapping 9 map address=700000 length=4096 fd=3 flags=2050\n" LOAD_A
			    "33ms mark 9 linked\n50ms mark 9 main\n" END);
	assert_null(library(s, "/shim.so"));
	assert_steps(s, "/lib/a.so", "4 3 -1 -1");
	(void)session_free(s);
}

/* With musl the program begins before its libraries' constructors run. */
static void musl_begins_before_init(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN "2ms mapping 9 setup\n" LOAD_A
			    "29ms mapping 9 protect enter=28ms address=190000 length=4096\n"
			    "30ms mapping 9 protect enter=29ms address=5000 length=4096\n"
			    "31ms mapping 9 enter address=4000 offset=9000000\n"
			    "33ms mark 9 linked\n"
			    "34ms mapping 9 enter address=110000 offset=9000000\n"
			    "50ms mark 9 main\n" END);
	assert_steps(s, "/lib/a.so", "4 3 14 16");
	assert_steps(s, "/bin/x", "-1 -1 1 -1");
	(void)session_free(s);
}

#define MAIN "30ms mark 9 linked\n31ms mark 9 main\n"

static void dlopen_is_late(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN MAIN "42ms open 9 /lib/a.so enter=41ms result=5\n"
				 "43ms mapping 9 map address=100000 length=100000 fd=5 flags=2050\n"
				 "50ms mapping 9 protect enter=49ms address=190000 length=4096\n"
				 "52ms mapping 9 enter address=110000 offset=9000000\n"
				 "60ms mapping 9 done\n"
				 "70ms open 9 /lib/b.so enter=69ms result=5\n"
				 "71ms mapping 9 map address=300000 length=100000 fd=5 flags=2050\n"
				 "72ms mapping 9 protect enter=71ms address=390000 length=4096\n"
				 "73ms mapping 9 enter address=310000 offset=9000000\n" END);
	assert_steps(s, "/lib/a.so", "1 1 7 8");
	assert_true(library(s, "/lib/a.so")->is_late);
	/* Nothing tells that its constructors are done. */
	assert_steps(s, "/lib/b.so", "1 1 1 -1");
	assert_int_equal(library(s, "/lib/a.so")->path_ns, 17 * MS);
	(void)session_free(s);
}

/* What only looks like a loader's call, and what other threads do meanwhile. */
static void others_are_left_out(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN MAIN "40ms task 9/10 parent=9 thread\n"
				 "42ms open 9 /lib/a.so enter=41ms result=5\n"
				 "42500us open 9/10 /tmp/data enter=42ms result=5\n"
				 "43ms mapping 9 map address=100000 length=100000 fd=5 flags=2050\n"
				 "44ms mapping 9/10 map address=800000 length=100000 fd=5 flags=2\n"
				 "45ms mapping 9/10 protect enter=44ms address=190000 length=4096\n"
				 "50ms mapping 9 protect enter=49ms address=880000 length=4096\n"
				 "51ms mapping 9 protect enter=50ms address=77 length=4096\n" END);
	assert_null(library(s, "/tmp/data"));
	assert_int_equal(s->runs[0].n_libraries, 1);
	(void)session_free(s);
}

static void without_calls_there_are_none(void **state)
{
	(void)state;
	struct session *s = build("0 meta source.bpf=no root\n0 mark 9 spawn\n"
				  "0 exec 9 /bin/x argv=x\n" END);
	assert_false(s->runs[0].has_libraries);
	(void)session_free(s);
}

/* Each image of a process has libraries of its own. */
static void exec_forgets_them(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN LOAD_A "33ms mark 9 linked\n34ms mark 9 main\n"
			     "41ms exec 9 /bin/y argv=y enter=40ms\n"
			     "43ms open 9 /lib/c.so enter=42ms result=3\n"
			     "44ms mapping 9 map address=100000 length=100000 fd=3 flags=2050\n"
			     "45ms mapping 9 protect enter=44ms address=190000 length=4096\n" END);
	assert_steps(s, "/lib/a.so", "4 3 -1 -1");
	assert_steps(s, "/lib/c.so", "1 1 1 -1");
	assert_false(library(s, "/lib/c.so")->is_late);
	(void)session_free(s);
}

static void many_are_kept(void **state)
{
	(void)state;
	const int n = 10000;
	const size_t room = (size_t)n * 300 + 4096;
	char *story = malloc(room);
	assert_non_null(story);
	size_t at = (size_t)snprintf(story, room, "%s", BEGIN);
	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(story + at, room - at,
				       "2ms open 9 /lib/%d.so enter=2ms result=3\n"
				       "2ms mapping 9 map address=%d length=4096 fd=3 flags=2050\n",
				       i, (i + 10) * 8192);
	for (int i = n; i-- > 0;)
		at += (size_t)snprintf(story + at, room - at,
				       "%dus mapping 9 protect enter=3ms address=%d length=4096\n",
				       3000 + n - i, (i + 10) * 8192);
	(void)snprintf(story + at, room - at, END);
	struct session *s = build(story);
	assert_int_equal(s->runs[0].n_libraries, n + 1); /* and the loader */
	assert_int_equal(library(s, "/lib/0.so")->relocate_ns, 1000);
	assert_int_equal(library(s, "/lib/9998.so")->relocate_ns, 1000);
	(void)session_free(s);
	free(story);
}

/* The id of each finding, with its cost in ms. */
static void assert_findings(const struct session *s, const char *expected)
{
	char got[256] = "";
	size_t n = 0;
	for (size_t i = 0; i < s->runs[0].n_findings; i++)
		n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s %g", n > 0 ? ", " : "",
				      s->runs[0].findings[i].id,
				      in_ms(s->runs[0].findings[i].cost_ns));
	assert_string_equal(got, expected);
}

static void dear_ones_are_findings(void **state)
{
	(void)state;
	struct session *s = build(BEGIN LOAD_A LOAD_B
				  "24ms mapping 9 protect enter=23ms address=390000 length=4096\n"
				  "30ms mapping 9 protect enter=28ms address=190000 length=4096\n"
				  "33ms mark 9 linked\n"
				  "34ms mapping 9 enter address=310000 offset=9000000\n"
				  "38ms mapping 9 enter address=110000 offset=9000000\n"
				  "49ms mapping 9 enter address=4000 offset=9000000\n"
				  "50ms mark 9 main\n"
				  "60ms exit 9 code=0\n");
	assert_findings(s, "heavy-relocation 6, slow-constructor 11, library-search 4");
	assert_float_equal(value_of(s, "startup.library[*.so]"), 35 * MS, 1);
	assert_float_equal(value_of(s, "startup.library[b.so]"), 10 * MS, 1);
	assert_true(isnan(value_of(s, "startup.library[none.so]")));
	(void)session_free(s);
}

/* What is read for it is a disk's time. */
static void a_cold_file_is_not_relocation(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN LOAD_A
		      "27ms offcpu 9 out=16ms wake=27ms object=fault_file text=/lib/a.so state=D\n"
		      "30ms mapping 9 protect enter=29ms address=190000 length=4096\n"
		      "33ms mark 9 linked\n50ms mark 9 main\n60ms exit 9 code=0\n");
	assert_steps(s, "/lib/a.so", "4 3 15 -1");
	assert_findings(s, "heavy-relocation 4, library-search 4");
	(void)session_free(s);
}

/* A busy machine is no fault of a library. */
static void waits_for_a_cpu_are_nobodys(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN LOAD_A "29ms offcpu 9 out=16ms state=R\n"
				   "30ms mapping 9 protect enter=29ms address=190000 length=4096\n"
				   "33ms mark 9 linked\n50ms mark 9 main\n60ms exit 9 code=0\n");
	assert_steps(s, "/lib/a.so", "4 3 15 -1");
	assert_int_equal(library(s, "/lib/a.so")->path_ns, 9 * MS);
	(void)session_free(s);
}

#define CHILD(pid, at)                                                                            \
	at "1ms task " pid " parent=9\n" at "2ms exec " pid " /bin/y argv=y enter=" at "1ms\n" at \
	   "4ms open " pid " /lib/c.so enter=" at "3ms result=3\n" at "5ms mapping " pid          \
	   " map address=100000 length=100000 fd=3 flags=2050\n" at "8ms mapping " pid            \
	   " protect enter=" at "7ms address=190000 length=4096\n" at "9ms exit " pid             \
	   " code=0\n" at "9ms offcpu 9 out=" at "1ms wake=" at "9ms waker=" pid                  \
	   " syscall=wait4\n"

static void work_repeated_in_children_is_told(void **state)
{
	(void)state;
	struct session *s =
		build("0 meta source.bpf=ok\n0 mark 9 spawn\n0 task 9 parent=1\n"
		      "1ms exec 9 /bin/x argv=x enter=0\n" CHILD("11", "1") CHILD("12", "2")
			      CHILD("13", "3") CHILD("14", "4") CHILD("15", "5") CHILD("16", "6")
				      CHILD("17", "7") CHILD("18", "8") CHILD("19", "9")
					      CHILD("20", "10") "120ms exit 9 code=0\n");
	assert_int_equal(s->runs[0].n_libraries, 20);
	assert_findings(s, "repeated-linking 60");
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step_has_its_time),
		cmocka_unit_test(what_is_not_seen_is_unknown),
		cmocka_unit_test(calls_for_relocation_are_no_init),
		cmocka_unit_test(shim_is_none_of_the_programs),
		cmocka_unit_test(musl_begins_before_init),
		cmocka_unit_test(dlopen_is_late),
		cmocka_unit_test(others_are_left_out),
		cmocka_unit_test(without_calls_there_are_none),
		cmocka_unit_test(exec_forgets_them),
		cmocka_unit_test(many_are_kept),
		cmocka_unit_test(dear_ones_are_findings),
		cmocka_unit_test(a_cold_file_is_not_relocation),
		cmocka_unit_test(waits_for_a_cpu_are_nobodys),
		cmocka_unit_test(work_repeated_in_children_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
