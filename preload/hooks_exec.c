/* SPDX-License-Identifier: MIT */
/* The exec family: our variables, taken out of environ at start, go along with a program that is
 * executed, also where the environment was made by hand. Everything happens in a copy on the stack:
 * these functions are called after vfork, where nothing may be allocated or changed. Apart from the
 * environment the call is passed on as it came. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

#include "preload/inject.h"
#include "preload/real.h"
#include "preload/shim.h"

#define EXPORT __attribute__((visibility("default")))

typedef char *const strings[];

int execve(const char *path, strings argv, strings envp);
int execv(const char *path, strings argv);
int execvp(const char *file, strings argv);
int execvpe(const char *file, strings argv, strings envp);
int execl(const char *path, const char *arg, ...);
int execlp(const char *file, const char *arg, ...);
int execle(const char *path, const char *arg, ...);
int fexecve(int fd, strings argv, strings envp);
int execveat(int directory_fd, const char *path, strings argv, strings envp, int flags);
int posix_spawn(int *pid, const char *path, const void *actions, const void *attributes,
		strings argv, strings envp);
int posix_spawnp(int *pid, const char *file, const void *actions, const void *attributes,
		 strings argv, strings envp);

typedef int exec_fn(const char *path, strings argv, strings envp);
typedef int fexec_fn(int fd, strings argv, strings envp);
typedef int execat_fn(int directory_fd, const char *path, strings argv, strings envp, int flags);
typedef int spawn_fn(int *pid, const char *path, const void *actions, const void *attributes,
		     strings argv, strings envp);

/* The real function, looked up once; always the same value, so a race is harmless. */
#define REAL(type, name)                                  \
	__extension__({                                   \
		static type *found_;                      \
		if (found_ == NULL)                       \
			found_ = (type *)real_next(name); \
		found_;                                   \
	})

/* A copy of @envp with our variables, in the caller's stack frame: there is no other memory that is
 * both free to use after vfork and gone by itself. settings_room() bounds it to 36 KiB. @envp itself
 * when there is nothing to add. */
#define WITH_SHIM(envp)                                                                    \
	__extension__({                                                                    \
		size_t text_ = 0;                                                          \
		const size_t n_ = settings_room(&shim.settings, (envp), &text_);           \
		char **copy_ = NULL;                                                       \
		if (n_ != 0) {                                                             \
			copy_ = __builtin_alloca(n_ * sizeof(*copy_) + text_);             \
			settings_add(&shim.settings, (envp), copy_, (char *)(copy_ + n_)); \
		}                                                                          \
		(char *const *)(copy_ != NULL ? copy_ : (envp));                           \
	})

static char *const no_environment[] = { NULL };

/* Linux takes NULL for an empty environment. */
static char *const *or_empty(char *const *envp)
{
	return envp != NULL ? envp : no_environment;
}

static char *const *own_environment(void)
{
	char ***environ_at = real_environ();

	return or_empty(environ_at == NULL ? NULL : *environ_at);
}

static int refuse(int error)
{
	int *(*location)(void) = (int *(*)(void))real_next("__errno_location");

	if (location != NULL)
		*location() = error;
	return -1;
}

static int exec_real(exec_fn *function, const char *path, char *const *argv, char *const *envp)
{
	if (function == NULL)
		return refuse(ENOSYS);
	inject_before_exec();
	const int result = function(path, argv, envp);
	inject_after_exec();
	return result;
}

EXPORT int execve(const char *path, strings argv, strings envp)
{
	char *const *with = or_empty(envp);

	if (inject_into(AT_FDCWD, path, with))
		with = WITH_SHIM(with);
	return exec_real(real.execve, path, argv, with);
}

EXPORT int execvpe(const char *file, strings argv, strings envp)
{
	char *const *with = or_empty(envp);

	if (inject_into_found(file, with))
		with = WITH_SHIM(with);
	return exec_real(real.execvpe, file, argv, with);
}

EXPORT int execv(const char *path, strings argv)
{
	return execve(path, argv, own_environment());
}

EXPORT int execvp(const char *file, strings argv)
{
	return execvpe(file, argv, own_environment());
}

/* argv of an execl function, in the caller's stack frame; leaves @list behind the final NULL. */
#define ARGUMENTS(list, first)                                                   \
	__extension__({                                                          \
		size_t n_args_ = 1;                                              \
		va_list count_;                                                  \
		va_copy(count_, list);                                           \
		while ((first) != NULL && va_arg(count_, char *) != NULL)        \
			n_args_++;                                               \
		va_end(count_);                                                  \
		char **args_ = __builtin_alloca((n_args_ + 1) * sizeof(*args_)); \
		args_[0] = (char *)(uintptr_t)(first);                           \
		for (size_t i_ = 1; args_[i_ - 1] != NULL; i_++)                 \
			args_[i_] = va_arg(list, char *);                        \
		args_;                                                           \
	})

EXPORT int execl(const char *path, const char *arg, ...)
{
	va_list list;

	va_start(list, arg);
	char **argv = ARGUMENTS(list, arg);
	va_end(list);
	return execve(path, argv, own_environment());
}

EXPORT int execlp(const char *file, const char *arg, ...)
{
	va_list list;

	va_start(list, arg);
	char **argv = ARGUMENTS(list, arg);
	va_end(list);
	return execvpe(file, argv, own_environment());
}

EXPORT int execle(const char *path, const char *arg, ...)
{
	va_list list;

	va_start(list, arg);
	char **argv = ARGUMENTS(list, arg);
	char *const *envp = va_arg(list, char *const *);
	va_end(list);
	return execve(path, argv, envp);
}

EXPORT int fexecve(int fd, strings argv, strings envp)
{
	fexec_fn *function = REAL(fexec_fn, "fexecve");
	char *const *with = envp;

	if (function == NULL)
		return refuse(ENOSYS);
	/* Without an environment it is for the real function to refuse. */
	if (envp != NULL && inject_into(fd, "", envp))
		with = WITH_SHIM(with);
	inject_before_exec();
	const int result = function(fd, argv, with);
	inject_after_exec();
	return result;
}

EXPORT int execveat(int directory_fd, const char *path, strings argv, strings envp, int flags)
{
	execat_fn *function = REAL(execat_fn, "execveat");
	char *const *with = or_empty(envp);

	if (inject_into(directory_fd, path, with))
		with = WITH_SHIM(with);
	inject_before_exec();
	int result = -1;
	if (function != NULL) {
		result = function(directory_fd, path, argv, with, flags);
	} else { /* before glibc 2.34 */
		const long error = sys_call6(SYS_execveat, directory_fd, (long)path, (long)argv,
					     (long)with, flags, 0);
		result = refuse((int)-error);
	}
	inject_after_exec();
	return result;
}

EXPORT int posix_spawn(int *pid, const char *path, const void *actions, const void *attributes,
		       strings argv, strings envp)
{
	spawn_fn *function = REAL(spawn_fn, "posix_spawn");
	char *const *with = or_empty(envp);

	if (function == NULL)
		return ENOSYS;
	if (inject_into(AT_FDCWD, path, with))
		with = WITH_SHIM(with);
	return function(pid, path, actions, attributes, argv, with);
}

EXPORT int posix_spawnp(int *pid, const char *file, const void *actions, const void *attributes,
			strings argv, strings envp)
{
	spawn_fn *function = REAL(spawn_fn, "posix_spawnp");
	char *const *with = or_empty(envp);

	if (function == NULL)
		return ENOSYS;
	if (inject_into_found(file, with))
		with = WITH_SHIM(with);
	return function(pid, file, actions, attributes, argv, with);
}
