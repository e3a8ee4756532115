/* SPDX-License-Identifier: MIT */
/* A table as CSV (RFC 4180): keys in the first line, numbers in base units, missing is empty. */

#include <inttypes.h>

#include "userspace/view/table/internal.h"

#define MAX_LINE ((size_t)256 << 20) /* a row of texts, each of them escaped and quoted */

static void add_cell_text(struct buf *line, const struct cell *cell)
{
	switch (cell->type) {
	case CELL_TEXT:
		escape_csv(line, cell->text);
		break;
	case CELL_NS:
	case CELL_BYTES:
	case CELL_COUNT:
	case CELL_RATIO:
		if (cell->is_whole)
			(void)buf_addf(line, "%" PRId64, cell->whole);
		else
			(void)buf_addf(line, "%.15g", cell->number);
		break;
	case CELL_NONE:
	case CELL_BAR:
		break;
	}
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
