/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_SHELLWORDS_H
#define STARTLINE_BASE_SHELLWORDS_H
/*
 * Splits a command line by the quoting rules of a POSIX shell (2.2 of its Shell Command Language),
 * without a shell: blanks and newlines separate words, '…' keeps all as it is, "…" all but a
 * backslash before $ ` " \ and newline, a backslash elsewhere keeps the next byte and removes
 * itself with a newline. Nothing is expanded: $, *, ~, |, ; and # are bytes like any other.
 */

#include <stddef.h>

#include "userspace/base/arena.h"

/* Longest text and most words that are taken: as the kernel's limits on an argument (MAX_ARG_STRLEN)
 * and more than anybody types. */
#define SHELLWORDS_TEXT_MAX  ((size_t)128 << 10)
#define SHELLWORDS_WORDS_MAX ((size_t)4096)

/* *ret_words: NULL-terminated, at least one word, all in @arena; *ret_n (may be NULL): how many.
 * -EINVAL, not logged: *ret_error is a static text that says what is wrong ("a quote ' is not
 * closed"), *ret_at the offset in @text where it began. -ENOMEM likewise. */
int shellwords_split(struct arena *arena, const char *text, char ***ret_words, size_t *ret_n,
		     const char **ret_error, size_t *ret_at);

/* Where the first thing begins that only a shell would understand: an operator (&&, |, ;, &, >), a $NAME, a
 * ~ or an assignment before the command, outside of quotes; *ret_n is its length. NULL: there is none. What
 * a program may well be given in the middle of a word (a;b, ?a=1&b=2) is none. */
const char *shellwords_needs_shell(const char *text, size_t *ret_n);

/* One word as it is typed into a shell: as it is, or in quotes where it has to be. In @arena; NULL: no
 * memory. */
const char *shellwords_quote(struct arena *arena, const char *word);

#endif
