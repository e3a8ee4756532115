/* SPDX-License-Identifier: MIT */
/* A directory of the test's own, which nobody else can write, and "shared" in it, which everybody can. */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/path.h"

#define SOMEBODY 54321
#define TO_WRITE (O_WRONLY | O_CREAT | O_TRUNC)

static char root[32];

static int make_root(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/startline-test-XXXXXX");
	if (mkdtemp(root) == NULL || chdir(root) < 0 || mkdir("shared", 0777) < 0)
		return -1;
	return chmod("shared", 0777);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int remove_root(void **state)
{
	(void)state;
	return chdir("/") < 0 ? -1 : nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path, const char *text)
{
	assert_int_equal(path_replace(path, text, strlen(text), 0600), 0);
}

static void check_content(const char *path, const char *expected)
{
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, 1 << 20);
	assert_int_equal(fs_read_file(path, &text), 0);
	assert_string_equal(buf_str(&text), expected);
}

/* What opening to write says; the file gets the text if it opens. */
static int write_to(const char *path, const char *text)
{
	_cleanup_close_ const int fd = path_open(path, TO_WRITE, 0644);
	return fd < 0 ? fd : write_all(fd, text, strlen(text));
}

static int open_directory(const char *path, bool make)
{
	const int fd = path_directory(path, make);
	return fd < 0 ? fd : close(fd);
}

static void a_written_file_reads_back_and_is_private(void **state)
{
	(void)state;
	put("file", "first\n");
	check_content("file", "first\n");
	put("file", "second\n");
	check_content("file", "second\n");
	struct stat st;
	assert_int_equal(stat("file", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_file_that_cannot_be_written_leaves_nothing_behind(void **state)
{
	(void)state;
	assert_int_equal(path_replace("missing/file", "x", 1, 0600), -ENOENT);
	assert_int_equal(mkdir("a", 0700), 0);
	assert_int_equal(path_replace("a", "x", 1, 0600), -EISDIR);
	/* rmdir succeeds on an empty directory only. */
	assert_int_equal(rmdir("a"), 0);
}

static void directories_are_made_with_their_parents(void **state)
{
	(void)state;
	assert_int_equal(open_directory("a/b/c", false), -ENOENT);
	assert_int_equal(open_directory("a/b/c", true), 0);
	assert_int_equal(open_directory("a/./b//../b/c/", true), 0);
	assert_int_equal(open_directory("/", true), 0);
	assert_int_equal(open_directory("", true), -ENOENT);
	struct stat st;
	assert_int_equal(stat("a/b/c", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	put("a/file", "");
	assert_int_equal(open_directory("a/file/d", true), -ENOTDIR);
	assert_int_equal(open_directory("a/file", true), -ENOTDIR);
}

static void what_startline_keeps_stays_out_of_commits(void **state)
{
	(void)state;
	assert_int_equal(open_directory("a/.startline", true), 0);
	check_content("a/.startline/.gitignore", "# Made by startline.\n*\n");
	/* Only a new one: what somebody did to it stays done. */
	assert_int_equal(unlink("a/.startline/.gitignore"), 0);
	assert_int_equal(open_directory("a/.startline", true), 0);
	assert_int_equal(access("a/.startline/.gitignore", F_OK), -1);
}

static void links_are_followed_where_nobody_else_can_make_one(void **state)
{
	(void)state;
	assert_int_equal(mkdir("real", 0700), 0);
	assert_int_equal(symlink("real", "link"), 0);
	assert_int_equal(symlink("../other", "real/file"), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	assert_int_equal(write_to("link/file", "x"), 0);
	check_content("other", "x");
	assert_int_equal(open_directory("link", true), 0);
	assert_int_equal(write_to("loop", "x"), -ELOOP);
	/* As /dev/stdout and what a shell makes of >(cmd). */
	int ends[2];
	char path[64], byte;
	assert_int_equal(pipe(ends), 0);
	(void)snprintf(path, sizeof(path), "/dev/fd/%d", ends[1]);
	assert_int_equal(write_to(path, "y"), 0);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void links_are_not_followed_where_others_can(void **state)
{
	(void)state;
	put("precious", "x");
	assert_int_equal(mkdir("mine", 0700), 0);
	assert_int_equal(symlink("../precious", "shared/file"), 0);
	assert_int_equal(symlink("../mine", "shared/dir"), 0);
	/* Also at the end of one of our own. */
	assert_int_equal(symlink("shared/file", "link"), 0);
	static const char *const paths[] = { "shared/file", "shared/dir/file", "link" };
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(write_to(paths[i], "y"), -ELOOP);
	assert_int_equal(path_create(-1, "shared/file"), -EEXIST);
	assert_int_equal(open_directory("shared/dir", true), -ELOOP);
	assert_int_equal(open_directory("shared/dir/new", true), -ELOOP);
	check_content("precious", "x");
	assert_int_equal(rmdir("mine"), 0);
	/* A link is replaced, not what it leads to. */
	put("shared/file", "z");
	check_content("precious", "x");
}

static void a_second_name_of_a_file_is_not_written(void **state)
{
	(void)state;
	put("precious", "x");
	assert_int_equal(link("precious", "shared/file"), 0);
	assert_int_equal(path_open("shared/file", O_WRONLY | O_APPEND | O_CREAT, 0644), -ENOTUNIQ);
	assert_int_equal(write_to("shared/file", "y"), 0);
	check_content("precious", "x");
	check_content("shared/file", "y");
	/* Our own file is written as it is. */
	struct stat before, after;
	assert_int_equal(stat("shared/file", &before), 0);
	assert_int_equal(write_to("shared/file", "z"), 0);
	assert_int_equal(stat("shared/file", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	check_content("shared/file", "z");
}

static void a_fifo_without_a_reader_does_not_block(void **state)
{
	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(write_to("fifo", "x"), -EAGAIN);
	_cleanup_close_ const int reader = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	_cleanup_close_ const int fd = path_open("fifo", TO_WRITE, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_true(reader >= 0);
}

static void what_belongs_to_others_is_not_used(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir("theirs", 0700), 0);
	assert_int_equal(mkdir("shared/.startline", 0700), 0);
	put("shared/file", "x");
	put("theirs/file", "x");
	assert_int_equal(mkfifo("shared/fifo", 0600), 0);
	static const char *const paths[] = { "theirs", "shared/.startline", "shared/file",
					     "shared/fifo", "theirs/file" };
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(chown(paths[i], SOMEBODY, SOMEBODY), 0);
	char name[PATH_NAME_SIZE];
	assert_int_equal(open_directory("theirs", true), -ENOTUNIQ);
	assert_int_equal(open_directory("shared/.startline", true), -ENOTUNIQ);
	assert_int_equal(path_directory_of("theirs/file", name), -ENOTUNIQ);
	_cleanup_close_ const int reader = open("shared/fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(write_to("shared/fifo", "y"), -ENOTUNIQ);
	/* A file gives way. */
	assert_int_equal(write_to("theirs/file", "y"), 0);
	struct stat st;
	assert_int_equal(stat("theirs/file", &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_true(reader >= 0);
}

static void what_others_can_write_is_not_used(void **state)
{
	(void)state;
	char name[PATH_NAME_SIZE];
	assert_int_equal(open_directory("shared", true), -ENOTUNIQ);
	assert_int_equal(path_directory_of("shared/file", name), -ENOTUNIQ);
	_cleanup_close_ const int own = path_directory_of("file", name);
	assert_true(own >= 0);
	assert_string_equal(name, "file");
	put("file", "x");
	assert_int_equal(chmod("file", 0602), 0);
	assert_int_equal(path_read(own, "file"), -ENOTUNIQ);
	assert_int_equal(chmod("file", 0600), 0);
	_cleanup_close_ const int fd = path_read(own, "file");
	assert_true(fd >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_ROOT(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)
		IN_ROOT(a_written_file_reads_back_and_is_private),
		IN_ROOT(a_file_that_cannot_be_written_leaves_nothing_behind),
		IN_ROOT(directories_are_made_with_their_parents),
		IN_ROOT(what_startline_keeps_stays_out_of_commits),
		IN_ROOT(links_are_followed_where_nobody_else_can_make_one),
		IN_ROOT(links_are_not_followed_where_others_can),
		IN_ROOT(a_second_name_of_a_file_is_not_written),
		IN_ROOT(a_fifo_without_a_reader_does_not_block),
		IN_ROOT(what_belongs_to_others_is_not_used),
		IN_ROOT(what_others_can_write_is_not_used),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
