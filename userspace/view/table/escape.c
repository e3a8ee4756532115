/* SPDX-License-Identifier: MIT */
/* Makes text from a target harmless for where it is printed: the one place per format. */

#include <string.h>
#include <strings.h>

#include "userspace/base/units.h"
#include "userspace/base/utf8.h"
#include "userspace/view/table/internal.h"

/* What runners of CI jobs obey inside a log: "##[command]" and "##vso[" anywhere in a line, and
 * "::command::" at its start (GitHub's and Azure's runner, ActionCommand.cs). */
static bool starts_command(const char *s, bool is_at_start)
{
	return strncmp(s, "##[", 3) == 0 || strncmp(s, "##vso[", 6) == 0 ||
	       (is_at_start && strncmp(s, "::", 2) == 0);
}

static void add_byte(struct buf *out, char c)
{
	(void)buf_addf(out, "\\x%02x", (unsigned int)(unsigned char)c);
}

void escape_text(struct buf *out, const char *text, bool is_utf8)
{
	const size_t before = out->len;
	if (text_escape(out, text, strlen(text)) < 0)
		return;
	_cleanup_free_ char *safe = strdup(out->data == NULL ? "" : out->data + before);
	if (safe == NULL) {
		out->error = -ENOMEM;
		return;
	}
	buf_truncate(out, before);
	/* Blanks in front do not help, runners skip them, and long lines are folded at blanks. */
	bool is_at_start = true;
	for (const char *s = safe; *s != '\0'; s++) {
		const bool is_ascii = (unsigned char)*s < 0x80;
		if ((!is_ascii && !is_utf8) || starts_command(s, is_at_start))
			add_byte(out, *s);
		else
			(void)buf_addc(out, *s);
		is_at_start = *s == ' ';
	}
}

/* The text that the other escapes begin with, in @safe; its failure is @out's. */
static const char *harmless(struct buf *safe, const char *text, struct buf *out)
{
	buf_init(safe, out->limit);
	escape_text(safe, text, true);
	if (safe->error < 0)
		out->error = safe->error;
	return buf_str(safe);
}

/* What is markup in HTML and XML; false: it is none. */
static bool add_entity(struct buf *out, char c)
{
	const char *entity = c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : NULL;
	return entity != NULL && (buf_adds(out, entity), true);
}

/* Forges look for mentions, issues and links in the text that is left when escapes and entities are
 * undone: only another character in between keeps them from being found. This one is invisible. */
#define WORD_JOINER "&#8288;"

void escape_markdown(struct buf *out, const char *text)
{
	_cleanup_(buf_done) struct buf safe;
	const char *begin = harmless(&safe, text, out);
	for (const char *s = begin; *s != '\0'; s++) {
		if (add_entity(out, *s))
			continue;
		if (*s == '@')
			(void)buf_adds(out, "&#64;" WORD_JOINER);
		else if ((*s == '#' || *s == '!') && s[1] >= '0' && s[1] <= '9')
			(void)buf_addf(out, "\\%c" WORD_JOINER, *s);
		else if (strncmp(s, "://", 3) == 0)
			(void)buf_adds(out, "&#58;" WORD_JOINER);
		else if (*s == '.' && (s - begin) >= 3 && strncasecmp(s - 3, "www", 3) == 0)
			(void)buf_adds(out, "&#46;" WORD_JOINER);
		else if (strchr("\\`*_[]#|~$", *s) != NULL ||
			 (*s == '(' && s > begin && s[-1] == ']') ||
			 (s == begin && strchr("+-=", *s) != NULL))
			(void)buf_addf(out, "\\%c", *s);
		else
			(void)buf_addc(out, *s);
	}
}

/* Spreadsheets take a field that begins so for a formula; full-width forms are converted to ASCII
 * by some of them (OWASP, "CSV Injection"). */
static bool is_formula(const char *text)
{
	static const char *const starts[] = { "=", "+", "-", "@", "＝", "＋", "－", "＠" };
	while (*text == ' ')
		text++;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (strncmp(text, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

void escape_csv(struct buf *out, const char *text)
{
	_cleanup_(buf_done) struct buf safe;
	const bool is_dangerous = is_formula(text);
	const char *s = harmless(&safe, text, out);
	if (!is_dangerous && strpbrk(s, ",\" '") == NULL) {
		(void)buf_adds(out, s);
		return;
	}
	(void)buf_adds(out, is_dangerous ? "\"'" : "\"");
	for (; *s != '\0'; s++) {
		if (*s == '"')
			(void)buf_addc(out, '"');
		(void)buf_addc(out, *s);
	}
	(void)buf_addc(out, '"');
}

void escape_xml(struct buf *out, const char *text)
{
	_cleanup_(buf_done) struct buf safe;
	for (const char *s = harmless(&safe, text, out); *s != '\0'; s++) {
		if (add_entity(out, *s))
			continue;
		if (*s == '"')
			(void)buf_adds(out, "&quot;");
		else if (strncmp(s, "\xef\xbf\xbe", 3) == 0 || strncmp(s, "\xef\xbf\xbf", 3) == 0) {
			/* U+FFFE and U+FFFF are no characters of XML. */
			add_byte(out, s[0]);
			add_byte(out, s[1]);
			add_byte(out, s[2]);
			s += 2;
		} else
			(void)buf_addc(out, *s);
	}
}

void escape_label(struct buf *out, const char *text)
{
	_cleanup_(buf_done) struct buf safe;
	for (const char *s = harmless(&safe, text, out); *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			(void)buf_addc(out, '\\');
		(void)buf_addc(out, *s);
	}
}

/* As the runner undoes it (actions/toolkit, command.ts: escapeData and escapeProperty). */
void escape_command(struct buf *out, const char *text, bool is_property)
{
	_cleanup_(buf_done) struct buf safe;
	for (const char *s = harmless(&safe, text, out); *s != '\0'; s++) {
		if (*s == '%' || (is_property && (*s == ':' || *s == ',')))
			(void)buf_addf(out, "%%%02X", (unsigned int)(unsigned char)*s);
		else
			(void)buf_addc(out, *s);
	}
}

void format_cell(struct buf *out, const struct cell *cell)
{
	static char *(*const formats[])(char *, double) = {
		[CELL_NS] = format_ns,
		[CELL_BYTES] = format_bytes,
		[CELL_COUNT] = format_count,
		[CELL_RATIO] = format_percent,
	};
	char text[UNITS_BYTES];
	(void)buf_adds(out, is_number(cell) ? formats[cell->type](text, cell->number) : "-");
}
