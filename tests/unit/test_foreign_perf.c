/* SPDX-License-Identifier: MIT */
/* perf stat: files that perf 6.1 wrote, on a machine without hardware counters, and what others do. */

#include "tests/unit/foreign_files.h"

static const struct summary *must_be_mean(const struct session *s, const char *id)
{
	const struct series *series = must_find(s, id);
	assert_true(series->is_summary);
	return &series->summary;
}

static void a_text_is_read(void **state)
{
	(void)state;
	struct session *s = must_read("perf.txt");
	check_values(s, "perf[task-clock]", 1.68e6);
	check_metric(s, "perf[task-clock]", UNIT_NS, BETTER_LOWER, CLASS_TIME);
	check_values(s, "perf[page-faults]", 76);
	check_metric(s, "perf[page-faults]", UNIT_COUNT, BETTER_LOWER, CLASS_SIZE);
	check_values(s, "time.wall", 14729738);
	check_values(s, "cpu.user", 2646000);
	check_values(s, "cpu.system", 0);
	/* Not 0: nobody counted. */
	check_values(s, "perf[cycles]", NAN);
	assert_string_equal(s->notes[1],
			    "not counted: cycles, instructions, branches, branch-misses");
	assert_string_equal(s->command.items[0], "sleep 0.01");
	assert_int_equal(s->n_series, 11);
	(void)session_free(s);
}

static void means_of_several_runs_are_means(void **state)
{
	(void)state;
	struct session *s = must_read("perf-runs.txt");
	const struct summary *faults = must_be_mean(s, "perf[page-faults]");
	assert_int_equal(faults->n, 3);
	check_value(faults->mean, 75);
	check_value(faults->median, NAN);
	/* 0.77 % is the error of the mean. */
	check_value(faults->stddev, 0.0077 * 75 * sqrt(3));
	check_value(must_be_mean(s, "perf[cpu-migrations]")->mean, 0);
	check_value(must_be_mean(s, "time.wall")->mean, 14258000);
	(void)session_free(s);
	/* --table keeps each. */
	s = must_read("perf-table.txt");
	check_values(s, "time.wall", 12410000, 16470000, 12510000);
	(void)session_free(s);
	s = must_read("perf-runs.csv");
	check_value(must_be_mean(s, "perf[task-clock]")->mean, 1.61e6);
	(void)session_free(s);
	s = must_read("perf-runs.json");
	check_value(must_be_mean(s, "perf[task-clock]")->mean, 1752135);
	(void)session_free(s);
}

static void csv_and_json_say_the_same(void **state)
{
	(void)state;
	struct session *s = must_read("perf.csv");
	check_values(s, "perf[task-clock]", 1.56e6);
	check_values(s, "perf[page-faults]", 75);
	check_values(s, "perf[cycles]", NAN);
	(void)session_free(s);
	s = must_read("perf-cpus.json");
	check_values(s, "perf[cpu-clock CPU0]", 12738213);
	check_values(s, "perf[context-switches CPU1]", 10);
	(void)session_free(s);
	assert_int_equal(read_text("S0;2;47.69;msec;cpu-clock;47702678;100.00;1.958;CPUs utilized\n"
				   "S1;2;7;;faults;47702678;100.00;;\n",
				   &s),
			 0);
	check_values(s, "perf[cpu-clock S0]", 47690000);
	check_values(s, "perf[faults S1]", 7);
	(void)session_free(s);
}

static void appended_results_are_samples(void **state)
{
	(void)state;
	struct session *s = NULL;
	assert_int_equal(read_text(" Performance counter stats for './a':\n\n"
				   "     1,234,567      cycles:u    #    1.5 GHz   (83.33%)\n"
				   "          2.50 Joules power/energy-pkg/\n"
				   "     0.5 seconds time elapsed\n\n     0.25 seconds user\n"
				   "three lines of the program\n     12 apples\n"
				   " Performance counter stats for './a':\n"
				   "     1,300,000      cycles:u\n     0.75 seconds time elapsed\n",
				   &s),
			 0);
	check_values(s, "perf[cycles:u]", 1234567, 1300000);
	check_values(s, "perf[power/energy-pkg/]", 2.5);
	check_values(s, "time.wall", 0.5e9, 0.75e9);
	assert_int_equal(s->n_series, 4);
	(void)session_free(s);
	assert_int_equal(read_text("5,ns,duration_time,5,100.00,,\n7,ns,duration_time,7,100.00,,\n"
				   "9,ns,user_time,7,100.00,,\n",
				   &s),
			 0);
	check_values(s, "time.wall", 5, 7);
	check_values(s, "cpu.user", 9);
	(void)session_free(s);
}

static void what_is_no_result_of_a_run_is_refused(void **state)
{
	(void)state;
	check_refused("# started on Sun\n\n 0.015,1.74,msec,task-clock,1736276,100.00,0.174,x\n",
		      "'x': line 3: intervals (-I) are no result of a run");
	check_refused("{\"interval\" : 0.01, \"counter-value\" : \"1\", \"event\" : \"a\"}",
		      "'x': line 1: intervals (-I) are no result of a run");
	check_refused("#           time             counts unit events\n 0.01   1.23 msec a\n",
		      "'x': line 1: intervals (-I) are no result of a run");
	check_refused("{\"counter-value\" : \"1,5\", \"event\" : \"a\"}",
		      "'x': line 1: '1,5' is not a number");
	check_refused("1,,a,5%,7,100.00\n2,,a,5%,7,100.00\n",
		      "'x': line 2: perf[a]: several results of -r, which belong into files of "
		      "their own");
	check_not_recognised("1,2,3\n4,5,6\n");
}

static void what_was_not_counted_keeps_its_unit(void **state)
{
	(void)state;
	static const char text[] = " Performance counter stats for './a':\n\n"
				   "     <not counted> msec task-clock\n"
				   "                75      page-faults\n\n"
				   " Performance counter stats for './a':\n\n"
				   "              1.50 msec task-clock\n"
				   "                75      page-faults\n\n"
				   "       0.002000000 seconds time elapsed\n";
	struct session *s = NULL;
	assert_int_equal(read_text(text, &s), 0);
	check_values(s, "perf[task-clock]", NAN, 1.5e6);
	check_values(s, "perf[page-faults]", 75, 75);
	(void)session_free(s);
}

/* As perf 6.1 writes them, with --for-each-cgroup. */
static void a_cgroup_is_no_event(void **state)
{
	(void)state;
	struct session *s = NULL;
	assert_int_equal(
		read_text(
			"\n Performance counter stats for 'system wide':\n\n"
			"              6.27 msec task-clock                       web #    0.061 CPUs\n"
			"                17      context-switches                 web #    2.711 K/sec\n"
			"     <not counted> msec task-clock                       database           \n"
			"               148      page-faults                      database   (83.33%)\n"
			"                 7      page-faults                (49.90%)\n\n"
			"       0.103396457 seconds time elapsed\n",
			&s),
		0);
	check_values(s, "perf[task-clock web]", 6.27e6);
	check_metric(s, "perf[task-clock web]", UNIT_NS, BETTER_LOWER, CLASS_TIME);
	check_values(s, "perf[context-switches web]", 17);
	check_metric(s, "perf[context-switches web]", UNIT_COUNT, BETTER_LOWER, CLASS_SIZE);
	check_values(s, "perf[task-clock database]", NAN);
	check_values(s, "perf[page-faults database]", 148);
	check_values(s, "perf[page-faults]", 7);
	assert_string_equal(s->notes[1], "not counted: task-clock database");
	assert_int_equal(s->n_series, 6);
	(void)session_free(s);
	assert_int_equal(read_text("7.12,msec,task-clock,web,7118672,100.00,0.070,CPUs utilized\n"
				   "25,,context-switches,12,7527813,100.00,3.321,K/sec\n"
				   "5,,duration_time,web,10.00%,1830262,100.00,2.634,K/sec\n",
				   &s),
			 0);
	check_values(s, "perf[task-clock web]", 7.12e6);
	check_values(s, "perf[context-switches 12]", 25);
	check_value(must_be_mean(s, "perf[duration_time web]")->mean, 5);
	assert_int_equal(s->n_series, 3);
	(void)session_free(s);
	assert_int_equal(
		read_text("{\"cpu\" : \"1\", \"counter-value\" : \"5.99\", \"unit\" : \"msec\", "
			  "\"event\" : \"task-clock\", \"cgroup\" : \"web\"}\n"
			  "{\"cpu\" : \"1\", \"counter-value\" : \"8.02\", \"unit\" : \"msec\", "
			  "\"event\" : \"task-clock\", \"cgroup\" : \"database\"}\n",
			  &s),
		0);
	check_values(s, "perf[task-clock CPU1 web]", 5.99e6);
	check_values(s, "perf[task-clock CPU1 database]", 8.02e6);
	(void)session_free(s);
}

/* As perf 6.1 writes them, with --per-socket: the second column is of how many CPUs it is the sum. */
static void a_number_of_cpus_is_no_value(void **state)
{
	(void)state;
	struct session *s = NULL;
	assert_int_equal(
		read_text(
			" Performance counter stats for 'system wide':\n\n"
			"S0        2              45.98 msec task-clock                       web #  2.0\n"
			"S0        2                 26      context-switches                 #  572.2\n"
			"S0        1      <not counted>      page-faults                      web      \n",
			&s),
		0);
	check_values(s, "perf[task-clock S0 web]", 45.98e6);
	check_values(s, "perf[context-switches S0]", 26);
	check_values(s, "perf[page-faults S0 web]", NAN);
	assert_int_equal(s->n_series, 3);
	(void)session_free(s);
	/* A line of CSV without a cgroup where others have one. */
	assert_int_equal(read_text("S0,2,45.67,msec,task-clock,/,184473078,100.00,1.998,CPUs\n"
				   "S0,2,3,,page-faults,,184473078,100.00,,\n",
				   &s),
			 0);
	check_values(s, "perf[task-clock S0 /]", 45.67e6);
	check_values(s, "perf[page-faults S0]", 3);
	(void)session_free(s);
}

/* As perf 6.1 writes them, with --per-thread: what a thread is called has blanks and numbers in it. */
static void a_thread_may_be_called_anything(void **state)
{
	(void)state;
	struct session *s = NULL;
	assert_int_equal(
		read_text(
			" Performance counter stats for process id '21373':\n\n"
			"     my worker 1-21383                 17.90 msec task-clock           #    0.1\n"
			"     my worker 2-21388                 14.96 msec task-clock           #    0.1\n"
			"          7 of 9-21393                  9.74 msec task-clock           #    0.1\n"
			"         python3-21373         <not counted> msec task-clock               \n"
			"          7 of 9-21393                    22      context-switches     #    2.2\n"
			"         python3-21373         <not counted>      context-switches         \n",
			&s),
		0);
	check_values(s, "perf[task-clock my worker 1-21383]", 17.90e6);
	check_values(s, "perf[task-clock my worker 2-21388]", 14.96e6);
	check_values(s, "perf[task-clock 7 of 9-21393]", 9.74e6);
	check_values(s, "perf[task-clock python3-21373]", NAN);
	check_values(s, "perf[context-switches 7 of 9-21393]", 22);
	assert_int_equal(s->n_series, 6);
	(void)session_free(s);
	/* As wide as its column. */
	assert_int_equal(
		read_text(" Performance counter stats for 'system wide':\n\n"
			  "CPU0       112,345,678,901,234      cycles                     \n"
			  "CPU0                      2.50 Joules power/energy-pkg/        \n",
			  &s),
		0);
	check_values(s, "perf[cycles CPU0]", 112345678901234);
	check_values(s, "perf[power/energy-pkg/ CPU0]", 2.5);
	(void)session_free(s);
	check_refused(" Performance counter stats for './a':\n\n  1.001  1.75 msec task-clock\n",
		      "'x': line 3: intervals (-I) are no result of a run");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cgroup_is_no_event),
		cmocka_unit_test(a_number_of_cpus_is_no_value),
		cmocka_unit_test(a_thread_may_be_called_anything),
		cmocka_unit_test(what_was_not_counted_keeps_its_unit),
		cmocka_unit_test(a_text_is_read),
		cmocka_unit_test(means_of_several_runs_are_means),
		cmocka_unit_test(csv_and_json_say_the_same),
		cmocka_unit_test(appended_results_are_samples),
		cmocka_unit_test(what_is_no_result_of_a_run_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
