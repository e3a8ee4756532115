/* SPDX-License-Identifier: MIT */
/* Text line by line, and the words and numbers in it. */

#include <stdio.h>
#include <string.h>

#include "userspace/base/units.h"
#include "userspace/foreign/internal.h"

bool foreign_line(const char **at, const char *end, const char **ret, size_t *ret_length)
{
	if (*at >= end)
		return false;
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));
	*ret = *at;
	*ret_length = (size_t)((newline != NULL ? newline : end) - *at);
	*at += *ret_length + 1;
	return true;
}

/* Takes out the commas before groups of three digits. A comma that could be a decimal one is an error
 * instead of a guess. */
static bool drop_commas(char *text)
{
	const char *from = strchr(text, ',');
	if (from == NULL)
		return true;
	const size_t n_first = (size_t)(from - text);
	if (n_first == 0 || n_first > 3 || text[0] == '0' || strspn(text, "0123456789") != n_first)
		return false;
	char *to = text + n_first;
	while (*from == ',') {
		if (strspn(from + 1, "0123456789") != 3)
			return false;
		memmove(to, from + 1, 3);
		to += 3;
		from += 4;
	}
	memmove(to, from, strlen(from) + 1);
	return true;
}

bool foreign_number(const char *text, double *ret)
{
	char copy[64];
	return snprintf(copy, sizeof(copy), "%s", text) < (int)sizeof(copy) && drop_commas(copy) &&
	       parse_double(copy, ret) == 0;
}

size_t foreign_count(double value)
{
	return value >= 0 && value <= 1e15 ? (size_t)value : 0;
}

size_t foreign_words(char *line, char **ret, size_t most)
{
	static const char blanks[] = " \t\r";
	size_t n = 0;
	for (char *at = line + strspn(line, blanks); *at != '\0' && n < most;) {
		ret[n++] = at;
		at += strcspn(at, blanks);
		if (*at != '\0')
			*at++ = '\0';
		at += strspn(at, blanks);
	}
	return n;
}

bool foreign_is_one_of(const char *word, const char *const *words)
{
	while (*words != NULL && strcmp(*words, word) != 0)
		words++;
	return *words != NULL;
}

bool foreign_holds(const char *text, size_t length, const char *word)
{
	return memmem(text, length, word, strlen(word)) != NULL;
}
