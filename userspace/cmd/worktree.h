/* SPDX-License-Identifier: MIT */
/* A checkout of another revision, for as long as it is measured. Git runs as the user who called
 * startline, also under sudo, and runs no hooks. */
#ifndef USERSPACE_CMD_WORKTREE_H
#define USERSPACE_CMD_WORKTREE_H

struct worktree {
	char *top; /* its root; as long as the path of the repository's own, where that can be */
	char *directory; /* in it: what the current directory is in the repository */
	char *repository;
};

/* Checks @revision of the repository around @directory (NULL: the current one) out into a temporary
 * directory. -EINVAL, logged: this is no repository, or has no such revision; -EINTR: Ctrl-C. */
int worktree_add(const char *revision, const char *directory, struct worktree *ret);
/* Removes it from the disk and from git's list. */
void worktree_remove(struct worktree *w);

/* Runs @command by a shell in @directory, as that user: builds what is to be measured. Its output goes
 * to standard error. -ECHILD, logged: it failed; -EINTR: Ctrl-C. */
int worktree_setup(const char *directory, const char *command);

#endif
