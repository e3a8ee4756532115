/* SPDX-License-Identifier: MIT */
/* A table: titled columns with typed cells, ready to print as text, JSON, CSV or Markdown.
 * Reports build tables; printers know nothing about reports. */
#ifndef USERSPACE_VIEW_TABLE_H
#define USERSPACE_VIEW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum cell_type { CELL_NONE, CELL_TEXT, CELL_NS, CELL_BYTES, CELL_COUNT, CELL_RATIO, CELL_BAR };
enum tone { TONE_PLAIN, TONE_DIM, TONE_GOOD, TONE_WARN, TONE_BAD, TONE_STRONG };
enum align { ALIGN_LEFT, ALIGN_RIGHT };
enum table_format { TABLE_TEXT, TABLE_JSON, TABLE_CSV, TABLE_MARKDOWN };

struct column {
	const char *title; /* human: "peak rss" */
	const char *key;   /* JSON and CSV: "peak_rss_bytes" */
	enum align align;
	bool is_elastic; /* text: takes what width is left, is cut with "…" */
	bool is_machine; /* only in JSON and CSV */
};

struct table;

int table_new(const char *title, const struct column *columns, size_t n_columns,
	      struct table **ret);
struct table *table_free(struct table *t);

/* Cells are added row by row, left to right. Text is copied. UNKNOWN numbers and NULL texts are
 * missing cells: "-" in text and Markdown, null in JSON, empty in CSV. Errors stick and come out
 * of table_print. */
void table_text(struct table *t, const char *text);
void table_textf(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_ns(struct table *t, int64_t ns);
void table_bytes(struct table *t, int64_t bytes);
void table_count(struct table *t, int64_t count);
void table_ratio(struct table *t, double ratio);
/* A stretch of a bar: [from, to) of a whole of 1.0, drawn in the column's width. Not in CSV/JSON. */
void table_bar(struct table *t, double from, double to);
/* Tone and indentation (in levels; trees) of the row being filled. */
void table_tone(struct table *t, enum tone tone);
void table_indent(struct table *t, unsigned int levels);

/* Lines printed above and below the table in text and Markdown ("note" in JSON). */
void table_lead(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_note(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

size_t table_rows(const struct table *t);

struct print_style {
	unsigned int width; /* columns of the terminal; 0: 80 */
	bool use_color;
	bool is_utf8; /* else ASCII only */
};

/* Everything that came from a target is escaped for the format: no control byte, no escape
 * sequence, no HTML or Markdown reaches the output alive. -EIO when @f fails. */
int table_print(const struct table *t, enum table_format format, const struct print_style *style,
		FILE *f);

#endif
