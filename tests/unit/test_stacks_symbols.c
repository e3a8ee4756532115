/* SPDX-License-Identifier: MIT */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/units.h"
#include "userspace/stacks/demangle.h"
#include "userspace/stacks/elf_symbols.h"
#include "userspace/stacks/module_file.h"
#include "userspace/stacks/spaces.h"
#include "userspace/stacks/symbols.h"

extern const char __executable_start[];

/* A function that says how large it is, a gap, and a label without a size. */
__asm__(".text\n.p2align 4\n"
	".globl sized_code\n.type sized_code, @function\nsized_code: nop\nnop\n.size sized_code, 2\n"
	"nop\nnop\n"
	".globl label_code\nlabel_code: nop\nnop\nnop\n"
	".globl next_code\n.type next_code, @function\nnext_code: nop\n.size next_code, 1\n");
extern const char sized_code[], label_code[], next_code[];

enum { FUNCTIONS_MAX = 16, INNER_LINE = __LINE__ + 5, OUTER_LINE = INNER_LINE + 6 };

static inline __attribute__((always_inline)) uint64_t inner_function(void)
{
	uint64_t here;
	__asm__ volatile("lea -1(%%rip), %0" : "=r"(here));
	return here;
}

static __attribute__((noinline)) uint64_t outer_function(void)
{
	return inner_function();
}

static struct modules *modules;
static struct module *module;
static char path[64], directory[32], own[4096];
static struct code_function told[FUNCTIONS_MAX];
static char names[FUNCTIONS_MAX][256], files[FUNCTIONS_MAX][512];
static size_t n_told;

static struct file_identity identity_of(const char *file)
{
	struct stat st;
	assert_int_equal(stat(file, &st), 0);
	return (struct file_identity){ .device_major = major(st.st_dev),
				       .device_minor = minor(st.st_dev),
				       .inode = st.st_ino };
}

static int begin(void **state)
{
	(void)state;
	const ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	own[n > 0 ? n : 0] = '\0';
	const struct file_identity identity = identity_of(own);
	modules = modules_new();
	module = modules_intern(modules, MODULE_FILE, own, &identity, 0);
	(void)snprintf(directory, sizeof(directory), "/tmp/stacks-XXXXXX");
	return module == NULL || mkdtemp(directory) == NULL;
}

static int end(void **state)
{
	(void)state;
	modules = modules_free(modules);
	(void)unlink(path);
	return rmdir(directory);
}

static int remember(void *user, const struct code_function *f)
{
	(void)user;
	assert_true(n_told < FUNCTIONS_MAX);
	(void)snprintf(names[n_told], sizeof(*names), "%s", f->name);
	(void)snprintf(files[n_told], sizeof(*files), "%s", f->file != NULL ? f->file : "");
	told[n_told] = *f;
	told[n_told].name = names[n_told];
	told[n_told].file = files[n_told];
	n_told++;
	return 0;
}

static void find(struct module *of, const uint64_t *offsets, size_t n)
{
	struct code_place places[FUNCTIONS_MAX];
	for (size_t i = 0; i < n; i++)
		places[i] = (struct code_place){ .offset = offsets[i], .id = (uint32_t)i + 1 };
	n_told = 0;
	assert_int_equal(symbols_find(modules, of, places, n, NS_PER_S, remember, NULL), 0);
}

static uint64_t offset_of(const void *code)
{
	return (uint64_t)((const char *)code - __executable_start);
}

static void a_symbol_covers_what_its_size_says(void **state)
{
	(void)state;
	const uint64_t offsets[] = { offset_of(sized_code),	offset_of(sized_code) + 1,
				     offset_of(sized_code) + 2, offset_of(label_code),
				     offset_of(label_code) + 2, offset_of(next_code) };
	find(module, offsets, 6);
	assert_int_equal(n_told, 5);
	assert_string_equal(names[0], "sized_code");
	assert_string_equal(names[1], "sized_code");
	/* The gap, id 3, has no name. */
	assert_int_equal(told[2].id, 4);
	assert_string_equal(names[2], "label_code");
	assert_string_equal(names[3], "label_code");
	assert_string_equal(names[4], "next_code");
}

static void inlined_functions_are_inside_their_callers(void **state)
{
	(void)state;
	const uint64_t here = outer_function() - (uint64_t)(uintptr_t)__executable_start;
	find(module, &here, 1);
	assert_int_equal(n_told, 2);
	assert_string_equal(names[0], "outer_function");
	assert_int_equal(told[0].depth, 0);
	assert_int_equal(told[0].line, OUTER_LINE);
	assert_string_equal(names[1], "inner_function");
	assert_int_equal(told[1].depth, 1);
	assert_in_range(told[1].line, INNER_LINE - 1, INNER_LINE + 2);
	assert_non_null(strstr(files[0], "test_stacks_symbols.c"));
	assert_non_null(strstr(files[1], "test_stacks_symbols.c"));
}

static void stubs_have_the_name_of_what_they_call(void **state)
{
	(void)state;
	const struct module_file *f = modules_open(modules, module, 0);
	assert_non_null(f);
	const struct elf_image image = { .elf = f->elf, .fd = f->fd };
	const Elf64_Shdr *stubs = elf_image_section(&image, ".plt.sec");
	stubs = stubs != NULL ? stubs : elf_image_section(&image, ".plt.got");
	stubs = stubs != NULL ? stubs : elf_image_section(&image, ".plt");
	assert_non_null(stubs);
	const uint64_t last = stubs->sh_addr + stubs->sh_size - 8;
	find(module, &last, 1);
	assert_int_equal(n_told, 1);
	assert_string_equal(strstr(names[0], "@plt"), "@plt");
}

static void another_file_under_the_name_names_nothing(void **state)
{
	(void)state;
	struct file_identity other = identity_of(own);
	other.inode++;
	const uint64_t offset = offset_of(sized_code);
	find(modules_intern(modules, MODULE_FILE, own, &other, 0), &offset, 1);
	assert_int_equal(n_told, 0);
	const struct file_identity build_id = { .n_build_id = 3, .build_id = { 1, 2, 3 } };
	find(modules_intern(modules, MODULE_FILE, own, &build_id, 0), &offset, 1);
	assert_int_equal(n_told, 0);
	/* Nothing is known of what was mapped: it may be anything. */
	find(modules_intern(modules, MODULE_FILE, own, NULL, 0), &offset, 1);
	assert_int_equal(n_told, 0);
}

static void a_file_is_looked_for_again_in_another_process(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "%s/late", directory);
	const struct file_identity identity = identity_of(own);
	struct module *late = modules_intern(modules, MODULE_FILE, path, &identity, 0);
	assert_null(modules_look(modules, late, 1 << 23, 0, 0));
	const struct module *unread = modules_unread(modules, late);
	assert_ptr_not_equal(unread, late);
	assert_string_equal(unread->path, path);
	assert_int_equal(symlink(own, path), 0);
	assert_null(modules_look(modules, late, 1 << 23, 0, 0));
	assert_non_null(modules_look(modules, late, getpid(), 0, 0));
	assert_null(modules_look(modules, modules_unread(modules, late), getpid(), 0, 0));
}

static void what_is_no_file_is_not_waited_for(void **state)
{
	(void)state;
	const uint64_t offset = 0x1000;
	(void)snprintf(path, sizeof(path), "%s/fifo", directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	const struct file_identity fifo = identity_of(path), device = identity_of("/dev/tty"),
				   folder = identity_of(directory);
	find(modules_intern(modules, MODULE_FILE, path, &fifo, 0), &offset, 1);
	find(modules_intern(modules, MODULE_FILE, "/dev/tty", &device, 0), &offset, 1);
	find(modules_intern(modules, MODULE_FILE, directory, &folder, 0), &offset, 1);
	assert_int_equal(n_told, 0);
}

/* ---- maps of code made at run time ---- */

static void write_map(const char *map)
{
	(void)snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(map, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static struct module *made_code(const char *map)
{
	write_map(map);
	struct module *made = modules_intern(modules, MODULE_ANONYMOUS, "[JIT]", NULL, getpid());
	assert_non_null(made);
	modules_want_names(modules, made);
	return made;
}

static void made_code_is_named_by_its_map(void **state)
{
	(void)state;
	const uint64_t offsets[] = { 0x1000, 0x10ff, 0x1100, 0x2000, 0x3000, 0x4000 };
	struct module *made = made_code("1000 100 JS:~first /x.js:1\n"
					"2000 10 old\nno line\n2000 10 new\n"
					"3000 0 empty\nffffffffffffffff ffffffffffffffff all\n"
					"4000 10 not written whole");
	find(made, offsets, 6);
	assert_int_equal(n_told, 3);
	assert_string_equal(names[0], "first /x.js:1");
	assert_string_equal(names[1], "first /x.js:1");
	assert_string_equal(names[2], "new");
	assert_int_equal(told[2].id, 4);
}

/* As a JVM does it, when it ends. */
static void a_map_that_is_written_at_last_is_read(void **state)
{
	(void)state;
	const uint64_t offset = 0x1000;
	struct module *made = modules_intern(modules, MODULE_ANONYMOUS, "[JIT]", NULL, getpid());
	assert_non_null(made);
	modules_want_names(modules, made);
	assert_int_equal(made->names, -1);
	write_map("1000 100 int Server.index(int)\n");
	find(made, &offset, 1);
	assert_int_equal(n_told, 1);
	assert_string_equal(names[0], "int Server.index(int)");
}

static void maps_of_others_and_fifos_are_left_alone(void **state)
{
	(void)state;
	const uint64_t offset = 0x1000;
	(void)snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	assert_int_equal(mkfifo(path, 0600), 0);
	struct module *made = modules_intern(modules, MODULE_ANONYMOUS, "[JIT]", NULL, getpid());
	modules_want_names(modules, made);
	find(made, &offset, 1);
	assert_int_equal(n_told, 0);
	assert_int_equal(made->names, -1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	modules_want_names(modules, made);
	if (geteuid() != 0)
		skip();
	assert_int_equal(unlink(path), 0);
	const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, 12345, 12345), 0);
	assert_int_equal(close(fd), 0);
	for (int i = 0; i < 41; i++)
		modules_want_names(modules, made);
	assert_int_equal(made->names, -1);
}

/* ---- demangling ---- */

static void assert_readable(const char *mangled, const char *readable)
{
	_cleanup_(buf_done) struct buf name = { .limit = 1 << 20 };
	assert_int_equal(demangle(mangled, &name), 0);
	assert_string_equal(buf_str(&name), readable);
}

static void names_are_as_their_authors_wrote_them(void **state)
{
	(void)state;
	assert_readable("main", "main");
	assert_readable("_ZN3foo3barEi", "foo::bar(int)");
	assert_readable("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
			"core::fmt::Write::write_fmt");
	assert_readable("_RNvCs1234_7mycrate3foo", "mycrate::foo");
	assert_readable("_Znonsense", "_Znonsense");
	assert_readable("", "");
}

static void a_name_that_grows_without_end_is_cut(void **state)
{
	(void)state;
	/* Each argument is a pair of the one before, twice. */
	_cleanup_(buf_done) struct buf bomb = { .limit = MANGLED_MAX };
	(void)buf_adds(&bomb, "_Z1fSt4pairIiiE");
	const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	for (size_t i = 0; i < 30; i++)
		(void)buf_addf(&bomb, "St4pairIS%c_S%c_E", digits[i + 1], digits[i + 1]);
	_cleanup_(buf_done) struct buf name = { .limit = 1 << 20 };
	assert_int_equal(demangle(buf_str(&bomb), &name), 0);
	assert_true(name.len <= DEMANGLED_MAX + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_symbol_covers_what_its_size_says, begin, end),
		cmocka_unit_test_setup_teardown(inlined_functions_are_inside_their_callers, begin,
						end),
		cmocka_unit_test_setup_teardown(stubs_have_the_name_of_what_they_call, begin, end),
		cmocka_unit_test_setup_teardown(another_file_under_the_name_names_nothing, begin,
						end),
		cmocka_unit_test_setup_teardown(a_file_is_looked_for_again_in_another_process,
						begin, end),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_not_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(made_code_is_named_by_its_map, begin, end),
		cmocka_unit_test_setup_teardown(a_map_that_is_written_at_last_is_read, begin, end),
		cmocka_unit_test_setup_teardown(maps_of_others_and_fifos_are_left_alone, begin,
						end),
		cmocka_unit_test(names_are_as_their_authors_wrote_them),
		cmocka_unit_test(a_name_that_grows_without_end_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
