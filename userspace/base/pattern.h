/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_PATTERN_H
#define STARTLINE_BASE_PATTERN_H
/*
 * Regular expressions that users give, to be matched with what a target writes: POSIX extended ones,
 * without the back-references that libraries add, since with these a line of a few hundred bytes can
 * take minutes.
 */

#include <regex.h>
#include <stddef.h>

/* As regcomp() with REG_EXTENDED and @flags. 0, or -EINVAL: *ret is nothing, and @why (of @size) says
 * what is wrong. */
int pattern_compile(const char *text, int flags, regex_t *ret, char *why, size_t size);

#endif
