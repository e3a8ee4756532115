/* SPDX-License-Identifier: MIT */
/* A trend is read from indexes alone: what the last points cost does not grow with the store.
 *
 * STARTLINE_TEST_RUNS (6000): how many runs the larger store has. STARTLINE_TEST_STORE: the URL of a
 * third one, empty, which is filled as well. The times that are printed are for people. */

#include <errno.h>
#include <math.h>
#include <time.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_store.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/store/internal.h"

#define SCENARIO "./server --verbose"
#define HOST	 "sha256:host"
#define N_SMALL	 100
#define N_LAST	 20
/* A scan of everything would take eight times as long; CPU time is never that unsteady. */
#define FACTOR_MAX 4
#define ATTEMPTS   9
#define MINUTE_NS  60000000000LL

static const char *const ids[] = { "startup.ready", "time.wall", "cpu.user",	"cpu.system",
				   "mem.peak_rss",  "io.read",	 "heap.allocs", "proc.count" };
#define N_METRICS (sizeof(ids) / sizeof(*ids))

static size_t runs_asked(void)
{
	uint64_t n = 6000;
	const char *text = getenv("STARTLINE_TEST_RUNS");
	assert_true(text == NULL || parse_u64(text, &n) == 0);
	return (size_t)n;
}

static void add_point(struct sql *q, int64_t series, int64_t i)
{
	const double median = 1000.0 * (double)(i % 23) + 0.1;
	const struct sql_value point[] = { sql_integer(series), sql_integer(i * MINUTE_NS),
					   sql_integer(i),	sql_integer(10),
					   sql_real(median),	sql_real(median - 1),
					   sql_real(median + 1) };
	assert_int_equal(sql_run(q, SQL_POINT_ADD, point, 7, NULL, NULL), 0);
}

static void add_run(struct sql *q, int64_t i, const int64_t *series, size_t n_metrics)
{
	char id[BLOB_ID_BYTES], commit[41], packed[1024];
	(void)snprintf(id, sizeof(id), "%064llx", (unsigned long long)i);
	(void)snprintf(commit, sizeof(commit), "%040llx", (unsigned long long)i);
	memset(packed, (int)i & 0xff, sizeof(packed));
	const struct sql_value session[] = {
		sql_integer(i), sql_text(id),	  sql_integer(i * MINUTE_NS), sql_text(SCENARIO),
		sql_text(HOST), sql_text(commit), sql_text("trunk"),	      sql_text(""),
		sql_integer(0), sql_integer(10),
	};
	const struct sql_value document[] = { sql_integer(i), sql_integer(9999),
					      sql_blob(packed, sizeof(packed)) };
	assert_int_equal(sql_run(q, SQL_SESSION_ADD, session, 10, NULL, NULL), 0);
	assert_int_equal(sql_run(q, SQL_DOCUMENT_ADD, document, 3, NULL, NULL), 0);
	for (size_t m = 0; m < n_metrics; m++)
		add_point(q, series[m], i);
}

/* All in one transaction: through store_put() it would take minutes. */
static void fill(const struct driver *driver, const char *where, size_t n_runs, size_t n_metrics)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct sql q;
	int64_t series[N_METRICS];
	assert_int_equal(sql_open(driver, where, where, true, &q), 0);
	assert_int_equal(sql_begin(&q), 0);
	for (size_t m = 0; m < n_metrics; m++) {
		series[m] = series_key(arena, SCENARIO, HOST, ids[m]);
		const struct sql_value row[] = { sql_integer(series[m]), sql_text(SCENARIO),
						 sql_text(HOST),	 sql_text(ids[m]),
						 sql_text("ns"),	 sql_text("lower") };
		assert_int_equal(sql_run(&q, SQL_SERIES_ADD, row, 6, NULL, NULL), 0);
	}
	for (size_t i = 1; i <= n_runs; i++)
		add_run(&q, (int64_t)i, series, n_metrics);
	assert_int_equal(sql_commit(&q), 0);
	/* As PostgreSQL does by itself after a minute. */
	struct buf error;
	buf_init(&error, 1000);
	assert_int_equal(driver->run(q.database, "VACUUM", NULL, 0, NULL, NULL, &error), 0);
	buf_done(&error);
	sql_close(&q);
}

/* Opening included, as a command pays for it. The best of some attempts, by @clock. */
static double trend_ms(clockid_t clock, const char *url, size_t most, size_t expected)
{
	double best = INFINITY;
	for (int i = 0; i < ATTEMPTS; i++) {
		struct timespec from, to;
		struct store *st = NULL;
		struct trend *t = NULL;
		(void)clock_gettime(clock, &from);
		assert_int_equal(store_open(url, false, &st), 0);
		assert_int_equal(store_trend(st, SCENARIO, HOST, "startup.ready", most, &t), 0);
		(void)clock_gettime(clock, &to);
		assert_int_equal(t->n_points, expected);
		assert_int_equal(strlen(t->points[0].commit), 40);
		(void)trend_free(t);
		(void)store_close(st);
		const double ms = (double)(to.tv_sec - from.tv_sec) * 1e3 +
				  (double)(to.tv_nsec - from.tv_nsec) / 1e6;
		best = ms < best ? ms : best;
	}
	return best;
}

static void the_last_points_cost_the_same_in_a_large_store(void **state)
{
	(void)state;
	const size_t n = runs_asked();
	fill(&driver_sqlite, "small.db", N_SMALL, N_METRICS);
	fill(&driver_sqlite, "large.db", n, N_METRICS);
	/* CPU time: what else runs on this machine does not count. */
	const double small_ms = trend_ms(CLOCK_PROCESS_CPUTIME_ID, "small.db", N_LAST, N_LAST);
	const double large_ms = trend_ms(CLOCK_PROCESS_CPUTIME_ID, "large.db", N_LAST, N_LAST);
	const double all_ms = trend_ms(CLOCK_PROCESS_CPUTIME_ID, "large.db", 0, n);
	print_message("# SQLite, %zu runs: the last %d in %.2f ms (%.2f ms of %d), all in %.1f ms "
		      "of CPU, %.1f ms in all\n",
		      n, N_LAST, large_ms, small_ms, N_SMALL, all_ms,
		      trend_ms(CLOCK_MONOTONIC, "large.db", 0, n));
	assert_true(large_ms < FACTOR_MAX * small_ms);
	/* No point costs more than in a small store: it grows with what is asked for, no faster. */
	assert_true(all_ms < FACTOR_MAX * small_ms * (double)n / N_LAST);
	const char *url = getenv("STARTLINE_TEST_STORE");
	if (url == NULL)
		return;
	/* Each row is a round trip: two metrics have to do. */
	fill(&driver_postgres, url, n, 2);
	print_message("# %s, %zu runs: the last %d in %.2f ms, all in %.1f ms of CPU here, "
		      "%.1f ms in all\n",
		      driver_postgres.name, n, N_LAST,
		      trend_ms(CLOCK_MONOTONIC, url, N_LAST, N_LAST),
		      trend_ms(CLOCK_PROCESS_CPUTIME_ID, url, 0, n),
		      trend_ms(CLOCK_MONOTONIC, url, 0, n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_last_points_cost_the_same_in_a_large_store,
						sample_store_start, sample_store_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
