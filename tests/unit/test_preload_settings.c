/* SPDX-License-Identifier: MIT */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "preload/settings.h"
#include "tests/unit/cmocka.h"

#define SHIM "/opt/lib/libstartline.so"
#define OURS "STARTLINE_SHIM=3:/dev/shm/startline-abc"

/* An environment as the kernel makes it: texts one behind the other, and the auxiliary vector behind
 * the pointers. */
struct kernels {
	char *envp[24];
	char texts[512];
};

static void kernels_fill(struct kernels *k, const char *const *texts)
{
	char *to = k->texts;
	size_t n = 0;

	memset(k, 0, sizeof(*k));
	for (; texts[n] != NULL; n++) {
		k->envp[n] = to;
		to = stpcpy(to, texts[n]) + 1;
	}
	Elf64_auxv_t *next = (Elf64_auxv_t *)(void *)&k->envp[n + 1];
	next->a_type = AT_PAGESZ;
}

static uint64_t first_type_behind(char *const *envp)
{
	while (*envp != NULL)
		envp++;
	const Elf64_auxv_t *a = (const Elf64_auxv_t *)(const void *)(envp + 1);
	while (a->a_type == AT_IGNORE)
		a++;
	return a->a_type;
}

static void both_variables_are_read_and_cut_off(void **state)
{
	(void)state;
	const char *const texts[] = { "A=1", "B=2", OURS, "LD_PRELOAD=" SHIM, NULL };
	struct kernels k;
	struct settings s = { 0 };
	struct settings_region region;

	kernels_fill(&k, texts);
	char *const third = k.envp[2];
	assert_true(settings_read(k.envp, &s));
	assert_int_equal(s.flags, SHIM_COUNTS_HEAP | SHIM_WRAPS_NETWORK);
	assert_string_equal(s.directory, "/dev/shm/startline-abc");
	assert_string_equal(s.shim, SHIM);
	settings_strip(&s, k.envp, &region);
	assert_string_equal(k.envp[0], "A=1");
	assert_string_equal(k.envp[1], "B=2");
	assert_null(k.envp[2]);
	assert_ptr_equal(region.start, k.envp[0]);
	assert_ptr_equal(region.end, third);
	assert_string_equal(third, "");
	assert_int_equal(first_type_behind(k.envp), AT_PAGESZ);
}

static void padding_is_not_handed_on(void **state)
{
	(void)state;
	char load[] = "LD_PRELOAD=" SHIM,
	     padded[] = "STARTLINE_SHIM=00000003:/dev/shm/startline-abc";
	char *envp[] = { padded, load, NULL };
	struct settings s = { 0 };

	assert_true(settings_read(envp, &s));
	assert_int_equal(s.flags, 3);
	assert_string_equal(s.variable, OURS);
}

static void the_users_preload_stays_where_it_is(void **state)
{
	(void)state;
	static const char *const users[] = { "", "x.so", "x.so y.so:z.so" };

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		char own[64], joined[128];
		(void)snprintf(own, sizeof(own), "LD_PRELOAD=%s", users[i]);
		(void)snprintf(joined, sizeof(joined), "LD_PRELOAD=" SHIM ":%s", users[i]);
		const char *const texts[] = { OURS, joined, own, "B=2", OURS, joined, NULL };
		struct kernels k;
		struct settings s = { 0 };
		struct settings_region region;
		kernels_fill(&k, texts);
		char *const third = k.envp[2], *const fifth = k.envp[4];
		assert_true(settings_read(k.envp, &s));
		settings_strip(&s, k.envp, &region);
		assert_string_equal(k.envp[0], own);
		assert_string_equal(k.envp[1], "B=2");
		assert_null(k.envp[2]);
		assert_ptr_equal(region.start, third);
		assert_ptr_equal(region.end, fifth);
		assert_int_equal(first_type_behind(k.envp), AT_PAGESZ);
	}
}

static void ours_in_the_middle_leave_no_region(void **state)
{
	(void)state;
	const char *const texts[] = { "A=1", OURS, "B=2", "LD_PRELOAD=" SHIM, NULL };
	struct kernels k;
	struct settings s = { 0 };
	struct settings_region region;

	kernels_fill(&k, texts);
	assert_true(settings_read(k.envp, &s));
	settings_strip(&s, k.envp, &region);
	assert_string_equal(k.envp[1], "B=2");
	assert_null(k.envp[2]);
	assert_null(region.start);
}

static void what_makes_no_sense_is_refused(void **state)
{
	(void)state;
	static char preload[] = "LD_PRELOAD=" SHIM;
	static char bad[][48] = { "STARTLINE_SHIM=", "STARTLINE_SHIM=1:", "STARTLINE_SHIM=1",
				  "STARTLINE_SHIM=x:/d", "STARTLINE_SHIM=1:relative" };
	struct settings s = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *envp[] = { preload, bad[i], NULL };
		assert_false(settings_read(envp, &s));
	}
	char *only[] = { preload, NULL };
	assert_false(settings_read(only, &s));
	assert_false(settings_read(NULL, &s));
}

static char **added(const struct settings *s, char *const *envp, bool is_musl, char *room,
		    size_t size)
{
	struct reader reader = { 0 };
	struct settings_plan plan;

	assert_true(settings_plan(envp, is_musl, &reader, &plan));
	assert_true(settings_bytes(s, &plan) <= size);
	return settings_add(s, &plan, envp, room);
}

static void adding_undoes_stripping(void **state)
{
	(void)state;
	char a[] = "A=1", own[] = "LD_PRELOAD=x.so", b[] = "B=2";
	char load[] = "LD_PRELOAD=" SHIM, ours[] = OURS;
	char *first[] = { ours, load, NULL };
	char *envp[] = { a, own, b, NULL };
	_Alignas(8) char room[512];
	struct settings s = { 0 };

	assert_true(settings_read(first, &s));
	char **copy = added(&s, envp, false, room, sizeof(room));
	assert_string_equal(copy[0], "A=1");
	assert_string_equal(copy[1], "LD_PRELOAD=x.so");
	assert_string_equal(copy[2], "B=2");
	assert_string_equal(copy[3], OURS);
	assert_string_equal(copy[4], "LD_PRELOAD=" SHIM ":x.so");
	assert_null(copy[5]);
	/* Again: it is there already, another startline's perhaps. */
	struct reader reader = { 0 };
	struct settings_plan plan;
	assert_false(settings_plan(copy, false, &reader, &plan));
	/* For who takes the first. */
	copy = added(&s, envp, true, room, sizeof(room));
	assert_string_equal(copy[0], OURS);
	assert_string_equal(copy[1], "LD_PRELOAD=" SHIM ":x.so");
	assert_string_equal(copy[2], "A=1");
	assert_string_equal(copy[6], "LD_PRELOAD=" SHIM ":x.so");
	assert_null(copy[7]);
}

static void an_empty_environment_gets_both(void **state)
{
	(void)state;
	char load[] = "LD_PRELOAD=" SHIM, ours[] = OURS;
	char *first[] = { ours, load, NULL };
	char *none[] = { NULL };
	_Alignas(8) char room[64];
	struct settings s = { 0 };

	assert_true(settings_read(first, &s));
	char **copy = added(&s, none, false, room, sizeof(room));
	assert_string_equal(copy[0], OURS);
	assert_string_equal(copy[1], "LD_PRELOAD=" SHIM);
	assert_null(copy[2]);
}

static void what_cannot_be_read_gets_nothing(void **state)
{
	(void)state;
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(mprotect(pages + 4096, 4096, PROT_NONE), 0);
	char *without_end = pages + 4096 - 11;
	char *texts[] = { without_end, NULL }, *eight[] = { (char *)8, NULL };
	char **cut = (char **)(void *)(pages + 4096) - 1;
	char a[] = "A=1";
	*cut = a;
	char *const *const bad[] = { (char **)8, eight, cut, texts };
	struct settings_plan plan;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct reader reader = { 0 };
		if (bad[i] == texts)
			memcpy(without_end, "LD_PRELOAD=", 11);
		assert_false(settings_plan(bad[i], false, &reader, &plan));
	}
	(void)munmap(pages, 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_variables_are_read_and_cut_off),
		cmocka_unit_test(padding_is_not_handed_on),
		cmocka_unit_test(the_users_preload_stays_where_it_is),
		cmocka_unit_test(ours_in_the_middle_leave_no_region),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(adding_undoes_stripping),
		cmocka_unit_test(an_empty_environment_gets_both),
		cmocka_unit_test(what_cannot_be_read_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
