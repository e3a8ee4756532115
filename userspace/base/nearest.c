/* SPDX-License-Identifier: MIT */
/* Edits as Levenshtein counts them. */

#include "userspace/base/nearest.h"

#include <stddef.h>
#include <string.h>

#define WORD_MAX  ((size_t)32)
#define EDITS_MAX ((size_t)3)

static size_t distance(const char *a, const char *b)
{
	const size_t n = strlen(b);
	size_t row[WORD_MAX + 1];
	if (n > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; *a != '\0' && i <= WORD_MAX; a++, i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			const size_t change = diagonal + (*a != b[j - 1]);
			const size_t edit = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			diagonal = row[j];
			row[j] = change < edit ? change : edit;
		}
	}
	return row[n];
}

const char *nearest_word(const char *word, const char *const *words)
{
	const char *best = NULL;
	/* A word that has to be replaced as a whole was not meant. */
	size_t best_distance = strlen(word) <= EDITS_MAX ? strlen(word) : EDITS_MAX + 1;
	for (; *words != NULL; words++) {
		const size_t d = distance(word, *words);
		if (d < best_distance) {
			best_distance = d;
			best = *words;
		}
	}
	return best;
}
