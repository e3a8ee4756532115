/* SPDX-License-Identifier: MIT */
/* A process of its own that closes descriptors slowly. It is forked when they are to be closed,
 * not before, so nothing of it exists while a program is recorded. */
#include "userspace/collect/bpf/background_close.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool is_kept(int fd, const int *fds, size_t n, int parent)
{
	if (fd == parent)
		return true;
	for (size_t i = 0; i < n; i++)
		if (fds[i] == fd)
			return true;
	return false;
}

/* Descriptors are handed out from below: none of ours lies far above the highest we keep. */
static int highest(const int *fds, size_t n, int parent)
{
	int max = parent;
	for (size_t i = 0; i < n; i++)
		if (fds[i] > max)
			max = fds[i];
	return max;
}

/* Whoever reads our standard streams through a pipe waits until the last copy is closed, so
 * those go first. */
static void live_on(const int *fds, size_t n, int parent)
{
	const int limit = highest(fds, n, parent);
	struct pollfd ended = { .fd = parent, .events = POLLIN };

	for (int fd = 0; fd <= limit; fd++)
		if (!is_kept(fd, fds, n, parent))
			(void)close(fd);
	(void)close_range((unsigned int)limit + 1, ~0u, 0);
	(void)prctl(PR_SET_NAME, "startline-detach", 0, 0, 0);
	(void)poll(&ended, 1, BACKGROUND_CLOSE_MAX_MS);
	_exit(0);
}

void background_close(const int *fds, size_t n)
{
	int ends[2]; /* the write end stays open here for as long as we live */

	if (n == 0 || pipe2(ends, O_CLOEXEC) < 0)
		return;
	const pid_t child = fork();
	if (child == 0) {
		(void)close(ends[1]);
		live_on(fds, n, ends[0]);
	}
	(void)close(ends[0]);
	if (child < 0)
		(void)close(ends[1]);
}
