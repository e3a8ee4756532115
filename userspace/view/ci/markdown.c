/* SPDX-License-Identifier: MIT */
/* A comment for a pull request: what fails comes first, and what does not fit is counted. No line
 * begins with text from outside, since some forges take a line that begins with "/" for a command. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/ci/internal.h"
#include "userspace/view/report/check.h"
#include "userspace/view/report/compare.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/table/internal.h"

/* The longest comment GitHub takes, in characters; bytes are never fewer. */
#define COMMENT_BYTES ((size_t)65536)
#define MAX_LINE      ((size_t)256 << 10)
#define TAIL_BYTES    ((size_t)512) /* the last line, which says what was left out */
/* Of the rest, for the status table: the other half is for reasons. */
#define STATUS_SHARE	 5 / 8
#define MAX_ROWS	 ((size_t)4000)
#define TEXT_COLUMNS	 60
#define LINES_PER_CASE	 5
#define HEADLINE_COLUMNS 400
#define KEY_BYTES	 64

struct comment {
	const struct outcome *outcomes;
	size_t n;
	struct ci_rows rows;
	FILE *f;
	size_t left; /* bytes */
	size_t rows_left_out, sections_left_out;
};

/* --- sections: printed to memory first, and only added as a whole -------------------------------- */

struct section {
	const struct comment *c;
	const struct outcome *o; /* NULL: it is about all */
	size_t first, n;	 /* rows of the status */
	FILE *f;
};
typedef int print_section(const struct section *section);

static int render(print_section *print, struct section section, char **ret, size_t *ret_len)
{
	section.f = open_memstream(ret, ret_len);
	if (section.f == NULL)
		return -ENOMEM;
	const int r = print(&section);
	const bool is_short = fclose(section.f) != 0;
	return r < 0 ? r : is_short ? -ENOMEM : 0;
}

static int add_section(struct comment *c, print_section *print, const struct outcome *o)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	const int r = render(print, (struct section){ .c = c, .o = o }, &text, &len);
	if (r < 0)
		return r;
	if (len > c->left) {
		c->sections_left_out++;
		return 0;
	}
	(void)fwrite(text, 1, len, c->f);
	c->left -= len;
	return 0;
}

/* One line: our own words, then @text. */
static int say(FILE *f, const char *words, const char *text, const char *after)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	(void)buf_adds(&line, words);
	escape_markdown(&line, text);
	(void)buf_adds(&line, after);
	(void)fputs(buf_str(&line), f);
	return line.error;
}

static int show(struct table *t, FILE *f)
{
	struct page page = { .f = f, .format = TABLE_MARKDOWN };
	const int r = table_show(t, &page);
	(void)fputc('\n', f);
	return r;
}

/* --- head ----------------------------------------------------------------------------------- */

/* By which the comment is found again: a comment of HTML must not hold "--". */
static void print_marker(const struct comment *c, FILE *f)
{
	const char *key = secure_getenv("STARTLINE_KEY");
	if (key == NULL || key[0] == '\0')
		key = c->n > 0 && c->outcomes[0].file != NULL ? c->outcomes[0].file : "ab";
	(void)fputs("<!-- startline: ", f);
	char before = '-';
	for (size_t i = 0; key[i] != '\0' && i < KEY_BYTES; i++) {
		const bool is_plain = (key[i] >= 'a' && key[i] <= 'z') ||
				      (key[i] >= 'A' && key[i] <= 'Z') ||
				      (key[i] >= '0' && key[i] <= '9') || key[i] == '.' ||
				      key[i] == '/' || (key[i] == '-' && before != '-');
		before = '_';
		if (is_plain)
			before = key[i];
		(void)fputc(before, f);
	}
	(void)fputs(" -->\n", f);
}

static int print_headline(struct arena *arena, const struct outcome *o, FILE *f)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	const char *headline = outcome_headline(arena, o);
	ci_cut(&line, o->scenario, TEXT_COLUMNS);
	(void)buf_adds(&line, ": ");
	ci_cut(&line, headline, HEADLINE_COLUMNS);
	(void)fprintf(f, "- %s ", severities[outcome_severity(o)].icon);
	return headline == NULL ? -ENOMEM : say(f, "", buf_str(&line), "\n");
}

/* The worst scenarios in a line each, cause included; those that passed only where all did. */
static int print_headlines(const struct comment *c, FILE *f)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	const enum severity worst = outcomes_severity(c->outcomes, c->n);
	const enum severity end = worst < SEVERITY_SKIPPED ? SEVERITY_SKIPPED : SEVERITY_COUNT;
	size_t n = 0;
	int r = arena != NULL ? 0 : -ENOMEM;
	for (int severity = (int)worst; severity < (int)end; severity++) {
		for (size_t i = 0; r == 0 && i < c->n; i++) {
			if ((int)outcome_severity(&c->outcomes[i]) == severity &&
			    n++ < LINES_PER_CASE)
				r = print_headline(arena, &c->outcomes[i], f);
		}
	}
	if (n > LINES_PER_CASE)
		(void)fprintf(f, "- and %zu more, see the table\n", n - LINES_PER_CASE);
	(void)fputs(n > 0 ? "\n" : "", f);
	return r;
}

static int print_head(const struct section *s)
{
	_cleanup_(buf_done) struct buf summary = { .limit = MAX_LINE };
	ci_summary(&summary, &s->c->rows);
	const struct severity_row *worst = &severities[outcomes_severity(s->c->outcomes, s->c->n)];
	print_marker(s->c, s->f);
	(void)fprintf(s->f, "### %s startline: %s\n\n", worst->icon, worst->name);
	const int r = print_headlines(s->c, s->f);
	(void)fprintf(s->f, "%s\n\n", buf_str(&summary));
	return r < 0 ? r : summary.error;
}

/* The worst rows come first; those that passed are folded away. */
static int print_status(const struct section *s)
{
	return show(ci_build_status(s->c->rows.items + s->first, s->n, TEXT_COLUMNS), s->f);
}

static int print_passed(const struct section *s)
{
	(void)fprintf(s->f, "<details><summary>%zu passed</summary>\n\n", s->n);
	const int r = print_status(s);
	(void)fputs("</details>\n\n", s->f);
	return r;
}

/* As many of rows [@first, @end) as have @room. */
static int add_rows(struct comment *c, print_section *print, size_t first, size_t end, size_t room)
{
	size_t n = end - first < MAX_ROWS ? end - first : MAX_ROWS;
	while (n > 0) {
		_cleanup_free_ char *text = NULL;
		size_t len = 0;
		const int r = render(print, (struct section){ .c = c, .first = first, .n = n },
				     &text, &len);
		if (r < 0)
			return r;
		if (len <= room) {
			(void)fwrite(text, 1, len, c->f);
			c->left -= len;
			break;
		}
		/* The rows are of like length; a little less, so that this ends soon. */
		const size_t guess = n * room / len * 31 / 32;
		n = guess < n ? guess : n - 1;
	}
	c->rows_left_out += end - first - n;
	return 0;
}

static int add_status(struct comment *c)
{
	const size_t room = c->left * STATUS_SHARE, left = c->left;
	size_t n_bad = 0;
	while (n_bad < c->rows.n && c->rows.items[n_bad].severity < SEVERITY_PASSED)
		n_bad++;
	int r = add_rows(c, print_status, 0, n_bad, room);
	const size_t taken = left - c->left;
	if (r == 0)
		r = add_rows(c, print_passed, n_bad, c->rows.n, room > taken ? room - taken : 0);
	return r;
}

/* --- one scenario --------------------------------------------------------------------------- */

static int print_bad_rows(const struct comment *c, const struct outcome *o, FILE *f)
{
	size_t n = 0;
	int r = 0;
	for (size_t i = 0; r == 0 && i < c->rows.n; i++) {
		const struct ci_row *row = &c->rows.items[i];
		if (row->outcome != o || row->severity > SEVERITY_TOLERATED ||
		    n++ >= LINES_PER_CASE)
			continue;
		_cleanup_(buf_done) struct buf words = { .limit = MAX_LINE };
		ci_row_words(&words, row);
		r = words.error < 0 ? words.error : say(f, "- ", buf_str(&words), "\n");
	}
	if (n > LINES_PER_CASE)
		(void)fprintf(f, "- and %zu more, see the table\n", n - LINES_PER_CASE);
	(void)fputc('\n', f);
	return r;
}

static int print_design(const struct outcome *o, FILE *f)
{
	if (o->base_name == NULL)
		return 0;
	_cleanup_(buf_done) struct buf name = { .limit = MAX_LINE };
	ci_cut(&name, o->base_name, 200);
	int r = say(f, "Compared with ", buf_str(&name), "");
	if (o->pairs > 0)
		(void)fprintf(f, ": %zu interleaved pairs, %zu repeated, seed %llu", o->pairs,
			      o->repeats, (unsigned long long)o->seed);
	if (r == 0 && o->kind == OUTCOME_JUDGED && text_of(o->reason)[0] != '\0')
		r = say(f, "; ", o->reason, "");
	(void)fputs(".\n\n", f);
	if (o->control_differs)
		(void)fputs("The control arm, which runs base against itself, shows a difference "
			    "too: the verdicts are withheld.\n\n",
			    f);
	return r;
}

static int print_cause(const struct section *s)
{
	_cleanup_(buf_done) struct buf cause = { .limit = MAX_LINE }, moved = { .limit = MAX_LINE };
	check_tell_cause(s->o, &cause, &moved);
	/* No line begins with text from outside: "moved", or "proven part", does. */
	int r = cause.len > 0 ? say(s->f, "", buf_str(&cause), ".\n\n") : 0;
	if (r == 0 && moved.len > 0)
		r = say(s->f, "", buf_str(&moved), ".\n\n");
	return r;
}

static int print_case(const struct section *s)
{
	_cleanup_(buf_done) struct buf name = { .limit = MAX_LINE };
	ci_cut(&name, s->o->scenario, 200);
	int r = say(s->f, "#### Scenario ", buf_str(&name), "\n\n");
	if (r == 0)
		r = print_bad_rows(s->c, s->o, s->f);
	if (r == 0)
		r = print_cause(s);
	const char *where = check_where_time_goes(s->o);
	if (r == 0 && where != NULL)
		r = say(s->f, "Where the time goes: ", where, ".\n\n");
	return r < 0 ? r : print_design(s->o, s->f);
}

static int print_attribution(const struct section *s)
{
	return show(build_contributions(s->o->comparison), s->f);
}

static int print_witnesses(const struct section *s)
{
	return show(ci_build_witnesses(s->o->comparison), s->f);
}

static int print_findings(const struct section *s)
{
	return show(build_findings(s->o->session, report_run(s->o->session)), s->f);
}

static int add_case(struct comment *c, const struct outcome *o)
{
	int r = add_section(c, print_case, o);
	if (r == 0 && o->comparison != NULL)
		r = add_section(c, print_attribution, o);
	if (r == 0 && o->comparison != NULL)
		r = add_section(c, print_witnesses, o);
	if (r == 0 && o->session != NULL && o->session->n_runs > 0 &&
	    o->session->runs[report_run(o->session)].n_findings > 0)
		r = add_section(c, print_findings, o);
	return r;
}

/* --- foot ----------------------------------------------------------------------------------- */

static const struct session *first_session(const struct comment *c)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->outcomes[i].session != NULL)
			return c->outcomes[i].session;
	}
	return NULL;
}

/* Code is printed as it is: so that no '@', '<', link or address is ever in a comment, by which a job
 * that posts what others wrote can tell it (tools/github-action/comment/post). */
static bool is_plain_code(const char *text)
{
	return strpbrk(text, "@<") == NULL && strstr(text, "://") == NULL &&
	       strstr(text, "](") == NULL;
}

/* The command that gives this again; false when it cannot be shown so that it could be typed. */
static bool add_command(struct buf *out, const struct outcome *o)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	if (o->file != NULL) {
		const char *argv[] = { "startline", "check", "-f", o->file, o->scenario };
		const struct text_list list = { argv, N_OF(argv) };
		(void)command_line(&list, &line);
	} else {
		(void)buf_adds(&line, text_of(o->command));
	}
	const size_t before = out->len;
	escape_text(out, buf_str(&line), true);
	return line.error == 0 && is_plain_code(buf_str(&line)) &&
	       strcmp(buf_str(out) + before, buf_str(&line)) == 0;
}

static int print_foot(const struct section *s)
{
	_cleanup_(buf_done) struct buf host = { .limit = MAX_LINE },
				       command = { .limit = MAX_LINE };
	ci_host_words(&host, first_session(s->c));
	int r = host.error;
	if (r == 0 && host.len > 0)
		r = say(s->f, "Environment: ", buf_str(&host), ".\n\n");
	if (r == 0 && s->o != NULL && add_command(&command, s->o) && command.len < 2048)
		/* Indented code has no end that a name could write. */
		(void)fprintf(s->f, "To reproduce:\n\n    %s\n\n", buf_str(&command));
	return r;
}

static void print_left_out(const struct comment *c)
{
	if (c->rows_left_out + c->sections_left_out == 0)
		return;
	(void)fprintf(
		c->f,
		"Cut to fit: %zu of %zu rows and %zu sections are left out. `--out json=FILE` "
		"has everything.\n",
		c->rows_left_out, c->rows.n, c->sections_left_out);
}

/* --- the whole ------------------------------------------------------------------------------ */

static int add_cases(struct comment *c)
{
	_cleanup_free_ bool *is_done = calloc(c->n + 1, sizeof(*is_done));
	if (is_done == NULL)
		return -ENOMEM;
	int r = 0;
	for (size_t i = 0; r == 0 && i < c->rows.n; i++) {
		const struct ci_row *row = &c->rows.items[i];
		const size_t at = (size_t)(row->outcome - c->outcomes);
		if (row->severity > SEVERITY_TOLERATED || is_done[at])
			continue;
		is_done[at] = true;
		/* Once nothing fits any more, thousands need not be tried. */
		if (c->left > TAIL_BYTES)
			r = add_case(c, row->outcome);
		else
			c->sections_left_out++;
	}
	return r;
}

int ci_markdown_within(const struct outcome *outcomes, size_t n, size_t limit, FILE *f)
{
	struct comment c = { .outcomes = outcomes, .n = n, .f = f };
	c.left = limit > TAIL_BYTES ? limit - TAIL_BYTES : 0;
	int r = ci_rows_collect(outcomes, n, &c.rows);
	if (r == 0)
		r = add_section(&c, print_head, NULL);
	if (r == 0)
		r = add_status(&c);
	/* Before the scenarios, which take all there is. */
	const struct outcome *worst = c.rows.n > 0 ? c.rows.items[0].outcome : NULL;
	if (r == 0)
		r = add_section(&c, print_foot, worst);
	if (r == 0)
		r = add_cases(&c);
	print_left_out(&c);
	vec_done(&c.rows);
	return r < 0 ? r : ferror(f) ? -EIO : 0;
}

int ci_markdown(const struct outcome *outcomes, size_t n, FILE *f)
{
	return ci_markdown_within(outcomes, n, COMMENT_BYTES, f);
}
