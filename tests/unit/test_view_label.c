/* SPDX-License-Identifier: MIT */
/* Short names of command lines: what is left out, and what never is. */

#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/cleanup.h"
#include "userspace/model/place.h"
#include "userspace/view/report/label.h"

#define ARGV(...) ((const char *[]){ __VA_ARGS__, NULL })

static void check(const char *const *argv, size_t columns, const char *expected)
{
	_cleanup_(buf_done) struct buf label;
	buf_init(&label, (size_t)64 << 10);
	size_t n = 0;
	while (argv[n] != NULL)
		n++;
	const char *items[32];
	memcpy(items, argv, n * sizeof(*items));
	const char *text =
		label_command("/x/exe", &(struct text_list){ items, n }, columns, &label);
	assert_string_equal(text, expected);
	assert_true(strlen(text) <= columns || columns < 8);
}

static void what_fits_is_kept(void **state)
{
	(void)state;
	check(ARGV("/usr/bin/redis-server", "--port", "7777"), 24, "redis-server --port 7777");
	check(ARGV("make", "-j2"), 24, "make -j2");
	check(ARGV("sh", "-c", "a  &&\n\tb"), 24, "sh -c 'a && b'");
}

static void folders_go_first(void **state)
{
	(void)state;
	check(ARGV("bash", "/root/.pyenv/libexec/pyenv-which", "python3"), 24,
	      "bash pyenv-which python3");
	check(ARGV("/usr/bin/env", "bash", "/opt/tool/bin/start-it-all"), 24, "bash start-it-all");
}

static void a_compiler_is_called_by_what_it_compiles(void **state)
{
	(void)state;
	check(ARGV("gcc", "-O2", "-Wall", "-c", "-o", "src/f1.o", "src/f1.c"), 24,
	      "gcc -c src/f1.c");
	check(ARGV("/usr/lib/gcc/cc1", "-quiet", "-imultiarch", "x86_64-linux-gnu", "src/f1.c",
		   "-quiet", "-dumpdir", "src/", "-dumpbase", "f1.c", "-dumpbase-ext", ".c",
		   "-mtune=generic", "-O2", "-o", "/tmp/cc23.s"),
	      24, "cc1 src/f1.c");
	check(ARGV("as", "--64", "-o", "src/f1.o", "/tmp/cccGk5zS.s", "-v"), 24, "as -o src/f1.o");
	check(ARGV("ld", "-plugin", "p.so", "-o", "prog", "/lib/crt1.o", "a.o", "b.o", "c.o"), 24,
	      "ld -o prog");
}

static void what_is_left_is_cut(void **state)
{
	(void)state;
	check(ARGV("python3", "-c", "import everything; go()"), 20, "python3 -c 'impor...");
	check(ARGV("node", "application-with-a-long-name"), 12, "node appl...");
}

static void odd_commands_have_a_name(void **state)
{
	(void)state;
	check(ARGV(""), 24, "?");
	check(ARGV("/"), 24, "/");
	check(ARGV("gcc", "-o"), 24, "gcc -o");
	check(ARGV("gcc", "--a-very-long-option-indeed", "-o"), 24, "gcc --a-very-long-opt...");
	check(ARGV("env"), 24, "env");
	_cleanup_(buf_done) struct buf label;
	buf_init(&label, 1024);
	assert_string_equal(label_command("/x/exe", &(struct text_list){ 0 }, 24, &label), "exe");
	assert_string_equal(label_command(NULL, &(struct text_list){ 0 }, 24, &label), "?");
}

static void a_line_loses_the_folders_of_its_words(void **state)
{
	static const char *const lines[][2] = {
		{ "/usr/bin/redis-server /etc/redis.conf -> /opt/redis-server --port 1",
		  "redis-server redis.conf -> redis-server --port 1" },
		{ "bash /root/.pyenv/libexec/pyenv-hooks which", "bash pyenv-hooks which" },
		{ "tcp 127.0.0.1:80 a/b --conf=/etc/x  /",
		  "tcp 127.0.0.1:80 a/b --conf=/etc/x  /" },
		{ "/bin/ls /tmp/ /", "ls /tmp/ /" },
		{ "", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct buf out;
		buf_init(&out, 1024);
		program_label(lines[i][0], &out);
		assert_string_equal(buf_str(&out), lines[i][1]);
		buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_loses_the_folders_of_its_words),
		cmocka_unit_test(what_fits_is_kept),
		cmocka_unit_test(folders_go_first),
		cmocka_unit_test(a_compiler_is_called_by_what_it_compiles),
		cmocka_unit_test(what_is_left_is_cut),
		cmocka_unit_test(odd_commands_have_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
