/* SPDX-License-Identifier: MIT */
/* May the image that is about to be executed be given the shim? See inject.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "preload/announce.h"
#include "preload/inject.h"
#include "preload/real.h"
#include "preload/shim.h"
#include "preload/target_check.h"

enum { PATH_LIMIT = 512 };

static void cover_next(enum sl_cover_reason reason, const char *text)
{
	/* A forked child has no lane yet. */
	if (!shim_start())
		return;
	announce_child();
	shim_cover(reason, true, text);
}

/* 0, or why the loader could not open the shim and would complain on stderr: after chroot or in
 * another mount namespace it is not there, and another user may not be let to it. */
static enum sl_cover_reason shim_is_out_of_reach(void)
{
	const long r = sys_call3(SYS_faccessat, AT_FDCWD, (long)shim.settings.shim, R_OK);
	return r == 0 ? 0 : r == -EACCES ? SL_COVER_USER : SL_COVER_CHROOT;
}

static bool decide(int directory_fd, const char *path, char *const *envp)
{
	const enum target target = target_check_exec(directory_fd, path, envp, tree);
	if (target != TARGET_FITS) {
		cover_next(target_reason(target), target == TARGET_FOREIGN  ? "another processor"
						  : target == TARGET_LISTED ? "not executed"
									    : path);
		return false;
	}
	const enum sl_cover_reason obstacle = shim_is_out_of_reach();
	if (obstacle != 0 || !shim_may_write()) {
		cover_next(obstacle != 0 ? obstacle : SL_COVER_USER, path);
		return false;
	}
	return true;
}

bool inject_into(int directory_fd, const char *path, char *const *envp)
{
	shim_prepare();
	if (shim.is_off || shim.is_sealed || path == NULL)
		return false;
	const uint64_t begin_ns = clock_ns();
	const bool is_wanted = decide(directory_fd, path, envp);
	shim_spent(begin_ns);
	return is_wanted;
}

static const char *search_path(void)
{
	char ***environ_at = real_environ();

	for (char **e = environ_at == NULL ? NULL : *environ_at; e != NULL && *e != NULL; e++) {
		const char *value = text_after(*e, "PATH=");
		if (value != NULL)
			return value;
	}
	return "/usr/local/bin:/bin:/usr/bin";
}

bool inject_into_found(const char *name, char *const *envp)
{
	char path[PATH_LIMIT];
	const char *end = path + sizeof(path);

	shim_prepare();
	if (shim.is_off || shim.is_sealed || name == NULL)
		return false;
	bool has_slash = false;
	for (const char *c = name; *c != '\0'; c++)
		has_slash |= *c == '/';
	if (has_slash || name[0] == '\0')
		return inject_into(AT_FDCWD, name, envp);

	for (const char *at = search_path();; at++) {
		char *to = path;
		while (*at != '\0' && *at != ':' && to + 1 < end)
			*to++ = *at++;
		if (to > path) /* an empty element is the working directory */
			to = text_append(to, end, "/");
		to = text_append(to, end, name);
		if (to + 1 < end && sys_call3(SYS_faccessat, AT_FDCWD, (long)path, X_OK) == 0)
			return inject_into(AT_FDCWD, path, envp);
		while (*at != '\0' && *at != ':')
			at++;
		if (*at == '\0')
			return true; /* not found: it will fail */
	}
}

/* A vfork child shares the memory, but the heap is its parent's. */
static bool is_own_heap(void)
{
	return life.lane != NULL && !shim.is_sealed &&
	       (uint32_t)sys_call3(SYS_getpid, 0, 0, 0) == shim.pid;
}

void inject_before_exec(void)
{
	if (is_own_heap())
		counters_leave(life.lane);
}

void inject_after_exec(void)
{
	if (is_own_heap())
		counters_join(life.lane);
}
