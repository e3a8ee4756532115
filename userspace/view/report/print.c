/* SPDX-License-Identifier: MIT */
/* The report as a whole: one screen that answers where the time went, then what it cost, then
 * how far to trust it. */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/base/utf8.h"
#include "userspace/model/document/session_json.h"
#include "userspace/model/metrics.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/internal.h"

#define MAX_LINE ((size_t)256 << 10)
/* Of the command line, which may have a megabyte: about three lines. */
#define HEAD_COLUMNS 200
#define HANG	     2 /* indentation of continued lines */
#define PAGE_LINES   45
#define MIN_ROWS     10 /* of the waterfall, which takes the lines that the rest leaves */
#define MAX_ROWS     20

struct sheet {
	const struct session *s;
	size_t run;
	struct page *page;
	bool has_begun; /* something stands above */
};

static void say(struct sheet *sheet, enum tone tone, const char *text)
{
	sheet->has_begun = true;
	page_say(sheet->page, tone, HANG, text);
}

__attribute__((format(printf, 3, 4))) static void sayf(struct sheet *sheet, enum tone tone,
						       const char *format, ...)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	va_list args;
	va_start(args, format);
	(void)buf_addv(&line, format, args);
	va_end(args);
	say(sheet, tone, buf_str(&line));
	if (sheet->page->format == TABLE_MARKDOWN)
		(void)fputc('\n', sheet->page->f);
}

static void show_table(struct sheet *sheet, struct table *t)
{
	if (sheet->page->format == TABLE_TEXT && sheet->has_begun && sheet->page->error == 0)
		(void)fputc('\n', sheet->page->f);
	sheet->has_begun = true;
	(void)table_show(t, sheet->page);
}

static void show(struct sheet *sheet, struct table *(*build)(const struct session *, size_t))
{
	show_table(sheet, build(sheet->s, sheet->run));
}

/* --- the head ------------------------------------------------------------------------------- */

static void say_equation(struct sheet *sheet)
{
	const char *equation = report_equation(sheet->s, sheet->run);
	if (sheet->page->format != TABLE_MARKDOWN) {
		say(sheet, TONE_STRONG, equation);
		return;
	}
	_cleanup_(buf_done) struct buf safe = { .limit = MAX_LINE };
	escape_markdown(&safe, equation);
	(void)fprintf(sheet->page->f, "## startline\n\n**%s**\n\n", buf_str(&safe));
}

static void say_never_ready(struct sheet *sheet)
{
	const struct text_list *asked = &sheet->s->design.ready;
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	for (size_t i = 0; i < asked->n; i++)
		(void)buf_addf(&line, "%s%s", i > 0 ? ", " : "", text_of(asked->items[i]));
	sayf(sheet, TONE_BAD, "It never became ready (%s): stopped at the --timeout.",
	     buf_str(&line));
}

static void say_ending(struct sheet *sheet, const struct run *run)
{
	const char *reason = text_of(run->exit_reason);
	const bool is_timeout = strcmp(reason, "timeout") == 0;
	if (is_timeout && sheet->s->design.ready.n > 0)
		say_never_ready(sheet);
	else if (is_timeout)
		sayf(sheet, TONE_BAD, "It did not end: stopped at the --timeout.");
	else if (strcmp(reason, "exit") == 0 && run->exit_code != UNKNOWN && run->exit_code != 0)
		sayf(sheet, TONE_BAD, "It failed: exit status %" PRId64 ".", run->exit_code);
	else if (strcmp(reason, "signal") == 0 && run->exit_signal != UNKNOWN)
		sayf(sheet, TONE_BAD, "It was killed by signal %" PRId64 ".", run->exit_signal);
}

/* What the run was ready by, beyond the rung's name: the socket, or what was asked for. */
static const char *ready_by(const struct run *run)
{
	if (run->ready_endpoint != NULL)
		return run->ready_endpoint;
	for (size_t i = 0; i < run->n_milestones; i++) {
		const struct milestone *m = &run->milestones[i];
		if (m->time_ns == run->ready_ns && strcmp(m->name, "notified") == 0 &&
		    strcmp(text_of(run->ready_level), m->name) == 0)
			return text_of(m->evidence);
	}
	return "";
}

/* A command line that may be longer than a screen; "" is not said. */
static void say_cut(struct sheet *sheet, enum tone tone, const char *line)
{
	const size_t n = strlen(line);
	const size_t fits = text_fit(line, n, HEAD_COLUMNS);
	if (n > 0)
		sayf(sheet, tone, "%.*s%s", (int)fits, line, fits < n ? " ..." : "");
}

static bool is_about_kernel(const char *note)
{
	return strncmp(note, "no kernel events", strlen("no kernel events")) == 0;
}

/* Without them half of a report is missing: nobody shall have to look for the reason. */
static void say_kernel(struct sheet *sheet)
{
	for (size_t i = 0; i < sheet->s->n_notes; i++)
		if (is_about_kernel(text_of(sheet->s->notes[i])))
			sayf(sheet, TONE_WARN, "%s", sheet->s->notes[i]);
}

static void say_head(struct sheet *sheet, const struct run *run)
{
	_cleanup_(buf_done) struct buf command = { .limit = MAX_LINE };
	(void)command_line(&sheet->s->command, &command);
	const size_t fits = text_fit(buf_str(&command), command.len, HEAD_COLUMNS);
	if (fits < command.len) {
		buf_truncate(&command, fits);
		(void)buf_adds(&command, " ...");
	}
	const char *line = buf_str(&command);
	say_equation(sheet);
	if (run->has_ready && ready_by(run)[0] != '\0')
		sayf(sheet, TONE_DIM, "%s: %s %s %s", line, text_of(run->ready_level),
		     run->ready_endpoint != NULL ? "on" : "by", ready_by(run));
	else if (run->has_ready)
		sayf(sheet, TONE_DIM, "%s: %s", line, text_of(run->ready_level));
	else if (line[0] != '\0')
		sayf(sheet, TONE_DIM, "%s", line);
	if (sheet->s->n_runs > 1)
		sayf(sheet, TONE_DIM, "Run %zu of %zu, the median one; all runs: see the end.",
		     sheet->run + 1, sheet->s->n_runs);
	say_kernel(sheet);
	say_ending(sheet, run);
}

/* --- the way to readiness ------------------------------------------------------------------- */

/* The milestones of a command that serves nobody are two: one line. */
static void say_start(struct sheet *sheet, const struct run *run)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	char text[UNITS_BYTES];
	for (size_t i = 0; i < run->n_milestones; i++) {
		const struct milestone *m = &run->milestones[i];
		const bool is_start =
			strcmp(m->name, "linked") == 0 || strcmp(m->name, "main") == 0;
		if (is_start && m->time_ns != UNKNOWN)
			(void)buf_addf(&line, "%s%s at %s", line.len > 0 ? ", " : "", m->name,
				       format_ns(text, (double)m->time_ns));
	}
	if (line.len > 0)
		sayf(sheet, TONE_DIM, "%s (nothing listened)", buf_str(&line));
}

static void show_readiness(struct sheet *sheet, const struct run *run)
{
	if (run->n_listeners > 0 || sheet->s->design.ready.n > 0 || run->has_ready)
		show(sheet, build_short_ladder);
	else
		say_start(sheet, run);
}

/* --- how far to trust it -------------------------------------------------------------------- */

static void say_coverage(struct sheet *sheet)
{
	static const struct column none[] = { { .title = "", .key = "" } };
	_cleanup_(table_freep) struct table *t = table_new("", none, N_OF(none));
	note_coverage(sheet->s, sheet->run, t);
	for (size_t i = 0; i < t->notes.n; i++)
		sayf(sheet, TONE_WARN, "%s", t->notes.items[i]);
}

static void add_loss(struct buf *line, const struct run *run, const char *source, int64_t count)
{
	if (count == UNKNOWN || count == 0)
		return;
	(void)buf_addf(line, "; lost %" PRId64 " of %s", count, source);
	const char *before = " (";
	for (size_t i = 0; i < run->n_losses; i++) {
		const struct loss *loss = &run->losses[i];
		if (strcmp(text_of(loss->source), source) != 0 || loss->count <= 0)
			continue;
		(void)buf_addf(line, "%s%s %" PRId64, before, text_of(loss->kind), loss->count);
		before = ", ";
	}
	if (before[0] == ',')
		(void)buf_addc(line, ')');
}

static void say_complete(struct sheet *sheet, const struct run *run)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	(void)buf_addf(&line, "complete: %s", run->is_complete ? "yes" : "no");
	if (run->incomplete != NULL)
		(void)buf_addf(&line, ", %s", run->incomplete);
	add_loss(&line, run, "bpf", run->lost_bpf);
	add_loss(&line, run, "shim", run->lost_shim);
	sayf(sheet, run->is_complete ? TONE_PLAIN : TONE_BAD, "%s", buf_str(&line));
}

/* "overhead: 310 us +- 42.0 us (0.1 %) of this is startline's own: probes 120 us, shim 190 us". */
static void say_overhead(struct sheet *sheet, const struct run *run)
{
	char text[UNITS_BYTES];
	if (run->overhead_ns == UNKNOWN && sheet->s->design.probes.n > 0)
		sayf(sheet, TONE_PLAIN, "overhead: not known, a part of it could not be measured");
	if (run->overhead_ns == UNKNOWN)
		return;
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	(void)buf_addf(&line, "overhead: %s", format_ns(text, (double)run->overhead_ns));
	if (run->overhead_error_ns != UNKNOWN)
		(void)buf_addf(&line, " +- %s", format_ns(text, (double)run->overhead_error_ns));
	if (run->startup_total_ns != UNKNOWN && run->startup_total_ns > 0)
		(void)buf_addf(&line, " (%s)",
			       format_percent(text, (double)run->overhead_ns /
							    (double)run->startup_total_ns));
	(void)buf_adds(&line, " of this is startline's own");
	const char *before = ": ";
	if (run->overhead_probes_ns != UNKNOWN) {
		(void)buf_addf(&line, "%sprobes %s", before,
			       format_ns(text, (double)run->overhead_probes_ns));
		before = ", ";
	}
	if (run->overhead_shim_ns != UNKNOWN) {
		(void)buf_addf(&line, "%sshim %s", before,
			       format_ns(text, (double)run->overhead_shim_ns));
		before = ", ";
	}
	if (run->overhead_stacks_ns != UNKNOWN)
		(void)buf_addf(&line, "%sstacks %s", before,
			       format_ns(text, (double)run->overhead_stacks_ns));
	sayf(sheet, TONE_PLAIN, "%s", buf_str(&line));
}

/* build_refused() has said it. */
static bool is_about_probe(const struct session *s, const char *note)
{
	for (size_t i = 0; i < s->n_probes; i++)
		if (s->probes[i].lost != NULL && strstr(text_of(note), s->probes[i].lost) != NULL)
			return true;
	return false;
}

static void say_trust(struct sheet *sheet, const struct run *run)
{
	const struct session *s = sheet->s;
	if (sheet->page->format != TABLE_MARKDOWN)
		(void)fputc('\n', sheet->page->f);
	say_coverage(sheet);
	say_complete(sheet, run);
	say_overhead(sheet, run);
	if (run->tainted != NULL)
		sayf(sheet, TONE_WARN, "tainted: %s", run->tainted);
	if (run->switches_summed != UNKNOWN && run->switches_summed > 0)
		sayf(sheet, TONE_PLAIN, "note: %" PRId64 " switches after readiness kept as sums",
		     run->switches_summed);
	for (size_t i = 0; i < s->n_notes; i++)
		if (!is_about_kernel(text_of(s->notes[i])) && !is_about_probe(s, s->notes[i]))
			sayf(sheet, TONE_PLAIN, "note: %s", text_of(s->notes[i]));
}

/* --- the report ----------------------------------------------------------------------------- */

static void print_before(struct sheet *sheet, const struct run *run)
{
	say_head(sheet, run);
	if (run->n_milestones > 0)
		show_readiness(sheet, run);
}

static bool has_lost_probes(const struct session *s)
{
	for (size_t i = 0; i < s->n_probes; i++)
		if (s->probes[i].lost != NULL)
			return true;
	return false;
}

static void print_after(struct sheet *sheet, const struct run *run)
{
	show(sheet, build_costs);
	if (run->n_processes > 1)
		show(sheet, build_top_processes);
	if (run->n_findings > 0)
		show(sheet, build_findings);
	if (sheet->s->n_runs > 1)
		show(sheet, build_main_metrics);
	if (has_lost_probes(sheet->s))
		show(sheet, build_refused);
	say_trust(sheet, run);
}

/* What the part prints, for free(); NULL: no memory. */
static char *printed(struct sheet *sheet, const struct run *run,
		     void (*print)(struct sheet *, const struct run *))
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = sheet->page->f;
	sheet->page->f = open_memstream(&text, &n);
	if (sheet->page->f == NULL) {
		sheet->page->f = out;
		return NULL;
	}
	print(sheet, run);
	const bool has_failed = fclose(sheet->page->f) != 0;
	sheet->page->f = out;
	if (!has_failed)
		return text;
	free(text);
	return NULL;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;
	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static void show_waterfall(struct sheet *sheet, size_t n_other_lines)
{
	size_t n_rows = MAX_ROWS;
	const size_t n_taken = n_other_lines + 5; /* a blank, the title, the titles, two notes */
	if (sheet->page->format == TABLE_TEXT && n_taken + MAX_ROWS > PAGE_LINES)
		n_rows = n_taken + MIN_ROWS > PAGE_LINES ? MIN_ROWS : PAGE_LINES - n_taken;
	show_table(sheet, build_waterfall(sheet->s, sheet->run, n_rows));
}

/* Metrics without a recording behind them: another tool's, or numbers typed by hand. */
static int print_metrics_only(struct sheet *sheet)
{
	_cleanup_(buf_done) struct buf command = { .limit = MAX_LINE };
	const struct session *s = sheet->s;
	if (sheet->page->format == TABLE_MARKDOWN)
		(void)fputs("## startline\n\n", sheet->page->f);
	say_cut(sheet, TONE_STRONG, command_line(&s->command, &command));
	show(sheet, build_metrics);
	for (size_t i = 0; i < s->n_notes; i++)
		sayf(sheet, TONE_PLAIN, "note: %s", text_of(s->notes[i]));
	sayf(sheet, TONE_DIM, "note: no recording, so there is no breakdown");
	return sheet->page->error;
}

static int print_sheet(struct sheet *sheet)
{
	const struct session *s = sheet->s;
	if (s->n_runs == 0 && s->n_series > 0)
		return print_metrics_only(sheet);
	if (sheet->run >= s->n_runs) {
		sayf(sheet, TONE_BAD, "nothing was recorded");
		return sheet->page->error;
	}
	const struct run *run = &s->runs[sheet->run];
	_cleanup_free_ char *before = printed(sheet, run, print_before);
	_cleanup_free_ char *after = printed(sheet, run, print_after);
	if (before == NULL || after == NULL)
		return -ENOMEM;
	(void)fputs(before, sheet->page->f);
	show_waterfall(sheet, count_lines(before) + count_lines(after));
	(void)fputs(after, sheet->page->f);
	return sheet->page->error;
}

int report_print(struct session *s, struct page *page)
{
	const int rc = s->n_series == 0 ? metrics_collect(s) : 0;
	if (rc < 0)
		return rc;
	if (page->format == TABLE_JSON)
		return session_write_json(s, page->f);
	if (page->format == TABLE_CSV)
		return table_show(build_metrics(s, 0), page);
	struct sheet sheet = { .s = s, .run = report_run(s), .page = page };
	const int printed = print_sheet(&sheet);
	return printed < 0 ? printed : page_flush(page);
}
