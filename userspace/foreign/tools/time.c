/* SPDX-License-Identifier: MIT */
/* GNU time -v. Several reports in one file (-a) are samples, if they are of one command. */

#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/foreign/internal.h"

#define COMMAND "Command being timed: "

static const struct metric like_faults = { .unit = UNIT_COUNT,
					   .better = BETTER_LOWER,
					   .class = CLASS_SIZE };

struct fact {
	const char *title, *id;
	const struct metric *like;
	double scale; /* 0: hours, minutes and seconds */
};

/* clang-format off */
static const struct fact facts[] = {
	{ "User time (seconds): ", "cpu.user", &like_time, NS },
	{ "System time (seconds): ", "cpu.system", &like_time, NS },
	{ "Elapsed (wall clock) time (h:mm:ss or m:ss): ", "time.wall", &like_time, 0 },
	{ "Maximum resident set size (kbytes): ", "mem.peak_rss", &like_size, 1024 },
	{ "Major (requiring I/O) page faults: ", "faults.major", &like_faults, 1 },
	{ "Minor (reclaiming a frame) page faults: ", "faults.minor", &like_faults, 1 },
	{ "Voluntary context switches: ", "ctx.voluntary", &like_faults, 1 },
	{ "Involuntary context switches: ", "ctx.involuntary", &like_faults, 1 },
};
/* clang-format on */

bool gnu_time_sniff(const char *text, size_t length)
{
	return foreign_holds(text, length, "\t" COMMAND) &&
	       foreign_holds(text, length, "\tElapsed (wall clock) time");
}

/* "1:02:03" or "2:03.45"; NAN: something else. */
static double clock_time(const char *text)
{
	double seconds = 0, part = 0;
	char copy[64];
	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return NAN;
	for (char *at = copy; at != NULL;) {
		char *colon = strchr(at, ':');
		if (colon != NULL)
			*colon++ = '\0';
		if (parse_double(at, &part) < 0 || part < 0)
			return NAN;
		seconds = seconds * 60 + part;
		at = colon;
	}
	return seconds * NS;
}

/* Behind @prefix, or NULL. */
static const char *behind(const char *line, const char *prefix)
{
	const size_t n = strlen(prefix);
	return strncmp(line, prefix, n) == 0 ? line + n : NULL;
}

static void add_fact(struct gathering *g, const struct fact *fact, const char *text, size_t number)
{
	double value = NAN;
	if (fact->scale == 0)
		value = clock_time(text);
	else if (parse_double(text, &value) == 0)
		value *= fact->scale;
	if (isnan(value))
		gather_fail(g, "line %zu: '%.40s' is not a number", number, text);
	/* Times have two digits: 0 is less than these show. */
	else if (fact->like == &like_time && value == 0)
		gather_value(g, fact->id, fact->like, NAN);
	else
		gather_value(g, fact->id, fact->like, value);
}

/* It stands in quotes. */
static void read_command(struct gathering *g, const char *quoted)
{
	const struct text_list *known = &g->session->command;
	const size_t n = strlen(quoted);
	const bool is_quoted = n > 2 && quoted[0] == '"' && quoted[n - 1] == '"';
	const char *command = gather_textn(g, quoted + is_quoted, n - 2 * is_quoted);
	if (command == NULL)
		return;
	if (known->n == 0)
		gather_command(g, command);
	else if (strcmp(known->items[0], command) != 0)
		gather_fail(g, "it speaks of several commands, of %.100s and %.100s",
			    known->items[0], command);
}

static void read_line(struct gathering *g, const char *line, size_t number)
{
	const char *command = behind(line, COMMAND);
	const char *status = behind(line, "Exit status: ");
	if (command != NULL)
		read_command(g, command);
	if (status != NULL && strcmp(status, "0") != 0)
		gather_note(g, "a run ended with status %.20s", status);
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
		const char *text = behind(line, facts[i].title);
		if (text != NULL)
			add_fact(g, &facts[i], text, number);
	}
}

/* All other lines are what the program printed. */
void gnu_time_read(struct gathering *g, const char *text, size_t length)
{
	_cleanup_(buf_done) struct buf copy = { .limit = FOREIGN_MAX_LINE };
	const char *at = text, *line = NULL;
	size_t n = 0;
	gather_note(g, "results of GNU time");
	for (size_t number = 1; g->error == 0 && foreign_line(&at, text + length, &line, &n);
	     number++) {
		if (n < 1 || line[0] != '\t')
			continue;
		buf_clear(&copy);
		if (buf_add(&copy, line + 1, n - 1 - (line[n - 1] == '\r')) == 0)
			read_line(g, buf_str(&copy), number);
	}
}
