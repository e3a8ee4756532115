/* SPDX-License-Identifier: MIT */
/* The command's process between creation and exec. It drops privileges, finds the program with its
 * own rights and reports the path; then it waits for the environment the shim wants, which depends
 * on that path; then it executes. If startline dies meanwhile, it sees the end of the pipe and ends.
 *
 * It shares startline's memory until it executes (CLONE_VM, as posix_spawn does): a copy of all our
 * page tables, the kernel's event buffer among them, would be torn down inside the exec and cost the
 * command a millisecond. Hence the rules for all that is called child_*: it runs only while startline
 * waits for it, or else makes nothing but raw system calls, since errno is shared as well; it changes
 * no variable of ours but those in `struct launch`. Another user's process that shares our memory is
 * no danger: the kernel makes memory undumpable when credentials change, so it cannot be traced. */

#include "userspace/collect/run/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/settings.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/environment.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/collect/run/inheritance.h"

#define CANNOT_EXECUTE 127
#define STACK_BYTES    (64u * 1024)

/* What startline and the process that is to become the command share. */
struct launch {
	struct target_spec spec;
	int go_fd, report_fd;
	int parent_go_fd, parent_report_fd; /* the other ends */
	char path[PATH_MAX];
	char *const *environment; /* complete; set before release */
	char **script; /* arguments for /bin/sh, should the file turn out to be a script */
	int32_t error; /* 0, or an errno: why it cannot be executed */
};

/* ---- in the child ---- */

/* A system call without errno. */
static long child_call(long number, const void *a, const void *b, const void *c)
{
#ifdef __x86_64__
	long r = number;
	__asm__ volatile("syscall" : "+a"(r) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
#else
	return syscall(number, a, b, c) < 0 ? -errno : 0;
#endif
}

static const void *as_argument(long number)
{
	return (const void *)(uintptr_t)number;
}

static long child_execve(const char *path, char *const *argv, char *const *environment)
{
	return child_call(SYS_execve, path, argv, environment);
}

/* 0 when @path is a program we may execute. */
static int check_executable(const char *path)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* As execvp(3) searches: an entry that exists but may not be executed is remembered, and is the
 * answer only when nothing better follows. */
static int find_program(const char *name, char *const *environment, char path[static PATH_MAX])
{
	if (*name == '\0')
		return -ENOENT;
	if (strchr(name, '/') != NULL) {
		if (strlen(name) >= PATH_MAX)
			return -ENAMETOOLONG;
		memcpy(path, name, strlen(name) + 1);
		return check_executable(path);
	}

	const char *search = environment_find(environment, "PATH");
	if (search == NULL)
		search = "/bin:/usr/bin";
	int error = -ENOENT;
	for (const char *entry = search;; entry++) {
		const char *end = strchrnul(entry, ':');
		const size_t length = (size_t)(end - entry);
		const size_t name_length = strlen(name);
		if (length + name_length + 2 <= PATH_MAX) {
			memcpy(path, entry, length);
			/* An empty entry is the current directory. */
			const size_t slash = length > 0 ? 1 : 0;
			path[length] = '/';
			memcpy(path + length + slash, name, name_length + 1);
			const int r = check_executable(path);
			if (r == 0)
				return 0;
			if (r == -EACCES)
				error = r;
		}
		entry = end;
		if (*entry == '\0')
			return error;
	}
}

static void child_redirect_output(enum output output)
{
	const int null = output == OUTPUT_NOWHERE ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
	if (null >= 0) {
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
	}
	if (output == OUTPUT_TO_STDERR)
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
}

static void child_redirect(const struct target_spec *spec)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (inheritance_closed_fds() & (1u << fd))
			(void)close(fd);
	}
	const int null = spec->null_stdin ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
	if (null >= 0)
		(void)dup2(null, STDIN_FILENO);
	child_redirect_output(spec->output);
	for (int i = 0; spec->output_fds != NULL && i < 2; i++) {
		if (spec->output_fds[i] >= 0)
			(void)dup2(spec->output_fds[i], STDOUT_FILENO + i);
	}
}

static void child_tell(const struct launch *l)
{
	const char byte = 0;
	(void)write_all(l->report_fd, &byte, sizeof(byte));
}

static int child_main(void *data)
{
	struct launch *l = data;
	char byte = 0;
	/* With a copy of our own of the other end, its closing would go unnoticed. */
	(void)close(l->parent_go_fd);
	(void)close(l->parent_report_fd);
	int r = rights_become(l->spec.user);
	/* Ours stays where it is: only memory is shared. */
	if (r == 0 && l->spec.directory != NULL && chdir(l->spec.directory) < 0)
		r = -errno;
	if (r == 0)
		r = find_program(l->spec.argv[0], l->spec.environment, l->path);
	l->error = -r;
	if (r == 0) {
		child_redirect(&l->spec);
		inheritance_restore();
	}
	child_tell(l);
	if (r < 0)
		return CANNOT_EXECUTE;

	/* From here on startline runs as well. */
	if (l->spec.cgroup_fd >= 0)
		(void)child_call(SYS_write, as_argument(l->spec.cgroup_fd), "0", as_argument(1));
	(void)child_call(SYS_write, as_argument(l->report_fd), &byte, as_argument(1));
	if (child_call(SYS_read, as_argument(l->go_fd), &byte, as_argument(1)) != 1)
		return CANNOT_EXECUTE;
	long error = child_execve(l->path, l->spec.argv, l->environment);
	if (error == -ENOEXEC)
		error = child_execve(l->script[0], l->script, l->environment);
	l->error = (int32_t)-error;
	child_tell(l);
	return CANNOT_EXECUTE;
}

/* ---- in startline ---- */

static void reap_now(struct target *t)
{
	while (t->pid > 0 && waitpid(t->pid, NULL, 0) < 0 && errno == EINTR) {
	}
	t->pid = 0;
}

static size_t count_strings(char *const *strings)
{
	size_t n = 0;
	while (strings[n] != NULL)
		n++;
	return n;
}

/* A script without "#!" is run by the shell, as execvp(3) does. */
static int prepare_script(struct launch *l)
{
	char *const *argv = l->spec.argv;
	const size_t n = count_strings(argv);
	static char shell[] = "/bin/sh";
	l->script = calloc(n + 3, sizeof(*l->script));
	if (l->script == NULL)
		return -ENOMEM;
	l->script[0] = shell;
	l->script[1] = l->path;
	for (size_t i = 1; i < n; i++)
		l->script[i + 1] = argv[i];
	return 0;
}

static int launch_prepare(const struct target_spec *spec, struct target *t)
{
	t->launch = calloc(1, sizeof(*t->launch));
	/* Not a mapping: that the child's frames never return, AddressSanitizer would take for use of
	 * what is mapped there next. */
	t->stack = malloc(STACK_BYTES);
	if (t->launch == NULL || t->stack == NULL)
		return -ENOMEM;
	t->launch->spec = *spec;
	return prepare_script(t->launch);
}

static int create_process(struct target *t)
{
	int go[2];
	int report[2];
	if (pipe2(go, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_close_ int go_read = go[0];
	_cleanup_close_ int go_write = go[1];
	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_close_ int report_read = report[0];
	_cleanup_close_ int report_write = report[1];
	t->launch->go_fd = go_read;
	t->launch->report_fd = report_write;
	t->launch->parent_go_fd = go_write;
	t->launch->parent_report_fd = report_read;

	/* No handler of ours may run in the child; it restores the mask itself. */
	sigset_t all;
	sigset_t before;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before);
	const pid_t pid = clone(child_main, t->stack + STACK_BYTES, CLONE_VM | SIGCHLD, t->launch);
	const int error = errno;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return -error;
	t->pid = pid;
	t->go_fd = take_fd(go_write);
	t->report_fd = take_fd(report_read);
	t->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return t->pidfd < 0 ? -errno : 0;
}

/* One byte from the child; false: it has executed, or ended. */
static bool wait_for_child(const struct target *t)
{
	char byte;
	ssize_t n;
	do
		n = read(t->report_fd, &byte, sizeof(byte));
	while (n < 0 && errno == EINTR);
	return n == sizeof(byte);
}

/* The path as seen from here. */
static int resolve(struct target *t, const char *directory)
{
	t->path = t->launch->path;
	if (directory == NULL || t->path[0] == '/')
		return 0;
	if (asprintf(&t->resolved, "%s/%s", directory, t->path) < 0) {
		t->resolved = NULL;
		return -ENOMEM;
	}
	t->path = t->resolved;
	return 0;
}

int target_spawn(const struct target_spec *spec, struct target *ret)
{
	struct target t = { .pidfd = -1, .go_fd = -1, .report_fd = -1 };
	int r = launch_prepare(spec, &t);
	if (r == 0)
		r = create_process(&t);
	if (r == 0 && !wait_for_child(&t))
		r = -ECHILD;
	if (r == 0)
		r = resolve(&t, spec->directory);
	if (r < 0) {
		target_done(&t);
		return fail(r, "cannot create a process: %s%s", strerror(-r),
			    r == -EMFILE ? "; allow more with `ulimit -n`" : "");
	}
	t.exec_errno = t.launch->error;
	*ret = t;
	return 0;
}

static void append_shim(const struct shim_environment *shim, char **to, size_t *n)
{
	for (size_t i = 0; i < sizeof(shim->variables) / sizeof(shim->variables[0]); i++)
		to[(*n)++] = shim->variables[i];
}

/* The environment of @spec with its notify_text in place of a variable of the same name, and with the
 * shim's variables, which it cuts off again at its start (preload/settings.h). */
static char **merge_environment(const struct shim_environment *shim, const struct target_spec *spec)
{
	/* Only ever read by execve. */
	char *const notify[] = { (char *)(uintptr_t)spec->notify_text, NULL };
	_cleanup_free_ char **own = environment_with(spec->environment, notify);
	char **merged = own != NULL ? calloc(count_strings(own) + 5, sizeof(*merged)) : NULL;
	size_t n = 0;
	if (merged == NULL)
		return NULL;
	if (shim != NULL && shim->is_in_front)
		append_shim(shim, merged, &n);
	for (char *const *item = own; *item != NULL; item++) {
		/* Of another startline, which is not to be reported to by this one's. */
		if (shim == NULL || strncmp(*item, SHIM_VARIABLE, strlen(SHIM_VARIABLE)) != 0)
			merged[n++] = *item;
	}
	if (shim != NULL)
		append_shim(shim, merged, &n);
	return merged;
}

void target_await(const struct target *t)
{
	(void)wait_for_child(t);
}

int target_release(struct target *t, const struct shim_environment *shim)
{
	const char byte = 0;
	t->environment = merge_environment(shim, &t->launch->spec);
	if (t->environment == NULL)
		return -ENOMEM;
	t->launch->environment = t->environment;
	const int r = write_all(t->go_fd, &byte, sizeof(byte));
	(void)close(take_fd(t->go_fd));
	/* A signal ended it while it waited, as Ctrl-C may: that is how it ended, then. */
	if (r == -EPIPE)
		return 0;
	return r < 0 ? fail(r, "cannot start the command: %s", strerror(-r)) : 0;
}

bool target_read_report(struct target *t)
{
	const bool has_failed = wait_for_child(t);
	if (has_failed)
		t->exec_errno = t->launch->error != 0 ? t->launch->error : EIO;
	(void)close(take_fd(t->report_fd));
	return !has_failed;
}

bool target_usage(const struct target *t, struct rusage *ret)
{
	siginfo_t info;
	/* The library's waitid() has no room for what the system call offers. */
	return t->pid > 0 &&
	       syscall(SYS_waitid, P_PID, t->pid, &info, WEXITED | WNOHANG | WNOWAIT, ret) == 0;
}

bool target_reap(struct target *t, int *ret_status)
{
	if (t->pid <= 0)
		return false;
	int status = 0;
	const pid_t pid = waitpid(t->pid, &status, WNOHANG);
	if (pid != t->pid)
		return false;
	*ret_status = status;
	t->pid = 0;
	return true;
}

void target_done(struct target *t)
{
	const bool was_released = t->pid > 0 && t->go_fd < 0;
	if (t->go_fd >= 0)
		(void)close(take_fd(t->go_fd));
	/* Until it has executed it stands on a stack of ours. */
	if (was_released && t->report_fd >= 0)
		(void)wait_for_child(t);
	if (t->report_fd >= 0)
		(void)close(take_fd(t->report_fd));
	if (!was_released)
		reap_now(t);
	if (t->pidfd >= 0)
		(void)close(take_fd(t->pidfd));
	free(take_ptr(t->stack));
	if (t->launch != NULL)
		free(t->launch->script);
	free(take_ptr(t->launch));
	free(take_ptr(t->environment));
	free(take_ptr(t->resolved));
}
