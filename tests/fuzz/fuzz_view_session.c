/* SPDX-License-Identifier: MIT */
/* Reads a session document that the fuzzer makes up, prints every report of it in every format,
 * and holds the reader to its word: what was read and written once is the same ever after. Text
 * for a terminal must not hold a control byte. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzzing.h"
#include "tests/lib/document.h"
#include "userspace/view/report/report.h"

static void print_all(struct session *s)
{
	for (int format = TABLE_TEXT; format <= TABLE_MARKDOWN; format++) {
		char *text = NULL;
		size_t n = 0;
		FILE *f = open_memstream(&text, &n);
		(void)report_print(s, &(struct page){ .f = f, .format = format });
		for (const struct report *r = reports; r->name != NULL && s->n_runs > 0; r++) {
			struct page page = { .f = f, .format = format };
			(void)table_show(r->build(s, 0), &page);
		}
		(void)fclose(f);
		if (format == TABLE_TEXT)
			check_text(text, n);
		free(text);
	}
}

static void check_round_trip(const struct session *s)
{
	size_t n_first = 0;
	size_t n_second = 0;
	struct session *again = NULL;
	char *first = document_of(s, &n_first);
	if (session_read_json(first, n_first, "again", &again) < 0)
		abort();
	char *second = document_of(again, &n_second);
	if (n_first != n_second || memcmp(first, second, n_first) != 0)
		abort();
	free(first);
	free(second);
	(void)session_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session *s = NULL;
	log_set_sink(silence, NULL);
	(void)session_sniff_json((const char *)data, size);
	if (session_read_json((const char *)data, size, "fuzz", &s) < 0)
		return 0;
	check_round_trip(s);
	print_all(s);
	(void)session_free(s);
	return 0;
}
