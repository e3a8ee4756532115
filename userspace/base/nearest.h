/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_NEAREST_H
#define STARTLINE_BASE_NEAREST_H
/*
 * Guesses which word was meant: "reprot" is "report".
 */

/* Of @words, which ends with NULL, the one that is fewest edits away; NULL: none is so near that
 * it was meant. */
const char *nearest_word(const char *word, const char *const *words);

#endif
