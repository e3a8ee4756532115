/* SPDX-License-Identifier: MIT */
/* Looks for the plain text that an expression contains, which is as fast as reading; only where that is
 * found, for the expression, over many lines at once. */
#include "userspace/collect/ready/log_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/pattern.h"

struct condition {
	const char *literal; /* in the rule's text, not terminated */
	size_t n_literal;
	regex_t regex;
	bool has_regex; /* false: nothing is held back */
};

struct log_filter {
	size_t n;
	struct condition *conditions;
};

/* ---- the plain text of an expression ---- */

/* One past the bracket expression that begins at @at. */
static const char *after_bracket(const char *at)
{
	at++;
	at += *at == '^';
	at += *at == ']';
	while (*at != '\0' && *at != ']') {
		char kind = '\0';
		if (at[0] == '[')
			kind = at[1];
		if (kind == ':' || kind == '.' || kind == '=') {
			const char end[] = { kind, ']', '\0' };
			const char *close = strstr(at + 2, end);
			at = close != NULL ? close + 1 : at;
		}
		at++;
	}
	return *at == ']' ? at + 1 : at;
}

static bool is_plain(char c)
{
	/* A character of several bytes may be repeated as a whole. */
	return c != '\0' && (unsigned char)c < 0x80 && strchr("^$.[]()|*+?{}\\", c) == NULL;
}

size_t log_filter_literal(const char *pattern, const char **ret_at)
{
	size_t longest = 0;
	int depth = 0;
	*ret_at = pattern;
	if (strchr(pattern, '|') != NULL)
		return 0;
	for (const char *at = pattern; *at != '\0';) {
		size_t n = 0;
		while (is_plain(at[n]))
			n++;
		const char *next = at + n;
		/* The last one may be absent. */
		const size_t sure =
			n > 0 && strchr("*?{", *next) != NULL && *next != '\0' ? n - 1 : n;
		if (depth == 0 && sure > longest) {
			longest = sure;
			*ret_at = at;
		}
		depth += *next == '(' ? 1 : *next == ')' ? -1 : 0;
		if (*next == '[')
			at = after_bracket(next);
		else if (*next == '{')
			at = next + strcspn(next, "}");
		else if (*next == '\\' && next[1] != '\0')
			at = next + 2;
		else
			at = *next != '\0' ? next + 1 : next;
	}
	return longest;
}

/* ---- conditions ---- */

/* Expressions that look at the beginning or the end of all there is see another text here. */
static bool asks_for_ends(const char *pattern)
{
	return strstr(pattern, "\\`") != NULL || strstr(pattern, "\\'") != NULL;
}

static void condition_init(struct condition *c, const char *pattern)
{
	char why[256];
	*c = (struct condition){ .literal = pattern };
	c->n_literal = log_filter_literal(pattern, &c->literal);
	c->has_regex = !asks_for_ends(pattern) && pattern_compile(pattern, REG_NOSUB | REG_NEWLINE,
								  &c->regex, why, sizeof(why)) == 0;
}

int log_filter_new(const struct ready_rule *rules, size_t n_rules, struct log_filter **ret)
{
	struct log_filter *f = calloc(1, sizeof(*f));
	struct condition *conditions = calloc(n_rules + 1, sizeof(*conditions));
	if (f == NULL || conditions == NULL) {
		free(f);
		free(conditions);
		return -ENOMEM;
	}
	f->conditions = conditions;
	for (size_t i = 0; i < n_rules; i++) {
		if (rules[i].type == READY_LOG)
			condition_init(&conditions[f->n++], rules[i].argument);
	}
	*ret = f;
	return 0;
}

struct log_filter *log_filter_free(struct log_filter *f)
{
	if (f == NULL)
		return NULL;
	for (size_t i = 0; i < f->n; i++) {
		if (f->conditions[i].has_regex)
			regfree(&f->conditions[i].regex);
	}
	free(f->conditions);
	free(f);
	return NULL;
}

/* As ready_watch.c has lines: without NUL, and without what a terminal adds at their ends. */
static char *plain_lines(const char *text, size_t n)
{
	char *lines = malloc(n + 1);
	size_t kept = 0;
	for (size_t i = 0; lines != NULL && i < n; i++) {
		if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n')
			continue;
		lines[kept++] = text[i];
		if (text[i] == '\0')
			lines[kept - 1] = '\1';
	}
	if (lines != NULL)
		lines[kept] = '\0';
	return lines;
}

bool log_filter_passes(const struct log_filter *f, const char *text, size_t n)
{
	char *lines = NULL;
	bool passes = false;
	for (size_t i = 0; i < f->n && !passes; i++) {
		const struct condition *c = &f->conditions[i];
		if (memmem(text, n, c->literal, c->n_literal) == NULL)
			continue;
		if (lines == NULL)
			lines = plain_lines(text, n);
		passes = !c->has_regex || lines == NULL ||
			 regexec(&c->regex, lines, 0, NULL, 0) == 0;
	}
	free(lines);
	return passes;
}
