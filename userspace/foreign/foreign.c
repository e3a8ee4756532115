/* SPDX-License-Identifier: MIT */
/* THE table of other tools, and how one of them is chosen. */

#include "userspace/foreign/foreign.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/foreign/internal.h"

/* How much of a file is looked at to recognise it. */
#define SNIFF_LENGTH ((size_t)1 << 20)

/* clang-format off */
/* The first that recognises it wins: the generic ones come last. */
const struct foreign foreigns[] = {
	{ "hyperfine", "JSON of --export-json", SAMPLES_OF_RUNS, .sniff = hyperfine_sniff, .read_json = hyperfine_read },
	{ "pytest-benchmark", "JSON of --benchmark-json or --benchmark-save", SAMPLES_OF_PROCESS, .sniff = pytest_sniff, .read_json = pytest_read },
	{ "its tree .benchmarks/", "the newest file in it", SAMPLES_OF_PROCESS, .knows = pytest_tree_knows, .read_directory = pytest_tree_read },
	{ "criterion", "a directory target/criterion", SAMPLES_OF_PROCESS, .knows = criterion_knows, .read_directory = criterion_read },
	{ "Google Benchmark", "JSON of --benchmark_out", SAMPLES_OF_PROCESS, .sniff = gbench_sniff, .read_json = gbench_read },
	{ "k6", "JSON of --summary-export", SAMPLES_UNKNOWN, .sniff = k6_sniff, .read_json = k6_read },
	{ "JUnit", "XML with the times of tests", SAMPLES_UNKNOWN, .sniff = junit_sniff, .read = junit_read },
	{ "Catch2", "XML of -r xml", SAMPLES_OF_PROCESS, .sniff = catch2_sniff, .read = catch2_read },
	{ "vitest", "JSON of bench --outputJson", SAMPLES_OF_PROCESS, .sniff = vitest_sniff, .read_json = vitest_read },
	{ "tinybench", "JSON of its tasks, or of table()", SAMPLES_OF_PROCESS, .sniff = tinybench_sniff, .read_json = tinybench_read },
	{ "JMH", "JSON of -rf json", SAMPLES_OF_PROCESS, .sniff = jmh_sniff, .read_json = jmh_read },
	{ "BenchmarkDotNet", "JSON of its exporters", SAMPLES_OF_PROCESS, .sniff = dotnet_sniff, .read_json = dotnet_read },
	{ "asv", "a file of its results", SAMPLES_OF_PROCESS, .sniff = asv_sniff, .read_json = asv_read },
	{ "go test -json", "events, a line each", SAMPLES_OF_PROCESS, .sniff = go_json_sniff, .read = go_json_read },
	{ "perf stat", "text, CSV of -x or JSON of -j", SAMPLES_OF_RUNS, .sniff = perf_stat_sniff, .read = perf_stat_read },
	{ "GNU time", "text of -v", SAMPLES_OF_RUNS, .sniff = gnu_time_sniff, .read = gnu_time_read },
	{ "hyperfine CSV", "of --export-csv", SAMPLES_OF_RUNS, .sniff = hyperfine_csv_sniff, .read = hyperfine_csv_read },
	{ "Google Benchmark CSV", "of --benchmark_format=csv", SAMPLES_OF_PROCESS, .sniff = gbench_csv_sniff, .read = gbench_csv_read },
	{ "JSON of name, value, unit", "an array of objects, or one object a line", SAMPLES_OF_RUNS, .sniff = rows_json_sniff, .read = rows_json_read },
	{ "Bencher's metric format", "JSON", SAMPLES_OF_PROCESS, .sniff = bmf_sniff, .read_json = bmf_read },
	{ "CSV of name, value, unit", "with a line of titles", SAMPLES_OF_RUNS, .sniff = rows_csv_sniff, .read = rows_csv_read },
	{ "go test -bench", "its output", SAMPLES_OF_PROCESS, .sniff = go_sniff, .read = go_read },
	{ 0 },
};
/* clang-format on */

bool foreign_split(const char *path, struct buf *ret_directory, const char **ret_name)
{
	struct stat st;
	const char *at = NULL;
	/* What is there is meant as it is called. */
	if (stat(path, &st) < 0)
		at = strrchr(path, '@');
	const size_t n = at != NULL ? (size_t)(at - path) : strlen(path);
	*ret_name = at != NULL ? at + 1 : NULL;
	if (n == 0 || buf_add(ret_directory, path, n) < 0)
		return false;
	return stat(buf_str(ret_directory), &st) == 0 && S_ISDIR(st.st_mode);
}

const char *foreign_names(struct buf *ret)
{
	for (const struct foreign *f = foreigns; f->name != NULL; f++)
		(void)buf_addf(ret, "%s%s", f == foreigns ? "" : ", ", f->name);
	return buf_str(ret);
}

static const struct foreign *recognise(const char *text, size_t length)
{
	const size_t n = length < SNIFF_LENGTH ? length : SNIFF_LENGTH;
	const struct foreign *f = foreigns;
	while (f->name != NULL && (f->sniff == NULL || !f->sniff(text, n)))
		f++;
	return f->name != NULL ? f : NULL;
}

static const struct foreign *recognise_directory(const char *path)
{
	const struct foreign *f = foreigns;
	while (f->name != NULL && (f->knows == NULL || !f->knows(path)))
		f++;
	return f->name != NULL ? f : NULL;
}

bool foreign_knows_directory(const char *path)
{
	return recognise_directory(path) != NULL;
}

static int read_into(const struct foreign *foreign, const char *text, size_t length,
		     const char *path, struct session *ret)
{
	_cleanup_(foreign_json_free) cJSON *json = NULL;
	_cleanup_(gather_done) struct gathering g;
	gather_init(&g, path, ret);
	g.samples = foreign->samples;
	if (foreign->read_directory != NULL) {
		foreign->read_directory(&g);
	} else if (foreign->read != NULL) {
		foreign->read(&g, text, length);
	} else {
		json = foreign_json_parse(&g, text, length);
		if (json != NULL)
			foreign->read_json(&g, json);
	}
	return gather_finish(&g);
}

int foreign_read(const char *text, size_t length, const char *path, struct session **ret)
{
	static const char bom[] = "\xef\xbb\xbf";
	*ret = NULL;
	if (text != NULL && length >= 3 && memcmp(text, bom, 3) == 0) {
		text += 3;
		length -= 3;
	}
	const struct foreign *foreign =
		text != NULL ? recognise(text, length) : recognise_directory(path);
	if (foreign == NULL)
		return 0;
	if (length > FOREIGN_MAX_LENGTH)
		return fail(-EFBIG, "'%s': it is too large", path);
	log_info("'%s' is read as %s", path, foreign->name);
	struct session *session = NULL;
	int r = session_new(&session);
	if (r == 0)
		r = read_into(foreign, text, length, path, session);
	if (r < 0) {
		(void)session_free(session);
		return r;
	}
	*ret = session;
	return 0;
}
