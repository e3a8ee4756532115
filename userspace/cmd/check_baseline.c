/* SPDX-License-Identifier: MIT */
/* What a scenario is measured by: a baseline in the store, or a file. With a trusted commit only what
 * belongs to that: a file as it is in there, a baseline that was saved at it or at a commit that led
 * to it. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/cmd/check.h"
#include "userspace/cmd/git_facts.h"
#include "userspace/cmd/ref.h"
#include "userspace/cmd/store_access.h"

#define DOCUMENT_MAX ((size_t)64 << 20)

static int load_trusted_file(struct check *c, const char *path, struct session **ret,
			     const char **ret_reason)
{
	_cleanup_(buf_done) struct buf text = { .limit = DOCUMENT_MAX };
	int r = git_show(c->trusted, path, &text);
	if (r == 0)
		r = ref_read(buf_str(&text), text.len, path, ret);
	if (r < 0)
		*ret_reason =
			arena_printf(c->arena,
				     r == -ENOENT ? "the trusted commit has no '%s'"
						  : "'%s' of the trusted commit cannot be read",
				     path);
	return r;
}

/* SQLite takes for its own what lies beside a store under these names, and keeps it. */
static bool may_have_been_brought(struct check *c, const char *file)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		const char *path = arena_printf(c->arena, "%s%s", file, ends[i]);
		if (path == NULL || git_may_have_brought(path))
			return true;
	}
	return false;
}

/* What says where a baseline was saved must not come with the change. */
static int distrust_store(struct check *c, const char **ret_reason)
{
	const char *file = store_access_file();
	_cleanup_free_ char *real = file != NULL ? realpath(file, NULL) : NULL;
	/* A store that is not there has no baselines. */
	if (real == NULL || !(may_have_been_brought(c, file) || may_have_been_brought(c, real)))
		return 0;
	*ret_reason = arena_printf(c->arena,
				   "the store '%s' is a file of the repository: not trusted", file);
	return -ENOENT;
}

/* Why a stored baseline is none for the trusted commit, or NULL. */
static const char *distrust(struct check *c, const char *name, const struct store_entry *about)
{
	if (about->commit == NULL || *about->commit == '\0')
		return arena_printf(c->arena,
				    "baseline '@%s' was saved outside of git: not trusted", name);
	if (about->is_dirty)
		return arena_printf(c->arena,
				    "baseline '@%s' was saved with files that differ from their "
				    "commit: not trusted",
				    name);
	if (!git_is_part_of(about->commit, c->trusted))
		return arena_printf(
			c->arena,
			"baseline '@%s' was saved at commit %.12s, which is not part of "
			"the trusted one (a shallow clone? git fetch --unshallow)",
			name, about->commit);
	return NULL;
}

static int load_trusted_name(struct check *c, const char *name, struct session **ret,
			     const char **ret_reason)
{
	struct store *store = NULL;
	struct store_entry about = { 0 };
	int r = store_access_open(false, &store);
	if (r >= 0)
		r = baseline_load(store, name, ret, &about, c->arena);
	(void)store_close(store);
	if (r < 0) {
		*ret_reason = arena_printf(c->arena, "there is no baseline '@%s'", name);
		return r;
	}
	*ret_reason = distrust(c, name, &about);
	if (*ret_reason == NULL)
		return 0;
	*ret = session_free(*ret);
	return -ENOENT;
}

static int load(struct check *c, const char *name, bool is_file, struct session **ret,
		const char **ret_reason)
{
	const char *ref = is_file ? name : arena_printf(c->arena, "@%s", name);
	if (ref == NULL)
		return fail(-ENOMEM, "not enough memory for a baseline");
	const int r = ref_load(ref, ret);
	if (r == -ENOENT)
		*ret_reason = arena_printf(
			c->arena,
			is_file ? "there is no baseline '%s'"
				: "there is no baseline '%s': `startline baseline save %s` saves the "
				  "last recording",
			ref, name);
	else if (r < 0)
		*ret_reason = arena_printf(c->arena, "the baseline '%s' cannot be read", ref);
	return r;
}

/* "main:memory mode" where there is one: scenarios that share a name have each its own. */
static int take_own_name(struct check *c, const struct scenario *s, const char **name)
{
	const char *own = arena_printf(c->arena, "%s:%s", *name, s->name);
	const int r = own != NULL ? store_access_has(own) : -ENOMEM;
	if (r > 0)
		*name = own;
	return r;
}

int check_load_baseline(struct check *c, const struct scenario *s, const char *name,
			struct session **ret, const char **ret_reason)
{
	const bool is_file = strchr(name, '/') != NULL;
	/* Before it is opened. */
	if (!is_file && c->trusted != NULL && distrust_store(c, ret_reason) < 0)
		return -ENOENT;
	int r = is_file ? 0 : take_own_name(c, s, &name);
	if (r < 0)
		*ret_reason = "the store does not work, as said above";
	else if (c->trusted == NULL)
		r = load(c, name, is_file, ret, ret_reason);
	else if (is_file)
		r = load_trusted_file(c, name, ret, ret_reason);
	else
		r = load_trusted_name(c, name, ret, ret_reason);
	return r < 0 ? r : check_keep(c, *ret);
}
