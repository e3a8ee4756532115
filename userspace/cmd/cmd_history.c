/* SPDX-License-Identifier: MIT */
/* history = series of runs in the store -> trend -> history -> report. It also writes one thing: that
 * a change is accepted. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/base/stats_changepoint.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"
#include "userspace/cmd/arguments.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/store_access.h"
#include "userspace/gate/verdict.h"
#include "userspace/model/history/history.h"
#include "userspace/view/report/report.h"
#include "userspace/view/report/trend.h"

/* Of the overview: its rows are read one by one. */
#define OVERVIEW_LAST 1000
#define NAMES_LISTED  8
#define MESSAGE_MAX   4096

enum {
	KEY_SCENARIO = OPTION_FIRST_FREE,
	KEY_HOST_CLASS,
	KEY_SINCE,
	KEY_LAST,
	KEY_ANCHOR,
	KEY_ACCEPT,
	KEY_NOTE
};

struct opts {
	const char *metric, *scenario, *host_class, *since, *anchor, *accept, *note;
	uint64_t last;
	bool has_last;
	struct output_options output;
};

static const struct argp_option options[] = {
	{ "scenario", KEY_SCENARIO, "NAME", 0,
	  "runs of this scenario or command line (that of the last run)", 0 },
	{ "host-class", KEY_HOST_CLASS, "ID", 0,
	  "runs on machines whose fingerprint begins so (that of the last run)", 0 },
	{ "since", KEY_SINCE, "TIME", 0, "leave out runs before a date or a duration ago: 90d", 0 },
	{ "last", KEY_LAST, "N", 0, "leave out all but the last N runs; 0: none", 0 },
	{ "anchor", KEY_ANCHOR, "REF", 0,
	  "drift is measured from this run, commit, date or @baseline (the first run)", 0 },
	{ "accept", KEY_ACCEPT, "ID", 0,
	  "mark the change at this run or commit as accepted; without METRIC: of all metrics", 0 },
	{ "note", KEY_NOTE, "TEXT", 0, "why it is accepted", 0 },
	{ 0 },
};

static const char doc[] =
	"Shows a metric over time: its runs, where its level changed for good, and how far it has "
	"drifted from an anchor. Without METRIC: all metrics of the series, a line each."
	"\v"
	"EXAMPLES\n"
	"  startline history\n"
	"  startline history startup.ready --scenario 'memory mode'\n"
	"  startline history mem.peak_rss --since 90d --anchor @release-1.0\n"
	"  startline history startup.ready --accept 4be1c07 --note 'TLS by default'\n";

static uint64_t parse_last(const char *s, struct argp_state *state)
{
	uint64_t n = 0;
	if (parse_u64(s, &n) < 0)
		argp_error(state, "--last '%s': a number of runs", s);
	return n;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	const struct {
		int key;
		const char **text;
	} texts[] = {
		{ KEY_SCENARIO, &o->scenario }, { KEY_HOST_CLASS, &o->host_class },
		{ KEY_SINCE, &o->since },	{ KEY_ANCHOR, &o->anchor },
		{ KEY_ACCEPT, &o->accept },	{ KEY_NOTE, &o->note },
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (texts[i].key == key) {
			*texts[i].text = arg;
			return 0;
		}
	}
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->output;
		return 0;
	case KEY_LAST:
		o->last = parse_last(arg, state);
		o->has_last = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->metric != NULL)
			argp_error(state, "one METRIC at a time, not '%s' as well", arg);
		o->metric = arg;
		return 0;
	case ARGP_KEY_END:
		if (o->note != NULL && o->accept == NULL)
			argp_error(state, "--note says why a change is accepted: --accept ID");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = { options,	   parse_option, "[METRIC]", doc,
				  stored_children, NULL,	 NULL };

/* ---- which runs ---- */

struct name_list VEC(const char *);

struct work {
	struct opts *o;
	struct store *store;
	struct arena *arena;
	struct series_name series;
	struct name_list metrics, others; /* metrics of the series; other scenarios */
	int64_t since_ns;
};

static int take_name(struct work *w, struct name_list *list, const char *name)
{
	const char *copy = arena_intern(w->arena, name);
	return copy != NULL ? vec_push(list, copy) : -ENOMEM;
}

/* The names with a comma between, no more than fit into a message. */
static const char *listed(struct work *w, const struct name_list *names)
{
	const char *text = "";
	for (size_t i = 0; text != NULL && i < names->n && i < NAMES_LISTED; i++)
		text = arena_printf(w->arena, "%s%s'%s'", text, i > 0 ? ", " : "", names->items[i]);
	if (text != NULL && names->n > NAMES_LISTED)
		text = arena_printf(w->arena, "%s and %zu more", text, names->n - NAMES_LISTED);
	return text != NULL ? text : "";
}

static bool has_name(const struct name_list *names, const char *name)
{
	vec_foreach(other, names) {
		if (strcmp(*other, name) == 0)
			return true;
	}
	return false;
}

/* The latest series that fits is taken; they come latest first. */
static int consider_series(void *context, const char *scenario, const char *host_class,
			   int64_t n_sessions, int64_t latest_ns)
{
	struct work *w = context;
	const struct opts *o = w->o;
	(void)n_sessions;
	(void)latest_ns;
	const bool fits = (o->scenario == NULL || strcmp(scenario, o->scenario) == 0) &&
			  (o->host_class == NULL ||
			   strncmp(host_class, o->host_class, strlen(o->host_class)) == 0);
	if (fits && w->series.scenario == NULL) {
		w->series.scenario = arena_strdup(w->arena, scenario);
		w->series.host_class = arena_strdup(w->arena, host_class);
		return w->series.scenario != NULL && w->series.host_class != NULL ? 0 : -ENOMEM;
	}
	if (has_name(&w->others, scenario) ||
	    (w->series.scenario != NULL && strcmp(w->series.scenario, scenario) == 0))
		return 0;
	return take_name(w, &w->others, scenario);
}

static int choose_series(struct work *w)
{
	const struct opts *o = w->o;
	const int r = store_scenarios(w->store, consider_series, w);
	if (r < 0 || w->series.scenario != NULL)
		return r;
	if (w->others.n == 0)
		return fail(-ENOENT,
			    "there are no runs in '%s' yet: `startline baseline save NAME`, "
			    "`startline run --save NAME` and `startline check` add them",
			    store_name(w->store));
	if (o->host_class != NULL)
		return fail(-ENOENT,
			    "'%s' has no runs%s%s%s of machines whose fingerprint begins with '%s'",
			    store_name(w->store), o->scenario != NULL ? " of '" : "",
			    o->scenario != NULL ? o->scenario : "", o->scenario != NULL ? "'" : "",
			    o->host_class);
	return fail(-ENOENT, "'%s' has no runs of '%s'; there are %s", store_name(w->store),
		    o->scenario, listed(w, &w->others));
}

static int consider_metric(void *context, const char *metric)
{
	struct work *w = context;
	return take_name(w, &w->metrics, metric);
}

/* In the order of the table of metrics, then by name. */
static int by_metric(const void *left, const void *right)
{
	const char *a = *(const char *const *)left, *b = *(const char *const *)right;
	const struct metric *row_a = metrics_row(a), *row_b = metrics_row(b);
	if (row_a != row_b && row_a != NULL && row_b != NULL)
		return row_a < row_b ? -1 : 1;
	if ((row_a == NULL) != (row_b == NULL))
		return row_a == NULL ? 1 : -1;
	return strcmp(a, b);
}

static int choose_metrics(struct work *w)
{
	const int r = store_metrics(w->store, w->series.scenario, w->series.host_class,
				    consider_metric, w);
	if (r == 0 && w->metrics.n > 1)
		qsort(w->metrics.items, w->metrics.n, sizeof(*w->metrics.items), by_metric);
	return r;
}

/* ---- one metric ---- */

static int find_baseline(struct work *w, const struct trend *t, const char *name, size_t *ret)
{
	struct store_entry about;
	struct session *s = NULL;
	const int r = baseline_load(w->store, name, &s, &about, w->arena);
	if (r < 0)
		return r;
	(void)session_free(s);
	*ret = trend_find(t, about.id, 0);
	return 0;
}

static int find_anchor(struct work *w, const struct trend *t, size_t *ret)
{
	const char *anchor = w->o->anchor;
	*ret = 0;
	if (anchor == NULL)
		return 0;
	if (*anchor == '@') {
		const int r = find_baseline(w, t, anchor + 1, ret);
		if (r < 0)
			return r;
	} else {
		*ret = trend_find(t, anchor, 0);
	}
	if (*ret < t->n_points)
		return 0;
	return fail(-ENOENT,
		    "--anchor '%s': no run of '%s' is that run, of that commit or since that date",
		    anchor, w->series.scenario);
}

/* The window that is shown begins at the anchor at the latest. */
static int cut_to_window(struct work *w, struct trend *t, size_t *ret_anchor)
{
	const size_t n = t->n_points;
	size_t from = 0;
	const int r = find_anchor(w, t, ret_anchor);
	if (w->o->has_last && w->o->last > 0 && w->o->last < n)
		from = n - (size_t)w->o->last;
	if (w->o->since != NULL) {
		const size_t since = trend_at(t, w->since_ns);
		from = since > from ? since : from;
	}
	if (w->o->anchor != NULL && *ret_anchor < from)
		from = *ret_anchor;
	*ret_anchor -= *ret_anchor < from ? *ret_anchor : from;
	trend_cut(t, from);
	return r;
}

/* *ret_t and *ret_h are the caller's. *ret_h NULL: the metric has no runs there. */
static int load(struct work *w, const char *metric, struct trend **ret_t, struct history **ret_h)
{
	const struct opts *o = w->o;
	/* An anchor may be older than the window. */
	const size_t most = o->anchor != NULL	? 0
			    : o->has_last	? (size_t)o->last
			    : o->metric == NULL ? OVERVIEW_LAST
						: 0;
	size_t anchor = 0;
	int r = store_trend(w->store, w->series.scenario, w->series.host_class, metric, most,
			    ret_t);
	if (r == 0 && (*ret_t)->n_points > 0)
		r = cut_to_window(w, *ret_t, &anchor);
	if (r == 0 && (*ret_t)->n_points > 0)
		r = history_build(*ret_t, metric, anchor, GATE_MARGIN, ret_h);
	return r;
}

static int no_such_metric(struct work *w)
{
	const char *metric = w->o->metric;
	const int r = choose_metrics(w);
	if (r < 0)
		return r;
	if (has_name(&w->metrics, metric))
		return fail(-ENOENT, "'%s' of '%s': no runs since then", metric,
			    w->series.scenario);
	return fail(-ENOENT, "no run of '%s' has a metric '%s'; there are %s", w->series.scenario,
		    metric, listed(w, &w->metrics));
}

static int show_metric(struct work *w)
{
	struct trend *t = NULL;
	struct history *h = NULL;
	int r = load(w, w->o->metric, &t, &h);
	if (r == 0)
		r = h != NULL ? report_trend(h, &w->series, &w->o->output.page) : no_such_metric(w);
	(void)history_free(h);
	(void)trend_free(t);
	return r;
}

/* ---- all metrics ---- */

static int show_overview(struct work *w)
{
	struct page *page = &w->o->output.page;
	struct table *table = build_overview(&w->series);
	size_t n_rows = 0;
	int r = choose_metrics(w);
	for (size_t i = 0; r == 0 && i < w->metrics.n; i++) {
		struct trend *t = NULL;
		struct history *h = NULL;
		r = load(w, w->metrics.items[i], &t, &h);
		if (r == 0 && h != NULL) {
			add_overview_row(table, h, page->is_utf8);
			n_rows++;
		}
		(void)history_free(h);
		(void)trend_free(t);
	}
	if (r == 0 && n_rows > table_rows(table))
		table_note(table,
			   "not listed: %zu that are the same in all runs (--format csv has "
			   "them)",
			   n_rows - table_rows(table));
	if (r == 0 && w->o->scenario == NULL && w->others.n > 0)
		table_note(table, "other runs here, for --scenario: %s", listed(w, &w->others));
	if (r == 0)
		r = table_print(table, page);
	(void)table_free(table);
	return r;
}

/* ---- accepting ---- */

/* Runs of one commit follow each other: one of them is where the change is. */
static const struct history_change *change_meant(const struct history *h, const char *id)
{
	const struct history_change *best = NULL;
	size_t distance = SIZE_MAX;
	const struct trend *t = h->trend;
	for (size_t i = trend_find(t, id, 0); i < t->n_points; i = trend_find(t, id, i + 1)) {
		const struct history_change *c = history_change_near(h, i);
		const size_t d = c == NULL ? SIZE_MAX : c->at > i ? c->at - i : i - c->at;
		if (d < distance) {
			best = c;
			distance = d;
		}
	}
	return best;
}

static int accept_one(struct work *w, const char *metric, size_t *n_accepted)
{
	struct trend *t = NULL;
	struct history *h = NULL;
	int r = load(w, metric, &t, &h);
	const struct history_change *c = r == 0 && h != NULL ? change_meant(h, w->o->accept) : NULL;
	if (c != NULL) {
		_cleanup_(buf_done) struct buf size = { .limit = MESSAGE_MAX };
		trend_add_size(&size, &c->change);
		r = store_annotate(w->store, t->points[c->at].id, metric,
				   w->o->note != NULL ? w->o->note : "");
		if (r == 0)
			(void)fprintf(w->o->output.page.f, "accepted: %s %s\n", metric,
				      buf_str(&size));
		++*n_accepted;
	}
	(void)history_free(h);
	(void)trend_free(t);
	return r;
}

static int accept(struct work *w)
{
	size_t n_accepted = 0;
	int r = choose_metrics(w);
	if (r == 0 && w->o->metric != NULL && !has_name(&w->metrics, w->o->metric))
		return no_such_metric(w);
	for (size_t i = 0; r == 0 && i < w->metrics.n; i++) {
		if (w->o->metric == NULL || strcmp(w->o->metric, w->metrics.items[i]) == 0)
			r = accept_one(w, w->metrics.items[i], &n_accepted);
	}
	if (r < 0 || n_accepted > 0)
		return r;
	return fail(-ENOENT,
		    "--accept '%s': no change of %s is within %d runs of it; `startline history "
		    "METRIC` lists changes with their runs",
		    w->o->accept, w->o->metric != NULL ? w->o->metric : "any metric",
		    STATS_SEGMENT_MIN);
}

/* ---- the command ---- */

static int run(struct work *w)
{
	const int r = choose_series(w);
	if (r < 0)
		return r;
	if (w->o->accept != NULL)
		return accept(w);
	return w->o->metric != NULL ? show_metric(w) : show_overview(w);
}

static int read_since(struct work *w)
{
	if (w->o->since == NULL)
		return 0;
	if (parse_since(w->o->since, (int64_t)clock_ns(CLOCK_REALTIME), &w->since_ns) == 0)
		return 0;
	return fail(-EINVAL, "--since '%s': a date such as 2026-03-01 or a duration such as 90d",
		    w->o->since);
}

static int open_and_run(struct work *w)
{
	int r = read_since(w);
	if (r < 0)
		return r;
	/* The output is made with the rights that startline has, and before the store is opened. */
	r = output_open(&w->o->output, stdout);
	if (r < 0)
		return -EIO;
	r = store_access_open(false, &w->store);
	if (r == -ENOENT)
		(void)fail(r, "there is no store yet: `startline baseline save NAME` or `startline "
			      "run --save NAME` makes one");
	if (r == 0)
		r = run(w);
	(void)store_close(w->store);
	const int closed = output_close(&w->o->output, r);
	return r < 0 ? r : closed;
}

int cmd_history(int argc, char **argv)
{
	struct opts o = { 0 };
	if (arguments_parse(&argp, argc, argv, 0, &o) != 0)
		return EXIT_USAGE;
	struct work w = { .o = &o, .arena = arena_new() };
	const int r = w.arena != NULL ? open_and_run(&w) : -ENOMEM;
	vec_done(&w.metrics);
	vec_done(&w.others);
	(void)arena_free(w.arena);
	if (r >= 0)
		return 0;
	return r == -ENOENT || r == -EINVAL ? EXIT_USAGE : EXIT_STARTLINE;
}
