/* SPDX-License-Identifier: MIT */
/* The difference between two results of a test suite: a row for each test that was added, removed
 * or took another time, and one for what the suite took besides its tests. Together they are the
 * difference of the suite's time. A test that was skipped is not there. */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/model/compare/internal.h"

#define TEST	   "test["
#define SUITE_TIME "suite.time"
/* More than any suite takes: 30 years. Sums of that many can be told apart from overflow. */
#define MAX_TOTAL_NS 1e18

static const char *const kind_names[TEST_KINDS] = { "",	    "added",   "removed", "changed",
						    "same", "besides", "whole" };

const char *contribution_phase(const struct contribution *c)
{
	if (c->kind == TEST_NONE)
		return phase_name(c->phase);
	return c->kind == STEP_WHOLE ? "step" : c->kind == TEST_BESIDES ? "suite" : "test";
}

const char *contribution_cause(const struct contribution *c)
{
	return c->kind == TEST_NONE ? cause_name(c->cause) : kind_names[c->kind];
}

struct suite {
	struct comparison *comparison;
	size_t n[TEST_KINDS];
	int64_t delta_ns[TEST_KINDS], base_ns, head_ns; /* of the rows so far */
	size_t n_base, n_head;
};

/* NAN: it did not run. A test that ran several times took all of them. */
static double time_of(const struct series *s)
{
	double sum = NAN;
	for (size_t i = 0; s != NULL && i < s->n_values; i++) {
		if (!isnan(s->values[i]))
			sum = isnan(sum) ? s->values[i] : sum + s->values[i];
	}
	return sum;
}

static bool is_test(const struct change *change)
{
	return strncmp(change->id, TEST, sizeof(TEST) - 1) == 0;
}

/* "test_a" of "test[test_a]". */
static const char *test_name(struct arena *arena, const char *id)
{
	const size_t n = strlen(id), n_stem = sizeof(TEST) - 1;
	return arena_strndup(arena, id + n_stem, n > n_stem ? n - n_stem - 1 : 0);
}

static int add_row(struct suite *s, enum test_kind kind, const char *name, int64_t base_ns,
		   int64_t head_ns)
{
	if (name == NULL)
		return -ENOMEM;
	s->comparison->contributions[s->comparison->n_contributions++] = (struct contribution){
		.kind = kind,
		.cause = CAUSE_UNKNOWN,
		.process = "",
		.detail = name,
		.base_ns = base_ns,
		.head_ns = head_ns,
		.delta_ns = head_ns - base_ns,
		.low_ns = NAN,
		.high_ns = NAN,
		.is_in_base = kind != TEST_ADDED,
		.is_in_head = kind != TEST_REMOVED,
	};
	s->n[kind]++;
	s->delta_ns[kind] += head_ns - base_ns;
	s->base_ns += base_ns;
	s->head_ns += head_ns;
	return 0;
}

static int add_test(struct suite *s, const struct change *change)
{
	const double base = time_of(change->base), head = time_of(change->head);
	const int64_t base_ns = isnan(base) ? 0 : llround(base);
	const int64_t head_ns = isnan(head) ? 0 : llround(head);
	if (isnan(base) && isnan(head))
		return 0;
	const enum test_kind kind = isnan(base)		 ? TEST_ADDED
				    : isnan(head)	 ? TEST_REMOVED
				    : base_ns != head_ns ? TEST_CHANGED
							 : TEST_SAME;
	s->n_base += !isnan(base);
	s->n_head += !isnan(head);
	return add_row(s, kind, test_name(s->comparison->arena, change->id), base_ns, head_ns);
}

static int add_tests(struct suite *s)
{
	const struct comparison *c = s->comparison;
	for (size_t i = 0; i < c->n_changes; i++) {
		const int r = is_test(&c->changes[i]) ? add_test(s, &c->changes[i]) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* What the file says of the whole, if it does on both sides; else the tests are the whole. Tests
 * side by side take more than their suite: then it took less than nothing besides. */
static int add_besides(struct suite *s)
{
	struct comparison *c = s->comparison;
	const struct change *total = comparison_find(c, SUITE_TIME);
	const double base = total != NULL ? time_of(total->base) : (double)NAN;
	const double head = total != NULL ? time_of(total->head) : (double)NAN;
	c->base_total_ns = s->base_ns;
	c->head_total_ns = s->head_ns;
	if (isnan(base) || isnan(head))
		return 0;
	c->base_total_ns = llround(base);
	c->head_total_ns = llround(head);
	return add_row(s, TEST_BESIDES, "", c->base_total_ns - s->base_ns,
		       c->head_total_ns - s->head_ns);
}

/* "2 tests added +1.20 s, 1 removed -400 ms, 3 changed +2.10 s, besides them +30 ms" */
static int say_sums(struct suite *s)
{
	static const char *const words[] = {
		"", " added", " removed", " changed", " of the same time", "besides them"
	};
	_cleanup_(buf_done) struct buf line;
	buf_init(&line, 1000);
	for (int kind = TEST_ADDED; kind <= TEST_BESIDES; kind++) {
		char delta[UNITS_BYTES];
		if (s->n[kind] == 0)
			continue;
		(void)buf_addf(&line, "%s", line.len > 0 ? ", " : "tests: ");
		if (kind != TEST_BESIDES)
			(void)buf_addf(&line, "%zu", s->n[kind]);
		(void)buf_adds(&line, words[kind]);
		if (kind != TEST_SAME)
			(void)buf_addf(&line, " %s%s", s->delta_ns[kind] > 0 ? "+" : "",
				       format_ns(delta, (double)s->delta_ns[kind]));
	}
	s->comparison->what_rows_are = arena_strdup(s->comparison->arena, buf_str(&line));
	return s->comparison->what_rows_are != NULL ? 0 : -ENOMEM;
}

static bool is_sane(const struct comparison *c)
{
	double total = 0;
	for (size_t i = 0; i < c->n_changes; i++) {
		const struct change *change = &c->changes[i];
		if (!is_test(change) && strcmp(change->id, SUITE_TIME) != 0)
			continue;
		const double base = time_of(change->base), head = time_of(change->head);
		total += (isnan(base) ? 0 : fabs(base)) + (isnan(head) ? 0 : fabs(head));
	}
	return total < MAX_TOTAL_NS;
}

int compare_suites(struct comparison *c)
{
	struct suite s = { .comparison = c };
	if (c->has_contributions || !is_sane(c))
		return 0;
	c->contributions = arena_alloc_array(c->arena, c->n_changes + 1, sizeof(*c->contributions));
	int r = c->contributions != NULL ? add_tests(&s) : -ENOMEM;
	if (r == 0 && (s.n_base == 0 || s.n_head == 0)) {
		c->n_contributions = 0;
		return 0;
	}
	if (r == 0)
		r = add_besides(&s);
	if (r == 0)
		r = say_sums(&s);
	sort_contributions(c);
	c->has_contributions = r == 0;
	return r;
}
