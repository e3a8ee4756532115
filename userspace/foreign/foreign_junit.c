/* SPDX-License-Identifier: MIT */
/* JUnit XML, as pytest, ctest, googletest, surefire and others write it: the time of each test, and
 * of the suite. libexpat reads it as a stream; documents that declare a type are refused, so there
 * are no entities to expand. */

#include <errno.h>
#include <expat.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/foreign/internal.h"

#define MAX_DEPTH 64
#define MAX_NAME  ((size_t)8192)
#define NS	  ((double)NS_PER_S)
#define CHUNK	  ((size_t)1 << 20) /* expat takes an int */

struct reading {
	struct gathering *g;
	XML_Parser parser;
	size_t depth;
	size_t n_open_suites, n_suites; /* suites in suites do not count */
	double root_ns, suite_ns;
	struct suite suite;
	/* the test that is open */
	const char *name; /* NULL: none */
	struct test test;
};

bool junit_sniff(const char *text, size_t length, const char *path)
{
	static const char suite[] = "<testsuite";
	const size_t n = length < FOREIGN_SNIFF_LENGTH ? length : FOREIGN_SNIFF_LENGTH;
	(void)path;
	return foreign_first_byte(text, n) == '<' &&
	       memmem(text, n, suite, sizeof(suite) - 1) != NULL;
}

static const char *attribute(const char **attributes, const char *name)
{
	for (size_t i = 0; attributes[i] != NULL; i += 2) {
		if (strcmp(attributes[i], name) == 0)
			return attributes[i + 1];
	}
	return NULL;
}

/* expat 2.8 and later do not like the name that those before know. */
static unsigned long current_line(const struct reading *r)
{
#ifdef XML_ATTR_DEPRECATED
	return XML_GetCurrentLineNumber64(r->parser);
#else
	return XML_GetCurrentLineNumber(r->parser);
#endif
}

static void refuse(struct reading *r, const char *what)
{
	gather_fail(r->g, "line %lu: %s", current_line(r), what);
	(void)XML_StopParser(r->parser, XML_FALSE);
}

/* In ns; NAN where there is none. */
static double time_of(struct reading *r, const char **attributes)
{
	const char *text = attribute(attributes, "time");
	double value = NAN;
	if (text == NULL || text[0] == '\0')
		return NAN;
	if (!foreign_number(text, &value)) /* surefire groups digits */
		refuse(r, "a time that is not a number");
	return value * NS;
}

static void begin_test(struct reading *r, const char **attributes)
{
	_cleanup_(buf_done) struct buf name;
	const char *class_name = attribute(attributes, "classname");
	const char *test = attribute(attributes, "name");
	buf_init(&name, MAX_NAME);
	if (test == NULL) {
		refuse(r, "a test without a name");
		return;
	}
	if (class_name != NULL && class_name[0] != '\0')
		(void)buf_addf(&name, "%s.", class_name);
	(void)buf_adds(&name, test);
	if (name.error < 0 || name.len == 0) {
		refuse(r, name.error < 0 ? "a name that is too long" : "a test without a name");
		return;
	}
	r->test = (struct test){ .time_ns = time_of(r, attributes) };
	r->name = gather_text(r->g, buf_str(&name));
}

/* Some nest suites; the outer one's time holds the inner ones. */
static void begin_suite(struct reading *r, const char **attributes)
{
	if (r->n_open_suites++ > 0)
		return;
	r->n_suites++;
	r->suite_ns = time_of(r, attributes);
}

static void XMLCALL on_begin(void *user, const char *name, const char **attributes)
{
	struct reading *r = user;
	if (++r->depth > MAX_DEPTH)
		refuse(r, "it is nested too deep");
	else if (strcmp(name, "testsuites") == 0 && r->depth == 1)
		r->root_ns = time_of(r, attributes);
	else if (strcmp(name, "testsuite") == 0)
		begin_suite(r, attributes);
	else if (strcmp(name, "testcase") == 0)
		begin_test(r, attributes);
	else if (strcmp(name, "failure") == 0 || strcmp(name, "error") == 0)
		r->test.is_failed = true;
	else if (strcmp(name, "skipped") == 0)
		r->test.is_skipped = true;
	if (r->g->error < 0)
		(void)XML_StopParser(r->parser, XML_FALSE);
}

static void XMLCALL on_end(void *user, const char *name)
{
	struct reading *r = user;
	r->depth--;
	r->n_open_suites -= strcmp(name, "testsuite") == 0;
	if (strcmp(name, "testcase") != 0 || r->name == NULL)
		return;
	gather_test(r->g, &r->suite, r->name, &r->test);
	r->name = NULL;
}

static void XMLCALL on_doctype(void *user, const char *name, const char *system_id,
			       const char *public_id, int has_internal_subset)
{
	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_internal_subset;
	refuse(user, "a document type declaration, which is not accepted");
}

static void parse(struct reading *r, const char *text, size_t length)
{
	enum XML_Status status = XML_STATUS_OK;
	for (size_t at = 0; status == XML_STATUS_OK && at < length; at += CHUNK) {
		const size_t n = length - at < CHUNK ? length - at : CHUNK;
		status = XML_Parse(r->parser, text + at, (int)n, at + n == length);
	}
	if (status != XML_STATUS_OK && r->g->error == 0)
		gather_fail(r->g, "line %lu: %s", current_line(r),
			    XML_ErrorString(XML_GetErrorCode(r->parser)));
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
	struct reading r = { .g = g, .root_ns = NAN, .suite_ns = NAN };
	r.parser = XML_ParserCreate(NULL);
	if (r.parser == NULL) {
		g->error = fail(-ENOMEM, "'%s': memory is short", g->path);
		return;
	}
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_begin, on_end);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	parse(&r, text, length);
	XML_ParserFree(r.parser);
	r.suite.time_ns = total_of(&r);
	gather_suite(g, "JUnit", &r.suite);
}
