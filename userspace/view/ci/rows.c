/* SPDX-License-Identifier: MIT */
/* What was judged, worst first, in words and as tables. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/utf8.h"
#include "userspace/gate/exact_changes.h"
#include "userspace/view/ci/internal.h"
#include "userspace/view/report/compare.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/value.h"

#define MAX_TEXT ((size_t)64 << 10)

/* --- rows ----------------------------------------------------------------------------------- */

static int in_place(const struct ci_row *a, const struct ci_row *b)
{
	return (a->place > b->place) - (a->place < b->place);
}

static int worst_first(const void *left, const void *right)
{
	const struct ci_row *a = left, *b = right;
	if (a->severity != b->severity)
		return a->severity < b->severity ? -1 : 1;
	/* What is about a scenario as a whole comes before what is about a part of it. */
	int order = (a->judgement != NULL) - (b->judgement != NULL);
	if (order == 0 && a->judgement != NULL)
		order = judgement_worse(a->judgement, b->judgement);
	return order != 0 ? order : in_place(a, b);
}

/* A scenario that did not come to an end says so, beside what could be judged. */
static int collect_one(const struct outcome *o, struct ci_rows *ret)
{
	const struct ci_row whole = { o, NULL, outcome_whole_severity(o), ret->n };
	if (outcome_is_whole(o) && vec_push(ret, whole) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < o->n_judgements; i++) {
		const struct judgement *j = &o->judgements[i];
		const struct ci_row row = { o, j, severity_of_level(j->level), ret->n };
		if (vec_push(ret, row) < 0)
			return -ENOMEM;
	}
	return 0;
}

int ci_rows_collect(const struct outcome *outcomes, size_t n, struct ci_rows *ret)
{
	*ret = (struct ci_rows){ 0 };
	for (size_t i = 0; i < n; i++) {
		const int r = collect_one(&outcomes[i], ret);
		if (r < 0)
			return r;
	}
	if (ret->n > 0)
		qsort(ret->items, ret->n, sizeof(*ret->items), worst_first);
	return 0;
}

/* --- names that come twice ------------------------------------------------------------------ */

struct ordering {
	const struct judgement *judgements;
	ci_alike *alike;
};

/* Those that are alike stay in the order they were given in. */
static int alike_together(const void *left, const void *right, void *data)
{
	const struct ordering *by = data;
	const size_t a = *(const size_t *)left, b = *(const size_t *)right;
	const int order = by->alike(&by->judgements[a], &by->judgements[b]);
	return order != 0 ? order : (a > b) - (a < b);
}

size_t *ci_ordinals(const struct outcome *o, ci_alike *alike)
{
	struct ordering by = { o->judgements, alike };
	_cleanup_free_ size_t *sorted = calloc(o->n_judgements + 1, sizeof(*sorted));
	size_t *ordinals = calloc(o->n_judgements + 1, sizeof(*ordinals));
	if (sorted == NULL || ordinals == NULL) {
		free(ordinals);
		return NULL;
	}
	for (size_t i = 0; i < o->n_judgements; i++)
		sorted[i] = i;
	qsort_r(sorted, o->n_judgements, sizeof(*sorted), alike_together, &by);
	for (size_t i = 0; i < o->n_judgements; i++) {
		const bool is_again = i > 0 && alike(&o->judgements[sorted[i - 1]],
						     &o->judgements[sorted[i]]) == 0;
		ordinals[sorted[i]] = is_again ? ordinals[sorted[i - 1]] + 1 : 1;
	}
	return ordinals;
}

/* --- words ---------------------------------------------------------------------------------- */

const char *ci_status(const struct ci_row *row)
{
	const struct judgement *j = row->judgement;
	if (j == NULL)
		return severities[row->severity].name;
	/* "incomparable" says more than "inconclusive". */
	return j->verdict == VERDICT_INCOMPARABLE ? verdict_name(j->verdict) : judgement_word(j);
}

static void add_change(struct buf *out, const struct judgement *j)
{
	char base[UNITS_BYTES], head[UNITS_BYTES], change[UNITS_BYTES];
	if (!isnan(j->base_value))
		(void)buf_addf(out, " %s ->", judgement_format(base, j, j->base_value));
	(void)buf_addf(out, " %s", judgement_format(head, j, j->actual));
	if (!isfinite(j->ratio))
		return;
	(void)buf_addf(out, ", %s", format_percent_signed(change, j->ratio - 1));
	if (isfinite(j->low) && isfinite(j->high)) {
		(void)buf_adds(out, " (");
		value_add_interval(out, j->low, j->high);
		(void)buf_addc(out, ')');
	}
}

void ci_row_words(struct buf *out, const struct ci_row *row)
{
	const struct judgement *j = row->judgement;
	const char *reason = text_of(j != NULL ? j->reason : row->outcome->reason);
	if (j != NULL) {
		ci_cut(out, j->metric, 120);
		add_change(out, j);
		(void)buf_adds(out, ", target ");
		ci_cut(out, j->target, 120);
		(void)buf_adds(out, ": ");
	}
	(void)buf_adds(out, ci_status(row));
	if (j != NULL && text_of(j->cause)[0] != '\0') {
		(void)buf_adds(out, "; ");
		ci_cut(out, j->cause, 400);
	}
	if (reason[0] != '\0') {
		(void)buf_adds(out, "; ");
		ci_cut(out, reason, 400);
	}
	/* Why the comparison ended early says more of it than how many runs are missing. */
	const char *whole = text_of(row->outcome->reason);
	if (j != NULL && !j->is_budget && row->severity != SEVERITY_PASSED &&
	    row->outcome->kind == OUTCOME_JUDGED && whole[0] != '\0' && whole != reason) {
		(void)buf_adds(out, "; ");
		ci_cut(out, whole, 400);
	}
}

void ci_summary(struct buf *out, const struct ci_rows *rows)
{
	size_t counts[SEVERITY_COUNT] = { 0 };
	const char *separator = "";
	for (size_t i = 0; i < rows->n; i++)
		counts[rows->items[i].severity]++;
	for (int i = 0; i < SEVERITY_COUNT; i++) {
		if (counts[i] == 0)
			continue;
		(void)buf_addf(out, "%s%zu %s", separator, counts[i], severities[i].name);
		separator = ", ";
	}
	if (rows->n == 0)
		(void)buf_adds(out, "nothing was judged");
}

void ci_cut(struct buf *out, const char *text, size_t columns)
{
	const char *s = text_of(text);
	/* A column has few bytes: megabytes need not be looked at to be cut. */
	const size_t n = strnlen(s, columns * 16 + 1);
	if (text_fit(s, n, columns) == n) {
		(void)buf_add(out, s, n);
		return;
	}
	size_t head, tail;
	const size_t all = n + strlen(s + n);
	text_fit_ends(s, all, columns, &head, &tail);
	(void)buf_add(out, s, head);
	(void)buf_adds(out, "…");
	(void)buf_add(out, s + tail, all - tail);
}

void ci_host_words(struct buf *out, const struct session *s)
{
	if (s == NULL)
		return;
	const size_t before = out->len;
	ci_cut(out, s->host.cpu, 120);
	if (s->host.cpus != UNKNOWN)
		(void)buf_addf(out, "%s%lld CPUs", out->len > before ? ", " : "",
			       (long long)s->host.cpus);
	if (s->host.kernel != NULL) {
		(void)buf_adds(out, out->len > before ? ", Linux " : "Linux ");
		ci_cut(out, s->host.kernel, 80);
	}
	if (s->host.libc != NULL) {
		(void)buf_adds(out, out->len > before ? ", " : "");
		ci_cut(out, s->host.libc, 80);
	}
}

/* --- status --------------------------------------------------------------------------------- */

static const struct column status_columns[] = {
	{ .title = "status", .key = "status" },
	{ .title = "why", .key = "note" },
	{ .title = "scenario", .key = "scenario", .is_elastic = true },
	{ .title = "metric", .key = "metric" },
	{ .title = "target", .key = "target" },
	{ .title = "actual", .key = "actual", .align = ALIGN_RIGHT },
	{ .title = "base", .key = "base", .align = ALIGN_RIGHT },
	{ .title = "change", .key = "change", .align = ALIGN_RIGHT },
	{ .title = "headroom", .key = "headroom", .align = ALIGN_RIGHT },
};

static void add_cut(struct table *t, const char *text, size_t columns)
{
	_cleanup_(buf_done) struct buf cut = { .limit = MAX_TEXT };
	ci_cut(&cut, text, columns);
	table_text(t, cut.len > 0 ? buf_str(&cut) : "");
}

static void add_change_cell(struct table *t, const struct judgement *j)
{
	char text[UNITS_BYTES];
	table_text(t, isfinite(j->ratio) ? format_percent_signed(text, j->ratio - 1) : NULL);
}

static void add_judgement(struct table *t, const struct judgement *j, size_t columns)
{
	char text[UNITS_BYTES];
	add_cut(t, j->metric, columns);
	add_cut(t, j->target, columns);
	table_text(t, isnan(j->actual) ? NULL : judgement_format(text, j, j->actual));
	table_text(t, isnan(j->base_value) ? NULL : judgement_format(text, j, j->base_value));
	add_change_cell(t, j);
	value_headroom(t, j->headroom);
}

/* What the object is says more than by how much it is over, which has columns of its own. */
static const char *why_of(const struct ci_row *row)
{
	const struct judgement *j = row->judgement;
	if (j == NULL)
		return row->outcome->reason;
	return text_of(j->cause)[0] != '\0' ? j->cause : j->reason;
}

static void add_row(struct table *t, const struct ci_row *row, size_t columns)
{
	const struct judgement *j = row->judgement;
	table_tone(t, severity_tone(row->severity));
	table_textf(t, "%s %s", severities[row->severity].icon, ci_status(row));
	add_cut(t, why_of(row), 2 * columns);
	add_cut(t, row->outcome->scenario, columns);
	if (j != NULL) {
		add_judgement(t, j, columns);
	} else {
		for (int i = 0; i < 6; i++)
			table_text(t, NULL);
	}
}

struct table *ci_build_status(const struct ci_row *rows, size_t n, size_t columns)
{
	struct table *t = table_new("", status_columns, N_OF(status_columns));
	for (size_t i = 0; i < n; i++)
		add_row(t, &rows[i], columns);
	return t;
}

/* --- witnesses ------------------------------------------------------------------------------ */

static const struct column witness_columns[] = {
	{ .title = "witness", .key = "id" },
	{ .title = "base", .key = "base", .align = ALIGN_RIGHT },
	{ .title = "head", .key = "head", .align = ALIGN_RIGHT },
	{ .title = "change", .key = "change", .align = ALIGN_RIGHT },
};

/* Counts that are the same say that the same work was done: one line for all of them. */
struct table *ci_build_witnesses(const struct comparison *c)
{
	size_t n_same = 0;
	char text[UNITS_BYTES];
	struct table *t = table_new("Witnesses", witness_columns, N_OF(witness_columns));
	for (size_t i = 0; i < c->n_changes; i++) {
		const struct change *change = &c->changes[i];
		const bool is_cpu =
			change->basis != BASIS_NONE && (strcmp(change->id, "cpu.user") == 0 ||
							strcmp(change->id, "cpu.system") == 0);
		if (!is_witness(change) && !is_cpu)
			continue;
		if (change->base_value == change->head_value) {
			n_same++;
			continue;
		}
		const enum cell_type cell = value_cell(change->metric->unit);
		add_cut(t, change->id, 120);
		table_number(t, cell, change->base_value);
		table_number(t, cell, change->head_value);
		table_text(t, isfinite(change->ratio)
				      ? format_percent_signed(text, change->ratio - 1)
				      : NULL);
	}
	if (n_same > 0)
		table_note(t, "%zu exact counts are the same on both sides", n_same);
	return t;
}
