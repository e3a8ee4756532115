/* SPDX-License-Identifier: MIT */
/* Compares two session documents that the fuzzer makes up, with a NUL between them (one alone is
 * compared with itself), and prints that in every format. The rows must add up, whatever they are
 * made of, and text for a terminal must not hold a control byte. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzzing.h"
#include "userspace/base/arena.h"
#include "userspace/model/compare/compare.h"
#include "userspace/model/document/session_json.h"
#include "userspace/view/report/compare.h"

static void check_sums(const struct comparison *c)
{
	/* Durations of a made-up document may overflow: modulo 2^64 they add up all the same. */
	uint64_t base = 0, head = 0;
	for (size_t i = 0; i < c->n_contributions; i++) {
		base += (uint64_t)c->contributions[i].base_ns;
		head += (uint64_t)c->contributions[i].head_ns;
	}
	if (c->has_contributions &&
	    (base != (uint64_t)c->base_total_ns || head != (uint64_t)c->head_total_ns))
		abort();
}

static void print_all(const struct comparison *c)
{
	for (int format = TABLE_TEXT; format <= TABLE_MARKDOWN; format++) {
		char *text = NULL;
		size_t n = 0;
		FILE *f = open_memstream(&text, &n);
		(void)report_compare(c, &(struct page){ .f = f, .format = format });
		(void)fclose(f);
		if (format == TABLE_TEXT)
			check_text(text, n);
		free(text);
	}
}

static void normalise(const char *text, size_t n)
{
	struct arena *arena = arena_new();
	const char *copy = arena_strndup(arena, text, n);
	const char *normal = compare_normalise(arena, copy);
	if (normal == NULL || strlen(normal) > strlen(copy))
		abort();
	(void)arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *nul = size > 0 ? memchr(data, '\0', size) : NULL;
	const size_t n = nul != NULL ? (size_t)(nul - text) : size;
	const char *second = nul != NULL ? nul + 1 : text;
	struct session *base = NULL, *head = NULL;
	struct comparison *c = NULL;
	log_set_sink(silence, NULL);
	normalise(text, n);
	if (session_read_json(text, n, "base", &base) == 0 &&
	    session_read_json(second, nul != NULL ? size - n - 1 : n, "head", &head) == 0 &&
	    comparison_build(base, head, 0.99, &c) == 0) {
		check_sums(c);
		print_all(c);
	}
	(void)comparison_free(c);
	(void)session_free(head);
	(void)session_free(base);
	return 0;
}
