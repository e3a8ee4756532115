/* SPDX-License-Identifier: MIT */
/* What each wait waited for: one story per cause. */

#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/stories.h"

/* The cause and detail of a wait from 2 ms to 5 ms, described by @words. Before it the process
 * opened connections to a database and to a name server, and listens; a child and a neighbour
 * process can wake it. */
static void assert_cause(const char *words, const char *expected)
{
	char story[2048], got[256];
	(void)snprintf(story, sizeof(story),
		       "0 meta source.bpf=ok\n0 mark 9 spawn\n0 exec 9 /x argv=x\n"
		       "0 symbol ext4_wait ip=5\n"
		       "1ms net 9 listen sock=3 addr=127.0.0.1:80\n"
		       "1ms net 9 connect sock=1 addr=10.0.0.1:5432 type=stream enter=1ms\n"
		       "1ms net 9 connect sock=2 addr=10.0.0.2:53 type=dgram enter=1ms\n"
		       "5ms offcpu 9 out=2ms wake=5ms %s\n"
		       "6ms net 9 connect sock=4 addr=unix:/run/full type=stream enter=2ms\n"
		       "7ms exec 9 /bin/next argv=next enter=1500us\n8ms exit 9 code=0\n",
		       words);
	struct session *s = build(story);
	const struct segment *g = NULL;
	for (size_t i = 0; i < s->runs[0].n_segments; i++)
		if (s->runs[0].segments[i].state == ACTIVITY_BLOCKED)
			g = &s->runs[0].segments[i];
	assert_non_null(g);
	(void)snprintf(got, sizeof(got), "%s|%s", cause_name(g->cause), g->detail);
	assert_string_equal(got, expected);
	(void)session_free(s);
}

static void sleeps(void **state)
{
	(void)state;
	assert_cause("syscall=nanosleep context=hardirq", "sleep|");
	assert_cause("syscall=select context=hardirq timeout", "sleep|");
	assert_cause("syscall=epoll_wait object=epoll context=hardirq timeout", "sleep|");
	assert_cause("syscall=futex context=hardirq timeout", "sleep|");
	assert_cause("syscall=rt_sigtimedwait context=hardirq timeout", "sleep|");
	assert_cause("syscall=read object=other text=[timerfd] context=hardirq", "sleep|[timerfd]");
	assert_cause("syscall=poll object=other text=[timerfd] context=hardirq", "sleep|[timerfd]");
	assert_cause("syscall=epoll_wait object=epoll text=[eventpoll] context=hardirq", "sleep|");
	assert_cause("syscall=rt_sigtimedwait waker=500 comm=init", "signal|init");
	assert_cause("syscall=pause waker=500 comm=kill", "signal|kill");
	assert_cause("state=T", "signal|stopped");
}

/* Who waits for clients that never come is woken by startline at the end. */
static void being_stopped_is_no_traffic(void **state)
{
	(void)state;
	assert_cause(
		"syscall=poll waker=500 comm=startline\n4ms mark 9 stop detail=timeout value=15",
		"signal|startline");
	assert_cause("syscall=poll waker=500 comm=client\n6ms mark 9 stop detail=timeout value=15",
		     "network|client");
}

static void others(void **state)
{
	(void)state;
	assert_cause("syscall=wait4 waker=500 comm=stranger", "child|stranger");
	assert_cause("syscall=vfork waker=500 comm=kid state=D", "child|kid");
	assert_cause("syscall=futex waker=500 comm=db", "lock|db");
	assert_cause("syscall=flock object=file text=/run/lock", "lock|/run/lock");
	assert_cause("syscall=read object=pipe waker=500 comm=cat", "pipe|cat");
	assert_cause("syscall=poll object=pipe waker=500 comm=cat", "pipe|cat");
}

static void network(void **state)
{
	(void)state;
	assert_cause("syscall=read object=tcp sock=1 context=softirq", "network|tcp 10.0.0.1:5432");
	assert_cause("syscall=poll object=tcp sock=1 context=softirq", "network|tcp 10.0.0.1:5432");
	assert_cause("syscall=recvfrom object=udp sock=2 context=softirq", "dns|udp 10.0.0.2:53");
	assert_cause("syscall=poll object=udp sock=2 context=softirq", "dns|udp 10.0.0.2:53");
	assert_cause("syscall=epoll_wait object=epoll context=softirq", "network|");
	assert_cause("syscall=accept object=tcp sock=3 context=softirq",
		     "network|tcp 127.0.0.1:80");
	assert_cause("syscall=connect object=unix sock=4 waker=500 comm=x",
		     "connect|unix /run/full");
}

/* An event loop waits on many sockets at once; what came in tells which one it was. */
static void loops(void **state)
{
	(void)state;
#define REPLY	"\n5500us net 9 reply sock=1 addr=10.0.0.1:5432 enter=1ms"
#define PENDING "\n1500us net 9 connect sock=6 addr=10.0.0.3:80 type=stream result=EINPROGRESS"
#define THROUGH "\n4980us net 9 established sock=6 addr=10.0.0.3:80"
	assert_cause("syscall=epoll_wait object=epoll context=softirq" REPLY,
		     "network|tcp 10.0.0.1:5432");
	assert_cause("syscall=epoll_wait object=epoll waker=500 comm=db" REPLY,
		     "network|tcp 10.0.0.1:5432");
	assert_cause("syscall=epoll_wait object=epoll context=softirq" PENDING THROUGH,
		     "connect|tcp 10.0.0.3:80");
	assert_cause("syscall=poll object=pipe waker=500 comm=cat" REPLY, "pipe|cat");
	assert_cause("syscall=epoll_wait object=epoll context=hardirq timeout" REPLY, "sleep|");
	/* Another thread read it. */
	assert_cause("syscall=epoll_wait object=epoll context=softirq"
		     "\n5500us net 9/10 reply sock=1 addr=10.0.0.1:5432 enter=1ms",
		     "network|");
}

static void storage(void **state)
{
	(void)state;
	assert_cause("syscall=read object=file text=/etc/passwd state=D iowait",
		     "file_read|/etc/passwd");
	assert_cause("syscall=read object=file leaf text=passwd\\0etc\\0 state=D",
		     "file_read|/etc/passwd");
	assert_cause("syscall=execve state=D iowait", "file_read|/bin/next");
	assert_cause("syscall=262 text=lib/x.so state=D iowait", "file_read|lib/x.so");
	assert_cause("syscall=fsync object=file text=/db state=D iowait", "file_write|/db");
	assert_cause("syscall=munmap state=D iowait", "disk|munmap");
	assert_cause("object=fault_file text=/lib/x.so state=D", "page_fault|/lib/x.so");
	assert_cause("syscall=read object=fault_anon state=D major", "page_fault|");
	assert_cause("major state=D", "page_fault|");
	assert_cause("syscall=munmap state=D ip=5", "kernel|ext4_wait");
	assert_cause("syscall=munmap state=D", "unknown|munmap");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sleeps),  cmocka_unit_test(others),
		cmocka_unit_test(network), cmocka_unit_test(loops),
		cmocka_unit_test(storage), cmocka_unit_test(being_stopped_is_no_traffic),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
