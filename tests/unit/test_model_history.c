/* SPDX-License-Identifier: MIT */
/* Steps, spikes, slow drift and what was accepted are told apart. */

#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_trend.h"

#define MARGIN 0.02

static struct history *build(const struct trend *t, const char *id, size_t anchor)
{
	struct history *h = NULL;
	assert_int_equal(history_build(t, id, anchor, MARGIN, &h), 0);
	assert_int_equal(h->n_segments, h->n_changes + 1);
	assert_int_equal(h->segments[0].from, 0);
	for (size_t i = 0; i < h->n_changes; i++) {
		assert_int_equal(h->segments[i].to, h->changes[i].at);
		assert_int_equal(h->segments[i + 1].from, h->changes[i].at);
	}
	assert_int_equal(h->segments[h->n_changes].to, t->n_points);
	return h;
}

static void near(double actual, double expected, double share)
{
	assert_true(fabs(actual / expected - 1) <= share);
}

static void done(struct trend *t, struct history *h)
{
	(void)history_free(h);
	(void)trend_free(t);
}

static void a_step_has_size_and_interval(void **state)
{
	(void)state;
	struct trend *t = sample_trend(60, 4e8);
	sample_scale(t, 37, 1.10);
	struct history *h = build(t, "startup.ready", 0);
	assert_int_equal(h->n_changes, 1);
	const struct history_change *c = &h->changes[0];
	assert_int_equal(c->at, 37);
	near(c->change.ratio, 1.10, 0.02);
	assert_true(c->change.low < 1.10 && c->change.high > 1.10);
	assert_true(c->change.low > 1.05 && c->change.high < 1.15);
	near(c->change.difference, 4e7, 0.2);
	assert_true(c->p < 1e-6);
	assert_null(c->accepted);
	near(h->segments[1].median, 4.4e8, 0.02);
	assert_int_equal(h->metric.class, CLASS_TIME);
	done(t, h);
}

static void spikes_are_marked_and_are_no_changes(void **state)
{
	(void)state;
	struct trend *t = sample_trend(60, 4e8);
	t->points[23].median *= 1.5;
	t->points[41].median *= 2;
	t->points[42].median *= 2;
	struct history *h = build(t, "startup.ready", 0);
	assert_int_equal(h->n_changes, 0);
	for (size_t i = 0; i < 60; i++)
		assert_int_equal(h->is_spike[i], i == 23 || i == 41 || i == 42);
	done(t, h);
}

/* 0.1 % a day: no day differs from the one before it, nor from a week before. */
static void slow_drift_is_seen_from_the_anchor(void **state)
{
	(void)state;
	struct trend *t = sample_trend(60, 4e8);
	struct history *h = build(t, "startup.ready", 0);
	assert_int_equal(h->n_changes, 0);
	assert_null(h->drift.reason);
	assert_true(h->drift.change.low < 1 && h->drift.change.high > 1);
	(void)history_free(h);
	for (size_t i = 0; i < 60; i++)
		sample_scale(t, i, 1.001);
	h = build(t, "startup.ready", 0);
	assert_int_equal(h->drift.anchor, 0);
	assert_true(h->drift.change.low > 1.02);
	near(h->drift.change.ratio, pow(1.001, 40), 0.02);
	(void)history_free(h);
	/* From another anchor there is less of it. */
	h = build(t, "startup.ready", 40);
	assert_int_equal(h->drift.anchor, 40);
	assert_true(h->drift.anchor_end <= h->drift.head);
	near(h->drift.change.ratio, pow(1.001, 10), 0.02);
	done(t, h);
}

static void accepted_changes_do_not_count_as_drift(void **state)
{
	(void)state;
	struct trend *t = sample_trend(80, 4e8);
	sample_scale(t, 30, 1.3);
	sample_scale(t, 60, 1.1);
	t->points[32].annotation = "TLS by default"; /* seen two points earlier since */
	struct history *h = build(t, "startup.ready", 0);
	assert_int_equal(h->n_changes, 2);
	assert_string_equal(h->changes[0].accepted, "TLS by default");
	assert_null(h->changes[1].accepted);
	near(h->drift.accepted, 1.3, 0.02);
	near(h->drift.steps, 1.1, 0.02);
	near(h->drift.change.ratio, 1.1, 0.03);
	done(t, h);
}

/* Counts are compared exactly: one more is a change, whatever the margin. */
static void counts_change_by_one(void **state)
{
	(void)state;
	struct trend *t = sample_trend(60, 1);
	t->unit = UNIT_COUNT;
	for (size_t i = 0; i < 60; i++)
		t->points[i].median = i < 41 ? 1009 : 1010;
	struct history *h = build(t, "proc.execs", 0);
	assert_int_equal(h->n_changes, 1);
	assert_int_equal(h->changes[0].at, 41);
	assert_int_equal(h->changes[0].change.basis, BASIS_EXACT);
	assert_true(h->segments[0].median <= 1009 && h->segments[0].median >= 1009);
	(void)history_free(h);
	/* A time must change by more than the margin. */
	t->unit = UNIT_NS;
	h = build(t, "time.wall", 0);
	assert_int_equal(h->n_changes, 0);
	done(t, h);
}

static void values_without_logarithm_have_differences(void **state)
{
	(void)state;
	struct trend *t = sample_trend(60, 1);
	for (size_t i = 0; i < 60; i++)
		t->points[i].median = i < 30 ? 0 : 23;
	struct history *h = build(t, "something.else", 0);
	assert_int_equal(h->n_changes, 1);
	assert_int_equal(h->changes[0].at, 30);
	assert_int_equal(h->changes[0].change.basis, BASIS_DIFFERENCE);
	assert_true(isnan(h->changes[0].change.ratio));
	near(h->changes[0].change.difference, 23, 0);
	assert_true(isnan(h->drift.steps));
	done(t, h);
}

static void points_without_value_are_left_out(void **state)
{
	(void)state;
	struct trend *t = sample_trend(60, 4e8);
	for (size_t i = 0; i < 60; i += 4)
		t->points[i].median = (double)NAN;
	sample_scale(t, 37, 1.3);
	struct history *h = build(t, "startup.ready", 0);
	assert_int_equal(h->n_changes, 1);
	assert_int_equal(h->changes[0].at, 37);
	(void)history_free(h);
	for (size_t i = 0; i < 60; i++)
		t->points[i].median = (double)NAN;
	h = build(t, "startup.ready", 0);
	assert_int_equal(h->n_changes, 0);
	assert_true(isnan(h->segments[0].median));
	done(t, h);
}

static void short_trends_say_that_they_are(void **state)
{
	(void)state;
	for (size_t n = 0; n < 12; n++) {
		struct trend *t = sample_trend(n, 4e8);
		struct history *h = build(t, "startup.ready", 0);
		assert_int_equal(h->n_changes, 0);
		assert_int_equal(h->drift.reason != NULL, n < 10);
		(void)history_free(h);
		/* An anchor beyond the end is the last point. */
		h = build(t, "startup.ready", SIZE_MAX);
		assert_non_null(h->drift.reason);
		done(t, h);
	}
}

static void points_are_found_by_id_commit_and_date(void **state)
{
	(void)state;
	struct trend *t = sample_trend(60, 4e8);
	assert_int_equal(trend_find(t, "000000000041007", 0), 7);
	/* A longer id than the point knows. */
	assert_int_equal(trend_find(t, "000000000041007ffff", 0), 7);
	assert_int_equal(trend_find(t, t->points[23].commit, 0), 22);
	assert_int_equal(trend_find(t, t->points[23].commit, 23), 23);
	assert_int_equal(trend_find(t, t->points[23].commit, 24), 60);
	assert_int_equal(trend_find(t, "c0ffee", 0), 0);
	assert_int_equal(trend_find(t, "2026-01-03", 0), 2);
	assert_int_equal(trend_find(t, "2026-01-03 00:01", 0), 3);
	assert_int_equal(trend_find(t, "2025-01-01", 0), 0);
	assert_int_equal(trend_find(t, "2027-01-01", 0), 60);
	static const char *const none[] = { "", "c0f", "nothing", "2026-13-01", "2026-01-03x" };
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		assert_int_equal(trend_find(t, none[i], 0), 60);
	trend_cut(t, 41);
	assert_int_equal(t->n_points, 19);
	assert_string_equal(t->points[0].id, "000000000041029");
	trend_cut(t, 100);
	assert_int_equal(t->n_points, 0);
	(void)trend_free(t);
}

static void times_are_dates_or_durations_ago(void **state)
{
	(void)state;
	int64_t ns = 0;
	assert_int_equal(parse_since("2026-01-01", 0, &ns), 0);
	assert_true(ns == SAMPLE_START_NS);
	assert_int_equal(parse_since("2026-01-02 12:30", 0, &ns), 0);
	assert_true(ns == SAMPLE_START_NS + SAMPLE_DAY_NS + 45000000000000);
	assert_int_equal(parse_since("2026-01-02T12:30", 0, &ns), 0);
	assert_int_equal(parse_since("2d", SAMPLE_START_NS, &ns), 0);
	assert_true(ns == SAMPLE_START_NS - 2 * SAMPLE_DAY_NS);
	assert_int_equal(parse_since("100000d", SAMPLE_START_NS, &ns), 0);
	assert_true(ns == 0);
	static const char *const wrong[] = { "", "yesterday", "2026-02-31x", "9999-01-01", "-1d" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_true(parse_since(wrong[i], 0, &ns) < 0);
}

static void noise_is_that_of_neighbours(void **state)
{
	(void)state;
	struct trend *t = sample_trend(30, 4e8);
	const struct known_noise calm = trend_noise(t, 1);
	assert_true(calm.n == 30 && calm.sigma > 0.014 && calm.sigma < 0.028);
	/* What four processes together still differ by is half of what one does. */
	near(trend_noise(t, 4).sigma, 2 * calm.sigma, 1e-9);
	/* A change for good is one step of many. */
	sample_scale(t, 15, 3);
	assert_true(trend_noise(t, 1).sigma < 1.4 * calm.sigma);
	for (size_t i = 0; i < t->n_points; i++)
		t->points[i].median = 7;
	near(trend_noise(t, 1).sigma, 0.005, 1e-9);
	t->n_points = 4;
	assert_int_equal(trend_noise(t, 1).n, 0);
	(void)trend_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_has_size_and_interval),
		cmocka_unit_test(spikes_are_marked_and_are_no_changes),
		cmocka_unit_test(slow_drift_is_seen_from_the_anchor),
		cmocka_unit_test(accepted_changes_do_not_count_as_drift),
		cmocka_unit_test(counts_change_by_one),
		cmocka_unit_test(values_without_logarithm_have_differences),
		cmocka_unit_test(points_without_value_are_left_out),
		cmocka_unit_test(short_trends_say_that_they_are),
		cmocka_unit_test(points_are_found_by_id_commit_and_date),
		cmocka_unit_test(times_are_dates_or_durations_ago),
		cmocka_unit_test(noise_is_that_of_neighbours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
