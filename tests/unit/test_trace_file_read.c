/* SPDX-License-Identifier: MIT */
/* Reading trace files that are cut, damaged, foreign or made with ill intent. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/trace_files.h"
#include "tests/unit/cmocka.h"
#include "userspace/base/cleanup.h"

/* Loads what must not load. */
static int refuse(void)
{
	struct trace *t = NULL;
	const int rc = test_try_load(test_path, &t);
	assert_null(t);
	assert_int_equal(test_n_said, 1);
	return rc;
}

/* ---- a reader in trouble ---- */

static void cut_anywhere_the_whole_blocks_are_read(void **state)
{
	(void)state;
	test_write_blocks(3);
	_cleanup_(buf_done) struct buf file;
	test_read_bytes(&file);
	const size_t blocks[] = { test_block_at(&file, 0), test_block_at(&file, 1),
				  test_block_at(&file, 2), test_block_at(&file, 3) };
	for (size_t n = sizeof(struct file_header); n < file.len; n++) {
		test_write_bytes(file.data, n);
		struct trace *t = test_load();
		size_t whole = 0;
		while (whole < 3 && n >= blocks[whole + 1])
			whole++;
		assert_int_equal(t->n_events, whole * 10);
		assert_true(t->is_truncated);
		assert_int_equal(t->n_damaged, 0);
		trace_free(t);
	}
}

static void of_a_growing_file_the_tail_is_read(void **state)
{
	(void)state;
	test_write_blocks(3);
	_cleanup_(buf_done) struct buf file;
	test_read_bytes(&file);
	_cleanup_close_ int fd = open(test_path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	struct trace *t = NULL;
	assert_int_equal(trace_load_tail(fd, test_path, test_block_at(&file, 1),
					 test_block_at(&file, 2), &t),
			 0);
	struct trace *whole = test_load();
	size_t n_facts = 0;
	for (size_t i = 0; i < 10; i++)
		n_facts += whole->events[i]->kind == SL_KIND_META;
	assert_int_equal(t->n_events, n_facts + (whole->n_events - 20));
	assert_int_equal(t->events[t->n_events - 1]->seq, whole->events[whole->n_events - 1]->seq);
	trace_free(whole);
	trace_free(t);
}

static void a_damaged_byte_costs_one_block(void **state)
{
	(void)state;
	test_write_blocks(3);
	_cleanup_(buf_done) struct buf file;
	test_read_bytes(&file);
	const size_t from = test_block_at(&file, 1);
	const size_t to = test_block_at(&file, 2);
	for (size_t i = from; i < to; i++) {
		file.data[i] ^= 0x10;
		test_write_bytes(file.data, file.len);
		struct trace *t = test_load();
		assert_int_equal(t->n_events, 21);
		assert_int_equal(test_number_of(t->events[10]), 20);
		assert_int_equal(t->n_damaged, 1);
		assert_false(t->is_truncated);
		assert_non_null(strstr(test_said, "damaged"));
		trace_free(t);
		file.data[i] ^= 0x10;
	}
}

static void rubbish_between_blocks_is_skipped(void **state)
{
	(void)state;
	test_write_blocks(2);
	_cleanup_(buf_done) struct buf file;
	test_read_bytes(&file);
	const size_t at = test_block_at(&file, 1);
	_cleanup_(buf_done) struct buf mixed;
	buf_init(&mixed, TEST_FILE_MAX);
	assert_int_equal(buf_add(&mixed, file.data, at), 0);
	/* More than the search reads at once, so that the magic lies across two reads. */
	assert_int_equal(buf_pad(&mixed, 'x', 64 * 1024 - 3), 0);
	assert_int_equal(buf_add(&mixed, file.data + at, file.len - at), 0);
	test_write_bytes(mixed.data, mixed.len);
	struct trace *t = test_load();
	assert_int_equal(t->n_events, 21);
	assert_int_equal(t->n_damaged, 1);
	assert_false(t->is_truncated);
	trace_free(t);
}

static void foreign_files_are_refused(void **state)
{
	(void)state;
	test_write_bytes("", 0);
	assert_int_equal(refuse(), -EBADMSG);
	assert_false(test_sniff(test_path));
	test_n_said = 0;
	test_write_bytes("STARTLINE is not STARTLN, but as long as a header", 49);
	assert_int_equal(refuse(), -EBADMSG);
	assert_non_null(strstr(test_said, "not a startline trace"));
	assert_false(test_sniff(test_path));
}

static void a_directory_is_refused(void **state)
{
	(void)state;
	struct trace *t = NULL;
	assert_int_equal(test_try_load(test_directory, &t), -EBADMSG);
	assert_false(test_sniff(test_directory));
}

static void other_versions_and_machines_are_refused(void **state)
{
	(void)state;
	test_write_blocks(1);
	assert_true(test_sniff(test_path));
	_cleanup_(buf_done) struct buf file;
	test_read_bytes(&file);
	struct file_header header;
	memcpy(&header, file.data, sizeof(header));
	header.version++;
	memcpy(file.data, &header, sizeof(header));
	test_write_bytes(file.data, file.len);
	assert_int_equal(refuse(), -EPROTO);
	assert_non_null(strstr(test_said, "newer"));

	test_n_said = 0;
	header.version = __builtin_bswap32(FILE_VERSION);
	header.byte_order = __builtin_bswap32(FILE_BYTE_ORDER);
	memcpy(file.data, &header, sizeof(header));
	test_write_bytes(file.data, file.len);
	assert_int_equal(refuse(), -EPROTO);
	assert_non_null(strstr(test_said, "byte order"));
}

static void longer_headers_are_skipped(void **state)
{
	(void)state;
	test_write_blocks(1);
	_cleanup_(buf_done) struct buf file;
	test_read_bytes(&file);
	struct file_header header;
	memcpy(&header, file.data, sizeof(header));
	header.header_size = sizeof(header) + 40;
	_cleanup_(buf_done) struct buf longer;
	buf_init(&longer, TEST_FILE_MAX);
	assert_int_equal(buf_add(&longer, &header, sizeof(header)), 0);
	assert_int_equal(buf_pad(&longer, 'x', 40), 0);
	assert_int_equal(buf_add(&longer, file.data + sizeof(header), file.len - sizeof(header)),
			 0);
	test_write_bytes(longer.data, longer.len);
	struct trace *t = test_load();
	assert_int_equal(t->n_events, 11);
	trace_free(t);
}

static void unknown_and_short_events_are_counted_and_longer_ones_accepted(void **state)
{
	(void)state;
	struct trace_writer *w = test_writer();
	const struct sl_event unknown = { .size = sizeof(unknown), .kind = SL_KIND_LIMIT };
	const struct sl_event none = { .size = sizeof(none), .kind = SL_KIND_NONE };
	const struct sl_event tiny = { .size = sizeof(tiny), .kind = SL_KIND_EXIT };
	struct {
		struct sl_exit exit;
		uint64_t later_field;
	} longer = { .exit = { .event = { .size = sizeof(longer), .kind = SL_KIND_EXIT } } };
	struct sl_args args = { .event = { .size = sizeof(args), .kind = SL_KIND_ARGS },
				.length = 1 };
	assert_int_equal(trace_append(w, &unknown), 0);
	assert_int_equal(trace_append(w, &none), 0);
	assert_int_equal(trace_append(w, &tiny), 0);
	assert_int_equal(trace_append(w, &args.event), 0); /* promises a byte it does not have */
	assert_int_equal(trace_append(w, &longer.exit.event), 0);
	assert_int_equal(trace_writer_close(w), 0);
	struct trace *t = test_load();
	assert_int_equal(t->n_unknown, 4);
	assert_int_equal(t->n_events, 2);
	assert_int_equal(t->events[0]->size, sizeof(longer));
	trace_free(t);
}

static void a_block_with_broken_events_is_damage(void **state)
{
	(void)state;
	struct sl_exit events[3];
	memset(events, 0, sizeof(events));
	for (size_t i = 0; i < 3; i++)
		events[i].event =
			(struct sl_event){ .size = sizeof(events[0]), .kind = SL_KIND_EXIT };
	static const uint32_t bad_sizes[] = { 0, 8, 31, 47, 56, 0xfffffff8u, 0x80000000u };
	for (size_t i = 0; i < sizeof(bad_sizes) / sizeof(bad_sizes[0]); i++) {
		_cleanup_(buf_done) struct buf file;
		test_add_file_header(&file);
		test_add_block(&file, events, sizeof(events), 3, BLOCK_PLAIN);
		events[2].event.size = bad_sizes[i];
		test_add_block(&file, events, sizeof(events), 3, BLOCK_PLAIN);
		events[2].event.size = sizeof(events[2]);
		test_add_block(&file, events, sizeof(events), 2,
			       BLOCK_PLAIN); /* the number is wrong */
		test_add_block(&file, events, sizeof(events), 3, BLOCK_PLAIN);
		test_write_bytes(file.data, file.len);
		struct trace *t = test_load();
		assert_int_equal(t->n_events, 6);
		assert_int_equal(t->n_damaged, 2);
		trace_free(t);
	}
}

static void an_empty_block_is_nothing(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf file;
	test_add_file_header(&file);
	test_add_block(&file, NULL, 0, 0, BLOCK_PLAIN);
	test_write_bytes(file.data, file.len);
	struct trace *t = test_load();
	assert_int_equal(t->n_events, 0);
	assert_int_equal(t->n_damaged, 0);
	trace_free(t);
}

static void a_file_of_nothing_but_magics_ends_soon(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf file;
	test_add_file_header(&file);
	struct block_header header = { .header_size = sizeof(header),
				       .stored_size = BLOCK_RAW_MAX,
				       .raw_size = BLOCK_RAW_MAX };
	memcpy(header.magic, BLOCK_MAGIC, BLOCK_MAGIC_SIZE);
	/* Each would be checksummed over half a megabyte: 16 GB for 1.6 MB of file. */
	for (int i = 0; i < 32768; i++)
		assert_int_equal(buf_add(&file, &header, sizeof(header)), 0);
	test_write_bytes(file.data, file.len);
	struct trace *t = test_load();
	assert_int_equal(t->n_events, 0);
	assert_true(t->n_damaged > 0 && t->n_damaged < 200);
	assert_true(t->is_truncated);
	trace_free(t);
}

/* Events as regular as they can be. */
static unsigned char *regular_events(size_t n)
{
	unsigned char *raw = calloc(1, n);
	assert_non_null(raw);
	for (size_t at = 0; at < n; at += SL_EVENT_MAX) {
		struct sl_event *event = (void *)(raw + at);
		*event = (struct sl_event){ .size = SL_EVENT_MAX, .kind = SL_KIND_META };
	}
	return raw;
}

static void a_bomb_is_refused(void **state)
{
	(void)state;
	_cleanup_free_ unsigned char *raw = regular_events(BLOCK_RAW_MAX);
	_cleanup_(buf_done) struct buf file;
	test_add_file_header(&file);
	/* 100 MiB from 120 KB. */
	for (int i = 0; i < 200; i++)
		test_add_block(&file, raw, BLOCK_RAW_MAX, BLOCK_RAW_MAX / SL_EVENT_MAX,
			       BLOCK_DEFLATE);
	test_write_bytes(file.data, file.len);
	assert_int_equal(refuse(), -EFBIG);
	assert_non_null(strstr(test_said, "256 times its size"));
}

static void the_most_regular_recording_is_no_bomb(void **state)
{
	(void)state;
	_cleanup_free_ unsigned char *raw = regular_events(SL_EVENT_MAX);
	struct trace_writer *w = test_writer();
	for (int i = 0; i < 4; i++)
		assert_int_equal(trace_append(w, (void *)raw), 0);
	assert_int_equal(trace_flush(w), 0);
	const uint64_t stored = trace_writer_bytes(w) - sizeof(struct file_header);
	assert_int_equal(trace_writer_close(w), 0);
	assert_true(BLOCK_FULL_BYTES / stored < 256);
}

static void text_never_reaches_past_its_event(void **state)
{
	(void)state;
	union {
		struct sl_event event;
		char bytes[64];
	} record;
	memset(&record, 'x', sizeof(record));
	record.event.size = 48;
	const struct sl_meta *meta = (const void *)&record;
	assert_int_equal(event_text_length(&record.event, meta->text), 16);
	record.bytes[40] = '\0';
	assert_int_equal(event_text_length(&record.event, meta->text), 8);
	record.event.size = 32;
	assert_int_equal(event_text_length(&record.event, meta->text), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_files_start, test_files_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cut_anywhere_the_whole_blocks_are_read),
		TEST(of_a_growing_file_the_tail_is_read),
		TEST(a_damaged_byte_costs_one_block),
		TEST(rubbish_between_blocks_is_skipped),
		TEST(foreign_files_are_refused),
		TEST(a_directory_is_refused),
		TEST(other_versions_and_machines_are_refused),
		TEST(longer_headers_are_skipped),
		TEST(unknown_and_short_events_are_counted_and_longer_ones_accepted),
		TEST(a_block_with_broken_events_is_damage),
		TEST(an_empty_block_is_nothing),
		TEST(a_file_of_nothing_but_magics_ends_soon),
		TEST(a_bomb_is_refused),
		TEST(text_never_reaches_past_its_event),
		TEST(the_most_regular_recording_is_no_bomb),
	};
	return cmocka_run_group_tests_name("trace/file_read", tests, NULL, NULL);
}
