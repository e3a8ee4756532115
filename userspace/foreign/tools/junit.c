/* SPDX-License-Identifier: MIT */
/* JUnit XML, as pytest, ctest, googletest, surefire and others write it: the time of each test, and
 * of the suite. */

#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/foreign/forms/xml.h"
#include "userspace/foreign/internal.h"

struct reading {
	struct xml xml;
	size_t n_open_suites, n_suites; /* suites in suites do not count */
	double root_ns, suite_ns;
	struct suite suite;
	/* the test that is open */
	const char *name; /* NULL: none */
	struct test test;
};

bool junit_sniff(const char *text, size_t length)
{
	return xml_sniff(text, length, "<testsuite");
}

/* In ns; NAN where there is none. */
static double time_of(struct reading *r, const char **attributes)
{
	const char *text = xml_attribute(attributes, "time");
	double value = NAN;
	if (text == NULL || text[0] == '\0')
		return NAN;
	if (!foreign_number(text, &value)) /* surefire groups digits */
		xml_refuse(&r->xml, "a time that is not a number");
	return value * NS;
}

static void begin_test(struct reading *r, const char **attributes)
{
	_cleanup_(buf_done) struct buf name = { .limit = FOREIGN_MAX_NAME };
	const char *class_name = xml_attribute(attributes, "classname");
	const char *test = xml_attribute(attributes, "name");
	if (test == NULL) {
		xml_refuse(&r->xml, "a test without a name");
		return;
	}
	if (class_name != NULL && class_name[0] != '\0')
		(void)buf_addf(&name, "%s.", class_name);
	(void)buf_adds(&name, test);
	if (name.error < 0 || name.len == 0) {
		xml_refuse(&r->xml,
			   name.error < 0 ? "a name that is too long" : "a test without a name");
		return;
	}
	r->test = (struct test){ .time_ns = time_of(r, attributes) };
	r->name = gather_text(r->xml.g, buf_str(&name));
}

/* Some nest suites; the outer one's time holds the inner ones. */
static void begin_suite(struct reading *r, const char **attributes)
{
	if (r->n_open_suites++ > 0)
		return;
	r->n_suites++;
	r->suite_ns = time_of(r, attributes);
}

static void on_begin(void *user, const char *name, const char **attributes)
{
	struct reading *r = user;
	if (strcmp(name, "testsuites") == 0 && r->xml.depth == 1)
		r->root_ns = time_of(r, attributes);
	else if (strcmp(name, "testsuite") == 0)
		begin_suite(r, attributes);
	else if (strcmp(name, "testcase") == 0)
		begin_test(r, attributes);
	else if (strcmp(name, "failure") == 0 || strcmp(name, "error") == 0)
		r->test.is_failed = true;
	else if (strcmp(name, "skipped") == 0)
		r->test.is_skipped = true;
}

static void on_end(void *user, const char *name)
{
	struct reading *r = user;
	r->n_open_suites -= strcmp(name, "testsuite") == 0;
	if (strcmp(name, "testcase") != 0 || r->name == NULL)
		return;
	gather_test(r->xml.g, &r->suite, r->name, &r->test);
	r->name = NULL;
}

/* Of several suites nobody says whether one ran after the other. ctest writes 0. */
static double total_of(const struct reading *r)
{
	if (r->root_ns > 0)
		return r->root_ns;
	return r->n_suites == 1 ? r->suite_ns : (double)NAN;
}

void junit_read(struct gathering *g, const char *text, size_t length)
{
	struct reading r = { .xml = { .g = g, .begin = on_begin, .end = on_end },
			     .root_ns = NAN,
			     .suite_ns = NAN };
	r.xml.user = &r;
	xml_read(&r.xml, text, length);
	r.suite.time_ns = total_of(&r);
	gather_suite(g, "JUnit", &r.suite);
}
