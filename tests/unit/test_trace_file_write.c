/* SPDX-License-Identifier: MIT */
/* Writing trace files: what is written comes back, and trouble leaves a readable file. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/trace_files.h"
#include "tests/unit/cmocka.h"
#include "userspace/base/cleanup.h"

/* ---- round trips ---- */

static void what_is_written_comes_back(void **state)
{
	(void)state;
	struct trace_writer *w = test_writer();
	for (int i = 0; i < 20000; i++)
		test_add_open(w, 1000 + (uint64_t)i, i);
	assert_int_equal(trace_writer_close(w), 0);

	struct trace *t = test_load();
	assert_int_equal(t->n_events, 20001);
	for (int i = 0; i < 20000; i++) {
		char expected[32];
		const struct sl_open *open = (const void *)t->events[i];
		(void)snprintf(expected, sizeof(expected), "/file/%d", i);
		assert_int_equal(test_number_of(&open->event), i);
		assert_string_equal(open->text, expected);
	}
	assert_int_equal(t->events[20000]->kind, SL_KIND_END);
	assert_false(t->is_truncated);
	assert_int_equal(t->n_damaged, 0);
	assert_int_equal(t->n_unknown, 0);
	assert_int_equal(test_n_said, 0);
	trace_free(t);
}

static void events_come_back_in_order_of_time_and_equal_times_in_order_of_the_file(void **state)
{
	(void)state;
	enum { N = 5003 };
	struct trace_writer *w = test_writer();
	uint32_t random = 1;
	for (int i = 0; i < N; i++) {
		random = random * 1664525u + 1013904223u;
		/* Nearly sorted, with many equal times, and a few far away. */
		const uint64_t time_ns = (uint64_t)i / 4 + (random >> 28) + 100;
		test_add_open(w, i % 997 == 0 ? random >> 16 : time_ns, i);
	}
	assert_int_equal(trace_writer_close(w), 0);
	struct trace *t = test_load();
	assert_int_equal(t->n_events, N + 1);
	bool seen[N] = { false };
	for (size_t i = 0; i < N; i++) {
		seen[test_number_of(t->events[i])] = true;
		if (i == 0)
			continue;
		assert_true(t->events[i - 1]->time_ns <= t->events[i]->time_ns);
		if (t->events[i - 1]->time_ns == t->events[i]->time_ns)
			assert_true(test_number_of(t->events[i - 1]) <
				    test_number_of(t->events[i]));
	}
	for (size_t i = 0; i < N; i++)
		assert_true(seen[i]);
	trace_free(t);
}

static void reversed_events_are_sorted(void **state)
{
	(void)state;
	struct trace_writer *w = test_writer();
	for (int i = 0; i < 3001; i++)
		test_add_open(w, 5000 - (uint64_t)i, i);
	assert_int_equal(trace_writer_close(w), 0);
	struct trace *t = test_load();
	for (int i = 0; i < 3001; i++) {
		/* END has the time of the first one and was written last. */
		const int at = i < 3000 ? i : 3000;
		assert_int_equal(test_number_of(t->events[at]), 3000 - i);
	}
	trace_free(t);
}

static void the_collectors_events_are_numbered(void **state)
{
	(void)state;
	struct trace_writer *w = test_writer();
	const struct sl_mark mark = { .event = { .size = sizeof(mark),
						 .kind = SL_KIND_MARK,
						 .flags = SL_SOURCE_COLLECT,
						 .cpu = 7,
						 .seq = 7 },
				      .mark = SL_MARK_GONE };
	for (int i = 0; i < 3; i++)
		assert_int_equal(trace_append(w, &mark.event), 0);
	test_add_open(w, 0, 41);
	assert_int_equal(trace_writer_close(w), 0);
	struct trace *t = test_load();
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(t->events[i]->seq, i);
		assert_int_equal(t->events[i]->cpu, 0);
	}
	assert_int_equal(t->events[3]->seq, 41);
	assert_int_equal(t->events[4]->seq, 3);
	trace_free(t);
}

static void an_impossible_event_is_refused_and_the_recording_goes_on(void **state)
{
	(void)state;
	struct trace_writer *w = test_writer();
	struct sl_end end = { .event = { .size = 33, .kind = SL_KIND_END } };
	assert_int_equal(trace_append(w, &end.event), -EINVAL);
	end.event.size = 24;
	assert_int_equal(trace_append(w, &end.event), -EINVAL);
	end.event.size = SL_EVENT_MAX + 8;
	assert_int_equal(trace_append(w, &end.event), -EINVAL);
	test_add_open(w, 5, 23);
	assert_int_equal(trace_writer_close(w), 0);
	struct trace *t = test_load();
	assert_int_equal(t->n_events, 2);
	trace_free(t);
}

static void an_anonymous_file_can_be_read_while_it_is_written(void **state)
{
	(void)state;
	struct trace_writer *w = NULL;
	assert_int_equal(trace_writer_open(-1, NULL, &w), 0);
	for (int i = 0; i < 23; i++)
		test_add_open(w, 1, i);
	assert_int_equal(trace_flush(w), 0);
	for (int i = 23; i < 41; i++)
		test_add_open(w, 1, i);

	const int fd = trace_writer_dup(w);
	assert_true(fd >= 0);
	struct trace *t = NULL;
	assert_int_equal(trace_load_fd(fd, "temporary", &t), 0);
	assert_int_equal(t->n_events, 23);
	assert_true(t->is_truncated);
	trace_free(t);

	assert_int_equal(trace_writer_close(w), 0);
	assert_int_equal(trace_load_fd(fd, "temporary", &t), 0);
	assert_int_equal(t->n_events, 42);
	assert_false(t->is_truncated);
	trace_free(t);
	close(fd);
}

/* ---- where files go ---- */

static void the_file_is_private(void **state)
{
	(void)state;
	const mode_t mask = umask(0);
	test_write_blocks(1);
	(void)umask(mask);
	struct stat status;
	assert_int_equal(stat(test_path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void a_symlink_is_not_followed(void **state)
{
	(void)state;
	char target[160];
	(void)snprintf(target, sizeof(target), "%s.target", test_path);
	assert_int_equal(symlink(target, test_path), 0);
	struct trace_writer *w = NULL;
	assert_int_equal(trace_writer_open(-1, test_path, &w), -EEXIST);
	assert_null(w);
	assert_int_equal(access(target, F_OK), -1);
	assert_non_null(strstr(test_said, "not a regular file"));
}

static void an_old_recording_is_replaced_and_its_readers_keep_it(void **state)
{
	(void)state;
	test_write_blocks(3);
	_cleanup_close_ const int old = open(test_path, O_RDONLY | O_CLOEXEC);
	test_write_blocks(1);
	struct trace *t = NULL;
	assert_int_equal(trace_load_fd(old, "old", &t), 0);
	assert_int_equal(t->n_events, 31);
	trace_free(t);
	t = test_load();
	assert_int_equal(t->n_events, 11);
	trace_free(t);
}

/* ---- a writer in trouble ---- */

static void a_killed_writer_loses_its_last_block_only(void **state)
{
	(void)state;
	const pid_t child = fork();
	if (child == 0) {
		struct trace_writer *w = test_writer();
		for (int i = 0; i < 30; i++) {
			test_add_open(w, (uint64_t)i, i);
			if (i == 22)
				(void)trace_flush(w);
		}
		(void)raise(SIGKILL);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	struct trace *t = test_load();
	assert_int_equal(t->n_events, 23);
	assert_true(t->is_truncated);
	assert_int_equal(t->n_damaged, 0);
	assert_non_null(strstr(test_said, "truncated"));
	trace_free(t);
}

static void a_full_disk_is_said_once_and_leaves_whole_blocks(void **state)
{
	(void)state;
	struct rlimit before;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	struct rlimit small = before;
	small.rlim_cur = 20000;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);

	struct trace_writer *w = test_writer();
	int rc = 0;
	int n_flushed = 0;
	for (int i = 0; rc == 0; i++) {
		test_add_open(w, (uint64_t)i * 7919, i);
		if (i % 100 != 99)
			continue;
		rc = trace_flush(w);
		if (rc == 0)
			n_flushed = i + 1;
	}
	assert_int_equal(rc, -EFBIG);
	assert_int_equal(test_n_said, 1);
	assert_non_null(strstr(test_said, "--trace"));
	assert_int_equal(trace_flush(w), -EFBIG);
	struct stat status;
	assert_int_equal(stat(test_path, &status), 0);
	assert_int_equal(status.st_size, trace_writer_bytes(w));
	assert_int_equal(trace_writer_close(w), -EFBIG);
	assert_int_equal(test_n_said, 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	(void)signal(SIGXFSZ, handler);

	assert_true(n_flushed > 0);
	struct trace *t = test_load();
	assert_int_equal(t->n_events, n_flushed);
	assert_true(t->is_truncated);
	assert_int_equal(t->n_damaged, 0);
	trace_free(t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_files_start, test_files_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_comes_back),
		TEST(events_come_back_in_order_of_time_and_equal_times_in_order_of_the_file),
		TEST(reversed_events_are_sorted),
		TEST(the_collectors_events_are_numbered),
		TEST(an_impossible_event_is_refused_and_the_recording_goes_on),
		TEST(an_anonymous_file_can_be_read_while_it_is_written),
		TEST(the_file_is_private),
		TEST(a_symlink_is_not_followed),
		TEST(an_old_recording_is_replaced_and_its_readers_keep_it),
		TEST(a_killed_writer_loses_its_last_block_only),
		TEST(a_full_disk_is_said_once_and_leaves_whole_blocks),
	};
	return cmocka_run_group_tests_name("trace/file_write", tests, NULL, NULL);
}
