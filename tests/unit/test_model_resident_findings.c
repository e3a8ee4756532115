/* SPDX-License-Identifier: MIT */
/* Findings about what resident memory consists of, and what is none. */

#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define BEGIN                                                                                 \
	"0 meta source.bpf=ok\n0 meta source.shim=ok\n0 meta ready=file:/x\n0 mark 9 spawn\n" \
	"1ms exec 9 /bin/app argv=app\n2ms task 10 parent=9\n2ms task 11 parent=9\n"          \
	"3ms mark 9 ready text=file:/x\n"
#define END "9ms exit 10 code=0\n9ms exit 11 code=0\n9ms exit 9 code=0\n"

/* Whether that is all that is found, and told like this. */
static void assert_found(const char *id, const char *evidence, const char *story)
{
	struct session *s = build(story);
	const struct run *run = &s->runs[0];
	assert_int_equal(run->n_findings, 1);
	assert_string_equal(run->findings[0].id, id);
	assert_int_equal(run->findings[0].cost_ns, UNKNOWN);
	assert_string_equal(run->findings[0].evidence, evidence);
	(void)session_free(s);
}

static void assert_nothing(const char *story)
{
	struct session *s = build(story);
	assert_int_equal(s->runs[0].n_findings, 0);
	(void)session_free(s);
}

static void one_mapping_that_is_half_of_it(void **state)
{
	(void)state;
	assert_found("dominant-mapping",
		     "/data is 50.0 MB of the 90.0 MB that app[9] has resident when ready",
		     BEGIN
		     "4ms resident 9 ready all rss=90000000 pss=90000000\n"
		     "4ms resident 9 ready file areas=2 rss=50000000 pss=50000000 text=/data\n"
		     "4ms resident 9 ready heap areas=1 rss=40000000 pss=40000000\n" END);
	assert_found(
		"dominant-mapping",
		"one anonymous mapping is 50.0 MB of the 90.0 MB that app[9] has resident at its peak",
		BEGIN "4ms resident 9 peak all rss=90000000 pss=90000000\n"
		      "4ms resident 9 peak anonymous areas=1 rss=50000000 pss=50000000\n" END);
}

static void what_is_no_such_mapping(void **state)
{
	(void)state;
	/* It is asked of `sites` what is in the heap; many mappings are not one; */
	assert_nothing(BEGIN "4ms resident 9 ready all rss=90000000 pss=90000000\n"
			     "4ms resident 9 ready heap areas=1 rss=80000000 pss=80000000\n" END);
	assert_nothing(BEGIN
		       "4ms resident 9 ready all rss=90000000 pss=90000000\n"
		       "4ms resident 9 ready anonymous areas=2 rss=80000000 pss=80000000\n" END);
	/* less than half; few bytes; and what many processes have is a part of each only. */
	assert_nothing(
		BEGIN
		"4ms resident 9 ready all rss=90000000 pss=90000000\n"
		"4ms resident 9 ready file areas=1 rss=44000000 pss=44000000 text=/data\n" END);
	assert_nothing(
		BEGIN
		"4ms resident 9 ready all rss=31000000 pss=31000000\n"
		"4ms resident 9 ready file areas=1 rss=30000000 pss=30000000 text=/data\n" END);
	assert_nothing(
		BEGIN
		"4ms resident 9 ready all rss=90000000 pss=40000000\n"
		"4ms resident 9 ready file areas=1 rss=80000000 pss=20000000 text=/data\n" END);
}

#define ARENAS(areas, live)                                                             \
	BEGIN "4ms heap 9 ready since=1ms malloc=9 live=" live " peak=70000000\n"       \
	      "4ms resident 9 ready all rss=90000000 pss=90000000\n"                    \
	      "4ms resident 9 ready arenas areas=" areas " rss=60000000 pss=60000000\n" \
	      "8ms heap 9 exit since=1ms malloc=9 live=0 peak=70000000\n" END

static void arenas_that_are_mostly_free(void **state)
{
	(void)state;
	assert_found("thread-arenas",
		     "app[9] has 60.0 MB resident in 16 areas of malloc's arenas for threads when "
		     "ready, of which at most 10.0 MB can be live",
		     ARENAS("16", "10000000"));
	/* Half may be live; two arenas are what the remedy leaves; nobody knows what is live. */
	assert_nothing(ARENAS("16", "31000000"));
	assert_nothing(ARENAS("2", "10000000"));
	assert_nothing(BEGIN
		       "4ms resident 9 ready all rss=90000000 pss=90000000\n"
		       "4ms resident 9 ready arenas areas=16 rss=60000000 pss=60000000\n" END);
}

#define WORKER(pid, when, private_heap)                                                          \
	"6ms resident " pid " " when " all rss=90000000 pss=30000000 private=" private_heap "\n" \
	"6ms resident " pid " " when " file rss=10000000 pss=3000000 text=/lib\n"                \
	"6ms resident " pid " " when " heap rss=80000000 pss=27000000 private=" private_heap "\n"
#define WORKERS(first, second)                                                                                                  \
	BEGIN "4ms resident 9 ready all rss=90000000 pss=30000000 private=0\n" WORKER(                                          \
		"10", "ready", "1000000")                                                                                       \
		WORKER("11", "ready", "1000000") "8ms resident 9 exit all rss=90000000 pss=30000000 private=40000000\n" WORKER( \
			"10", "exit", first) WORKER("11", "exit", second) END

static void workers_that_write_to_what_they_inherited(void **state)
{
	(void)state;
	assert_found("unshared-pages",
		     "after readiness 2 processes unshared 20.0 MB together, of 88.0 MB that were "
		     "shared; most app[11]: 11.0 MB, mainly its heap",
		     WORKERS("10000000", "12000000"));
	assert_nothing(WORKERS("8000000", "8000000"));
	assert_nothing(WORKERS("1000000", "1000000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_mapping_that_is_half_of_it),
		cmocka_unit_test(what_is_no_such_mapping),
		cmocka_unit_test(arenas_that_are_mostly_free),
		cmocka_unit_test(workers_that_write_to_what_they_inherited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
