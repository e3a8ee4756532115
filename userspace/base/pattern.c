/* SPDX-License-Identifier: MIT */
/* regcomp(), less what takes exponential time to match. */

#include "userspace/base/pattern.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The end of the bracket expression that begins at @p, where a backslash is a character like others. */
static const char *skip_bracket(const char *p)
{
	p += p[1] == '^' ? 2 : 1;
	/* A "]" in the first place is a member. */
	if (*p == ']')
		p++;
	while (*p != '\0' && *p != ']') {
		const bool is_class = p[0] == '[' && p[1] != '\0' && strchr(":.=", p[1]) != NULL;
		const char end[] = { p[1], ']', '\0' };
		const char *class_end = is_class ? strstr(p + 2, end) : NULL;
		p = class_end != NULL ? class_end + 2 : p + 1;
	}
	return p;
}

static bool has_back_reference(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '[')
			p = skip_bracket(p);
		else if (*p == '\\' && p[1] >= '1' && p[1] <= '9')
			return true;
		else if (*p == '\\' && p[1] != '\0')
			p++;
		if (*p == '\0')
			break;
	}
	return false;
}

int pattern_compile(const char *text, int flags, regex_t *ret, char *why, size_t size)
{
	if (has_back_reference(text)) {
		(void)snprintf(why, size, "it has a back-reference, such as \\1");
		return -EINVAL;
	}
	const int code = regcomp(ret, text, REG_EXTENDED | flags);
	if (code == 0)
		return 0;
	(void)regerror(code, ret, why, size);
	return -EINVAL;
}
