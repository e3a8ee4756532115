/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/clock.h"
#include "userspace/stacks/spaces.h"

enum { NOBODY = 1 << 23 }; /* no process has such a number: nothing is read from /proc */

static struct modules *modules;
static struct spaces *spaces;

static int begin(void **state)
{
	(void)state;
	modules = modules_new();
	spaces = spaces_new(modules);
	return spaces == NULL;
}

static int end(void **state)
{
	(void)state;
	spaces = spaces_free(spaces);
	modules = modules_free(modules);
	return 0;
}

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void map(pid_t pid, uint64_t time_ns, uint64_t address, uint64_t length, uint64_t offset,
		const char *path)
{
	const struct mapping mapping = { .address = address,
					 .length = length,
					 .offset = offset,
					 .path = path,
					 .identity = { .inode = 7 } };
	assert_int_equal(spaces_map(spaces, pid, time_ns, &mapping), 0);
}

static void assert_at(pid_t pid, uint64_t time_ns, uint64_t address, const char *path,
		      uint64_t offset)
{
	const struct region *region = spaces_find(spaces, pid, time_ns, address);
	assert_non_null(region);
	assert_string_equal(region->module->path, path);
	assert_int_equal(region->offset + (address - region->start), offset);
}

static void a_new_mapping_cuts_the_old_one(void **state)
{
	(void)state;
	map(NOBODY, 1, 0x10000, 0x10000, 0x1000, "/old");
	map(NOBODY, 2, 0x14000, 0x2000, 0x500000, "/new");
	assert_at(NOBODY, 3, 0x13fff, "/old", 0x4fff);
	assert_at(NOBODY, 3, 0x14000, "/new", 0x500000);
	assert_at(NOBODY, 3, 0x15fff, "/new", 0x501fff);
	assert_at(NOBODY, 3, 0x16000, "/old", 0x7000);
	assert_at(NOBODY, 3, 0x1ffff, "/old", 0x10fff);
	assert_null(spaces_find(spaces, NOBODY, 3, 0x20000));
	assert_null(spaces_find(spaces, NOBODY, 3, 0xffff));
	/* Over the end of one, a whole one, and the beginning of another. */
	map(NOBODY, 4, 0x13000, 0x4000, 0, "/over");
	assert_at(NOBODY, 5, 0x12fff, "/old", 0x3fff);
	assert_at(NOBODY, 5, 0x13000, "/over", 0);
	assert_at(NOBODY, 5, 0x16fff, "/over", 0x3fff);
	assert_at(NOBODY, 5, 0x17000, "/old", 0x8000);
}

static void a_child_has_what_its_parent_had_when_it_was_made(void **state)
{
	(void)state;
	map(NOBODY, 1, 0x10000, 0x1000, 0, "/before");
	assert_int_equal(spaces_fork(spaces, NOBODY + 1, NOBODY, 2), 0);
	map(NOBODY, 3, 0x20000, 0x1000, 0, "/after");
	assert_at(NOBODY + 1, 4, 0x10000, "/before", 0);
	assert_null(spaces_find(spaces, NOBODY + 1, 4, 0x20000));
	assert_at(NOBODY, 4, 0x20000, "/after", 0);
	/* A thread is no child. */
	assert_int_equal(spaces_fork(spaces, NOBODY, NOBODY, 5), 0);
	assert_at(NOBODY, 6, 0x20000, "/after", 0);
}

static void a_late_snapshot_finds_the_program_of_its_time(void **state)
{
	(void)state;
	assert_int_equal(spaces_exec(spaces, NOBODY, 10), 0);
	map(NOBODY, 11, 0x10000, 0x1000, 0, "/first");
	assert_int_equal(spaces_exec(spaces, NOBODY, 20), 0);
	map(NOBODY, 21, 0x10000, 0x1000, 0, "/second");
	spaces_exit(spaces, NOBODY, 30);
	assert_at(NOBODY, 19, 0x10000, "/first", 0);
	assert_at(NOBODY, 20, 0x10000, "/second", 0);
	assert_at(NOBODY, 29, 0x10000, "/second", 0);
	assert_null(spaces_find(spaces, NOBODY, 30, 0x10000));
	/* Its number is used again. */
	assert_int_equal(spaces_exec(spaces, NOBODY, 40), 0);
	map(NOBODY, 41, 0x10000, 0x1000, 0, "/third");
	assert_at(NOBODY, 42, 0x10000, "/third", 0);
	assert_at(NOBODY, 25, 0x10000, "/second", 0);
}

/* As where the kernel does not tell of mappings. */
static void what_was_read_is_read_again_for_what_is_not_there(void **state)
{
	(void)state;
	assert_non_null(spaces_find(spaces, getpid(), now_ns(), (uintptr_t)now_ns));
	const uint64_t before = now_ns();
	const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	assert_true(at != MAP_FAILED);
	assert_int_equal(close(fd), 0);
	/* A snapshot from before can have nothing that was not there. */
	assert_null(spaces_find(spaces, getpid(), before - 1000000000, (uintptr_t)at));
	/* Not at once: reading takes time. */
	for (int i = 0; i < 200 && spaces_find(spaces, getpid(), now_ns(), (uintptr_t)at) == NULL;
	     i++)
		(void)usleep(50000);
	assert_non_null(spaces_find(spaces, getpid(), now_ns(), (uintptr_t)at));
	assert_non_null(spaces_find(spaces, getpid(), now_ns(), (uintptr_t)now_ns));
	assert_int_equal(munmap(at, 4096), 0);
}

static void ended_ones_and_mappings_are_bounded(void **state)
{
	(void)state;
	for (int i = 0; i < 3 * ENDED_SPACES_MAX; i++) {
		const pid_t pid = NOBODY + i;
		const uint64_t time_ns = (uint64_t)i * 10;
		assert_int_equal(spaces_exec(spaces, pid, time_ns), 0);
		map(pid, time_ns, 0x10000, 0x1000, 0, "/program");
		spaces_exit(spaces, pid, time_ns + 5);
	}
	assert_at(NOBODY + 3 * ENDED_SPACES_MAX - 1, (3 * ENDED_SPACES_MAX - 1) * 10, 0x10000,
		  "/program", 0);
	assert_null(spaces_find(spaces, NOBODY, 1, 0x10000));

	int r = 0;
	uint64_t n = 0;
	for (; r == 0 && n < 2 * MAPPINGS_MAX; n++)
		r = spaces_map(
			spaces, NOBODY, 1,
			&(struct mapping){ .address = (n + 1) << 16, .length = 1, .path = "/x" });
	assert_int_equal(r, -ENOSPC);
	assert_true(n > MAPPINGS_MAX - 10 && n <= MAPPINGS_MAX + 1);
	assert_true(spaces_n_refused(spaces) > 0);
}

static void modules_are_told_apart_by_what_they_are(void **state)
{
	(void)state;
	const struct file_identity one = { .n_build_id = 2, .build_id = { 1, 2 } },
				   other = { .n_build_id = 2, .build_id = { 1, 3 } };
	const struct module *module = modules_intern(modules, MODULE_FILE, "/lib", &one, 0);
	assert_int_equal(module->id, 1);
	assert_ptr_equal(modules_intern(modules, MODULE_FILE, "/lib", &one, 23), module);
	assert_ptr_not_equal(modules_intern(modules, MODULE_FILE, "/lib", &other, 0), module);
	assert_ptr_not_equal(modules_intern(modules, MODULE_FILE, "/lib2", &one, 0), module);
	assert_ptr_equal(modules_get(modules, 1), module);
	assert_null(modules_get(modules, 4));
	/* Code that two processes made is not the same. */
	assert_ptr_not_equal(modules_intern(modules, MODULE_ANONYMOUS, "[JIT]", NULL, 1),
			     modules_intern(modules, MODULE_ANONYMOUS, "[JIT]", NULL, 2));
}

static void modules_are_bounded(void **state)
{
	(void)state;
	char path[32];
	for (int i = 0; i < MODULES_MAX + 41; i++) {
		(void)snprintf(path, sizeof(path), "/lib%d", i);
		const struct module *module = modules_intern(modules, MODULE_FILE, path, NULL, 0);
		assert_int_equal(module != NULL, i < MODULES_MAX);
	}
	assert_int_equal(modules_n_refused(modules), 41);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_mapping_cuts_the_old_one, begin, end),
		cmocka_unit_test_setup_teardown(a_child_has_what_its_parent_had_when_it_was_made,
						begin, end),
		cmocka_unit_test_setup_teardown(a_late_snapshot_finds_the_program_of_its_time,
						begin, end),
		cmocka_unit_test_setup_teardown(what_was_read_is_read_again_for_what_is_not_there,
						begin, end),
		cmocka_unit_test_setup_teardown(ended_ones_and_mappings_are_bounded, begin, end),
		cmocka_unit_test_setup_teardown(modules_are_told_apart_by_what_they_are, begin,
						end),
		cmocka_unit_test_setup_teardown(modules_are_bounded, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
