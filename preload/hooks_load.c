/* SPDX-License-Identifier: MIT */
/* Libraries that are loaded so that they do not see us: with RTLD_DEEPBIND they find malloc in libc
 * first, in a namespace of their own they have another libc. What they allocate is not counted, and
 * this is where that is noted. The flag stays: without it the program would be another one.
 *
 * The loader looks at its return address to know whose RUNPATH to search, so the real function is
 * jumped to. That is why nothing can be done here after it. */
#include "preload/hooks.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include "preload/exact.h"
#include "preload/real.h"
#include "preload/shim.h"

#define EXPORT __attribute__((visibility("default")))

typedef void *dlopen_fn(const char *path, int flags);
typedef int dlclose_fn(void *handle);
typedef void *dlmopen_fn(Lmid_t space, const char *path, int flags);

/* Names of libraries are short; of a longer one the end is left out. */
static char unseen[64] __attribute__((section(".cold")));

void load_cover(void)
{
	if (shim.counts && unseen[0] != '\0')
		shim_cover(SL_COVER_DEEPBIND, false, unseen);
}

/* The first one stands for all: a lane has no room for hundreds. Programs try places where nothing is. */
static void note_unseen(const char *path, int flags)
{
	if (path == NULL || (flags & RTLD_NOLOAD) != 0 || unseen[0] != '\0' || !shim_may_call())
		return;
	const char *name = path;
	for (const char *at = path; *at != '\0'; at++)
		if (*at == '/')
			name = at + 1;
	if (name != path && sys_call3(SYS_faccessat, AT_FDCWD, (long)path, R_OK) != 0)
		return;
	(void)text_append(unseen, unseen + sizeof(unseen), name);
	if (shim_start())
		load_cover();
}

EXPORT void *dlopen(const char *path, int flags)
{
	dlopen_fn *real_dlopen = (dlopen_fn *)real_next("dlopen");

	if ((flags & RTLD_DEEPBIND) != 0)
		note_unseen(path, flags);
	return real_dlopen == NULL ? NULL : real_dlopen(path, flags);
}

EXPORT void *dlmopen(Lmid_t space, const char *path, int flags)
{
	dlmopen_fn *real_dlmopen = (dlmopen_fn *)real_next("dlmopen");

	if (space != LM_ID_BASE || (flags & RTLD_DEEPBIND) != 0)
		note_unseen(path, flags);
	return real_dlmopen == NULL ? NULL : real_dlmopen(space, path, flags);
}

/* Who unwinds must know that other code may lie there. */
EXPORT int dlclose(void *handle)
{
	dlclose_fn *real_dlclose = (dlclose_fn *)real_next("dlclose");

	if (real_dlclose == NULL)
		return -1;
	const int r = real_dlclose(handle);
	exact_code_changed();
	return r;
}
