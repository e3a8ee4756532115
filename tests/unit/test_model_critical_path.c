/* SPDX-License-Identifier: MIT */
/* The critical path: who owns each instant between R0 and the end, and why. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define BEGIN "0 meta source.bpf=ok\n0 mark 1 spawn\n"

static void one_thread_runs_waits_and_queues(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN "2ms exec 1 /x argv=x enter=0\n3ms mark 1 linked\n4ms mark 1 main\n"
		      "10ms offcpu 1 out=6ms wake=9ms syscall=nanosleep context=hardirq timeout\n"
		      "12ms offcpu 1 out=11ms state=R\n"
		      "15ms syscall 1 read enter=13ms\n20ms exit 1 code=0\n");
	PATH(s, "0+2 p1 exec running cpu", "2+1 p1 link running cpu", "3+1 p1 init running cpu",
	     "4+2 p1 main running cpu", "6+3 p1 main blocked sleep",
	     "9+1 p1 main runnable runqueue", "10+1 p1 main running cpu",
	     "11+1 p1 main runnable runqueue", "12+1 p1 main running cpu",
	     "13+2 p1 main running cpu read", "15+5 p1 main running cpu");
	assert_int_equal(s->runs[0].startup_unknown_ns, 0);
	(void)session_free(s);
}

/* Of 20 ms two were spent waiting for a CPU, which the tree's other process had for @others: NULL, nobody
 * could tell. */
static double undisturbed_ms(const char *others)
{
	char story[512];
	(void)snprintf(story, sizeof(story),
		       BEGIN "0 exec 1 /x argv=x\n0 task 2 parent=1\n"
			     "10ms offcpu 1 out=6ms wake=9ms syscall=nanosleep context=hardirq\n"
			     "12ms offcpu 1 out=11ms state=R\n"
			     "%s%s%s"
			     "20ms usage 1 exit run=15ms\n20ms exit 1 code=0\n",
		       others != NULL ? "20ms exit 2 run=" : "", others != NULL ? others : "",
		       others != NULL ? "\n" : "");
	struct session *s = build(story);
	const double value = metrics_find(s, "startup.undisturbed")->values[0] / 1e6;
	(void)session_free(s);
	return value;
}

static void waits_for_a_cpu_are_left_out_but_for_the_trees_own(void **state)
{
	(void)state;
	assert_float_equal(undisturbed_ms("0"), 18, 1e-9);
	assert_float_equal(undisturbed_ms("500us"), 18.5, 1e-9);
	assert_float_equal(undisturbed_ms("2ms"), 20, 1e-9);
	assert_float_equal(undisturbed_ms("9ms"), 20, 1e-9);
	assert_true(isnan(undisturbed_ms(NULL)));
}

static void waiting_for_a_child_is_the_childs_time(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN
		"0 exec 1 /bin/sh argv=sh\n1ms task 2 parent=1\n"
		"2ms offcpu 2 out=1ms state=N\n3ms exec 2 /bin/sleep argv=sleep,9 enter=2500us\n"
		"9ms offcpu 2 out=4ms wake=9ms syscall=clock_nanosleep context=hardirq\n"
		"9500us exit 2 code=0\n"
		"11ms offcpu 1 out=1500us wake=10ms waker=2 syscall=wait4\n12ms exit 1 code=0\n");
	PATH(s, "0+1.5 p1 main running cpu", "1.5+0.5 p2 child runnable runqueue",
	     "2+0.5 p2 child running cpu", "2.5+0.5 p2 exec running cpu",
	     "3+1 p2 child running cpu", "4+5 p2 child blocked sleep", "9+1 p2 child running cpu",
	     "10+1 p1 main runnable runqueue", "11+1 p1 main running cpu");
	(void)session_free(s);
}

/* As in a shell that startline stopped while it waited for the server. */
static void waiting_for_a_child_that_goes_on_is_its_time_too(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN "0 exec 1 /bin/sh argv=sh\n1ms task 2 parent=1\n"
		      "20ms offcpu 2 out=4ms wake=20ms syscall=clock_nanosleep context=hardirq\n"
		      "9ms mark 1 stop detail=timeout value=15\n"
		      "9ms offcpu 1 out=2ms wake=9ms waker=77 comm=startline syscall=wait4\n"
		      "10ms exit 1 signal=15\n21ms exit 2 code=0\n");
	PATH(s, "0+2 p1 main running cpu", "2+2 p2 child running cpu", "4+5 p2 child blocked sleep",
	     "9+1 p1 main running cpu");
	(void)session_free(s);
}

static void ready_child_takes_the_path_back_over_its_forks(void **state)
{
	(void)state;
	struct session *s = build(
		"0 meta ready=accept\n" BEGIN "0 exec 1 /bin/sh argv=sh\n"
		"2ms task 2 parent=1\n3ms offcpu 1 out=2ms wake=3ms state=D syscall=vfork waker=2\n"
		"4ms task 3 parent=2\n4ms exit 2 code=0\n"
		"5ms exec 3 /srv argv=srv enter=4500us\n"
		"6ms net 3 listen sock=1 addr=127.0.0.1:80\n"
		"8ms net 3 accept_ready sock=1 addr=127.0.0.1:80 how=poll\n"
		"9ms exit 1 code=0\n20ms exit 3 signal=15\n");
	PATH(s, "0+2 p1 main running cpu", "2+2 p2 main running cpu", "4+0.5 p3 main running cpu",
	     "4.5+0.5 p3 exec running cpu", "5+3 p3 main running cpu");
	assert_int_equal(s->runs[0].ready_process, 3);
	(void)session_free(s);
}

/* haproxy's master executes itself once its worker runs; what it is in then has no marks yet. */
static void only_images_on_the_path_need_their_marks(void **state)
{
	(void)state;
	static const char story[] =
		"0 meta ready=accept\n" BEGIN "1ms exec 1 /srv argv=srv enter=0\n"
		"2ms mark 1 linked\n3ms mark 1 main\n%s4ms task 2 parent=1\n"
		"%s6ms net 2 listen sock=1 addr=127.0.0.1:80\n"
		"8ms net 2 accept_ready sock=1 addr=127.0.0.1:80 how=poll\n9ms exit 1 code=0\n";
	char text[512];

	(void)snprintf(text, sizeof(text), story, "", "5ms exec 1 /srv argv=srv\n");
	struct session *s = build(text);
	assert_true(s->runs[0].has_link_phase && s->runs[0].has_init_phase);
	(void)session_free(s);
	(void)snprintf(text, sizeof(text), story, "3500us exec 1 /srv argv=srv enter=3200us\n", "");
	s = build(text);
	assert_false(s->runs[0].has_link_phase || s->runs[0].has_init_phase);
	(void)session_free(s);
}

static void waker_that_did_not_exist_yet_leaves_its_creators_time(void **state)
{
	(void)state;
	/* 1 waits for 3 from 2 ms on; 3 was made by 2 at 6 ms. */
	struct session *s = build(
		BEGIN
		"0 exec 1 /x argv=x\n1ms task 2 parent=1\n6ms task 3 parent=2\n"
		"5ms offcpu 2 out=3ms wake=4ms syscall=read object=file text=/etc/a context=softirq\n"
		"9ms offcpu 1 out=2ms wake=9ms waker=3 syscall=read object=pipe\n"
		"10ms exit 1 code=0\n");
	PATH(s, "0+2 p1 main running cpu", "2+1 p2 child running cpu",
	     "3+1 p2 child blocked file_read /etc/a", "4+1 p2 child runnable runqueue",
	     "5+1 p2 child running cpu", "6+3 p3 child running cpu", "9+1 p1 main running cpu");
	(void)session_free(s);
}

static void two_that_wake_each_other_do_not_loop(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN
		"0 exec 1 /x argv=x\n1ms task 1/2 parent=1/1 thread\n"
		"8ms offcpu 1 out=2ms wake=8ms waker=1/2 syscall=futex\n"
		"7ms offcpu 1/2 out=3ms wake=6ms waker=1/1 comm=x syscall=futex\n10ms exit 1 code=0\n");
	PATH(s, "0+2 p1 main running cpu", "2+1 p1 main running cpu", "3+3 p1 main blocked lock x",
	     "6+1 p1 main runnable runqueue", "7+1 p1 main running cpu", "8+2 p1 main running cpu");
	assert_int_equal(s->runs[0].segments[1].thread, 2);
	(void)session_free(s);
}

static void who_ends_the_others_owns_the_path_whichever_goes_last(void **state)
{
	(void)state;
	/* 1 ends 1/2, which slept. */
	struct session *s =
		build(BEGIN "0 exec 1 /x argv=x\n1ms task 1/2 parent=1/1 thread\n"
			    "9ms offcpu 1/2 out=2ms wake=8ms waker=1/1 syscall=futex\n"
			    "8500us exit 1/1 code=0 thread group\n10ms exit 1/2 code=0 process\n");
	PATH(s, "0+8.5 p1 main running cpu", "8.5+0.5 p1 main runnable runqueue",
	     "9+1 p1 main running cpu");
	assert_int_equal(s->runs[0].segments[0].thread, 1);
	assert_int_equal(s->runs[0].segments[2].thread, 2);
	(void)session_free(s);
	/* A signal ended both. */
	s = build(BEGIN "0 exec 1 /x argv=x\n1ms task 1/2 parent=1/1 thread\n"
			"9ms offcpu 1/2 out=2ms wake=8ms waker=1/1 syscall=futex\n"
			"8500us exit 1/1 signal=15 thread\n10ms exit 1/2 signal=15 process\n");
	PATH(s, "0+8.5 p1 main running cpu", "8.5+0.5 p1 main runnable runqueue",
	     "9+1 p1 main running cpu");
	(void)session_free(s);
	/* The same as a child that is waited for. */
	s = build(BEGIN
		  "0 exec 1 /x argv=x\n0 task 2 parent=1\n1ms task 2/3 parent=2/2 thread\n"
		  "9ms offcpu 2/3 out=2ms wake=8ms waker=2/2 syscall=futex\n"
		  "8500us exit 2/2 code=0 thread group\n10ms exit 2/3 code=0 process\n"
		  "12ms offcpu 1 out=1ms wake=10ms waker=2/3 syscall=wait4\n13ms exit 1 code=0\n");
	PATH(s, "0+1 p1 main running cpu", "1+9 p2 child running cpu",
	     "10+2 p1 main runnable runqueue", "12+1 p1 main running cpu");
	(void)session_free(s);
}

static void exec_from_another_thread_keeps_its_past(void **state)
{
	(void)state;
	struct session *s =
		build(BEGIN "0 exec 1 /x argv=x\n1ms task 1/2 parent=1/1 thread\n"
			    "4ms offcpu 1/2 out=2ms wake=4ms syscall=nanosleep context=hardirq\n"
			    "6ms exec 1 /y argv=y enter=5ms caller=2\n8ms exit 1 code=0\n");
	PATH(s, "0+1 p1 main running cpu", "1+1 p1 main running cpu", "2+2 p1 main blocked sleep",
	     "4+1 p1 main running cpu", "5+1 p1 exec running cpu", "6+2 p1 main running cpu");
	assert_int_equal(s->runs[0].n_processes, 1);
	assert_int_equal(s->runs[0].segments[0].thread, 1);
	assert_int_equal(s->runs[0].segments[1].thread, 2);
	(void)session_free(s);
}

static void unfinished_wait_is_replaced_by_its_end(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN
		"0 exec 1 /x argv=x\n"
		"5ms offcpu 1 out=2ms wake=0 still syscall=nanosleep\n"
		"8ms offcpu 1 out=2ms wake=7ms syscall=nanosleep context=hardirq\n9ms exit 1 code=0\n");
	PATH(s, "0+2 p1 main running cpu", "2+5 p1 main blocked sleep",
	     "7+1 p1 main runnable runqueue", "8+1 p1 main running cpu");
	(void)session_free(s);
}

static void unknown_is_said(void **state)
{
	(void)state;
	struct session *s = build(
		BEGIN "0 exec 1 /x argv=x\n1ms symbol do_nfs_thing ip=77\n"
		      "3ms offcpu 1 out=2ms wake=3ms state=D syscall=munmap context=softirq\n"
		      "5ms offcpu 1 out=4ms wake=5ms state=D syscall=munmap context=softirq ip=77\n"
		      "6ms exit 1 code=0\n");
	PATH(s, "0+2 p1 main running cpu", "2+1 p1 main blocked unknown munmap",
	     "3+1 p1 main running cpu", "4+1 p1 main blocked kernel do_nfs_thing",
	     "5+1 p1 main running cpu");
	assert_int_equal(s->runs[0].startup_unknown_ns, 1 * MS);
	(void)session_free(s);
}

static void waiting_for_a_peer_is_told_as_such(void **state)
{
	(void)state;
	/* 2 answers on a socket that 1 connected, then on a socketpair without a name. */
	struct session *s = build(
		BEGIN "0 exec 1 /x argv=x\n0 task 2 parent=1\n"
		      "1ms net 2 listen sock=7 addr=unix:/run/s\n"
		      "5ms offcpu 1 out=2ms wake=5ms waker=2 syscall=connect object=unix sock=8\n"
		      "5ms net 1 connect sock=8 addr=unix:/run/s type=stream enter=2ms\n"
		      "7ms offcpu 1 out=6ms wake=7ms waker=2 syscall=read object=unix sock=8\n"
		      "9ms offcpu 1 out=8ms wake=9ms waker=2 syscall=read object=unix sock=9\n"
		      "10ms exit 1 code=0\n");
	PATH(s, "0+2 p1 main running cpu", "2+3 p1 main blocked connect unix /run/s",
	     "5+1 p1 main running cpu", "6+1 p1 main blocked network unix /run/s",
	     "7+1 p1 main running cpu", "8+1 p2 child running cpu", "9+1 p1 main running cpu");
	assert_int_equal(s->runs[0].connections[0].peer_process, 2);
	(void)session_free(s);
}

static void without_kernel_events_there_is_no_path(void **state)
{
	(void)state;
	struct session *s =
		build("0 meta source.bpf=not root\n0 meta source.shim=ok\n0 mark 1 spawn\n"
		      "1ms mark 1 linked\n2ms mark 1 main\n5ms mark 1 reaped code=0\n");
	assert_false(s->runs[0].has_segments);
	assert_int_equal(s->runs[0].startup_total_ns, 5 * MS);
	assert_int_equal(s->runs[0].startup_unknown_ns, UNKNOWN);
	(void)session_free(s);
}

/* ---- made-up traces: whatever they say, the path adds up ---- */

static unsigned int seed;

static unsigned int any(unsigned int below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % below;
}

/* A story of @n lines in which nothing needs to fit together. */
static char *made_up_story(unsigned int n)
{
	static const char *const calls[] = { "wait4",	   "read", "futex",	"connect",
					     "epoll_wait", "none", "nanosleep", "openat" };
	static const char *const states[] = { "S", "D", "R", "N", "T" };
	const size_t size = 4096 + (size_t)n * 160;
	char *story = malloc(size);
	assert_non_null(story);
	size_t at = (size_t)snprintf(story, size, BEGIN "1us exec 1 /x argv=x\n%s",
				     any(2) ? "0 meta ready=accept\n" : "");
	for (unsigned int i = 0; i < n; i++) {
		const unsigned int now = 1 + any(1000), pid = 1 + any(6), tid = 1 + any(9);
		char *line = story + at;
		const size_t room = size - at;
		int length = 0;
		switch (any(10)) {
		case 0:
			length = snprintf(line, room, "%uus task %u parent=%u/%u\n", now, pid,
					  1 + any(6), 1 + any(9));
			break;
		case 1:
			length = snprintf(line, room, "%uus task %u/%u parent=%u/%u thread\n", now,
					  pid, tid, pid, 1 + any(9));
			break;
		case 2:
			length = snprintf(line, room,
					  "%uus exec %u /y argv=y enter=%uus caller=%u\n", now, pid,
					  any(1000), tid);
			break;
		case 3:
			length = snprintf(line, room, "%uus exit %u/%u code=0%s%s\n", now, pid, tid,
					  any(3) ? " thread" : "", any(2) ? " group" : "");
			break;
		case 4:
			length = snprintf(line, room, "%uus mark %u %s\n", now, pid,
					  any(2) ? "linked" : "main");
			break;
		case 5:
			length = snprintf(line, room, "%uus syscall %u/%u read enter=%uus\n", now,
					  pid, tid, any(1000));
			break;
		case 6:
			length =
				any(20) != 0
					? 0
					: snprintf(
						  line, room,
						  "%uus net %u/%u accept_ready sock=1 addr=[::]:1 how=poll\n",
						  now, pid, tid);
			break;
		default:
			length = snprintf(
				line, room,
				"%uus offcpu %u/%u out=%uus wake=%uus waker=%u/%u state=%s "
				"syscall=%s context=%s%s\n",
				now, pid, tid, any(1000), any(1000), 1 + any(6), 1 + any(9),
				states[any(5)], calls[any(8)], any(4) ? "task" : "hardirq",
				any(9) ? "" : " still");
			break;
		}
		at += (size_t)length;
	}
	return story;
}

static void every_made_up_path_adds_up(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 400; round++) {
		seed = round;
		char *story = made_up_story(10 + round % 200);
		struct session *s = build(story);
		const struct run *run = &s->runs[0];
		int64_t at = 0;
		assert_true(run->has_segments);
		for (size_t i = 0; i < run->n_segments; i++) {
			assert_int_equal(run->segments[i].start_ns, at);
			assert_true(run->segments[i].duration_ns > 0);
			assert_in_range(run->segments[i].process, 1, run->n_processes);
			at += run->segments[i].duration_ns;
		}
		assert_int_equal(at, run->startup_total_ns);
		(void)session_free(s);
		free(story);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread_runs_waits_and_queues),
		cmocka_unit_test(waits_for_a_cpu_are_left_out_but_for_the_trees_own),
		cmocka_unit_test(waiting_for_a_child_is_the_childs_time),
		cmocka_unit_test(waiting_for_a_child_that_goes_on_is_its_time_too),
		cmocka_unit_test(only_images_on_the_path_need_their_marks),
		cmocka_unit_test(ready_child_takes_the_path_back_over_its_forks),
		cmocka_unit_test(waker_that_did_not_exist_yet_leaves_its_creators_time),
		cmocka_unit_test(two_that_wake_each_other_do_not_loop),
		cmocka_unit_test(who_ends_the_others_owns_the_path_whichever_goes_last),
		cmocka_unit_test(exec_from_another_thread_keeps_its_past),
		cmocka_unit_test(unfinished_wait_is_replaced_by_its_end),
		cmocka_unit_test(unknown_is_said),
		cmocka_unit_test(waiting_for_a_peer_is_told_as_such),
		cmocka_unit_test(without_kernel_events_there_is_no_path),
		cmocka_unit_test(every_made_up_path_adds_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
