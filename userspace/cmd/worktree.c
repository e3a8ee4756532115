/* SPDX-License-Identifier: MIT */
/* Names of equal length, since the length of a path shows in how fast a program runs: it moves what
 * lies behind it in memory. */

#include "userspace/cmd/worktree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/rights.h"
#include "userspace/collect/run/aside.h"
#include "userspace/collect/run/inheritance.h"

#define OUTPUT_MAX ((size_t)64 << 10)
#define WHY_MAX	   256
#define NAME	   "startline-base-"
#define RANDOM	   "XXXXXX" /* mkdtemp */

/* --- other programs ------------------------------------------------------------------------- */

/* What Ctrl-C means while a child runs: the child's end, and then ours, with all tidied up. */
static void hold_signals(sigset_t *ret_before)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;
	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		/* An ignored signal that is blocked would become pending, and be taken for one. */
		if (signals[i] != SIGHUP || !inheritance_ignores_hangup())
			(void)sigaddset(&set, signals[i]);
	}
	(void)sigprocmask(SIG_BLOCK, &set, ret_before);
}

static bool is_interrupted(void)
{
	sigset_t pending;
	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
		sigismember(&pending, SIGHUP) == 1);
}

static int child(char *const argv[], const char *directory, int output, const sigset_t *mask)
{
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	if (rights_become(rights_invoking()) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    (directory != NULL && chdir(directory) < 0))
		_exit(EXIT_FAILURE);
	(void)execvp(argv[0], argv);
	_exit(127);
}

/* The wait status. @mask: the signals that the program shall find blocked. */
static int run_child(char *const argv[], const char *directory, const sigset_t *mask,
		     struct buf *output)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_close_ int from = fds[0];
	_cleanup_close_ int to = fds[1];
	const pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(child(argv, directory, output != NULL ? to : STDERR_FILENO, mask));
	(void)close(take_fd(to));
	const int r = output != NULL ? fs_read_fd(from, output) : 0;
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	return r < 0 ? r : status;
}

/* -ECHILD: it failed, and has said why. */
static int run(char *const argv[], const char *directory, struct buf *output)
{
	sigset_t before;
	hold_signals(&before);
	int r = run_child(argv, directory, &before, output);
	if (r > 0)
		r = WIFEXITED(r) && WEXITSTATUS(r) == 127 ? -ENOENT : -ECHILD;
	if (is_interrupted())
		r = -EINTR;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* The line that git answers with. */
static int ask_git(const char *directory, const char *question, const char *revision, char **ret)
{
	char git[] = "git", rev_parse[] = "rev-parse", verify[] = "--verify";
	char end[] = "--end-of-options", quiet[] = "--quiet";
	_cleanup_(buf_done) struct buf answer = { .limit = OUTPUT_MAX };
	_cleanup_free_ char *asked = strdup(question != NULL ? question : revision);
	if (asked == NULL)
		return -ENOMEM;
	char *about_place[] = { git, rev_parse, asked, NULL };
	char *about_revision[] = { git, rev_parse, quiet, verify, end, asked, NULL };
	const int r = run(question != NULL ? about_place : about_revision, directory, &answer);
	if (r < 0)
		return r;
	if (answer.len > 0 && buf_str(&answer)[answer.len - 1] == '\n')
		answer.len--;
	*ret = strndup(buf_str(&answer), answer.len);
	return *ret != NULL ? 0 : -ENOMEM;
}

/* --- a place -------------------------------------------------------------------------------- */

/* A template for mkdtemp, as long as @like if that is long enough. NULL: no memory. */
static char *name_like(const char *like)
{
	const char *parent = getenv("TMPDIR");
	if (parent == NULL || parent[0] != '/')
		parent = "/tmp";
	const size_t least = strlen(parent) + 1 + strlen(RANDOM);
	const size_t most = strlen(parent) + 1 + NAME_MAX;
	size_t length = strlen(like);
	length = length < least ? least : length > most ? most : length;
	char *name = malloc(length + 1);
	if (name == NULL)
		return NULL;
	(void)snprintf(name, length + 1, "%s/", parent);
	const size_t filled = length - strlen(RANDOM);
	for (size_t at = strlen(name); at < filled; at++)
		name[at] = NAME[(at - strlen(parent) - 1) % strlen(NAME)];
	memcpy(name + filled, RANDOM, strlen(RANDOM) + 1);
	return name;
}

static int make_place(const char *like, char **ret)
{
	char *name = name_like(like);
	if (name == NULL)
		return -ENOMEM;
	if (mkdtemp(name) == NULL) {
		const int error = errno;
		(void)fail(-error, "cannot make a directory like '%s': %s", name, strerror(error));
		free(name);
		return -error;
	}
	*ret = name;
	return 0;
}

static int check_out(struct worktree *w, char *commit)
{
	char git[] = "git", hooks[] = "core.hooksPath=/dev/null", set[] = "-c";
	char worktree[] = "worktree", add[] = "add", detach[] = "--detach", quiet[] = "--quiet";
	char *argv[] = { git, set, hooks, worktree, add, detach, quiet, w->top, commit, NULL };
	return run(argv, w->repository, NULL);
}

/* @prefix: "" or "sub/", as git says where the directory lies in its repository. */
static int find_directory(struct worktree *w, const char *prefix)
{
	if (asprintf(&w->directory, "%s/%s", w->top, prefix) < 0) {
		w->directory = NULL;
		return -ENOMEM;
	}
	const size_t n = strlen(w->directory);
	w->directory[n - 1] = '\0';
	if (access(w->directory, X_OK) == 0)
		return 0;
	return fail(-EINVAL, "that revision has no directory '%s'", prefix);
}

static int say_trouble(int r, const char *revision, const char *what)
{
	if (r == -ENOENT)
		return fail(-EINVAL, "a worktree needs git, which is not installed");
	if (r == -ECHILD)
		return fail(-EINVAL, "worktree '%s': %s", revision, what);
	return r == -EINTR ? r : fail(r, "worktree '%s': %s", revision, strerror(-r));
}

int worktree_add(const char *revision, const char *directory, struct worktree *ret)
{
	*ret = (struct worktree){ 0 };
	_cleanup_free_ char *prefix = NULL;
	_cleanup_free_ char *commit = NULL;
	_cleanup_free_ char *peeled = NULL;
	if (asprintf(&peeled, "%s^{commit}", revision) < 0) {
		peeled = NULL;
		return -ENOMEM;
	}
	int r = ask_git(directory, "--show-toplevel", NULL, &ret->repository);
	if (r >= 0)
		r = ask_git(directory, "--show-prefix", NULL, &prefix);
	if (r < 0)
		return say_trouble(r, revision, "there is no git repository here");
	r = ask_git(directory, NULL, peeled, &commit);
	if (r < 0) {
		worktree_remove(ret);
		return say_trouble(r, revision,
				   "this repository has no such revision (a shallow clone? git "
				   "fetch it first)");
	}
	r = make_place(ret->repository, &ret->top);
	if (r >= 0) {
		r = check_out(ret, commit);
		if (r < 0)
			r = say_trouble(r, revision, "git cannot check it out");
	}
	if (r >= 0)
		r = find_directory(ret, prefix);
	if (r < 0)
		worktree_remove(ret);
	return r;
}

void worktree_remove(struct worktree *w)
{
	char git[] = "git", worktree[] = "worktree", remove[] = "remove", force[] = "--force";
	char *argv[] = { git, worktree, remove, force, w->top, NULL };
	if (w->top != NULL && rmdir(w->top) < 0 && run(argv, w->repository, NULL) == -ECHILD)
		log_warning("the worktree '%s' is left: git worktree remove --force %s", w->top,
			    w->top);
	free(take_ptr(w->top));
	free(take_ptr(w->directory));
	free(take_ptr(w->repository));
}

int worktree_setup(const char *directory, const char *command)
{
	const struct aside_spec spec = {
		.argv = ASIDE_SHELL(command),
		.directory = directory,
		.user = rights_invoking(),
		.is_shown = true,
	};
	struct aside shell;
	char why[WHY_MAX];
	aside_init(&shell);
	aside_hold_signals();
	int r = aside_start(&spec, &shell);
	if (r >= 0)
		r = aside_wait(&shell, INT64_MAX);
	aside_stop(&shell);
	if (r < 0)
		return r;
	aside_explain(&shell, why, sizeof(why));
	return why[0] == '\0' ? 0
			      : fail(-ECHILD, "'%s' failed in '%s': %s", command,
				     directory != NULL ? directory : ".", why);
}
