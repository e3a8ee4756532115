/* SPDX-License-Identifier: MIT */
/* The store on SQLite: what goes in comes out, by halves nothing. */

#include <errno.h>
#include <math.h>
#include <sys/stat.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_store.h"
#include "userspace/store/driver.h"
#include "userspace/store/store_sql.h"

#define STORE "x.db"

static struct store *opened(void)
{
	struct store *st = NULL;
	if (store_open(STORE, true, &st) < 0)
		print_error("%s\n", said);
	assert_non_null(st);
	return st;
}

/* Behind the store's back. */
static int sql_in(const char *path, const char *sql, sql_row *row, void *context)
{
	struct database *db = NULL;
	struct buf error;
	buf_init(&error, 1000);
	assert_int_equal(driver_sqlite.open(path, true, &db, &error), 0);
	const int r = driver_sqlite.run(db, sql, NULL, 0, row, context, &error);
	driver_sqlite.close(db);
	buf_done(&error);
	return r;
}

static void tamper(const char *sql)
{
	assert_int_equal(sql_in(STORE, sql, NULL, NULL), 0);
}

static int first_number(void *context, const struct sql_value *cells, size_t n)
{
	assert_true(n > 0);
	*(int64_t *)context = cell_integer(&cells[0]);
	return 0;
}

static int64_t count(const char *from)
{
	char sql[200];
	int64_t n = -1;
	(void)snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM %s", from);
	assert_int_equal(sql_in(STORE, sql, first_number, &n), 0);
	return n;
}

/* Stores a run of "name" at that time; its id is in @id. */
static void put(struct store *st, const char *name, int64_t created_ns, double ready_ns,
		char id[static 65])
{
	struct session *s = sample_measured(ready_ns);
	struct store_entry ret;
	const struct store_entry about = { .scenario = name,
					   .created_ns = created_ns,
					   .commit = created_ns % 2 == 0 ? "c0ffee" : "" };
	assert_int_equal(store_put(st, s, &about, &ret), 0);
	(void)snprintf(id, 65, "%s", ret.id);
	(void)session_free(s);
}

static void a_session_comes_back_as_it_was(void **state)
{
	(void)state;
	struct store *st = opened();
	struct session *s = sample_measured(23000000), *back = NULL;
	struct store_entry ret = { 0 };
	assert_int_equal(store_put(st, s, NULL, &ret), 0);
	assert_int_equal(strlen(ret.id), 64);
	assert_int_equal(store_get(st, ret.id, &back), 0);
	char *before = document_of(s, NULL), *after = document_of(back, NULL);
	assert_string_equal(before, after);
	free(before);
	free(after);
	(void)session_free(back);
	char beginning[5] = { 0 };
	memcpy(beginning, ret.id, 4);
	assert_int_equal(store_get(st, beginning, &back), 0);
	(void)session_free(back);
	(void)session_free(s);
	(void)store_close(st);
}

static void the_same_document_is_kept_once(void **state)
{
	(void)state;
	struct store *st = opened();
	char first[65], second[65];
	put(st, "a", 1, 41, first);
	put(st, "b", 2, 41, second);
	assert_string_equal(first, second);
	(void)store_close(st);
	assert_int_equal(count("sl_session"), 1);
	assert_int_equal(count("sl_point"), 2);
}

static void wrong_ids_are_named(void **state)
{
	(void)state;
	struct store *st = opened();
	struct session *s = NULL;
	static const char *const bad[] = {
		"", "abc", "xyzw", "ABCDEF", "%%%%", "____", "' OR 1=1"
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(store_get(st, bad[i], &s), -EINVAL);
	assert_int_equal(store_get(st, "abcd", &s), -ENOENT);
	assert_non_null(strstr(said, "abcd"));
	(void)store_close(st);
}

static int count_baseline(void *context, const char *name, const struct store_entry *about)
{
	assert_non_null(name);
	assert_non_null(about->note);
	++*(int *)context;
	return 0;
}

static void a_baseline_stays_until_it_is_removed(void **state)
{
	(void)state;
	struct store *st = opened();
	struct session *s = sample_measured(23), *other = sample_measured(41), *back = NULL;
	struct store_entry about = { .note = "why", .commit = "c0ffee", .branch = "trunk" }, found;
	assert_int_equal(baseline_has(st, "main"), 0);
	assert_int_equal(baseline_save(st, "main", s, &about), 0);
	assert_int_equal(baseline_has(st, "main"), 1);
	assert_int_equal(baseline_has(st, "mai"), 0);
	assert_int_equal(baseline_has(st, "@main\n"), 0);
	assert_int_equal(baseline_save(st, "main", other, &about), -EEXIST);
	assert_non_null(strstr(said, "baseline rm main"));
	struct arena *arena = arena_new();
	assert_int_equal(baseline_load(st, "main", &back, &found, arena), 0);
	assert_string_equal(found.commit, "c0ffee");
	assert_string_equal(found.branch, "trunk");
	assert_string_equal(found.note, "why");
	assert_string_equal(found.scenario, "./server --verbose");
	assert_string_equal(found.host_class, "sha256:host");
	(void)arena_free(arena);
	char *before = document_of(s, NULL), *after = document_of(back, NULL);
	assert_string_equal(before, after);
	free(before);
	free(after);
	(void)session_free(back);
	assert_int_equal(baseline_remove(st, "main"), 0);
	assert_int_equal(baseline_remove(st, "main"), -ENOENT);
	assert_int_equal(baseline_load(st, "main", &back, NULL, NULL), -ENOENT);
	assert_int_equal(baseline_save(st, "main", other, NULL), 0);
	(void)store_close(st);
	(void)session_free(s);
	(void)session_free(other);
}

static void a_refused_baseline_stores_nothing(void **state)
{
	(void)state;
	struct store *st = opened();
	struct session *s = sample_measured(23), *other = sample_measured(41);
	assert_int_equal(baseline_save(st, "main", s, NULL), 0);
	assert_int_equal(baseline_save(st, "main", other, NULL), -EEXIST);
	(void)store_close(st);
	assert_int_equal(count("sl_session"), 1);
	assert_int_equal(count("sl_document"), 1);
	(void)session_free(s);
	(void)session_free(other);
}

static void names_are_printable_and_inert(void **state)
{
	(void)state;
	struct store *st = opened();
	struct session *s = sample_measured(23), *back = NULL;
	char long_name[202];
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[201] = '\0';
	const char *const bad[] = { "", "@main", "x\033[31m", "a\nb", "\xff", long_name };
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(baseline_save(st, bad[i], s, NULL), -EINVAL);
		assert_int_equal(baseline_load(st, bad[i], &back, NULL, NULL), -ENOENT);
		assert_int_equal(baseline_remove(st, bad[i]), -ENOENT);
	}
	static const char *const good[] = { "main",   "'; DROP TABLE sl_session; --",
					    "\"$1\"", "release 1.2 \xc3\xa4",
					    "%",      "\\'" };
	const int n_good = sizeof(good) / sizeof(*good);
	for (int i = 0; i < n_good; i++) {
		const struct store_entry about = { .note = good[i],
						   .commit = good[i],
						   .branch = "'); DELETE FROM sl_baseline; --" };
		assert_int_equal(baseline_save(st, good[i], s, &about), 0);
	}
	int n = 0;
	assert_int_equal(baseline_each(st, count_baseline, &n), 0);
	assert_int_equal(n, n_good);
	for (int i = 0; i < n_good; i++)
		assert_int_equal(baseline_remove(st, good[i]), 0);
	(void)session_free(s);
	(void)store_close(st);
}

static void a_trend_is_oldest_first(void **state)
{
	(void)state;
	struct store *st = opened();
	struct trend *t = NULL;
	char ids[5][65];
	static const int order[] = { 2, 0, 4, 1, 3 };
	for (size_t i = 0; i < 5; i++)
		put(st, "s", order[i] + 1, 1000 * order[i], ids[order[i]]);
	put(st, "other", 3, 7, ids[0]);
	assert_int_equal(store_annotate(st, ids[2], "startup.ready", "a bigger cache"), 0);
	assert_int_equal(store_trend(st, "s", "sha256:host", "startup.ready", 0, &t), 0);
	assert_int_equal(t->n_points, 5);
	assert_int_equal(t->unit, UNIT_NS);
	assert_int_equal(t->better, BETTER_LOWER);
	for (size_t i = 0; i < 5; i++) {
		const struct point *p = &t->points[i];
		assert_int_equal(p->created_ns, i + 1);
		assert_int_equal(p->n, 6);
		assert_true(p->median == 1000 * (double)i + 2.5);
		assert_true(p->low <= p->median && p->median <= p->high);
		assert_string_equal(p->commit, i % 2 == 1 ? "c0ffee" : "");
		assert_true(i == 0 || strncmp(p->id, ids[i], 15) == 0);
		if (i == 2)
			assert_string_equal(p->annotation, "a bigger cache");
		else
			assert_null(p->annotation);
	}
	t = trend_free(t);
	assert_int_equal(store_trend(st, "s", "sha256:host", "startup.ready", 2, &t), 0);
	assert_int_equal(t->n_points, 2);
	assert_int_equal(t->points[0].created_ns, 4);
	t = trend_free(t);
	/* One value has no interval. */
	assert_int_equal(store_trend(st, "s", "sha256:host", "mem.peak_rss", 0, &t), 0);
	assert_true(isnan(t->points[0].low) && isnan(t->points[0].high));
	t = trend_free(t);
	assert_int_equal(store_trend(st, "s", "elsewhere", "startup.ready", 0, &t), 0);
	assert_int_equal(t->n_points, 0);
	t = trend_free(t);
	(void)store_close(st);
}

struct given {
	size_t n;
	struct trend trends[8];
	struct point points[8][2];
};

/* Of startup.ready, which are different. */
static int note_trend(void *context, const char *metric, const struct trend *t)
{
	struct given *g = context;
	if (strcmp(metric, "startup.ready") != 0)
		return 0;
	assert_in_range(t->n_points, 1, 2);
	memcpy(g->points[g->n], t->points, t->n_points * sizeof(*t->points));
	g->trends[g->n] = (struct trend){ .points = g->points[g->n], .n_points = t->n_points };
	g->n++;
	return 0;
}

static int refuse_trend(void *context, const char *metric, const struct trend *t)
{
	(void)metric;
	(void)t;
	++*(size_t *)context;
	return 23;
}

static void the_last_points_of_all_metrics_come_at_once(void **state)
{
	(void)state;
	struct store *st = opened();
	char id[65];
	static const int order[] = { 2, 0, 4, 1, 3 };
	for (size_t i = 0; i < 5; i++)
		put(st, "s", order[i] + 1, 1000 * order[i], id);
	put(st, "other", 3, 7, id);
	struct given g = { 0 };
	assert_int_equal(store_trends(st, "s", "sha256:host", 2, note_trend, &g), 0);
	assert_int_equal(g.n, 1);
	assert_int_equal(g.trends[0].n_points, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(g.points[0][i].created_ns, i + 4);
		assert_true(g.points[0][i].median == 1000 * (double)(i + 3) + 2.5);
	}
	g.n = 0;
	assert_int_equal(store_trends(st, NULL, "sha256:host", 2, note_trend, &g), 0);
	assert_int_equal(g.n, 2);
	assert_int_equal(g.trends[0].n_points + g.trends[1].n_points, 3);
	g.n = 0;
	assert_int_equal(store_trends(st, NULL, "elsewhere", 2, note_trend, &g), 0);
	assert_int_equal(g.n, 0);
	size_t n_refused = 0;
	assert_int_equal(store_trends(st, NULL, "sha256:host", 2, refuse_trend, &n_refused), 23);
	assert_int_equal(n_refused, 1);
	(void)store_close(st);
}

static void pruning_spares_what_is_named(void **state)
{
	(void)state;
	struct store *st = opened();
	struct session *s = sample_measured(5), *back = NULL;
	char ids[4][65];
	size_t removed = 99;
	const struct store_entry about = { .scenario = "s", .created_ns = 1 };
	assert_int_equal(baseline_save(st, "main", s, &about), 0);
	for (size_t i = 0; i < 4; i++)
		put(st, "s", (int64_t)i + 2, 1000 + 10 * (double)i, ids[i]);
	assert_int_equal(store_annotate(st, ids[0], "startup.ready", "wanted"), 0);
	assert_int_equal(store_prune(st, INT64_MIN, SIZE_MAX, &removed), 0);
	assert_int_equal(removed, 0);
	assert_int_equal(store_prune(st, 4, SIZE_MAX, &removed), 0);
	assert_int_equal(removed, 1);
	assert_int_equal(store_get(st, ids[1], &back), -ENOENT);
	assert_int_equal(store_prune(st, INT64_MIN, 1, &removed), 0);
	assert_int_equal(removed, 1);
	assert_int_equal(store_get(st, ids[3], &back), 0);
	(void)session_free(back);
	assert_int_equal(baseline_load(st, "main", &back, NULL, NULL), 0);
	(void)session_free(back);
	(void)session_free(s);
	(void)store_close(st);
	assert_int_equal(count("sl_document"), 3);
	assert_int_equal(count("sl_point"), 6);
}

static void a_failure_leaves_nothing_behind(void **state)
{
	(void)state;
	(void)store_close(opened());
	tamper("ALTER TABLE sl_point RENAME TO gone");
	struct store *st = opened();
	struct session *s = sample_measured(23);
	assert_int_equal(store_put(st, s, NULL, NULL), -EIO);
	assert_non_null(strstr(said, "--store"));
	(void)store_close(st);
	tamper("ALTER TABLE gone RENAME TO sl_point");
	assert_int_equal(count("sl_session"), 0);
	st = opened();
	assert_int_equal(store_put(st, s, NULL, NULL), 0);
	(void)session_free(s);
	(void)store_close(st);
}

static void damage_is_noticed(void **state)
{
	(void)state;
	static const char *const damages[] = {
		"UPDATE sl_document SET bytes = bytes - 1",
		"UPDATE sl_document SET bytes = -1",
		"UPDATE sl_document SET bytes = 9000000000000000000",
		"UPDATE sl_document SET data = x'00'",
		"UPDATE sl_document SET data = 'text'",
		"UPDATE sl_document SET data = CAST(substr(data, 1, length(data) - 5) AS BLOB)",
		"UPDATE sl_session SET id = replace(id, substr(id, 64), 'x')",
		"UPDATE sl_session SET id = ''",
		"DELETE FROM sl_document",
	};
	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
		struct store *st = opened();
		struct session *s = sample_measured(23), *back = NULL;
		assert_int_equal(baseline_save(st, "main", s, NULL), 0);
		(void)store_close(st);
		tamper(damages[i]);
		st = opened();
		assert_int_equal(baseline_load(st, "main", &back, NULL, NULL), -EIO);
		assert_non_null(strstr(said, "damaged"));
		(void)store_close(st);
		(void)session_free(s);
		assert_int_equal(unlink(STORE), 0);
	}
}

static const char *const views[] = { "session", "history", "metric", "baseline", "annotation" };

static void an_older_schema_is_brought_up_to_date(void **state)
{
	(void)state;
	char id[65];
	struct store *st = opened();
	put(st, "s", 5, 23, id);
	(void)store_close(st);
	/* What schemas 1 and 2 did not have. */
	for (size_t i = 0; i < sizeof(views) / sizeof(*views); i++) {
		char text[64];
		(void)snprintf(text, sizeof(text), "DROP VIEW %s", views[i]);
		tamper(text);
	}
	tamper("ALTER TABLE sl_session DROP COLUMN is_dirty");
	tamper("DROP TABLE sl_annotation");
	tamper("UPDATE sl_store SET version = 1");
	st = opened();
	struct arena *arena = arena_new();
	struct store_entry e;
	assert_int_equal(store_find(st, id, &e, arena), 0);
	assert_false(e.is_dirty);
	(void)arena_free(arena);
	assert_int_equal(store_annotate(st, id, "startup.ready", "x"), 0);
	(void)store_close(st);
	int64_t version = 0;
	assert_int_equal(sql_in(STORE, "SELECT version FROM sl_store", first_number, &version), 0);
	assert_int_equal(version, STORE_SCHEMA);
}

static void a_newer_schema_is_refused(void **state)
{
	(void)state;
	(void)store_close(opened());
	tamper("UPDATE sl_store SET version = 99");
	struct store *st = NULL;
	assert_int_equal(store_open(STORE, true, &st), -EPROTO);
	assert_non_null(strstr(said, "newer"));
	assert_null(st);
}

static void reading_makes_no_store(void **state)
{
	(void)state;
	struct store *st = NULL;
	struct stat status;
	assert_int_equal(store_open(STORE, false, &st), -ENOENT);
	assert_string_equal(said, "");
	assert_int_equal(stat(STORE, &status), -1);
	(void)store_close(opened());
	assert_int_equal(stat(STORE, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(store_open("sqlite:" STORE, false, &st), 0);
	(void)store_close(st);
}

static void what_is_no_database_is_refused(void **state)
{
	(void)state;
	struct store *st = NULL;
	FILE *f = fopen(STORE, "w");
	for (int i = 0; i < 1000; i++)
		(void)fputs("no database\n", f);
	(void)fclose(f);
	assert_int_equal(store_open(STORE, true, &st), -EIO);
	assert_int_equal(store_open(".", true, &st), -EIO);
	assert_int_equal(store_open("mysql://x/y", true, &st), -EINVAL);
	assert_int_equal(store_open("/dev/null/x.db", true, &st), -EIO);
}

static void no_message_has_a_password(void **state)
{
	(void)state;
	static const char *const urls[] = {
		"postgresql://user:secret@127.0.0.1:1/x",
		"postgresql://user:sec%40secret@127.0.0.1:1/x?password=secret",
		"postgres://127.0.0.1:1/x?user=u&password=secret",
	};
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		struct store *st = NULL;
		said[0] = '\0';
		assert_int_equal(store_open(urls[i], true, &st), -EIO);
		assert_non_null(strstr(said, "127.0.0.1"));
		assert_null(strstr(said, "secret"));
	}
}

#define STORE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, sample_store_start, sample_store_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_session_comes_back_as_it_was),
		STORE_TEST(the_same_document_is_kept_once),
		STORE_TEST(wrong_ids_are_named),
		STORE_TEST(a_baseline_stays_until_it_is_removed),
		STORE_TEST(a_refused_baseline_stores_nothing),
		STORE_TEST(names_are_printable_and_inert),
		STORE_TEST(a_trend_is_oldest_first),
		STORE_TEST(the_last_points_of_all_metrics_come_at_once),
		STORE_TEST(pruning_spares_what_is_named),
		STORE_TEST(a_failure_leaves_nothing_behind),
		STORE_TEST(damage_is_noticed),
		STORE_TEST(an_older_schema_is_brought_up_to_date),
		STORE_TEST(a_newer_schema_is_refused),
		STORE_TEST(reading_makes_no_store),
		STORE_TEST(what_is_no_database_is_refused),
		STORE_TEST(no_message_has_a_password),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
