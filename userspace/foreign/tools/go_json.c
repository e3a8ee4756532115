/* SPDX-License-Identifier: MIT */
/* go test -json (cmd/test2json): an event a line. Tests end with their time; the output of a package,
 * put together again, holds its benchmarks. */

#include <math.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/vec.h"
#include "userspace/foreign/internal.h"

#define MAX_PACKAGES 20000

struct package {
	const char *name; /* interned */
	struct buf output;
};

struct reading {
	struct gathering *g;
	struct packages VEC(struct package) packages;
	struct id_map index; /* name's address -> package */
	struct suite suite;
	size_t n_ended; /* packages that say how long they took */
	double package_ns;
};

bool go_json_sniff(const char *text, size_t length)
{
	const char *at = text, *line = NULL;
	size_t n = 0;
	return foreign_line(&at, text + length, &line, &n) &&
	       foreign_json_sniff(line, n, "Action", '"') &&
	       (foreign_json_sniff(line, n, "Package", '"') ||
		foreign_json_sniff(line, n, "ImportPath", '"'));
}

static struct package *package_of(struct reading *r, const char *name)
{
	const char *interned = arena_intern(r->g->session->arena, name);
	const uint64_t key = (uint64_t)(uintptr_t)interned;
	const int known = interned != NULL ? id_map_get(&r->index, key) : -1;
	if (known >= 0)
		return &r->packages.items[known];
	const struct package fresh = { .name = interned,
				       .output = { .limit = FOREIGN_MAX_LENGTH } };
	if (r->packages.n == MAX_PACKAGES) {
		gather_fail(r->g, "more than %d packages", MAX_PACKAGES);
		return NULL;
	}
	if (interned == NULL || vec_push(&r->packages, fresh) < 0 ||
	    id_map_set(&r->index, key, (int)r->packages.n - 1) < 0) {
		gather_no_memory(r->g);
		return NULL;
	}
	return vec_last(&r->packages);
}

static void add_output(struct reading *r, const char *name, const char *output)
{
	struct package *package = package_of(r, name);
	if (package != NULL && output != NULL && buf_adds(&package->output, output) < 0)
		gather_fail(r->g, "too much output of %.200s", name);
}

static void end_test(struct reading *r, const char *package, const char *name, const char *action,
		     double seconds)
{
	_cleanup_(buf_done) struct buf id = { .limit = FOREIGN_MAX_NAME };
	const struct test test = { .time_ns = seconds * NS,
				   .is_failed = strcmp(action, "fail") == 0,
				   .is_skipped = strcmp(action, "skip") == 0 };
	(void)buf_addf(&id, "%s.%s", package, name);
	gather_test(r->g, &r->suite, gather_name(r->g, &id), &test);
}

static void read_event(struct reading *r, const cJSON *event)
{
	const char *action = foreign_json_text(event, "Action");
	const char *package = foreign_json_text(event, "Package");
	const char *test = foreign_json_text(event, "Test");
	const double seconds = foreign_json_number(event, "Elapsed");
	if (action == NULL || package == NULL)
		return;
	const bool is_end = strcmp(action, "pass") == 0 || strcmp(action, "fail") == 0 ||
			    strcmp(action, "skip") == 0;
	if (strcmp(action, "output") == 0) {
		add_output(r, package, foreign_json_text(event, "Output"));
	} else if (is_end && test == NULL) {
		r->n_ended++;
		r->package_ns = seconds * NS;
	} else if (is_end && !go_is_benchmark(test)) {
		/* Since Go 1.20 benchmarks have events, too; they end without a time. */
		end_test(r, package, test, action, seconds);
	}
}

static void read_events(struct reading *r, const char *text, size_t length)
{
	const char *at = text, *line = NULL;
	struct json_error error;
	size_t n = 0;
	for (size_t number = 1; r->g->error == 0 && foreign_line(&at, text + length, &line, &n);
	     number++) {
		/* What the go command itself says stands between. */
		if (foreign_first_byte(line, n) != '{')
			continue;
		_cleanup_(foreign_json_free) cJSON *event = json_parse(line, n, &error);
		if (event == NULL)
			gather_fail(r->g, "line %zu: %s", number, error.what);
		else
			read_event(r, event);
	}
}

void go_json_read(struct gathering *g, const char *text, size_t length)
{
	struct reading r = { .g = g, .package_ns = NAN };
	gather_note(g, "results of go test");
	read_events(&r, text, length);
	vec_foreach(package, &r.packages) {
		go_read_output(g, package->name, buf_str(&package->output), package->output.len);
		buf_done(&package->output);
	}
	vec_done(&r.packages);
	id_map_done(&r.index);
	/* Packages run side by side: their times are no total. */
	r.suite.time_ns = r.n_ended == 1 ? r.package_ns : (double)NAN;
	gather_suite(g, "go test", &r.suite);
}
