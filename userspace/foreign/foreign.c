/* SPDX-License-Identifier: MIT */
/* THE table of other tools, and how one of them is chosen. */

#include "userspace/foreign/foreign.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/foreign/internal.h"

/* clang-format off */
/* The first that recognises it wins: the generic ones come last. */
const struct foreign foreigns[] = {
	{ "hyperfine", "JSON of --export-json", SAMPLES_OF_RUNS, false, hyperfine_sniff, NULL, hyperfine_read },
	{ "pytest-benchmark", "JSON of --benchmark-json or --benchmark-save", SAMPLES_OF_PROCESS, false, pytest_sniff, NULL, pytest_read },
	{ "its tree .benchmarks/", "the newest file in it", SAMPLES_OF_PROCESS, true, pytest_tree_sniff, pytest_tree_read, NULL },
	{ "criterion", "a directory target/criterion", SAMPLES_OF_PROCESS, true, criterion_sniff, criterion_read, NULL },
	{ "Google Benchmark", "JSON of --benchmark_out", SAMPLES_OF_PROCESS, false, gbench_sniff, NULL, gbench_read },
	{ "k6", "JSON of --summary-export", SAMPLES_UNKNOWN, false, k6_sniff, NULL, k6_read },
	{ "JUnit", "XML with the times of tests", SAMPLES_UNKNOWN, false, junit_sniff, junit_read, NULL },
	{ "Catch2", "XML of -r xml", SAMPLES_OF_PROCESS, false, catch2_sniff, catch2_read, NULL },
	{ "vitest", "JSON of bench --outputJson", SAMPLES_OF_PROCESS, false, vitest_sniff, NULL, vitest_read },
	{ "tinybench", "JSON of its tasks, or of table()", SAMPLES_OF_PROCESS, false, tinybench_sniff, NULL, tinybench_read },
	{ "JMH", "JSON of -rf json", SAMPLES_OF_PROCESS, false, jmh_sniff, NULL, jmh_read },
	{ "BenchmarkDotNet", "JSON of its exporters", SAMPLES_OF_PROCESS, false, dotnet_sniff, NULL, dotnet_read },
	{ "asv", "a file of its results", SAMPLES_OF_PROCESS, false, asv_sniff, NULL, asv_read },
	{ "go test -json", "events, a line each", SAMPLES_OF_PROCESS, false, go_json_sniff, go_json_read, NULL },
	{ "perf stat", "text, CSV of -x or JSON of -j", SAMPLES_OF_RUNS, false, perf_stat_sniff, perf_stat_read, NULL },
	{ "GNU time", "text of -v", SAMPLES_OF_RUNS, false, gnu_time_sniff, gnu_time_read, NULL },
	{ "hyperfine CSV", "of --export-csv", SAMPLES_OF_RUNS, false, hyperfine_csv_sniff, hyperfine_csv_read, NULL },
	{ "Google Benchmark CSV", "of --benchmark_format=csv", SAMPLES_OF_PROCESS, false, gbench_csv_sniff, gbench_csv_read, NULL },
	{ "JSON of name, value, unit", "an array of objects, or one object a line", SAMPLES_OF_RUNS, false, rows_json_sniff, rows_json_read, NULL },
	{ "Bencher's metric format", "JSON", SAMPLES_OF_PROCESS, false, bmf_sniff, NULL, bmf_read },
	{ "CSV of name, value, unit", "with a line of titles", SAMPLES_OF_RUNS, false, rows_csv_sniff, rows_csv_read, NULL },
	{ "go test -bench", "its output", SAMPLES_OF_PROCESS, false, go_sniff, go_read, NULL },
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

static const struct foreign *recognise(const char *text, size_t length, const char *path)
{
	for (const struct foreign *f = foreigns; f->name != NULL; f++) {
		if (f->is_directory == (text == NULL) && f->sniff(text, length, path))
			return f;
	}
	return NULL;
}

bool foreign_knows_directory(const char *path)
{
	return recognise(NULL, 0, path) != NULL;
}

static int read_into(const struct foreign *foreign, const char *text, size_t length,
		     const char *path, struct session *ret)
{
	_cleanup_(foreign_json_free) cJSON *json = NULL;
	_cleanup_(gather_done) struct gathering g;
	gather_init(&g, path, ret);
	g.samples = foreign->samples;
	if (foreign->read_json != NULL) {
		json = foreign_json_parse(text, length, path);
		if (json == NULL)
			return -EBADMSG;
		foreign->read_json(&g, json);
	} else {
		foreign->read(&g, text, length);
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
	const struct foreign *foreign = recognise(text, length, path);
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
