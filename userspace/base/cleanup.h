/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_CLEANUP_H
#define STARTLINE_BASE_CLEANUP_H
/*
 * Locals that own what they hold, so that no function needs a `goto out`.
 *
 *	_cleanup_free_ char *name = NULL;
 *	_cleanup_(buf_done) struct buf text;          a _done function fits as it is
 *	_cleanup_(arena_freep) struct arena *arena = arena_new();
 *	...
 *	*ret = take_ptr(name);                        hands the object over
 *	return 0;
 *
 * Always initialise an owner where it is declared. A module with `T *x_free(T *)` gets its
 * x_freep from DEFINE_FREEP(struct x, x_free).
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Defines fn##p, which takes the address of a pointer to @type and frees what it points to.
 * @fn must accept NULL. */
#define DEFINE_FREEP(type, fn)                 \
	static inline void fn##p(type **owner) \
	{                                      \
		(void)fn(*owner);              \
	}

/* Yields the pointer and leaves NULL behind. */
#define take_ptr(owner)                                   \
	__extension__({                                   \
		__typeof__(owner) *take_from_ = &(owner); \
		__typeof__(owner) taken_ = *take_from_;   \
		*take_from_ = NULL;                       \
		taken_;                                   \
	})

/* Yields the descriptor in @owner and leaves -1 behind. */
static inline int take_fd_from(int *owner)
{
	const int fd = *owner;
	*owner = -1;
	return fd;
}
#define take_fd(owner) take_fd_from(&(owner))

static inline void cleanup_free(void *owner)
{
	/* The owner's type is only known to the caller: read it as bytes. */
	void *object;
	__builtin_memcpy(&object, owner, sizeof(object));
	free(object);
}

/* A failing close is not reported here: who cares for the outcome (a file that was written)
 * closes by hand. */
static inline void cleanup_close(const int *owner)
{
	if (*owner >= 0)
		(void)close(*owner);
}

static inline void cleanup_fclose(FILE **owner)
{
	if (*owner != NULL)
		(void)fclose(*owner);
}

static inline void cleanup_closedir(DIR **owner)
{
	if (*owner != NULL)
		(void)closedir(*owner);
}

#define _cleanup_free_	   _cleanup_(cleanup_free)     /* char *p = NULL */
#define _cleanup_close_	   _cleanup_(cleanup_close)    /* int fd = -1 */
#define _cleanup_fclose_   _cleanup_(cleanup_fclose)   /* FILE *f = NULL */
#define _cleanup_closedir_ _cleanup_(cleanup_closedir) /* DIR *d = NULL */

#endif
