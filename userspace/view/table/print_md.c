/* SPDX-License-Identifier: MIT */
/* A table as Markdown (GitHub Flavored), for pull requests and notes. */

#include "userspace/view/table/internal.h"

#define MAX_LINE ((size_t)256 << 20) /* a row of texts, each of them escaped */

static int print_lines(const struct line_list *lines, const struct page *page)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < lines->n; i++) {
		rc = print_paragraph(page, TONE_PLAIN, 0, lines->items[i]);
		(void)fputc('\n', page->f);
	}
	return rc;
}

static bool is_shown(const struct table *t, size_t column)
{
	if (!is_for(t->columns[column].audience, TABLE_MARKDOWN))
		return false;
	/* A bar says nothing that the numbers beside it do not. */
	return t->cells.n == 0 || table_cell(t, 0, column)->type != CELL_BAR;
}

static void print_heading(const struct table *t, FILE *f)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		if (is_shown(t, i))
			(void)fprintf(f, "| %s ", t->hides_titles ? "" : t->columns[i].title);
	}
	(void)fputs("|\n", f);
	for (size_t i = 0; i < t->n_columns; i++) {
		if (is_shown(t, i))
			(void)fputs(t->columns[i].align == ALIGN_RIGHT ? "| ---: " : "| --- ", f);
	}
	(void)fputs("|\n", f);
}

static int print_row(const struct table *t, size_t row, struct buf *line, FILE *f)
{
	const unsigned int indent = t->rows.items[row].indent;
	bool is_first = true;
	buf_clear(line);
	for (size_t i = 0; i < t->n_columns; i++) {
		if (!is_shown(t, i))
			continue;
		const struct cell *cell = table_cell(t, row, i);
		(void)buf_adds(line, "| ");
		for (unsigned int level = 0; is_first && level < indent; level++)
			(void)buf_adds(line, "&nbsp;&nbsp;");
		is_first = false;
		if (cell->type == CELL_TEXT)
			escape_markdown(line, cell->text);
		else
			format_cell(line, cell);
		(void)buf_addc(line, ' ');
	}
	(void)buf_adds(line, "|\n");
	if (line->error < 0)
		return line->error;
	(void)fwrite(buf_str(line), 1, line->len, f);
	return 0;
}

int print_markdown(const struct table *t, const struct page *page)
{
	FILE *f = page->f;
	if (t->title[0] != '\0')
		(void)fprintf(f, "### %s\n\n", t->title);
	int rc = print_lines(&t->leads, page);
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	if (rc == 0 && table_rows(t) > 0)
		print_heading(t, f);
	else if (rc == 0)
		(void)fputs("none\n", f);
	for (size_t row = 0; rc == 0 && row < t->rows.n; row++) {
		if (is_for(t->rows.items[row].audience, TABLE_MARKDOWN))
			rc = print_row(t, row, &line, f);
	}
	(void)fputc('\n', f);
	return rc < 0 ? rc : print_lines(&t->notes, page);
}
