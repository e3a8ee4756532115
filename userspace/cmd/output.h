/* SPDX-License-Identifier: MIT */
/* -o FILE: where a command's result goes. */
#ifndef USERSPACE_CMD_OUTPUT_H
#define USERSPACE_CMD_OUTPUT_H

#include <stdio.h>

/* Opens @path with the rights of the user behind sudo; @path NULL: @fallback as it is. Negative
 * errno, logged. */
int output_open(const char *path, FILE *fallback, FILE **ret);
/* Closes what output_open() gave, and finds out whether all was written. @result is that of the
 * writing; returns it, or the failure of the last flush (logged). @fallback is not closed. */
int output_close(const char *path, FILE *f, int result);

#endif
