/* SPDX-License-Identifier: MIT */
/* The gate's report on a terminal. */

#include "userspace/view/report/check.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/gate/exact_changes.h"
#include "userspace/gate/undisturbed.h"
#include "userspace/view/ci/ci.h"
#include "userspace/view/report/compare.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/internal.h"
#include "userspace/view/table/value.h"

#define HANG	 4
#define MAX_LINE ((size_t)64 << 10)

/* --- what there is to check ----------------------------------------------------------------- */

static const struct column scenario_columns[] = {
	{ .title = "scenario", .key = "", .audience = FOR_PEOPLE, .is_folded = true },
	{ .title = "", .key = "scenario", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "line", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "command", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "ready", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "directory", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "prepare", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "load", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "background", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "runs", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "baseline", .audience = FOR_PROGRAMS },
	{ .title = "", .key = "base", .audience = FOR_PROGRAMS },
	{ .title = "step", .key = "step" },
	{ .title = "metric", .key = "metric" },
	{ .title = "target", .key = "target" },
};

struct listing {
	struct table *table;
	const struct scenario *scenario;
	bool is_named; /* the name stands above */
};

/* Of the step that a row is about; of several steps together there is none. */
static void add_command(struct table *t, const struct scenario *s, const char *step)
{
	const struct step none = { .name = NULL }, *own = &none;
	_cleanup_(buf_done) struct buf services = { .limit = MAX_LINE };
	for (size_t i = 0; i < s->n_steps; i++) {
		if (s->n_steps == 1 || s->steps[i].name == step)
			own = &s->steps[i];
	}
	for (size_t i = 0; i < s->n_background; i++)
		(void)buf_addf(&services, "%s%s", i > 0 ? ", " : "", s->background[i].name);
	table_text(t, own->command);
	table_text(t, own->ready.n > 0 ? own->ready.items[0] : NULL);
	table_text(t, own->directory);
	table_text(t, own->prepare);
	table_text(t, own->load);
	table_text(t, services.len > 0 ? buf_str(&services) : NULL);
}

static void add_row(struct listing *l, const char *name, const char *step, const struct budget *b)
{
	const struct scenario *s = l->scenario;
	struct table *t = l->table;
	table_text(t, l->is_named ? "" : name);
	table_text(t, name);
	table_count(t, b != NULL ? b->line : s->line);
	add_command(t, s, step);
	table_count(t, (int64_t)s->runs);
	table_text(t, b != NULL && b->baseline != NULL ? b->baseline : s->baseline);
	table_text(t, s->base);
	table_text(t, step);
	table_text(t, b != NULL ? b->metric : NULL);
	table_text(t, b != NULL ? b->text : NULL);
	l->is_named = true;
}

static void list_scenario(struct table *t, const struct scenario *s)
{
	struct listing l = { .table = t, .scenario = s };
	for (size_t i = 0; i < s->n_steps; i++) {
		for (size_t k = 0; k < s->steps[i].n_budgets; k++)
			add_row(&l, s->name, s->steps[i].name, &s->steps[i].budgets[k]);
	}
	for (size_t i = 0; i < s->n_budgets; i++)
		add_row(&l, s->name, NULL, &s->budgets[i]);
	if (!l.is_named)
		add_row(&l, s->name, NULL, NULL);
}

/* The budgets are rows; this is what else is judged. */
static void note_gate(struct table *t, const struct scenario *s)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	if (s->baseline == NULL && s->base_kind == BASE_NONE)
		return;
	(void)buf_adds(&line, s->name);
	if (s->baseline != NULL)
		(void)buf_addf(&line, " against @%s", s->baseline);
	if (s->base_kind != BASE_NONE)
		(void)buf_addf(&line, "%s interleaved with %s",
			       s->baseline != NULL ? ", where that leaves a doubt" : "", s->base);
	for (size_t i = 0; i < s->gate.n; i++)
		(void)buf_addf(&line, "%s%s", i == 0 ? ": " : ", ", s->gate.items[i]);
	if (s->gate.n == 0 && s->results == NULL)
		(void)buf_addf(&line, ": %s%s", scenario_main_metric(s),
			       s->n_steps == 1 ? ", mem.peak_rss" : "");
	else if (s->gate.n == 0)
		(void)buf_adds(&line, ": all metrics");
	table_note(t, "%s", buf_str(&line));
}

static void add_part(struct buf *line, const char *step, const char *what, const char *text)
{
	if (text != NULL)
		(void)buf_addf(line, "%s%s%s%s %s", line->len > 0 ? "; " : "",
			       step != NULL ? step : "", step != NULL ? ": " : "", what, text);
}

/* Names alone: a value may be a secret. */
static void add_environment(struct buf *line, char *const *environment)
{
	for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
		(void)buf_addf(line, "%s%.*s",
			       i > 0	       ? ", "
			       : line->len > 0 ? "; env "
					       : "env ",
			       (int)strcspn(environment[i], "="), environment[i]);
	}
}

/* What happens around the commands. */
static void note_surroundings(struct table *t, const struct scenario *s)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	add_environment(&line, s->environment);
	for (size_t i = 0; i < s->n_background; i++)
		add_part(&line, s->background[i].name, "in the background",
			 s->background[i].command);
	for (size_t i = 0; i < s->n_steps; i++) {
		const struct step *step = &s->steps[i];
		if (step->environment != s->environment)
			add_environment(&line, step->environment);
		add_part(&line, step->name, "in", step->directory);
		add_part(&line, step->name, "prepare", step->prepare);
		add_part(&line, step->name, "load", step->load);
	}
	add_part(&line, NULL, "with the cgroup", s->follow_cgroup);
	add_part(&line, NULL, "with", s->has_containers ? "containers" : NULL);
	if (line.len > 0)
		table_note(t, "%s: %s", s->name, buf_str(&line));
}

/* Whether a cell of it is. */
static bool is_chosen(const struct span *span, const size_t *chosen, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < span->n; k++) {
			if (span->scenarios[k] == chosen[i])
				return true;
		}
	}
	return false;
}

struct table *build_scenarios(const struct config *c, const size_t *chosen, size_t n)
{
	struct table *t = table_new("", scenario_columns, N_OF(scenario_columns));
	for (size_t i = 0; i < n; i++)
		list_scenario(t, &c->scenarios[chosen[i]]);
	for (size_t i = 0; i < c->n_spans; i++) {
		if (!is_chosen(&c->spans[i], chosen, n))
			continue;
		struct listing l = { .table = t,
				     .scenario = &c->scenarios[c->spans[i].scenarios[0]] };
		add_row(&l, c->spans[i].name, NULL, &c->spans[i].budget);
	}
	for (size_t i = 0; i < n; i++) {
		note_gate(t, &c->scenarios[chosen[i]]);
		note_surroundings(t, &c->scenarios[chosen[i]]);
	}
	table_note(t, "%zu scenario%s in %s", n, n == 1 ? "" : "s", c->path);
	return t;
}

/* --- what came out -------------------------------------------------------------------------- */

/* The last two only where a baseline took part. */
static const struct column judgement_columns[] = {
	{ .title = "status", .key = "status" },
	{ .title = "metric", .key = "metric", .is_folded = true },
	{ .title = "target", .key = "target", .is_folded = true },
	{ .title = "actual", .key = "actual", .align = ALIGN_RIGHT },
	{ .title = "headroom", .key = "headroom", .align = ALIGN_RIGHT },
	{ .title = "base", .key = "base", .align = ALIGN_RIGHT },
	{ .title = "change", .key = "change", .align = ALIGN_RIGHT },
};
#define COLUMNS_OF_BASE 2

static void add_value(struct table *t, const struct judgement *j, double value)
{
	char text[UNITS_BYTES];
	table_text(t, isnan(value) ? NULL : judgement_format(text, j, value));
}

/* Of a thousand benchmarks people want to see those that are not as they should be. */
#define PEOPLE_ROWS 20

static bool is_for_people(const struct judgement *j, size_t place)
{
	return place < PEOPLE_ROWS || j->level == LEVEL_RED || j->level == LEVEL_YELLOW;
}

static void add_judgement(struct table *t, const struct judgement *j, bool has_base, bool is_shown)
{
	char change[UNITS_BYTES];
	table_audience(t, is_shown ? FOR_ALL : FOR_PROGRAMS);
	table_tone(t, severity_tone(severity_of_level(j->level)));
	table_text(t, j->verdict == VERDICT_INCOMPARABLE ? verdict_name(j->verdict)
							 : level_name(j->level));
	table_text(t, j->metric);
	table_text(t, j->target);
	add_value(t, j, j->actual);
	value_headroom(t, j->headroom);
	if (!has_base)
		return;
	add_value(t, j, j->base_value);
	table_text(t, isfinite(j->ratio) ? format_percent_signed(change, j->ratio - 1) : NULL);
}

/* What the row does not show: on which machines it was is said above, and so is what the whole is about;
 * "regressed +20 %" is the row once more. */
static bool tells_more(const struct outcome *o, const struct judgement *j)
{
	const char *verdict = verdict_name(j->verdict);
	return j->level != LEVEL_GREEN && j->reason != o->reason &&
	       j->verdict != VERDICT_INCOMPARABLE && text_of(j->reason)[0] != '\0' &&
	       (j->is_budget || strncmp(j->reason, verdict, strlen(verdict)) != 0);
}

/* Where much is inconclusive it is so for much the same reason. */
#define REASONS_SHOWN ((size_t)3)

static void note_reasons(struct table *t, const struct outcome *o)
{
	size_t n_open = 0;
	for (size_t i = 0; i < o->n_judgements; i++) {
		const struct judgement *j = &o->judgements[i];
		const bool is_open = tells_more(o, j) && j->level == LEVEL_INCONCLUSIVE;
		n_open += is_open;
		if (tells_more(o, j) && is_for_people(j, i) &&
		    (!is_open || n_open <= REASONS_SHOWN))
			table_note(t, "%s %s: %s", j->metric, j->target, j->reason);
		/* That of the worst is in the headline. */
		if (text_of(j->cause)[0] != '\0' && i > 0 && is_for_people(j, i))
			table_note(t, "%s: %s", j->metric, j->cause);
	}
	if (n_open > REASONS_SHOWN)
		table_note(t, "%zu more are inconclusive: --format csv has their reasons",
			   n_open - REASONS_SHOWN);
}

/* One row per judgement. */
static struct table *build_judgements(const struct outcome *o)
{
	bool has_base = false;
	for (size_t i = 0; i < o->n_judgements; i++)
		has_base |= !isnan(o->judgements[i].base_value);
	struct table *t = table_new("", judgement_columns,
				    N_OF(judgement_columns) - (has_base ? 0 : COLUMNS_OF_BASE));
	size_t n_left = 0;
	for (size_t i = 0; i < o->n_judgements; i++) {
		const bool is_shown = is_for_people(&o->judgements[i], i);
		add_judgement(t, &o->judgements[i], has_base, is_shown);
		n_left += !is_shown;
	}
	note_reasons(t, o);
	if (n_left > 0)
		table_note(t, "%zu more are neither red nor yellow", n_left);
	return t;
}

static void say_headline(const struct outcome *o, struct page *page)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	const char *headline = arena != NULL ? outcome_headline(arena, o) : NULL;
	if (headline == NULL) {
		page->error = -ENOMEM;
		return;
	}
	(void)buf_addf(&line, "%s: ", o->scenario);
	if (o->kind != OUTCOME_JUDGED && outcome_tells_whole(o))
		(void)buf_addf(&line, "%s: ", severities[outcome_severity(o)].name);
	(void)buf_adds(&line, headline);
	const enum tone tone = severity_tone(outcome_severity(o));
	page_say(page, tone == TONE_PLAIN ? TONE_STRONG : tone, HANG, buf_str(&line));
}

static bool has_regressed(const struct outcome *o)
{
	for (size_t i = 0; i < o->n_judgements; i++) {
		if (o->judgements[i].verdict == VERDICT_REGRESSED)
			return true;
	}
	return false;
}

static bool is_over_in_time(const struct judgement *j)
{
	return j->is_budget && j->unit == UNIT_NS && !j->is_below &&
	       (j->level == LEVEL_RED || j->level == LEVEL_YELLOW) &&
	       metric_is(j->metric, METRIC_TOTAL);
}

const char *check_where_time_goes(const struct outcome *o)
{
	/* What regressed has the rows of the difference. */
	if (o->session == NULL || o->session->n_runs == 0 || has_regressed(o))
		return NULL;
	for (size_t i = 0; i < o->n_judgements; i++) {
		if (is_over_in_time(&o->judgements[i]))
			return report_equation(o->session, report_run(o->session));
	}
	return NULL;
}

void check_tell_cause(const struct outcome *o, struct buf *ret_cause, struct buf *ret_moved)
{
	const struct change *main = o->comparison != NULL ? main_change(o->comparison) : NULL;
	if (main == NULL || !o->comparison->has_contributions)
		return;
	for (size_t i = 0; i < o->n_judgements; i++) {
		const struct judgement *j = &o->judgements[i];
		if (j->is_budget || !undisturbed_is_explained(j, main->id))
			continue;
		tell_cause(o->comparison, j->verdict, ret_cause, ret_moved);
		if (verdict_is_change(j->verdict))
			buf_clear(ret_cause);
		return;
	}
}

/* How the numbers came about. */
static void say_design(const struct outcome *o, struct table *t)
{
	if (o->pairs > 0)
		table_note(t, "%zu interleaved pairs with %s, %zu of them repeated, seed %llu",
			   o->pairs, text_of(o->base_name), o->repeats,
			   (unsigned long long)o->seed);
	if ((o->kind == OUTCOME_JUDGED || !outcome_tells_whole(o)) && text_of(o->reason)[0] != '\0')
		table_note(t, "%s", o->reason);
	if (o->control_differs)
		table_note(t, "the base differs from itself here: verdicts are withheld");
}

static void print_outcome(const struct outcome *o, struct page *page)
{
	say_headline(o, page);
	if (o->n_judgements == 0)
		return;
	struct table *rows = build_judgements(o);
	const char *where = check_where_time_goes(o);
	_cleanup_(buf_done) struct buf cause = { .limit = MAX_LINE }, moved = { .limit = MAX_LINE };
	check_tell_cause(o, &cause, &moved);
	if (cause.len > 0)
		table_note(rows, "%s", buf_str(&cause));
	if (moved.len > 0)
		table_note(rows, "%s", buf_str(&moved));
	_cleanup_(buf_done) struct buf witnesses = { .limit = MAX_LINE };
	witnesses_line(o->comparison, "", &witnesses);
	if (witnesses.len > 0)
		table_note(rows, "%s", buf_str(&witnesses));
	say_design(o, rows);
	if (where != NULL)
		table_note(rows, "where the time goes: %s", where);
	(void)table_show(rows, page);
	if (o->comparison == NULL || !has_regressed(o))
		return;
	(void)fputc('\n', page->f);
	(void)table_show(build_contributions(o->comparison), page);
}

static void print_sum(const struct outcome *outcomes, size_t n, struct page *page)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	size_t counts[SEVERITY_COUNT] = { 0 };
	for (size_t i = 0; i < n; i++)
		counts[outcome_severity(&outcomes[i])]++;
	(void)buf_addf(&line, "%zu scenario%s:", n, n == 1 ? "" : "s");
	const char *separator = " ";
	for (int i = 0; i < SEVERITY_COUNT; i++) {
		if (counts[i] == 0)
			continue;
		(void)buf_addf(&line, "%s%zu %s", separator, counts[i], severities[i].name);
		separator = ", ";
	}
	(void)fputc('\n', page->f);
	const bool is_bad = severities[outcomes_severity(outcomes, n)].alarm == ALARM_ERROR;
	page_say(page, is_bad ? TONE_BAD : TONE_STRONG, HANG, buf_str(&line));
}

/* --- values for programs -------------------------------------------------------------------- */

static const struct column value_columns[] = {
	{ .key = "scenario" }, { .key = "status" }, { .key = "metric" }, { .key = "target" },
	{ .key = "unit" },     { .key = "actual" }, { .key = "base" },	 { .key = "ratio" },
	{ .key = "reason" },   { .key = "cause" },
};

static void add_values(struct table *t, const struct outcome *o, const struct judgement *j)
{
	table_text(t, o->scenario);
	table_text(t,
		   j != NULL ? level_name(j->level) : severities[outcome_whole_severity(o)].name);
	table_text(t, j != NULL ? j->metric : NULL);
	table_text(t, j != NULL ? j->target : NULL);
	table_text(t, j != NULL ? unit_name(j->unit) : NULL);
	table_number(t, CELL_RATIO, j != NULL ? j->actual : (double)NAN);
	table_number(t, CELL_RATIO, j != NULL ? j->base_value : (double)NAN);
	table_number(t, CELL_RATIO, j != NULL ? j->ratio : (double)NAN);
	table_text(t, j != NULL ? j->reason : o->reason);
	table_text(t, j != NULL ? j->cause : NULL);
}

static int print_values(const struct outcome *outcomes, size_t n, struct page *page)
{
	struct table *t = table_new("", value_columns, N_OF(value_columns));
	for (size_t i = 0; i < n; i++) {
		if (outcome_is_whole(&outcomes[i]))
			add_values(t, &outcomes[i], NULL);
		for (size_t k = 0; k < outcomes[i].n_judgements; k++)
			add_values(t, &outcomes[i], &outcomes[i].judgements[k]);
	}
	return table_show(t, page);
}

int report_check(const struct outcome *outcomes, size_t n, struct page *page)
{
	if (page->format == TABLE_CSV)
		return print_values(outcomes, n, page);
	if (page->format != TABLE_TEXT)
		return ci_output_find(page->format == TABLE_JSON ? "json" : "markdown")
			->print(outcomes, n, page->f);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)fputc('\n', page->f);
		print_outcome(&outcomes[i], page);
	}
	print_sum(outcomes, n, page);
	return page->error;
}
