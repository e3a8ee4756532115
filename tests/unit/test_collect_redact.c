/* SPDX-License-Identifier: MIT */
/* --redact: what matches never gets through, wherever the pieces of an argument vector end. */

#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/collect/run/redact.h"

struct output {
	char text[SL_ARGS_MAX];
	size_t n_records;
	uint32_t seqs[16];
};

static int collect(void *data, const struct sl_event *event)
{
	struct output *out = data;
	if (event->kind == SL_KIND_ARGS) {
		const struct sl_args *args = (const struct sl_args *)event;
		memcpy(out->text + args->offset, args->bytes, args->length);
	}
	assert_true(out->n_records < 16);
	out->seqs[out->n_records++] = event->seq;
	return 0;
}

static regex_t compiled(const char *pattern)
{
	regex_t regex;
	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED), 0);
	return regex;
}

static void feed(struct redactor *r, struct output *out, uint32_t seq, uint32_t offset,
		 const char *bytes, size_t n)
{
	struct sl_args *args = calloc(1, sizeof(*args) + n + 8);
	assert_non_null(args);
	args->event = (struct sl_event){ .size = (uint32_t)((sizeof(*args) + n + 7) & ~7ul),
					 .kind = SL_KIND_ARGS,
					 .pid = 41,
					 .seq = seq };
	args->exec_ns = 23;
	args->offset = offset;
	args->length = (uint32_t)n;
	memcpy(args->bytes, bytes, n);
	assert_int_equal(redactor_event(r, &args->event, (struct sink){ collect, out }), 0);
	free(args);
}

static void every_match_is_masked_and_lengths_stay(void **state)
{
	(void)state;
	char text[] = "a=secret1 b=secret22 c";
	regex_t regex = compiled("secret[0-9]+");
	redact_text(&regex, text, strlen(text));
	assert_string_equal(text, "a=******* b=******** c");
	regfree(&regex);
}

static void empty_matches_do_not_hang(void **state)
{
	(void)state;
	char text[] = "abc";
	regex_t regex = compiled("x*");
	redact_text(&regex, text, strlen(text));
	assert_string_equal(text, "abc");
	regfree(&regex);
}

static void anchors_mean_the_whole_argument(void **state)
{
	(void)state;
	char text[] = "aaa";
	regex_t regex = compiled("^a");
	redact_text(&regex, text, strlen(text));
	assert_string_equal(text, "*aa");
	regfree(&regex);
}

static void a_match_across_two_pieces_is_masked(void **state)
{
	(void)state;
	static struct output out;
	static char argv[SL_ARGS_PIECE + 10];
	regex_t regex = compiled("password=[a-z]+");
	struct redactor *r = NULL;
	memset(&out, 0, sizeof(out));
	memset(argv, 'x', sizeof(argv));
	memcpy(argv, "sh", 3);
	memcpy(argv + SL_ARGS_PIECE - 12, "password=hunterz", 16);
	argv[sizeof(argv) - 1] = '\0';
	assert_int_equal(redactor_new(&regex, &r), 0);
	feed(r, &out, 7, 0, argv, SL_ARGS_PIECE);
	assert_int_equal(out.n_records, 0);
	feed(r, &out, 8, SL_ARGS_PIECE, argv + SL_ARGS_PIECE, 10);
	assert_int_equal(out.n_records, 2);
	assert_int_equal(out.seqs[0], 7);
	assert_int_equal(out.seqs[1], 8);
	assert_string_equal(out.text, "sh");
	assert_null(memmem(out.text, sizeof(argv), "hunter", 6));
	assert_memory_equal(out.text + SL_ARGS_PIECE - 12, "****************", 16);
	(void)redactor_free(r);
	regfree(&regex);
}

static void unfinished_vectors_come_out_at_the_end_masked(void **state)
{
	(void)state;
	static struct output out;
	static char argv[SL_ARGS_PIECE];
	regex_t regex = compiled("hunter");
	struct redactor *r = NULL;
	memset(&out, 0, sizeof(out));
	memset(argv, 'x', sizeof(argv));
	memcpy(argv + 100, "hunter", 6);
	assert_int_equal(redactor_new(&regex, &r), 0);
	feed(r, &out, 0, 0, argv, SL_ARGS_PIECE);
	assert_int_equal(redactor_flush(r, (struct sink){ collect, &out }), 0);
	assert_int_equal(out.n_records, 1);
	assert_memory_equal(out.text + 100, "******", 6);
	(void)redactor_free(r);
	regfree(&regex);
}

static void other_events_and_impossible_pieces_pass_by(void **state)
{
	(void)state;
	static struct output out;
	regex_t regex = compiled("a");
	struct redactor *r = NULL;
	memset(&out, 0, sizeof(out));
	struct sl_args bad = { .event = { .size = sizeof(bad), .kind = SL_KIND_END },
			       .length = 4000000 };
	assert_int_equal(redactor_new(&regex, &r), 0);
	assert_int_equal(redactor_event(r, &bad.event, (struct sink){ collect, &out }), 0);
	assert_int_equal(out.n_records, 1);
	(void)redactor_free(r);
	regfree(&regex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_match_is_masked_and_lengths_stay),
		cmocka_unit_test(empty_matches_do_not_hang),
		cmocka_unit_test(anchors_mean_the_whole_argument),
		cmocka_unit_test(a_match_across_two_pieces_is_masked),
		cmocka_unit_test(unfinished_vectors_come_out_at_the_end_masked),
		cmocka_unit_test(other_events_and_impossible_pieces_pass_by),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
