/* SPDX-License-Identifier: MIT */
/* Names as programs really have them: what changes from run to run becomes a '*', what tells one
 * thing from another stays. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/arena.h"
#include "userspace/model/compare/compare.h"

struct line {
	const char *text, *normal;
};

static void check(const struct line *lines, size_t n)
{
	struct arena *arena = arena_new();
	for (size_t i = 0; i < n; i++)
		assert_string_equal(compare_normalise(arena, lines[i].text), lines[i].normal);
	(void)arena_free(arena);
}
#define CHECK(lines) check(lines, sizeof(lines) / sizeof((lines)[0]))

static void temporary_names_are_taken_out(void **state)
{
	static const struct line lines[] = {
		/* mktemp, mkstemp, gcc, Python, Go, Node, pytest, Bazel, systemd */
		{ "cat /tmp/tmp.Kq3mNzPxwR", "cat /tmp/tmp.*" },
		{ "cat /tmp/tmp.Kq3mNzPxwR/out.txt", "cat /tmp/tmp.*/out.txt" },
		{ "/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet a.c -o /tmp/ccXkQ2pZ.s",
		  "/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet a.c -o /tmp/cc*.s" },
		{ "as --64 -o /tmp/ccAbcdef.o /tmp/ccZyxwvu.s",
		  "as --64 -o /tmp/cc*.o /tmp/cc*.s" },
		{ "python3 /tmp/tmpx1_9dk2f/setup.py", "python3 /tmp/tmp*/setup.py" },
		{ "/tmp/go-build3141592653/b001/exe/main -v", "/tmp/go-build*/b001/exe/main -v" },
		{ "/home/ci/gotmp/go-build3141592653/b001/exe/main",
		  "/home/ci/gotmp/go-build*/b001/exe/main" },
		{ "sort -T /var/tmp/sortA1b2C3", "sort -T /var/tmp/*" },
		{ "test /tmp/pytest-of-ci/pytest-12/test_a0",
		  "test /tmp/pytest-of-ci/pytest-*/test_a0" },
		{ "mysqld --socket=/run/mysqld/mysqld.12345.sock",
		  "mysqld --socket=/run/mysqld/mysqld.*.sock" },
		{ "unix /dev/shm/sem.Xy12Zw", "unix /dev/shm/sem.*" },
		{ "startline report .startline/20261121-150102-123456-4123.slt",
		  "startline report .startline/*.slt" },
	};
	(void)state;
	CHECK(lines);
}

static void numbers_of_the_moment_are_taken_out(void **state)
{
	static const struct line lines[] = {
		{ "kill -TERM --pid 4123", "kill -TERM --pid *" },
		{ "gdb -p=1 --pid=4123", "gdb -p=1 --pid=*" },
		{ "strace --ppid:77", "strace --ppid:*" },
		{ "/proc/4123/status", "/proc/*/status" },
		{ "cat /proc/self/fd/17", "cat /proc/self/fd/*" },
		{ "bash /dev/fd/63", "bash /dev/fd/*" },
		{ "less /dev/pts/3", "less /dev/pts/*" },
		{ "pipe:[81234]", "pipe:[*]" },
		{ "socket:[99]", "socket:[*]" },
		{ "tcp 127.0.0.1:43210", "tcp 127.0.0.1:*" },
		{ "tcp [::1]:60999", "tcp [::1]:*" },
		{ "curl http://localhost:50123/health", "curl http://localhost:*/health" },
		{ "redis-server *:40001", "redis-server *:*" },
		{ "server --port 43210 --metrics-port=50001", "server --port * --metrics-port=*" },
		{ "PORT=43210", "PORT=*" },
		{ "backup --name db-2026-11-21T15:01:02.123Z.tar", "backup --name db-*.tar" },
		{ "backup 2026-11-21 15:01:02", "backup *" },
		{ "log 20261121T150102Z", "log *" },
		{ "log-20261121-150102.txt", "log-*.txt" },
		{ "touch mark-1763737262", "touch mark-*" },
		{ "--since=1763737262123456789", "--since=*" },
	};
	(void)state;
	CHECK(lines);
}

static void digests_are_taken_out(void **state)
{
	static const struct line lines[] = {
		{ "git checkout a1b2c3d", "git checkout *" },
		{ "git show 9fceb02d0ae598e95dc970b74767f19372d61af8", "git show *" },
		{ "target/debug/deps/app-0123456789abcdef", "target/debug/deps/app-*" },
		{ "node dist/main.4f3c2a1b.js", "node dist/main.*.js" },
		{ "runc init 550e8400-e29b-41d4-a716-446655440000", "runc init *" },
		{ "containerd-shim -id "
		  "4f5e6d7c8b9a0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796",
		  "containerd-shim -id *" },
		{ "/nix/store/8zya3cvbwdvb3gvnwqvi7hv4rjdvd3aq-glibc-2.38/lib/libc.so.6",
		  "/nix/store/*-glibc-2.38/lib/libc.so.6" },
		{ "sha256:9F86D081884C7D659A2FEAA0C55AD015", "sha256:*" },
		{ "0x7ffd12ab34cd", "0x*" },
		{ "token=dGhpcyBpcyBhIHRlc3Q1NjA4", "token=*" },
	};
	(void)state;
	CHECK(lines);
}

static void what_tells_things_apart_stays(void **state)
{
	static const char *const lines[] = {
		"",
		"redis-server *:6379",
		"python3 -m pytest -n 2",
		"java -Xmx4096m -jar app.jar",
		"node --max-old-space-size=8192 server.js",
		"sleep 1",
		"tcp 127.0.0.1:5432",
		"tcp 10.0.0.1:32767",
		"ssh -i /home/ci/.ssh/id_ed25519 host",
		"/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30",
		"/usr/lib/python3.11/encodings/utf_8.py",
		"gcc -O2 -march=x86-64-v3 -DNDEBUG=1 deadbeef.c decade.c",
		"/opt/app-1.2.3/bin/server --workers=16 --rapid 5",
		"make -j16 all",
		"/home/ci/MyServer/build/MyServerTests",
		"unix @/tmp-name",
		"convert image-1024x768.png",
		"dd if=/dev/zero bs=1048576 count=100",
		"import 43210",
		"TestThatLongCamelCaseNamesAreKeptWhole",
	};
	(void)state;
	struct arena *arena = arena_new();
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		assert_string_equal(compare_normalise(arena, lines[i]), lines[i]);
	(void)arena_free(arena);
}

/* Whatever a target calls itself: nothing grows, nothing is read beyond its end. */
static void any_bytes_are_fine(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	char text[64];
	for (unsigned int seed = 1; seed < 20000; seed++) {
		static const char alphabet[] = "/tmp.-_:09afAFxz =[]T\xff";
		unsigned int x = seed * 2654435761u;
		size_t n = 0;
		while (n < sizeof(text) - 1 && (x = x * 1664525u + 1013904223u) >> 26 != 0)
			text[n++] = alphabet[(x >> 16) % (sizeof(alphabet) - 1)];
		text[n] = '\0';
		const char *once = compare_normalise(arena, text);
		assert_non_null(once);
		assert_true(strlen(once) <= n);
	}
	(void)arena_free(arena);
}

/* Of a document: any length. What looks at the rest of the text from each word would take minutes. */
static void long_texts_take_no_longer_than_they_are(void **state)
{
	enum { N = 1 << 20 };
	(void)state;
	struct arena *arena = arena_new();
	char *text = malloc(N + 1);
	assert_non_null(text);
	for (size_t i = 0; i < N; i++)
		text[i] = i % 2 == 0 ? '1' : '-';
	text[N] = '\0';
	assert_string_equal(compare_normalise(arena, text), text);
	free(text);
	(void)arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(temporary_names_are_taken_out),
		cmocka_unit_test(numbers_of_the_moment_are_taken_out),
		cmocka_unit_test(digests_are_taken_out),
		cmocka_unit_test(what_tells_things_apart_stays),
		cmocka_unit_test(any_bytes_are_fine),
		cmocka_unit_test(long_texts_take_no_longer_than_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
