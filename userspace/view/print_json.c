/* SPDX-License-Identifier: MIT */
/* A table as JSON: an object with the rows as objects by key. */

#include "userspace/base/json.h"
#include "userspace/view/internal.h"

static void write_cell(struct json_writer *w, const char *key, const struct cell *cell)
{
	switch (cell->type) {
	case CELL_TEXT:
		json_text(w, key, cell->text);
		break;
	case CELL_NS:
	case CELL_BYTES:
	case CELL_COUNT:
	case CELL_RATIO:
		if (cell->is_whole)
			json_int(w, key, cell->whole);
		else
			json_double(w, key, cell->number);
		break;
	case CELL_NONE:
	case CELL_BAR:
		json_null(w, key);
		break;
	}
}

static void write_lines(struct json_writer *w, const char *key, const struct line_list *lines)
{
	json_open(w, key, '[');
	for (size_t i = 0; i < lines->n; i++)
		json_text(w, NULL, lines->items[i]);
	json_close(w);
}

int print_json(const struct table *t, FILE *f)
{
	struct json_writer w;
	json_start(&w, f);
	json_open(&w, NULL, '{');
	json_text(&w, "table", t->title);
	json_open(&w, "rows", '[');
	for (size_t row = 0; row < t->rows.n; row++) {
		if (!is_for(t->rows.items[row].audience, TABLE_JSON))
			continue;
		json_open_inline(&w, NULL, '{');
		for (size_t i = 0; i < t->n_columns; i++) {
			if (is_for(t->columns[i].audience, TABLE_JSON))
				write_cell(&w, t->columns[i].key, table_cell(t, row, i));
		}
		json_close(&w);
	}
	json_close(&w);
	write_lines(&w, "lead", &t->leads);
	write_lines(&w, "notes", &t->notes);
	json_close(&w);
	return json_finish(&w);
}
