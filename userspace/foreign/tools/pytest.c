/* SPDX-License-Identifier: MIT */
/* pytest-benchmark: a file of --benchmark-json or --benchmark-save, or the tree .benchmarks/ in
 * which the latter lie: MACHINE/NNNN_name.json. Seconds per call, one value a round. Of a tree it
 * is the file with the highest number of the machine whose highest one is the latest; TREE@NAME
 * looks only at files of that name, or whose names begin with that number. */

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/foreign/foreign.h"
#include "userspace/foreign/internal.h"

#define MIN_DIGITS   4 /* of the number in a file's name */
#define MAX_DIGITS   15
#define MAX_MACHINES 1000
/* Without the rounds, 95 % of the median where noise is normal and as wide as the quartiles say (McGill,
 * Tukey and Larsen, 1978): 1.96 * sqrt(pi / 2) / 1.349 of their distance, by the root of the rounds. */
#define HALF_INTERVAL 1.821
#define INTERVAL_MIN  6

bool pytest_sniff(const char *text, size_t length)
{
	return foreign_json_sniff(text, length, "machine_info", '{') ||
	       (foreign_json_sniff(text, length, "benchmarks", '[') &&
		foreign_json_sniff(text, length, "commit_info", '{'));
}

/* --- a file --------------------------------------------------------------------------------- */

static double seconds(const cJSON *stats, const char *key)
{
	return foreign_json_number(stats, key) * NS;
}

static void add_statistics(struct gathering *g, const char *id, const cJSON *stats)
{
	struct summary *s = gather_summary(g, id, &like_time);
	if (s == NULL)
		return;
	s->n = foreign_count(foreign_json_number(stats, "rounds"));
	s->n_outliers = foreign_count(foreign_json_number(stats, "iqr_outliers"));
	s->min = seconds(stats, "min");
	s->max = seconds(stats, "max");
	s->mean = seconds(stats, "mean");
	s->stddev = seconds(stats, "stddev");
	s->median = seconds(stats, "median");
	s->q1 = seconds(stats, "q1");
	s->q3 = seconds(stats, "q3");
	const double half = HALF_INTERVAL * (s->q3 - s->q1) / sqrt((double)s->n);
	if (s->n < INTERVAL_MIN || !(half >= 0))
		return;
	s->ci95_low = fmax(s->min, s->median - half);
	s->ci95_high = fmin(s->max, s->median + half);
}

static void add_benchmark(struct gathering *g, const cJSON *benchmark, size_t index)
{
	const char *name = foreign_json_text(benchmark, "fullname");
	const cJSON *stats = foreign_json_get(benchmark, "stats");
	const cJSON *data = foreign_json_get(stats, "data");
	if (name == NULL)
		name = foreign_json_text(benchmark, "name");
	if (name == NULL || !cJSON_IsObject(stats)) {
		gather_fail(g, "benchmarks[%zu]: it has no %s", index,
			    name == NULL ? "name" : "stats");
		return;
	}
	const char *id = gather_once(g, gather_id(g, "bench", name));
	if (cJSON_GetArraySize(data) == 0)
		add_statistics(g, id, stats);
	gather_values(g, id, &like_time, data, NS);
}

static void add_machine(struct gathering *g, const cJSON *machine)
{
	struct host *host = &g->session->host;
	const cJSON *cpu = foreign_json_get(machine, "cpu");
	const char *brand = foreign_json_text(cpu, "brand_raw");
	const char *system = foreign_json_text(machine, "system");
	/* Before version 3.3 of py-cpuinfo it was "brand". */
	host->cpu = gather_text(g, brand != NULL ? brand : foreign_json_text(cpu, "brand"));
	if (system != NULL && strcmp(system, "Linux") == 0)
		host->kernel = gather_text(g, foreign_json_text(machine, "release"));
	gather_cpus(g, foreign_json_number(cpu, "count"));
}

static void add_commit(struct gathering *g, const cJSON *json)
{
	const char *commit = foreign_json_text(foreign_json_get(json, "commit_info"), "id");
	const char *version = foreign_json_text(json, "version");
	/* That is what it calls a directory without a repository. */
	const bool is_known = commit != NULL && strcmp(commit, "unversioned") != 0;
	gather_note(g, "results of pytest-benchmark %.20s%s%.40s", version != NULL ? version : "",
		    is_known ? " of commit " : "", is_known ? commit : "");
}

void pytest_read(struct gathering *g, const cJSON *json)
{
	const cJSON *benchmarks = foreign_json_get(json, "benchmarks");
	const cJSON *benchmark = NULL;
	size_t index = 0;
	add_machine(g, foreign_json_get(json, "machine_info"));
	add_commit(g, json);
	if (!cJSON_IsArray(benchmarks))
		gather_fail(g, "it has no array of benchmarks");
	cJSON_ArrayForEach(benchmark, benchmarks) add_benchmark(g, benchmark, index++);
}

/* --- a tree --------------------------------------------------------------------------------- */

/* The number of NNNN_name.json, or NNNN.json where no name was given; -1: no such file name. With
 * @wanted only of that number or that name. */
static long number_of(const char *file, const char *wanted)
{
	static const char suffix[] = ".json";
	const size_t n_digits = strspn(file, "0123456789");
	const size_t n = strlen(file), n_suffix = sizeof(suffix) - 1;
	if (n_digits < MIN_DIGITS || n_digits > MAX_DIGITS || n < n_digits + n_suffix ||
	    (file[n_digits] != '_' && file[n_digits] != '.') ||
	    strcmp(file + n - n_suffix, suffix) != 0)
		return -1;
	const long number = strtol(file, NULL, 10);
	if (wanted == NULL)
		return number;
	const size_t n_wanted = strlen(wanted), n_stem = n - n_suffix;
	const bool is_number = n_wanted == n_digits && strncmp(file, wanted, n_digits) == 0;
	const bool is_stem = n_wanted == n_stem && strncmp(file, wanted, n_stem) == 0;
	const bool is_name = n_stem > n_digits && n_wanted == n_stem - n_digits - 1 &&
			     strncmp(file + n_digits + 1, wanted, n_wanted) == 0;
	return is_number || is_stem || is_name ? number : -1;
}

/* The file of the highest number in @directory; false: none. */
static bool highest_in(const char *directory, const char *wanted, struct buf *ret)
{
	_cleanup_closedir_ DIR *dir = opendir(directory);
	long highest = -1;
	const struct dirent *entry = NULL;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		const long number = number_of(entry->d_name, wanted);
		if (number <= highest)
			continue;
		highest = number;
		buf_clear(ret);
		(void)buf_addf(ret, "%s/%s", directory, entry->d_name);
	}
	return highest >= 0 && ret->error == 0;
}

/* When a file was written, as it says itself: files of a checkout all have the same time. "" when
 * it does not say; NULL when it is something else. */
static const char *datetime_of(struct arena *arena, const char *path)
{
	_cleanup_(buf_done) struct buf text;
	_cleanup_(foreign_json_free) cJSON *json = NULL;
	struct json_error error;
	buf_init(&text, FOREIGN_MAX_LENGTH);
	if (fs_read_file(path, &text) < 0 || !pytest_sniff(buf_str(&text), text.len))
		return NULL;
	json = json_parse(buf_str(&text), text.len, &error);
	const char *when = json != NULL ? foreign_json_text(json, "datetime") : NULL;
	return arena_strdup(arena, when != NULL ? when : "");
}

struct newest {
	struct buf path;
	const char *when;
	size_t n_machines;
};

static void consider(struct arena *arena, const char *directory, const char *wanted,
		     struct newest *newest)
{
	_cleanup_(buf_done) struct buf path;
	buf_init(&path, PATH_MAX);
	if (newest->n_machines == MAX_MACHINES || !highest_in(directory, wanted, &path))
		return;
	newest->n_machines++;
	const char *when = datetime_of(arena, buf_str(&path));
	if (when == NULL)
		return;
	const int order = newest->when != NULL ? strcmp(when, newest->when) : 1;
	if (order < 0 || (order == 0 && strcmp(buf_str(&path), buf_str(&newest->path)) < 0))
		return;
	newest->when = when;
	buf_clear(&newest->path);
	(void)buf_adds(&newest->path, buf_str(&path));
}

/* In the directory itself, or in those of machines below. */
static void find_newest(struct arena *arena, const char *directory, const char *wanted,
			struct newest *newest)
{
	_cleanup_closedir_ DIR *dir = opendir(directory);
	const struct dirent *entry = NULL;
	consider(arena, directory, wanted, newest);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		_cleanup_(buf_done) struct buf below;
		buf_init(&below, PATH_MAX);
		if (entry->d_name[0] == '.' ||
		    (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		if (buf_addf(&below, "%s/%s", directory, entry->d_name) == 0)
			consider(arena, buf_str(&below), wanted, newest);
	}
}

static bool newest_of(const char *path, struct arena *arena, struct newest *ret)
{
	_cleanup_(buf_done) struct buf directory;
	const char *wanted = NULL;
	*ret = (struct newest){ .when = NULL };
	buf_init(&ret->path, PATH_MAX);
	buf_init(&directory, PATH_MAX);
	if (foreign_split(path, &directory, &wanted))
		find_newest(arena, buf_str(&directory), wanted, ret);
	return ret->when != NULL;
}

bool pytest_tree_knows(const char *path)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct newest newest;
	if (arena == NULL)
		return false;
	const bool is_it = newest_of(path, arena, &newest);
	buf_done(&newest.path);
	return is_it;
}

static void read_newest(struct gathering *g, const struct newest *newest)
{
	_cleanup_(foreign_json_free) cJSON *json = NULL;
	g->path = gather_text(g, buf_str(&newest->path));
	if (g->error == 0)
		json = foreign_json_load(g, g->path);
	if (json == NULL)
		return;
	pytest_read(g, json);
	gather_note(g, "the newest one: %s", g->path);
}

void pytest_tree_read(struct gathering *g)
{
	struct newest newest;
	if (newest_of(g->path, g->session->arena, &newest))
		read_newest(g, &newest);
	else
		g->error = fail(-ENOENT, "'%s': there is no such result in it", g->path);
	buf_done(&newest.path);
}
