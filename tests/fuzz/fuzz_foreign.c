/* SPDX-License-Identifier: MIT */
/* Reads a file of another tool that the fuzzer makes up. What is read must be a session that can be
 * written and read again, with finite numbers or none. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "userspace/base/log.h"
#include "userspace/foreign/foreign.h"
#include "userspace/model/metrics.h"
#include "userspace/model/session_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void silence(enum log_level level, const char *message, void *user)
{
	(void)level;
	(void)message;
	(void)user;
}

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
	char *text = NULL;
	size_t n = 0;
	struct session *again = NULL;
	FILE *f = open_memstream(&text, &n);
	if (f == NULL || session_write_json(s, f) < 0)
		abort();
	(void)fclose(f);
	if (session_read_json(text, n, "again", &again) < 0 || again->n_series != s->n_series)
		abort();
	free(text);
	(void)session_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session *s = NULL;
	log_set_sink(silence, NULL);
	const int r = foreign_read((const char *)data, size, "fuzz", &s);
	if ((r < 0 && s != NULL) || (s != NULL && s->n_series == 0))
		abort();
	for (size_t i = 0; s != NULL && i < s->n_series; i++)
		check_series(&s->series[i]);
	if (s != NULL)
		check_round_trip(s);
	(void)session_free(s);
	return 0;
}
