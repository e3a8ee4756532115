/* SPDX-License-Identifier: MIT */
/* Files and directories, in a directory of the test's own. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/path.h"

static char root[] = "/tmp/startline-test-XXXXXX";

static int make_root(void **state)
{
	(void)state;
	return mkdtemp(root) == NULL ? -1 : chdir(root);
}

static int remove_root(void **state)
{
	(void)state;
	(void)unlink("fifo");
	(void)unlink("limited");
	return chdir("/") < 0 ? -1 : rmdir(root);
}

static void files_of_proc_are_read_to_their_end(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, 1 << 20);
	assert_int_equal(fs_read_file("/proc/self/status", &text), 0);
	assert_non_null(strstr(buf_str(&text), "nonvoluntary_ctxt_switches"));
}

static void the_limit_admits_a_file_of_just_that_size(void **state)
{
	(void)state;
	assert_int_equal(path_replace("limited", "12345", 5, 0600), 0);
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, 5);
	assert_int_equal(fs_read_file("limited", &text), 0);
	assert_string_equal(buf_str(&text), "12345");

	_cleanup_(buf_done) struct buf small;
	buf_init(&small, 4);
	assert_int_equal(fs_read_file("limited", &small), -EFBIG);
}

static void what_is_not_a_file_is_refused_without_blocking(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, 100);
	assert_int_equal(fs_read_file("missing", &text), -ENOENT);
	assert_int_equal(fs_read_file("/tmp", &text), -EISDIR);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(fs_read_file("fifo", &text), 0);
	assert_int_equal(text.len, 0);
}

static void check_state_dir(const char *xdg, const char *home, int expected_rc,
			    const char *expected)
{
	_cleanup_(buf_done) struct buf path;
	buf_init(&path, 1000);
	assert_int_equal(setenv("XDG_STATE_HOME", xdg, 1), 0);
	assert_int_equal(setenv("HOME", home, 1), 0);
	assert_int_equal(fs_state_dir(&path), expected_rc);
	assert_string_equal(buf_str(&path), expected);
}

static void the_state_directory_follows_the_xdg_rules(void **state)
{
	(void)state;
	check_state_dir("/state", "/home/u", 0, "/state/startline");
	check_state_dir("", "/home/u", 0, "/home/u/.local/state/startline");
	check_state_dir("relative", "/home/u", 0, "/home/u/.local/state/startline");
	check_state_dir("", "", -ENOENT, "");
}

static void the_executable_knows_its_directory(void **state)
{
	(void)state;
	_cleanup_(buf_done) struct buf path;
	buf_init(&path, 10000);
	assert_int_equal(fs_self_dir(&path), 0);
	assert_int_equal(buf_str(&path)[0], '/');
	assert_int_equal(buf_adds(&path, "/test_base_fs"), 0);
	assert_int_equal(access(buf_str(&path), X_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_proc_are_read_to_their_end),
		cmocka_unit_test(the_limit_admits_a_file_of_just_that_size),
		cmocka_unit_test(what_is_not_a_file_is_refused_without_blocking),
		cmocka_unit_test(the_state_directory_follows_the_xdg_rules),
		cmocka_unit_test(the_executable_knows_its_directory),
	};
	return cmocka_run_group_tests(tests, make_root, remove_root);
}
