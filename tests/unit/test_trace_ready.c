/* SPDX-License-Identifier: MIT */
/* --ready: what can be written, and when each condition holds. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/events.h"
#include "tests/unit/cmocka.h"
#include "tests/unit/ready_stories.h"
#include "tests/unit/said.h"
#include "userspace/base/units.h"
#include "userspace/trace/ready.h"

static int start(void **state)
{
	(void)state;
	said_begin();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	return 0;
}

/* ---- parsing ---- */

static void parses(const char *spec, enum ready_type type, const char *argument, const char *level)
{
	struct ready_rule rule;
	assert_int_equal(ready_rule_parse(spec, &rule), 0);
	assert_int_equal(rule.type, type);
	assert_string_equal(rule.spec, spec);
	assert_string_equal(rule.argument, argument);
	assert_string_equal(ready_rule_level(&rule), level);
	ready_rule_done(&rule);
}

static void every_condition_parses(void **state)
{
	(void)state;
	parses("accept", READY_ACCEPT, "", "accept_ready");
	parses("accept:7777", READY_ACCEPT, "7777", "accept_ready");
	parses("accept:all", READY_ACCEPT_ALL, "all", "accept_ready");
	parses("listen", READY_LISTEN, "", "listen");
	parses("listen:1", READY_LISTEN, "1", "listen");
	parses("first-accept", READY_FIRST_ACCEPT, "", "first_accept");
	parses("first-byte", READY_FIRST_BYTE, "", "first_byte");
	parses("log:ready: yes|no", READY_LOG, "ready: yes|no", "notified");
	parses("notify", READY_NOTIFY, "", "notified");
	parses("file:/run/x:y", READY_FILE, "/run/x:y", "notified");
	parses("quiet", READY_QUIET, "", "quiet");
	parses("tcp:localhost:5432", READY_TCP, "localhost:5432", "notified");
	parses("tcp:[::1]:5432", READY_TCP, "[::1]:5432", "notified");
	parses("http://localhost:80/health=204", READY_HTTP, "//localhost:80/health=204",
	       "notified");
	parses("http:http://localhost/", READY_HTTP, "http://localhost/", "notified");
	parses("http:localhost:8080", READY_HTTP, "localhost:8080", "notified");
	parses("cmd:test -e /x", READY_CMD, "test -e /x", "notified");
}

static void mistakes_say_what_is_expected(void **state)
{
	(void)state;
	static const struct {
		const char *spec, *expected;
	} mistakes[] = {
		{ "", "accept[:PORT|:all]" },	   { "acept", "accept[:PORT|:all]" },
		{ "Accept", "first-accept" },	   { "accept:", "accept:PORT or accept:all" },
		{ "accept:0", "accept:PORT" },	   { "accept:65536", "accept:PORT" },
		{ "accept:80x", "accept:PORT" },   { "accept:-1", "accept:PORT" },
		{ "listen:all", "listen:PORT" },   { "first-accept:80", "expected first-accept" },
		{ "notify:", "expected notify" },  { "log", "log:REGEX" },
		{ "log:", "log:REGEX" },	   { "log:(", "regular expression" },
		{ "file:", "file:PATH" },	   { "tcp:5432", "tcp:HOST:PORT" },
		{ "tcp:host:", "tcp:HOST:PORT" },  { "tcp::80", "tcp:HOST:PORT" },
		{ "tcp:::1:80", "tcp:HOST:PORT" }, { "http:", "http:URL" },
		{ "http://", "http:URL" },	   { "http:///x", "http:URL" },
		{ "http:https://x/", "curl" },	   { "https://x/", "curl" },
		{ "cmd", "cmd:COMMAND" },
	};
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct ready_rule rule = { .port = 4711 };
		said[0] = '\0';
		assert_int_equal(ready_rule_parse(mistakes[i].spec, &rule), -EINVAL);
		assert_int_equal(rule.port, 4711);
		if (strstr(said, mistakes[i].expected) == NULL)
			assert_string_equal(said, mistakes[i].expected); /* prints both */
		assert_non_null(strstr(said, mistakes[i].spec));
	}
}

static void what_the_collector_watches_and_what_it_polls(void **state)
{
	(void)state;
	static const struct {
		const char *spec;
		bool is_watched, is_polled;
	} rules[] = {
		{ "accept", false, false }, { "accept:all", false, false },
		{ "listen", false, false }, { "first-accept", false, false },
		{ "log:x", false, false },  { "first-byte", false, false },
		{ "notify", true, false },  { "file:/x", true, false },
		{ "quiet", true, false },   { "tcp:a:1", true, true },
		{ "http://a", true, true }, { "cmd:x", true, true },
	};
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct ready_rule rule;
		assert_int_equal(ready_rule_parse(rules[i].spec, &rule), 0);
		assert_int_equal(ready_rule_is_watched(&rule), rules[i].is_watched);
		assert_int_equal(ready_rule_is_polled(&rule), rules[i].is_polled);
		ready_rule_done(&rule);
	}
}

/* ---- watching ---- */

/* ---- logs and marks ---- */

static void a_log_line_may_come_in_pieces(void **state)
{
	(void)state;
	const char *story = "1ms output 100 fd=1 bytes=\"server rea\"\n"
			    "2ms output 101 fd=1 bytes=\"dy\\n\"\n"
			    "3ms output 100 fd=2 bytes=\"dy\\n\"\n"
			    "4ms output 100 fd=1 bytes=\"dy\"\n"
			    "5ms output 100 fd=1 bytes=\" now\\n\"\n";
	assert_int_equal(ready_ns("log:server.ready", story), 4 * MS);
	/* A line ends where it ends, not where a write does. */
	assert_int_equal(ready_ns("log:ready$", story), NEVER);
	assert_int_equal(ready_ns("log:^dy$", story), 2 * MS);
	assert_int_equal(ready_ns("log:now$", story), 5 * MS);
	assert_int_equal(ready_ns("log:^now", story), NEVER);
}

static void several_lines_come_in_one_piece(void **state)
{
	(void)state;
	const char *story = "1ms output 100 fd=2 bytes=\"one\\ntwo\\x0d\\n\\nthree\"\n";
	assert_int_equal(ready_ns("log:^two$", story), 1 * MS);
	assert_int_equal(ready_ns("log:^$", story), 1 * MS);
	assert_int_equal(ready_ns("log:^three", story), 1 * MS);
	assert_int_equal(ready_ns("log:one.two", story), NEVER);
}

static void bytes_that_are_no_text_do_not_hide_a_line(void **state)
{
	(void)state;
	assert_int_equal(
		ready_ns("log:ready", "1ms output 100 fd=1 bytes=\"\\0\\xff\\e[1mready\"\n"),
		1 * MS);
}

static void a_line_without_end_is_matched_at_its_end(void **state)
{
	(void)state;
	char story[64 * 1024] = "1ms output 100 fd=1 bytes=";
	size_t length = strlen(story);
	memset(story + length, 'x', 20000);
	length += 20000;
	(void)snprintf(story + length, sizeof(story) - length,
		       "ready\n2ms output 100 fd=1 bytes=go\n");
	assert_int_equal(ready_ns("log:xready", story), 1 * MS);
	assert_int_equal(ready_ns("log:readygo", story), 2 * MS);
	assert_int_equal(ready_ns("log:^x*ready", story), NEVER);
}

static void what_the_collector_watched_comes_as_a_mark(void **state)
{
	(void)state;
	struct ready_point point;
	assert_int_equal(
		ready_at("file:/x", "3ms mark 7 ready text=file:/x value=100\n", 0, &point),
		3 * MS);
	assert_int_equal(point.pid, 100);
	assert_int_equal(ready_ns("file:/x", "3ms mark 7 ready text=file:/xy\n"), NEVER);
	assert_int_equal(ready_ns("quiet", "3ms mark 7 ready text=quiet\n"), 3 * MS);
	assert_int_equal(ready_ns("notify", "3ms mark 7 notified\n"), 3 * MS);
	/* Conditions on events are for events to decide. */
	assert_int_equal(ready_ns("accept", "3ms mark 7 ready text=accept\n"), NEVER);
}

static void all_conditions_must_hold(void **state)
{
	(void)state;
	struct ready_point point;
	const char *story = "1ms net 100 listen sock=1 addr=0.0.0.0:80\n"
			    "2ms output 101 fd=1 bytes=\"up\\n\"\n"
			    "7ms net 100 accept_ready sock=1 addr=0.0.0.0:80 how=poll\n"
			    "8ms output 101 fd=1 bytes=\"up\\n\"\n";
	assert_int_equal(ready_at("log:up accept listen", story, 0, &point), 7 * MS);
	assert_int_equal(point.type, READY_ACCEPT);
	assert_int_equal(ready_ns("log:up accept notify", story), NEVER);
}

static void unknown_sockets_do_not_confuse(void **state)
{
	(void)state;
	assert_int_equal(ready_ns("accept", "1ms net 100 accept_ready addr=0.0.0.0:80 how=poll\n"),
			 1 * MS);
	struct ready_point point;
	assert_int_equal(ready_at("accept",
				  "1ms net 100 accept_ready addr=0.0.0.0:80 how=epoll_edge\n",
				  900 * MS, &point),
			 NEVER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_condition_parses),
		TEST(mistakes_say_what_is_expected),
		TEST(what_the_collector_watches_and_what_it_polls),
		TEST(a_log_line_may_come_in_pieces),
		TEST(several_lines_come_in_one_piece),
		TEST(bytes_that_are_no_text_do_not_hide_a_line),
		TEST(a_line_without_end_is_matched_at_its_end),
		TEST(what_the_collector_watched_comes_as_a_mark),
		TEST(all_conditions_must_hold),
		TEST(unknown_sockets_do_not_confuse),
	};
	return cmocka_run_group_tests_name("trace/ready", tests, NULL, NULL);
}
