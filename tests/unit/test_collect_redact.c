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

/* The event as it comes out, of which @size bytes are looked at. */
struct masked {
	union {
		struct sl_event event;
		char bytes[1024];
	} record;
};

static int keep(void *data, const struct sl_event *event)
{
	struct masked *m = data;
	assert_true(event->size <= sizeof(m->record));
	memcpy(&m->record, event, event->size);
	return 0;
}

/* An event of @kind whose text of @n bytes begins at @offset. */
static struct masked mask(unsigned int kind, unsigned int flags, size_t offset, const char *text,
			  size_t n)
{
	struct masked in = { 0 }, out = { 0 };
	regex_t regex = compiled("a/?b|secret");
	struct redactor *r = NULL;
	in.record.event = (struct sl_event){ .size = (uint32_t)((offset + n + 7) & ~7ul),
					     .kind = (uint16_t)kind,
					     .flags = (uint16_t)flags };
	memcpy(in.record.bytes + offset, text, n);
	if (kind == SL_KIND_OUTPUT)
		((struct sl_output *)(void *)&in.record)->length = (uint32_t)n;
	assert_int_equal(redactor_new(&regex, &r), 0);
	assert_int_equal(redactor_event(r, &in.record.event, (struct sink){ keep, &out }), 0);
	assert_int_equal(out.record.event.size, in.record.event.size);
	(void)redactor_free(r);
	regfree(&regex);
	return out;
}

static void paths_are_masked_across_their_components(void **state)
{
	(void)state;
	static const char leaf[] = "b-secret\0xa\0top";
	const size_t at = offsetof(struct sl_open, text);
	struct masked m = mask(SL_KIND_OPEN, SL_FLAG_LEAF, at, leaf, sizeof(leaf));
	assert_memory_equal(m.record.bytes + at, "*-******\0x*\0top", sizeof(leaf));
	m = mask(SL_KIND_OPEN, 0, at, "/xa/b", 6);
	assert_string_equal(m.record.bytes + at, "/x***");
}

static void what_ready_was_given_is_masked_but_for_its_kind(void **state)
{
	(void)state;
	static const char *const specs[][2] = {
		{ "log:my secret", "log:my ******" },	    { "accept:80", "accept:80" },
		{ "tcp:secret:80", "tcp:******:80" },	    { "file:/secret", "file:/******" },
		{ "http://secret@h/", "http://******@h/" }, { "quiet", "quiet" },
	};
	const size_t at = offsetof(struct sl_mark, text);
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		const struct masked m =
			mask(SL_KIND_MARK, 0, at, specs[i][0], strlen(specs[i][0]) + 1);
		assert_string_equal(m.record.bytes + at, specs[i][1]);
	}
	const size_t meta = offsetof(struct sl_meta, text);
	const struct masked m = mask(SL_KIND_META, 0, meta, "note=a secret", 14);
	assert_string_equal(m.record.bytes + meta, "note=a ******");
	/* Facts about the machine are read by programs. */
	const struct masked fact = mask(SL_KIND_META, 0, meta, "host.cpu=secret", 16);
	assert_string_equal(fact.record.bytes + meta, "host.cpu=secret");
}

static void of_what_was_written_nothing_is_kept(void **state)
{
	(void)state;
	const size_t at = offsetof(struct sl_output, bytes);
	const struct masked m = mask(SL_KIND_OUTPUT, 0, at, "sec\nret", 7);
	assert_memory_equal(m.record.bytes + at, "***\n***", 7);
}

static void names_of_threads_are_masked(void **state)
{
	(void)state;
	const size_t at = offsetof(struct sl_task, comm);
	const struct masked m = mask(SL_KIND_TASK, 0, at, "my-secret-name-1", SL_COMM_SIZE);
	assert_memory_equal(m.record.bytes + at, "my-******-name-1", SL_COMM_SIZE);
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
		cmocka_unit_test(paths_are_masked_across_their_components),
		cmocka_unit_test(what_ready_was_given_is_masked_but_for_its_kind),
		cmocka_unit_test(of_what_was_written_nothing_is_kept),
		cmocka_unit_test(names_of_threads_are_masked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
