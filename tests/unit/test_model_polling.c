/* SPDX-License-Identifier: MIT */
/* Loops of timed waits: whose time they are. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"
#include "userspace/base/buf.h"

#define BEGIN	 "0 meta source.bpf=ok\n0 mark 1 spawn\n"
#define COMMAND	 BEGIN "0 exec 1 /x argv=x\n"
#define WORKER	 "1ms task 1/2 parent=1/1 thread\n"
#define END	 "41ms exit 1 code=0\n"
#define BY_TIMER " context=hardirq timeout\n"

/* A wait of 10 ms each from 2 ms on, and a tenth of a millisecond between them. */
#define TICKS(how)                                                                                 \
	"11900us offcpu 1 out=2ms wake=11900us " how "21900us offcpu 1 out=12ms wake=21900us " how \
	"31900us offcpu 1 out=22ms wake=31900us " how

static void who_ends_it_owns_all_of_it(void **state)
{
	(void)state;
	static const char *const calls[] = { "poll object=none", "epoll_wait object=epoll",
					     "select", "futex", "rt_sigtimedwait" };
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		char story[2048];
		(void)snprintf(story, sizeof(story),
			       COMMAND WORKER
			       "11900us offcpu 1 out=2ms wake=11900us syscall=%s" BY_TIMER
			       "21900us offcpu 1 out=12ms wake=21900us syscall=%s" BY_TIMER
			       "40ms offcpu 1 out=22ms wake=40ms waker=1/2 syscall=%s\n" END,
			       calls[i], calls[i], calls[i]);
		struct session *s = build(story);
		PATH(s, "0+2 p1 main running cpu", "2+38 p1 main running cpu",
		     "40+1 p1 main running cpu");
		assert_int_equal(s->runs[0].segments[1].thread, 2);
		(void)session_free(s);
	}
}

/* 3 wakes 1 at each tick of its own; what 2 did, and waited for, is told. */
static void who_only_passes_a_tick_on_does_not_end_it(void **state)
{
	(void)state;
	struct session *s = build(
		COMMAND WORKER
		"1ms task 1/3 parent=1/1 thread\n"
		"12ms offcpu 1/3 out=1500us wake=12ms syscall=nanosleep context=hardirq\n"
		"12100us offcpu 1 out=2ms wake=12100us waker=1/3 syscall=futex\n"
		"22200us offcpu 1/3 out=12200us wake=22200us syscall=nanosleep context=hardirq\n"
		"22300us offcpu 1 out=12200us wake=22300us waker=1/3 syscall=futex\n"
		"30ms offcpu 1/2 out=20ms wake=30ms syscall=read object=file text=/a context=softirq\n"
		"40ms offcpu 1 out=22400us wake=40ms waker=1/2 syscall=futex\n" END);
	PATH(s, "0+2 p1 main running cpu", "2+18 p1 main running cpu",
	     "20+10 p1 main blocked file_read /a", "30+10 p1 main running cpu",
	     "40+1 p1 main running cpu");
	(void)session_free(s);
}

/* 2 was idle until 1 set it to work at 12 ms: what came before was a sleep. */
static void what_came_before_the_work_began_is_a_sleep(void **state)
{
	(void)state;
	struct session *s = build(
		COMMAND WORKER
		"11900us offcpu 1 out=2ms wake=11900us syscall=epoll_wait object=epoll" BY_TIMER
		"11950us offcpu 1/2 out=1500us wake=11950us waker=1/1 syscall=futex\n"
		"21900us offcpu 1 out=12ms wake=21900us syscall=epoll_wait object=epoll" BY_TIMER
		"40ms offcpu 1 out=22ms wake=40ms waker=1/2 syscall=epoll_wait object=epoll\n" END);
	PATH(s, "0+2 p1 main running cpu", "2+9.9 p1 main blocked sleep",
	     "11.9+0.1 p1 main running cpu", "12+28 p1 main running cpu",
	     "40+1 p1 main running cpu");
	assert_int_equal(s->runs[0].segments[3].thread, 2);
	(void)session_free(s);
	/* A thread that only made room for the other was at work before and after. */
	s = build(
		COMMAND WORKER
		"11900us offcpu 1 out=2ms wake=11900us syscall=epoll_wait object=epoll" BY_TIMER
		"11990us offcpu 1/2 out=11950us wake=11990us waker=1/1 syscall=futex\n"
		"40ms offcpu 1 out=12ms wake=40ms waker=1/2 syscall=epoll_wait object=epoll\n" END);
	assert_int_equal(s->runs[0].segments[1].thread, 2);
	assert_int_equal(s->runs[0].segments[1].duration_ns, 9950000);
	(void)session_free(s);
}

static void reply_of_a_peer_is_waited_for_since_its_request(void **state)
{
	(void)state;
	static const char story[] = COMMAND
		"1ms net 1 connect sock=1 addr=10.0.0.1:5432 type=stream enter=1ms\n"
		"11900us offcpu 1 out=2ms wake=11900us syscall=poll object=tcp sock=1" BY_TIMER
		"21900us offcpu 1 out=12ms wake=21900us syscall=poll object=tcp sock=1" BY_TIMER
		"40ms offcpu 1 out=22ms wake=40ms syscall=poll object=tcp sock=1 context=softirq\n"
		"40500us net 1 reply sock=1 addr=10.0.0.1:5432 enter=%s\n" END;
	char text[2048];
	(void)snprintf(text, sizeof(text), story, "1500us");
	struct session *s = build(text);
	PATH(s, "0+2 p1 main running cpu", "2+38 p1 main blocked network tcp 10.0.0.1:5432",
	     "40+1 p1 main running cpu");
	(void)session_free(s);
	(void)snprintf(text, sizeof(text), story, "11950us");
	s = build(text);
	PATH(s, "0+2 p1 main running cpu", "2+9.9 p1 main blocked sleep",
	     "11.9+0.1 p1 main running cpu", "12+28 p1 main blocked network tcp 10.0.0.1:5432",
	     "40+1 p1 main running cpu");
	(void)session_free(s);
}

static void child_that_is_asked_for_has_its_time(void **state)
{
	(void)state;
	struct session *s = build(COMMAND "1ms task 2 parent=1\n27ms exit 2 code=0\n" TICKS(
		"syscall=nanosleep" BY_TIMER) "32ms mark 1 reaped_child value=2\n" END);
	PATH(s, "0+2 p1 main running cpu", "2+25 p2 child running cpu",
	     "27+4.9 p1 main blocked sleep polled every 9.9 ms", "31.9+9.1 p1 main running cpu");
	(void)session_free(s);
	/* One whose end was not noticed at the next tick was not asked for. */
	s = build(COMMAND "1ms task 2 parent=1\n17ms exit 2 code=0\n" TICKS(
		"syscall=nanosleep" BY_TIMER) "32ms mark 1 reaped_child value=2\n" END);
	PATH(s, "0+2 p1 main running cpu", "2+9.9 p1 main blocked sleep",
	     "11.9+0.1 p1 main running cpu", "12+9.9 p1 main blocked sleep",
	     "21.9+0.1 p1 main running cpu", "22+9.9 p1 main blocked sleep",
	     "31.9+9.1 p1 main running cpu");
	(void)session_free(s);
}

static void worker_that_is_done_when_the_loop_is_over_has_its_time(void **state)
{
	(void)state;
	struct session *s = build(COMMAND WORKER TICKS(
		"syscall=nanosleep" BY_TIMER) "27ms exit 1/2 code=0 thread\n" END);
	PATH(s, "0+2 p1 main running cpu", "2+25 p1 main running cpu",
	     "27+4.9 p1 main blocked sleep polled every 9.9 ms", "31.9+9.1 p1 main running cpu");
	assert_int_equal(s->runs[0].segments[1].thread, 2);
	(void)session_free(s);
	/* One that is done earlier or later has nothing to do with it. */
	static const char *const ends[] = { "17ms exit 1/2 code=0 thread\n",
					    "40ms exit 1/2 code=0 thread\n" };
	for (size_t i = 0; i < 2; i++) {
		char story[2048];
		(void)snprintf(story, sizeof(story),
			       COMMAND WORKER TICKS("syscall=nanosleep" BY_TIMER) "%s" END,
			       ends[i]);
		s = build(story);
		assert_int_equal(s->runs[0].n_segments, 7);
		assert_int_equal(s->runs[0].segments[1].cause, CAUSE_SLEEP);
		(void)session_free(s);
	}
}

#define TRY(at, result_) \
	at " net 1 connect sock=1 addr=127.0.0.1:5432 type=stream enter=" at " result=" result_ "\n"

static void refused_connections_with_sleeps_between_wait_for_the_peer(void **state)
{
	(void)state;
	struct session *s =
		build(COMMAND TRY("1900us", "ECONNREFUSED") TRY("11950us", "ECONNREFUSED")
			      TRY("21950us", "ECONNREFUSED") TRY("31950us", "0")
				      TICKS("syscall=nanosleep" BY_TIMER) END);
	PATH(s, "0+2 p1 main running cpu",
	     "2+29.9 p1 main blocked connect tcp 127.0.0.1:5432, refused 3 times, polled every 9.9 ms",
	     "31.9+9.1 p1 main running cpu");
	assert_int_equal(s->runs[0].n_findings, 1);
	assert_string_equal(s->runs[0].findings[0].id, "retry-sleep");
	assert_int_equal(s->runs[0].findings[0].cost_ns, 29900000);
	(void)session_free(s);
	/* It gives up. */
	s = build(COMMAND TRY("1900us", "ECONNREFUSED") TRY("11950us", "ECONNREFUSED")
			  TRY("21950us", "ECONNREFUSED") TICKS("syscall=nanosleep" BY_TIMER) END);
	assert_string_equal(s->runs[0].segments[1].detail,
			    "tcp 127.0.0.1:5432, refused 3 times, polled every 9.9 ms");
	assert_int_equal(s->runs[0].segments[1].duration_ns, 29900000);
	(void)session_free(s);
	/* A sleep before the first attempt is a sleep. */
	s = build(COMMAND TRY("21950us", "ECONNREFUSED") TRY("31950us", "0")
			  TICKS("syscall=nanosleep" BY_TIMER) END);
	PATH(s, "0+2 p1 main running cpu", "2+9.9 p1 main blocked sleep",
	     "11.9+0.1 p1 main running cpu", "12+9.9 p1 main blocked sleep",
	     "21.9+0.1 p1 main running cpu",
	     "22+9.9 p1 main blocked connect tcp 127.0.0.1:5432, refused once, polled every 9.9 ms",
	     "31.9+9.1 p1 main running cpu");
	(void)session_free(s);
}

/* No story that a hostile program could tell makes it stumble. */
static void any_order_adds_up(void **state)
{
	(void)state;
	static const char *const words[] = {
		"nanosleep context=hardirq",
		"poll context=hardirq",
		"futex waker=1/1",
		"futex waker=1/2",
		"poll waker=1/3",
		"futex waker=2",
		"poll state=R",
	};
	srand(7);
	for (int round = 0; round < 300; round++) {
		_cleanup_(buf_done) struct buf story;
		buf_init(&story, (size_t)1 << 20);
		(void)buf_adds(&story, COMMAND WORKER
			       "1ms task 1/3 parent=1/1 thread\n1ms task 2 parent=1\n");
		int at[4] = { 0, 1500, 1500, 1500 };
		for (int i = 0; i < 60; i++) {
			const int tid = 1 + rand() % 3, out = at[tid] + rand() % 300;
			const int wake = out + rand() % 2000;
			at[tid] = wake + rand() % 100;
			(void)buf_addf(&story,
				       "%dus offcpu 1/%d out=%dus wake=%dus timeout syscall=%s\n",
				       at[tid], tid, out, wake, words[rand() % 7]);
			if (rand() % 5 == 0)
				(void)buf_addf(
					&story,
					"%dus net 1/%d connect sock=%d addr=127.0.0.1:%d type=stream "
					"enter=%dus result=%s\n",
					at[tid], tid, 1 + rand() % 3, 1 + rand() % 2, at[tid],
					rand() % 2 ? "ECONNREFUSED" : "0");
			if (rand() % 5 == 0)
				(void)buf_addf(&story, "%dus mark 1/%d reaped_child value=2\n",
					       at[tid], tid);
			if (rand() % 30 == 0)
				(void)buf_addf(&story, "%dus exit %s code=0\n", at[tid],
					       rand() % 2 ? "2" : "1/2");
		}
		(void)buf_addf(&story, "%dus exit 1 code=0\n", at[1] + 200);
		(void)session_free(build(buf_str(&story)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_ends_it_owns_all_of_it),
		cmocka_unit_test(who_only_passes_a_tick_on_does_not_end_it),
		cmocka_unit_test(what_came_before_the_work_began_is_a_sleep),
		cmocka_unit_test(reply_of_a_peer_is_waited_for_since_its_request),
		cmocka_unit_test(child_that_is_asked_for_has_its_time),
		cmocka_unit_test(worker_that_is_done_when_the_loop_is_over_has_its_time),
		cmocka_unit_test(refused_connections_with_sleeps_between_wait_for_the_peer),
		cmocka_unit_test(any_order_adds_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
