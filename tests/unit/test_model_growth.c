/* SPDX-License-Identifier: MIT */
/* How memory grew: of processes, of phases, and its course. */

#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define BEGIN                                                                                 \
	"0 meta source.bpf=ok\n0 meta source.shim=ok\n0 meta ready=file:/x\n0 mark 9 spawn\n" \
	"1ms exec 9 /x argv=x enter=1ms\n"                                                    \
	"0 module /x id=1\n0 frame id=1 module=1 offset=1\n0 frame id=2 module=1 offset=2\n"  \
	"0 stack id=1 frame=1\n0 stack id=2 frame=2\n"
#define NONE  "18446744073709551615"
#define READY "21ms mark 9 ready text=file:/x\n"
#define END   "41ms exit 9 code=0\n41ms mark 9 reaped\n41ms mark 0 gone\n"

static const struct memory_phase *phase(const struct run *run, const char *until)
{
	for (size_t i = 0; i < run->n_memory_phases; i++)
		if (strcmp(run->memory_phases[i].until, until) == 0)
			return &run->memory_phases[i];
	fail_msg("there is no phase until %s", until);
	return NULL;
}

static void sums_of_a_phase_are_those_of_its_end(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN "5ms mapped 9 memory=1 rss=23 tree=23 mmap=100 mmap_calls=1 grown=5ms\n"
			    "15ms mapped 9 memory=1 rss=41 tree=41 mmap=300 mmap_calls=3 brk=7 "
			    "brk_calls=1 grown=14ms\n" READY
			    "31ms mapped 9 memory=1 rss=83 tree=83 mmap=700 mmap_calls=4 brk=7 "
			    "brk_calls=1 grown=31ms\n" END);
	const struct run *run = &s->runs[0];

	assert_true(run->has_memory);
	assert_int_equal(phase(run, "ready")->rss_bytes, 41);
	assert_int_equal(phase(run, "ready")->ways[GROWTH_MMAP].bytes, 300);
	assert_int_equal(phase(run, "ready")->ways[GROWTH_BRK].bytes, 7);
	assert_int_equal(phase(run, "exit")->rss_bytes, 83);
	assert_int_equal(phase(run, "exit")->ways[GROWTH_MMAP].bytes, 700);
	assert_int_equal(growth_all(phase(run, "exit")->ways).calls, 5);
	assert_int_equal(run->processes[0].growth.ways[GROWTH_MMAP].bytes, 700);
	/* Nobody counted a heap: nothing, and not 0. */
	assert_int_equal(phase(run, "ready")->heap_bytes, UNKNOWN);
	(void)session_free(s);
}

static void the_first_phase_is_what_exec_made(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN "2ms mapped 9 memory=1 when=start rss=23 tree=23 anonymous=9 file=14\n"
			    "3ms mapped 9 memory=2 when=start rss=41 tree=64\n"
			    "15ms mapped 9 memory=1 rss=41 tree=82 brk=7 brk_calls=1\n" READY END);
	const struct run *run = &s->runs[0];

	assert_string_equal(run->memory_phases[0].until, "exec");
	assert_int_equal(run->memory_phases[0].rss_bytes, 23);
	assert_int_equal(run->memory_phases[0].anonymous_bytes, 9);
	assert_int_equal(run->memory_phases[0].file_bytes, 14);
	assert_int_equal(growth_all(run->memory_phases[0].ways).calls, 0);
	assert_int_equal(phase(run, "ready")->rss_bytes, 82);
	assert_int_equal(phase(run, "ready")->ways[GROWTH_BRK].bytes, 7);
	(void)session_free(s);
}

static void what_is_told_later_but_has_not_changed_since_holds(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN "5ms mapped 9 memory=1 rss=23 tree=23 mmap=100 mmap_calls=1 grown=5ms\n" READY
		      "31ms mapped 9 memory=1 rss=83 tree=83 mmap=300 mmap_calls=3 grown=6ms\n"
		      "32ms mapped 9 memory=1 rss=84 tree=84 mmap=400 mmap_calls=4 grown=32ms\n"
		      "33ms mapped 9 memory=2 rss=85 tree=85 brk=11 brk_calls=1 grown=20ms\n" END);
	const struct run *run = &s->runs[0];

	assert_int_equal(phase(run, "ready")->ways[GROWTH_MMAP].bytes, 300);
	assert_int_equal(phase(run, "ready")->ways[GROWTH_BRK].bytes, 11);
	assert_int_equal(phase(run, "ready")->rss_bytes, 23);
	assert_int_equal(phase(run, "exit")->ways[GROWTH_MMAP].bytes, 400);
	(void)session_free(s);
}

static void memories_add_up_and_each_is_one_process_s(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN "2ms task 10 parent=9\n"
		      "5ms mapped 9 memory=1 rss=23 tree=23 mmap=100 mmap_calls=1 grown=5ms\n"
		      "6ms mapped 10 memory=1 rss=23 tree=23 mmap=200 mmap_calls=2 grown=6ms\n"
		      "7ms mapped 10 memory=2 rss=9 tree=32 brk=11 brk_calls=1 grown=7ms\n"
		      "8ms mapped 10 memory=2 when=exit rss=" NONE " tree=" NONE
		      " brk=13 brk_calls=2 grown=8ms\n"
		      "9ms exit 10 code=0\n" END);
	const struct run *run = &s->runs[0];

	assert_int_equal(run->processes[0].growth.ways[GROWTH_MMAP].bytes, 200);
	assert_int_equal(run->processes[1].growth.ways[GROWTH_MMAP].bytes, 0);
	assert_int_equal(run->processes[1].growth.ways[GROWTH_BRK].bytes, 13);
	assert_int_equal(phase(run, "exit")->ways[GROWTH_MMAP].bytes, 200);
	assert_int_equal(phase(run, "exit")->rss_bytes, 32);
	(void)session_free(s);
}

static void sites_of_a_process_are_by_stack_the_largest_first(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN
		"5ms mapped 9 memory=1 rss=23 tree=23 mmap=900 mmap_calls=9 grown=5ms\n"
		"3ms mapsite 9 stack=1 since=3ms calls=1 bytes=23 ready_calls=0 ready_bytes=0\n"
		"4ms mapsite 9 stack=2 since=4ms calls=2 bytes=41 ready_calls=1 ready_bytes=11\n"
		"5ms mapsite 9 stack=2 since=5ms calls=3 bytes=43 ready_calls=2 ready_bytes=13\n" END);
	const struct growth *g = &s->runs[0].processes[0].growth;

	assert_int_equal(g->n_sites, 2);
	assert_int_equal(g->sites[0].all.bytes, 84);
	assert_int_equal(g->sites[0].all.calls, 5);
	assert_int_equal(g->sites[0].ready.bytes, 24);
	assert_int_equal(g->sites[1].all.bytes, 23);
	assert_int_not_equal(g->sites[0].stack, g->sites[1].stack);
	(void)session_free(s);
}

static void what_is_touched_has_sites_of_its_own(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN
		"2ms task 10 parent=9\n"
		"5ms mapped 9 memory=1 rss=23 tree=23 mmap=900 mmap_calls=9 touched=113\n"
		"6ms mapped 9 memory=2 rss=23 tree=23 touched=7\n"
		"5ms mapped 10 memory=3 rss=23 tree=23 touched=5\n"
		"3ms mapsite 9 stack=1 since=3ms calls=1 bytes=23\n"
		"3ms mapsite 9 what=1 stack=1 since=3ms calls=3 bytes=41 ready_calls=1 ready_bytes=11\n"
		"3ms mapsite 9 what=1 stack=2 since=3ms calls=4 bytes=43\n"
		"3ms mapsite 9 what=2 stack=2 since=3ms calls=9 bytes=99\n"
		"3ms mapsite 10 what=1 stack=2 since=3ms calls=1 bytes=5\n" END);
	const struct growth *g = &s->runs[0].processes[0].growth;

	assert_int_equal(g->touched_bytes, 120);
	assert_int_equal(g->n_sites, 1);
	assert_int_equal(g->sites[0].all.bytes, 23);
	assert_int_equal(g->n_touched_sites, 2);
	assert_int_equal(g->touched_sites[0].all.bytes, 43);
	assert_int_equal(g->touched_sites[1].all.calls, 3);
	assert_int_equal(g->touched_sites[1].ready.bytes, 11);
	assert_int_equal(s->runs[0].processes[1].growth.touched_bytes, 5);
	assert_int_equal(s->runs[0].processes[1].growth.n_touched_sites, 1);
	(void)session_free(s);
}

static void phases_have_kinds_of_the_same_moment(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN "5ms mapped 9 memory=1 rss=23 tree=23 anonymous=11 file=9 shared=3\n" READY
		      "31ms mapped 9 memory=1 rss=83 tree=83 anonymous=71 file=5 shared=7\n"
		      "32ms mapped 9 memory=1 when=exit rss=" NONE " tree=" NONE "\n" END);
	const struct run *run = &s->runs[0];

	assert_int_equal(phase(run, "ready")->anonymous_bytes, 11);
	assert_int_equal(phase(run, "ready")->file_bytes, 9);
	assert_int_equal(phase(run, "ready")->shared_bytes, 3);
	assert_int_equal(phase(run, "exit")->anonymous_bytes, 71);
	assert_int_equal(phase(run, "exit")->shared_bytes, 7);
	(void)session_free(s);
}

static void hostile_sums_are_unknown(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN "5ms mapped 9 memory=1 rss=" NONE " tree=" NONE
			    " mmap=18446744073709551615 mmap_calls=1\n"
			    "3ms mapsite 9 stack=77 since=3ms calls=" NONE " bytes=" NONE "\n" END);
	const struct run *run = &s->runs[0];

	assert_int_equal(run->processes[0].growth.ways[GROWTH_MMAP].bytes, UNKNOWN);
	assert_int_equal(growth_all(run->processes[0].growth.ways).bytes, UNKNOWN);
	assert_int_equal(phase(run, "exit")->rss_bytes, UNKNOWN);
	(void)session_free(s);
}

static void the_course_has_the_highest_and_then_the_last(void **state)
{
	(void)state;
	struct session *s = build(BEGIN "11ms mapped 9 memory=1 rss=50 tree=50\n"
					"11001us mapped 9 memory=1 rss=83 tree=83\n"
					"11002us mapped 9 memory=1 rss=41 tree=41\n"
					"21ms live bytes=23\n" END);
	const struct run *run = &s->runs[0];
	const size_t n = run->n_memory_points;

	assert_true(n > 0);
	assert_int_equal(run->memory_points[0].rss_bytes, UNKNOWN);
	assert_int_equal(run->memory_points[n / 4].rss_bytes, 83);
	assert_int_equal(run->memory_points[n - 1].rss_bytes, 41);
	assert_int_equal(run->memory_points[n / 4].heap_bytes, UNKNOWN);
	assert_int_equal(run->memory_points[n - 1].heap_bytes, 23);
	assert_int_equal(run->memory_points[n - 1].time_ns, run->wall_ns);
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_a_phase_are_those_of_its_end),
		cmocka_unit_test(the_first_phase_is_what_exec_made),
		cmocka_unit_test(what_is_told_later_but_has_not_changed_since_holds),
		cmocka_unit_test(memories_add_up_and_each_is_one_process_s),
		cmocka_unit_test(sites_of_a_process_are_by_stack_the_largest_first),
		cmocka_unit_test(what_is_touched_has_sites_of_its_own),
		cmocka_unit_test(phases_have_kinds_of_the_same_moment),
		cmocka_unit_test(hostile_sums_are_unknown),
		cmocka_unit_test(the_course_has_the_highest_and_then_the_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
