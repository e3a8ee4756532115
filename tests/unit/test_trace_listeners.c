/* SPDX-License-Identifier: MIT */
/* Listeners: which is meant, when each is ready, and what is said of those that are not. */

#include <stdio.h>
#include <string.h>

#include "tests/lib/events.h"
#include "tests/unit/cmocka.h"
#include "tests/unit/ready_stories.h"
#include "userspace/trace/ready.h"

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
#define PROBED	       "102ms net 7 probed other=1 addr=127.0.0.1:4711\n"
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
	/* Not by another thread, of whose sleep nothing is known, or another process. */
	assert_int_equal(ready_ns("accept", EDGE PROBED TRIES("103ms", "104")), 103 * MS);
	assert_int_equal(
		ready_ns("accept", EDGE PROBED
			 "103ms net 200 accept_ready sock=1 addr=0.0.0.0:80 how=edge_accept\n"),
		103 * MS);
}

static void a_connection_that_is_accepted_later_was_not_awaited(void **state)
{
	(void)state;
	assert_int_equal(ready_ns("accept", EDGE PROBED TRIES("502ms", "103")), 502 * MS);
	/* Another thread was running, and may have begun to serve just then. */
	assert_int_equal(ready_ns("accept", EDGE
				  "102ms net 0 probed other=1 result=1\n" TRIES("103ms", "103")),
			 103 * MS);
	/* Another process woke it: an answer that it waited for. */
	assert_int_equal(ready_ns("accept",
				  EDGE "101ms offcpu 100/103 out=2.1ms still\n" PROBED
				       "102.2ms offcpu 100/103 out=2.1ms wake=102.1ms waker=8/8 "
				       "context=task\n" TRIES("102.3ms", "103")),
			 102300 * (MS / 1000));
	/* A timer woke it. */
	assert_int_equal(
		ready_ns("accept", EDGE
			 "101ms offcpu 100/103 out=2.1ms still\n" PROBED
			 "102.2ms offcpu 100/103 out=2.1ms wake=102.1ms context=hardirq\n" TRIES(
				 "102.3ms", "103")),
		102300 * (MS / 1000));
	/* Its thread woke for it, and went on waiting for something else. */
	assert_int_equal(
		ready_ns("accept",
			 EDGE "101ms offcpu 100/103 out=2.1ms still\n" PROBED
			      "102.2ms offcpu 100/103 out=2.1ms wake=102.1ms waker=7/7\n"
			      "501ms offcpu 100/103 out=103ms wake=500ms\n" TRIES("502ms", "103")),
		502 * MS);
	/* Its thread woke at once, and had to wait for a CPU. */
	assert_int_equal(ready_ns("accept", EDGE
				  "101ms offcpu 100/103 out=2.1ms still\n" PROBED
				  "190ms offcpu 100/103 out=2.1ms wake=102.1ms waker=7/7\n" TRIES(
					  "191ms", "103")),
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
		     "103ms offcpu 100/103 out=2.1ms wake=102ms waker=7/7\n" TRIES("104ms", "103");
	assert_int_equal(ready_ns("accept", others), 61 * MS);
	/* The thread that waits hands it over. */
	const char *handed = EDGE "101ms offcpu 100/103 out=2.1ms still\n"
				  "101ms offcpu 100/100 out=61ms still\n" PROBED
				  "110ms offcpu 100/103 out=2.1ms wake=102ms waker=7/7\n"
				  "120ms offcpu 100/100 out=61ms wake=110.1ms waker=100/103 "
				  "context=task\n" TRIES("121ms", "100");
	assert_int_equal(ready_ns("accept", handed), 61 * MS);
	const char *own = EDGE
		"101ms offcpu 100/103 out=2.1ms still\n"
		"101ms offcpu 100/100 out=1ms still\n" PROBED
		"103ms offcpu 100/103 out=2.1ms wake=102ms waker=7/7\n"
		"120ms offcpu 100/100 out=1ms wake=119ms context=hardirq\n" TRIES("121ms", "100");
	assert_int_equal(ready_ns("accept", own), 121 * MS);
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
	/* The other one is asked again. */
	struct asking a = { .w = NULL };
	ask(&a, "accept", pair);
	assert_null(ready_watch_question(a.w));
	events_each("103ms net 200/203 accept sock=9 other=2 addr=127.0.0.1:4711\n", feed, &a);
	assert_non_null(ready_watch_question(a.w));
	assert_int_equal(ready_watch_question(a.w)->sock, 1);
	asking_done(&a);
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
	explains(
		"accept", "1ms net 100 bind sock=1 addr=127.0.0.1:53 type=dgram\n",
		"nothing listens; udp 127.0.0.1:53 is bound, but no wait to receive on it was seen");
	explains("accept", LISTENS, "tcp 0.0.0.0:80: nothing waited on it");
	explains("accept:81", LISTENS, "nothing listens on that port");
	explains("accept", EDGE, "tcp 0.0.0.0:80: edge-triggered, unconfirmed");
	explains("accept:all", EDGE PROBED,
		 "tcp 0.0.0.0:80: edge-triggered, and it did not accept a connection");
	explains("listen", "", "");
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};
	return cmocka_run_group_tests_name("trace/listeners", tests, NULL, NULL);
}
