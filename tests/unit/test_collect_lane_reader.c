/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/clock.h"
#include "userspace/collect/shim/lane_reader.h"

enum { BYTES = 24576, RANDOM_ROUNDS = 400, SEEN = 64 };

struct seen {
	bool may_announce;
	size_t n;
	struct sl_event events[SEEN];
};

static bool is_announcement(const struct sl_event *event)
{
	return event->kind == SL_KIND_TASK || event->kind == SL_KIND_EXEC ||
	       event->kind == SL_KIND_ARGS;
}

static int see(void *data, const struct sl_event *event)
{
	struct seen *s = data;

	/* A hostile lane must not make the source hand over what only others may say. */
	assert_true(event->kind == SL_KIND_MARK || event->kind == SL_KIND_COVER ||
		    event->kind == SL_KIND_NET || (s->may_announce && is_announcement(event)));
	assert_int_equal(event->flags & SL_FLAG_SOURCE, SL_SOURCE_SHIM);
	if (s->n < SEEN)
		s->events[s->n] = *event;
	s->n++;
	return 0;
}

static uint64_t now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void fill_header(struct sl_lane *h)
{
	*h = (struct sl_lane){
		.magic = SL_LANE_MAGIC,
		.version = SL_LANE_VERSION,
		.bytes = BYTES,
		.records_offset = sizeof(*h),
		.records_end = SL_LANE_RECORDS,
		.slots_offset = SL_LANE_RECORDS,
		.n_slots = 31,
		.ns_pid = 7,
		.start_ns = now(),
		.wall_ns = clock_ns(CLOCK_REALTIME),
		.cursor = sizeof(*h),
	};
}

static void add_mark(unsigned char *bytes, enum sl_mark_id mark, enum sl_kind kind)
{
	struct sl_lane *h = (struct sl_lane *)(void *)bytes;
	struct sl_mark *m = (struct sl_mark *)(void *)(bytes + (uint32_t)h->cursor);

	m->event = (struct sl_event){ .size = sizeof(*m), .kind = (__u16)kind, .time_ns = now() };
	m->mark = mark;
	h->cursor += (1ull << 32) + sizeof(*m);
}

static int file_of(const void *bytes, size_t n)
{
	const int fd = memfd_create("lane", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, 0), n);
	return fd;
}

/* The file of a lane with these two records, its header read. */
static int two_marks(enum sl_mark_id first, enum sl_kind first_kind, enum sl_mark_id second,
		     enum sl_kind second_kind, struct lane *ret)
{
	_Alignas(8) static unsigned char bytes[BYTES];

	memset(bytes, 0, sizeof(bytes));
	fill_header((struct sl_lane *)(void *)bytes);
	add_mark(bytes, first, first_kind);
	add_mark(bytes, second, second_kind);
	const int fd = file_of(bytes, sizeof(bytes));
	assert_int_equal(lane_read_header(ret, fd), 0);
	return fd;
}

static void names_are_two_numbers(void **state)
{
	(void)state;
	assert_true(lane_name_is_valid("1-2"));
	assert_true(lane_name_is_valid("4294967295-18446744073709551615"));
	assert_false(lane_name_is_valid("tree"));
	assert_false(lane_name_is_valid("1-"));
	assert_false(lane_name_is_valid("-1"));
	assert_false(lane_name_is_valid("1-2-3"));
	assert_false(lane_name_is_valid("1-2/../x"));
	assert_false(lane_name_is_valid("12345678901-2"));
}

static void records_are_handed_over_once(void **state)
{
	(void)state;
	struct seen seen = { 0 };
	const struct sink sink = { see, &seen };
	struct lane l = { .fd = -1, .number = 5 };
	const int fd = two_marks(SL_MARK_LINKED, SL_KIND_MARK, SL_MARK_MAIN, SL_KIND_MARK, &l);
	assert_int_equal(lane_read_records(&l, fd, false, sink), 2);
	assert_int_equal(lane_read_records(&l, fd, true, sink), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.events[1].seq, 1);
	assert_int_equal(seen.events[1].cpu, 5);
	assert_int_equal(lane_lost(&l), 0);
	(void)close(fd);
}

static void an_unfinished_record_is_waited_for_then_stepped_over(void **state)
{
	(void)state;
	struct seen seen = { 0 };
	const struct sink sink = { see, &seen };
	struct lane l = { .fd = -1 };
	/* The writer of the first one was killed. */
	const int fd = two_marks(SL_MARK_LINKED, SL_KIND_NONE, SL_MARK_MAIN, SL_KIND_MARK, &l);
	assert_int_equal(lane_read_records(&l, fd, false, sink), 0);
	assert_int_equal(lane_read_records(&l, fd, true, sink), 1);
	assert_int_equal(seen.events[0].seq, 1);
	assert_int_equal(lane_lost(&l), 1);
	(void)close(fd);
}

static void marks_that_are_not_the_shims_are_refused(void **state)
{
	(void)state;
	struct seen seen = { 0 };
	const struct sink sink = { see, &seen };
	struct lane l = { .fd = -1 };
	const int fd = two_marks(SL_MARK_READY, SL_KIND_MARK, SL_MARK_LINKED, SL_KIND_END, &l);
	assert_int_equal(lane_read_records(&l, fd, true, sink), 0);
	assert_int_equal(lane_lost(&l), 2);
	(void)close(fd);
}

static void add_task(unsigned char *bytes, uint32_t pid, uint32_t parent, uint32_t flags)
{
	struct sl_lane *h = (struct sl_lane *)(void *)bytes;
	struct sl_task *t = (struct sl_task *)(void *)(bytes + (uint32_t)h->cursor);

	t->event = (struct sl_event){
		.size = sizeof(*t),
		.kind = SL_KIND_TASK,
		.time_ns = now(),
		.pid = pid,
		.tid = pid,
	};
	t->parent_pid = parent;
	t->ns_pid = pid;
	t->flags = flags;
	h->cursor += (1ull << 32) + sizeof(*t);
}

/* The lane is that of process 7. */
static void a_process_speaks_of_itself_and_its_children_only(void **state)
{
	(void)state;
	for (int may = 0; may <= 1; may++) {
		_Alignas(8) static unsigned char bytes[BYTES];
		struct seen seen = { .may_announce = may };
		const struct sink sink = { see, &seen };
		struct lane l = { .fd = -1, .announces = may };

		memset(bytes, 0, sizeof(bytes));
		fill_header((struct sl_lane *)(void *)bytes);
		add_task(bytes, 7, 3, 0);
		add_task(bytes, 8, 7, 0);
		add_task(bytes, 8, 3, 0);
		add_task(bytes, 7, 3, SL_TASK_ATTACHED);
		const int fd = file_of(bytes, sizeof(bytes));
		assert_int_equal(lane_read_header(&l, fd), 0);
		assert_int_equal(lane_read_records(&l, fd, true, sink), may ? 2 : 0);
		assert_int_equal(lane_lost(&l), may ? 2 : 4);
		(void)close(fd);
	}
}

static void counters_are_summed_and_completed(void **state)
{
	(void)state;
	_Alignas(8) static unsigned char bytes[BYTES];
	struct sl_lane *h = (struct sl_lane *)(void *)bytes;
	struct lane l = { .fd = -1 };
	struct lane_sums sums;

	memset(bytes, 0, sizeof(bytes));
	fill_header(h);
	h->slots_used = 2;
	h->shared.calls[SL_HEAP_FREE] = 3;
	struct sl_lane_slot *slots = (struct sl_lane_slot *)(void *)(bytes + h->slots_offset);
	slots[0].buckets[6] = 23;
	slots[0].calls[SL_HEAP_REALLOC] = 5;
	slots[0].calls[SL_HEAP_FAILED] = 1;
	slots[0].live = 1000;
	slots[1].live = -400;
	slots[1].calls[SL_HEAP_FREE] = 7;
	slots[0].requested_bytes = 1 << 20;
	h->peak = 700;
	h->rss_peak_bytes = 8 << 20;
	const int fd = file_of(bytes, sizeof(bytes));
	assert_int_equal(lane_read_header(&l, fd), 0);
	assert_int_equal(lane_read_sums(&l, fd, &sums), 0);
	assert_int_equal(sums.calls[SL_HEAP_MALLOC], 23 + 1 - 5);
	assert_int_equal(sums.calls[SL_HEAP_FREE], 10);
	assert_int_equal(sums.live_bytes, 600);
	assert_int_equal(sums.rss_peak_bytes, 8 << 20);
	assert_int_equal(sums.peak_bytes, 700);
	assert_int_equal(sums.peak_error_bytes, 2 * SL_LANE_FLUSH_BYTES);
	(void)close(fd);
}

static void a_clock_in_another_namespace_is_corrected(void **state)
{
	(void)state;
	_Alignas(8) static unsigned char bytes[BYTES];
	struct sl_lane *h = (struct sl_lane *)(void *)bytes;
	struct seen seen = { 0 };
	const struct sink sink = { see, &seen };
	struct lane l = { .fd = -1 };
	const uint64_t offset = 86400ull * 1000000000u;

	memset(bytes, 0, sizeof(bytes));
	fill_header(h);
	add_mark(bytes, SL_MARK_MAIN, SL_KIND_MARK);
	h->start_ns += offset;
	h->ns_pid = 0x7fffffff; /* nobody whose offset could be asked */
	((struct sl_event *)(void *)(bytes + sizeof(*h)))->time_ns += offset;
	const int fd = file_of(bytes, sizeof(bytes));
	assert_int_equal(lane_read_header(&l, fd), 0);
	assert_int_equal(lane_read_records(&l, fd, true, sink), 1);
	const int64_t wrong_by = (int64_t)(seen.events[0].time_ns - now());
	assert_in_range(wrong_by + 1000000000, 0, 2000000000);
	(void)close(fd);
}

static unsigned int next(unsigned int *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Puts sizes and kinds that make sense into the noise, so that it is read far into; now and then
 * one that does not. */
static void chain(unsigned char *bytes, unsigned int *seed)
{
	for (size_t at = sizeof(struct sl_lane); at + 512 < SL_LANE_RECORDS;) {
		struct sl_event *event = (struct sl_event *)(void *)(bytes + at);
		event->size = sizeof(*event) + next(seed) % 40 * 8;
		event->kind = (__u16)(next(seed) % (SL_KIND_LIMIT + 1));
		at += event->size;
		if (next(seed) % 23 == 0)
			event->size = next(seed);
		if (event->kind == SL_KIND_MARK && event->size >= sizeof(struct sl_mark))
			((struct sl_mark *)(void *)event)->mark = next(seed) % 5;
	}
}

static void random_bytes_do_no_harm(void **state)
{
	(void)state;
	_Alignas(8) static unsigned char bytes[BYTES];
	struct seen seen = { 0 };
	const struct sink sink = { see, &seen };
	unsigned int seed = 41;

	for (int round = 0; round < RANDOM_ROUNDS; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++) {
			bytes[i] = (unsigned char)next(&seed);
		}
		struct sl_lane *h = (struct sl_lane *)(void *)bytes;
		const uint64_t cursor = h->cursor, refused = h->refused, used = h->slots_used;
		if (round % 2 != 0) { /* a header that passes, and nonsense behind it */
			fill_header(h);
			h->cursor = cursor;
			h->refused = refused;
			h->slots_used = used;
			chain(bytes, &seed);
		}
		const size_t n = round % 3 == 0 ? seed % sizeof(bytes) : sizeof(bytes);
		const int fd = file_of(bytes, n);
		struct lane l = { .fd = -1 };
		struct lane_sums sums;
		if (lane_read_header(&l, fd) == 0) {
			(void)lane_read_records(&l, fd, false, sink);
			/* The target cuts its file while it is read. */
			if (round % 5 == 0)
				assert_int_equal(ftruncate(fd, 1000 + round), 0);
			(void)lane_read_records(&l, fd, true, sink);
			(void)lane_read_sums(&l, fd, &sums);
			(void)lane_lost(&l);
		}
		(void)close(fd);
	}
	assert_true(seen.n > 0); /* the test reaches what it is about */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_two_numbers),
		cmocka_unit_test(records_are_handed_over_once),
		cmocka_unit_test(an_unfinished_record_is_waited_for_then_stepped_over),
		cmocka_unit_test(marks_that_are_not_the_shims_are_refused),
		cmocka_unit_test(a_process_speaks_of_itself_and_its_children_only),
		cmocka_unit_test(counters_are_summed_and_completed),
		cmocka_unit_test(a_clock_in_another_namespace_is_corrected),
		cmocka_unit_test(random_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
