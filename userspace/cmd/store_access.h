/* SPDX-License-Identifier: MIT */
/* How commands use the store: with what git knows, and without losing what was measured when the store
 * fails. */
#ifndef USERSPACE_CMD_STORE_ACCESS_H
#define USERSPACE_CMD_STORE_ACCESS_H

#include <argp.h>

#include "userspace/store/store.h"

/* --store URL, for the children of a command's argp; has no input. */
extern const struct argp store_argp;
/* output_argp and this one. */
extern const struct argp_child stored_children[];
/* What the configuration says, NULL: nothing. --store goes before it. */
void store_access_set_url(const char *url);

/* What --store said, NULL: nothing. Advice has to repeat it. */
const char *store_access_given(void);
/* store_file() of what would be opened. */
const char *store_access_file(void);
/* As store_open(). -ENOENT, not logged: there is no store yet. */
int store_access_open(bool create, struct store **ret);

/* Stores a session, under the name of a baseline if @name is not NULL. Where @about has no commit, it
 * is that of the working directory. */
int store_access_put(const struct session *s, const char *name, const struct store_entry *about);
/* The same for what was just measured: when the store fails it is written to a file, which the
 * message names. Returns the store's failure. */
int store_access_save(const struct session *s, const char *name, const struct store_entry *about);

/* Whether @s may become what others are measured by. -EINVAL, logged: a run failed. A warning: most
 * were disturbed. */
int store_access_check_baseline(const struct session *s);

/* -EEXIST or -EINVAL, logged, when there is a baseline of that name, or can be none: before an hour
 * is spent on measuring another one. 0 when not, or when the store does not say. */
int store_access_check_name(const char *name);

/* Whether there is a baseline of that name: 1 or 0. Negative errno, logged: the store does not say. */
int store_access_has(const char *name);

/* The baseline @name. A store that is not there has none. -ENOENT, logged. */
int store_access_load(const char *name, struct session **ret);

#endif
