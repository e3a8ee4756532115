/* SPDX-License-Identifier: MIT */
/* Names for programs: as little of a command line as tells one from the other. */
#ifndef USERSPACE_VIEW_REPORT_LABEL_H
#define USERSPACE_VIEW_REPORT_LABEL_H

#include "userspace/base/buf.h"
#include "userspace/model/session.h"

/* "gcc -c src/f1.c" of "/usr/bin/gcc -Wall -O2 -c -o src/f1.o src/f1.c": the name without its
 * folders, and what of the arguments says most, in about @columns columns. Replaces what is in
 * @ret and returns it; @exe, which may be NULL, is for when there are no arguments. */
const char *label_command(const char *exe, const struct text_list *argv, size_t columns,
			  struct buf *ret);

/* The same of what the process ran in @image; NULL: before it ran anything of its own, "gcc: fork",
 * or what its parent ran then, with "[pid]". */
const char *label_image(const struct run *run, int process, const struct image *image,
			size_t columns, struct buf *ret);

/* Appends a function by its name, "libfoo.so+0x1f40" where no symbol covers it, "libfoo.so+0x..." of many
 * places (@is_one_place false), "[unknown]" where it belongs to nothing known; NULL: "[no stack]". */
void label_frame(const struct frame *frame, bool is_one_place, struct buf *out);
/* Appends where a stack is, in words: "retry_connect, db.c:112"; nothing where it has no name. */
void label_place(const struct session *s, int64_t stack, struct buf *out);

/* The last part of a path. */
const char *label_base(const char *path);

#endif
