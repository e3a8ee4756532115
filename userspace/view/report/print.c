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

struct page {
	const struct session *s;
	size_t run;
	enum table_format format;
	struct print_style style;
	FILE *f;
	int error;
	bool has_begun; /* something stands above */
};

static void say(struct page *page, enum tone tone, const char *text)
{
	page->has_begun = true;
	if (page->error == 0)
		page->error =
			print_paragraph(page->format, &page->style, page->f, tone, HANG, text);
}

__attribute__((format(printf, 3, 4))) static void sayf(struct page *page, enum tone tone,
						       const char *format, ...)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	va_list args;
	va_start(args, format);
	(void)buf_addv(&line, format, args);
	va_end(args);
	say(page, tone, buf_str(&line));
	if (page->format == TABLE_MARKDOWN)
		(void)fputc('\n', page->f);
}

static void show_table(struct page *page, const struct table *t)
{
	if (page->format == TABLE_TEXT && page->has_begun)
		(void)fputc('\n', page->f);
	page->has_begun = true;
	page->error = table_print(t, page->format, &page->style, page->f);
}

static void show(struct page *page, int (*build)(const struct session *, size_t, struct table **))
{
	if (page->error < 0)
		return;
	_cleanup_(table_freep) struct table *t = NULL;
	page->error = build(page->s, page->run, &t);
	if (page->error == 0)
		show_table(page, t);
}

/* --- the head ------------------------------------------------------------------------------- */

static void say_equation(struct page *page)
{
	const char *equation = report_equation(page->s, page->run);
	if (page->format != TABLE_MARKDOWN) {
		say(page, TONE_STRONG, equation);
		return;
	}
	_cleanup_(buf_done) struct buf safe = { .limit = MAX_LINE };
	escape_markdown(&safe, equation);
	(void)fprintf(page->f, "## startline\n\n**%s**\n\n", buf_str(&safe));
}

static void say_never_ready(struct page *page)
{
	const struct text_list *asked = &page->s->design.ready;
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	for (size_t i = 0; i < asked->n; i++)
		(void)buf_addf(&line, "%s%s", i > 0 ? ", " : "", text_of(asked->items[i]));
	sayf(page, TONE_BAD, "It never became ready (%s): stopped at the --timeout.",
	     buf_str(&line));
}

static void say_ending(struct page *page, const struct run *run)
{
	const char *reason = text_of(run->exit_reason);
	const bool is_timeout = strcmp(reason, "timeout") == 0;
	if (is_timeout && page->s->design.ready.n > 0)
		say_never_ready(page);
	else if (is_timeout)
		sayf(page, TONE_BAD, "It did not end: stopped at the --timeout.");
	else if (strcmp(reason, "exit") == 0 && run->exit_code != UNKNOWN && run->exit_code != 0)
		sayf(page, TONE_BAD, "It failed: exit status %" PRId64 ".", run->exit_code);
	else if (strcmp(reason, "signal") == 0 && run->exit_signal != UNKNOWN)
		sayf(page, TONE_BAD, "It was killed by signal %" PRId64 ".", run->exit_signal);
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
static void say_cut(struct page *page, enum tone tone, const char *line)
{
	const size_t n = strlen(line);
	const size_t fits = text_fit(line, n, HEAD_COLUMNS);
	if (n > 0)
		sayf(page, tone, "%.*s%s", (int)fits, line, fits < n ? " ..." : "");
}

static bool is_about_kernel(const char *note)
{
	return strncmp(note, "no kernel events", strlen("no kernel events")) == 0;
}

/* Without them half of a report is missing: nobody shall have to look for the reason. */
static void say_kernel(struct page *page)
{
	for (size_t i = 0; i < page->s->n_notes; i++)
		if (is_about_kernel(text_of(page->s->notes[i])))
			sayf(page, TONE_WARN, "%s", page->s->notes[i]);
}

static void say_head(struct page *page, const struct run *run)
{
	_cleanup_(buf_done) struct buf command = { .limit = MAX_LINE };
	(void)command_line(&page->s->command, &command);
	const size_t fits = text_fit(buf_str(&command), command.len, HEAD_COLUMNS);
	if (fits < command.len) {
		buf_truncate(&command, fits);
		(void)buf_adds(&command, " ...");
	}
	const char *line = buf_str(&command);
	say_equation(page);
	if (run->has_ready && ready_by(run)[0] != '\0')
		sayf(page, TONE_DIM, "%s: %s %s %s", line, text_of(run->ready_level),
		     run->ready_endpoint != NULL ? "on" : "by", ready_by(run));
	else if (run->has_ready)
		sayf(page, TONE_DIM, "%s: %s", line, text_of(run->ready_level));
	else if (line[0] != '\0')
		sayf(page, TONE_DIM, "%s", line);
	if (page->s->n_runs > 1)
		sayf(page, TONE_DIM, "Run %zu of %zu, the median one; all runs: see the end.",
		     page->run + 1, page->s->n_runs);
	say_kernel(page);
	say_ending(page, run);
}

/* --- the way to readiness ------------------------------------------------------------------- */

/* The milestones of a command that serves nobody are two: one line. */
static void say_start(struct page *page, const struct run *run)
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
		sayf(page, TONE_DIM, "%s (nothing listened)", buf_str(&line));
}

static void show_readiness(struct page *page, const struct run *run)
{
	if (run->n_listeners > 0 || page->s->design.ready.n > 0 || run->has_ready)
		show(page, build_short_ladder);
	else
		say_start(page, run);
}

/* --- how far to trust it -------------------------------------------------------------------- */

static void say_coverage(struct page *page)
{
	static const struct column none[] = { { .title = "", .key = "" } };
	_cleanup_(table_freep) struct table *t = NULL;
	if (table_new("", none, N_OF(none), &t) < 0)
		return;
	note_coverage(page->s, page->run, t);
	for (size_t i = 0; i < t->notes.n; i++)
		sayf(page, TONE_WARN, "%s", t->notes.items[i]);
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

static void say_complete(struct page *page, const struct run *run)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	(void)buf_addf(&line, "complete: %s", run->is_complete ? "yes" : "no");
	if (run->incomplete != NULL)
		(void)buf_addf(&line, ", %s", run->incomplete);
	add_loss(&line, run, "bpf", run->lost_bpf);
	add_loss(&line, run, "shim", run->lost_shim);
	sayf(page, run->is_complete ? TONE_PLAIN : TONE_BAD, "%s", buf_str(&line));
}

/* "overhead: 310 us +- 42.0 us (0.1 %) of this is startline's own: probes 120 us, shim 190 us". */
static void say_overhead(struct page *page, const struct run *run)
{
	char text[UNITS_BYTES];
	if (run->overhead_ns == UNKNOWN && page->s->design.probes.n > 0)
		sayf(page, TONE_PLAIN, "overhead: not known, a part of it could not be measured");
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
	if (run->overhead_shim_ns != UNKNOWN)
		(void)buf_addf(&line, "%sshim %s", before,
			       format_ns(text, (double)run->overhead_shim_ns));
	sayf(page, TONE_PLAIN, "%s", buf_str(&line));
}

/* build_refused() has said it. */
static bool is_about_probe(const struct session *s, const char *note)
{
	for (size_t i = 0; i < s->n_probes; i++)
		if (s->probes[i].lost != NULL && strstr(text_of(note), s->probes[i].lost) != NULL)
			return true;
	return false;
}

static void say_trust(struct page *page, const struct run *run)
{
	const struct session *s = page->s;
	if (page->format != TABLE_MARKDOWN)
		(void)fputc('\n', page->f);
	say_coverage(page);
	say_complete(page, run);
	say_overhead(page, run);
	if (run->tainted != NULL)
		sayf(page, TONE_WARN, "tainted: %s", run->tainted);
	if (run->switches_summed != UNKNOWN && run->switches_summed > 0)
		sayf(page, TONE_PLAIN, "note: %" PRId64 " switches after readiness kept as sums",
		     run->switches_summed);
	for (size_t i = 0; i < s->n_notes; i++)
		if (!is_about_kernel(text_of(s->notes[i])) && !is_about_probe(s, s->notes[i]))
			sayf(page, TONE_PLAIN, "note: %s", text_of(s->notes[i]));
}

/* --- the report ----------------------------------------------------------------------------- */

static void print_before(struct page *page, const struct run *run)
{
	say_head(page, run);
	if (run->n_milestones > 0)
		show_readiness(page, run);
}

static bool has_lost_probes(const struct session *s)
{
	for (size_t i = 0; i < s->n_probes; i++)
		if (s->probes[i].lost != NULL)
			return true;
	return false;
}

static void print_after(struct page *page, const struct run *run)
{
	show(page, build_costs);
	if (run->n_processes > 1)
		show(page, build_top_processes);
	if (run->n_findings > 0)
		show(page, build_findings);
	if (page->s->n_runs > 1)
		show(page, build_main_metrics);
	if (has_lost_probes(page->s))
		show(page, build_refused);
	say_trust(page, run);
}

/* What the part prints, for free(); NULL: no memory. */
static char *printed(struct page *page, const struct run *run,
		     void (*print)(struct page *, const struct run *))
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = page->f;
	page->f = open_memstream(&text, &n);
	if (page->f == NULL) {
		page->f = out;
		return NULL;
	}
	print(page, run);
	const bool has_failed = fclose(page->f) != 0;
	page->f = out;
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

static void show_waterfall(struct page *page, size_t n_other_lines)
{
	_cleanup_(table_freep) struct table *t = NULL;
	size_t n_rows = MAX_ROWS;
	const size_t n_taken = n_other_lines + 4; /* a blank, the title, the titles, a note */
	if (page->format == TABLE_TEXT && n_taken + MAX_ROWS > PAGE_LINES)
		n_rows = n_taken + MIN_ROWS > PAGE_LINES ? MIN_ROWS : PAGE_LINES - n_taken;
	if (page->error == 0)
		page->error = build_waterfall(page->s, page->run, n_rows, &t);
	if (page->error == 0)
		show_table(page, t);
}

/* Metrics without a recording behind them: another tool's, or numbers typed by hand. */
static int print_metrics_only(struct page *page)
{
	_cleanup_(buf_done) struct buf command = { .limit = MAX_LINE };
	const struct session *s = page->s;
	if (page->format == TABLE_MARKDOWN)
		(void)fputs("## startline\n\n", page->f);
	say_cut(page, TONE_STRONG, command_line(&s->command, &command));
	show(page, build_metrics);
	for (size_t i = 0; i < s->n_notes; i++)
		sayf(page, TONE_PLAIN, "note: %s", text_of(s->notes[i]));
	sayf(page, TONE_DIM, "note: no recording, so there is no breakdown");
	return page->error;
}

static int print_page(struct page *page)
{
	const struct session *s = page->s;
	if (s->n_runs == 0 && s->n_series > 0)
		return print_metrics_only(page);
	if (page->run >= s->n_runs) {
		sayf(page, TONE_BAD, "nothing was recorded");
		return page->error;
	}
	const struct run *run = &s->runs[page->run];
	_cleanup_free_ char *before = printed(page, run, print_before);
	_cleanup_free_ char *after = printed(page, run, print_after);
	if (before == NULL || after == NULL)
		return -ENOMEM;
	(void)fputs(before, page->f);
	show_waterfall(page, count_lines(before) + count_lines(after));
	(void)fputs(after, page->f);
	return page->error;
}

static int print_csv_metrics(const struct session *s, FILE *f)
{
	_cleanup_(table_freep) struct table *t = NULL;
	const int rc = build_metrics(s, 0, &t);
	return rc < 0 ? rc : table_print(t, TABLE_CSV, NULL, f);
}

int report_print(struct session *s, enum table_format format, const struct print_style *style,
		 FILE *f)
{
	if (s->n_series == 0) {
		const int rc = metrics_collect(s);
		if (rc < 0)
			return rc;
	}
	if (format == TABLE_JSON)
		return session_write_json(s, f);
	if (format == TABLE_CSV)
		return print_csv_metrics(s, f);
	struct page page = { .s = s,
			     .run = report_run(s),
			     .format = format,
			     .style = style_or_default(style),
			     .f = f };
	const int rc = print_page(&page);
	if (rc < 0)
		return rc;
	return fflush(f) != 0 || ferror(f) ? -EIO : 0;
}
