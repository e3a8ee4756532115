/* SPDX-License-Identifier: MIT */
/* Reads a file of another tool that the fuzzer makes up; what could be of criterion, also as the
 * files of its directory. What is read must be a session that can be written and read again, with
 * finite numbers or none. */

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzzing.h"
#include "tests/lib/document.h"
#include "userspace/foreign/foreign.h"
#include "userspace/model/metrics.h"

static void check_series(const struct series *series)
{
	if (series->metric == NULL || series->id[0] == '\0')
		abort();
	if (isinf(series->summary.median) || isinf(series->summary.min))
		abort();
	for (size_t i = 0; i < series->n_values; i++) {
		if (isinf(series->values[i]))
			abort();
	}
}

static void check_round_trip(const struct session *s)
{
	size_t n = 0;
	struct session *again = NULL;
	char *text = document_of(s, &n);
	if (session_read_json(text, n, "again", &again) < 0 || again->n_series != s->n_series)
		abort();
	free(text);
	(void)session_free(again);
}

static void check(int r, struct session *s)
{
	if ((r < 0 && s != NULL) || (s != NULL && s->n_series == 0))
		abort();
	for (size_t i = 0; s != NULL && i < s->n_series; i++)
		check_series(&s->series[i]);
	if (s != NULL)
		check_round_trip(s);
	(void)session_free(s);
}

static char directory[] = "/tmp/startline-fuzz.XXXXXX";

static void remove_directory(void)
{
	char path[PATH_MAX];
	(void)snprintf(path, sizeof(path), "%s/new/sample.json", directory);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/new/estimates.json", directory);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/new", directory);
	(void)rmdir(path);
	(void)rmdir(directory);
}

static void make_directory(void)
{
	static bool is_there;
	char path[PATH_MAX];
	if (is_there)
		return;
	if (mkdtemp(directory) == NULL)
		abort();
	(void)snprintf(path, sizeof(path), "%s/new", directory);
	if (mkdir(path, 0700) != 0)
		abort();
	(void)atexit(remove_directory);
	is_there = true;
}

static void read_as_criterion(const uint8_t *data, size_t size, const char *name)
{
	char path[PATH_MAX];
	struct session *s = NULL;
	make_directory();
	(void)snprintf(path, sizeof(path), "%s/new/%s", directory, name);
	FILE *f = fopen(path, "w");
	if (f == NULL || fwrite(data, 1, size, f) != size || fclose(f) != 0)
		abort();
	const int r = foreign_read(NULL, 0, directory, &s);
	check(r, s);
	(void)unlink(path);
}

static bool holds(const uint8_t *data, size_t size, const char *word)
{
	return memmem(data, size, word, strlen(word)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session *s = NULL;
	log_set_sink(silence, NULL);
	const int r = foreign_read((const char *)data, size, "fuzz", &s);
	check(r, s);
	if (holds(data, size, "\"iters\"") || (size > 1 && data[0] == '[' && data[1] == '['))
		read_as_criterion(data, size, "sample.json");
	if (holds(data, size, "\"point_estimate\""))
		read_as_criterion(data, size, "estimates.json");
	return 0;
}
