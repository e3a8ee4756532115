/* SPDX-License-Identifier: MIT */

#include "userspace/foreign/forms/csv.h"

#include <string.h>
#include <strings.h>

#include "userspace/base/cleanup.h"
#include "userspace/foreign/internal.h"

#define MAX_ROW ((size_t)1 << 20)

/* Up to the closing quote; two quotes are one. */
static void read_quoted(struct csv *c)
{
	for (c->at++; c->at < c->end; c->at++) {
		c->next_line += *c->at == '\n';
		if (*c->at == '"' && (c->at + 1 == c->end || c->at[1] != '"')) {
			c->at++;
			return;
		}
		c->at += *c->at == '"';
		(void)buf_addc(&c->fields, *c->at);
	}
	c->error = "a quote is not closed";
}

static void read_field(struct csv *c)
{
	while (c->at < c->end && (*c->at == ' ' || (*c->at == '\t' && c->separator != '\t')))
		c->at++;
	if (c->at < c->end && *c->at == '"')
		read_quoted(c);
	size_t n_kept = c->fields.len;
	for (; c->at < c->end && *c->at != c->separator && *c->at != '\n'; c->at++) {
		(void)buf_addc(&c->fields, *c->at);
		if (strchr(" \t\r", *c->at) == NULL)
			n_kept = c->fields.len;
	}
	buf_truncate(&c->fields, n_kept);
	(void)buf_addc(&c->fields, '\0');
}

bool csv_next(struct csv *c)
{
	if (c->at >= c->end)
		return false;
	buf_clear(&c->fields);
	c->line = c->next_line;
	for (c->n = 0;; c->at++) {
		if (c->n == CSV_MAX_COLUMNS) {
			c->error = "too many columns";
			return false;
		}
		c->columns[c->n++] = c->fields.len;
		read_field(c);
		if (c->fields.error < 0)
			c->error = "the row is too long";
		if (c->at >= c->end || *c->at == '\n' || c->error != NULL)
			break;
	}
	c->next_line += c->at < c->end;
	c->at++;
	return c->error == NULL;
}

const char *csv_field(const struct csv *c, int column)
{
	if (column < 0 || (size_t)column >= c->n)
		return NULL;
	return buf_str(&c->fields) + c->columns[column];
}

int csv_column(const struct csv *c, const char *title)
{
	for (size_t i = 0; i < c->n; i++) {
		if (strcasecmp(csv_field(c, (int)i), title) == 0)
			return (int)i;
	}
	return -1;
}

bool csv_is_empty(const struct csv *c)
{
	return c->n == 1 && csv_field(c, 0)[0] == '\0';
}

static bool has_titles(const struct csv *c, const char *const *titles)
{
	for (; *titles != NULL; titles++) {
		if (csv_column(c, *titles) < 0)
			return false;
	}
	return true;
}

bool csv_begin(struct csv *c, const char *text, size_t length, const char *const *titles)
{
	*c = (struct csv){ .line = 1 };
	buf_init(&c->fields, MAX_ROW);
	if (memchr(text, '\0', length) != NULL) {
		c->error = "a byte of zeroes: it is not text";
		return false;
	}
	for (const char *separator = ",;\t"; *separator != '\0'; separator++) {
		c->at = text;
		c->end = text + length;
		c->separator = *separator;
		c->next_line = 1;
		c->error = NULL;
		if (csv_next(c) && has_titles(c, titles))
			return true;
	}
	c->error = NULL;
	return false;
}

void csv_done(struct csv *c)
{
	buf_done(&c->fields);
}

bool csv_sniff(const char *text, size_t length, const char *const *titles)
{
	_cleanup_(csv_done) struct csv c;
	return csv_begin(&c, text, length, titles);
}
