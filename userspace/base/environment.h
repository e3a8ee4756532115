/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_ENVIRONMENT_H
#define STARTLINE_BASE_ENVIRONMENT_H
/*
 * Environments of programs: NULL-terminated lists of "NAME=VALUE".
 */

#include <stdbool.h>

/* Whether both are variables of one name. */
bool environment_is_same(const char *a, const char *b);
/* The value of @name in @environment (NULL: ours), or NULL. Makes no system call and allocates nothing. */
const char *environment_find(char *const *environment, const char *name);
/* Whether this is the job of a CI system: all of them set CI. */
bool environment_is_ci(void);
/* A copy of @environment (NULL: ours) with the variables of @added, the last of a name, in place of those
 * that are there. The strings are borrowed, the list is the caller's to free. NULL: no memory. */
char **environment_with(char *const *environment, char *const *added);

#endif
