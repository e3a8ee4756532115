/* SPDX-License-Identifier: MIT */
/* criterion.rs: target/criterion/GROUP/FUNCTION/BASELINE/{benchmark,estimates,sample}.json, in ns
 * per iteration. One session is one baseline of all benchmarks below a directory: "new", the last
 * run, or DIRECTORY@BASELINE. Keys and arrays of old versions are read, too. */

#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/foreign/foreign.h"
#include "userspace/foreign/internal.h"

#define DEFAULT_BASELINE "new"
#define MAX_DEPTH	 6	 /* criterion has at most three names above the baseline */
#define MAX_ENTRIES	 1000000 /* files, and directories twice */
/* criterion's MAD is scaled so that it estimates a standard deviation; ours is not. */
#define MAD_SCALE 1.4826

/* --- one benchmark -------------------------------------------------------------------------- */

/* The document DIRECTORY/NAME; NULL when there is none, or after an error. */
static cJSON *load(struct gathering *g, const char *directory, const char *name)
{
	_cleanup_(buf_done) struct buf path = { .limit = PATH_MAX };
	(void)buf_addf(&path, "%s/%s", directory, name);
	return path.error == 0 ? foreign_json_load(g, buf_str(&path)) : NULL;
}

/* {"iters":[...],"times":[...]}, in old versions [[...],[...]]. */
static void add_sample(struct gathering *g, const char *id, const char *directory,
		       const cJSON *sample)
{
	const bool is_old = cJSON_IsArray(sample);
	const cJSON *iters =
		is_old ? cJSON_GetArrayItem(sample, 0) : foreign_json_get(sample, "iters");
	const cJSON *times =
		is_old ? cJSON_GetArrayItem(sample, 1) : foreign_json_get(sample, "times");
	const int n = cJSON_GetArraySize(times);
	if (!cJSON_IsArray(iters) || !cJSON_IsArray(times) || n == 0 ||
	    cJSON_GetArraySize(iters) != n) {
		gather_fail(g, "%s/sample.json: expected as many times as iters", directory);
		return;
	}
	const cJSON *time = times->child, *iter = iters->child;
	for (; time != NULL && iter != NULL; time = time->next, iter = iter->next) {
		if (!cJSON_IsNumber(time) || !cJSON_IsNumber(iter) || !(iter->valuedouble > 0)) {
			gather_fail(g, "%s/sample.json: expected a number", directory);
			return;
		}
		gather_value(g, id, &like_time, time->valuedouble / iter->valuedouble);
	}
}

static const cJSON *estimate(const cJSON *estimates, const char *key, const char *old_key)
{
	const cJSON *e = foreign_json_get(estimates, key);
	return e != NULL ? e : foreign_json_get(estimates, old_key);
}

static double point(const cJSON *e)
{
	return foreign_json_number(e, "point_estimate");
}

static void add_estimates(struct gathering *g, const char *id, const cJSON *estimates)
{
	const cJSON *median = estimate(estimates, "median", "Median");
	const cJSON *interval = foreign_json_get(median, "confidence_interval");
	struct summary *s = gather_summary(g, id, &like_time);
	if (s == NULL)
		return;
	s->mean = point(estimate(estimates, "mean", "Mean"));
	s->median = point(median);
	s->mad = point(estimate(estimates, "median_abs_dev", "MedianAbsDev")) / MAD_SCALE;
	s->stddev = point(estimate(estimates, "std_dev", "StdDev"));
	if (foreign_json_number(interval, "confidence_level") == 0.95) {
		s->ci95_low = foreign_json_number(interval, "lower_bound");
		s->ci95_high = foreign_json_number(interval, "upper_bound");
	}
}

/* @name: from the directories, for versions that wrote no benchmark.json. */
static void add_benchmark(struct gathering *g, const char *directory, const char *name)
{
	_cleanup_(foreign_json_free) cJSON *benchmark = load(g, directory, "benchmark.json");
	_cleanup_(foreign_json_free) cJSON *sample = load(g, directory, "sample.json");
	_cleanup_(foreign_json_free) cJSON *estimates =
		sample == NULL ? load(g, directory, "estimates.json") : NULL;
	const char *full = foreign_json_text(benchmark, "full_id");
	const char *id = gather_id(g, "bench", full != NULL ? full : name);
	if (gather_has(g, id))
		gather_fail(g, "%s: '%s' is there twice", directory, full != NULL ? full : name);
	else if (sample != NULL)
		add_sample(g, id, directory, sample);
	else if (estimates != NULL)
		add_estimates(g, id, estimates);
}

/* --- the tree ------------------------------------------------------------------------------- */

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool has_file(const char *directory, const char *name)
{
	_cleanup_(buf_done) struct buf path;
	struct stat st;
	buf_init(&path, PATH_MAX);
	return buf_addf(&path, "%s/%s", directory, name) == 0 && stat(buf_str(&path), &st) == 0 &&
	       S_ISREG(st.st_mode);
}

static bool is_baseline(const char *directory)
{
	return has_file(directory, "sample.json") || has_file(directory, "estimates.json");
}

/* "group/function" of "ROOT/group/function/new". */
static void name_below(const char *root, const char *directory, struct buf *ret)
{
	const char *last = strrchr(directory, '/');
	const size_t n_root = strlen(root);
	const char *begin = directory + n_root;
	while (*begin == '/')
		begin++;
	if (last != NULL && last > begin)
		(void)buf_add(ret, begin, (size_t)(last - begin));
	else
		(void)buf_adds(ret, "criterion");
}

/* What cannot be read would be missing from the comparison without a word. */
static void check_entry(struct gathering *g, const FTSENT *entry, size_t n_entries)
{
	if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
		g->error = fail(-entry->fts_errno, "cannot read '%s': %s", entry->fts_path,
				strerror(entry->fts_errno));
	else if (n_entries > MAX_ENTRIES)
		gather_fail(g, "more than %d files: name the directory of fewer benchmarks",
			    MAX_ENTRIES);
}

static bool is_wanted(FTS *fts, FTSENT *entry, const char *baseline)
{
	if (entry->fts_info != FTS_D)
		return false;
	const bool is_it = strcmp(entry->fts_name, baseline) == 0 && is_baseline(entry->fts_path);
	if (is_it || entry->fts_level >= MAX_DEPTH)
		(void)fts_set(fts, entry, FTS_SKIP);
	return is_it;
}

static FTS *open_tree(const char *root)
{
	_cleanup_free_ char *copy = strdup(root);
	char *paths[] = { copy, NULL };
	return copy != NULL ? fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name)
			    : NULL;
}

/* Whether there is a directory called @baseline that is one. */
static bool has_baseline(const char *root, const char *baseline)
{
	FTS *fts = open_tree(root);
	FTSENT *entry = NULL;
	bool is_there = false;
	for (size_t n = 0; fts != NULL && !is_there && n < MAX_ENTRIES; n++) {
		entry = fts_read(fts);
		if (entry == NULL)
			break;
		is_there = is_wanted(fts, entry, baseline);
	}
	if (fts != NULL)
		(void)fts_close(fts);
	return is_there;
}

static void read_tree(struct gathering *g, const char *root, const char *baseline)
{
	FTS *fts = open_tree(root);
	FTSENT *entry = NULL;
	size_t n_entries = 0;
	if (fts == NULL)
		g->error = fail(-errno, "cannot read '%s': %s", root, strerror(errno));
	while (g->error == 0 && (entry = fts_read(fts)) != NULL) {
		_cleanup_(buf_done) struct buf name;
		buf_init(&name, PATH_MAX);
		check_entry(g, entry, ++n_entries);
		if (g->error < 0 || !is_wanted(fts, entry, baseline))
			continue;
		name_below(root, entry->fts_path, &name);
		add_benchmark(g, entry->fts_path, buf_str(&name));
	}
	if (fts != NULL)
		(void)fts_close(fts);
}

/* The tree, and the baseline in it; a directory that is one is that of one benchmark. */
static bool place_of(const char *path, struct buf *root, const char **ret_baseline)
{
	if (!foreign_split(path, root, ret_baseline))
		return false;
	while (root->len > 1 && root->data[root->len - 1] == '/')
		buf_truncate(root, root->len - 1);
	if (*ret_baseline == NULL) {
		const char *last = strrchr(buf_str(root), '/');
		const bool is_one = is_baseline(buf_str(root));
		*ret_baseline = !is_one	       ? DEFAULT_BASELINE
				: last == NULL ? buf_str(root)
					       : last + 1;
	}
	/* Differences between two runs, as criterion keeps them beside "new" and "base". */
	return strcmp(*ret_baseline, "change") != 0;
}

bool criterion_knows(const char *path)
{
	_cleanup_(buf_done) struct buf root;
	const char *baseline = NULL;
	buf_init(&root, PATH_MAX);
	return place_of(path, &root, &baseline) && has_baseline(buf_str(&root), baseline);
}

void criterion_read(struct gathering *g)
{
	_cleanup_(buf_done) struct buf root;
	const char *baseline = NULL;
	buf_init(&root, PATH_MAX);
	if (!place_of(g->path, &root, &baseline)) {
		g->error = fail(-ENOTDIR, "'%s': not a directory", g->path);
		return;
	}
	gather_note(g, "results of criterion, baseline %s", baseline);
	read_tree(g, buf_str(&root), baseline);
}
