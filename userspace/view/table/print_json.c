/* SPDX-License-Identifier: MIT */
/* A table as JSON: an object with the rows as objects by key. */

#include "userspace/model/document/json_tree.h"
#include "userspace/view/table/internal.h"

static cJSON *cell_value(const struct cell *cell)
{
	if (cell->type == CELL_TEXT)
		return json_text(cell->text);
	if (!is_number(cell))
		return cJSON_CreateNull();
	return cell->is_whole ? json_int(cell->whole) : json_double(cell->number);
}

static void add_row(struct json_tree *tree, cJSON *rows, const struct table *t, size_t row)
{
	cJSON *cells = cJSON_CreateObject();
	for (size_t i = 0; i < t->n_columns; i++) {
		if (is_for(t->columns[i].audience, TABLE_JSON))
			(void)json_add(tree, cells, t->columns[i].key,
				       cell_value(table_cell(t, row, i)));
	}
	json_add_row(tree, rows, cells);
}

static void add_lines(struct json_tree *tree, cJSON *list, const struct line_list *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		(void)json_add(tree, list, NULL, json_text(lines->items[i]));
}

int print_json(const struct table *t, const struct page *page)
{
	struct json_tree tree;
	cJSON *root = json_init(&tree);
	(void)json_add(&tree, root, "table", json_text(t->title));
	cJSON *rows = json_add(&tree, root, "rows", cJSON_CreateArray());
	for (size_t row = 0; row < t->rows.n; row++) {
		if (is_for(t->rows.items[row].audience, TABLE_JSON))
			add_row(&tree, rows, t, row);
	}
	add_lines(&tree, json_add(&tree, root, "lead", cJSON_CreateArray()), &t->leads);
	add_lines(&tree, json_add(&tree, root, "notes", cJSON_CreateArray()), &t->notes);
	return json_write(&tree, page->f);
}
