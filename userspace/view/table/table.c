/* SPDX-License-Identifier: MIT */
/* Collects the cells of a table. The first error sticks, so that reports need not check each. */

#include "userspace/view/table/table.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "userspace/view/table/internal.h"

#define MISSING INT64_MIN /* UNKNOWN of model/session.h */

static struct table out_of_memory = { .title = "", .error = -ENOMEM };

struct table *table_new(const char *title, const struct column *columns, size_t n_columns)
{
	struct table *t = calloc(1, sizeof(*t));
	struct arena *arena = arena_new();
	if (t == NULL || arena == NULL) {
		free(t);
		(void)arena_free(arena);
		return &out_of_memory;
	}
	*t = (struct table){
		.arena = arena, .title = title, .columns = columns, .n_columns = n_columns
	};
	return t;
}

struct table *table_free(struct table *t)
{
	if (t == NULL || t == &out_of_memory)
		return NULL;
	vec_done(&t->rows);
	vec_done(&t->cells);
	vec_done(&t->leads);
	vec_done(&t->notes);
	(void)arena_free(t->arena);
	free(t);
	return NULL;
}

void table_fail(struct table *t, int error)
{
	if (error < 0 && t->error == 0)
		t->error = error;
}

/* The row that is being filled, a new one when the last is complete. */
static struct row *current_row(struct table *t)
{
	static struct row nowhere;
	if (t->error == 0 && t->cells.n == t->rows.n * t->n_columns)
		table_fail(t, vec_push(&t->rows, (struct row){ .tone = TONE_PLAIN }));
	if (t->error < 0)
		return &nowhere;
	return vec_last(&t->rows);
}

static void add_cell(struct table *t, struct cell cell)
{
	if (t->error < 0)
		return;
	(void)current_row(t);
	if (t->error == 0)
		table_fail(t, vec_push(&t->cells, cell));
}

void table_text(struct table *t, const char *text)
{
	struct cell cell = { .type = CELL_NONE };
	if (text != NULL && t->error == 0) {
		cell.type = CELL_TEXT;
		cell.text = arena_strndup(t->arena, text, MAX_CELL_LEN);
		if (cell.text == NULL)
			table_fail(t, -ENOMEM);
	}
	add_cell(t, cell);
}

/* The formatted text in the arena of the table. */
__attribute__((format(printf, 2, 0))) static const char *formatted(struct table *t,
								   const char *format, va_list args)
{
	_cleanup_(buf_done) struct buf text = { .limit = MAX_CELL_LEN };
	if (t->error < 0)
		return NULL;
	table_fail(t, buf_addv(&text, format, args));
	const char *copy = arena_strdup(t->arena, buf_str(&text));
	if (copy == NULL)
		table_fail(t, -ENOMEM);
	return copy;
}

void table_textf(struct table *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const char *text = formatted(t, format, args);
	va_end(args);
	add_cell(t, (struct cell){ .type = CELL_TEXT, .text = text });
}

static void add_whole(struct table *t, enum cell_type type, int64_t value)
{
	if (value == MISSING)
		add_cell(t, (struct cell){ .type = CELL_NONE });
	else
		add_cell(t, (struct cell){ .type = type,
					   .whole = value,
					   .is_whole = true,
					   .number = (double)value });
}

void table_ns(struct table *t, int64_t ns)
{
	add_whole(t, CELL_NS, ns);
}

void table_bytes(struct table *t, int64_t bytes)
{
	add_whole(t, CELL_BYTES, bytes);
}

void table_count(struct table *t, int64_t count)
{
	add_whole(t, CELL_COUNT, count);
}

void table_ratio(struct table *t, double ratio)
{
	table_number(t, CELL_RATIO, ratio);
}

void table_number(struct table *t, enum cell_type type, double value)
{
	if (isfinite(value))
		add_cell(t, (struct cell){ .type = type, .number = value });
	else
		add_cell(t, (struct cell){ .type = CELL_NONE });
}

void table_bar(struct table *t, double from, double to)
{
	add_cell(t, (struct cell){ .type = CELL_BAR, .from = from, .to = to });
}

void table_tone(struct table *t, enum tone tone)
{
	current_row(t)->tone = tone;
}

void table_indent(struct table *t, unsigned int levels)
{
	current_row(t)->indent = levels;
}

void table_audience(struct table *t, enum audience audience)
{
	current_row(t)->audience = audience;
}

void table_hide_titles(struct table *t)
{
	t->hides_titles = true;
}

void table_lead(struct table *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const char *text = formatted(t, format, args);
	va_end(args);
	if (text != NULL)
		table_fail(t, vec_push(&t->leads, text));
}

void table_note(struct table *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const char *text = formatted(t, format, args);
	va_end(args);
	if (text != NULL)
		table_fail(t, vec_push(&t->notes, text));
}

size_t table_rows(const struct table *t)
{
	size_t n = 0;
	for (size_t i = 0; i < t->rows.n; i++)
		n += t->rows.items[i].audience != FOR_PROGRAMS;
	return n;
}

const struct cell *table_cell(const struct table *t, size_t row, size_t column)
{
	static const struct cell missing = { .type = CELL_NONE };
	const size_t i = row * t->n_columns + column;
	return i < t->cells.n ? &t->cells.items[i] : &missing;
}

bool is_for(enum audience audience, enum table_format format)
{
	if (audience == FOR_ALL)
		return true;
	const bool is_program = format == TABLE_JSON || format == TABLE_CSV;
	return is_program == (audience == FOR_PROGRAMS);
}

int page_flush(struct page *page)
{
	if (page->error == 0 && (fflush(page->f) != 0 || ferror(page->f)))
		page->error = -EIO;
	return page->error;
}

int table_print(const struct table *t, struct page *page)
{
	static int (*const printers[])(const struct table *t, const struct page *page) = {
		[TABLE_TEXT] = print_text,
		[TABLE_JSON] = print_json,
		[TABLE_CSV] = print_csv,
		[TABLE_MARKDOWN] = print_markdown,
	};
	if (page->error == 0)
		page->error = t->error;
	if (page->error == 0)
		page->error = printers[page->format](t, page);
	return page_flush(page);
}

int table_show(struct table *t, struct page *page)
{
	(void)table_print(t, page);
	(void)table_free(t);
	return page->error;
}
