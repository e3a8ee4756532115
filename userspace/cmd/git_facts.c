/* SPDX-License-Identifier: MIT */
/* Runs `git` in the working directory. A repository can make git execute programs of its choice, so
 * under sudo it runs as the user for good: their rights, not only their effective ids. */

#include "userspace/cmd/git_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/base/rights.h"

#define PATIENCE_MS 5000
/* For `git show`, which in a partial clone fetches what it shows. */
#define SHOW_PATIENCE_MS 60000
#define WORDS_MAX	 16
#define BLOCK_BYTES	 16384

/* Between fork() and exec: nothing that allocates. */
static void become_git(int output, const char *const *words)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0 || rights_become(rights_invoking()) < 0)
		_exit(127);
	/* exec changes none of the words; its prototype is older than const. */
	char *argv[WORDS_MAX];
	memcpy(argv, words, sizeof(argv));
	(void)execvp("git", argv);
	_exit(127);
}

static int64_t now_ms(void)
{
	return (int64_t)(clock_ns(CLOCK_MONOTONIC) / NS_PER_MS);
}

/* The output up to its end, or to the limit of @ret; false: it took too long. */
static bool read_output(int fd, int patience_ms, struct buf *ret)
{
	const int64_t end = now_ms() + patience_ms;
	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		const int64_t left = end - now_ms();
		if (left <= 0 || (poll(&wait, 1, (int)left) < 0 && errno != EINTR))
			return false;
		char block[BLOCK_BYTES];
		const ssize_t got = wait.revents != 0 ? read(fd, block, sizeof(block)) : -1;
		if (got == 0)
			return true;
		if (got > 0)
			(void)buf_add(ret, block, (size_t)got);
	}
}

/* git's exit status; -1: it could not be asked. What it answers is appended to @ret. */
static int ask(const char *const *question, int patience_ms, struct buf *ret)
{
	/* A hook or a monitor of the repository's own is none of our business, nor are settings in a
	 * directory of it that looks like a repository. */
	const char *words[WORDS_MAX] = { "git", "--no-optional-locks",
					 "-c",	"core.fsmonitor=false",
					 "-c",	"core.hooksPath=/dev/null",
					 "-c",	"safe.bareRepository=explicit" };
	for (size_t i = 0; question[i] != NULL && i + 9 < WORDS_MAX; i++)
		words[i + 8] = question[i];
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	const pid_t pid = fork();
	if (pid == 0)
		become_git(ends[1], words);
	(void)close(ends[1]);
	_cleanup_close_ int output = ends[0];
	if (pid < 0)
		return -1;
	if (!read_output(output, patience_ms, ret))
		(void)kill(pid, SIGKILL);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The same for an answer of one line, which is cut to @size. */
static int ask_line(const char *const *question, char *text, size_t size)
{
	_cleanup_(buf_done) struct buf answer = { .limit = LINE_MAX };
	const int status = ask(question, PATIENCE_MS, &answer);
	const size_t n = strcspn(buf_str(&answer), "\n");
	(void)snprintf(text, size, "%.*s", (int)n, buf_str(&answer));
	return status;
}

static bool is_commit(const char *text)
{
	return text[0] != '\0' && strspn(text, "0123456789abcdef") == strlen(text);
}

void git_facts_read(struct git_facts *ret)
{
	static const char *const commit[] = { "rev-parse", "--verify", "-q", "HEAD", NULL };
	static const char *const branch[] = { "symbolic-ref", "--short", "-q", "HEAD", NULL };
	static const char *const changes[] = { "diff-index", "--quiet", "--no-ext-diff",
					       "HEAD",	     "--",	NULL };
	char nothing[2];
	*ret = (struct git_facts){ 0 };
	if (ask_line(commit, ret->commit, sizeof(ret->commit)) != 0 || !is_commit(ret->commit)) {
		ret->commit[0] = '\0';
		return;
	}
	if (ask_line(branch, ret->branch, sizeof(ret->branch)) != 0)
		ret->branch[0] = '\0';
	ret->is_dirty = ask_line(changes, nothing, sizeof(nothing)) == 1;
}

int git_resolve(const char *revision, char ret[static GIT_COMMIT_BYTES])
{
	_cleanup_(buf_done) struct buf peeled = { .limit = LINE_MAX };
	(void)buf_addf(&peeled, "%s^{commit}", revision);
	const char *const question[] = { "rev-parse",	     "--verify",       "-q",
					 "--end-of-options", buf_str(&peeled), NULL };
	if (peeled.error < 0 || ask_line(question, ret, GIT_COMMIT_BYTES) != 0)
		return -ENOENT;
	return is_commit(ret) ? 0 : -ENOENT;
}

int git_show(const char *commit, const char *path, struct buf *ret)
{
	_cleanup_(buf_done) struct buf object = { .limit = PATH_MAX + GIT_COMMIT_BYTES };
	(void)buf_addf(&object, "%s:./%s", commit, path);
	const char *const question[] = { "cat-file", "blob", buf_str(&object), NULL };
	if (object.error < 0 || *path == '/')
		return -EINVAL;
	if (ask(question, SHOW_PATIENCE_MS, ret) != 0)
		return -ENOENT;
	return ret->error;
}

bool git_is_part_of(const char *commit, const char *of)
{
	char nothing[2];
	const char *const question[] = { "merge-base", "--is-ancestor", commit, of, NULL };
	return is_commit(commit) && ask_line(question, nothing, sizeof(nothing)) == 0;
}

/* git's answers about a file: it follows it, it does not, the file is outside. All else: it could not be
 * asked. */
enum { FOLLOWED = 0, NOT_FOLLOWED = 1, OUTSIDE = 128 };

/* In the repository that @directory belongs to. */
static int ask_about(const char *directory, const char *path)
{
	char nothing[2];
	const char *const question[] = { "-C", directory, "ls-files", "--error-unmatch",
					 "--", path,	  NULL };
	return ask_line(question, nothing, sizeof(nothing));
}

static bool is_outside(const char *real)
{
	static const char *const question[] = { "rev-parse", "--show-toplevel", NULL };
	char top[PATH_MAX];
	if (ask_line(question, top, sizeof(top)) != 0 || top[0] != '/')
		return false;
	const size_t n = strlen(top);
	return strncmp(real, top, n) != 0 || (real[n] != '/' && real[n] != '\0');
}

/* Whether a directory on the way to @path is a link of the repository. */
static bool has_followed_link(const char *path)
{
	struct stat st;
	_cleanup_free_ char *way = strdup(path);
	for (char *end = way; end != NULL; end = strchr(end + 1, '/')) {
		if (end == way)
			continue;
		*end = '\0';
		const bool is_link = lstat(way, &st) == 0 && S_ISLNK(st.st_mode);
		const int answer = is_link ? ask_about(".", way) : NOT_FOLLOWED;
		*end = '/';
		if (answer != NOT_FOLLOWED && answer != OUTSIDE)
			return true;
	}
	return way == NULL;
}

bool git_may_have_brought(const char *path)
{
	struct stat st;
	const int answer = ask_about(".", path);
	if (answer != NOT_FOLLOWED && answer != OUTSIDE)
		return true;
	if (lstat(path, &st) < 0 && errno == ENOENT)
		return false;
	_cleanup_free_ char *real = realpath(path, NULL);
	if (real == NULL || has_followed_link(path))
		return true;
	if (is_outside(real))
		return false;
	/* It may lie in a submodule, which only that knows. */
	char *name = strrchr(real, '/');
	*name++ = '\0';
	return ask_about(real, name) != NOT_FOLLOWED;
}
