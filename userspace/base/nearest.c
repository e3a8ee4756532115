/* SPDX-License-Identifier: MIT */
/* Edits as typists make them: a letter too many, too few, another, or two that changed places. */

#include "userspace/base/nearest.h"

#include <stddef.h>
#include <string.h>

#define WORD_MAX ((size_t)32)

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Neither is longer than WORD_MAX. */
static size_t distance(const char *a, const char *b)
{
	const size_t n = strlen(b);
	size_t rows[3][WORD_MAX + 1]; /* of the last three letters of @a, in turns */
	size_t i = 0;
	for (size_t j = 0; j <= n; j++)
		rows[0][j] = j;
	for (i = 1; a[i - 1] != '\0'; i++) {
		size_t *row = rows[i % 3];
		const size_t *before = rows[(i + 2) % 3];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			row[j] = smaller(smaller(before[j], row[j - 1]) + 1,
					 before[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = smaller(row[j], rows[(i + 1) % 3][j - 2] + 1);
		}
	}
	return rows[(i - 1) % 3][n];
}

/* One in three letters, two in seven, three in eleven: with more it is another word. */
static size_t edits_allowed(size_t length)
{
	return (length + 1) / 4;
}

const char *nearest_word(const char *word, const char *const *words)
{
	const char *best = NULL;
	size_t best_distance = WORD_MAX;
	const size_t length = strlen(word);
	for (; *words != NULL; words++) {
		const size_t other = strlen(*words);
		const size_t longer = length > other ? length : other;
		if (longer > WORD_MAX)
			continue;
		const size_t d = distance(word, *words);
		if (d <= edits_allowed(longer) && d < best_distance) {
			best_distance = d;
			best = *words;
		}
	}
	return best;
}
