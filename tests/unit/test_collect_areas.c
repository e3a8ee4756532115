/* SPDX-License-Identifier: MIT */
/* Which part of resident memory a mapping is, from smaps as the kernel writes it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/cleanup.h"
#include "userspace/collect/proc/areas.h"
#include "userspace/collect/proc/resident.h"

#define NUMBERS \
	"Size: 8 kB\nRss: 8 kB\nPss: 4 kB\nPrivate_Clean: 1 kB\nPrivate_Dirty: 2 kB\nSwap: 3 kB\nVmFlags: rd wr\n"
#define AREA(range, access, rest) range " " access " 00000000 " rest "\n" NUMBERS
#define ANONYMOUS		  "00:00 0 "
#define FILE_OF(path)		  "08:01 42                  " path

static int read_text(const char *text, size_t n, struct areas *ret)
{
	_cleanup_close_ int fd = memfd_create("smaps", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return areas_read(fd, ret);
}

static void sort_out(const char *text, const struct areas_hints *hints, struct areas *ret)
{
	static const struct areas_hints none = { .n = 0 };
	assert_int_equal(read_text(text, strlen(text), ret), 0);
	areas_sort_out(ret, hints != NULL ? hints : &none);
}

static void numbers_are_of_the_mapping_before_them(void **state)
{
	(void)state;
	_cleanup_(areas_done) struct areas a;
	sort_out(AREA("00400000-00402000", "r-xp", FILE_OF("/bin/a b"))
			 AREA("00402000-00404000", "rw-p", FILE_OF("/bin/a b")),
		 NULL, &a);
	assert_int_equal(a.list.n, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct area *area = &a.list.items[i];
		assert_string_equal(area_name(&a, area), "/bin/a b");
		assert_int_equal(area->rss, 8192);
		assert_int_equal(area->pss, 4096);
		assert_int_equal(area->private_bytes, 3072);
		assert_int_equal(area->dirty, 2048);
		assert_int_equal(area->swap, 3072);
		assert_int_equal(area->part, SL_PART_FILE);
	}
}

static void what_is_no_smaps_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"Rss: 8 kB\n",
		"nonsense\n",
		"00400000-00402000 r-xp\n",
		"00402000-00400000 r-xp 00000000 08:01 42 /x\n",
		AREA("00400000-00402000", "r-xp", FILE_OF("/x")) "Rss: 4",
		"\n",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		_cleanup_(areas_done) struct areas a;
		assert_int_equal(read_text(texts[i], strlen(texts[i]), &a), -EBADMSG);
	}
	_cleanup_(areas_done) struct areas a;
	assert_int_equal(read_text("", 0, &a), 0);
	assert_int_equal(a.list.n, 0);
}

static void a_line_without_an_end_is_bounded(void **state)
{
	(void)state;
	static char text[1 << 20];
	memset(text, 'A', sizeof(text));
	_cleanup_(areas_done) struct areas a;
	assert_int_equal(read_text(text, sizeof(text), &a), -EFBIG);
}

static void names_tell(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum sl_part part;
	} cases[] = {
		{ AREA("1000-3000", "rw-p", ANONYMOUS "[heap]"), SL_PART_HEAP },
		{ AREA("1000-3000", "rw-p", ANONYMOUS "[stack]"), SL_PART_STACK },
		{ AREA("1000-3000", "r-xp", ANONYMOUS "[vdso]"), SL_PART_KERNEL },
		{ AREA("1000-3000", "rw-p", ANONYMOUS "[anon:catalog]"), SL_PART_NAMED },
		{ AREA("1000-3000", "rw-p", ANONYMOUS "[anon: glibc: malloc arena]"),
		  SL_PART_ARENA },
		{ AREA("1000-3000", "rw-s", "00:01 7 /dev/zero (deleted)"), SL_PART_SHARED },
		{ AREA("1000-3000", "rw-s", "00:01 7 /memfd:x (deleted)"), SL_PART_SHARED },
		{ AREA("1000-3000", "rw-s", FILE_OF("/data")), SL_PART_FILE },
		{ AREA("1000-3000", "rw-s", FILE_OF("/run/own/5/lane")), SL_PART_OWN },
		{ AREA("1000-3000", "r-xp", FILE_OF("/lib/libown.so")), SL_PART_OWN },
		{ AREA("c000000000-c000400000", "rw-p", ANONYMOUS), SL_PART_RUNTIME },
	};
	const struct areas_hints hints = { .own_directory = "/run/own",
					   .own_file = "/lib/libown.so" };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(areas_done) struct areas a;
		sort_out(cases[i].text, &hints, &a);
		assert_int_equal(a.list.items[0].part, cases[i].part);
	}
}

/* What begins as zeroes lies behind the data of its file; what an allocator has put there is larger. */
static void zeroes_are_of_the_file_before_them(void **state)
{
	(void)state;
	_cleanup_(areas_done) struct areas a;
	sort_out(AREA("00400000-00402000", "rw-p", FILE_OF("/bin/x")) AREA("00402000-10402000",
									   "rw-p", ANONYMOUS)
			 AREA("7f0000000000-7f0000002000", "rw-p", FILE_OF("/lib/l.so"))
				 AREA("7f0000002000-7f0000004000", "rw-p", ANONYMOUS) AREA(
					 "7f1000000000-7f1000002000", "rw-p", FILE_OF("/lib/m.so"))
					 AREA("7f1000002000-7f1000402000", "rw-p", ANONYMOUS),
		 NULL, &a);
	assert_int_equal(a.list.n, 6);
	assert_int_equal(a.list.items[1].part, SL_PART_FILE);
	assert_string_equal(area_name(&a, &a.list.items[1]), "/bin/x");
	assert_int_equal(a.list.items[3].part, SL_PART_FILE);
	assert_string_equal(area_name(&a, &a.list.items[3]), "/lib/l.so");
	assert_int_equal(a.list.items[5].part, SL_PART_ANONYMOUS);
}

static void a_jvm_has_areas_of_its_own(void **state)
{
	(void)state;
	_cleanup_(areas_done) struct areas a;
	sort_out(AREA("703000000-720000000", "rw-p", ANONYMOUS) AREA("800a00000-800c00000", "rw-p",
								     ANONYMOUS)
			 AREA("7f0000000000-7f0000270000", "rwxp", ANONYMOUS)
				 AREA("7f1000000000-7f1000002000", "r-xp",
				      FILE_OF("/opt/lib/server/libjvm.so"))
					 AREA("7f2000000000-7f2000400000", "rw-p", ANONYMOUS),
		 NULL, &a);
	assert_string_equal(a.list.items[0].known_as, "Java heap");
	assert_string_equal(a.list.items[1].known_as, "Java classes");
	assert_string_equal(a.list.items[2].known_as, "Java code cache");
	assert_int_equal(a.list.items[4].part, SL_PART_ANONYMOUS);
}

#define LIBRARY(path) AREA("7f2000000000-7f2000002000", "r-xp", FILE_OF(path))

static void an_allocator_has_what_shows_no_sign(void **state)
{
	(void)state;
	static const char mapped[] = AREA("7f1000000000-7f1000200000", "rw-p", ANONYMOUS)
		AREA("7f1000200000-7f1000400000", "r--p", ANONYMOUS);
	static const struct {
		const char *libraries;
		uint32_t linked;
		const char *name;
	} cases[] = {
		{ LIBRARY("/usr/lib/libjemalloc.so.2"), 0, "jemalloc" },
		{ LIBRARY("/usr/lib/libmimalloc.so.2"), 0, "mimalloc" },
		{ LIBRARY("/usr/lib/libtcmalloc_minimal.so.4"), 0, "tcmalloc" },
		{ LIBRARY("/usr/bin/x"), SL_ALLOCATOR_JEMALLOC, "jemalloc" },
		{ LIBRARY("/usr/bin/x"), SL_ALLOCATOR_LIMIT, NULL },
		{ LIBRARY("/usr/bin/x"), 0, NULL },
		{ LIBRARY("/usr/lib/libmimalloc.so.2"), SL_ALLOCATOR_JEMALLOC, NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(areas_done) struct areas a;
		char text[1024];
		const struct areas_hints hints = { .allocator = cases[i].linked };
		(void)snprintf(text, sizeof(text), "%s%s", mapped, cases[i].libraries);
		sort_out(text, &hints, &a);
		const struct area *area = &a.list.items[0];
		assert_int_equal(area->part,
				 cases[i].name != NULL ? SL_PART_RUNTIME : SL_PART_ANONYMOUS);
		if (cases[i].name != NULL)
			assert_string_equal(area->known_as, cases[i].name);
		/* Nobody can have written to it. */
		assert_int_equal(a.list.items[1].part, SL_PART_ANONYMOUS);
	}
}

/* ---- what a look into the memory tells ---- */

struct word {
	uint64_t address, value;
};

static bool peek(void *data, uint64_t address, void *to, size_t n)
{
	uint64_t *values = to;
	for (size_t i = 0; i < n / sizeof(*values); i++) {
		const struct word *word = data;
		while (word->address != 0 && word->address != address + i * sizeof(*values))
			word++;
		if (word->address == 0)
			return false;
		values[i] = word->value;
	}
	return true;
}

static enum sl_part part_of_first(const char *text, const struct word *words)
{
	_cleanup_(areas_done) struct areas a;
	const struct areas_hints hints = { .peek = peek, .data = (void *)(uintptr_t)words };
	sort_out(text, &hints, &a);
	return a.list.items[0].part;
}

#define LARGE	 0x7f0000041000ull
#define LARGE_IS AREA("7f0000041000-7f00000c1000", "rw-p", ANONYMOUS) /* 512 KiB */

static void large_blocks_of_malloc_tell_their_size(void **state)
{
	(void)state;
	const struct word two[] = { { LARGE, 0 },
				    { LARGE + 8, 0x40000 | 2 },
				    { LARGE + 0x40000, 0 },
				    { LARGE + 0x40008, 0x40000 | 2 },
				    { 0, 0 } };
	const struct word half[] = { { LARGE, 0 }, { LARGE + 8, 0x40000 | 2 }, { 0, 0 } };
	const struct word too_long[] = { { LARGE, 0 }, { LARGE + 8, 0x100000 | 2 }, { 0, 0 } };
	const struct word other_bits[] = { { LARGE, 0 }, { LARGE + 8, 0x80000 | 3 }, { 0, 0 } };
	const struct word zeroes[] = { { LARGE, 0 }, { LARGE + 8, 2 }, { 0, 0 } };
	assert_int_equal(part_of_first(LARGE_IS, two), SL_PART_MALLOC);
	assert_int_equal(part_of_first(LARGE_IS, half), SL_PART_ANONYMOUS);
	assert_int_equal(part_of_first(LARGE_IS, too_long), SL_PART_ANONYMOUS);
	assert_int_equal(part_of_first(LARGE_IS, other_bits), SL_PART_ANONYMOUS);
	assert_int_equal(part_of_first(LARGE_IS, zeroes), SL_PART_ANONYMOUS);
	assert_int_equal(part_of_first(LARGE_IS, &two[4]), SL_PART_ANONYMOUS);
}

static void arenas_lie_at_multiples_of_their_size(void **state)
{
	(void)state;
	static const char arena[] = AREA("7f0004000000-7f0004100000", "rw-p", ANONYMOUS)
		AREA("7f0004100000-7f0008000000", "---p", ANONYMOUS);
	const uint64_t at = 0x7f0004000000;
	const struct word head[] = {
		{ at, at + 0x30 }, { at + 8, 0 }, { at + 16, 0x100000 }, { 0, 0 }
	};
	const struct word data[] = { { at, 5 }, { at + 8, 0 }, { at + 16, 0x100000 }, { 0, 0 } };
	assert_int_equal(part_of_first(arena, head), SL_PART_ARENA);
	assert_int_equal(part_of_first(arena, &head[3]), SL_PART_ARENA);
	assert_int_equal(part_of_first(arena, data), SL_PART_ANONYMOUS);
	assert_int_equal(part_of_first(AREA("7f0004001000-7f0004100000", "rw-p", ANONYMOUS), head),
			 SL_PART_ANONYMOUS);
}

static void stacks_have_a_pointer_or_a_guard(void **state)
{
	(void)state;
	static const uint64_t pointers[] = { 0x1000, 0x7f00007ff000, 0x7fffffff0000 };
	const struct areas_hints hints = { .stack_pointers = pointers, .n = 3 };
	_cleanup_(areas_done) struct areas a;
	sort_out(AREA("7f0000000000-7f0000800000", "rw-p", ANONYMOUS)
			 AREA("7f0000fff000-7f0001000000", "---p", ANONYMOUS)
				 AREA("7f0001000000-7f0001800000", "rw-p", ANONYMOUS)
					 AREA("7f0002000000-7f0002800000", "rw-p", ANONYMOUS),
		 &hints, &a);
	assert_int_equal(a.list.items[0].part, SL_PART_THREAD_STACK);
	assert_int_equal(a.list.items[2].part, SL_PART_THREAD_STACK);
	assert_int_equal(a.list.items[3].part, SL_PART_ANONYMOUS);
}

static void without_code_it_executes_something_else(void **state)
{
	(void)state;
	static const struct {
		bool has_code;
		const char *text;
	} cases[] = {
		{ false, "" },
		{ false, AREA("7ffc00000000-7ffc00021000", "rw-p", ANONYMOUS)
				 AREA("ffffffffff600000-ffffffffff601000", "--xp",
				      ANONYMOUS "                 [vsyscall]") },
		{ true, AREA("00400000-00402000", "r-xp", FILE_OF("/bin/x")) },
		/* Packed programs remove their files' mappings. */
		{ true, AREA("00400000-00402000", "r-xp", ANONYMOUS) },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(areas_done) struct areas a;
		assert_int_equal(read_text(cases[i].text, strlen(cases[i].text), &a), 0);
		assert_int_equal(areas_have_code(&a), cases[i].has_code);
	}
}

static void the_kernels_sum_counts_if_it_is_of_the_same_state(void **state)
{
	(void)state;
	const struct resident_whole sums = { 40960, 30000 };
	assert_int_equal(resident_pss(&sums, &(struct resident_whole){ 40960, 31000 }, 3), 31000);
	assert_int_equal(resident_pss(&sums, &(struct resident_whole){ 40960, 30000 + 3072 }, 3),
			 33072);
	/* More than was cut off, or less, or other pages. */
	assert_int_equal(resident_pss(&sums, &(struct resident_whole){ 40960, 30000 + 3073 }, 3),
			 30000);
	assert_int_equal(resident_pss(&sums, &(struct resident_whole){ 40960, 29000 }, 3), 30000);
	assert_int_equal(resident_pss(&sums, &(struct resident_whole){ 4096, 30500 }, 3), 30000);
}

struct sums {
	uint64_t whole, whole_pss, parts, parts_pss;
	size_t n_areas;
};

static int add_told(void *data, const struct sl_event *event)
{
	struct sums *t = data;
	const struct sl_resident *e = (const void *)event;
	if (e->part == SL_PART_ALL) {
		t->whole = e->rss_bytes;
		t->whole_pss = e->pss_bytes;
		t->n_areas = e->areas;
	} else if (e->part != SL_PART_PAGE_TABLES) {
		t->parts += e->rss_bytes;
		t->parts_pss += e->pss_bytes;
	}
	return 0;
}

static void stop_process(const pid_t *pid)
{
	(void)kill(*pid, SIGKILL);
	(void)waitpid(*pid, NULL, 0);
}

/* In a child, until it is killed. */
static __attribute__((noreturn)) void come_and_go(char *memory, size_t n)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failure leaves without the cleanup */
	while (true) {
		memset(memory, 1, n);
		(void)madvise(memory, n, MADV_DONTNEED);
	}
}

static void parts_add_up_to_the_whole_while_it_changes(void **state)
{
	(void)state;
	const struct resident_ask ask = { .when = SL_WHEN_PEAK };
	const size_t n = (size_t)8 << 20;
	char *memory = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	__attribute__((cleanup(stop_process))) pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		come_and_go(memory, n);
	for (int i = 0; i < 30; i++) {
		struct sums told = { 0 };
		struct resident_sums sums = { 0 };
		assert_int_equal(
			source_proc_resident(pid, &ask, &sums, (struct sink){ add_told, &told }),
			0);
		assert_true(told.whole > 0);
		assert_int_equal(told.parts, told.whole);
		assert_true(told.whole_pss >= told.parts_pss &&
			    told.whole_pss - told.parts_pss <= told.n_areas * 1024);
	}
	assert_int_equal(munmap(memory, n), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_of_the_mapping_before_them),
		cmocka_unit_test(what_is_no_smaps_is_refused),
		cmocka_unit_test(a_line_without_an_end_is_bounded),
		cmocka_unit_test(names_tell),
		cmocka_unit_test(zeroes_are_of_the_file_before_them),
		cmocka_unit_test(a_jvm_has_areas_of_its_own),
		cmocka_unit_test(an_allocator_has_what_shows_no_sign),
		cmocka_unit_test(large_blocks_of_malloc_tell_their_size),
		cmocka_unit_test(arenas_lie_at_multiples_of_their_size),
		cmocka_unit_test(stacks_have_a_pointer_or_a_guard),
		cmocka_unit_test(without_code_it_executes_something_else),
		cmocka_unit_test(the_kernels_sum_counts_if_it_is_of_the_same_state),
		cmocka_unit_test(parts_add_up_to_the_whole_while_it_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
