/* SPDX-License-Identifier: MIT */
/* A table as text for a terminal: columns by width, no frames, nothing wider than the terminal. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/utf8.h"
#include "userspace/view/table/internal.h"

#define GAP		  2  /* blanks between columns */
#define MIN_WIDTH	  40 /* of a terminal; below it nothing is readable anyway */
#define MIN_ELASTIC	  12
#define MAX_FIXED	  32 /* of a text column that is not elastic */
#define MIN_FIXED	  8
#define BAR_WIDTH	  20
#define MIN_BAR_WIDTH	  10
#define INDENT		  2
#define MAX_INDENT_LEVELS 10
#define MAX_COLUMNS	  32

/* One row made into text, and how it is laid out. */
struct layout {
	const struct table *t;
	const struct page *page;
	unsigned int widths[MAX_COLUMNS]; /* 0: not shown */
	bool is_folded[MAX_COLUMNS];
};

unsigned int page_width(const struct page *page)
{
	const unsigned int width = page->width == 0 ? DEFAULT_WIDTH : page->width;
	return width < MIN_WIDTH ? MIN_WIDTH : width;
}

static const char *tone_begin(const struct page *page, enum tone tone)
{
	static const char *const codes[] = {
		[TONE_PLAIN] = "",	  [TONE_DIM] = "\033[2m",  [TONE_GOOD] = "\033[32m",
		[TONE_WARN] = "\033[33m", [TONE_BAD] = "\033[31m", [TONE_STRONG] = "\033[1m",
	};
	return page->use_color ? codes[tone] : "";
}

static const char *tone_end(const struct page *page, enum tone tone)
{
	return page->use_color && tone != TONE_PLAIN ? "\033[0m" : "";
}

/* --- cells ---------------------------------------------------------------------------------- */

/* Fills @out with the cell as it may be printed; bars and indentation left out. */
static void cell_text(const struct layout *l, size_t row, size_t column, struct buf *out)
{
	const struct cell *cell = table_cell(l->t, row, column);
	buf_clear(out);
	if (cell->type == CELL_TEXT)
		escape_text(out, cell->text, l->page->is_utf8);
	else
		format_cell(out, cell);
}

static unsigned int indent_of(const struct layout *l, size_t row, size_t column)
{
	for (size_t i = 0; i < column; i++) {
		if (l->widths[i] > 0)
			return 0; /* only the first column is indented */
	}
	const unsigned int levels = l->t->rows.items[row].indent;
	return INDENT * (levels < MAX_INDENT_LEVELS ? levels : MAX_INDENT_LEVELS);
}

static unsigned int width_of(const char *text, size_t n)
{
	const size_t width = text_width(text, n);
	return width > 1000000 ? 1000000 : (unsigned int)width;
}

static unsigned int widest_cell(const struct layout *l, size_t column, struct buf *scratch)
{
	unsigned int widest = 1;
	for (size_t row = 0; row < l->t->rows.n; row++) {
		if (!is_for(l->t->rows.items[row].audience, TABLE_TEXT))
			continue;
		if (table_cell(l->t, row, column)->type == CELL_BAR)
			return BAR_WIDTH;
		cell_text(l, row, column, scratch);
		const unsigned int width =
			indent_of(l, row, column) + width_of(buf_str(scratch), scratch->len);
		if (width > widest)
			widest = width;
	}
	return widest;
}

static bool has_texts(const struct table *t, size_t column)
{
	for (size_t row = 0; row < t->rows.n; row++) {
		if (table_cell(t, row, column)->type == CELL_TEXT)
			return true;
	}
	return false;
}

/* Takes from a column what is too much, down to @least; nothing from one that is not shown. */
static void shrink(unsigned int *width, unsigned int least, unsigned int *excess)
{
	const unsigned int spare = *width > least ? *width - least : 0;
	const unsigned int take = spare < *excess ? spare : *excess;
	*width -= take;
	*excess -= take;
}

/* The widest column of texts gives first. */
static void shrink_texts(struct layout *l, unsigned int excess)
{
	bool is_text[MAX_COLUMNS];
	for (size_t i = 0; i < l->t->n_columns && i < MAX_COLUMNS; i++)
		is_text[i] = has_texts(l->t, i);
	while (excess > 0) {
		unsigned int *widest = NULL;
		for (size_t i = 0; i < l->t->n_columns && i < MAX_COLUMNS; i++) {
			if (is_text[i] && l->widths[i] > (widest != NULL ? *widest : MIN_FIXED))
				widest = &l->widths[i];
		}
		if (widest == NULL)
			return;
		shrink(widest, *widest - 1, &excess);
	}
}

/* Widths that fit the terminal: numbers get what they need, texts up to a limit, and the widest elastic
 * column what is left. */
static void lay_out(struct layout *l, struct buf *scratch)
{
	const struct table *t = l->t;
	size_t elastic = t->n_columns;
	unsigned int used = 0;
	for (size_t i = 0; i < t->n_columns && i < MAX_COLUMNS; i++) {
		const struct column *c = &t->columns[i];
		if (!is_for(c->audience, TABLE_TEXT))
			continue;
		l->widths[i] = 1; /* shown, for indent_of() */
		unsigned int width = widest_cell(l, i, scratch);
		if (!t->hides_titles && strlen(c->title) > width)
			width = (unsigned int)strlen(c->title);
		const bool is_elastic = c->is_elastic || c->is_folded;
		if (!is_elastic && width > MAX_FIXED && has_texts(t, i))
			width = MAX_FIXED;
		if (is_elastic && (elastic == t->n_columns || width > l->widths[elastic]))
			elastic = i;
		l->widths[i] = width;
		used += width + (used > 0 ? GAP : 0);
	}
	const unsigned int room = page_width(l->page);
	if (used <= room || elastic >= MAX_COLUMNS || elastic == t->n_columns)
		return;
	unsigned int excess = used - room;
	for (size_t i = 0; i < t->n_columns && i < MAX_COLUMNS; i++) {
		if (table_cell(t, 0, i)->type == CELL_BAR)
			shrink(&l->widths[i], MIN_BAR_WIDTH, &excess);
	}
	for (size_t i = 0; i < t->n_columns && i < MAX_COLUMNS; i++) {
		if (t->columns[i].gives_first)
			shrink(&l->widths[i], MIN_FIXED, &excess);
	}
	shrink(&l->widths[elastic], MIN_ELASTIC, &excess);
	shrink_texts(l, excess);
}

/* --- lines ---------------------------------------------------------------------------------- */

/* Appends text[0..n) cut to @width columns, with an ellipsis: a path in front, where it says least, all
 * else in the middle. */
static void add_cut(const struct page *page, struct buf *line, const char *text, size_t n,
		    unsigned int width)
{
	const char *ellipsis = page->is_utf8 ? "…" : "...";
	const unsigned int ellipsis_width = page->is_utf8 ? 1 : 3;
	const size_t room = width > ellipsis_width ? width - ellipsis_width : 0;
	const bool is_path = text[0] == '/' && memchr(text, ' ', n) == NULL;
	size_t head = 0, tail = 0;
	if (is_path)
		tail = text_tail(text, n, room);
	else
		text_fit_ends(text, n, room, &head, &tail);
	(void)buf_add(line, text, head);
	(void)buf_adds(line, ellipsis);
	(void)buf_add(line, text + tail, n - tail);
	const size_t taken =
		text_width(text, head) + ellipsis_width + text_width(text + tail, n - tail);
	(void)buf_pad(line, ' ', taken < width ? width - taken : 0);
}

/* Appends text[0..n) in @width columns. */
static void add_fitted(const struct page *page, struct buf *line, const char *text, size_t n,
		       unsigned int width, enum align align)
{
	const unsigned int own = width_of(text, n);
	if (own > width) {
		add_cut(page, line, text, n, width);
		return;
	}
	(void)buf_pad(line, ' ', align == ALIGN_RIGHT ? width - own : 0);
	(void)buf_add(line, text, n);
	(void)buf_pad(line, ' ', align == ALIGN_LEFT ? width - own : 0);
}

/* --- names that would look alike ------------------------------------------------------------ */

struct short_name {
	char *full, *cut;
};

static int by_cut(const void *left, const void *right)
{
	return strcmp(((const struct short_name *)left)->cut,
		      ((const struct short_name *)right)->cut);
}

/* What is cut to the same text is no name any more. */
static bool has_doubles(struct short_name *names, size_t n)
{
	bool is_double = false;
	if (n > 1)
		qsort(names, n, sizeof(*names), by_cut);
	for (size_t i = 1; i < n && !is_double; i++)
		is_double = strcmp(names[i - 1].cut, names[i].cut) == 0 &&
			    strcmp(names[i - 1].full, names[i].full) != 0;
	return is_double;
}

/* Whether cutting makes two texts of the column the same. */
static bool hides_names(const struct layout *l, size_t column, struct buf *scratch)
{
	struct short_name *names = calloc(l->t->rows.n + 1, sizeof(*names));
	size_t n = 0;
	for (size_t row = 0; names != NULL && row < l->t->rows.n; row++) {
		const unsigned int indent = indent_of(l, row, column);
		const unsigned int room =
			l->widths[column] > indent ? l->widths[column] - indent : 0;
		if (!is_for(l->t->rows.items[row].audience, TABLE_TEXT) ||
		    table_cell(l->t, row, column)->type != CELL_TEXT)
			continue;
		cell_text(l, row, column, scratch);
		if (width_of(buf_str(scratch), scratch->len) <= room)
			continue;
		_cleanup_(buf_done) struct buf cut = { .limit = MAX_CELL_LEN };
		add_cut(l->page, &cut, buf_str(scratch), scratch->len, room);
		names[n].full = strdup(buf_str(scratch));
		names[n].cut = strdup(buf_str(&cut));
		if (names[n].full == NULL || names[n].cut == NULL) {
			free(names[n].full);
			free(names[n].cut);
			break;
		}
		n++;
	}
	const bool is_double = names != NULL && has_doubles(names, n);
	for (size_t i = 0; i < n; i++) {
		free(names[i].full);
		free(names[i].cut);
	}
	free(names);
	return is_double;
}

/* Then the texts are continued on the next line. */
static void fold_names(struct layout *l, struct buf *scratch)
{
	for (size_t i = 0; i < l->t->n_columns && i < MAX_COLUMNS; i++)
		l->is_folded[i] = l->widths[i] > 0 &&
				  (l->t->columns[i].is_folded || hides_names(l, i, scratch));
}

static void add_bar(const struct layout *l, struct buf *line, const struct cell *cell,
		    unsigned int width)
{
	double from = cell->from;
	double to = cell->to;
	if (!(from >= 0 && from <= 1))
		from = 0;
	if (!(to >= from && to <= 1))
		to = to > 1 ? 1 : from;
	unsigned int first = (unsigned int)floor(from * width);
	unsigned int last = (unsigned int)lround(to * width);
	if (first >= width)
		first = width - 1;
	const bool is_sliver = last <= first;
	if (is_sliver)
		last = first + 1;
	(void)buf_pad(line, ' ', first);
	for (unsigned int i = first; i < last; i++) {
		if (!l->page->is_utf8)
			(void)buf_addc(line, is_sliver ? '|' : '#');
		else
			(void)buf_adds(line, is_sliver ? "▏" : "█");
	}
	(void)buf_pad(line, ' ', width - last);
}

/* How many bytes of @text the first of its lines takes in @width columns. Breaks before a term of
 * a sum, else at a blank. */
static size_t fold_at(const char *text, size_t n, unsigned int width)
{
	if (width_of(text, n) <= width)
		return n;
	size_t fit = text_fit(text, n, width);
	if (fit == 0)
		fit = 1;
	for (size_t i = fit; i > fit / 3; i--) {
		if (strncmp(text + i, " + ", 3) == 0)
			return i;
	}
	/* Not between a number and its percent sign. */
	for (size_t i = fit; i > fit / 3; i--) {
		if (text[i] == ' ' && text[i + 1] != '%')
			return i;
	}
	/* Else a path is broken behind a slash. */
	for (size_t i = fit; i > fit / 3; i--) {
		if (text[i - 1] == '/' && text[i] != ':')
			return i;
	}
	/* A line that starts with "::" is a command to some runners of CI jobs: escape_text() sees
	 * to those after a blank. */
	if (fit > 1 && strncmp(text + fit, "::", 2) == 0 && (text[fit - 1] & 0x80) == 0)
		fit--;
	return fit;
}

static int print_line(const struct page *page, enum tone tone, struct buf *line)
{
	while (line->len > 0 && line->data[line->len - 1] == ' ')
		buf_truncate(line, line->len - 1);
	if (line->error < 0)
		return line->error;
	(void)fputs(tone_begin(page, tone), page->f);
	(void)fputs(buf_str(line), page->f);
	(void)fputs(tone_end(page, tone), page->f);
	(void)fputc('\n', page->f);
	buf_clear(line);
	return 0;
}

static int print_titles(const struct layout *l, struct buf *line)
{
	const char *gap = "";
	for (size_t i = 0; i < l->t->n_columns && i < MAX_COLUMNS; i++) {
		if (l->widths[i] == 0)
			continue;
		(void)buf_adds(line, gap);
		const char *title = l->t->columns[i].title;
		add_fitted(l->page, line, title, strlen(title), l->widths[i],
			   l->t->columns[i].align);
		gap = "  ";
	}
	return print_line(l->page, TONE_DIM, line);
}

struct rests {
	char *of[MAX_COLUMNS]; /* NULL: nothing */
};

static void rests_done(struct rests *rests)
{
	for (size_t i = 0; i < MAX_COLUMNS; i++)
		free(rests->of[i]);
}

/* What did not fit into the folded columns, on lines of its own below. */
static int print_folded(const struct layout *l, char *const rests[static MAX_COLUMNS],
			enum tone tone, struct buf *line)
{
	const char *at[MAX_COLUMNS];
	bool is_left = false;
	for (size_t i = 0; i < MAX_COLUMNS; i++) {
		at[i] = rests[i] != NULL ? rests[i] : "";
		is_left |= at[i][0] != '\0';
	}
	int rc = 0;
	while (rc == 0 && is_left) {
		is_left = false;
		for (size_t i = 0; i < l->t->n_columns && i < MAX_COLUMNS; i++) {
			if (l->widths[i] == 0)
				continue;
			const size_t n = fold_at(at[i], strlen(at[i]), l->widths[i]);
			add_fitted(l->page, line, at[i], n, l->widths[i], ALIGN_LEFT);
			(void)buf_pad(line, ' ', GAP);
			at[i] += n;
			while (*at[i] == ' ')
				at[i]++;
			is_left |= *at[i] != '\0';
		}
		rc = print_line(l->page, tone, line);
	}
	return rc;
}

static int print_row(const struct layout *l, size_t row, struct buf *line, struct buf *scratch)
{
	_cleanup_(rests_done) struct rests rests = { 0 };
	const char *gap = "";
	for (size_t i = 0; i < l->t->n_columns && i < MAX_COLUMNS; i++) {
		if (l->widths[i] == 0)
			continue;
		(void)buf_adds(line, gap);
		gap = "  ";
		const struct cell *cell = table_cell(l->t, row, i);
		if (cell->type == CELL_BAR) {
			add_bar(l, line, cell, l->widths[i]);
			continue;
		}
		const bool is_dim =
			l->t->columns[i].is_dim && l->t->rows.items[row].tone == TONE_PLAIN;
		(void)buf_adds(line, is_dim ? tone_begin(l->page, TONE_DIM) : "");
		const unsigned int indent = indent_of(l, row, i);
		const unsigned int room = l->widths[i] > indent ? l->widths[i] - indent : 0;
		(void)buf_pad(line, ' ', l->widths[i] - room);
		cell_text(l, row, i, scratch);
		const char *text = buf_str(scratch);
		size_t n = scratch->len;
		if (l->is_folded[i] && room > 0) {
			n = fold_at(text, n, room);
			rests.of[i] = strdup(text + n + (text[n] == ' '));
		}
		add_fitted(l->page, line, text, n, room, l->t->columns[i].align);
		(void)buf_adds(line, is_dim ? tone_end(l->page, TONE_DIM) : "");
	}
	const enum tone tone = l->t->rows.items[row].tone;
	const int rc = print_line(l->page, tone, line);
	return rc < 0 ? rc : print_folded(l, rests.of, tone, line);
}

int print_paragraph(const struct page *page, enum tone tone, unsigned int hang, const char *text)
{
	_cleanup_(buf_done) struct buf safe = { .limit = 8 * MAX_CELL_LEN };
	_cleanup_(buf_done) struct buf line = { .limit = 8 * MAX_CELL_LEN };
	const unsigned int width = page_width(page);
	if (page->format == TABLE_MARKDOWN) {
		escape_markdown(&safe, text);
		(void)fprintf(page->f, "%s\n", buf_str(&safe));
		return safe.error;
	}
	escape_text(&safe, text, page->is_utf8);
	const char *rest = buf_str(&safe);
	unsigned int indent = 0;
	int rc = safe.error;
	do {
		const size_t n = fold_at(rest, strlen(rest), width - indent);
		(void)buf_pad(&line, ' ', indent);
		(void)buf_add(&line, rest, n);
		if (rc == 0)
			rc = print_line(page, tone, &line);
		rest += n;
		while (*rest == ' ')
			rest++;
		indent = hang < width / 2 ? hang : 0;
	} while (rc == 0 && *rest != '\0');
	return rc;
}

void page_say(struct page *page, enum tone tone, unsigned int hang, const char *text)
{
	const bool is_for_people = page->format == TABLE_TEXT || page->format == TABLE_MARKDOWN;
	if (is_for_people && page->error == 0)
		page->error = print_paragraph(page, tone, hang, text);
}

static int print_lines(const struct page *page, const struct line_list *lines)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < lines->n; i++)
		rc = print_paragraph(page, TONE_PLAIN, 2, lines->items[i]);
	return rc;
}

int print_text(const struct table *t, const struct page *page)
{
	struct layout l = { .t = t, .page = page };
	_cleanup_(buf_done) struct buf line = { .limit = 8 * MAX_CELL_LEN };
	_cleanup_(buf_done) struct buf scratch = { .limit = 8 * MAX_CELL_LEN };
	lay_out(&l, &scratch);
	fold_names(&l, &scratch);

	const bool is_empty = table_rows(t) == 0;
	if (t->title[0] != '\0')
		(void)fprintf(page->f, "%s%s%s%s\n", tone_begin(page, TONE_STRONG), t->title,
			      tone_end(page, TONE_STRONG), is_empty ? ": none" : "");
	int rc = print_lines(page, &t->leads);
	if (rc == 0 && !is_empty && !t->hides_titles)
		rc = print_titles(&l, &line);
	for (size_t row = 0; rc == 0 && row < t->rows.n; row++) {
		if (is_for(t->rows.items[row].audience, TABLE_TEXT))
			rc = print_row(&l, row, &line, &scratch);
	}
	return rc < 0 ? rc : print_lines(page, &t->notes);
}
