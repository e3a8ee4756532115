/* SPDX-License-Identifier: MIT */
/* What git knows: which commit the working directory is at, and what is in another one. The git command
 * is asked, as the user behind sudo and without hooks. Nothing is logged. */
#ifndef USERSPACE_CMD_GIT_FACTS_H
#define USERSPACE_CMD_GIT_FACTS_H

#include <stdbool.h>

#include "userspace/base/buf.h"

#define GIT_COMMIT_BYTES 65 /* a SHA-256 and the final NUL */

struct git_facts {
	char commit
		[GIT_COMMIT_BYTES]; /* hexadecimal; "" when there is no git, no repository or no commit */
	char branch[256];	    /* "" also when no branch is checked out */
	bool is_dirty;		    /* files that git follows differ from the commit */
};

/* Never fails, never takes longer than a few seconds. */
void git_facts_read(struct git_facts *ret);

/* The commit that @revision names. -ENOENT: none. */
int git_resolve(const char *revision, char ret[static GIT_COMMIT_BYTES]);
/* Appends the file @path, relative to the working directory, as it is in @commit. -ENOENT: it is not in
 * there; -EFBIG; -EINVAL: the path is absolute. */
int git_show(const char *commit, const char *path, struct buf *ret);
/* Whether @commit is @of or one that led to it; false also when git does not know. */
bool git_is_part_of(const char *commit, const char *of);

/* Whether the file @path, or the one that it leads to, may be there because a commit was checked out: git
 * follows it, it lies in a submodule or behind a link that git follows, or git does not answer. */
bool git_may_have_brought(const char *path);

#endif
