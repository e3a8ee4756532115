/* SPDX-License-Identifier: MIT */
/* A table: titled columns with typed cells, ready to print as text, JSON, CSV or Markdown.
 * Reports build tables; printers know nothing about reports. */
#ifndef USERSPACE_VIEW_TABLE_TABLE_H
#define USERSPACE_VIEW_TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum cell_type { CELL_NONE, CELL_TEXT, CELL_NS, CELL_BYTES, CELL_COUNT, CELL_RATIO, CELL_BAR };
enum tone { TONE_PLAIN, TONE_DIM, TONE_GOOD, TONE_WARN, TONE_BAD, TONE_STRONG };
enum align { ALIGN_LEFT, ALIGN_RIGHT };
enum table_format { TABLE_TEXT, TABLE_JSON, TABLE_CSV, TABLE_MARKDOWN };

/* Text and Markdown are for people, JSON and CSV for programs. What people get merged or put into
 * words, programs get whole. */
enum audience { FOR_ALL, FOR_PEOPLE, FOR_PROGRAMS };

struct column {
	const char *title; /* human: "peak rss" */
	const char *key;   /* JSON and CSV: "peak_rss_bytes" */
	enum align align;
	enum audience audience;
	bool is_elastic;  /* text: takes what width is left, is cut with "…" */
	bool gives_first; /* text: is cut before any other column is */
	bool is_folded;	  /* text: is continued on the next line instead of being cut */
	bool is_dim;	  /* text: is of less interest than the others */
};

struct table;

/* @title is a plain word or two of ours, printed above; "" prints none. @columns is borrowed. */
struct table *table_new(const char *title, const struct column *columns, size_t n_columns);
struct table *table_free(struct table *t);

/* Cells are added row by row, left to right. Text is copied. UNKNOWN numbers and NULL texts are
 * missing cells: "-" in text and Markdown, null in JSON, empty in CSV. Errors stick and come out
 * of table_print, that of table_new too. */
void table_text(struct table *t, const char *text);
void table_textf(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_ns(struct table *t, int64_t ns);
void table_bytes(struct table *t, int64_t bytes);
void table_count(struct table *t, int64_t count);
void table_ratio(struct table *t, double ratio);
/* A number of any of these types, as statistics have it; NAN is missing. */
void table_number(struct table *t, enum cell_type type, double value);
/* A stretch of a bar: [from, to) of a whole of 1.0, drawn in the column's width. Not in CSV/JSON. */
void table_bar(struct table *t, double from, double to);

/* Tone, indentation (in levels; trees) and audience of a row: called before its first cell. */
void table_tone(struct table *t, enum tone tone);
void table_indent(struct table *t, unsigned int levels);
void table_audience(struct table *t, enum audience audience);

/* Text: no line with the titles of the columns. */
void table_hide_titles(struct table *t);

/* Lines printed above and below the table in text and Markdown ("lead" and "notes" in JSON). */
void table_lead(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_note(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Something failed while it was built; nothing if @error is not negative. */
void table_fail(struct table *t, int error);

size_t table_rows(const struct table *t); /* those for people */

/* Where something is printed, and how. The first failure sticks: nothing is printed after it. */
struct page {
	FILE *f;
	enum table_format format;
	unsigned int width; /* columns of the terminal; 0: 80 */
	bool use_color;
	bool is_utf8; /* else ASCII only */
	int error;    /* 0, -EIO when @f fails, -ENOMEM */
};

/* Prints @t. Everything that came from a target is escaped for the format: no control byte, no escape
 * sequence, no HTML or Markdown reaches the output alive. Returns the page's error. */
int table_print(const struct table *t, struct page *page);
/* The same of a table just built, which it frees. */
int table_show(struct table *t, struct page *page);

/* One paragraph, escaped and folded at blanks, later lines indented by @hang; in Markdown as it is. Its
 * tone only shows on a terminal. Nothing in JSON and CSV. */
void page_say(struct page *page, enum tone tone, unsigned int hang, const char *text);
/* Writes and checks what is left in memory. Returns the page's error. */
int page_flush(struct page *page);

#endif
