/* SPDX-License-Identifier: MIT */
/* --ready: what can be written, and when each condition holds. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/events.h"
#include "tests/unit/cmocka.h"
#include "tests/unit/said.h"
#include "userspace/base/units.h"
#include "userspace/trace/ready.h"

#define NEVER UINT64_MAX

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

/* Feeds the story, then ticks at @tick_ns unless that is 0. Returns when it was ready, relative to
 * the story's zero, or NEVER. @specs are separated by blanks. */
static uint64_t ready_at(const char *specs, const char *story, uint64_t tick_ns,
			 struct ready_point *ret)
{
	struct ready_rule rules[4];
	size_t n_rules = 0;
	char copy[256];
	(void)snprintf(copy, sizeof(copy), "%s", specs);
	char *rest = copy;
	for (char *spec = strsep(&rest, " "); spec != NULL; spec = strsep(&rest, " "))
		assert_int_equal(ready_rule_parse(spec, &rules[n_rules++]), 0);

	struct ready_watch *w = NULL;
	assert_int_equal(ready_watch_new(rules, n_rules, &w), 0);
	struct trace *t = events_trace(story);
	bool is_ready = false;
	*ret = (struct ready_point){ .pid = 4711 };
	trace_foreach(t, event) {
		is_ready = ready_watch_feed(w, event, ret);
	}
	if (tick_ns != 0)
		is_ready = ready_watch_tick(w, EVENTS_BASE_NS + tick_ns, ret);
	if (!is_ready)
		assert_int_equal(ret->pid, 4711); /* untouched */
	trace_free(t);
	ready_watch_free(w);
	for (size_t i = 0; i < n_rules; i++)
		ready_rule_done(&rules[i]);
	return is_ready ? ret->time_ns - EVENTS_BASE_NS : NEVER;
}

static uint64_t ready_ns(const char *specs, const char *story)
{
	struct ready_point point;
	return ready_at(specs, story, 0, &point);
}

#define MS NS_PER_MS

static void accept_is_the_first_that_listens(void **state)
{
	(void)state;
	struct ready_point point;
	const char *story = "1ms net 100 listen sock=1 addr=0.0.0.0:80\n"
			    "2ms net 101/102 listen sock=2 addr=[::1]:81\n"
			    "3ms net 101/102 accept_ready sock=2 addr=[::1]:81 how=epoll\n"
			    "4ms net 100 accept_ready sock=1 addr=0.0.0.0:80 how=poll\n";
	assert_int_equal(ready_at("accept:81", story, 0, &point), 3 * MS);
	assert_int_equal(point.pid, 101);
	assert_int_equal(point.tid, 102);
	assert_int_equal(point.sock, 2);
	assert_int_equal(point.addr.port, 81);
	assert_int_equal(point.type, READY_ACCEPT);
	assert_int_equal(ready_at("accept", story, 0, &point), 4 * MS);
	assert_int_equal(point.sock, 1);
	assert_int_equal(ready_ns("accept:80", story), 4 * MS);
	assert_int_equal(ready_ns("accept:82", story), NEVER);
}

static void accept_all_waits_for_every_listener_so_far(void **state)
{
	(void)state;
	assert_int_equal(ready_ns("accept:all",
				  "1ms net 100 listen sock=1 addr=0.0.0.0:80\n"
				  "2ms net 100 listen sock=2 addr=0.0.0.0:81\n"
				  "3ms net 100 accept_ready sock=2 addr=0.0.0.0:81 how=poll\n"
				  "4ms net 100 accept_ready sock=1 addr=0.0.0.0:80 how=poll\n"
				  "5ms net 100 listen sock=3 addr=0.0.0.0:82\n"),
			 4 * MS);
	assert_int_equal(ready_ns("accept:all", "1ms net 100 listen sock=1 addr=0.0.0.0:80\n"),
			 NEVER);
	/* The first one was to find a free port. */
	assert_int_equal(ready_ns("accept:all",
				  "1ms net 100 listen sock=1 addr=0.0.0.0:80\n"
				  "2ms net 100 closed sock=1\n"
				  "3ms net 100 listen sock=2 addr=0.0.0.0:80\n"
				  "4ms net 100 accept_ready sock=2 addr=0.0.0.0:80 how=poll\n"),
			 4 * MS);
}

static void inherited_listeners_listen(void **state)
{
	(void)state;
	const char *story = "1ms net 100 inherited sock=1 addr=unix:/run/x\n"
			    "2ms net 100 accept sock=9 other=1 addr=unix: how=accept\n";
	assert_int_equal(ready_ns("listen", story), 1 * MS);
	assert_int_equal(ready_ns("accept:all", story), 2 * MS);
}

static void listen_needs_success_and_the_port(void **state)
{
	(void)state;
	const char *story = "1ms net 100 listen sock=1 addr=0.0.0.0:80 result=EADDRINUSE\n"
			    "2ms net 100 listen sock=2 addr=unix:/x\n"
			    "3ms net 100 listen sock=3 addr=[::]:80\n";
	assert_int_equal(ready_ns("listen", story), 2 * MS);
	assert_int_equal(ready_ns("listen:80", story), 3 * MS);
}

static void the_first_accept_must_succeed_and_the_first_byte_follows(void **state)
{
	(void)state;
	const char *story = "1ms net 100 listen sock=1 addr=0.0.0.0:80\n"
			    "2ms net 100 accept other=1 result=EAGAIN\n"
			    "5ms net 100 accept sock=5 other=1 addr=127.0.0.1:4000\n"
			    "6ms net 100 first_byte sock=5 other=1 addr=127.0.0.1:4000\n";
	assert_int_equal(ready_ns("first-accept", story), 5 * MS);
	assert_int_equal(ready_ns("first-byte", story), 6 * MS);
	/* Whoever tries, stands ready; the port is the listener's, not the client's. */
	assert_int_equal(ready_ns("accept:80", story), 2 * MS);
	assert_int_equal(ready_ns("accept:4000", story), NEVER);
}

static void the_first_of_many_is_ready_though_others_were_before(void **state)
{
	(void)state;
	char story[4096] = "";
	for (int i = 1; i <= 10; i++) {
		const size_t n = strlen(story);
		(void)snprintf(story + n, sizeof(story) - n,
			       "%dms net 100 listen sock=%d addr=0.0.0.0:%d\n"
			       "%dms net 100 accept_ready sock=%d addr=0.0.0.0:%d how=epoll\n",
			       i, i, 80 + i, 40 - i, i, 80 + i);
	}
	assert_int_equal(ready_ns("accept", story), 39 * MS);
	assert_int_equal(ready_ns("accept:all", story), 39 * MS);
	assert_int_equal(ready_ns("accept:90", story), 30 * MS);
}

static void what_is_closed_is_not_the_first(void **state)
{
	(void)state;
	/* By close, and with the last process that had it. */
	const char *next = "8ms net 103 listen sock=2 addr=0.0.0.0:81\n"
			   "9ms net 103 accept_ready sock=2 addr=0.0.0.0:81 how=poll\n";
	char story[1024];
	(void)snprintf(story, sizeof(story),
		       "1ms net 100 listen sock=1 addr=0.0.0.0:80\n"
		       "2ms net 100 closed sock=1\n%s",
		       next);
	assert_int_equal(ready_ns("accept", story), 9 * MS);
	(void)snprintf(story, sizeof(story),
		       "1ms net 100 listen sock=1 addr=unix:/x\n"
		       "2ms task 101 parent=100\n3ms exit 100\n"
		       "4ms exit 101\n%s",
		       next);
	assert_int_equal(ready_ns("accept", story), 9 * MS);
	(void)snprintf(story, sizeof(story),
		       "1ms net 100 listen sock=1 addr=unix:/x\n"
		       "2ms task 101 parent=100\n3ms exit 100\n%s",
		       next);
	assert_int_equal(ready_ns("accept", story), NEVER);
}

static void an_inherited_listener_is_the_first_only_where_none_is_made(void **state)
{
	(void)state;
	const char *inherited = "1ms net 100 inherited sock=1 addr=0.0.0.0:80\n";
	char story[512];
	(void)snprintf(story, sizeof(story), "%s2ms net 100 accept_ready sock=1 how=poll\n",
		       inherited);
	assert_int_equal(ready_ns("accept", story), 2 * MS);
	(void)snprintf(story, sizeof(story),
		       "%s2ms net 100 listen sock=2 addr=0.0.0.0:81\n"
		       "3ms net 100 accept_ready sock=2 how=poll\n",
		       inherited);
	assert_int_equal(ready_ns("accept", story), 3 * MS);
}

static void a_datagram_socket_stands_in_where_nothing_listens(void **state)
{
	(void)state;
	struct ready_point point;
	const char *udp =
		"1ms net 100 bind sock=1 addr=127.0.0.1:53 type=dgram\n"
		"2ms net 100 accept_ready sock=1 addr=127.0.0.1:53 type=dgram how=receive\n";
	char story[512];
	assert_int_equal(ready_at("accept", udp, 102 * MS - 1, &point), NEVER);
	assert_int_equal(ready_at("accept", udp, 102 * MS, &point), 2 * MS);
	assert_int_equal(point.sock, 1);
	(void)snprintf(story, sizeof(story), "%s60ms net 100 listen sock=2 addr=0.0.0.0:53\n", udp);
	assert_int_equal(ready_at("accept", story, 900 * MS, &point), NEVER);
}

/* ---- edge-triggered ---- */

#define LISTENS	       "1ms net 100 listen sock=1 addr=0.0.0.0:80\n"
#define WAITS	       "2ms net 100/103 accept_ready sock=1 addr=0.0.0.0:80 how=epoll_edge\n"
#define EDGE	       LISTENS WAITS
#define PROBED	       "102ms net 0 probed other=1 addr=127.0.0.1:4711\n"
#define TRIES(at, tid) at " net 100/" tid " accept_ready sock=1 addr=0.0.0.0:80 how=edge_accept\n"

static void an_edge_triggered_wait_does_not_count_by_itself(void **state)
{
	(void)state;
	struct ready_point point;
	assert_int_equal(ready_at("accept", EDGE, 5000 * MS, &point), NEVER);
	assert_int_equal(ready_ns("accept:all", EDGE), NEVER);
	assert_int_equal(ready_ns("accept", EDGE TRIES("50ms", "103")), 50 * MS);
	assert_int_equal(ready_ns("accept", EDGE "50ms net 100/103 accept other=1 result=EAGAIN\n"),
			 50 * MS);
}

static void a_connection_that_is_accepted_at_once_confirms_the_wait(void **state)
{
	(void)state;
	struct ready_point point;
	assert_int_equal(ready_at("accept", EDGE PROBED TRIES("103ms", "103"), 0, &point), 2 * MS);
	assert_int_equal(point.tid, 103);
	/* Not by another process: its wait is not known. */
	assert_int_equal(
		ready_ns("accept", EDGE PROBED
			 "103ms net 200 accept_ready sock=1 addr=0.0.0.0:80 how=edge_accept\n"),
		103 * MS);
}

static void a_connection_that_is_accepted_later_was_not_awaited(void **state)
{
	(void)state;
	assert_int_equal(ready_ns("accept", EDGE PROBED TRIES("502ms", "103")), 502 * MS);
	/* Its thread woke at once, and had to wait for a CPU. */
	assert_int_equal(
		ready_ns("accept", EDGE
			 "101ms offcpu 100/103 out=2.1ms still\n" PROBED
			 "190ms offcpu 100/103 out=2.1ms wake=102.1ms\n" TRIES("191ms", "103")),
		2 * MS);
}

static void a_wait_that_was_left_proves_nothing(void **state)
{
	(void)state;
	/* It slept in it, or had an answer, and waits anew. */
	const char *again = EDGE "52ms offcpu 100/103 out=2.1ms wake=51.9ms\n"
				 "53ms net 100/103 accept_ready sock=1 addr=0.0.0.0:80 "
				 "how=epoll_edge\n" PROBED TRIES("103ms", "103");
	assert_int_equal(ready_ns("accept", again), 53 * MS);
	/* Preemption says nothing about the wait, and a late record of an earlier sleep neither. */
	const char *still =
		EDGE "3ms offcpu 100/103 out=2ms state=R\n" PROBED
		     "102.1ms offcpu 100/103 out=1ms wake=1.9ms\n" TRIES("103ms", "103");
	assert_int_equal(ready_ns("accept", still), 2 * MS);
}

static void the_thread_that_went_to_sleep_last_may_have_opened_the_door(void **state)
{
	(void)state;
	const char *others =
		EDGE "101ms offcpu 100/103 out=2.1ms still\n"
		     "101ms offcpu 100/100 out=61ms still\n"
		     "101ms offcpu 200/200 out=90ms still\n" PROBED
		     "103ms offcpu 100/103 out=2.1ms wake=102ms\n" TRIES("104ms", "103");
	assert_int_equal(ready_ns("accept", others), 61 * MS);
}

static void of_sockets_on_one_port_the_kernel_chooses(void **state)
{
	(void)state;
	const char *pair = EDGE "1.5ms net 200 listen sock=2 addr=0.0.0.0:80\n"
				"3ms net 200/203 accept_ready sock=2 addr=0.0.0.0:80 "
				"how=epoll_edge\n" PROBED
				"103ms net 200/203 accept_ready sock=2 addr=0.0.0.0:80 "
				"how=edge_accept\n";
	struct ready_point point;
	assert_int_equal(ready_at("accept:80", pair, 0, &point), 3 * MS);
	assert_int_equal(point.sock, 2);
	assert_int_equal(ready_ns("accept", pair), NEVER);
}

static void startlines_own_connection_is_no_client(void **state)
{
	(void)state;
	const char *own = EDGE PROBED TRIES(
		"103ms", "103") "103ms net 100/103 accept sock=9 other=1 addr=127.0.0.1:4711\n"
				"104ms net 100/103 first_byte sock=9 other=1\n";
	char story[1024];
	assert_int_equal(ready_ns("first-accept", own), NEVER);
	assert_int_equal(ready_ns("first-byte", own), NEVER);
	(void)snprintf(story, sizeof(story),
		       "%s200ms net 100/103 accept sock=10 other=1 "
		       "addr=127.0.0.1:4712\n",
		       own);
	assert_int_equal(ready_ns("first-accept", story), 200 * MS);
}

struct asking {
	struct ready_rule rule;
	struct ready_watch *w;
	struct ready_point point;
};

static void feed(const struct sl_event *event, void *user)
{
	struct asking *a = user;
	(void)ready_watch_feed(a->w, event, &a->point);
}

static void ask(struct asking *a, const char *spec, const char *story)
{
	assert_int_equal(ready_rule_parse(spec, &a->rule), 0);
	assert_int_equal(ready_watch_new(&a->rule, 1, &a->w), 0);
	events_each(story, feed, a);
}

static void asking_done(struct asking *a)
{
	a->w = ready_watch_free(a->w);
	ready_rule_done(&a->rule);
}

static void only_what_is_waited_for_is_asked_and_once(void **state)
{
	(void)state;
	struct asking a = { .w = NULL };
	ask(&a, "accept", "0.5ms net 100 listen sock=2 addr=0.0.0.0:81\n" EDGE);
	assert_null(ready_watch_question(a.w)); /* sock 2 is the first */
	asking_done(&a);
	ask(&a, "accept:80", EDGE);
	assert_non_null(ready_watch_question(a.w));
	assert_int_equal(ready_watch_question(a.w)->sock, 1);
	assert_int_equal(ready_watch_question(a.w)->edge.time_ns, EVENTS_BASE_NS + 2 * MS);
	events_each(PROBED, feed, &a);
	assert_null(ready_watch_question(a.w));
	asking_done(&a);
	ask(&a, "accept", EDGE);
	ready_watch_waive(a.w, 1, "it may not be");
	assert_null(ready_watch_question(a.w));
	asking_done(&a);
	ask(&a, "first-accept", EDGE);
	assert_null(ready_watch_question(a.w));
	asking_done(&a);
}

static void explains(const char *spec, const char *story, const char *expected)
{
	struct asking a = { .w = NULL };
	char why[256];
	ask(&a, spec, story);
	ready_watch_explain(a.w, 0, why, sizeof(why));
	assert_string_equal(why, expected);
	asking_done(&a);
}

static void it_is_said_what_was_waited_for_in_vain(void **state)
{
	(void)state;
	explains("accept", "", "nothing listens");
	explains("accept", "1ms net 100 bind sock=1 addr=127.0.0.1:53 type=dgram\n",
		 "nothing listens; udp 127.0.0.1:53 is bound, and nothing waits on it");
	explains("accept", LISTENS, "tcp 0.0.0.0:80: nothing waited on it");
	explains("accept:81", LISTENS, "nothing listens on that port");
	explains("accept", EDGE, "tcp 0.0.0.0:80: edge-triggered, unconfirmed");
	explains("accept:all", EDGE PROBED,
		 "tcp 0.0.0.0:80: edge-triggered, and it did not accept a connection");
	explains("listen", "", "");
}

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
		TEST(accept_is_the_first_that_listens),
		TEST(accept_all_waits_for_every_listener_so_far),
		TEST(inherited_listeners_listen),
		TEST(listen_needs_success_and_the_port),
		TEST(the_first_accept_must_succeed_and_the_first_byte_follows),
		TEST(the_first_of_many_is_ready_though_others_were_before),
		TEST(what_is_closed_is_not_the_first),
		TEST(an_inherited_listener_is_the_first_only_where_none_is_made),
		TEST(a_datagram_socket_stands_in_where_nothing_listens),
		TEST(an_edge_triggered_wait_does_not_count_by_itself),
		TEST(a_connection_that_is_accepted_at_once_confirms_the_wait),
		TEST(a_connection_that_is_accepted_later_was_not_awaited),
		TEST(a_wait_that_was_left_proves_nothing),
		TEST(the_thread_that_went_to_sleep_last_may_have_opened_the_door),
		TEST(of_sockets_on_one_port_the_kernel_chooses),
		TEST(startlines_own_connection_is_no_client),
		TEST(only_what_is_waited_for_is_asked_and_once),
		TEST(it_is_said_what_was_waited_for_in_vain),
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
