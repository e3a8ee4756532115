/* SPDX-License-Identifier: MIT */
/* baseline = a REF under a name in the store, and back. */

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/base/nearest.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"
#include "userspace/cmd/arguments.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/ref.h"
#include "userspace/cmd/store_access.h"
#include "userspace/model/document/session_json.h"
#include "userspace/model/metrics.h"
#include "userspace/view/report/report.h"
#include "userspace/view/table/value.h"

#define WORDS_MAX  3
#define VALUE_MAX  256
#define LINE_BYTES 2048

enum { KEY_VALUE = OPTION_FIRST_FREE, KEY_NOTE, KEY_FORCE, KEY_KEEP, KEY_OLDER };

struct opts {
	const char *words[WORDS_MAX]; /* what to do, NAME, REF */
	size_t n_words;
	struct value_list VEC(const char *) values;
	const char *note;
	bool is_forced, has_keep, has_older;
	uint64_t keep, older_ns;
	struct output_options output;
};

static const struct argp_option options[] = {
	{ "value", KEY_VALUE, "METRIC=VALUE", 0,
	  "save: this number or LOW..HIGH instead of a recording; repeatable", 0 },
	{ "note", KEY_NOTE, "TEXT", 0, "save: why, for those who find it", 0 },
	{ "force", KEY_FORCE, NULL, 0, "save: also runs that failed", 0 },
	{ "keep", KEY_KEEP, "N", 0, "prune: keep the last N runs of each series", 0 },
	{ "older", KEY_OLDER, "DURATION", 0, "prune: remove what is older, such as 90d", 0 },
	{ 0 },
};

static const char arguments[] = "save NAME [REF]\n"
				"list\n"
				"show NAME\n"
				"export NAME\n"
				"rm NAME\n"
				"prune";

static const char doc[] =
	"Keeps measurements under names, to compare with: @NAME is then a REF everywhere. A baseline "
	"does not change; rm frees its name. prune removes runs that no baseline names."
	"\v"
	"EXAMPLES\n"
	"  startline baseline save main\n"
	"  startline baseline save pre --value time.wall=120..300s --note 'old stack'\n"
	"  startline compare @main\n"
	"  startline baseline export main -o main.json\n"
	"  startline baseline prune --keep 100 --older 90d\n";

/* What is wrong with the store is startline's trouble, what is wrong with a name the user's. */
static int status_of(int r)
{
	if (r >= 0)
		return 0;
	return r == -ENOENT || r == -EEXIST || r == -EINVAL || r == -EBADMSG ? EXIT_USAGE
									     : EXIT_STARTLINE;
}

static uint64_t parse_keep(const char *s, struct argp_state *state)
{
	uint64_t n = 0;
	if (parse_u64(s, &n) < 0)
		argp_error(state, "--keep '%s': a number of runs", s);
	return n;
}

static uint64_t parse_older(const char *s, struct argp_state *state)
{
	uint64_t ns = 0;
	if (parse_duration(s, &ns) < 0)
		argp_error(state, "--older '%s': a duration such as 90d or 12h", s);
	return ns;
}

static void add_word(struct opts *o, const char *word, struct argp_state *state)
{
	if (o->n_words == WORDS_MAX)
		argp_error(state, "too many arguments: '%s'", word);
	o->words[o->n_words++] = word;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->output;
		return 0;
	case KEY_VALUE:
		return vec_push(&o->values, arg) < 0 ? ENOMEM : 0;
	case KEY_NOTE:
		o->note = arg;
		return 0;
	case KEY_FORCE:
		o->is_forced = true;
		return 0;
	case KEY_KEEP:
		o->keep = parse_keep(arg, state);
		o->has_keep = true;
		return 0;
	case KEY_OLDER:
		o->older_ns = parse_older(arg, state);
		o->has_older = true;
		return 0;
	case ARGP_KEY_ARG:
		add_word(o, arg, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "expected save, list, show, export, rm or prune");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse_option, arguments, doc, stored_children, NULL, NULL
};

/* ---- numbers typed by hand: in the unit that the metric has ---- */

/* Of an id that is not in the table: what its value looks like. */
static struct metric metric_like(const char *value)
{
	struct metric like = { .better = BETTER_LOWER, .class = CLASS_SIZE, .unit = UNIT_COUNT };
	double number = 0;
	uint64_t whole = 0;
	if (parse_double(value, &number) == 0)
		return like;
	like.unit = UNIT_BYTES;
	if (parse_duration(value, &whole) == 0) {
		like.unit = UNIT_NS;
		like.class = CLASS_TIME;
	}
	return like;
}

static int wrong(const char *text)
{
	return fail(
		-EINVAL,
		"--value '%s': METRIC=VALUE or METRIC=LOW..HIGH, such as time.wall=120..300s, in "
		"the metric's unit",
		text);
}

/* What other tools call their metrics is theirs, but not in the families of the table. */
static bool is_of_family(const char *id)
{
	const size_t n = strcspn(id, ".") + 1;
	for (const struct metric *metric = metrics; id[n - 1] != '\0' && metric->id != NULL;
	     metric++) {
		if (strncmp(metric->id, id, n) == 0)
			return true;
	}
	return false;
}

static int check_metric(const char *id, const char *text)
{
	if (metrics_row(id) != NULL)
		return 0;
	char word[METRIC_WORD_BYTES];
	const char *meant = metrics_nearest(id, word);
	if (meant != NULL)
		return fail(-EINVAL, "--value '%s': there is no metric '%s'; did you mean '%s'?",
			    text, id, meant);
	if (is_of_family(id))
		return fail(-EINVAL,
			    "--value '%s': there is no metric '%s'; docs/metrics.md has them, and "
			    "`startline report --view metrics` those of a recording",
			    text, id);
	return 0;
}

static int add_range(struct session *s, const char *id, const struct metric *like, double low,
		     double high)
{
	struct summary sum;
	summary_of(NULL, 0, &sum);
	sum.min = low;
	sum.max = high;
	sum.median = sum.mean = low + (high - low) / 2;
	return session_add_summary(s, id, like, &sum);
}

/* "120" with the unit of "300s". */
static int parse_low(const char *low, const char *high, enum unit unit, double *ret)
{
	double number;
	/* "1e3" is no 1 with the unit "e3". */
	if (parse_double(high, &number) == 0)
		return value_parse(low, unit, ret);
	if (strpbrk(low, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%") != NULL)
		return value_parse(low, unit, ret);
	_cleanup_(buf_done) struct buf whole = { .limit = VALUE_MAX };
	(void)buf_addf(&whole, "%s%s", low, high + strspn(high, "0123456789.+-"));
	return whole.error < 0 ? whole.error : value_parse(buf_str(&whole), unit, ret);
}

/* "time.wall=120..300s", "mem.peak_rss=2GB", "proc.count=3": adds it to @s. A range is kept as
 * minimum and maximum, with the middle as median. -EINVAL, logged; -ENOMEM. */
static int add_value(struct session *s, const char *text)
{
	const char *equals = strrchr(text, '=');
	if (equals == NULL || equals == text || strlen(text) >= VALUE_MAX)
		return wrong(text);
	char id[VALUE_MAX], low_text[VALUE_MAX];
	memcpy(id, text, (size_t)(equals - text));
	id[equals - text] = '\0';
	const char *value = equals + 1, *dots = strstr(value, "..");
	const char *high_text = dots != NULL ? dots + 2 : value;
	if (check_metric(id, text) < 0)
		return -EINVAL;
	const struct metric *known = metrics_row(id);
	const struct metric like = known != NULL ? *known : metric_like(high_text);
	double low = NAN, high = NAN;
	int r = value_parse(high_text, like.unit, &high);
	if (r == 0 && dots != NULL) {
		memcpy(low_text, value, (size_t)(dots - value));
		low_text[dots - value] = '\0';
		r = parse_low(low_text, high_text, like.unit, &low);
	}
	if (r < 0 || (dots != NULL && !(low <= high)))
		return wrong(text);
	r = dots != NULL ? add_range(s, id, &like, low, high)
			 : session_add_values(s, id, &like, &high, 1);
	return r < 0 ? fail(r, "not enough memory for --value '%s'", text) : 0;
}

/* ---- save ---- */

static int load_values(const struct opts *o, struct session **ret)
{
	int r = session_new(ret);
	vec_foreach(value, &o->values) {
		if (r == 0)
			r = add_value(*ret, *value);
	}
	return r;
}

/* Which recording it was: the last one may be another than was meant. */
static int say_saved(struct opts *o, const struct session *s)
{
	_cleanup_(buf_done) struct buf line = { .limit = LINE_BYTES };
	if (o->output.is_quiet || o->output.page.format != TABLE_TEXT)
		return 0;
	(void)buf_addf(&line, "saved @%s: ", o->words[1]);
	if (o->values.n > 0)
		(void)buf_addf(&line, "%zu value%s, typed by hand", o->values.n,
			       o->values.n == 1 ? "" : "s");
	else if (s->n_runs > 0)
		(void)buf_addf(&line, "%zu run%s of", s->n_runs, s->n_runs == 1 ? "" : "s");
	else
		(void)buf_addf(&line, "%s",
			       o->words[2] != NULL ? o->words[2] : "what was recorded");
	for (size_t i = 0; s->n_runs > 0 && i < s->command.n; i++)
		(void)buf_addf(&line, " %s", s->command.items[i]);
	const int r = output_open(&o->output, stdout);
	if (r < 0)
		return r;
	page_say(&o->output.page, TONE_PLAIN, 2, buf_str(&line));
	return output_close(&o->output, o->output.page.error);
}

static int save(struct opts *o)
{
	struct session *s = NULL;
	const bool by_hand = o->values.n > 0;
	if (by_hand && o->words[2] != NULL)
		return status_of(
			fail(-EINVAL, "'%s' or --value: a REF or numbers, not both", o->words[2]));
	int r = by_hand ? load_values(o, &s) : ref_load(o->words[2], &s);
	int status = by_hand ? status_of(r) : ref_status(o->words[2], r);
	if (status == 0 && !o->is_forced)
		status = status_of(store_access_check_baseline(s));
	const struct store_entry about = { .note = o->note };
	if (status == 0)
		status = status_of(store_access_put(s, o->words[1], &about));
	if (status == 0)
		status = status_of(say_saved(o, s));
	(void)session_free(s);
	return status;
}

/* ---- what only needs the store ---- */

/* clang-format off */
static const struct column columns[] = {
	{ .title = "baseline", .key = "name", .is_elastic = true },
	{ .title = "id", .key = "id", .audience = FOR_PROGRAMS },
	{ .title = "saved (UTC)", .key = "saved" },
	{ .title = "saved_ns", .key = "saved_ns", .audience = FOR_PROGRAMS },
	{ .title = "commit", .key = "commit" },
	{ .title = "dirty", .key = "dirty", .audience = FOR_PROGRAMS },
	{ .title = "branch", .key = "branch", .is_elastic = true },
	{ .title = "of", .key = "scenario", .is_elastic = true },
	{ .title = "note", .key = "note", .is_elastic = true, .is_dim = true },
};
/* clang-format on */

/* Of people's commits; programs get all digits. */
#define SHORT_COMMIT 12

static void add_row(struct table *t, const char *name, const struct store_entry *about,
		    enum audience audience)
{
	char date[TIMES_BYTES];
	const bool is_short = audience == FOR_PEOPLE;
	table_audience(t, audience);
	table_text(t, name);
	table_text(t, about->id);
	table_text(t, format_date(date, about->created_ns));
	table_count(t, about->created_ns);
	if (is_short)
		table_textf(t, "%.*s%s", SHORT_COMMIT, about->commit, about->is_dirty ? "+" : "");
	else
		table_text(t, about->commit);
	table_text(t, about->is_dirty ? "yes" : "no");
	table_text(t, about->branch);
	table_text(t, about->scenario);
	table_text(t, about->note);
}

static int add_to_list(void *context, const char *name, const struct store_entry *about)
{
	add_row(context, name, about, FOR_PEOPLE);
	add_row(context, name, about, FOR_PROGRAMS);
	return 0;
}

/* One baseline, as a line above its report. */
static void say_about(struct page *page, const char *name, const struct store_entry *about)
{
	_cleanup_(buf_done) struct buf line = { .limit = LINE_BYTES };
	char date[TIMES_BYTES];
	if (page->format == TABLE_JSON || page->format == TABLE_CSV)
		return;
	(void)buf_addf(&line, "%s, saved %s UTC%s%.*s%s%s%s%s%s", name,
		       format_date(date, about->created_ns), *about->commit ? ", commit " : "",
		       SHORT_COMMIT, about->commit, about->is_dirty ? " with changes" : "",
		       *about->branch ? " on " : "", about->branch, *about->note ? ": " : "",
		       about->note);
	page_say(page, TONE_STRONG, 2, buf_str(&line));
	(void)fputc('\n', page->f);
}

static int show_one(struct opts *o, struct store *st)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct session *s = NULL;
	struct store_entry about;
	if (arena == NULL)
		return -ENOMEM;
	int r = baseline_load(st, o->words[1], &s, &about, arena);
	if (r < 0)
		return r;
	say_about(&o->output.page, o->words[1], &about);
	r = report_print(s, &o->output.page);
	(void)session_free(s);
	return r;
}

static int export_one(struct opts *o, struct store *st)
{
	struct session *s = NULL;
	int r = baseline_load(st, o->words[1], &s, NULL, NULL);
	if (r >= 0)
		r = session_write_json(s, o->output.page.f);
	(void)session_free(s);
	return r;
}

/* @st NULL: there is no store, so there are no baselines. */
static int list(struct opts *o, struct store *st)
{
	struct table *t = table_new("Baselines", columns, sizeof(columns) / sizeof(*columns));
	int r = 0;
	if (st != NULL)
		r = baseline_each(st, add_to_list, t);
	if (r >= 0 && table_rows(t) == 0)
		table_note(t, "There are no baselines yet: `startline baseline save NAME`.");
	if (r >= 0)
		r = table_print(t, &o->output.page);
	(void)table_free(t);
	return r;
}

static int prune(struct opts *o, struct store *st)
{
	size_t removed = 0;
	if (!o->has_keep && !o->has_older)
		return fail(-EINVAL, "prune: expected --keep N, --older DURATION or both");
	const uint64_t now_ns = clock_ns(CLOCK_REALTIME);
	const int64_t before = !o->has_older	      ? INT64_MIN
			       : o->older_ns > now_ns ? 0
						      : (int64_t)(now_ns - o->older_ns);
	const int r = store_prune(st, before, o->has_keep ? (size_t)o->keep : SIZE_MAX, &removed);
	if (r == 0)
		(void)fprintf(o->output.page.f, "removed %zu run%s\n", removed,
			      removed == 1 ? "" : "s");
	return r;
}

static int remove_one(struct opts *o, struct store *st)
{
	return baseline_remove(st, o->words[1]);
}

static const struct action {
	const char *name;
	bool without_store; /* there is something to say also when there is none */
	size_t least, most; /* words, the action's own name included */
	int (*run)(struct opts *o, struct store *st);
} actions[] = {
	{ "save", false, 2, 3, NULL },	   { "list", true, 1, 1, list },
	{ "show", false, 2, 2, show_one }, { "export", false, 2, 2, export_one },
	{ "rm", false, 2, 2, remove_one }, { "prune", false, 1, 1, prune },
};

/* The output is made with the rights that startline has, and before the store is opened. */
static int run_action(struct opts *o, const struct action *action)
{
	struct store *st = NULL;
	int r = output_open(&o->output, stdout);
	if (r < 0)
		return EXIT_STARTLINE;
	r = store_access_open(false, &st);
	if (r == -ENOENT && !action->without_store)
		(void)fail(r, "there is no store yet: `startline baseline save NAME` makes one");
	if (r == 0 || (r == -ENOENT && action->without_store))
		r = action->run(o, st);
	(void)store_close(st);
	const int closed = output_close(&o->output, r);
	return status_of(r < 0 ? r : closed);
}

static int refuse_action(const char *name)
{
	const char *names[sizeof(actions) / sizeof(*actions) + 1] = { NULL };
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		names[i] = actions[i].name;
	const char *meant = nearest_word(name, names);
	if (meant != NULL)
		return fail(-EINVAL, "baseline '%s': did you mean 'baseline %s'?", name, meant);
	return fail(-EINVAL, "baseline '%s': there are save, list, show, export, rm, prune", name);
}

int cmd_baseline(int argc, char **argv)
{
	struct opts o = { 0 };
	if (arguments_parse(&argp, argc, argv, 0, &o) != 0)
		return EXIT_USAGE;
	const struct action *action = NULL;
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (strcmp(actions[i].name, o.words[0]) == 0)
			action = &actions[i];
	}
	int status = EXIT_USAGE;
	if (action == NULL)
		(void)refuse_action(o.words[0]);
	else if (o.n_words < action->least || o.n_words > action->most)
		(void)fail(-EINVAL, "baseline %s: %s; see `startline help baseline`", action->name,
			   o.n_words < action->least ? "the NAME is missing"
						     : "too many arguments");
	else
		status = action->run != NULL ? run_action(&o, action) : save(&o);
	vec_done(&o.values);
	return status;
}
