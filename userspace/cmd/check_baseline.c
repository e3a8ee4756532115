/* SPDX-License-Identifier: MIT */
/* What a scenario is measured by: a baseline in the store, or a file, that was measured of the same. With
 * a trusted commit only what belongs to that: a file as it is in there, a baseline that was saved at it
 * or at a commit that led to it. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/shellwords.h"
#include "userspace/cmd/check.h"
#include "userspace/cmd/git_facts.h"
#include "userspace/cmd/ref.h"
#include "userspace/cmd/store_access.h"

#define DOCUMENT_MAX ((size_t)64 << 20)

/* --- whether it may be trusted --------------------------------------------------------------- */

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

/* --- whether it is one of this scenario ------------------------------------------------------ */

/* A command line as it is compared: wherever the program lies, and without what changes from run to
 * run. NULL: no memory. */
static const char *command_of(struct arena *arena, const char *const *words, size_t n)
{
	struct session like = { .command.n = n };
	if (n == 0)
		return "";
	like.command.items = arena_memdup(arena, words, n * sizeof(*words));
	if (like.command.items == NULL)
		return NULL;
	const char *slash = strrchr(words[0], '/');
	if (slash != NULL && slash[1] != '\0')
		like.command.items[0] = slash + 1;
	return store_scenario_of(&like, arena);
}

/* What @s runs, or "" where that is not one command. NULL: no memory. */
static const char *command_of_scenario(struct arena *arena, const struct scenario *s)
{
	size_t n = 0;
	if (s->n_steps != 1 || s->results != NULL)
		return "";
	while (s->steps[0].argv[n] != NULL)
		n++;
	return command_of(arena, (const char *const *)s->steps[0].argv, n);
}

/* The scenario that @about names, NULL: it names none, but the command. */
static const char *scenario_of(struct arena *arena, const struct session *base,
			       const struct store_entry *about)
{
	const char *command = store_scenario_of(base, arena);
	if (about == NULL || about->scenario == NULL || *about->scenario == '\0' ||
	    command == NULL || strcmp(about->scenario, command) == 0)
		return NULL;
	return about->scenario;
}

/* Why @base, which messages call @label, is none for @s, or NULL. What was typed or measured by another
 * tool has no command. */
static const char *refuse(struct check *c, const struct scenario *s, const char *label,
			  const struct session *base, const struct store_entry *about)
{
	static const char no_memory[] = "not enough memory";
	const char *scenario = scenario_of(c->arena, base, about);
	/* What has no command is stored under the baseline's own name. */
	const bool is_named = scenario != NULL && strcmp(scenario, label + (label[0] == '@')) != 0;
	if (is_named && strcmp(scenario, s->name) != 0)
		return arena_printf(c->arena, "%s was measured of another scenario: '%s', not '%s'",
				    label, scenario, s->name);
	const char *own = command_of_scenario(c->arena, s);
	const char *other = command_of(c->arena, base->command.items, base->command.n);
	if (own == NULL || other == NULL)
		return no_memory;
	if (*own == '\0' || *other == '\0' || strcmp(own, other) == 0)
		return NULL;
	return arena_printf(c->arena, "%s was measured of another command: '%s', not '%s'", label,
			    other, own);
}

/* --- loading -------------------------------------------------------------------------------- */

static const char store_failed[] = "the store does not work, as said above";

/* " --store elsewhere.db", or "". NULL: no memory. */
static const char *given_store(struct check *c)
{
	const char *given = store_access_given();
	const char *quoted = given != NULL ? shellwords_quote(c->arena, given) : NULL;
	if (given == NULL || quoted == NULL)
		return given == NULL ? "" : NULL;
	return arena_printf(c->arena, " --store %s", quoted);
}

/* "startline check --save 'memory mode'", as it can be pasted into a shell. */
static const char *how_to_save(struct check *c, const struct scenario *s)
{
	const char *path = c->config->path;
	const bool is_usual = strcmp(path, CONFIG_FILE) == 0;
	const char *name = shellwords_quote(c->arena, s->name);
	const char *file = is_usual ? "" : shellwords_quote(c->arena, path);
	const char *store = given_store(c);
	if (name == NULL || file == NULL || store == NULL)
		return NULL;
	return arena_printf(c->arena, "startline check --save%s%s%s %s", store,
			    is_usual ? "" : " -f ", file, name);
}

const char *check_own_baseline(struct check *c, const struct scenario *s, const char *name)
{
	return arena_printf(c->arena, "%s:%s", name, s->name);
}

/* What @name stands for: "main:memory mode" where there is one, since scenarios that share a name have
 * each its own; else "main". *ret_found NULL: there is neither. */
static int load_stored(struct check *c, const struct scenario *s, const char *name,
		       const char **ret_found, struct session **ret, struct store_entry *ret_about)
{
	const char *const names[] = { check_own_baseline(c, s, name), name };
	struct store *store = NULL;
	*ret_found = NULL;
	int r = names[0] != NULL ? store_access_open(false, &store) : -ENOMEM;
	for (size_t i = 0; r == 0 && i < 2; i++) {
		r = baseline_has(store, names[i]);
		if (r > 0)
			*ret_found = names[i];
	}
	if (r > 0)
		r = baseline_load(store, *ret_found, ret, ret_about, c->arena);
	(void)store_close(store);
	/* A store that is not there has none. */
	return r == -ENOENT && *ret_found == NULL ? 0 : r;
}

/* That it is not there yet is no failure, but where a budget asks for it by name, or a change could have
 * removed it. */
static int say_missing(struct check *c, const struct scenario *s, const char *name, bool may_wait,
		       const char **ret_reason)
{
	const char *how = may_wait ? how_to_save(c, s) : shellwords_quote(c->arena, name);
	const char *store = given_store(c);
	*ret_reason =
		arena_printf(c->arena,
			     may_wait ? "there is no baseline '@%s' yet: `%s` stores one"
				      : "there is no baseline '@%s': `startline baseline save "
					"%s REF%s` makes one of a recording",
			     name, how != NULL ? how : "", store != NULL ? store : "");
	return may_wait ? 0 : -ENOENT;
}

static int load_name(struct check *c, const struct scenario *s, const char *name, bool may_wait,
		     struct session **ret, const char **ret_reason)
{
	const bool is_own = s->baseline != NULL && strcmp(s->baseline, name) == 0;
	struct store_entry about = { 0 };
	const char *found = NULL;
	/* Before it is opened. */
	if (c->trusted != NULL && distrust_store(c, ret_reason) < 0)
		return -ENOENT;
	*ret_reason = store_failed;
	const int r = load_stored(c, s, name, &found, ret, &about);
	if (r < 0)
		return r;
	if (found == NULL)
		return say_missing(c, s, name, may_wait, ret_reason);
	const char *label = arena_printf(c->arena, "@%s", found);
	*ret_reason = c->trusted != NULL ? distrust(c, found, &about) : NULL;
	if (*ret_reason != NULL || label == NULL) {
		*ret = session_free(*ret);
		return -ENOENT;
	}
	/* A budget that names another one means it. */
	*ret_reason = is_own ? refuse(c, s, label, *ret, &about) : NULL;
	if (*ret_reason == NULL)
		return 0;
	*ret = session_free(*ret);
	/* What is another's is in the way of none of its own. */
	if (c->is_saving && may_wait && found == name)
		return 0;
	const char *how = how_to_save(c, s);
	*ret_reason = arena_printf(c->arena, "%s; %s%s%s%s", *ret_reason,
				   found == name ? "" : "`startline baseline rm` it, then ", "`",
				   how != NULL ? how : "", "` stores its own");
	return -ENOENT;
}

static int load_file(struct check *c, const struct scenario *s, const char *path,
		     struct session **ret, const char **ret_reason)
{
	const bool is_own = s->baseline != NULL && strcmp(s->baseline, path) == 0;
	int r;
	if (c->trusted != NULL) {
		r = load_trusted_file(c, path, ret, ret_reason);
	} else {
		r = ref_load(path, ret);
		*ret_reason = arena_printf(c->arena,
					   r == -ENOENT ? "there is no baseline '%s'"
							: "the baseline '%s' cannot be read",
					   path);
	}
	if (r < 0)
		return r;
	*ret_reason = is_own && *ret != NULL ? refuse(c, s, path, *ret, NULL) : NULL;
	if (*ret_reason == NULL)
		return 0;
	*ret = session_free(*ret);
	return -ENOENT;
}

int check_load_baseline(struct check *c, const struct scenario *s, const char *name, bool may_wait,
			struct session **ret, const char **ret_reason)
{
	*ret = NULL;
	const int r = strchr(name, '/') != NULL ? load_file(c, s, name, ret, ret_reason)
						: load_name(c, s, name, may_wait, ret, ret_reason);
	return r < 0 || *ret == NULL ? r : check_keep(c, *ret);
}
