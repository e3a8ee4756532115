/* SPDX-License-Identifier: MIT */
/* Messages: levels, the sink, and that nothing hostile reaches the terminal. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/log.h"

static char last[20000];
static enum log_level last_level;
static int n_messages;

static void remember(enum log_level level, const char *message, void *user)
{
	(void)user;
	last_level = level;
	n_messages++;
	(void)snprintf(last, sizeof(last), "%s", message);
	errno = ERANGE; /* a sink may do anything to it */
}

static int start(void **state)
{
	(void)state;
	n_messages = 0;
	last[0] = '\0';
	log_set_sink(remember, NULL);
	log_set_level(LOG_WARNING);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	log_set_level(LOG_WARNING);
	return 0;
}

static void fail_logs_and_returns_its_code(void **state)
{
	(void)state;
	assert_int_equal(fail(-EBADMSG, "'%s': not a startline trace", "x.slt"), -EBADMSG);
	assert_string_equal(last, "'x.slt': not a startline trace");
	assert_int_equal(last_level, LOG_ERROR);
	assert_int_equal(n_messages, 1);
}

static void the_level_decides_what_is_shown(void **state)
{
	(void)state;
	log_info("hidden");
	log_debug("hidden");
	assert_int_equal(n_messages, 0);
	log_warning("shown");
	assert_int_equal(n_messages, 1);
	log_set_level(LOG_DEBUG);
	log_info("shown");
	log_debug("shown");
	assert_int_equal(n_messages, 3);
	log_set_level(LOG_ERROR);
	log_warning("hidden");
	assert_int_equal(n_messages, 3);
	assert_false(log_shows(LOG_WARNING));
}

static void hostile_bytes_are_escaped(void **state)
{
	(void)state;
	log_warning("'%s'", "a\x1b[2Jb\n\xff\xc2\x9b");
	assert_string_equal(last, "'a\\x1b[2Jb\\x0a\\xff\\xc2\\x9b'");
}

static void a_very_long_message_is_cut(void **state)
{
	(void)state;
	char text[10000];
	memset(text, '\x01', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_warning("%s", text);
	assert_int_equal(n_messages, 1);
	/* All that fitted is there, whole escapes only. */
	assert_true(strlen(last) > 10000);
	assert_int_equal(strlen(last) % 4, 0);
}

static void errno_is_preserved(void **state)
{
	(void)state;
	errno = ENOENT;
	log_warning("something");
	assert_int_equal(errno, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fail_logs_and_returns_its_code, start, stop),
		cmocka_unit_test_setup_teardown(the_level_decides_what_is_shown, start, stop),
		cmocka_unit_test_setup_teardown(hostile_bytes_are_escaped, start, stop),
		cmocka_unit_test_setup_teardown(a_very_long_message_is_cut, start, stop),
		cmocka_unit_test_setup_teardown(errno_is_preserved, start, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
