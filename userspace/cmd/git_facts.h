/* SPDX-License-Identifier: MIT */
/* Which commit the working directory is at. */
#ifndef USERSPACE_CMD_GIT_FACTS_H
#define USERSPACE_CMD_GIT_FACTS_H

#include <stdbool.h>

struct git_facts {
	char commit[65];  /* hexadecimal; "" when there is no git, no repository or no commit */
	char branch[256]; /* "" also when no branch is checked out */
	bool is_dirty;	  /* files that git follows differ from the commit */
};

/* Asks the git command, as the user behind sudo and without its hooks. Never fails, never takes
 * longer than a few seconds. */
void git_facts_read(struct git_facts *ret);

#endif
