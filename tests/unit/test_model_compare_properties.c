/* SPDX-License-Identifier: MIT */
/* What must hold of a change whatever the values are: a thousand metrics of twenty runs a side, of all
 * kinds of numbers. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/random.h"
#include "userspace/base/units.h"
#include "userspace/model/compare/compare.h"

#define METRICS 1000
#define RUNS	20
#define LEVEL	0.99

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHARE 10
#else
#define SHARE 1
#endif

enum kind {
	SMOOTH,
	TIED,
	COUNTS,
	SAME,
	WITH_ZEROS,
	SIGNED,
	WITH_GAPS,
	HUGE_NUMBERS,
	TINY,
	FEW,
	KINDS
};

struct sample {
	double v[RUNS];
	size_t n;
	struct series series;
};

static const struct metric metric = {
	.id = "x", .label = "x", .unit = UNIT_NS, .better = BETTER_LOWER, .class = CLASS_TIME
};

static double value_of(struct random *r, enum kind kind, double effect)
{
	const double smooth = exp(0.1 * random_normal(r)) * effect;
	switch (kind) {
	case TIED:
		return round(10 * smooth) / 10;
	case COUNTS:
		return 41 + (double)random_below(r, 3);
	case SAME:
		return 23;
	case WITH_ZEROS:
		return random_below(r, 4) == 0 ? 0 : smooth;
	case SIGNED:
		return random_normal(r) + effect;
	case WITH_GAPS:
		return random_below(r, 4) == 0 ? (double)NAN : smooth;
	case HUGE_NUMBERS:
		return smooth * 0x1p900;
	case TINY:
		return smooth * 0x1p-900;
	case SMOOTH:
	case FEW:
	case KINDS:
		break;
	}
	return 4e8 * smooth;
}

static void take(struct sample *s)
{
	s->series =
		(struct series){ .id = "x", .metric = &metric, .values = s->v, .n_values = s->n };
	summary_of(s->v, s->n, &s->series.summary);
}

static void draw(struct random *r, enum kind kind, double effect, struct sample *s)
{
	s->n = kind == FEW ? random_below(r, 5) : RUNS;
	for (size_t i = 0; i < s->n; i++)
		s->v[i] = value_of(r, kind, effect);
	take(s);
}

static struct change change(struct sample *base, struct sample *head)
{
	struct change c;
	assert_int_equal(change_of(&base->series, &head->series, LEVEL, &c), 0);
	return c;
}

static bool is_same(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	if (isinf(a) || isinf(b))
		return a == b;
	return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b));
}

static void same(double a, double b)
{
	if (!is_same(a, b))
		print_message("%.17g is not %.17g\n", a, b);
	assert_true(is_same(a, b));
}

static void all_same(const struct change *a, const struct change *b)
{
	assert_int_equal(a->basis, b->basis);
	same(a->ratio, b->ratio);
	same(a->low, b->low);
	same(a->high, b->high);
	same(a->difference, b->difference);
	same(a->difference_low, b->difference_low);
	same(a->difference_high, b->difference_high);
	same(a->p, b->p);
}

static void holds_together(const struct change *c)
{
	if (c->basis == BASIS_NONE) {
		assert_non_null(c->reason);
		assert_true(isnan(c->p));
		return;
	}
	assert_true(c->p >= 0 && c->p <= 1);
	assert_true(c->difference_low <= c->difference && c->difference <= c->difference_high);
	if (c->basis == BASIS_SHIFT)
		assert_true(c->low <= c->ratio && c->ratio <= c->high);
	/* The interval is what the test does not reject. */
	if (c->difference_low > 0 || c->difference_high < 0)
		assert_true(c->p < 1 - LEVEL + 0.01);
	if (c->basis == BASIS_DIFFERENCE && c->p < (1 - LEVEL) / 10)
		assert_true(c->difference_low > 0 || c->difference_high < 0);
}

static void each(void (*check)(struct random *r, enum kind kind, struct sample *base,
			       struct sample *head))
{
	struct random r;
	random_seed(&r, 23);
	for (size_t i = 0; i < METRICS / SHARE; i++) {
		struct sample base, head;
		const enum kind kind = (enum kind)(i % KINDS);
		draw(&r, kind, 1, &base);
		draw(&r, kind, i % 3 == 0 ? 1 : 1.1, &head);
		check(&r, kind, &base, &head);
	}
}

static void check_one(struct random *r, enum kind kind, struct sample *base, struct sample *head)
{
	(void)r;
	(void)kind;
	const struct change c = change(base, head);
	holds_together(&c);
}

static void parts_of_a_change_agree(void **state)
{
	(void)state;
	each(check_one);
}

static void check_swapped(struct random *r, enum kind kind, struct sample *base,
			  struct sample *head)
{
	(void)r;
	(void)kind;
	const struct change there = change(base, head), back = change(head, base);
	assert_int_equal(there.basis, back.basis);
	same(there.p, back.p);
	same(there.difference, -back.difference);
	same(there.difference_low, -back.difference_high);
	if (there.basis == BASIS_SHIFT) {
		same(there.ratio, 1 / back.ratio);
		same(there.low, 1 / back.high);
		same(there.high, 1 / back.low);
	}
}

/* A value as people read it, back as a number. */
static double as_printed(double value)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { " ns", 1 }, { " us", 1e3 }, { " ms", 1e6 }, { " s", 1e9 } };
	char text[UNITS_BYTES], *end;
	const double number = strtod(format_ns(text, value), &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(end, units[i].unit) == 0)
			return number * units[i].ns;
	}
	fail_msg("'%s' has no unit that is known", text);
	return NAN;
}

static void check_printed(struct random *r, enum kind kind, struct sample *base,
			  struct sample *head)
{
	char text[UNITS_BYTES];
	const double scale = 1e6;
	if (kind == SIGNED || kind == HUGE_NUMBERS || kind == TINY)
		return;
	base->series.is_interleaved = head->series.is_interleaved = random_below(r, 2) == 0;
	const struct change c = change(base, head);
	if (c.basis == BASIS_NONE || !isfinite(c.ratio))
		return;
	const double from = as_printed(c.base_estimate * scale);
	const double to = as_printed(c.head_estimate * scale);
	if (!(from > 0))
		return;
	const double effect = 1 + strtod(format_percent_signed(text, c.ratio - 1), NULL) / 100;
	/* The sign: what is printed differently differs that way. */
	assert_true(from == to || (to > from) == (c.ratio > 1));
	/* The size: three digits of each, and of the effect one behind the point. */
	const double rounding = 0.005 * (to + from) / from + 0.006 * fmax(1, fabs(effect - 1));
	if (fabs(to / from - effect) > rounding)
		print_message("%.6g -> %.6g, %s\n", from, to, text);
	assert_true(fabs(to / from - effect) <= rounding);
}

static void the_effect_is_that_of_the_values_beside_it(void **state)
{
	(void)state;
	each(check_printed);
}

static void swapping_the_sides_turns_the_change(void **state)
{
	(void)state;
	each(check_swapped);
}

static void check_shuffled(struct random *r, enum kind kind, struct sample *base,
			   struct sample *head)
{
	(void)kind;
	const struct change before = change(base, head);
	for (size_t i = head->n; i > 1; i--) {
		const size_t j = random_below(r, i);
		const double kept = head->v[i - 1];
		head->v[i - 1] = head->v[j];
		head->v[j] = kept;
	}
	take(head);
	const struct change after = change(base, head);
	all_same(&before, &after);
}

static void the_order_of_runs_does_not_matter(void **state)
{
	(void)state;
	each(check_shuffled);
}

static void check_scaled(struct random *r, enum kind kind, struct sample *base, struct sample *head)
{
	(void)r;
	struct change expected = change(base, head);
	if (kind == HUGE_NUMBERS)
		return;
	for (size_t i = 0; i < base->n; i++)
		base->v[i] *= 1024;
	for (size_t i = 0; i < head->n; i++)
		head->v[i] *= 1024;
	take(base);
	take(head);
	const struct change c = change(base, head);
	expected.difference *= 1024;
	expected.difference_low *= 1024;
	expected.difference_high *= 1024;
	all_same(&expected, &c);
}

static void the_unit_does_not_matter(void **state)
{
	(void)state;
	each(check_scaled);
}

static void check_against_itself(struct random *r, enum kind kind, struct sample *base,
				 struct sample *head)
{
	(void)r;
	(void)kind;
	(void)head;
	const struct change c = change(base, base);
	if (c.basis == BASIS_NONE)
		return;
	same(c.difference, 0);
	same(c.p, 1);
	assert_true(c.difference_low <= 0 && c.difference_high >= 0);
	if (c.basis == BASIS_SHIFT)
		same(c.ratio, 1);
}

static void nothing_differs_from_itself(void **state)
{
	(void)state;
	each(check_against_itself);
}

static void check_gaps(struct random *r, enum kind kind, struct sample *base, struct sample *head)
{
	(void)r;
	(void)kind;
	const struct change expected = change(base, head);
	double with_gaps[2 * RUNS];
	for (size_t i = 0; i < head->n; i++) {
		with_gaps[2 * i] = (double)NAN;
		with_gaps[2 * i + 1] = head->v[i];
	}
	head->series.values = with_gaps;
	head->series.n_values = 2 * head->n;
	summary_of(with_gaps, 2 * head->n, &head->series.summary);
	const struct change c = change(base, head);
	all_same(&expected, &c);
}

static void what_was_not_captured_does_not_count(void **state)
{
	(void)state;
	each(check_gaps);
}

/* --- whole sessions ------------------------------------------------------------------------- */

static struct session *session(struct random *r, double effect, size_t from, size_t to)
{
	struct session *s = NULL;
	assert_int_equal(session_new(&s), 0);
	for (size_t i = from; i < to; i++) {
		struct sample sample;
		char id[64];
		(void)snprintf(id, sizeof(id), "bench.%zu", i * 7919 % METRICS);
		draw(r, SMOOTH, effect, &sample);
		assert_int_equal(session_add_values(s, id, &metric, sample.v, sample.n), 0);
	}
	return s;
}

/* 41 metrics are only in base, 23 only in head. */
static void a_comparison_has_each_metric_once(void **state)
{
	(void)state;
	struct random r;
	struct comparison *c = NULL;
	random_seed(&r, 61);
	struct session *base = session(&r, 1, 0, METRICS - 23);
	struct session *head = session(&r, 1.1, 41, METRICS);
	assert_int_equal(comparison_build(base, head, LEVEL, &c), 0);
	assert_int_equal(c->n_changes, METRICS);
	assert_int_equal(c->n_compared, METRICS - 23 - 41);
	size_t larger = 0;
	for (size_t i = 0; i < METRICS; i++) {
		char id[64];
		(void)snprintf(id, sizeof(id), "bench.%zu", i);
		const struct change *change = comparison_find(c, id);
		assert_non_null(change);
		assert_string_equal(change->id, id);
		holds_together(change);
		larger += change->ratio > 1.05;
	}
	assert_true(larger > METRICS * 8 / 10);
	(void)comparison_free(c);
	(void)session_free(base);
	(void)session_free(head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_a_change_agree),
		cmocka_unit_test(the_effect_is_that_of_the_values_beside_it),
		cmocka_unit_test(swapping_the_sides_turns_the_change),
		cmocka_unit_test(the_order_of_runs_does_not_matter),
		cmocka_unit_test(the_unit_does_not_matter),
		cmocka_unit_test(nothing_differs_from_itself),
		cmocka_unit_test(what_was_not_captured_does_not_count),
		cmocka_unit_test(a_comparison_has_each_metric_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
