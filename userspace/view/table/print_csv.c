/* SPDX-License-Identifier: MIT */
/* A table as CSV (RFC 4180): keys in the first line, numbers in base units, missing is empty. */

#include <inttypes.h>

#include "userspace/view/table/internal.h"

#define MAX_LINE ((size_t)256 << 20) /* a row of texts, each of them escaped and quoted */

static void add_cell_text(struct buf *line, const struct cell *cell)
{
	if (cell->type == CELL_TEXT)
		escape_csv(line, cell->text);
	else if (is_number(cell) && cell->is_whole)
		(void)buf_addf(line, "%" PRId64, cell->whole);
	else if (is_number(cell))
		(void)buf_addf(line, "%.15g", cell->number);
}

static int print_line(struct buf *line, FILE *f)
{
	(void)buf_adds(line, "\r\n");
	if (line->error < 0)
		return line->error;
	(void)fwrite(buf_str(line), 1, line->len, f);
	buf_clear(line);
	return 0;
}

int print_csv(const struct table *t, const struct page *page)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	const char *separator = "";
	for (size_t i = 0; i < t->n_columns; i++) {
		if (!is_for(t->columns[i].audience, TABLE_CSV))
			continue;
		(void)buf_addf(&line, "%s%s", separator, t->columns[i].key);
		separator = ",";
	}
	int rc = print_line(&line, page->f);
	for (size_t row = 0; rc == 0 && row < t->rows.n; row++) {
		if (!is_for(t->rows.items[row].audience, TABLE_CSV))
			continue;
		separator = "";
		for (size_t i = 0; i < t->n_columns; i++) {
			if (!is_for(t->columns[i].audience, TABLE_CSV))
				continue;
			(void)buf_adds(&line, separator);
			add_cell_text(&line, table_cell(t, row, i));
			separator = ",";
		}
		rc = print_line(&line, page->f);
	}
	return rc;
}
