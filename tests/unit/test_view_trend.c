/* SPDX-License-Identifier: MIT */
/* The chart, the sparkline and the reports over time: what is shown, how wide, and that nothing
 * hostile gets through. */

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_trend.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/utf8.h"
#include "userspace/view/report/trend.h"
#include "userspace/view/table/chart.h"

#define MARGIN 0.02

static const struct page ascii = { .width = 80 }, blocks = { .width = 80, .is_utf8 = true };
static const struct series_name name = { "memory mode", "sha256:41" };

static char *chart(const struct chart_point *points, size_t n, const struct page *style)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	assert_non_null(f);
	const struct chart c = { points, n, UNIT_NS, "2026-01-01", "2026-03-01", false };
	struct page page = *style;
	page.f = f;
	assert_int_equal(chart_print(&c, &page), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void widths_fit(const char *text, size_t most)
{
	while (*text != '\0') {
		const size_t n = strcspn(text, "\n");
		assert_true(text_width(text, n) <= most);
		text += n + (text[n] == '\n');
	}
}

static void a_chart_shows_levels_spikes_and_changes(void **state)
{
	(void)state;
	struct chart_point points[12];
	for (size_t i = 0; i < 12; i++) {
		const double level = i < 6 ? 1e8 : 2e8;
		points[i] = (struct chart_point){ .value = level, .level = level };
	}
	points[6].mark = MARK_CHANGE;
	points[9] = (struct chart_point){ 9e8, 2e8, true, MARK_ACCEPTED };
	points[2].value = (double)NAN;
	_cleanup_free_ char *text = chart(points, 12, &ascii);
	assert_string_equal(text, "   200 ms +                        .---.---.---^---.---.---\n"
				  "          |\n"
				  "          |\n"
				  "          |\n"
				  "   164 ms +\n"
				  "          |\n"
				  "          |\n"
				  "          |\n"
				  "   127 ms +\n"
				  "          |\n"
				  "          |\n"
				  "  99.6 ms +'---'-------'---'---'---\n"
				  "          +------------------------------------------------\n"
				  "                                   ^           o\n"
				  "           2026-01-01                            2026-03-01\n");
	_cleanup_free_ char *pretty = chart(points, 12, &blocks);
	assert_non_null(strstr(pretty, "┤"));
	assert_non_null(strstr(pretty, "▲"));
	assert_non_null(strstr(pretty, "△"));
	assert_non_null(strstr(pretty, "↑"));
}

static void a_chart_keeps_to_the_width(void **state)
{
	(void)state;
	static struct chart_point points[1009];
	for (size_t n = 1; n <= 1009; n += n < 100 ? 1 : 101) {
		for (size_t i = 0; i < n; i++)
			points[i] = (struct chart_point){ .value = (double)(i % 23) * 1e6,
							  .level = 1e7,
							  .mark = i % 41 == 0 ? MARK_CHANGE
									      : MARK_NONE };
		for (unsigned int width = 40; width <= 600; width += 40) {
			const struct page style = { .width = width, .is_utf8 = true };
			_cleanup_free_ char *text = chart(points, n, &style);
			widths_fit(text, width);
		}
	}
}

static void a_chart_of_nothing_is_nothing(void **state)
{
	(void)state;
	struct chart_point points[3] = { { .value = (double)NAN, .level = (double)NAN },
					 { .value = INFINITY, .level = (double)NAN },
					 { .value = (double)NAN, .level = (double)NAN } };
	_cleanup_free_ char *text = chart(points, 3, &ascii);
	assert_string_equal(text, "");
	_cleanup_free_ char *empty = chart(points, 0, &ascii);
	assert_string_equal(empty, "");
	/* What is infinite does not hide the others. */
	points[0].value = 1e8;
	_cleanup_free_ char *some = chart(points, 3, &ascii);
	assert_non_null(strstr(some, " ms +"));
	points[0].value = (double)NAN;
	points[1].value = 0;
	_cleanup_free_ char *zero = chart(points, 3, &ascii);
	assert_non_null(strchr(zero, '\''));
}

static void sparklines_rise_and_have_gaps(void **state)
{
	(void)state;
	const double v[] = { 1, 2, 3, (double)NAN, 5, 6, 7, 8 }, flat[] = { 3, 3 };
	_cleanup_(buf_done) struct buf line;
	buf_init(&line, 256);
	sparkline_add(&line, v, 8, 20, true);
	assert_string_equal(buf_str(&line), "▁▂▃ ▅▆▇█");
	buf_clear(&line);
	sparkline_add(&line, v, 8, 4, false);
	assert_string_equal(buf_str(&line), "_,+#");
	buf_clear(&line);
	sparkline_add(&line, flat, 2, 4, true);
	assert_string_equal(buf_str(&line), "▅▅");
	buf_clear(&line);
	sparkline_add(&line, v, 0, 4, true);
	assert_string_equal(buf_str(&line), "");
}

static char *report(const struct trend *t, const char *metric, const struct series_name *of,
		    enum table_format format, const struct page *style)
{
	char *text = NULL;
	size_t size = 0;
	struct history *h = NULL;
	FILE *f = open_memstream(&text, &size);
	assert_non_null(f);
	assert_int_equal(history_build(t, metric, 0, MARGIN, &h), 0);
	struct page page = style != NULL ? *style : (struct page){ 0 };
	page.f = f;
	page.format = format;
	assert_int_equal(report_trend(h, of, &page), 0);
	assert_int_equal(fclose(f), 0);
	(void)history_free(h);
	return text;
}

static void the_report_names_change_drift_and_runs(void **state)
{
	(void)state;
	struct trend *t = sample_trend(60, 4e8);
	sample_scale(t, 37, 1.10);
	_cleanup_free_ char *text = report(t, "startup.ready", &name, TABLE_TEXT, &blocks);
	widths_fit(text, 80);
	assert_non_null(strstr(text, "startup.ready of 'memory mode': "));
	assert_non_null(strstr(text, "60 runs since 2026-01-01"));
	assert_non_null(strstr(text, "2026-02-07  c0ffee00"));
	assert_non_null(strstr(text, "regressed"));
	assert_non_null(strstr(text, "Drift since 2026-01-01 (c0ffee00): +"));
	assert_non_null(strstr(text, "last runs"));
	/* Higher may be better. */
	t->better = BETTER_HIGHER;
	_cleanup_free_ char *good = report(t, "other", &name, TABLE_TEXT, &blocks);
	assert_null(strstr(good, "regressed"));
	assert_non_null(strstr(good, "improved"));
	(void)trend_free(t);
}

static void programs_get_all_runs_and_whole_ids(void **state)
{
	(void)state;
	struct trend *t = sample_trend(60, 4e8);
	sample_scale(t, 37, 1.10);
	_cleanup_free_ char *csv = report(t, "startup.ready", &name, TABLE_CSV, NULL);
	size_t lines = 0;
	for (const char *s = csv; *s != '\0'; s++)
		lines += *s == '\n';
	assert_int_equal(lines, 61);
	assert_non_null(strstr(csv, t->points[0].id));
	assert_non_null(strstr(csv, t->points[0].commit));
	_cleanup_free_ char *json = report(t, "startup.ready", &name, TABLE_JSON, NULL);
	assert_non_null(strstr(json, "\"schema\": \"startline.history/1\""));
	assert_non_null(strstr(json, t->points[0].commit));
	(void)trend_free(t);
}

#define NASTY "\033[31m<img src=x>|\n::error::x ##[endgroup]\r\"'`@all http://a.b \xff"

static void nothing_hostile_gets_through(void **state)
{
	(void)state;
	struct trend *t = sample_trend(60, 4e8);
	sample_scale(t, 37, 1.10);
	t->points[37].annotation = NASTY;
	t->points[59].commit = NASTY;
	t->points[58].id = NASTY;
	const struct series_name nasty = { NASTY, NASTY };
	for (int format = TABLE_TEXT; format <= TABLE_MARKDOWN; format++) {
		_cleanup_free_ char *text =
			report(t, NASTY, &nasty, (enum table_format)format, &blocks);
		assert_null(strchr(text, '\033'));
		assert_true(format == TABLE_CSV || strchr(text, '\r') == NULL);
		assert_null(strstr(text, "\n::"));
		assert_null(strchr(text, '\xff'));
		assert_true(format == TABLE_CSV || format == TABLE_JSON ||
			    strstr(text, "##[endgroup]") == NULL);
		if (format == TABLE_MARKDOWN) {
			assert_null(strstr(text, "<img"));
			assert_null(strstr(text, "@all"));
			assert_null(strstr(text, "http://"));
		}
		if (format == TABLE_TEXT)
			widths_fit(text, 80);
	}
	(void)trend_free(t);
}

static void the_overview_has_a_line_per_metric(void **state)
{
	(void)state;
	struct trend *trends[] = { sample_trend(60, 4e8), sample_trend(5, 1),
				   sample_trend(60, 8e6) };
	const char *const ids[] = { "startup.ready", NASTY, "mem.peak_rss" };
	char *text = NULL;
	size_t size = 0;
	sample_scale(trends[0], 37, 1.10);
	trends[2]->unit = UNIT_BYTES;
	struct table *t = build_overview(&name);
	for (size_t i = 0; i < 3; i++) {
		struct history *h = NULL;
		assert_int_equal(history_build(trends[i], ids[i], 0, MARGIN, &h), 0);
		add_overview_row(t, h, true);
		(void)history_free(h);
		(void)trend_free(trends[i]);
	}
	assert_int_equal(table_rows(t), 3);
	FILE *f = open_memstream(&text, &size);
	struct page page = blocks;
	page.f = f;
	assert_int_equal(table_print(t, &page), 0);
	assert_int_equal(fclose(f), 0);
	widths_fit(text, 80);
	assert_non_null(strstr(text, "2026-02-07 +"));
	assert_null(strchr(text, '\033'));
	free(text);
	(void)table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chart_shows_levels_spikes_and_changes),
		cmocka_unit_test(a_chart_keeps_to_the_width),
		cmocka_unit_test(a_chart_of_nothing_is_nothing),
		cmocka_unit_test(sparklines_rise_and_have_gaps),
		cmocka_unit_test(the_report_names_change_drift_and_runs),
		cmocka_unit_test(programs_get_all_runs_and_whole_ids),
		cmocka_unit_test(nothing_hostile_gets_through),
		cmocka_unit_test(the_overview_has_a_line_per_metric),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
