/* SPDX-License-Identifier: MIT */
/* perf stat: its text, the CSV of -x and the JSON of -j. Several results in one file (--append) are
 * samples; of -r there are only means. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/foreign/internal.h"

#define MAX_FIELDS 24
#define MAX_NAMES  400 /* bytes in the note of what was not counted */
#define HEADER	   "Performance counter stats for "
#define INTERVALS  "time             counts unit events"
#define MISSING	   "<not" /* counted, supported */
/* The text pads the name of an event to that, since 6.2 to more; units are shorter. */
#define NAME_WIDTH 25

enum place { OUTSIDE, COUNTERS, TIMES }; /* in a text */

struct reading {
	struct gathering *g;
	size_t number; /* of the line */
	enum place place;
	bool is_table;	 /* of the times of each run */
	bool has_table;	 /* the mean of them says nothing more */
	size_t n_runs;	 /* -r, where it is said; else 0 */
	struct buf text; /* of the line */
	char *fields[MAX_FIELDS];
	size_t n;
	struct buf missing; /* names of events */
};

struct counter {
	const char *label;  /* "CPU0", NULL: of all */
	const char *cgroup; /* NULL: of all */
	const char *event, *unit;
	const char *value;
	double error; /* of a mean, relative to it; NAN: it is none */
};

/* --- a counter ------------------------------------------------------------------------------- */

/* "EVENT CPU0 CGROUP" */
static void add_name(struct buf *name, const struct counter *c)
{
	const char *const of[] = { c->label, c->cgroup };
	(void)buf_adds(name, c->event);
	for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
		if (of[i] != NULL)
			(void)buf_addf(name, " %s", of[i]);
	}
}

static const char *id_of(struct reading *r, const struct counter *c)
{
	static const char *const ours[][2] = {
		{ "duration_time", "time.wall" },   { "user_time", "cpu.user" },
		{ "system_time", "cpu.system" },    { "minor-faults", "faults.minor" },
		{ "major-faults", "faults.major" },
	};
	_cleanup_(buf_done) struct buf name = { .limit = FOREIGN_MAX_NAME };
	const bool is_of_all = c->label == NULL && c->cgroup == NULL;
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours) && is_of_all; i++) {
		if (strcmp(ours[i][0], c->event) == 0)
			return gather_id(r->g, ours[i][1], NULL);
	}
	add_name(&name, c);
	return gather_id(r->g, "perf", gather_name(r->g, &name));
}

/* The error that perf prints is that of the mean. */
static void add_mean(struct reading *r, const char *id, const struct metric *like, double value,
		     double error)
{
	if (gather_has(r->g, id)) {
		gather_fail(r->g,
			    "line %zu: %s: several results of -r, which belong into files of "
			    "their own",
			    r->number, id);
		return;
	}
	struct summary *s = gather_summary(r->g, id, like);
	if (s == NULL)
		return;
	s->mean = value;
	s->n = r->n_runs;
	if (r->n_runs > 1)
		s->stddev = error * value * sqrt((double)r->n_runs);
}

static void add_counter(struct reading *r, const struct counter *c)
{
	const struct foreign_unit u = foreign_unit(c->unit);
	const char *id = id_of(r, c);
	double value = NAN;
	if (strncmp(c->value, MISSING, sizeof(MISSING) - 1) == 0) {
		if (r->missing.len < MAX_NAMES) {
			(void)buf_adds(&r->missing, r->missing.len > 0 ? ", " : "");
			add_name(&r->missing, c);
		}
		if (isnan(c->error))
			gather_value(r->g, id, &u.like, NAN);
	} else if (!foreign_number(c->value, &value)) {
		gather_fail(r->g, "line %zu: '%.40s' is not a number", r->number, c->value);
	} else if (isnan(c->error)) {
		gather_value(r->g, id, &u.like, value * u.scale);
	} else {
		add_mean(r, id, &u.like, value * u.scale, c->error);
	}
}

/* A number, or why there is none. */
static bool is_value(const char *field)
{
	double ignored = 0;
	return strncmp(field, MISSING, sizeof(MISSING) - 1) == 0 || foreign_number(field, &ignored);
}

/* "6.34%"; NAN: something else. */
static double percent(const char *text)
{
	char copy[32];
	double value = NAN;
	const size_t n = strlen(text);
	if (n < 2 || n >= sizeof(copy) || text[n - 1] != '%')
		return NAN;
	(void)snprintf(copy, sizeof(copy), "%.*s", (int)n - 1, text);
	return parse_double(copy, &value) == 0 ? value / 100 : (double)NAN;
}

static void refuse_intervals(struct reading *r)
{
	gather_fail(r->g, "line %zu: intervals (-I) are no result of a run", r->number);
}

/* --- CSV: [label, [CPUs,]] value, unit, event, [cgroup,] [error,] time counted, its share, ... */

static bool split_at(struct reading *r, const char *line, size_t n, char separator)
{
	buf_clear(&r->text);
	r->n = 0;
	if (n == 0 || buf_add(&r->text, line, n) < 0 || buf_addc(&r->text, '\0') < 0)
		return false;
	char *at = r->text.data;
	while (at != NULL && r->n < MAX_FIELDS) {
		at += strspn(at, " ");
		r->fields[r->n++] = at;
		at = strchr(at, separator);
		if (at != NULL)
			*at++ = '\0';
	}
	return true;
}

/* The time in ns, and what share of it in percent, with digits behind the point. */
static bool is_time_counted(const struct reading *r, size_t i)
{
	uint64_t ns = 0;
	double share = 0;
	return i + 1 < r->n && parse_u64(r->fields[i], &ns) == 0 &&
	       strchr(r->fields[i + 1], '.') != NULL && parse_double(r->fields[i + 1], &share) == 0;
}

/* What the fields from @i on say; false: that is no such line. */
static bool read_fields(const struct reading *r, size_t i, struct counter *ret)
{
	char *const *f = &r->fields[i];
	if (i + 4 >= r->n || !is_value(f[0]) || is_value(f[1]) || f[2][0] == '\0')
		return false;
	for (size_t next = i + 3; next <= i + 4; next++) {
		const double error = percent(r->fields[next]);
		const bool has_cgroup = next > i + 3 && f[3][0] != '\0';
		if (!is_time_counted(r, isnan(error) ? next : next + 1))
			continue;
		*ret = (struct counter){ .cgroup = has_cgroup ? f[3] : NULL,
					 .event = f[2],
					 .unit = f[1],
					 .value = f[0],
					 .error = error };
		return true;
	}
	return false;
}

static bool split_csv(struct reading *r, const char *line, size_t n, struct counter *ret)
{
	for (const char *separator = ",;|\t"; *separator != '\0'; separator++) {
		bool is_it = false;
		if (!split_at(r, line, n, *separator))
			continue;
		for (size_t i = 0; i < 3 && !is_it; i++) {
			is_it = read_fields(r, i, ret);
			if (is_it && i > 0 && strcmp(r->fields[0], "summary") != 0)
				ret->label = r->fields[0];
		}
		if (is_it)
			return true;
	}
	return false;
}

static bool read_csv_line(struct reading *r, const char *line, size_t n)
{
	struct counter c;
	double time = 0;
	if (!split_csv(r, line, n, &c))
		return false;
	if (c.label != NULL && parse_double(c.label, &time) == 0)
		refuse_intervals(r);
	else
		add_counter(r, &c);
	return true;
}

/* --- JSON: an object a line ------------------------------------------------------------------- */

static const char *label_of(struct reading *r, const cJSON *json)
{
	const char *cpu = foreign_json_text(json, "cpu");
	static const char *const keys[] = { "thread", "core",	"cache", "cluster",
					    "die",    "socket", "node" };
	/* The other forms write CPU0. */
	if (cpu != NULL)
		return arena_printf(r->g->session->arena, "CPU%s", cpu);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (foreign_json_text(json, keys[i]) != NULL)
			return foreign_json_text(json, keys[i]);
	}
	return NULL;
}

static bool is_json(const char *line, size_t n)
{
	return foreign_json_sniff(line, n, "counter-value", '"') &&
	       foreign_json_sniff(line, n, "event", '"');
}

static void read_json_line(struct reading *r, const char *line, size_t n)
{
	_cleanup_(foreign_json_free) cJSON *json = NULL;
	struct json_error error;
	json = json_parse(line, n, &error);
	if (json == NULL) {
		gather_fail(r->g, "line %zu: %s", r->number, error.what);
		return;
	}
	const char *unit = foreign_json_text(json, "unit");
	const struct counter c = { .label = label_of(r, json),
				   .cgroup = foreign_json_text(json, "cgroup"),
				   .event = foreign_json_text(json, "event"),
				   .unit = unit != NULL ? unit : "",
				   .value = foreign_json_text(json, "counter-value"),
				   .error = foreign_json_number(json, "variance") / 100 };
	if (foreign_json_get(json, "interval") != NULL)
		refuse_intervals(r);
	else if (c.event != NULL && c.value != NULL)
		add_counter(r, &c);
}

/* --- text ------------------------------------------------------------------------------------- */

/* "Performance counter stats for 'sleep 1' (3 runs):" */
static void begin_text(struct reading *r, char *what)
{
	char *end = strrchr(what, '\'');
	char *runs = strstr(end != NULL ? end : what, " (");
	uint64_t n = 0;
	if (runs != NULL) {
		runs[strcspn(runs + 2, " ") + 2] = '\0';
		(void)parse_u64(runs + 2, &n);
	}
	r->n_runs = (size_t)n;
	r->place = COUNTERS;
	r->is_table = r->has_table = false;
	if (end == NULL || what[0] != '\'' || end == what)
		return;
	*end = '\0';
	if (r->g->session->command.n == 0 && strcmp(what + 1, "system wide") != 0)
		gather_command(r->g, what + 1);
}

/* Cuts off what is behind the number, and says what the error was: NAN when there is none. */
static double cut_comment(char *line)
{
	char *error = strstr(line, "( +-");
	double ret = NAN;
	if (error != NULL) {
		*error = '\0';
		error += 4;
		error += strspn(error, " ");
		error[strcspn(error, " )")] = '\0';
		ret = percent(error);
	}
	line[strcspn(line, "#")] = '\0';
	return ret;
}

/* Where the value is of which @last is the last word, "<not" and "counted>" being two; -1: that is none. */
static int begin_of_value(const struct reading *r, int last)
{
	if (last > 0 && strcmp(r->fields[last - 1], MISSING) == 0)
		return last - 1;
	return last >= 0 && is_value(r->fields[last]) ? last : -1;
}

/* The first @n words, but not the number of CPUs that end those of a socket or a core. */
static const char *join_label(struct reading *r, int n)
{
	n -= n > 1 && is_value(r->fields[n - 1]);
	for (int i = 0; i + 1 < n; i++)
		r->fields[i][strlen(r->fields[i])] = ' ';
	return n > 0 ? r->fields[0] : NULL;
}

/* "[CPU0] 1.75 msec task-clock [CGROUP]", "[S0 2] <not counted> cycles", "7 faults (83.33%)". Read from its
 * end: threads are called "7 of 9-1234". */
static void read_counter(struct reading *r, double error)
{
	r->n -= r->fields[r->n - 1][0] == '(';
	int event = (int)r->n - 1;
	const bool has_cgroup = event > 1 && !is_value(r->fields[event - 1]) &&
				r->fields[event] - r->fields[event - 1] > NAME_WIDTH;
	event -= has_cgroup;
	const bool has_unit = begin_of_value(r, event - 1) < 0;
	const int at = begin_of_value(r, event - 1 - has_unit);
	double time = 0;
	if (at < 0)
		return;
	const struct counter c = { .label = join_label(r, at),
				   .cgroup = has_cgroup ? r->fields[event + 1] : NULL,
				   .event = r->fields[event],
				   .unit = has_unit ? r->fields[event - 1] : "",
				   .value = r->fields[at],
				   /* Of a mean of 0 none is printed. */
				   .error = isnan(error) && r->n_runs > 1 ? 0 : error };
	if (c.label != NULL && parse_double(c.label, &time) == 0)
		refuse_intervals(r);
	else
		add_counter(r, &c);
}

/* "0.0147 seconds time elapsed", "0.0147 +- 0.0007 seconds time elapsed", "0.002 seconds user" */
static bool read_time(struct reading *r, double error)
{
	static const char *const ids[][2] = { { "elapsed", "time.wall" },
					      { "user", "cpu.user" },
					      { "sys", "cpu.system" } };
	double value = 0;
	const char *last = r->n > 2 ? r->fields[r->n - 1] : "";
	const bool is_mean = r->n > 3 && strcmp(r->fields[1], "+-") == 0;
	if (r->n < 3 || strcmp(r->fields[is_mean ? 3 : 1], "seconds") != 0 ||
	    !foreign_number(r->fields[0], &value))
		return false;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		const char *id =
			strcmp(ids[i][0], last) == 0 ? gather_id(r->g, ids[i][1], NULL) : NULL;
		if (id == NULL || (r->has_table && i == 0))
			continue;
		if (is_mean)
			add_mean(r, id, &like_time, value * NS, error);
		else
			gather_value(r->g, id, &like_time, value * NS);
	}
	return true;
}

/* "0.01241 (-0.00139) ###" */
static void read_run(struct reading *r)
{
	double value = 0;
	if (r->n < 2 || r->fields[1][0] != '(' || parse_double(r->fields[0], &value) < 0)
		return;
	r->has_table = true;
	gather_value(r->g, "time.wall", &like_time, value * NS);
}

static void read_text_line(struct reading *r, char *line)
{
	char *header = strstr(line, HEADER);
	if (header != NULL) {
		begin_text(r, header + sizeof(HEADER) - 1);
		return;
	}
	if (strstr(line, "# Table of individual measurements:") != NULL)
		r->is_table = true;
	if (strstr(line, "# Final result:") != NULL)
		r->is_table = false;
	const double error = cut_comment(line);
	r->n = foreign_words(line, r->fields, MAX_FIELDS);
	if (r->n == 0 || r->place == OUTSIDE)
		return;
	if (read_time(r, error))
		r->place = TIMES;
	else if (r->place == TIMES)
		r->place = OUTSIDE; /* what a program printed then */
	else if (r->is_table)
		read_run(r);
	else
		read_counter(r, error);
}

/* --- all three -------------------------------------------------------------------------------- */

static void read_line(struct reading *r, const char *line, size_t n)
{
	if (foreign_holds(line, n, INTERVALS)) {
		refuse_intervals(r);
	} else if (is_json(line, n)) {
		read_json_line(r, line, n);
	} else if (r->place != COUNTERS && read_csv_line(r, line, n)) {
		return;
	} else {
		buf_clear(&r->text);
		if (n > 0 && buf_add(&r->text, line, n) == 0)
			read_text_line(r, r->text.data);
	}
}

bool perf_stat_sniff(const char *text, size_t length)
{
	struct reading r = { .text = { .limit = FOREIGN_MAX_LINE } };
	struct counter ignored;
	const char *at = text, *line = NULL;
	size_t n = 0;
	const bool is_text = strchr("{[<", foreign_first_byte(text, length)) == NULL;
	bool is_it = is_text && (foreign_holds(text, length, HEADER) ||
				 foreign_holds(text, length, INTERVALS));
	/* Only what perf writes above: what follows is decided by the first line. */
	while (!is_it && foreign_line(&at, text + length, &line, &n)) {
		if (n == 0 || line[0] == '#')
			continue;
		is_it = is_json(line, n) || split_csv(&r, line, n, &ignored);
		break;
	}
	buf_done(&r.text);
	return is_it;
}

void perf_stat_read(struct gathering *g, const char *text, size_t length)
{
	struct reading r = { .g = g,
			     .text = { .limit = FOREIGN_MAX_LINE },
			     .missing = { .limit = FOREIGN_MAX_LINE } };
	const char *at = text, *line = NULL;
	size_t n = 0;
	gather_note(g, "results of perf stat");
	while (g->error == 0 && foreign_line(&at, text + length, &line, &n)) {
		r.number++;
		read_line(&r, line, n);
	}
	if (r.missing.len > 0)
		gather_note(g, "not counted: %s", buf_str(&r.missing));
	buf_done(&r.missing);
	buf_done(&r.text);
}
