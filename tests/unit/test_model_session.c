/* SPDX-License-Identifier: MIT */
/* Sessions built from stories: runs, processes, the ladder, metrics. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

#define MS 1000000

static const struct milestone *rung(const struct run *run, const char *name)
{
	for (size_t i = 0; i < run->n_milestones; i++)
		if (strcmp(run->milestones[i].name, name) == 0)
			return &run->milestones[i];
	fail_msg("no rung %s", name);
	return NULL;
}

#define SERVER                                                                \
	"0 meta source.bpf=ok\n0 meta source.shim=ok\n0 meta host.cpus=2\n"   \
	"0 meta command=server\n0 meta command=--port\n0 meta command=80\n"   \
	"0 meta ready=accept\n"                                               \
	"0 task 100 parent=1 attached\n"                                      \
	"1ms mark 100 spawn\n"                                                \
	"2ms exec 100 /usr/bin/server argv=server,--port,80 enter=1900us\n"   \
	"4ms mark 100 linked\n5ms mark 100 main\n"                            \
	"6ms net 100 bind sock=1 addr=127.0.0.1:80\n"                         \
	"7ms net 100 listen sock=1 addr=127.0.0.1:80\n"                       \
	"20ms net 100 accept_ready sock=1 addr=127.0.0.1:80 how=epoll\n"      \
	"20ms usage 100 ready rss=4M peak=5M\n"                               \
	"25ms net 100 accept sock=2 other=1 addr=127.0.0.1:5000\n"            \
	"26ms net 100 first_byte sock=2 other=1\n"                            \
	"30ms mark 100 stop detail=ready value=15\n"                          \
	"31ms usage 100 exit user=3ms system=1ms run=4ms peak=6M threads=1\n" \
	"31ms exit 100 code=0 run=4ms\n32ms mark 100 reaped code=0\n33ms mark 0 gone\n"

static void server_climbs_the_ladder(void **state)
{
	(void)state;
	struct session *s = build(SERVER);
	const struct run *run = &s->runs[0];

	assert_int_equal(s->n_runs, 1);
	assert_int_equal(s->command.n, 3);
	assert_string_equal(s->command.items[2], "80");
	assert_true(run->has_ready);
	assert_int_equal(run->ready_ns, 18100000);
	assert_string_equal(run->ready_level, "accept_ready");
	assert_string_equal(run->ready_endpoint, "tcp 127.0.0.1:80");
	assert_int_equal(run->ready_process, 1);
	assert_int_equal(rung(run, "exec")->time_ns, 0);
	assert_int_equal(rung(run, "linked")->time_ns, 2100000);
	assert_int_equal(rung(run, "main")->time_ns, 3100000);
	assert_int_equal(rung(run, "bind")->time_ns, 4100000);
	assert_int_equal(rung(run, "listen")->time_ns, 5100000);
	assert_string_equal(rung(run, "accept_ready")->evidence, "epoll_wait");
	assert_int_equal(rung(run, "first_accept")->time_ns, 23100000);
	assert_int_equal(rung(run, "first_byte")->time_ns, 24100000);
	assert_int_equal(rung(run, "notified")->time_ns, UNKNOWN);
	assert_string_equal(run->exit_reason, "ready");
	assert_int_equal(run->exit_code, 0);
	assert_int_equal(run->exit_signal, UNKNOWN);
	(void)session_free(s);
}

static void server_has_its_metrics(void **state)
{
	(void)state;
	struct session *s = build(SERVER);

	assert_int_equal(value_of(s, "startup.ready"), 18100000);
	assert_int_equal(value_of(s, "startup.exec"), 100000);
	assert_int_equal(value_of(s, "startup.link"), 2 * MS);
	assert_int_equal(value_of(s, "startup.init"), 1 * MS);
	assert_int_equal(value_of(s, "startup.main"), 15 * MS);
	assert_int_equal(value_of(s, "startup.listen_gap"), 13 * MS);
	assert_int_equal(value_of(s, "time.wall"), 29100000);
	assert_int_equal(value_of(s, "cpu.user"), 3 * MS);
	assert_int_equal(value_of(s, "mem.peak_rss"), 6 << 20);
	assert_int_equal(value_of(s, "mem.ready_rss"), 4 << 20);
	assert_int_equal(value_of(s, "proc.count"), 1);
	assert_int_equal(value_of(s, "proc.execs"), 1);
	assert_true(isnan(value_of(s, "heap.allocs")));
	assert_true(fabs(value_of(s, "cpu.utilization") - 4 / 29.1 / 2) < 1e-9);
	assert_null(metrics_find(s, "no.such"));
	assert_string_equal(s->runs[0].findings[0].id, "early-listen");
	assert_int_equal(s->runs[0].findings[0].cost_ns, 13 * MS);
	(void)session_free(s);
}

static void edge_triggered_wait_is_confirmed_by_its_accept(void **state)
{
	(void)state;
	struct session *s =
		build("0 meta source.bpf=ok\n0 mark 9 spawn\n1ms exec 9 /s argv=s static\n"
		      "2ms net 9 listen sock=1 addr=[::]:80\n"
		      "3ms net 9 accept_ready sock=1 addr=[::]:80 how=epoll_edge\n"
		      "4ms net 9 accept_ready sock=1 addr=[::]:80 how=epoll_edge\n"
		      "9ms net 9 accept_ready sock=1 addr=[::]:80 how=edge_accept\n"
		      "2ms net 9 listen sock=2 addr=unix:@second\n"
		      "3ms net 9 accept_ready sock=2 how=epoll_edge\n"
		      "5ms net 9 accept_ready sock=2 how=epoll_edge\n10ms exit 9 code=0\n");
	const struct listener *l = s->runs[0].listeners;

	assert_int_equal(s->runs[0].n_listeners, 2);
	assert_string_equal(l[0].endpoint, "tcp [::]:80");
	assert_int_equal(l[0].accept_ready_ns, 8 * MS);
	assert_int_equal(l[0].bind_ns, UNKNOWN);
	assert_string_equal(l[1].endpoint, "unix @second");
	assert_int_equal(l[1].accept_ready_ns, UNKNOWN);
	assert_string_equal(l[1].evidence, "edge-triggered, unconfirmed");
	assert_false(s->runs[0].has_ready);
	(void)session_free(s);
}

static void what_is_said_while_it_is_stopped_is_no_readiness(void **state)
{
	(void)state;
	struct session *s = build("0 meta source.bpf=ok\n0 meta ready=log:bye\n0 mark 9 spawn\n"
				  "1ms exec 9 /s argv=s\n5ms mark 9 stop detail=timeout value=15\n"
				  "6ms output 9 fd=1 bytes=bye,\n9ms exit 9 code=0\n");
	assert_false(s->runs[0].has_ready);
	assert_int_equal(rung(&s->runs[0], "notified")->time_ns, UNKNOWN);
	assert_string_equal(s->runs[0].exit_reason, "timeout");
	(void)session_free(s);
}

static void log_line_has_its_rung_and_ready_waits_for_all(void **state)
{
	(void)state;
	struct session *s = build("0 meta source.bpf=ok\n0 meta ready=log:up.*now\n"
				  "0 meta ready=accept\n0 mark 9 spawn\n1ms exec 9 /s argv=s\n"
				  "3ms output 9 fd=1 bytes=\"up and now\\n\"\n"
				  "5ms net 9 listen sock=1 addr=[::1]:80\n"
				  "6ms net 9 accept_ready sock=1 addr=[::1]:80 how=poll\n"
				  "9ms exit 9 code=0\n");
	const struct run *run = &s->runs[0];

	assert_int_equal(run->ready_ns, 5 * MS);
	assert_string_equal(run->ready_level, "accept_ready");
	assert_int_equal(rung(run, "notified")->time_ns, 2 * MS);
	assert_string_equal(rung(run, "notified")->evidence, "log:up.*now");
	(void)session_free(s);
}

static void reused_pid_is_another_process(void **state)
{
	(void)state;
	struct session *s = build(
		"0 meta source.bpf=ok\n0 mark 9 spawn\n1ms exec 9 /bin/sh argv=sh\n"
		"2ms task 10 parent=9\n3ms exec 10 /bin/true argv=true\n4ms exit 10 code=3\n"
		"5ms task 10 parent=9\n6ms exec 10 /bin/cat argv=cat,-v\n7ms exit 10 signal=9\n"
		"8ms heap 10 exit since=3ms malloc=23\n9ms exit 9 code=0\n");
	const struct run *run = &s->runs[0];

	assert_int_equal(run->n_processes, 3);
	assert_int_equal(run->processes[0].parent, 0);
	assert_int_equal(run->processes[1].parent, 1);
	assert_int_equal(run->processes[1].exit_code, 3);
	assert_int_equal(run->processes[1].heap.allocs, 23);
	assert_false(run->processes[2].heap.is_known);
	assert_int_equal(run->processes[2].exit_code, UNKNOWN);
	assert_int_equal(run->processes[2].exit_signal, 9);
	assert_string_equal(run->processes[2].argv.items[1], "-v");
	(void)session_free(s);
}

static void lost_records_still_make_processes(void **state)
{
	(void)state;
	/* TASK of 20 and 30 are lost, and so is the EXIT of 20's first life. */
	struct session *s =
		build("0 meta source.bpf=ok\n0 mark 9 spawn\n1ms exec 9 /bin/sh argv=sh\n"
		      "2ms exec 20 /bin/a argv=a\n3ms task 30 parent=20\n"
		      "4ms task 20 parent=9\n5ms exec 20 /bin/b argv=b\n"
		      "6ms exit 20 code=0\n7ms exec 20 /bin/c argv=c\n"
		      "8ms task 50 parent=40\n9ms exit 9 code=0\n");
	const struct run *run = &s->runs[0];

	assert_int_equal(run->n_processes, 7);
	assert_string_equal(run->processes[1].exe, "/bin/a");
	assert_int_equal(run->processes[2].parent, 2);
	assert_string_equal(run->processes[2].exe, "/bin/a");
	assert_string_equal(run->processes[3].exe, "/bin/b");
	assert_string_equal(run->processes[4].exe, "/bin/c");
	assert_int_equal(run->processes[6].parent, 6);
	assert_int_equal(run->processes[5].pid, 40);
	(void)session_free(s);
}

static void shim_events_join_by_namespace_pid(void **state)
{
	(void)state;
	struct session *s = build(
		"0 meta source.bpf=ok\n0 meta source.shim=ok\n0 task 900 parent=1 ns=7 attached\n"
		"0 mark 7 spawn\n1ms exec 900 /s argv=s ns=7\n2ms mark 7 linked nsids\n"
		"3ms mark 7 main nsids\n4ms heap 7 exit nsids ns=7 since=1ms malloc=5 free=2\n"
		"4ms mark 8 main nsids\n5ms exit 900 code=0\n");
	const struct run *run = &s->runs[0];

	assert_int_equal(run->n_processes, 1);
	assert_int_equal(run->processes[0].pid, 900);
	assert_int_equal(run->processes[0].images[0].main_ns, 2 * MS);
	assert_int_equal(run->processes[0].heap.allocs, 5);
	assert_string_equal(run->processes[0].coverage_heap, "counted");
	(void)session_free(s);
}

/* 10 is the command; 11 is found in /proc before it says what it is, 12 after, and again when it has said that it
 * leaves; 13 says no word. */
static void without_kernel_events_a_process_is_told_of_twice(void **state)
{
	(void)state;
	struct session *s = build(
		"0 meta source.bpf=not root\n0 meta source.shim=ok\n"
		"0 mark 10 spawn source=collect\n0 exec 10 /bin/sh argv=sh source=collect\n"
		"1ms task 10 parent=1 ns=10 source=shim nsids\n"
		"1ms exec 10 /usr/bin/dash argv=sh,-x source=shim nsids ns=10\n"
		"1ms mark 10 linked nsids\n"
		"2ms task 11 parent=10 ns=11 source=collect\n2ms exec 11 /usr/bin/dash argv=sh source=collect\n"
		"3ms task 11 parent=10 ns=11 source=shim nsids\n"
		"3ms exec 11 /bin/ls argv=ls,/ source=shim nsids ns=11\n"
		"4ms task 12 parent=10 ns=12 source=shim nsids\n"
		"4ms exec 12 /bin/cat argv=cat source=shim nsids ns=12\n"
		"5ms task 12 parent=10 ns=12 source=collect\n5ms exec 12 /bin/cat argv=cat source=collect\n"
		"6ms cover 13 static next nsids ns=13 text=/opt/tool\n"
		"7ms exit 12 no_status source=collect\n"
		"7500us task 12 parent=10 ns=12 source=collect\n7500us exec 12 /bin/cat argv=cat source=collect\n"
		"8ms exit 10 no_status source=collect\n"
		"9ms exit 10 code=3 source=collect\n9ms mark 10 reaped code=3\n10ms mark 0 gone\n");
	const struct run *run = &s->runs[0];

	assert_int_equal(run->n_processes, 4);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(run->processes[i].n_images, 1);
	assert_int_equal(run->processes[0].argv.n, 2);
	assert_int_equal(run->processes[0].images[0].time_ns, 0);
	assert_int_equal(run->processes[0].exit_ns, 9 * MS);
	assert_int_equal(run->processes[0].exit_code, 3);
	assert_string_equal(run->processes[1].exe, "/bin/ls");
	assert_int_equal(run->processes[1].exit_ns, UNKNOWN);
	assert_int_equal(run->processes[2].parent, 1);
	assert_int_equal(run->processes[2].exit_ns, 7 * MS);
	assert_int_equal(run->processes[2].exit_code, UNKNOWN);
	assert_string_equal(run->processes[3].exe, "/opt/tool");
	assert_string_equal(run->processes[3].coverage_heap, "static");
	(void)session_free(s);
}

static void failed_execs_of_the_launcher_do_not_count(void **state)
{
	(void)state;
	struct session *s = build("0 meta source.bpf=ok\n0 mark 9 spawn\n"
				  "1ms execfail 9 /usr/local/bin/x result=ENOENT enter=900us\n"
				  "2ms exec 9 /bin/x argv=x enter=1800us\n"
				  "3ms execfail 9 /opt/y result=EACCES enter=2900us\n"
				  "4ms exec 9 /bin/y argv=y enter=3900us\n9ms exit 9 code=0\n");
	const struct process *p = s->runs[0].processes;

	assert_int_equal(p->n_images, 3);
	assert_string_equal(p->images[0].result, "ok");
	assert_int_equal(p->images[0].time_ns, 0);
	assert_string_equal(p->images[1].result, "EACCES");
	assert_string_equal(p->exe, "/bin/y");
	assert_int_equal(value_of(s, "proc.execs"), 2);
	(void)session_free(s);
}

static void args_with_a_hole_are_truncated(void **state)
{
	(void)state;
	struct session *s =
		build("0 meta source.bpf=ok\n0 mark 9 spawn\n1ms exec 9 /x argv_bytes=11\n"
		      "1ms args 9 exec=1ms offset=0 bytes=x\\0aa\\0\n"
		      "1ms args 9 exec=1ms offset=8 bytes=cc\\0\n9ms exit 9 code=0\n");
	const struct process *p = s->runs[0].processes;

	assert_int_equal(p->argv.n, 2);
	assert_string_equal(p->argv.items[1], "aa");
	assert_true(p->images[0].is_truncated);
	assert_int_equal(p->images[0].argv_bytes, 11);
	(void)session_free(s);
}

static void connections_know_peer_and_replies(void **state)
{
	(void)state;
	struct session *s = build(
		"0 meta source.bpf=ok\n0 mark 9 spawn\n1ms exec 9 /x argv=x\n"
		"2ms net 9 connect sock=5 addr=10.0.0.1:5432 type=stream result=EINPROGRESS\n"
		"9ms net 9 established sock=5 addr=10.0.0.1:5432\n"
		"12ms net 9 reply sock=5 addr=10.0.0.1:5432 enter=10ms\n"
		"16ms net 9 reply sock=5 addr=10.0.0.1:5432 enter=13ms\n"
		"17ms net 9 connect sock=6 addr=127.0.0.1:80 type=stream result=ECONNREFUSED enter=16ms\n"
		"18ms net 9 connect sock=7 addr=1.1.1.1:53 type=dgram enter=18ms\n"
		"19ms net 9 connect sock=7 enter=19ms\n" /* of no family: it dissolves */
		"19ms exit 9 code=0\n");
	const struct run *run = &s->runs[0];

	assert_int_equal(run->n_connections, 3);
	assert_string_equal(run->connections[0].peer, "tcp 10.0.0.1:5432");
	assert_string_equal(run->connections[0].result, "ok");
	assert_int_equal(run->connections[0].duration_ns, 7 * MS);
	assert_int_equal(run->connections[0].reply_ns, 2 * MS);
	assert_string_equal(run->connections[1].result, "ECONNREFUSED");
	assert_string_equal(run->connections[2].peer, "udp 1.1.1.1:53");
	assert_int_equal(value_of(s, "net.connects"), 2);
	const struct series *replies = metrics_find(s, "net.reply[tcp 10.*]");
	assert_int_equal(replies->n_values, 2);
	assert_int_equal(replies->values[1], 3 * MS);
	/* The refused one was never established. */
	assert_int_equal(metrics_find(s, "net.connect[tcp *]")->n_values, 1);
	(void)session_free(s);
}

static void children_are_timed_as_a_union(void **state)
{
	(void)state;
	struct session *s = build(
		"0 meta source.bpf=ok\n0 mark 9 spawn\n0 exec 9 /bin/make argv=make\n"
		"1ms task 10 parent=9\n1ms exec 10 /bin/gcc argv=gcc,a.c\n"
		"3ms task 11 parent=9\n3ms exec 11 /bin/gcc argv=gcc,b.c\n5ms exit 10 code=0\n"
		"6ms exit 11 code=0\n8ms task 12 parent=9\n8ms exec 12 /bin/gcc argv=gcc,c.c\n"
		"9ms exit 12 code=0\n9ms task 13 parent=9\n9ms exec 13 /bin/ld argv=ld\n"
		"10ms exit 13 code=0\n11ms exit 9 code=0\n");

	assert_int_equal(value_of(s, "time.child[gcc *]"), 6 * MS);
	assert_int_equal(value_of(s, "time.child[ld*]"), 1 * MS);
	assert_true(isnan(value_of(s, "time.child[make]")));
	bool has_row = false;
	for (size_t i = 0; i < s->n_series; i++)
		has_row = has_row || strcmp(s->series[i].id, "time.child[gcc*]") == 0;
	assert_true(has_row);
	(void)session_free(s);
}

static void a_script_is_meant_by_its_name(void **state)
{
	(void)state;
	struct session *s =
		build("0 meta source.bpf=ok\n0 mark 9 spawn\n0 exec 9 /bin/make argv=make\n"
		      "1ms task 10 parent=9\n"
		      "1ms exec 10 /x argv=/usr/bin/python3,/usr/bin/coverage,report,-m\n"
		      "3ms exit 10 code=0\n3ms task 11 parent=9\n"
		      "3ms exec 11 /x argv=/usr/local/bin/coverage,run\n"
		      "7ms exit 11 code=0\n8ms exit 9 code=0\n");
	assert_int_equal(value_of(s, "time.child[coverage report*]"), 2 * MS);
	assert_int_equal(value_of(s, "time.child[coverage run]"), 4 * MS);
	assert_int_equal(value_of(s, "time.child[/usr/bin/python3*]"), 2 * MS);
	assert_true(isnan(value_of(s, "time.child[report*]")));
	(void)session_free(s);
}

static void runs_are_kept_apart_and_warmups_left_out(void **state)
{
	(void)state;
	struct session *s = build(
		"0 meta source.bpf=ok\n"
		"0 host start steal=1\n0 task 9 parent=1 attached\n0 mark 9 spawn\n"
		"0 meta run.warmup=1\n1ms exec 9 /x argv=warm\n2ms exit 9 code=0\n"
		"3ms mark 9 reaped code=0\n3ms mark 0 gone\n3ms heap 9 exit since=1ms malloc=1\n"
		"4ms task 10 parent=1 attached\n5ms mark 10 spawn value=1\n6ms exec 10 /x argv=one\n"
		"8ms exit 10 code=0\n8ms mark 10 reaped code=0\n9ms mark 0 gone\n"
		"10ms mark 11 spawn value=2\n11ms exec 11 /x argv=two\n14ms exit 11 code=1\n"
		"14ms mark 11 reaped code=1\n15ms mark 0 gone\n");

	assert_int_equal(s->n_runs, 2);
	assert_string_equal(s->runs[0].processes[0].argv.items[0], "one");
	assert_int_equal(s->runs[0].n_processes, 1);
	assert_int_equal(s->runs[1].exit_code, 1);
	const struct series *wall = metrics_find(s, "time.wall");
	assert_int_equal(wall->n_values, 2);
	assert_int_equal(wall->values[0], 2 * MS);
	assert_int_equal(wall->summary.median, 2.5 * MS);
	(void)session_free(s);
}

static void empty_recording_is_no_session(void **state)
{
	(void)state;
	struct session *s = NULL;
	struct trace *t = events_trace("0 meta source.bpf=ok\n");
	assert_int_equal(session_build(t, &s), -ENODATA);
	assert_null(s);
	(void)trace_free(t);
}

static void complete_needs_gapless_numbers(void **state)
{
	(void)state;
#define COUNTED                                                                    \
	"0 meta source.bpf=ok\n0 mark 9 spawn\n1ms exec 9 /x\n2ms exit 9 code=0\n" \
	"3ms mark 9 reaped code=0\n3ms mark 0 gone\n"
	struct session *s =
		build(COUNTED "4ms tally bpf producer=0 count=2\n4ms drops bpf kind=any\n");
	assert_true(s->runs[0].is_complete);
	assert_int_equal(s->runs[0].lost_bpf, 0);
	assert_int_equal(s->runs[0].lost_shim, UNKNOWN);
	(void)session_free(s);

	s = build(COUNTED "4ms tally bpf producer=0 count=7\n4ms drops bpf kind=offcpu count=5\n");
	assert_false(s->runs[0].is_complete);
	assert_int_equal(s->runs[0].lost_bpf, 5);
	assert_string_equal(s->runs[0].losses[0].kind, "offcpu");
	assert_int_equal(s->runs[0].losses[0].count, 5);
	(void)session_free(s);

	s = build(COUNTED);
	assert_false(s->runs[0].is_complete);
	(void)session_free(s);
}

static void own_opens_do_not_count(void **state)
{
	(void)state;
	struct session *s =
		build("0 meta source.bpf=ok\n0 meta source.shim.path=/lib/shim.so\n"
		      "1ms mark 9 spawn\n2ms exec 9 /p argv=p enter=2ms\n"
		      "3ms open 9 /lib/shim.so result=3\n3ms open 9 /lib/shim.so.1 result=3\n"
		      "3ms open 9 /lib/shim.s result=3\n3ms open 9 /dev/shm/x result=3 "
		      "flags=0x40080000\n3ms open 9 /y result=ENOENT flags=0x40000000\n"
		      "3ms open 9 /y result=ENOENT flags=0x80000\n4ms mark 9 reaped code=0\n");
	assert_int_equal(s->runs[0].file_opens, 2);
	assert_int_equal(s->runs[0].file_misses, 1);
	(void)session_free(s);
}

static void sums_in_place_of_stays_are_said(void **state)
{
	(void)state;
	struct session *s = build("0 meta source.bpf=ok\n1ms mark 9 spawn\n"
				  "2ms exec 9 /p argv=p enter=2ms\n"
				  "7ms schedsum 9 since=4ms blocked=1ms runnable=1ms count=41\n"
				  "8ms schedsum 9/10 since=4ms blocked=1ms runnable=1ms count=23\n"
				  "9ms mark 9 reaped code=0\n");
	assert_int_equal(s->runs[0].switches_summed, 64);
	assert_int_equal(s->n_notes, 2);
	assert_non_null(strstr(s->notes[1], "sums stand for"));
	(void)session_free(s);
}

/* It is moved into its group before it is released, and may wait for that. */
static void the_next_command_is_none_of_a_runs_processes(void **state)
{
	(void)state;
	struct session *s =
		build("0 meta source.bpf=ok\n0 mark 9 spawn\n1ms exec 9 /x argv=x\n"
		      "2ms usage 9 exit user=1ms system=1ms run=2ms\n2ms exit 9 code=0 run=2ms\n"
		      "3ms mark 0 gone\n5ms offcpu 8 out=4ms wake=5ms\n5ms host start\n"
		      "6ms mark 8 spawn value=1\n7ms exec 8 /x argv=x\n8ms exit 8 code=0\n"
		      "9ms mark 0 gone\n");
	assert_int_equal(s->n_runs, 2);
	assert_int_equal(s->runs[0].n_processes, 1);
	assert_int_equal(metrics_find(s, "cpu.user")->values[0], MS);
	(void)session_free(s);
}

static void the_speed_of_the_cpus_is_that_of_all_samples(void **state)
{
	(void)state;
	struct session *s = build("0 meta source.bpf=ok\n0 mark 9 spawn\n1ms exec 9 /x argv=x\n"
				  "1ms task 10 parent=9\n"
				  "2ms usage 10 exit speed_samples=1 speed_sum=900000\n"
				  "2ms usage 9 exit speed_samples=3 speed_sum=2100000\n"
				  "2ms exit 9 code=0\n3ms mark 0 gone\n");
	assert_int_equal(value_of(s, METRIC_SPEED), 750000);
	(void)session_free(s);
	s = build("0 meta source.bpf=ok\n0 mark 9 spawn\n1ms exec 9 /x argv=x\n"
		  "2ms usage 9 exit user=1ms\n2ms exit 9 code=0\n3ms mark 0 gone\n");
	assert_int_equal(s->runs[0].cpu_speed, UNKNOWN);
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_climbs_the_ladder),
		cmocka_unit_test(server_has_its_metrics),
		cmocka_unit_test(the_next_command_is_none_of_a_runs_processes),
		cmocka_unit_test(the_speed_of_the_cpus_is_that_of_all_samples),
		cmocka_unit_test(edge_triggered_wait_is_confirmed_by_its_accept),
		cmocka_unit_test(what_is_said_while_it_is_stopped_is_no_readiness),
		cmocka_unit_test(log_line_has_its_rung_and_ready_waits_for_all),
		cmocka_unit_test(reused_pid_is_another_process),
		cmocka_unit_test(lost_records_still_make_processes),
		cmocka_unit_test(shim_events_join_by_namespace_pid),
		cmocka_unit_test(without_kernel_events_a_process_is_told_of_twice),
		cmocka_unit_test(failed_execs_of_the_launcher_do_not_count),
		cmocka_unit_test(args_with_a_hole_are_truncated),
		cmocka_unit_test(connections_know_peer_and_replies),
		cmocka_unit_test(children_are_timed_as_a_union),
		cmocka_unit_test(a_script_is_meant_by_its_name),
		cmocka_unit_test(runs_are_kept_apart_and_warmups_left_out),
		cmocka_unit_test(empty_recording_is_no_session),
		cmocka_unit_test(complete_needs_gapless_numbers),
		cmocka_unit_test(own_opens_do_not_count),
		cmocka_unit_test(sums_in_place_of_stays_are_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
