/* SPDX-License-Identifier: MIT */
/* Reads a budget. One scanner over the text; each mistake points at the word that is wrong. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/stats.h"
#include "userspace/gate/budget.h"

#define TEXT_MAX       ((size_t)256)
#define NUMBER_MAX     64
#define BARE_RATIO_MAX 2.0 /* beyond it percent were meant: "< 80" */

struct scanner {
	struct arena *arena;
	const char *text, *at;
	const char *error; /* the first one; NULL so far */
	size_t error_at;
	enum unit unit;
	bool is_higher_better;
};

static bool wrong(struct scanner *s, const char *at, const char *error)
{
	if (s->error == NULL) {
		s->error = error != NULL ? error : "not enough memory";
		s->error_at = (size_t)(at - s->text);
	}
	return false;
}

static void skip_blanks(struct scanner *s)
{
	s->at += strspn(s->at, " \t");
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '/';
}

/* The character sequence @what, with blanks before it. */
static bool take(struct scanner *s, const char *what)
{
	skip_blanks(s);
	const size_t n = strlen(what);
	if (strncmp(s->at, what, n) != 0)
		return false;
	s->at += n;
	return true;
}

/* A whole word. */
static bool take_word(struct scanner *s, const char *word)
{
	const char *before = s->at;
	if (take(s, word) && !is_letter(*s->at) && *s->at != '_')
		return true;
	s->at = before;
	return false;
}

/* --- statistics ----------------------------------------------------------------------------- */

static bool scan_quantile(struct scanner *s, struct budget *b)
{
	const char *start = s->at;
	char *end = NULL;
	if (*s->at != 'p' || (!is_digit(s->at[1]) && s->at[1] != '('))
		return true;
	const bool has_parenthesis = s->at[1] == '(';
	const char *digits = s->at + 1 + has_parenthesis;
	const size_t n = strspn(digits, "0123456789.");
	const double percent = strtod(digits, &end);
	if (n == 0 || end != digits + n || !(percent > 0 && percent < 100))
		return wrong(s, start, "a quantile lies between p0 and p100: write 'p95'");
	s->at = end;
	if (has_parenthesis && !take(s, ")"))
		return wrong(s, s->at, "the ')' of the quantile is missing");
	b->statistic = STATISTIC_QUANTILE;
	b->quantile = percent / 100;
	return true;
}

static bool scan_statistic(struct scanner *s, struct budget *b)
{
	static const struct {
		const char *name;
		enum statistic statistic;
	} names[] = {
		{ "median", STATISTIC_MEDIAN }, { "mean", STATISTIC_MEAN },
		{ "avg", STATISTIC_MEAN },	{ "average", STATISTIC_MEAN },
		{ "min", STATISTIC_MIN },	{ "max", STATISTIC_MAX },
		{ "stddev", STATISTIC_STDDEV }, { "cv", STATISTIC_CV },
	};
	skip_blanks(s);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (take_word(s, names[i].name)) {
			b->statistic = names[i].statistic;
			if (b->statistic == STATISTIC_CV)
				s->unit = UNIT_RATIO;
			return true;
		}
	}
	return scan_quantile(s, b);
}

/* --- quantities ----------------------------------------------------------------------------- */

/* What stands behind a number, as far as it is one word: "GiB", "seconds", "%". */
static size_t unit_length(const char *at)
{
	static const char micro[] = "\xc2\xb5s"; /* micro sign */
	if (*at == '%')
		return 1;
	if (strncmp(at, micro, sizeof(micro) - 1) == 0)
		return sizeof(micro) - 1;
	size_t n = 0;
	while (is_letter(at[n]))
		n++;
	return n;
}

/* In the unit of the metric. */
static bool quantity_value(struct scanner *s, const char *start, const char *digits,
			   size_t n_digits, const char *unit, size_t n_unit, double *ret)
{
	static const char *const errors[] = {
		[UNIT_NS] = "not a time: write '150 ms', '1.5 s' or '2 min'",
		[UNIT_BYTES] = "not a size: write '512 kB', '2 GB' (10^9) or '2 GiB' (2^30)",
		[UNIT_COUNT] = "not a count: write a number without a unit",
		[UNIT_RATIO] = "not a ratio: write '80 %' or '0.8'",
	};
	char text[NUMBER_MAX];
	const bool is_micro =
		n_unit == 3; /* no unit has three letters but that sign, and "min", "sec" */
	if (is_micro && (unsigned char)*unit == 0xc2) {
		unit = "us";
		n_unit = 2;
	}
	const int n =
		snprintf(text, sizeof(text), "%.*s%.*s", (int)n_digits, digits, (int)n_unit, unit);
	if (n < 0 || n >= (int)sizeof(text))
		return wrong(s, start, "that number is too long");
	int r = value_parse(text, s->unit, ret);
	if (r == 0 && s->unit == UNIT_RATIO && n_unit == 0 && *ret > BARE_RATIO_MAX)
		r = -EINVAL;
	if (r == -ERANGE)
		return wrong(s, start, "that number is too large");
	return r == 0 || wrong(s, start, errors[s->unit]);
}

struct quantity {
	const char *start, *digits, *unit;
	size_t n_digits, n_unit;
};

/* A number and its unit, not yet understood. */
static bool scan_quantity(struct scanner *s, struct quantity *ret)
{
	skip_blanks(s);
	ret->start = ret->digits = s->at;
	ret->n_digits = strspn(s->at, "0123456789.");
	/* "5..15 s": the dots are no part of the number. */
	const char *dots = memmem(s->at, ret->n_digits, "..", 2);
	if (dots != NULL)
		ret->n_digits = (size_t)(dots - s->at);
	if (ret->n_digits == 0)
		return wrong(s, s->at, "expected a number, as in '< 1.5 s'");
	s->at += ret->n_digits;
	const char *after = s->at;
	skip_blanks(s);
	ret->unit = s->at;
	ret->n_unit = unit_length(s->at);
	/* "50 of", "5 to 15": words of the grammar. */
	if (ret->n_unit == 2 && (strncmp(s->at, "of", 2) == 0 || strncmp(s->at, "to", 2) == 0))
		ret->n_unit = 0;
	s->at = ret->n_unit > 0 ? s->at + ret->n_unit : after;
	return true;
}

static bool value_of(struct scanner *s, const struct quantity *q, double *ret)
{
	return quantity_value(s, q->start, q->digits, q->n_digits, q->unit, q->n_unit, ret);
}

static bool is_percent(const struct quantity *q)
{
	return q->n_unit == 1 && *q->unit == '%';
}

static bool percent_of(struct scanner *s, const struct quantity *q, double *ret)
{
	char text[NUMBER_MAX];
	const int n = snprintf(text, sizeof(text), "%.*s", (int)q->n_digits, q->digits);
	if (n < 0 || n >= (int)sizeof(text) || parse_double(text, ret) < 0)
		return wrong(s, q->start, "not a percentage: write '50 %'");
	*ret /= 100;
	return true;
}

/* --- the kinds ------------------------------------------------------------------------------ */

enum relation { RELATION_NONE, RELATION_LESS, RELATION_AT_MOST, RELATION_MORE, RELATION_AT_LEAST };

static enum relation scan_relation(struct scanner *s)
{
	if (take(s, "<=") || take(s, "\xe2\x89\xa4"))
		return RELATION_AT_MOST;
	if (take(s, ">=") || take(s, "\xe2\x89\xa5"))
		return RELATION_AT_LEAST;
	if (take(s, "<"))
		return RELATION_LESS;
	return take(s, ">") ? RELATION_MORE : RELATION_NONE;
}

static void set_limit(struct budget *b, enum relation relation, double value)
{
	const bool is_upper = relation == RELATION_LESS || relation == RELATION_AT_MOST;
	b->low = is_upper ? -(double)INFINITY : value;
	b->high = is_upper ? value : (double)INFINITY;
	b->is_low_inclusive = relation == RELATION_AT_LEAST;
	b->is_high_inclusive = relation == RELATION_AT_MOST;
}

/* "@pre", or "baseline" for the scenario's own. */
static bool scan_baseline(struct scanner *s, struct budget *b)
{
	if (take_word(s, "baseline"))
		return true;
	if (!take(s, "@"))
		return wrong(s, s->at, "of which baseline? write '@NAME'");
	size_t n = 0;
	while (is_word(s->at[n]))
		n++;
	if (n == 0)
		return wrong(s, s->at, "the name of the baseline is missing: write '@NAME'");
	b->baseline = arena_strndup(s->arena, s->at, n);
	s->at += n;
	return b->baseline != NULL || wrong(s, s->at, NULL);
}

static bool scan_optional_baseline(struct scanner *s, struct budget *b)
{
	if (take_word(s, "of") || take_word(s, "against") || take_word(s, "vs"))
		return scan_baseline(s, b);
	skip_blanks(s);
	return *s->at != '@' || scan_baseline(s, b);
}

/* "50 % of @pre"; the relation before it may be left out. */
static bool scan_of(struct scanner *s, struct budget *b, enum relation relation,
		    const struct quantity *q)
{
	double ratio = 0;
	if (relation == RELATION_NONE)
		relation = s->is_higher_better ? RELATION_AT_LEAST : RELATION_AT_MOST;
	b->kind = BUDGET_OF;
	if (!percent_of(s, q, &ratio) || !take_word(s, "of") || !scan_baseline(s, b))
		return false;
	if (ratio <= 0)
		return wrong(s, q->start, "that is a share of nothing: write '<= 50 % of @NAME'");
	set_limit(b, relation, ratio);
	return true;
}

static bool scan_improve(struct scanner *s, struct budget *b)
{
	struct quantity q = { 0 };
	double gain = 0;
	skip_blanks(s);
	const char *start = s->at;
	const enum relation relation = scan_relation(s);
	if (relation == RELATION_LESS || relation == RELATION_AT_MOST)
		return wrong(s, start, "an improvement has a lower limit: write 'improve >= 50 %'");
	if (!scan_quantity(s, &q))
		return false;
	if (!is_percent(&q))
		return wrong(s, q.start, "an improvement is a percentage: write 'improve >= 50 %'");
	if (!percent_of(s, &q, &gain))
		return false;
	if (!s->is_higher_better && gain >= 1)
		return wrong(s, q.start,
			     "an improvement is less than 100 %: write 'improve >= 50 %'");
	b->kind = BUDGET_OF;
	const bool is_strict = relation == RELATION_MORE;
	if (s->is_higher_better)
		set_limit(b, is_strict ? RELATION_MORE : RELATION_AT_LEAST, 1 + gain);
	else
		set_limit(b, is_strict ? RELATION_LESS : RELATION_AT_MOST, 1 - gain);
	return scan_optional_baseline(s, b);
}

/* At the sign. */
static bool scan_change(struct scanner *s, struct budget *b)
{
	struct quantity q = { 0 };
	double part = 0;
	const char *start = s->at;
	const double sign = *s->at++ == '-' ? -1 : 1;
	if (!scan_quantity(s, &q))
		return false;
	if (!is_percent(&q))
		return wrong(s, start, "a change is a percentage of the baseline: write '+10 %'");
	if (!percent_of(s, &q, &part))
		return false;
	if (part >= 1 && (sign < 0 || s->is_higher_better))
		return wrong(s, start, "a decrease is less than 100 %: write '-50 %'");
	b->kind = BUDGET_CHANGE;
	if (s->is_higher_better)
		set_limit(b, RELATION_AT_LEAST, 1 - sign * part);
	else
		set_limit(b, RELATION_AT_MOST, 1 + sign * part);
	return scan_optional_baseline(s, b);
}

static bool scan_over_matrix(struct scanner *s, struct budget *b, enum budget_kind kind)
{
	struct quantity q = { 0 };
	double value = 0;
	if (!take(s, "("))
		return wrong(s, s->at, "over which parameter? write 'scaling(workers) <= 1.1'");
	skip_blanks(s);
	size_t n = 0;
	while (is_word(s->at[n]))
		n++;
	b->parameter = arena_strndup(s->arena, s->at, n);
	if (n == 0 || b->parameter == NULL)
		return wrong(s, s->at, "the name of a matrix parameter is missing");
	s->at += n;
	if (!take(s, ")"))
		return wrong(s, s->at, "the ')' behind the parameter is missing");
	const enum relation relation = scan_relation(s);
	if (relation == RELATION_NONE)
		return wrong(s, s->at, "expected <, <=, > or >=");
	s->unit = kind == BUDGET_SCALING ? UNIT_COUNT : UNIT_RATIO;
	/* An exponent may be negative: the more workers, the faster. */
	const bool is_negative = kind == BUDGET_SCALING && take(s, "-");
	if (!scan_quantity(s, &q) || !value_of(s, &q, &value))
		return false;
	b->kind = kind;
	set_limit(b, relation, is_negative ? -value : value);
	return true;
}

/* "5-15 s": the second one's unit is that of the first, too, if it has none. */
static bool scan_range(struct scanner *s, struct budget *b, struct quantity *first)
{
	struct quantity second = { 0 };
	if (!scan_quantity(s, &second))
		return false;
	if (first->n_unit == 0) {
		first->unit = second.unit;
		first->n_unit = second.n_unit;
	}
	b->kind = BUDGET_RANGE;
	b->is_low_inclusive = b->is_high_inclusive = true;
	if (!value_of(s, first, &b->low) || !value_of(s, &second, &b->high))
		return false;
	return b->low < b->high ||
	       wrong(s, first->start, "the range is empty: the smaller number comes first");
}

static bool scan_plain(struct scanner *s, struct budget *b)
{
	struct quantity q = { 0 };
	double value = 0;
	const enum relation relation = scan_relation(s);
	skip_blanks(s);
	if (*s->at == '+' || *s->at == '-')
		return scan_change(s, b);
	if (relation == RELATION_NONE && !is_digit(*s->at) && *s->at != '.')
		return wrong(
			s, s->at,
			"not a budget: write '< 1 s', '5-15 s', 'p95 < 10 ms', '<= 50 % of "
			"@NAME', 'improve >= 50 %', '+10 %', 'cv < 5 %' or 'scaling(PARAMETER) "
			"<= 1.1'");
	if (!scan_quantity(s, &q))
		return false;
	skip_blanks(s);
	if (is_percent(&q) && strncmp(s->at, "of", 2) == 0)
		return scan_of(s, b, relation, &q);
	if (relation == RELATION_NONE &&
	    (take(s, "..") || take(s, "-") || take(s, "\xe2\x80\x93") || take_word(s, "to")))
		return scan_range(s, b, &q);
	if (relation == RELATION_NONE)
		return wrong(s, q.start, "above or below? write '<' or '>' before the number");
	if (is_percent(&q) && s->unit != UNIT_RATIO)
		return wrong(s, q.start,
			     "a percentage of what? write '<= 50 % of @NAME' or '+10 %'");
	if (!value_of(s, &q, &value))
		return false;
	b->kind = BUDGET_LIMIT;
	set_limit(b, relation, value);
	return true;
}

static bool scan_budget(struct scanner *s, struct budget *b)
{
	if (take_word(s, "scaling"))
		return scan_over_matrix(s, b, BUDGET_SCALING);
	if (take_word(s, "efficiency"))
		return scan_over_matrix(s, b, BUDGET_EFFICIENCY);
	if (!scan_statistic(s, b))
		return false;
	if (take_word(s, "improve") || take_word(s, "improves") || take_word(s, "improved"))
		return scan_improve(s, b);
	return scan_plain(s, b);
}

int budget_parse(struct arena *arena, const char *metric, enum unit unit, const char *text,
		 struct budget *ret, const char **ret_error, size_t *ret_at)
{
	const struct metric *row = metrics_row(metric);
	*ret = (struct budget){ .low = -(double)INFINITY, .high = INFINITY };
	ret->metric = arena_strdup(arena, metric);
	ret->text = arena_strdup(arena, text);
	struct scanner s = {
		.arena = arena,
		.text = text,
		.at = text,
		.unit = unit,
		.is_higher_better = row != NULL && row->better == BETTER_HIGHER,
	};
	bool is_good = ret->metric != NULL && ret->text != NULL;
	if (!is_good)
		(void)wrong(&s, s.at, NULL);
	else if (strlen(text) > TEXT_MAX)
		is_good = wrong(&s, s.at, "too long for a budget");
	else
		is_good = scan_budget(&s, ret);
	skip_blanks(&s);
	if (is_good && *s.at != '\0')
		is_good = wrong(&s, s.at,
				"the budget was complete before this: write one "
				"limit, as in '< 1 s'");
	ret->unit = s.unit;
	if (is_good)
		return 0;
	*ret_error = s.error;
	*ret_at = s.error_at;
	return -EINVAL;
}

bool budget_needs_baseline(const struct budget *b)
{
	return b->kind == BUDGET_OF || b->kind == BUDGET_CHANGE;
}

bool budget_spans_matrix(const struct budget *b)
{
	return b->kind == BUDGET_SCALING || b->kind == BUDGET_EFFICIENCY;
}

size_t budget_min_n(const struct budget *b)
{
	switch (b->statistic) {
	case STATISTIC_QUANTILE:
		return stats_quantile_min_n(b->quantile);
	case STATISTIC_STDDEV:
	case STATISTIC_CV:
		return 2;
	case STATISTIC_MEDIAN:
	case STATISTIC_MEAN:
	case STATISTIC_MIN:
	case STATISTIC_MAX:
		break;
	}
	return 1;
}
