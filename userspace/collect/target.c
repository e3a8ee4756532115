/* SPDX-License-Identifier: MIT */
/* The command's process between fork and exec. The child drops privileges, finds the program with
 * its own rights and reports the path; then it waits for the environment the shim wants, which
 * depends on that path; then it executes. Failures come back over the report pipe, which the exec
 * itself closes. If startline dies meanwhile, the child sees the end of the pipe and ends. */

#include "userspace/collect/target.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/stdfd.h"

extern char **environ;

/* The settings are a handful of short variables; this bounds what a bug could send. */
#define ENVIRONMENT_MAX (256u * 1024)
#define CANNOT_EXECUTE	127

/* What the child sends: error 0 and a path, or an errno. */
struct report {
	int32_t error;
	uint32_t path_length;
};

void inheritance_take(struct inheritance *ret, unsigned int closed_fds)
{
	(void)sigprocmask(SIG_SETMASK, NULL, &ret->mask);
	(void)sigaction(SIGPIPE, NULL, &ret->pipe_action);
	(void)getrlimit(RLIMIT_NOFILE, &ret->files);
	(void)getrlimit(RLIMIT_MEMLOCK, &ret->memlock);
	ret->closed_fds = closed_fds;
}

static void inheritance_restore(const struct inheritance *in)
{
	/* Lowering is always allowed; raising back what was lowered may not be: harmless. */
	(void)setrlimit(RLIMIT_NOFILE, &in->files);
	(void)setrlimit(RLIMIT_MEMLOCK, &in->memlock);
	(void)sigaction(SIGPIPE, &in->pipe_action, NULL);
	(void)sigprocmask(SIG_SETMASK, &in->mask, NULL);
}

/* ---- in the child ---- */

static ssize_t read_fully(int fd, void *data, size_t n)
{
	size_t got = 0;
	while (got < n) {
		const ssize_t r = read(fd, (char *)data + got, n - got);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : (ssize_t)got;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

static void child_report(int fd, int error, const char *path)
{
	const struct report report = {
		.error = error,
		.path_length = path != NULL ? (uint32_t)strlen(path) : 0,
	};
	(void)write_all(fd, &report, sizeof(report));
	if (path != NULL)
		(void)write_all(fd, path, report.path_length);
}

static int child_drop_privileges(const struct target_spec *spec)
{
	if (spec->uid == (uid_t)-1)
		return 0;
	const int groups =
		spec->user != NULL ? initgroups(spec->user, spec->gid) : setgroups(1, &spec->gid);
	if (groups < 0 || setresgid(spec->gid, spec->gid, spec->gid) < 0 ||
	    setresuid(spec->uid, spec->uid, spec->uid) < 0)
		return -errno;
	return 0;
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
static int find_program(const char *name, char path[static PATH_MAX])
{
	if (*name == '\0')
		return -ENOENT;
	if (strchr(name, '/') != NULL) {
		if (strlen(name) >= PATH_MAX)
			return -ENAMETOOLONG;
		memcpy(path, name, strlen(name) + 1);
		return check_executable(path);
	}

	const char *search = getenv("PATH");
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

/* Takes the strings over into the environment. They stay allocated: the image is about to go. */
static int child_receive_environment(int fd)
{
	uint32_t length = 0;
	if (read_fully(fd, &length, sizeof(length)) != sizeof(length) || length > ENVIRONMENT_MAX)
		return -EPIPE;
	if (length == 0)
		return 0;
	char *text = malloc(length);
	if (text == NULL)
		return -ENOMEM;
	if (read_fully(fd, text, length) != (ssize_t)length || text[length - 1] != '\0')
		return -EPIPE;
	for (char *item = text; item < text + length; item += strlen(item) + 1) {
		if (putenv(item) != 0)
			return -ENOMEM;
	}
	return 0;
}

/* A script without "#!" is run by the shell, as execvp(3) does. */
static void exec_as_script(const char *path, char *const *argv)
{
	size_t n = 0;
	while (argv[n] != NULL)
		n++;
	const char **script = calloc(n + 3, sizeof(*script));
	if (script == NULL)
		return;
	script[0] = "/bin/sh";
	script[1] = path;
	for (size_t i = 1; i < n; i++)
		script[i + 1] = argv[i];
	(void)execve(script[0], (char *const *)(uintptr_t)script, environ);
}

static void child_redirect(const struct target_spec *spec)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (spec->inheritance->closed_fds & (1u << fd))
			(void)close(fd);
	}
	const int null = spec->null_stdin ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
	if (null >= 0)
		(void)dup2(null, STDIN_FILENO);
	for (int i = 0; spec->output_fds != NULL && i < 2; i++) {
		if (spec->output_fds[i] >= 0)
			(void)dup2(spec->output_fds[i], STDOUT_FILENO + i);
	}
}

static _Noreturn void child_main(const struct target_spec *spec, int go_fd, int report_fd)
{
	int r = child_drop_privileges(spec);
	if (r < 0) {
		child_report(report_fd, -r, NULL);
		_exit(CANNOT_EXECUTE);
	}

	static char path[PATH_MAX];
	r = find_program(spec->argv[0], path);
	if (spec->notify_text != NULL)
		(void)putenv(strdup(spec->notify_text));
	child_report(report_fd, -r, r == 0 ? path : NULL);
	if (r < 0 || child_receive_environment(go_fd) < 0)
		_exit(CANNOT_EXECUTE);

	child_redirect(spec);
	inheritance_restore(spec->inheritance);
	(void)execve(path, spec->argv, environ);
	if (errno == ENOEXEC)
		exec_as_script(path, spec->argv);
	child_report(report_fd, errno, NULL);
	_exit(CANNOT_EXECUTE);
}

/* ---- in startline ---- */

static int read_first_report(struct target *t)
{
	struct report report;
	const ssize_t n = read_fully(t->report_fd, &report, sizeof(report));
	if (n != sizeof(report))
		return fail(-ECHILD, "cannot start the command: its process ended early");
	if (report.error != 0) {
		t->exec_errno = report.error;
		return 0;
	}
	if (report.path_length >= PATH_MAX)
		return fail(-EPROTO, "cannot start the command: impossible path");
	t->path = calloc(1, PATH_MAX);
	if (t->path == NULL)
		return -ENOMEM;
	if (read_fully(t->report_fd, t->path, report.path_length) != (ssize_t)report.path_length)
		return fail(-ECHILD, "cannot start the command: its process ended early");
	return 0;
}

static void reap_now(struct target *t)
{
	while (t->pid > 0 && waitpid(t->pid, NULL, 0) < 0 && errno == EINTR) {
	}
	t->pid = 0;
}

int target_spawn(const struct target_spec *spec, struct target *ret)
{
	int go[2];
	int report[2];
	if (pipe2(go, O_CLOEXEC) < 0)
		return fail(-errno, "cannot make a pipe: %s", strerror(errno));
	_cleanup_close_ int go_read = go[0];
	_cleanup_close_ int go_write = go[1];
	if (pipe2(report, O_CLOEXEC) < 0)
		return fail(-errno, "cannot make a pipe: %s", strerror(errno));
	_cleanup_close_ int report_read = report[0];
	_cleanup_close_ int report_write = report[1];

	const pid_t pid = fork();
	if (pid < 0)
		return fail(-errno, "cannot create a process: %s", strerror(errno));
	if (pid == 0) {
		(void)close(go_write);
		(void)close(report_read);
		child_main(spec, go_read, report_write);
	}

	(void)close(take_fd(report_write));
	struct target t = { .pid = pid,
			    .pidfd = -1,
			    .go_fd = take_fd(go_write),
			    .report_fd = take_fd(report_read) };
	t.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int r = t.pidfd < 0 ? fail(-errno, "cannot watch process %d: %s", pid, strerror(errno))
			    : read_first_report(&t);
	if (r < 0 || t.exec_errno != 0) {
		(void)close(take_fd(t.go_fd));
		reap_now(&t);
	}
	if (r < 0)
		target_done(&t);
	else
		*ret = t;
	return r;
}

int target_release(struct target *t, char *const *environment)
{
	struct buf text;
	buf_init(&text, ENVIRONMENT_MAX);
	for (size_t i = 0; environment != NULL && environment[i] != NULL; i++)
		(void)buf_add(&text, environment[i], strlen(environment[i]) + 1);
	int r = text.error;
	const uint32_t length = (uint32_t)text.len;
	if (r == 0)
		r = write_all(t->go_fd, &length, sizeof(length));
	if (r == 0 && length > 0)
		r = write_all(t->go_fd, text.data, text.len);
	buf_done(&text);
	(void)close(take_fd(t->go_fd));
	return r < 0 ? fail(r, "cannot start the command: %s", strerror(-r)) : 0;
}

bool target_read_report(struct target *t)
{
	struct report report;
	const ssize_t n = read_fully(t->report_fd, &report, sizeof(report));
	if (n == sizeof(report))
		t->exec_errno = report.error != 0 ? report.error : EIO;
	(void)close(take_fd(t->report_fd));
	return true;
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
	const bool was_released = t->go_fd < 0;
	if (t->go_fd >= 0)
		(void)close(take_fd(t->go_fd));
	if (t->report_fd >= 0)
		(void)close(take_fd(t->report_fd));
	if (!was_released)
		reap_now(t);
	if (t->pidfd >= 0)
		(void)close(take_fd(t->pidfd));
	free(take_ptr(t->path));
}
