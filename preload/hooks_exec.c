/* SPDX-License-Identifier: MIT */
/* The exec family: our variables, taken out of environ at start, go along with a program that is
 * executed, also where the environment was made by hand (preload/inject.h). Apart from the
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

static char *const no_environment[] = { NULL };

/* Linux takes NULL for an empty environment. */
static char *const *or_empty(char *const *envp)
{
	return envp != NULL ? envp : no_environment;
}

static char *const *own_environment(void)
{
	char ***environ_at = real_environ();

	return environ_at == NULL ? NULL : *environ_at;
}

static int refuse(int error)
{
	int *location = real_errno();

	if (location != NULL)
		*location = error;
	return -1;
}

static int error_of(int result)
{
	const int *location = result < 0 ? real_errno() : NULL;

	return location == NULL ? 0 : *location;
}

/* What @name goes on to in libc, which asks nobody who stands in front of its @function. A library that
 * has both will be asked. */
static exec_fn *next_exec(exec_fn *first, const char *name, const char *function)
{
	return real.is_exec_wrapped ? (exec_fn *)real_beside(name, function) : first;
}

static int execute(exec_fn *function, struct injection *i, const struct execution *e, strings envp)
{
	if (function == NULL)
		return refuse(ENOSYS);
	inject_before_exec(i);
	int result = function(e->path, e->argv, i->envp != e->envp ? i->envp : envp);
	if (inject_again(i, error_of(result), e->envp))
		result = function(e->path, e->argv, envp);
	inject_after_exec(i);
	inject_end(i);
	return result;
}

/* inject_begin() prepares the shim, so what comes next is only known after it. */
static int execute_path(const char *name, const char *path, strings argv, strings envp)
{
	const struct execution e = { AT_FDCWD, path, argv, or_empty(envp) };
	struct injection i;

	inject_begin(&i, &e);
	return execute(next_exec(real.execve, name, "execve"), &i, &e, envp);
}

static int execute_found(const char *name, const char *file, strings argv, strings envp)
{
	const struct execution e = { AT_FDCWD, file, argv, or_empty(envp) };
	struct injection i;

	inject_begin_found(&i, &e);
	return execute(next_exec(real.execvpe, name, "execvpe"), &i, &e, envp);
}

EXPORT int execve(const char *path, strings argv, strings envp)
{
	return execute_path("execve", path, argv, envp);
}

EXPORT int execvpe(const char *file, strings argv, strings envp)
{
	return execute_found("execvpe", file, argv, envp);
}

EXPORT int execv(const char *path, strings argv)
{
	return execute_path("execv", path, argv, own_environment());
}

EXPORT int execvp(const char *file, strings argv)
{
	return execute_found("execvp", file, argv, own_environment());
}

/* argv of an execl function, in the caller's stack frame, as libc has it; leaves @list behind the final
 * NULL. */
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
	return execute_path("execl", path, argv, own_environment());
}

EXPORT int execlp(const char *file, const char *arg, ...)
{
	va_list list;

	va_start(list, arg);
	char **argv = ARGUMENTS(list, arg);
	va_end(list);
	return execute_found("execlp", file, argv, own_environment());
}

EXPORT int execle(const char *path, const char *arg, ...)
{
	va_list list;

	va_start(list, arg);
	char **argv = ARGUMENTS(list, arg);
	char *const *envp = va_arg(list, char *const *);
	va_end(list);
	return execute_path("execle", path, argv, envp);
}

EXPORT int fexecve(int fd, strings argv, strings envp)
{
	fexec_fn *function = REAL(fexec_fn, "fexecve");
	const struct execution e = { fd, "", argv, or_empty(envp) };
	struct injection i;

	if (function == NULL)
		return refuse(ENOSYS);
	inject_begin(&i, &e);
	inject_before_exec(&i);
	/* Without an environment it is for the real function to refuse. */
	int result = function(fd, argv, envp == NULL ? NULL : i.envp);
	if (inject_again(&i, error_of(result), e.envp))
		result = function(fd, argv, envp);
	inject_after_exec(&i);
	inject_end(&i);
	return result;
}

static int execveat_real(int directory_fd, const char *path, strings argv, strings envp, int flags)
{
	execat_fn *function = REAL(execat_fn, "execveat");

	if (function != NULL)
		return function(directory_fd, path, argv, envp, flags);
	/* before glibc 2.34 */
	return refuse((int)-sys_call6(SYS_execveat, directory_fd, (long)path, (long)argv,
				      (long)envp, flags, 0));
}

EXPORT int execveat(int directory_fd, const char *path, strings argv, strings envp, int flags)
{
	const struct execution e = { directory_fd, path, argv, or_empty(envp) };
	struct injection i;

	inject_begin(&i, &e);
	inject_before_exec(&i);
	int result =
		execveat_real(directory_fd, path, argv, i.envp != e.envp ? i.envp : envp, flags);
	if (inject_again(&i, error_of(result), e.envp))
		result = execveat_real(directory_fd, path, argv, envp, flags);
	inject_after_exec(&i);
	inject_end(&i);
	return result;
}

static int spawn(spawn_fn *function, struct injection *i, const struct execution *e, int *pid,
		 const void *actions, const void *attributes, strings envp)
{
	int error = function(pid, e->path, actions, attributes, e->argv,
			     i->envp != e->envp ? i->envp : envp);

	if (inject_again(i, error, e->envp))
		error = function(pid, e->path, actions, attributes, e->argv, envp);
	inject_end(i);
	return error;
}

EXPORT int posix_spawn(int *pid, const char *path, const void *actions, const void *attributes,
		       strings argv, strings envp)
{
	spawn_fn *function = REAL(spawn_fn, "posix_spawn");
	const struct execution e = { AT_FDCWD, path, argv, or_empty(envp) };
	struct injection i;

	if (function == NULL)
		return ENOSYS;
	inject_begin(&i, &e);
	return spawn(function, &i, &e, pid, actions, attributes, envp);
}

EXPORT int posix_spawnp(int *pid, const char *file, const void *actions, const void *attributes,
			strings argv, strings envp)
{
	spawn_fn *function = REAL(spawn_fn, "posix_spawnp");
	const struct execution e = { AT_FDCWD, file, argv, or_empty(envp) };
	struct injection i;

	if (function == NULL)
		return ENOSYS;
	inject_begin_found(&i, &e);
	return spawn(function, &i, &e, pid, actions, attributes, envp);
}
