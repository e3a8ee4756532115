/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "preload/settings.h"
#include "tests/unit/cmocka.h"

#define SHIM "/opt/lib/libstartline.so"
#define OURS "STARTLINE_SHIM=3:/dev/shm/startline-abc"

/* Strings that may be changed in place, as the kernel's are. */
static char **environment(const char *const *texts)
{
	size_t n = 0;
	while (texts[n] != NULL)
		n++;
	char **copy = calloc(n + 1, sizeof(*copy));
	assert_non_null(copy);
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(texts[i]);
		assert_non_null(copy[i]);
	}
	return copy;
}

static void environment_free(char **all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(all[i]);
	free(all);
}

static void both_variables_are_read_and_removed(void **state)
{
	(void)state;
	const char *const texts[] = { "A=1", "LD_PRELOAD=" SHIM, "B=2", OURS, NULL };
	char **envp = environment(texts);
	char *const kept[] = { envp[0], envp[1], envp[2], envp[3] };
	struct settings s = { 0 };

	assert_true(settings_read(envp, &s));
	assert_int_equal(s.flags, SHIM_COUNTS_HEAP | SHIM_WRAPS_NETWORK);
	assert_string_equal(s.directory, "/dev/shm/startline-abc");
	assert_string_equal(s.shim, SHIM);
	settings_strip(&s, envp);
	assert_string_equal(envp[0], "A=1");
	assert_string_equal(envp[1], "B=2");
	assert_null(envp[2]);
	for (size_t i = 0; i < 4; i++)
		free(kept[i]);
	free(envp);
}

static void padding_is_removed(void **state)
{
	(void)state;
	const char *const texts[] = { "STARTLINE_PADDED=1", "LD_PRELOAD=" SHIM, OURS,
				      "STARTLINE_PAD=xxxx", NULL };
	char **envp = environment(texts);
	char *const kept[] = { envp[0], envp[1], envp[2], envp[3] };
	struct settings s = { 0 };

	assert_true(settings_read(envp, &s));
	settings_strip(&s, envp);
	assert_string_equal(envp[0], "STARTLINE_PADDED=1");
	assert_null(envp[1]);
	for (size_t i = 0; i < 4; i++)
		free(kept[i]);
	free(envp);
}

static void the_users_preload_is_restored(void **state)
{
	(void)state;
	static const char *const users[] = { "", "x.so", "x.so y.so:z.so" };

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		char load[128] = "LD_PRELOAD=" SHIM ":", expected[128] = "LD_PRELOAD=";
		strncat(load, users[i], 64);
		strncat(expected, users[i], 64);
		const char *const texts[] = { load, "B=2", OURS, NULL };
		char **envp = environment(texts);
		char *const last = envp[2];
		struct settings s = { 0 };
		assert_true(settings_read(envp, &s));
		settings_strip(&s, envp);
		assert_string_equal(envp[0], expected);
		assert_string_equal(envp[1], "B=2");
		assert_null(envp[2]);
		assert_string_equal(last, "");
		free(last);
		environment_free(envp, 2);
	}
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

static void adding_undoes_stripping(void **state)
{
	(void)state;
	const char *const texts[] = { "A=1", "LD_PRELOAD=x.so", "B=2", NULL };
	char **envp = environment(texts);
	struct settings s = { 0 };
	char load[] = "LD_PRELOAD=" SHIM, ours[] = OURS;
	char *first[] = { load, ours, NULL };
	size_t n_text = 0;

	assert_true(settings_read(first, &s));
	const size_t n = settings_room(&s, envp, &n_text);
	assert_true(n >= 5);
	char **copy = calloc(n, sizeof(*copy));
	char *text = malloc(n_text);
	assert_non_null(copy);
	assert_non_null(text);
	settings_add(&s, envp, copy, text);
	assert_string_equal(copy[0], "A=1");
	assert_string_equal(copy[1], "LD_PRELOAD=" SHIM ":x.so");
	assert_string_equal(copy[2], "B=2");
	assert_string_equal(copy[3], OURS);
	assert_null(copy[4]);
	/* Again: it is there already, another startline's perhaps. */
	assert_int_equal(settings_room(&s, copy, &n_text), 0);
	free(copy);
	free(text);
	environment_free(envp, 3);
}

static void an_empty_environment_gets_both(void **state)
{
	(void)state;
	char load[] = "LD_PRELOAD=" SHIM, ours[] = OURS;
	char *first[] = { load, ours, NULL };
	char *none[] = { NULL };
	char *copy[4];
	struct settings s = { 0 };
	size_t n_text = 1;

	assert_true(settings_read(first, &s));
	assert_in_range(settings_room(&s, none, &n_text), 3, 4);
	assert_int_equal(n_text, 0);
	settings_add(&s, none, copy, NULL);
	assert_string_equal(copy[0], "LD_PRELOAD=" SHIM);
	assert_string_equal(copy[1], OURS);
	assert_null(copy[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_variables_are_read_and_removed),
		cmocka_unit_test(padding_is_removed),
		cmocka_unit_test(the_users_preload_is_restored),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(adding_undoes_stripping),
		cmocka_unit_test(an_empty_environment_gets_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
