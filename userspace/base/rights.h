/* SPDX-License-Identifier: MIT */
#ifndef STARTLINE_BASE_RIGHTS_H
#define STARTLINE_BASE_RIGHTS_H
/*
 * Whose rights startline uses. Nobody else changes an identity.
 *
 * Under sudo, files are those of the user who called it: from rights_begin() on the process has that
 * user's groups and file system identity (setfsuid(2)), so whatever is opened, made, renamed, removed or
 * given another mode is what that user could have done. All else stays root's: kernel probes, signals,
 * looking at processes. Where the kernel's own files or another user's directory are needed, their rights
 * are taken for a moment. A switch that fails ends what needed it; nothing goes on with more rights.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct rights_user {
	uid_t uid;
	gid_t gid;
	const char *name; /* NULL: the uid is in no password database */
	const gid_t *groups;
	size_t n_groups;
};

/* At the start of a command. Under sudo HOME, USER and LOGNAME become the user's where they are
 * root's. Negative errno, logged: SUDO_UID names somebody whose rights cannot be taken. */
int rights_begin(void);

/* The user behind sudo; NULL: there is none, or it is root. */
const struct rights_user *rights_invoking(void);
/* The user of that name. Valid until the next call. -ENOENT: there is none; -ENOMEM. */
int rights_named(const char *name, const struct rights_user **ret);

/* Becomes @user for good, with no capability left: in a child, before it executes. Makes nothing but
 * raw system calls, so that it may share our memory. NULL: does nothing. Negative errno. */
int rights_become(const struct rights_user *user);

/* Whose files these are now. */
uid_t rights_uid(void);
gid_t rights_gid(void);

/* Between these two the files are @uid's; where the process is not root, nothing changes. Negative errno:
 * it could not be done, and *ret_before may be given back all the same. */
struct rights {
	uid_t uid;
	gid_t gid;
	bool is_changed, is_effective;
};
int rights_take(uid_t uid, gid_t gid, struct rights *ret_before);
void rights_give_back(const struct rights *before);
/* For libraries that ask who we are, and servers that ask the kernel: the effective identity as well
 * becomes that of the files. No kernel probe works meanwhile. */
int rights_take_effective(struct rights *ret_before);

#endif
