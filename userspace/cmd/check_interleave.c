/* SPDX-License-Identifier: MIT */
/* The other side of a scenario, run interleaved with it: a worktree, another directory, or another
 * command. */

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/random.h"
#include "userspace/base/vec.h"
#include "userspace/cmd/ab.h"
#include "userspace/cmd/check.h"

#define BLOCK_BYTES 65536

struct names VEC(char *);

/* --- the other place ------------------------------------------------------------------------ */

static bool is_directory(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int check_base_open(struct check *c, const struct scenario *s, struct check_base *ret,
		    const char **ret_reason)
{
	const struct step *step = &s->steps[0];
	ret->arm = (struct ab_arm){ step->argv, step->directory };
	*ret_reason = AS_SAID_ABOVE;
	int r = 0;
	switch (s->base_kind) {
	case BASE_NONE:
		return 0;
	case BASE_COMMAND:
		ret->arm.argv = s->base_argv;
		break;
	case BASE_DIRECTORY:
		ret->arm.directory = s->base;
		r = is_directory(s->base) ? 0 : -EINVAL;
		break;
	case BASE_WORKTREE:
		r = worktree_add(s->base, step->directory, &ret->worktree);
		ret->arm.directory = ret->worktree.directory;
		break;
	}
	if (r >= 0 && s->setup != NULL)
		r = worktree_setup(ret->arm.directory, s->setup);
	if (r >= 0 && s->setup != NULL)
		r = worktree_setup(step->directory, s->setup);
	if (r == -EINTR) {
		c->is_interrupted = true;
		*ret_reason = "interrupted in `setup`";
	}
	if (r == -EINVAL)
		*ret_reason =
			arena_printf(c->arena, "there is no base '%s' to compare with", s->base);
	if (r == -ECHILD)
		*ret_reason = arena_printf(c->arena, "setup: '%s' failed", s->setup);
	return r;
}

/* --- whether both hold the same inputs: lists both sides, then reads file after file -------------- */

static void names_done(struct names *names)
{
	vec_foreach(name, names)
		free(*name);
	vec_done(names);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int add_name(struct names *names, const char *path)
{
	char *copy = strdup(path);
	if (copy == NULL || vec_push(names, copy) < 0) {
		free(copy);
		return -ENOMEM;
	}
	return 0;
}

/* @path or, of a directory, all files below it, in the order of their names. Links count as what
 * they lead to. */
static int add_files(struct names *names, char *path)
{
	char *const roots[] = { path, NULL };
	FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	if (walk == NULL)
		return -errno;
	int r = 0;
	for (FTSENT *entry = fts_read(walk); entry != NULL && r == 0; entry = fts_read(walk)) {
		if (entry->fts_info == FTS_F || entry->fts_info == FTS_SLNONE)
			r = add_name(names, entry->fts_path);
		else if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR ||
			 entry->fts_info == FTS_NS)
			r = -entry->fts_errno;
	}
	(void)fts_close(walk);
	return r;
}

/* The directory is a name, the pattern is not. */
static int add_literal(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("*?[]\\", *text) != NULL)
			(void)buf_addc(out, '\\');
		(void)buf_addc(out, *text);
	}
	return buf_addc(out, '/');
}

static int list(const char *pattern, const char *directory, struct names *ret)
{
	_cleanup_(buf_done) struct buf full = { .limit = (size_t)2 * PATH_MAX };
	glob_t found = { 0 };
	(void)add_literal(&full, directory != NULL ? directory : ".");
	(void)buf_adds(&full, pattern);
	if (full.error < 0)
		return full.error;
	int r = glob(buf_str(&full), 0, NULL, &found) == GLOB_NOSPACE ? -ENOMEM : 0;
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
		r = add_files(ret, found.gl_pathv[i]);
	globfree(&found);
	return r;
}

static int same_rights(int a, int b)
{
	struct stat of_a, of_b;
	if (fstat(a, &of_a) < 0 || fstat(b, &of_b) < 0)
		return -errno;
	return of_a.st_size == of_b.st_size && ((of_a.st_mode ^ of_b.st_mode) & 0111) == 0;
}

static ssize_t read_block(int fd, char *block)
{
	size_t n = 0;
	while (n < BLOCK_BYTES) {
		const ssize_t got = read(fd, block + n, BLOCK_BYTES - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static bool leads_nowhere(const char *path)
{
	struct stat st;
	return stat(path, &st) < 0 && (errno == ENOENT || errno == ELOOP);
}

/* A link that leads nowhere leads there on both sides or is a difference. What is there but cannot be
 * read may be anything. */
static int same_nowhere(const char *path_a, int a, const char *path_b, int b)
{
	if ((a < 0 && !leads_nowhere(path_a)) || (b < 0 && !leads_nowhere(path_b)))
		return -EACCES;
	return a < 0 && b < 0;
}

/* 1: the same, 0: not; or a negative errno. */
static int same_file(const char *path_a, const char *path_b)
{
	_cleanup_close_ int a = open(path_a, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_close_ int b = open(path_b, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *block_a = malloc(BLOCK_BYTES);
	_cleanup_free_ char *block_b = malloc(BLOCK_BYTES);
	if (block_a == NULL || block_b == NULL)
		return -ENOMEM;
	if (a < 0 || b < 0)
		return same_nowhere(path_a, a, path_b, b);
	int same = same_rights(a, b);
	while (same == 1) {
		const ssize_t n = read_block(a, block_a), m = read_block(b, block_b);
		if (n < 0 || m < 0)
			return n < 0 ? (int)n : (int)m;
		if (n != m || memcmp(block_a, block_b, (size_t)n) != 0)
			same = 0;
		else if (n == 0)
			break;
	}
	return same;
}

static int same_lists(const struct names *a, size_t skip_a, const struct names *b, size_t skip_b)
{
	int same = a->n == b->n;
	for (size_t i = 0; same == 1 && i < a->n; i++) {
		if (strcmp(a->items[i] + skip_a, b->items[i] + skip_b) != 0)
			return 0;
		same = same_file(a->items[i], b->items[i]);
	}
	return same;
}

/* Compares what the globs @patterns match below @base and @head (NULL: the current directory): the same
 * names with the same bytes and the same right to be executed. A directory stands for all files below
 * it. -ENOENT: a pattern matches nothing on either side, *ret_pattern says which. Not logged. */
static int inputs_compare(const struct text_list *patterns, const char *base, const char *head,
			  bool *ret_are_same, const char **ret_pattern)
{
	int same = 1;
	for (size_t i = 0; same == 1 && i < patterns->n; i++) {
		_cleanup_(names_done) struct names in_base = { 0 };
		_cleanup_(names_done) struct names in_head = { 0 };
		int r = list(patterns->items[i], base, &in_base);
		if (r >= 0)
			r = list(patterns->items[i], head, &in_head);
		if (r < 0)
			return r;
		if (in_base.n == 0 && in_head.n == 0) {
			*ret_pattern = patterns->items[i];
			return -ENOENT;
		}
		same = same_lists(&in_base, strlen(base != NULL ? base : "."), &in_head,
				  strlen(head != NULL ? head : "."));
	}
	*ret_are_same = same == 1;
	return same < 0 ? same : 0;
}

int check_base_is_same(struct check *c, const struct scenario *s, const struct check_base *base,
		       const char **ret_reason)
{
	const char *pattern = NULL;
	bool are_same = false;
	if (s->inputs.n == 0 || s->base_kind == BASE_COMMAND || s->base_kind == BASE_NONE)
		return 0;
	const int r = inputs_compare(&s->inputs, base->arm.directory, s->steps[0].directory,
				     &are_same, &pattern);
	if (r == -ENOENT)
		*ret_reason = arena_printf(c->arena, "inputs: nothing is called '%s'", pattern);
	else if (r < 0)
		*ret_reason = "the inputs cannot be compared";
	else if (are_same)
		*ret_reason = arena_printf(
			c->arena, "its inputs are byte-identical with those of %s", s->base);
	return r < 0 ? r : are_same;
}

/* --- interleaved ------------------------------------------------------------------------------ */

/* What was measured outlives the comparison: outcomes point to it. */
static int keep_all(struct check *c, struct ab_result *result)
{
	struct session **const sessions[] = { &result->base, &result->head, &result->control };
	int r = 0;
	for (size_t i = 0; i < 3 && r >= 0; i++) {
		if (*sessions[i] != NULL)
			r = check_keep(c, take_ptr(*sessions[i]));
	}
	if (r >= 0 && vec_push(&c->comparisons, result->comparison) < 0)
		r = fail(-ENOMEM, "not enough memory for a scenario");
	if (r >= 0)
		result->comparison = NULL;
	return r;
}

static int run(struct check *c, const struct scenario *s, const struct check_base *base,
	       struct ab_result *ret)
{
	struct ready_rules rules = { 0 };
	struct ab_spec spec = {
		.base = base->arm,
		.head = { s->steps[0].argv, s->steps[0].directory },
		.good_below = c->is_bisect ? s->baseline_levels.fail : 0,
		.seed = random_fresh_seed(),
		.max_pairs = s->runs > AB_PAIRS ? s->runs : AB_PAIRS,
		.max_time_ns = s->max_time_ns,
		.waiting = { .name = s->name, .at = c->at, .n = c->n, .is_quiet = c->is_quiet },
	};
	int r = scenario_gate_metrics(c->arena, s, &spec.gate);
	if (r >= 0)
		r = check_spec(c, s, &s->steps[0], &rules, &spec.record);
	if (r >= 0)
		r = ab_run(&spec, ret);
	ready_rules_done(&rules);
	return r;
}

int check_interleave(struct check *c, const struct scenario *s, const struct check_base *base,
		     struct against *ret, struct outcome *o)
{
	struct ab_result result = { 0 };
	int r = run(c, s, base, &result);
	if (r >= 0)
		r = ab_evidence(&result, s->base, c->arena, ret, o);
	if (r >= 0 && result.comparison != NULL) {
		verdict_set_exact(result.comparison, s->baseline_levels.exact);
		r = keep_all(c, &result);
	}
	if (r >= 0 && result.end == AB_OUT_OF_TIME) {
		o->reason =
			result.enough_s == 0
				? arena_printf(c->arena, "%s: raise `max_time`", result.reason)
				: arena_printf(c->arena, "%s: write `max_time: %llu s`",
					       result.reason, (unsigned long long)result.enough_s);
		r = o->reason != NULL ? 0 : -ENOMEM;
	}
	if (r >= 0 && result.end == AB_INTERRUPTED) {
		c->is_interrupted = true;
		o->reason = arena_printf(c->arena, "interrupted after %zu pair%s", result.pairs,
					 result.pairs == 1 ? "" : "s");
		r = o->reason != NULL ? 0 : -ENOMEM;
	}
	if (r < 0) {
		o->kind = OUTCOME_TROUBLE;
		o->reason = AS_SAID_ABOVE;
	}
	ab_result_done(&result);
	return r;
}
