/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_STDFD_H
#define STARTLINE_BASE_STDFD_H
/*
 * A program may be started with descriptors 0, 1 or 2 closed (`startline run -- CMD <&-`). The
 * first file it opens would then become its standard output. Call this before anything is opened.
 */

/* Bits of *ret_closed. */
enum {
	STDFD_IN_CLOSED = 1 << 0,
	STDFD_OUT_CLOSED = 1 << 1,
	STDFD_ERR_CLOSED = 1 << 2,
};

/* Opens /dev/null on each of 0, 1, 2 that is closed: 0 and 1 for reading, so that writing results
 * to a closed standard output still fails as it must, and 2 for writing. *ret_closed tells which
 * ones they were, so that a program started by us can be given them closed again. Returns 0 or a
 * negative errno. */
int stdfd_ensure_open(unsigned int *ret_closed);

#endif
