/* SPDX-License-Identifier: MIT */
/* Catch2's XML reporter (-r xml), versions 2 and 3: benchmarks by their statistics, in ns, and test
 * cases, of which the times are there with -d yes. */

#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/units.h"
#include "userspace/foreign/forms/xml.h"
#include "userspace/foreign/internal.h"

#define MAX_SECTIONS 64 /* in each other; xml.c allows no more elements */

struct reading {
	struct xml xml;
	struct suite suite;
	struct buf path;	      /* "case/section/section" */
	size_t lengths[MAX_SECTIONS]; /* of the path, of each that is open */
	size_t n_open;
	/* the benchmark that is open */
	bool is_benchmark;
	const char *id;
	struct summary summary;
};

bool catch2_sniff(const char *text, size_t length)
{
	/* Of version 3, of version 2. */
	return xml_sniff(text, length, "<Catch2TestRun") || xml_sniff(text, length, "<Catch ");
}

/* NAN: it is not there, or no number. */
static double number_of(const char **attributes, const char *name)
{
	const char *text = xml_attribute(attributes, name);
	double value = NAN;
	return text != NULL && parse_double(text, &value) == 0 ? value : (double)NAN;
}

static void open_path(struct reading *r, const char **attributes)
{
	const char *name = xml_attribute(attributes, "name");
	if (r->n_open == MAX_SECTIONS) {
		xml_refuse(&r->xml, "it is nested too deep");
		return;
	}
	r->lengths[r->n_open++] = r->path.len;
	if (buf_addf(&r->path, "%s%s", r->path.len > 0 ? "/" : "", name != NULL ? name : "") < 0)
		xml_refuse(&r->xml, "a name that is too long");
}

static void close_path(struct reading *r)
{
	if (r->n_open > 0)
		buf_truncate(&r->path, r->lengths[--r->n_open]);
}

/* --- benchmarks ------------------------------------------------------------------------------- */

static void begin_benchmark(struct reading *r, const char **attributes)
{
	open_path(r, attributes);
	r->id = gather_id(r->xml.g, "bench", buf_str(&r->path));
	r->is_benchmark = true;
	summary_of(NULL, 0, &r->summary);
	r->summary.n = foreign_count(number_of(attributes, "samples"));
}

/* Without an analysis the bounds are the mean itself, and ci is 0. */
static void read_mean(struct reading *r, const char **attributes)
{
	r->summary.mean = number_of(attributes, "value");
	if (number_of(attributes, "ci") != 0.95)
		return;
	r->summary.ci95_low = number_of(attributes, "lowerBound");
	r->summary.ci95_high = number_of(attributes, "upperBound");
}

static void read_deviation(struct reading *r, const char **attributes)
{
	if (number_of(attributes, "ci") > 0)
		r->summary.stddev = number_of(attributes, "value");
}

static void end_benchmark(struct reading *r)
{
	struct gathering *g = r->xml.g;
	r->is_benchmark = false;
	if (gather_has(g, r->id)) {
		xml_refuse(&r->xml, "a benchmark that is there twice");
	} else {
		struct summary *s = gather_summary(g, r->id, &like_time);
		if (s != NULL)
			*s = r->summary;
	}
	close_path(r);
}

/* --- test cases ------------------------------------------------------------------------------- */

static void read_result(struct reading *r, const char **attributes)
{
	const char *success = xml_attribute(attributes, "success");
	const struct test test = {
		.time_ns = number_of(attributes, "durationInSeconds") * NS,
		.is_failed = success != NULL && strcmp(success, "false") == 0,
		.is_skipped = number_of(attributes, "skips") > 0,
	};
	gather_test(r->xml.g, &r->suite, buf_str(&r->path), &test);
}

static void on_begin(void *user, const char *name, const char **attributes)
{
	struct reading *r = user;
	if (strcmp(name, "TestCase") == 0 || strcmp(name, "Section") == 0)
		open_path(r, attributes);
	else if (strcmp(name, "BenchmarkResults") == 0)
		begin_benchmark(r, attributes);
	else if (strcmp(name, "mean") == 0 && r->is_benchmark)
		read_mean(r, attributes);
	else if (strcmp(name, "standardDeviation") == 0 && r->is_benchmark)
		read_deviation(r, attributes);
	else if (strcmp(name, "failed") == 0 && r->is_benchmark)
		gather_note(r->xml.g, "%.200s: failed", buf_str(&r->path));
	else if (strcmp(name, "OverallResult") == 0 && r->n_open > 0)
		read_result(r, attributes);
}

static void on_end(void *user, const char *name)
{
	struct reading *r = user;
	if (strcmp(name, "BenchmarkResults") == 0 && r->is_benchmark)
		end_benchmark(r);
	else if (strcmp(name, "TestCase") == 0 || strcmp(name, "Section") == 0)
		close_path(r);
}

void catch2_read(struct gathering *g, const char *text, size_t length)
{
	struct reading r = { .xml = { .g = g, .begin = on_begin, .end = on_end },
			     .suite = { .time_ns = NAN },
			     .path = { .limit = FOREIGN_MAX_NAME } };
	r.xml.user = &r;
	gather_note(g, "results of Catch2");
	xml_read(&r.xml, text, length);
	gather_suite(g, "Catch2", &r.suite);
	buf_done(&r.path);
}
