/* SPDX-License-Identifier: MIT */
/* May the image that is about to be executed be given the shim? See inject.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "preload/announce.h"
#include "preload/inject.h"
#include "preload/real.h"
#include "preload/shim.h"
#include "preload/target_check.h"

/* <sys/statvfs.h> has it, for another structure. */
#define ST_NOEXEC 8

static void cover_next(enum sl_cover_reason reason, const char *text)
{
	/* A forked child has no lane yet. */
	if (!shim_start())
		return;
	announce_child();
	shim_cover(reason, true, text);
}

/* 0, or why the loader could not open or map the shim and would complain on stderr: after chroot or in
 * another mount namespace it is not there or may not be executed, another user may not be let to it,
 * and neither may who is under rules of Landlock, which only an attempt shows. */
static enum sl_cover_reason shim_is_out_of_reach(void)
{
	struct statfs fs = { 0 };
	const long fd = sys_call3(SYS_openat, AT_FDCWD, (long)shim.settings.shim,
				  O_RDONLY | O_CLOEXEC | SL_OPEN_OWN);

	/* Without a descriptor the loader complains of the shim before it does of libc. */
	if (fd == -EACCES || fd == -EPERM)
		return shim_is_same_user() ? SL_COVER_OFF : SL_COVER_USER;
	if (fd < 0)
		return fd == -EMFILE || fd == -ENFILE ? SL_COVER_OFF : SL_COVER_CHROOT;
	const bool is_known = sys_call3(SYS_fstatfs, fd, (long)&fs, 0) == 0;
	(void)sys_call3(SYS_close, fd, 0, 0);
	return is_known && (fs.f_flags & ST_NOEXEC) != 0 ? SL_COVER_CHROOT : 0;
}

static enum target decide(const struct execution *e, struct reader *reader)
{
	const enum target target = target_check_exec(e, reader, tree);
	if (target == TARGET_UNREADABLE)
		return target;
	if (!target_fits(target)) {
		cover_next(target_reason(target), target == TARGET_FOREIGN  ? "another processor"
						  : target == TARGET_LISTED ? "not executed"
									    : e->path);
		return target;
	}
	const enum sl_cover_reason obstacle = shim_is_out_of_reach();
	if (obstacle == 0 && shim_may_write())
		return target;
	cover_next(obstacle != 0 ? obstacle : SL_COVER_USER,
		   obstacle == SL_COVER_OFF ? "its file cannot be opened" : e->path);
	return TARGET_UNKNOWN;
}

/* ---- room for the environment ---- */

/* Children of vfork that executed something cannot give memory back, so theirs stays, one a thread: its
 * next child, which there is only when the former is done with it, uses it again. */
enum { MAX_LENT = 32, LENT_UNIT = 16384 };

static struct {
	uint64_t thread; /* its pointer; 0: free */
	void *at;
	size_t bytes;
} lent[MAX_LENT];

static void *map(size_t bytes)
{
	const long at = sys_call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_failed(at) ? NULL : (void *)at;
}

static void *room_of_thread(size_t bytes)
{
	const uint64_t self = thread_pointer();
	int i = 0;

	for (; i < MAX_LENT; i++) {
		uint64_t owner = 0;
		/* Relaxed: what belongs to a thread only itself and its children look at. */
		if (__atomic_load_n(&lent[i].thread, __ATOMIC_RELAXED) == self ||
		    __atomic_compare_exchange_n(&lent[i].thread, &owner, self, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
	}
	if (i == MAX_LENT)
		return NULL;
	if (lent[i].bytes >= bytes)
		return lent[i].at;
	if (lent[i].at != NULL)
		(void)sys_call3(SYS_munmap, (long)lent[i].at, (long)lent[i].bytes, 0);
	const size_t rounded = (bytes + LENT_UNIT - 1) & ~(size_t)(LENT_UNIT - 1);
	lent[i].at = map(rounded);
	lent[i].bytes = lent[i].at == NULL ? 0 : rounded;
	return lent[i].at;
}

static char *room_for(struct injection *i, size_t bytes)
{
	if (bytes <= sizeof(i->room))
		return i->room;
	if (!shim_is_own_process())
		return room_of_thread(bytes);
	i->mapped = map(bytes);
	i->mapped_bytes = bytes;
	return i->mapped;
}

static void injection_init(struct injection *i, const struct execution *e)
{
	i->envp = e->envp;
	i->may_call = shim_may_call();
	i->mapped = NULL;
}

static void inject(struct injection *i, const struct execution *e)
{
	struct reader reader = { 0 };
	struct settings_plan plan;

	const uint64_t begin_ns = clock_ns();
	const enum target target = decide(e, &reader);
	if (target_fits(target) && settings_plan(e->envp, target != TARGET_FITS, &reader, &plan)) {
		char *room = room_for(i, settings_bytes(&shim.settings, &plan));
		if (room != NULL)
			i->envp = settings_add(&shim.settings, &plan, e->envp, room);
		else
			cover_next(SL_COVER_OFF, "no memory for its environment");
	}
	shim_spent(begin_ns);
}

void inject_begin(struct injection *i, const struct execution *e)
{
	injection_init(i, e);
	if (i->may_call)
		inject(i, e);
}

bool inject_again(struct injection *i, int error, char *const *envp)
{
	if (error != E2BIG || i->envp == envp)
		return false;
	cover_next(SL_COVER_OFF, "its arguments leave no room for more");
	i->envp = envp;
	return true;
}

void inject_end(struct injection *i)
{
	if (i->mapped != NULL)
		(void)sys_call3(SYS_munmap, (long)i->mapped, (long)i->mapped_bytes, 0);
}

/* ---- names ---- */

/* NULL: it cannot be read. */
static const char *search_path(struct reader *reader)
{
	char ***environ_at = real_environ();
	bool is_readable = true;

	for (char **e = environ_at == NULL ? NULL : *environ_at; e != NULL; e++) {
		if (!reader_may_read(reader, e, sizeof(*e)))
			return NULL;
		if (*e == NULL)
			break;
		const char *value = reader_after(reader, *e, "PATH=", &is_readable);
		if (value != NULL)
			return reader_length(reader, value, SIZE_MAX) == SIZE_MAX ? NULL : value;
		if (!is_readable)
			return NULL;
	}
	return "/usr/local/bin:/bin:/usr/bin";
}

static bool contains_slash(const char *name)
{
	while (*name != '\0' && *name != '/')
		name++;
	return *name == '/';
}

void inject_begin_found(struct injection *i, const struct execution *e)
{
	/* The room is not needed before the path has been judged. */
	char *const path = i->room;
	const char *end = path + sizeof(i->room);
	struct reader reader = { 0 };
	struct execution found = *e;

	injection_init(i, e);
	if (!i->may_call || reader_length(&reader, e->path, SIZE_MAX) == SIZE_MAX)
		return;
	if (contains_slash(e->path) || e->path[0] == '\0') {
		inject(i, e);
		return;
	}
	found.path = path;
	for (const char *at = search_path(&reader); at != NULL; at++) {
		char *to = path;
		while (*at != '\0' && *at != ':' && to + 1 < end)
			*to++ = *at++;
		if (to > path) /* an empty element is the working directory */
			to = text_append(to, end, "/");
		to = text_append(to, end, e->path);
		if (to + 1 < end && sys_call3(SYS_faccessat, AT_FDCWD, (long)path, X_OK) == 0) {
			inject(i, &found);
			return;
		}
		while (*at != '\0' && *at != ':')
			at++;
		if (*at == '\0')
			return; /* not found: it will fail */
	}
}

/* A vfork child shares the memory, but the heap is its parent's. */
static bool is_own_heap(const struct injection *i)
{
	return i->may_call && life.lane != NULL && shim_is_own_process();
}

void inject_before_exec(const struct injection *i)
{
	if (is_own_heap(i))
		counters_leave(life.lane);
}

void inject_after_exec(const struct injection *i)
{
	if (is_own_heap(i))
		counters_join(life.lane);
}
