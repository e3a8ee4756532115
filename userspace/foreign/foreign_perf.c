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
#include "userspace/base/units.h"
#include "userspace/foreign/internal.h"

#define MAX_LINE   ((size_t)64 << 10)
#define MAX_FIELDS 24
#define MAX_NAMES  400 /* bytes in the note of what was not counted */
#define NS	   ((double)NS_PER_S)
#define HEADER	   "Performance counter stats for "
#define INTERVALS  "time             counts unit events"
#define MISSING	   "<not" /* counted, supported */

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
	const char *label; /* "CPU0", NULL: of all */
	const char *event, *unit;
	const char *value;
	double error; /* of a mean, relative to it; NAN: it is none */
};

/* --- a counter ------------------------------------------------------------------------------- */

static const char *id_of(struct reading *r, const struct counter *c)
{
	static const char *const ours[][2] = {
		{ "duration_time", "time.wall" },   { "user_time", "cpu.user" },
		{ "system_time", "cpu.system" },    { "minor-faults", "faults.minor" },
		{ "major-faults", "faults.major" },
	};
	char name[512];
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours) && c->label == NULL; i++) {
		if (strcmp(ours[i][0], c->event) == 0)
			return gather_id(r->g, ours[i][1], NULL);
	}
	if (c->label == NULL)
		return gather_id(r->g, "perf", c->event);
	if (snprintf(name, sizeof(name), "%s %s", c->event, c->label) >= (int)sizeof(name))
		gather_fail(r->g, "line %zu: the name of an event is too long", r->number);
	return gather_id(r->g, "perf", name);
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
		if (r->missing.len < MAX_NAMES)
			(void)buf_addf(&r->missing, "%s%s%s%s", r->missing.len > 0 ? ", " : "",
				       c->event, c->label != NULL ? " " : "",
				       c->label != NULL ? c->label : "");
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

/* --- CSV: [label,] value, unit, event, [error,] time counted, percent of the time, ... ------- */

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

/* Where the value is; -1: that is no such line. */
static int column_of_value(const struct reading *r)
{
	double ignored = 0;
	for (size_t i = 0; i + 4 < r->n && i < 3; i++) {
		char *const *f = &r->fields[i];
		const size_t runtime = isnan(percent(f[3])) ? 3 : 4;
		uint64_t ns = 0;
		if (is_value(f[0]) && !is_value(f[1]) && f[2][0] != '\0' &&
		    i + runtime + 1 < r->n && parse_u64(f[runtime], &ns) == 0 &&
		    parse_double(f[runtime + 1], &ignored) == 0)
			return (int)i;
	}
	return -1;
}

static int split_csv(struct reading *r, const char *line, size_t n)
{
	for (const char *separator = ",;|\t"; *separator != '\0'; separator++) {
		const int at = split_at(r, line, n, *separator) ? column_of_value(r) : -1;
		if (at >= 0)
			return at;
	}
	return -1;
}

static bool read_csv_line(struct reading *r, const char *line, size_t n)
{
	const int at = split_csv(r, line, n);
	if (at < 0)
		return false;
	char *const *f = &r->fields[at];
	struct counter c = { NULL, f[2], f[1], f[0], percent(f[3]) };
	double time = 0;
	if (at > 0 && strcmp(r->fields[0], "summary") != 0)
		c.label = r->fields[0];
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
					    "die",    "socket", "node",	 "cgroup" };
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
	const struct counter c = { label_of(r, json), foreign_json_text(json, "event"),
				   unit != NULL ? unit : "",
				   foreign_json_text(json, "counter-value"),
				   foreign_json_number(json, "variance") / 100 };
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

static void split_words(struct reading *r, char *line)
{
	r->n = 0;
	for (char *at = line + strspn(line, " \t\r"); *at != '\0' && r->n < MAX_FIELDS;) {
		r->fields[r->n++] = at;
		at += strcspn(at, " \t\r");
		if (*at != '\0')
			*at++ = '\0';
		at += strspn(at, " \t\r");
	}
}

/* "[CPU0] 1.75 msec task-clock", "[CPU0] <not counted> cycles" */
static void read_counter(struct reading *r, double error)
{
	const size_t at = r->n > 0 && !is_value(r->fields[0]);
	if (r->n < at + 2 || !is_value(r->fields[at]))
		return;
	const bool is_missing = strcmp(r->fields[at], MISSING) == 0;
	/* "<not" and "counted>" are two words. */
	const size_t unit = at + 1 + is_missing;
	if (r->n <= unit)
		return;
	const struct counter c = { at > 0 ? r->fields[0] : NULL, r->fields[r->n - 1],
				   r->n > unit + 1 ? r->fields[unit] : "", r->fields[at],
				   /* Of a mean of 0 none is printed. */
				   isnan(error) && r->n_runs > 1 ? 0 : error };
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
	split_words(r, line);
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
	if (memmem(line, n, INTERVALS, sizeof(INTERVALS) - 1) != NULL) {
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

bool perf_stat_sniff(const char *text, size_t length, const char *path)
{
	struct reading r = { .text = { .limit = MAX_LINE } };
	const size_t n_sniff = length < FOREIGN_SNIFF_LENGTH ? length : FOREIGN_SNIFF_LENGTH;
	const char *at = text, *line = NULL;
	size_t n = 0;
	(void)path;
	const bool is_text = strchr("{[<", foreign_first_byte(text, n_sniff)) == NULL;
	bool is_it = is_text && (memmem(text, n_sniff, HEADER, sizeof(HEADER) - 1) != NULL ||
				 memmem(text, n_sniff, INTERVALS, sizeof(INTERVALS) - 1) != NULL);
	/* Only what perf writes above: what follows is decided by the first line. */
	while (!is_it && foreign_line(&at, text + n_sniff, &line, &n)) {
		if (n == 0 || line[0] == '#')
			continue;
		is_it = is_json(line, n) || split_csv(&r, line, n) >= 0;
		break;
	}
	buf_done(&r.text);
	return is_it;
}

void perf_stat_read(struct gathering *g, const char *text, size_t length)
{
	struct reading r = { .g = g,
			     .text = { .limit = MAX_LINE },
			     .missing = { .limit = MAX_LINE } };
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
