/* SPDX-License-Identifier: MIT */
/* What the files of this folder share: the inside of a table, escaping, and paragraphs. */
#ifndef USERSPACE_VIEW_TABLE_INTERNAL_H
#define USERSPACE_VIEW_TABLE_INTERNAL_H

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/vec.h"
#include "userspace/view/table/table.h"

#define DEFAULT_WIDTH 80
/* A text beyond this is cut where it enters a table: argv may be 128 KiB long. */
#define MAX_CELL_LEN ((size_t)1 << 20)

struct cell {
	enum cell_type type; /* CELL_NONE: missing */
	int64_t whole;	     /* exact, when is_whole */
	bool is_whole;
	double number;
	const char *text;
	double from, to;
};

struct row {
	enum tone tone;
	unsigned int indent;
	enum audience audience;
};

struct row_list VEC(struct row);
struct cell_list VEC(struct cell);
struct line_list VEC(const char *);

struct table {
	struct arena *arena;
	const char *title;
	const struct column *columns;
	size_t n_columns;
	struct row_list rows;
	struct cell_list cells; /* row by row; the last row may be incomplete */
	struct line_list leads, notes;
	bool hides_titles;
	int error;
};

DEFINE_FREEP(struct table, table_free)

/* The cell in @row and @column; a missing cell where the row was not filled. */
const struct cell *table_cell(const struct table *t, size_t row, size_t column);
static inline bool is_number(const struct cell *cell)
{
	return cell->type >= CELL_NS && cell->type <= CELL_RATIO;
}
bool is_for(enum audience audience, enum table_format format);

int print_text(const struct table *t, const struct page *page);
int print_json(const struct table *t, const struct page *page);
int print_csv(const struct table *t, const struct page *page);
int print_markdown(const struct table *t, const struct page *page);

/* Appends @text, which may be any bytes, made harmless for the format. Text: also without CI
 * commands ("##[" anywhere, "::" at the start); is_utf8 false: ASCII only. CSV: the whole field,
 * quoted where needed, never a formula. */
void escape_text(struct buf *out, const char *text, bool is_utf8);
void escape_markdown(struct buf *out, const char *text);
void escape_csv(struct buf *out, const char *text);
/* XML 1.0, for text and for attributes in double quotes. */
void escape_xml(struct buf *out, const char *text);
/* The value of a label of OpenMetrics, without its quotes. */
void escape_label(struct buf *out, const char *text);
/* Of GitHub's workflow commands: the message, or with is_property the value of a property. */
void escape_command(struct buf *out, const char *text, bool is_property);

/* Appends the number of the cell with its unit. Not for texts and bars. */
void format_cell(struct buf *out, const struct cell *cell);

/* A paragraph of page_say(), without its checks. */
int print_paragraph(const struct page *page, enum tone tone, unsigned int hang, const char *text);

unsigned int page_width(const struct page *page);

#endif
