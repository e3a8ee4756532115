/* SPDX-License-Identifier: MIT */
/* Two stores that were told the same answer the same, to the last digit: 200 queries.
 *
 * STARTLINE_TEST_STORE: the URL of the second one, empty (else it is SQLite too, and was told in
 * another order). */

#include <errno.h>
#include <math.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_store.h"
#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"

#define N_SESSIONS 60

static const char *const scenarios[] = { "./server --verbose", "'); DROP TABLE sl_point; --",
					 "Größe\\ %_\t\x1b[31m", "" };
static const char *const hosts[] = { "sha256:a", "sha256:b", "" };
static const char *const metrics_asked[] = { "startup.ready", "mem.peak_rss", "own metric '\"%",
					     "cpu.utilization", "nothing" };
static const char *const names[] = { "main", "'; DELETE FROM sl_baseline; --", "ä", "Ä", "a b", "%",
				     "MAIN" };
#define N_OF(table) (sizeof(table) / sizeof((table)[0]))

static struct session *session_number(size_t i)
{
	static const double odd[] = { 0.1, 1e-300, 1e300, 9007199254740993.0, -1.5, 1.0 / 3 };
	struct session *s = sample_measured(1000.0 * (double)i);
	const struct metric like = { .better = BETTER_NEITHER, .unit = UNIT_COUNT };
	assert_int_equal(session_add_values(s, "own metric '\"%", &like, &odd[i % N_OF(odd)], 1),
			 0);
	if (i % 3 == 0)
		assert_int_equal(session_add_values(s, "cpu.utilization", NULL, odd, 6), 0);
	return s;
}

static struct store_entry entry_number(size_t i)
{
	return (struct store_entry){
		.scenario = scenarios[i % N_OF(scenarios)],
		.host_class = hosts[i / 5 % N_OF(hosts)],
		.created_ns =
			1700000000000000000 + (int64_t)(i / 2) * 1000000007, /* some the same */
		.commit = i % 4 == 0 ? "" : "c0ffee",
		.branch = names[i % N_OF(names)],
		.note = scenarios[i / 2 % N_OF(scenarios)],
		.is_dirty = i % 7 == 0,
	};
}

/* All that is asked, and what was answered. */
struct answers {
	FILE *f;
	char *text;
	size_t n, n_queries;
};

static void query(struct answers *a, const char *what)
{
	(void)fprintf(a->f, "== %zu %s\n", ++a->n_queries, what);
}

static void write_entry(struct answers *a, const struct store_entry *e)
{
	(void)fprintf(a->f, "%s|%lld|%s|%s|%s|%s|%s|%d\n", e->id, (long long)e->created_ns,
		      e->scenario, e->host_class, e->commit, e->branch, e->note, e->is_dirty);
}

static int write_scenario(void *context, const char *scenario, const char *host_class,
			  int64_t n_sessions, int64_t latest_ns)
{
	struct answers *a = context;
	(void)fprintf(a->f, "%s|%s|%lld|%lld\n", scenario, host_class, (long long)n_sessions,
		      (long long)latest_ns);
	return 0;
}

static int write_metric(void *context, const char *metric)
{
	struct answers *a = context;
	(void)fprintf(a->f, "%s\n", metric);
	return 0;
}

static int write_baseline(void *context, const char *name, const struct store_entry *about)
{
	struct answers *a = context;
	(void)fprintf(a->f, "%s: ", name);
	write_entry(a, about);
	return 0;
}

static void ask_trend(struct answers *a, struct store *st, const char *scenario, const char *host,
		      const char *metric, size_t most)
{
	struct trend *t = NULL;
	query(a, "trend");
	assert_int_equal(store_trend(st, scenario, host, metric, most, &t), 0);
	(void)fprintf(a->f, "%d %d\n", (int)t->unit, (int)t->better);
	for (size_t i = 0; i < t->n_points; i++) {
		const struct point *p = &t->points[i];
		(void)fprintf(a->f, "%lld %s %s %zu %a %a %a %s\n", (long long)p->created_ns, p->id,
			      p->commit, p->n, p->median, p->low, p->high,
			      p->annotation != NULL ? p->annotation : "-");
	}
	(void)trend_free(t);
}

static void ask_trends(struct answers *a, struct store *st, size_t most)
{
	for (size_t s = 0; s < N_OF(scenarios); s++) {
		for (size_t h = 0; h < N_OF(hosts); h++) {
			for (size_t m = 0; m < N_OF(metrics_asked); m++)
				ask_trend(a, st, scenarios[s], hosts[h], metrics_asked[m], most);
		}
	}
}

static int write_trend(void *context, const char *metric, const struct trend *t)
{
	const struct answers *a = context;
	(void)fprintf(a->f, "%s %zu", metric, t->n_points);
	for (size_t i = 0; i < t->n_points; i++)
		(void)fprintf(a->f, " %lld=%a", (long long)t->points[i].created_ns,
			      t->points[i].median);
	(void)fprintf(a->f, "\n");
	return 0;
}

static void ask_trends_at_once(struct answers *a, struct store *st, size_t most)
{
	for (size_t h = 0; h < N_OF(hosts); h++) {
		query(a, "all trends");
		assert_int_equal(store_trends(st, NULL, hosts[h], most, write_trend, a), 0);
		for (size_t s = 0; s < N_OF(scenarios); s++) {
			query(a, "trends");
			assert_int_equal(
				store_trends(st, scenarios[s], hosts[h], most, write_trend, a), 0);
		}
	}
}

static void ask_session(struct answers *a, struct store *st, const char *id, size_t digits)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	char beginning[65];
	struct store_entry e;
	query(a, "session");
	(void)snprintf(beginning, sizeof(beginning), "%.*s", (int)digits, id);
	const int r = store_find(st, beginning, &e, arena);
	(void)fprintf(a->f, "%d\n", r);
	if (r == 0)
		write_entry(a, &e);
}

static void ask_document(struct answers *a, struct store *st, const char *id)
{
	struct session *s = NULL;
	query(a, "document");
	const int r = store_get(st, id, &s);
	(void)fprintf(a->f, "%d\n", r);
	if (r < 0)
		return;
	char *text = document_of(s, NULL);
	(void)fputs(text, a->f);
	free(text);
	(void)session_free(s);
}

static void ask_baseline(struct answers *a, struct store *st, const char *name)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct session *s = NULL;
	struct store_entry e;
	query(a, "baseline");
	const int r = baseline_load(st, name, &s, &e, arena);
	(void)fprintf(a->f, "%d\n", r);
	if (r == 0)
		write_entry(a, &e);
	(void)session_free(s);
}

static void ask_lists(struct answers *a, struct store *st)
{
	query(a, "scenarios");
	assert_int_equal(store_scenarios(st, write_scenario, a), 0);
	query(a, "metrics");
	assert_int_equal(store_metrics(st, scenarios[0], hosts[0], write_metric, a), 0);
	query(a, "baselines");
	assert_int_equal(baseline_each(st, write_baseline, a), 0);
	for (size_t i = 0; i < N_OF(names); i++)
		ask_baseline(a, st, names[i]);
	ask_baseline(a, st, "no such");
}

static void ask_all(struct answers *a, struct store *st, char ids[][65])
{
	ask_trends(a, st, 0);
	ask_trends(a, st, 3);
	ask_trends_at_once(a, st, 3);
	for (size_t i = 0; i < 40; i++)
		ask_session(a, st, ids[i], 4 + 60 * i / 39);
	for (size_t i = 0; i < 25; i++)
		ask_document(a, st, ids[2 * i]);
	ask_lists(a, st);
}

/* In this order or from the end: what was told is the same. */
static void tell(struct store *st, bool backwards, char ids[][65])
{
	for (size_t k = 0; k < N_SESSIONS; k++) {
		const size_t i = backwards ? N_SESSIONS - 1 - k : k;
		struct session *s = session_number(i);
		const struct store_entry about = entry_number(i);
		struct store_entry ret;
		assert_int_equal(store_put(st, s, &about, &ret), 0);
		(void)snprintf(ids[i], 65, "%s", ret.id);
		(void)session_free(s);
	}
	for (size_t i = 0; i < N_OF(names); i++) {
		struct session *s = session_number(8 * i);
		const struct store_entry about = entry_number(8 * i);
		assert_int_equal(baseline_save(st, names[i], s, &about), 0);
		(void)session_free(s);
	}
	for (size_t i = 0; i < N_SESSIONS; i += 9)
		assert_int_equal(store_annotate(st, ids[i], "startup.ready", scenarios[i % 4]), 0);
}

static void ask_everything(const char *url, bool backwards, struct answers *ret)
{
	struct store *st = NULL;
	char ids[N_SESSIONS][65];
	size_t removed = 0;
	*ret = (struct answers){ 0 };
	ret->f = open_memstream(&ret->text, &ret->n);
	assert_non_null(ret->f);
	if (store_open(url, true, &st) < 0)
		print_error("%s\n", said);
	assert_non_null(st);
	tell(st, backwards, ids);
	ask_all(ret, st, ids);
	query(ret, "prune");
	assert_int_equal(store_prune(st, entry_number(20).created_ns, 4, &removed), 0);
	(void)fprintf(ret->f, "%zu\n", removed);
	assert_int_equal(baseline_remove(st, names[0]), 0);
	ask_lists(ret, st);
	ask_trends(ret, st, 0);
	(void)store_close(st);
	(void)fclose(ret->f);
}

static void two_stores_answer_the_same(void **state)
{
	(void)state;
	const char *url = getenv("STARTLINE_TEST_STORE");
	struct answers a, b;
	ask_everything("a.db", false, &a);
	ask_everything(url != NULL ? url : "b.db", true, &b);
	assert_true(a.n_queries >= 200);
	assert_true(a.n > 10000);
	assert_string_equal(a.text, b.text);
	print_message("# %zu queries, %zu bytes of answers, the same from %s\n", a.n_queries, a.n,
		      url != NULL ? "both" : "two of SQLite");
	free(a.text);
	free(b.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_stores_answer_the_same, sample_store_start,
						sample_store_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
