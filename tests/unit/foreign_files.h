/* SPDX-License-Identifier: MIT */
/* For the tests of readers: files of tests/data/foreign, and what is in them. */
#ifndef TESTS_UNIT_FOREIGN_FILES_H
#define TESTS_UNIT_FOREIGN_FILES_H

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/said.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/foreign/foreign.h"
#include "userspace/model/metrics.h"

#define FOREIGN_DATA "tests/data/foreign/"

static int read_text(const char *text, struct session **ret)
{
	said_begin();
	const int r = foreign_read(text, strlen(text), "x", ret);
	log_set_sink(NULL, NULL);
	return r;
}

/* The session of a file or directory of tests/data/foreign, which must be whole. */
static inline struct session *must_read(const char *name)
{
	_cleanup_(buf_done) struct buf text;
	char path[PATH_MAX];
	struct session *s = NULL;
	(void)snprintf(path, sizeof(path), FOREIGN_DATA "%s", name);
	buf_init(&text, 1 << 20);
	const int r = fs_read_file(path, &text);
	assert_true(r == 0 || r == -EISDIR || strchr(name, '@') != NULL);
	assert_int_equal(
		foreign_read(r == 0 ? buf_str(&text) : NULL, r == 0 ? text.len : 0, path, &s), 0);
	assert_non_null(s);
	return s;
}

/* That the text is recognised but refused, with these words. */
static inline void check_refused(const char *text, const char *message)
{
	struct session *s = NULL;
	assert_int_not_equal(read_text(text, &s), 0);
	assert_null(s);
	assert_string_equal(said, message);
}

static inline void check_not_recognised(const char *text)
{
	struct session *s = NULL;
	assert_int_equal(read_text(text, &s), 0);
	assert_null(s);
}

static inline const struct series *must_find(const struct session *s, const char *id)
{
	for (size_t i = 0; i < s->n_series; i++) {
		if (strcmp(s->series[i].id, id) == 0)
			return &s->series[i];
	}
	for (size_t i = 0; i < s->n_series; i++)
		print_error("there is '%s'\n", s->series[i].id);
	print_error("there is no '%s'\n", id);
	assert_true(false);
	return NULL;
}

static inline void check_value(double value, double expected)
{
	const bool is_equal =
		isnan(expected) ? isnan(value) : fabs(value - expected) <= 1e-12 * fabs(expected);
	if (!is_equal)
		print_error("%.17g is not %.17g\n", value, expected);
	assert_true(is_equal);
}

/* @values: as many as the metric has, NAN for missing. */
#define check_values(s, id, ...)                            \
	check_these(s, id, (const double[]){ __VA_ARGS__ }, \
		    sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double))
static inline void check_these(const struct session *s, const char *id, const double *values,
			       size_t n)
{
	const struct series *series = must_find(s, id);
	assert_false(series->is_summary);
	assert_int_equal(series->n_values, n);
	for (size_t i = 0; i < n; i++)
		check_value(series->values[i], values[i]);
}

static inline void check_metric(const struct session *s, const char *id, enum unit unit,
				enum better better, enum metric_class class)
{
	const struct metric *metric = must_find(s, id)->metric;
	assert_int_equal(metric->unit, unit);
	assert_int_equal(metric->better, better);
	assert_int_equal(metric->class, class);
}

#endif
