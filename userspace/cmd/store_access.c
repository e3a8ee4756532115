/* SPDX-License-Identifier: MIT */
/* Rescue, and the rule of what may become a baseline. */

#include "userspace/cmd/store_access.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/path.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/git_facts.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/recording.h"
#include "userspace/model/document/session_json.h"

enum { KEY_STORE = OPTION_FIRST_FREE };

static const char *store_url, *store_given;

static const struct argp_option options[] = {
	{ "store", KEY_STORE, "URL", 0,
	  "where runs and baselines are: a file or postgresql://... (.startline/history.db)", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	(void)state;
	if (key != KEY_STORE)
		return ARGP_ERR_UNKNOWN;
	store_url = store_given = arg;
	return 0;
}

const struct argp store_argp = { options, parse_option, NULL, NULL, NULL, NULL, NULL };
const struct argp_child stored_children[] = { { &output_argp, 0, NULL, 0 },
					      { &store_argp, 0, NULL, 0 },
					      { 0 } };

void store_access_set_url(const char *url)
{
	if (store_url == NULL)
		store_url = url;
}

const char *store_access_given(void)
{
	return store_given;
}

const char *store_access_file(void)
{
	return store_file(store_url);
}

int store_access_open(bool create, struct store **ret)
{
	return store_open(store_url, create, ret);
}

int store_access_put(const struct session *s, const char *name, const struct store_entry *about)
{
	struct git_facts facts;
	struct store *st = NULL;
	struct store_entry entry = about != NULL ? *about : (struct store_entry){ 0 };
	if (entry.commit == NULL) {
		git_facts_read(&facts);
		entry.commit = facts.commit;
		entry.branch = facts.branch;
		entry.is_dirty = facts.is_dirty;
	}
	int r = store_access_open(true, &st);
	if (r >= 0)
		r = name != NULL ? baseline_save(st, name, s, &entry)
				 : store_put(st, s, &entry, NULL);
	(void)store_close(st);
	return r;
}

/* ---- when the store fails ---- */

static int write_document(const struct session *s, const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	if (f == NULL)
		return -ENOMEM;
	const int r = session_write_json(s, f);
	if (fclose(f) != 0 || r < 0)
		return r < 0 ? r : -ENOMEM;
	return path_replace(path, text, n, 0600);
}

/* Where the recording would go, else the directory for temporary files. */
static void rescue(const struct session *s, const char *name)
{
	static unsigned int n_rescued;
	const char *temporary = getenv("TMPDIR");
	n_rescued++;
	_cleanup_(buf_done) struct buf place = { .limit = PATH_MAX }, path = { .limit = PATH_MAX };
	(void)recording_directory(&place);
	const char *const places[] = { buf_str(&place), temporary != NULL ? temporary : "/tmp" };
	int r = -ENOENT;
	for (size_t i = 0; r < 0 && i < 2; i++) {
		if (*places[i] == '\0')
			continue;
		buf_clear(&path);
		r = buf_addf(&path, "%s/unsaved-%lld-%d-%u.json", places[i], (long long)time(NULL),
			     getpid(), n_rescued);
		if (r == 0)
			r = write_document(s, buf_str(&path));
	}
	if (r < 0)
		(void)fail(r, "what was measured could not be saved to a file either: %s",
			   strerror(-r));
	else
		(void)fail(-EIO,
			   "what was measured is in '%s': when the store works again, `startline "
			   "baseline save %s %s`",
			   buf_str(&path), name != NULL ? name : "NAME", buf_str(&path));
}

int store_access_save(const struct session *s, const char *name, const struct store_entry *about)
{
	const int r = store_access_put(s, name, about);
	if (r < 0 && r != -EEXIST && r != -EINVAL)
		rescue(s, name);
	return r;
}

/* ---- baselines ---- */

static const char *trouble_of(const struct session *s, const struct run *run)
{
	const char *reason = run->exit_reason != NULL ? run->exit_reason : "exit";
	const char *until = s->design.until != NULL ? s->design.until : "";
	if (strcmp(reason, "timeout") == 0)
		return "it timed out";
	if (strcmp(reason, "interrupted") == 0)
		return "it was interrupted";
	if (strcmp(reason, "truncated") == 0)
		return "the recording ends before it";
	if (strcmp(until, "ready") == 0 && !run->has_ready)
		return "it did not become ready";
	if (strcmp(reason, "signal") == 0)
		return "it was killed by a signal";
	if (strcmp(reason, "exit") == 0 && run->exit_code != UNKNOWN && run->exit_code != 0)
		return "its exit status is not 0";
	return NULL;
}

/* One failure makes a baseline of something else. */
int store_access_check_baseline(const struct session *s)
{
	size_t n_tainted = 0;
	for (size_t i = 0; i < s->n_runs; i++) {
		const char *trouble = trouble_of(s, &s->runs[i]);
		if (trouble != NULL)
			return fail(
				-EINVAL,
				"not saved as a baseline: run %zu of %zu: %s; measure again, or "
				"save it with `startline baseline save --force`",
				i + 1, s->n_runs, trouble);
		n_tainted += s->runs[i].tainted != NULL;
	}
	/* The median holds as long as they are a minority. */
	if (2 * n_tainted > s->n_runs)
		log_warning("%zu of %zu runs were disturbed: as a baseline they may mislead",
			    n_tainted, s->n_runs);
	return 0;
}

int store_access_has(const char *name)
{
	struct store *st = NULL;
	int r = store_access_open(false, &st);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = baseline_has(st, name);
	(void)store_close(st);
	return r;
}

int store_access_check_name(const char *name)
{
	const int r = baseline_check_name(name);
	return r < 0 || store_access_has(name) <= 0 ? r : baseline_taken(name);
}

int store_access_load(const char *name, struct session **ret)
{
	struct store *st = NULL;
	int r = store_access_open(false, &st);
	if (r == -ENOENT)
		return fail(
			r,
			"there is no baseline '%s': nothing was ever saved here; see `startline "
			"baseline save`",
			name);
	if (r >= 0)
		r = baseline_load(st, name, ret, NULL, NULL);
	(void)store_close(st);
	return r;
}
