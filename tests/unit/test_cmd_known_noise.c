/* SPDX-License-Identifier: MIT */
/* What a store with many scenarios knows of the noise of benchmarks. */

#include <math.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_store.h"
#include "userspace/cmd/known_noise.h"
#include "userspace/cmd/store_access.h"

#define STORE  "noise.db"
#define HOST   "sha256:host"
#define MANY   127 /* scenarios */
#define POINTS 7

static const struct metric time_of_a_call = { .unit = UNIT_NS,
					      .better = BETTER_LOWER,
					      .class = CLASS_TIME };

/* Results of @id: values around @value, of one process each. */
static struct session *results(const char *id, double value, size_t n_processes)
{
	struct session *s = NULL;
	double values[4], processes[4];
	assert_int_equal(session_new(&s), 0);
	assert_in_range(n_processes, 0, 4);
	for (size_t i = 0; i < 4; i++) {
		values[i] = value * (1 + 0.001 * (double)i);
		processes[i] = 1;
	}
	s->host.fingerprint = HOST;
	assert_int_equal(session_add_values(s, id, &time_of_a_call, values, 4), 0);
	if (n_processes > 0)
		assert_int_equal(session_set_processes(s, processes, n_processes), 0);
	return s;
}

/* Stores POINTS results, one of them off by @spread, the last at @latest. */
static void put(struct store *st, const char *scenario, const char *id, double spread,
		int64_t latest)
{
	for (int i = 0; i < POINTS; i++) {
		/* The same document twice would be one entry. */
		const double value = (double)latest * (1 + 0.0001 * i) * (i == 3 ? 1 + spread : 1);
		struct session *s = results(id, value, 1);
		const struct store_entry about = { .scenario = scenario,
						   .created_ns = latest - POINTS + i + 1 };
		assert_int_equal(store_put(st, s, &about, NULL), 0);
		(void)session_free(s);
	}
}

static struct known_noise noise_of(const char *id, size_t n_processes, const char *scenario)
{
	struct session *s = results(id, 1000, n_processes);
	assert_int_equal(known_noise_of(s, scenario), 0);
	const struct known_noise noise = s->series[0].noise;
	(void)session_free(s);
	return noise;
}

static struct store *created(void)
{
	struct store *st = NULL;
	assert_int_equal(store_access_open(true, &st), 0);
	return st;
}

static void of_many_scenarios_none_is_beyond_a_limit(void **state)
{
	(void)state;
	struct store *st = created();
	put(st, "oldest", "bench[a]", 0.1, 100);
	for (int i = 0; i < MANY; i++) {
		char name[32];
		struct session *s = results("bench[b]", 1000 + i, 1);
		(void)snprintf(name, sizeof(name), "newer %d", i);
		const struct store_entry about = { .scenario = name, .created_ns = 1000 + i };
		assert_int_equal(store_put(st, s, &about, NULL), 0);
		(void)session_free(s);
	}
	(void)store_close(st);
	assert_int_equal(noise_of("bench[a]", 1, NULL).n, POINTS);
	/* One result tells of no noise, in however many scenarios. */
	assert_int_equal(noise_of("bench[b]", 1, NULL).n, 0);
}

static void the_latest_scenario_knows_best(void **state)
{
	(void)state;
	struct store *st = created();
	put(st, "quiet", "bench[a]", 0, 100);
	put(st, "noisy", "bench[a]", 0.5, 200);
	(void)store_close(st);
	const double quiet = noise_of("bench[a]", 1, "quiet").sigma;
	const double noisy = noise_of("bench[a]", 1, "noisy").sigma;
	assert_true(noisy > 10 * quiet);
	assert_true(noise_of("bench[a]", 1, NULL).sigma == noisy);
	assert_int_equal(noise_of("bench[a]", 1, "another").n, 0);
	/* Of four processes together half as much was seen as one differs by. */
	assert_true(fabs(noise_of("bench[a]", 4, "noisy").sigma - 2 * noisy) < 1e-9);
	/* What is not compared by processes needs none. */
	assert_int_equal(noise_of("bench[a]", 0, "noisy").n, 0);
}

static void without_a_store_nothing_is_known(void **state)
{
	(void)state;
	assert_int_equal(noise_of("bench[a]", 1, NULL).n, 0);
	assert_int_not_equal(access(STORE, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(of_many_scenarios_none_is_beyond_a_limit,
						sample_store_start, sample_store_stop),
		cmocka_unit_test_setup_teardown(the_latest_scenario_knows_best, sample_store_start,
						sample_store_stop),
		cmocka_unit_test_setup_teardown(without_a_store_nothing_is_known,
						sample_store_start, sample_store_stop),
	};
	store_access_set_url(STORE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
