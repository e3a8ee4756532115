/* SPDX-License-Identifier: MIT */
/* libiberty takes names apart. A short name can stand for one of gigabytes (each part may say "the same
 * again, twice"), so it is left in the middle of its work when there is enough. */
#include "userspace/stacks/demangle.h"

#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

#if __has_include(<libiberty/demangle.h>)
#include <libiberty/demangle.h>
#else
#include <demangle.h>
#endif

struct readable {
	char text[DEMANGLED_MAX];
	size_t n;
	jmp_buf enough;
};

static void add_piece(const char *piece, size_t n, void *user)
{
	struct readable *r = user;
	const size_t room = sizeof(r->text) - r->n;
	if (n == 0) /* then there is perhaps no piece */
		return;
	memcpy(r->text + r->n, piece, n < room ? n : room);
	r->n += n < room ? n : room;
	/* It has all it works on in its stack frames: nothing is lost by leaving them. */
	if (n > room)
		longjmp(r->enough, 1);
}

/* 1: whole, 0: it is no mangled name, -1: cut. */
static int take_apart(const char *name, struct readable *r)
{
	r->n = 0;
	if (setjmp(r->enough) != 0)
		return -1;
	if (rust_demangle_callback(name, DMGL_PARAMS, add_piece, r) != 0)
		return 1;
	r->n = 0;
	return cplus_demangle_v3_callback(name, DMGL_PARAMS | DMGL_ANSI, add_piece, r) != 0;
}

int demangle(const char *name, struct buf *ret)
{
	struct readable r;
	const bool may_be = strncmp(name, "_Z", 2) == 0 || strncmp(name, "_R", 2) == 0;
	const int taken = may_be && strlen(name) <= MANGLED_MAX ? take_apart(name, &r) : 0;
	if (taken == 0)
		return buf_adds(ret, name);
	(void)buf_add(ret, r.text, r.n);
	return taken < 0 ? buf_adds(ret, "…") : ret->error;
}
