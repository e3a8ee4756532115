/* SPDX-License-Identifier: MIT */
/* system() and popen() start their shell inside libc, with environ, and no function of ours is asked.
 * Changing environ meanwhile would show it to other threads, and for good to who leaves by longjmp or is
 * cancelled. So where the shim is to go along, these do what libc's do (POSIX; glibc's
 * sysdeps/posix/system.c and libio/iopopen.c), with posix_spawn and an environment of their own. Where
 * anything is unusual, or fails, libc's function is called instead: errors are its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "preload/inject.h"
#include "preload/real.h"
#include "preload/shim.h"

#define EXPORT __attribute__((visibility("default")))
#define SHELL  "/bin/sh"

/* Under names of their own here: calling the real ones is banned in this tree. */
int hooked_system(const char *command) __asm__("system");
/* FILE * is only passed on. */
void *hooked_popen(const char *command, const char *mode) __asm__("popen");
int hooked_pclose(void *stream) __asm__("pclose");
int hooked_fclose(void *stream) __asm__("fclose");

/* The real function, looked up once; always the same value, so a race is harmless. */
#define REAL(type, name)                                  \
	__extension__({                                   \
		static type *found_;                      \
		if (found_ == NULL)                       \
			found_ = (type *)real_next(name); \
		found_;                                   \
	})

typedef int system_fn(const char *);
typedef void *popen_fn(const char *, const char *);
typedef int close_fn(void *);
typedef void *fdopen_fn(int, const char *);
typedef int wait_fn(int, int *, int);
typedef int spawn_fn(int *, const char *, const posix_spawn_file_actions_t *,
		     const posix_spawnattr_t *, char *const *, char *const *);
typedef int attribute_fn(posix_spawnattr_t *);
typedef int flags_fn(posix_spawnattr_t *, short);
typedef int set_fn(posix_spawnattr_t *, const sigset_t *);
typedef int actions_fn(posix_spawn_file_actions_t *);
typedef int dup_fn(posix_spawn_file_actions_t *, int, int);
typedef int close_action_fn(posix_spawn_file_actions_t *, int);

enum { NO_ARGUMENT = 5 };

/* What a shell is started with. */
struct shell {
	char *argv[NO_ARGUMENT];
	struct execution execution;
	struct injection injection;
};

/* NULL: not glibc, so musl. */
static const char *glibc_version(void)
{
	typedef const char *version_fn(void);
	version_fn *version = REAL(version_fn, "gnu_get_libc_version");

	return version == NULL ? NULL : version();
}

/* glibc 2.38 and later put an end of the options before the command. */
static bool ends_options(void)
{
	const char *version = glibc_version();
	const char *at = version == NULL ? NULL : text_after(version, "2.");
	unsigned int minor = 0;

	for (; at != NULL && *at >= '0' && *at <= '9'; at++)
		minor = minor * 10 + (unsigned int)(*at - '0');
	return minor >= 38;
}

static char *text(const char *s)
{
	return (char *)(uintptr_t)s; /* only ever read by execve */
}

/* False: the shim does not go along, or there is no way to start it. */
static bool shell_begin(struct shell *s, const char *command)
{
	static char *none[] = { NULL };
	char ***environ_at = real_environ();
	size_t n = 0;

	s->argv[n++] = text("sh");
	s->argv[n++] = text("-c");
	if (ends_options())
		s->argv[n++] = text("--");
	s->argv[n++] = text(command);
	s->argv[n] = NULL;
	s->execution = (struct execution){
		.directory_fd = AT_FDCWD,
		.path = SHELL,
		.argv = s->argv,
		/* clearenv() leaves no environment at all. */
		.envp = environ_at == NULL || *environ_at == NULL ? none : *environ_at,
	};
	inject_begin(&s->injection, &s->execution);
	if (s->injection.envp != s->execution.envp)
		return true;
	inject_end(&s->injection);
	return false;
}

static bool shell_spawn(const struct shell *s, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, int *ret_pid)
{
	spawn_fn *function = REAL(spawn_fn, "posix_spawn");

	return function != NULL &&
	       function(ret_pid, SHELL, actions, attributes, s->argv, s->injection.envp) == 0;
}

/* ---- system() ---- */

/* As the kernel has it, so that what comes back is what was there. */
struct kernel_action {
	void (*handler)(int);
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

#define MASK(number) (1ull << ((number)-1))

/* While any shell runs its parent ignores these; the last one restores them. */
static const int ignored[] = { SIGINT, SIGQUIT };
enum { N_IGNORED = sizeof(ignored) / sizeof(ignored[0]) };

static struct {
	uint32_t is_locked;
	uint32_t n_shells;
	struct kernel_action before[N_IGNORED];
} waiting;

static void lock(void)
{
	/* Pairs with the release in unlock(). Held for a few system calls. */
	while (__atomic_exchange_n(&waiting.is_locked, 1, __ATOMIC_ACQUIRE) != 0)
		(void)sys_call3(SYS_sched_yield, 0, 0, 0);
}

static void unlock(void)
{
	__atomic_store_n(&waiting.is_locked, 0, __ATOMIC_RELEASE);
}

static void set_action(int number, const struct kernel_action *action, struct kernel_action *ret)
{
	(void)sys_call4(SYS_rt_sigaction, number, (long)action, (long)ret, sizeof(action->mask));
}

static void set_mask(int how, const uint64_t *mask, uint64_t *ret)
{
	(void)sys_call4(SYS_rt_sigprocmask, how, (long)mask, (long)ret, sizeof(*mask));
}

/* Returns the signals that are to be the default in the shell. */
static uint64_t signals_ignore(void)
{
	static const struct kernel_action ignore = { .handler = SIG_IGN };
	uint64_t to_default = 0;

	lock();
	for (int i = 0; i < N_IGNORED; i++) {
		if (waiting.n_shells == 0)
			set_action(ignored[i], &ignore, &waiting.before[i]);
		if (waiting.before[i].handler != SIG_IGN)
			to_default |= MASK(ignored[i]);
	}
	waiting.n_shells++;
	unlock();
	return to_default;
}

static void signals_restore(void)
{
	lock();
	waiting.n_shells--;
	for (int i = 0; i < N_IGNORED && waiting.n_shells == 0; i++)
		set_action(ignored[i], &waiting.before[i], NULL);
	unlock();
}

static bool spawn_with(const struct shell *s, uint64_t mask, uint64_t to_default, int *ret_pid)
{
	attribute_fn *init = REAL(attribute_fn, "posix_spawnattr_init");
	attribute_fn *destroy = REAL(attribute_fn, "posix_spawnattr_destroy");
	flags_fn *set_flags = REAL(flags_fn, "posix_spawnattr_setflags");
	set_fn *set_default = REAL(set_fn, "posix_spawnattr_setsigdefault");
	set_fn *set_sigmask = REAL(set_fn, "posix_spawnattr_setsigmask");
	posix_spawnattr_t attributes;
	sigset_t set = { 0 };

	if (init == NULL || destroy == NULL || set_flags == NULL || set_default == NULL ||
	    set_sigmask == NULL || init(&attributes) != 0)
		return false;
	copy_bytes(&set, &mask, sizeof(mask));
	(void)set_sigmask(&attributes, &set);
	copy_bytes(&set, &to_default, sizeof(to_default));
	(void)set_default(&attributes, &set);
	(void)set_flags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	const bool is_spawned = shell_spawn(s, NULL, &attributes, ret_pid);
	(void)destroy(&attributes);
	return is_spawned;
}

/* Who is cancelled while it waits, or leaves by longjmp, takes the shell along. */
static void abandon(void *pid_at)
{
	const int pid = *(const int *)pid_at;

	(void)sys_call3(SYS_kill, pid, SIGKILL, 0);
	while (sys_call4(SYS_wait4, pid, 0, 0, 0) == -EINTR)
		;
	signals_restore();
}

static int wait_for(int pid)
{
	typedef void push_fn(void *buffer, void (*routine)(void *), void *argument);
	typedef void pop_fn(void *buffer, int execute);
	push_fn *push = REAL(push_fn, "_pthread_cleanup_push");
	pop_fn *pop = REAL(pop_fn, "_pthread_cleanup_pop");
	wait_fn *wait = REAL(wait_fn, "waitpid"); /* at which threads are cancelled */
	/* libc's struct _pthread_cleanup_buffer has 32 bytes, musl's less. */
	_Alignas(16) char buffer[64];
	const bool has_cleanup = push != NULL && pop != NULL;
	int status = -1;

	if (has_cleanup)
		push(buffer, abandon, &pid);
	int result;
	do
		result = wait == NULL ? -1 : wait(pid, &status, 0);
	while (result < 0 && real_errno() != NULL && *real_errno() == EINTR);
	if (has_cleanup)
		pop(buffer, 0);
	return result == pid ? status : -1;
}

/* False: nothing was started. */
static bool run_shell(const char *command, int *ret_status)
{
	const uint64_t blocked = MASK(SIGCHLD);
	struct shell s;
	uint64_t mask = 0;
	int pid = 0;

	if (!shell_begin(&s, command))
		return false;
	const uint64_t to_default = signals_ignore();
	set_mask(SIG_BLOCK, &blocked, &mask);
	const bool is_spawned = spawn_with(&s, mask, to_default, &pid);
	inject_end(&s.injection);
	if (is_spawned)
		*ret_status = wait_for(pid);
	signals_restore();
	set_mask(SIG_SETMASK, &mask, NULL);
	return is_spawned;
}

EXPORT int hooked_system(const char *command)
{
	system_fn *function = REAL(system_fn, "system");
	int status = 0;

	if (command != NULL && run_shell(command, &status))
		return status;
	return function == NULL ? -1 : function(command);
}

/* ---- popen() ---- */

enum { MAX_STREAMS = 1024 }; /* the usual limit of descriptors */

/* Streams that we opened. Filled, then published by its stream. */
static struct {
	void *stream; /* NULL: free; itself: being filled */
	int fd;
	int pid;
} streams[MAX_STREAMS];
static uint32_t n_streams; /* just now */
static uint32_t n_rows;	   /* so many have ever been used at once */

#define BEING_FILLED ((void *)streams)

static int claim(void)
{
	for (int i = 0; i < MAX_STREAMS; i++) {
		void *none = NULL;
		if (!__atomic_compare_exchange_n(&streams[i].stream, &none, BEING_FILLED, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		uint32_t n = __atomic_load_n(&n_rows, __ATOMIC_RELAXED);
		while (n < (uint32_t)i + 1 &&
		       !__atomic_compare_exchange_n(&n_rows, &n, (uint32_t)i + 1, false,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			;
		return i;
	}
	return -1;
}

static int rows(void)
{
	return (int)__atomic_load_n(&n_rows, __ATOMIC_RELAXED);
}

static void unclaim(int i)
{
	__atomic_store_n(&streams[i].stream, NULL, __ATOMIC_RELEASE);
}

/* "r" or "w", and perhaps "e"; all else libc is to judge. */
static bool read_mode(const char *mode, bool *ret_is_read, bool *ret_is_kept)
{
	const bool is_first = mode[0] == 'r' || mode[0] == 'w';

	if (!is_first || (mode[1] != '\0' && (mode[1] != 'e' || mode[2] != '\0')))
		return false;
	*ret_is_read = mode[0] == 'r';
	*ret_is_kept = mode[1] == '\0';
	return true;
}

/* The child's end becomes its standard input or output; earlier streams are closed in it. */
static bool spawn_on(const struct shell *s, int child_end, int child_fd, int *ret_pid)
{
	actions_fn *init = REAL(actions_fn, "posix_spawn_file_actions_init");
	actions_fn *destroy = REAL(actions_fn, "posix_spawn_file_actions_destroy");
	dup_fn *add_dup = REAL(dup_fn, "posix_spawn_file_actions_adddup2");
	close_action_fn *add_close = REAL(close_action_fn, "posix_spawn_file_actions_addclose");
	posix_spawn_file_actions_t actions;

	if (init == NULL || destroy == NULL || add_dup == NULL || add_close == NULL ||
	    init(&actions) != 0)
		return false;
	bool is_spawned = add_dup(&actions, child_end, child_fd) == 0;
	for (int i = 0; i < rows(); i++) {
		const void *stream = __atomic_load_n(&streams[i].stream, __ATOMIC_ACQUIRE);
		if (stream != NULL && stream != BEING_FILLED && streams[i].fd != child_fd)
			is_spawned = is_spawned && add_close(&actions, streams[i].fd) == 0;
	}
	is_spawned = is_spawned && shell_spawn(s, &actions, NULL, ret_pid);
	(void)destroy(&actions);
	return is_spawned;
}

/* The stream, whose process is @pid; or NULL: nothing was started. */
static void *open_stream(const struct shell *s, const char *mode, int i)
{
	fdopen_fn *function = REAL(fdopen_fn, "fdopen");
	close_fn *close_stream = REAL(close_fn, "fclose");
	bool is_read = false, is_kept = false;
	int ends[2];

	if (function == NULL || close_stream == NULL || !read_mode(mode, &is_read, &is_kept) ||
	    sys_call3(SYS_pipe2, (long)ends, O_CLOEXEC, 0) != 0)
		return NULL;
	const int own_end = is_read ? ends[0] : ends[1], child_end = is_read ? ends[1] : ends[0];
	void *stream = function(own_end, is_read ? "r" : "w");
	const bool is_spawned =
		stream != NULL && spawn_on(s, child_end, is_read ? 1 : 0, &streams[i].pid);
	(void)sys_call3(SYS_close, child_end, 0, 0);
	if (!is_spawned) {
		if (stream != NULL)
			(void)close_stream(stream);
		else
			(void)sys_call3(SYS_close, own_end, 0, 0);
		return NULL;
	}
	if (is_kept)
		(void)sys_call3(SYS_fcntl, own_end, F_SETFD, 0);
	streams[i].fd = own_end;
	return stream;
}

EXPORT void *hooked_popen(const char *command, const char *mode)
{
	popen_fn *function = REAL(popen_fn, "popen");
	struct shell s;
	void *stream = NULL;

	if (shell_begin(&s, command)) {
		const int i = claim();
		stream = i < 0 ? NULL : open_stream(&s, mode, i);
		if (stream != NULL) {
			(void)__atomic_fetch_add(&n_streams, 1, __ATOMIC_RELAXED);
			__atomic_store_n(&streams[i].stream, stream, __ATOMIC_RELEASE);
		} else if (i >= 0) {
			unclaim(i);
		}
		inject_end(&s.injection);
	}
	if (stream != NULL || function == NULL)
		return stream;
	return function(command, mode);
}

/* The number of @stream, which is no longer ours then; -1: libc's. */
static int take(void *stream)
{
	if (__atomic_load_n(&n_streams, __ATOMIC_RELAXED) == 0 || stream == NULL)
		return -1;
	for (int i = 0; i < rows(); i++) {
		void *expected = stream;
		if (__atomic_compare_exchange_n(&streams[i].stream, &expected, BEING_FILLED, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return i;
	}
	return -1;
}

static int wait_for_stream(int pid, int result)
{
	int status = 0;
	long waited;

	do
		waited = sys_call4(SYS_wait4, pid, (long)&status, 0, 0);
	while (waited == -EINTR);
	if (waited < 0 && real_errno() != NULL)
		*real_errno() = (int)-waited;
	if (waited < 0)
		return -1;
	/* What could not be written matters to glibc, if nothing else went wrong. */
	return status != 0 || glibc_version() == NULL ? status : result;
}

/* As libc does with its own; glibc waits whichever of the two functions is called, musl in pclose. */
static int close_any(void *stream, close_fn *function, bool waits)
{
	close_fn *close_stream = REAL(close_fn, "fclose");
	const int i = take(stream);

	if (i < 0)
		return function == NULL ? -1 : function(stream);
	const int pid = streams[i].pid;
	const int result = close_stream(stream);
	(void)__atomic_fetch_sub(&n_streams, 1, __ATOMIC_RELAXED);
	unclaim(i);
	return waits ? wait_for_stream(pid, result) : result;
}

EXPORT int hooked_pclose(void *stream)
{
	return close_any(stream, REAL(close_fn, "pclose"), true);
}

EXPORT int hooked_fclose(void *stream)
{
	const bool waits =
		__atomic_load_n(&n_streams, __ATOMIC_RELAXED) != 0 && glibc_version() != NULL;

	return close_any(stream, REAL(close_fn, "fclose"), waits);
}
