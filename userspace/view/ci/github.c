/* SPDX-License-Identifier: MIT */
/* What GitHub's runner reads of a job: workflow commands in its log, the step summary, the outputs
 * of the step. It shows ten annotations of a kind and drops the rest without a word: so there is at
 * most one per scenario, and the tenth counts those that are left. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/path.h"
#include "userspace/gate/exact_changes.h"
#include "userspace/view/ci/internal.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/internal.h"

/* Limits of GitHub: annotations of a kind in a step (actions/toolkit#734), bytes of a summary. */
#define MAX_ANNOTATIONS 10
#define SUMMARY_BYTES	((size_t)1 << 20)
#define MAX_LINE	((size_t)1 << 20)
#define LINES_PER_CASE	5
#define LOG_ROWS	200
#define LOG_COLUMNS	60
#define TOKEN_BYTES	16

static const char *const commands[] = {
	[ALARM_NONE] = NULL,
	[ALARM_NOTICE] = "notice",
	[ALARM_WARNING] = "warning",
	[ALARM_ERROR] = "error",
};

/* --- annotations ---------------------------------------------------------------------------- */

/* The properties: where, and as the title which scenario. */
static void add_properties(struct buf *line, const struct ci_row *worst)
{
	const struct outcome *o = worst->outcome;
	const int at = worst->judgement != NULL && worst->judgement->line > 0
			       ? worst->judgement->line
			       : o->line;
	_cleanup_(buf_done) struct buf name = { .limit = MAX_LINE };
	if (o->file != NULL) {
		(void)buf_adds(line, " file=");
		escape_command(line, o->file, true);
		if (at > 0)
			(void)buf_addf(line, ",line=%d", at);
	}
	(void)buf_adds(line, o->file != NULL ? ",title=" : " title=");
	ci_cut(&name, o->scenario, 100);
	escape_command(line, buf_str(&name), true);
	(void)buf_adds(line, "%3A ");
	escape_command(line, ci_status(worst), true);
	(void)buf_adds(line, "::");
}

/* All rows of @alarm of the scenario, as far as they fit into a few lines. */
static void add_message(struct buf *line, const struct ci_rows *rows, const struct outcome *o,
			enum alarm alarm)
{
	size_t n = 0;
	for (size_t i = 0; i < rows->n; i++) {
		if (rows->items[i].outcome != o ||
		    severities[rows->items[i].severity].alarm != alarm || n++ >= LINES_PER_CASE)
			continue;
		_cleanup_(buf_done) struct buf words = { .limit = MAX_LINE };
		ci_row_words(&words, &rows->items[i]);
		(void)buf_adds(line, n > 1 ? "%0A" : "");
		escape_command(line, buf_str(&words), false);
	}
	if (n > LINES_PER_CASE)
		(void)buf_addf(line, "%%0Aand %zu more", n - LINES_PER_CASE);
	_cleanup_(buf_done) struct buf witnesses = { .limit = MAX_LINE };
	witnesses_line(o->comparison, "", &witnesses);
	(void)buf_adds(line, witnesses.len > 0 ? "%0A" : "");
	escape_command(line, buf_str(&witnesses), false);
}

static int print_annotation(const struct ci_rows *rows, const struct ci_row *worst,
			    enum alarm alarm, FILE *f)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	(void)buf_addf(&line, "::%s", commands[alarm]);
	add_properties(&line, worst);
	add_message(&line, rows, worst->outcome, alarm);
	(void)buf_addc(&line, '\n');
	(void)fputs(buf_str(&line), f);
	return line.error;
}

/* The first row of @alarm of each scenario; worst first. The caller frees it. -ENOMEM. */
static int cases_of(const struct ci_rows *rows, const struct outcome *outcomes, size_t n,
		    enum alarm alarm, struct ci_rows *ret)
{
	_cleanup_free_ bool *is_done = calloc(n + 1, sizeof(*is_done));
	if (is_done == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < rows->n; i++) {
		const size_t at = (size_t)(rows->items[i].outcome - outcomes);
		if (is_done[at] || severities[rows->items[i].severity].alarm != alarm)
			continue;
		is_done[at] = true;
		if (vec_push(ret, rows->items[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int print_kind(const struct ci_rows *rows, const struct outcome *outcomes, size_t n,
		      enum alarm alarm, FILE *f)
{
	_cleanup_vec_ struct ci_rows cases = { 0 };
	int r = cases_of(rows, outcomes, n, alarm, &cases);
	const size_t shown = cases.n > MAX_ANNOTATIONS ? MAX_ANNOTATIONS - 1 : cases.n;
	for (size_t i = 0; r == 0 && i < shown; i++)
		r = print_annotation(rows, &cases.items[i], alarm, f);
	if (cases.n > shown)
		(void)fprintf(f, "::%s title=startline::and %zu more scenarios, see the summary\n",
			      commands[alarm], cases.n - shown);
	return r;
}

/* --- the log -------------------------------------------------------------------------------- */

/* While a token that nobody can guess stops the commands, a log line is nothing but a log line. */
static int print_log(const struct ci_rows *rows, FILE *f)
{
	unsigned char random[TOKEN_BYTES];
	char token[2 * TOKEN_BYTES + 1];
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	for (size_t i = 0; i < TOKEN_BYTES; i++)
		(void)snprintf(token + 2 * i, 3, "%02x", (unsigned int)random[i]);
	const size_t shown = rows->n < LOG_ROWS ? rows->n : LOG_ROWS;
	struct table *t = ci_build_status(rows->items, shown, LOG_COLUMNS);
	if (shown < rows->n)
		table_note(t, "and %zu more", rows->n - shown);
	struct page page = { .f = f, .width = 200, .is_utf8 = true };
	(void)fprintf(f, "::stop-commands::%s\n", token);
	const int r = table_show(t, &page);
	(void)fprintf(f, "::%s::\n", token);
	return r;
}

/* --- files of the runner -------------------------------------------------------------------- */

/* To append to; NULL, and *ret 0, when the runner names no such file. */
static FILE *open_named(const char *variable, size_t *ret_size, int *ret)
{
	struct stat st;
	const char *path = secure_getenv(variable);
	*ret = 0;
	if (path == NULL || path[0] == '\0')
		return NULL;
	_cleanup_close_ int fd = path_open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);
	FILE *f = fd >= 0 && fstat(fd, &st) == 0 ? fdopen(fd, "a") : NULL;
	if (f == NULL) {
		*ret = fail(-EIO, "'%s', which %s names: %s", path, variable,
			    path_strerror(fd < 0 ? fd : -ENOMEM));
		return NULL;
	}
	(void)take_fd(fd);
	*ret_size = (size_t)st.st_size;
	return f;
}

static int close_named(FILE *f, int r, const char *variable)
{
	if (fclose(f) != 0 && r == 0)
		return fail(-EIO, "the file that %s names: %s", variable, strerror(errno));
	return r;
}

static int write_summary(const struct outcome *outcomes, size_t n)
{
	static const char variable[] = "GITHUB_STEP_SUMMARY";
	size_t size = 0;
	int r = 0;
	FILE *f = open_named(variable, &size, &r);
	if (f == NULL)
		return r;
	/* The limit is that of the step, which may have written something before. */
	if (size > 0)
		(void)fputc('\n', f);
	if (size + 1 < SUMMARY_BYTES)
		r = ci_markdown_within(outcomes, n, SUMMARY_BYTES - size - 1, f);
	return close_named(f, r, variable);
}

static int write_output(enum severity worst)
{
	static const char variable[] = "GITHUB_OUTPUT";
	size_t size = 0;
	int r = 0;
	FILE *f = open_named(variable, &size, &r);
	if (f == NULL)
		return r;
	(void)fprintf(f, "status=%s\n", severities[worst].name);
	return close_named(f, r, variable);
}

int ci_github(const struct outcome *outcomes, size_t n, FILE *f)
{
	_cleanup_vec_ struct ci_rows rows = { 0 };
	int r = ci_rows_collect(outcomes, n, &rows);
	for (int alarm = ALARM_ERROR; r == 0 && alarm > ALARM_NONE; alarm--)
		r = print_kind(&rows, outcomes, n, (enum alarm)alarm, f);
	if (r == 0)
		r = print_log(&rows, f);
	if (r == 0)
		r = write_summary(outcomes, n);
	if (r == 0)
		r = write_output(outcomes_severity(outcomes, n));
	return r < 0 ? r : ferror(f) ? -EIO : 0;
}
