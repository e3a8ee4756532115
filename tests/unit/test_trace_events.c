/* SPDX-License-Identifier: MIT */
/* Stories become the events they tell, and events become lines that hide nothing and break
 * nothing. Also: a long recording needs no more memory than a short one. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tests/lib/events.h"
#include "tests/unit/cmocka.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/trace/dump.h"
#include "userspace/trace/kinds.h"

#define MS NS_PER_MS

/* One line that each kind accepts; a new kind needs one here. */
static const struct {
	unsigned int kind;
	const char *line;
} examples[] = {
	{ SL_KIND_META, "0 meta host.cpu=a b" },
	{ SL_KIND_MARK, "0 mark 100 spawn value=1" },
	{ SL_KIND_TASK, "0 task 100/101 parent=1/2 thread comm=sh" },
	{ SL_KIND_EXEC, "1ms exec 100 /bin/sh static" },
	{ SL_KIND_ARGS, "1ms args 100 exec=1ms bytes=a\\0b" },
	{ SL_KIND_EXECFAIL, "1ms execfail 100 /x result=ENOENT" },
	{ SL_KIND_EXIT, "1ms exit 100 code=3" },
	{ SL_KIND_USAGE, "1ms usage 100 exit user=1ms" },
	{ SL_KIND_OFFCPU, "5ms offcpu 100 out=2ms waker=101 syscall=wait4" },
	{ SL_KIND_SYSCALL, "1ms syscall 100 mmap enter=0" },
	{ SL_KIND_OPEN, "1ms open 100 /x result=3" },
	{ SL_KIND_NET, "1ms net 100 listen sock=1 addr=127.0.0.1:80" },
	{ SL_KIND_HEAP, "1ms heap 100 exit malloc=23" },
	{ SL_KIND_COVER, "1ms cover 100 static next" },
	{ SL_KIND_MEMORY, "1ms memory exit now=1K" },
	{ SL_KIND_SCHEDSUM, "1ms schedsum 100 since=0 blocked=1ms" },
	{ SL_KIND_SYMBOL, "1ms symbol do_wait ip=4" },
	{ SL_KIND_OUTPUT, "1ms output 100 fd=1 bytes=x" },
	{ SL_KIND_HOST, "1ms host start steal=1" },
	{ SL_KIND_DROPS, "1ms drops bpf count=1" },
	{ SL_KIND_TALLY, "1ms tally bpf count=1" },
	{ SL_KIND_NAME, "1ms name 100 worker title" },
	{ SL_KIND_MODULE, "1ms module /lib/x.so id=1 type=file" },
	{ SL_KIND_FRAME, "1ms frame id=1 module=1 offset=4096" },
	{ SL_KIND_FUNCTION, "1ms function main\\0a.c frame=1 line=7" },
	{ SL_KIND_STACK, "1ms stack id=1 frame=1" },
	{ SL_KIND_SAMPLE, "1ms sample 100 timer stack=1 period=1ms" },
	{ SL_KIND_CALLS, "1ms calls 100 read when=exit count=3" },
	{ SL_KIND_MAPPING, "1ms mapping 100 map enter=0 address=4096 fd=3" },
	{ SL_KIND_IMPORT, "1ms import 100 begin name=json language=python" },
	{ SL_KIND_SITE, "1ms site 100 exit stack=1 since=0 live=4099 live_blocks=1" },
	{ SL_KIND_ALLOCATOR, "1ms allocator 100 start jemalloc text=5.3.0" },
	{ SL_KIND_RESIDENT, "1ms resident 100 ready file rss=4K text=/x" },
	{ SL_KIND_MAPPED, "1ms mapped 100 memory=1 rss=4K tree=8K data=4K mmap=64K mmap_calls=1" },
	{ SL_KIND_MAPSITE, "1ms mapsite 100 stack=0 calls=1 bytes=128K" },
	{ SL_KIND_LIVE, "1ms live bytes=4K" },
	{ SL_KIND_BLOCK, "1ms block 100 address=4096 bytes=56 stack=1" },
};

static void every_kind_can_be_told_and_printed(void **state)
{
	(void)state;
	bool is_told[SL_KIND_LIMIT] = { [SL_KIND_END] = true };
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		struct trace *t = events_trace(examples[i].line);
		assert_int_equal(t->n_events, 2);
		assert_int_equal(t->events[0]->kind, examples[i].kind);
		is_told[examples[i].kind] = true;
		_cleanup_(buf_done) struct buf line;
		buf_init(&line, 10000);
		assert_int_equal(event_print(&line, t->events[0], EVENTS_BASE_NS), 0);
		assert_non_null(strstr(buf_str(&line), kind_of(examples[i].kind)->name));
		assert_ptr_equal(strchr(buf_str(&line), '\n'), line.data + line.len - 1);
		trace_free(t);
	}
	for (unsigned int kind = 1; kind < SL_KIND_LIMIT; kind++)
		assert_true(kind_of(kind) == NULL || is_told[kind]);
}

static void words_reach_their_fields(void **state)
{
	(void)state;
	struct trace *t = events_trace(
		"5ms offcpu 100/103 out=2ms wake=4ms waker=101 state=D syscall=futex object=pipe "
		"fd=7 iowait text=\"a b\" comm=make cpu=3\n");
	const struct sl_offcpu *off = (const void *)t->events[0];
	assert_int_equal(off->event.time_ns, EVENTS_BASE_NS + 5 * MS);
	assert_int_equal(off->event.pid, 100);
	assert_int_equal(off->event.tid, 103);
	assert_int_equal(off->event.cpu, 3);
	assert_int_equal(off->event.flags, SL_SOURCE_BPF);
	assert_int_equal(off->out_ns, EVENTS_BASE_NS + 2 * MS);
	assert_int_equal(off->wake_ns, EVENTS_BASE_NS + 4 * MS);
	assert_int_equal(off->waker_pid, 101);
	assert_int_equal(off->waker_tid, 101);
	assert_int_equal(off->context, SL_CONTEXT_TASK);
	assert_int_equal(off->state, SL_STATE_UNINTERRUPTIBLE);
	assert_int_equal(off->syscall, SYS_futex);
	assert_int_equal(off->object, SL_OBJECT_PIPE);
	assert_int_equal(off->fd, 7);
	assert_int_equal(off->flags, SL_OFFCPU_IOWAIT);
	assert_string_equal(off->text, "a b");
	assert_string_equal(off->waker_comm, "make");
	trace_free(t);
}

static void what_is_not_told_has_its_default(void **state)
{
	(void)state;
	struct trace *t = events_trace("1ms offcpu 100 out=0 state=R\n"
				       "2ms offcpu 100 out=1ms\n"
				       "3ms exit 100\n"
				       "4ms exit 100/101\n"
				       "5ms net 100 listen\n");
	const struct sl_offcpu *preempted = (const void *)t->events[0];
	const struct sl_offcpu *slept = (const void *)t->events[1];
	assert_int_equal(preempted->wake_ns, EVENTS_BASE_NS);
	assert_int_equal(slept->wake_ns, EVENTS_BASE_NS + 2 * MS);
	assert_int_equal(slept->syscall, SL_NO_SYSCALL);
	assert_int_equal(slept->fd, -1);
	assert_int_equal(((const struct sl_exit *)(const void *)t->events[2])->flags,
			 SL_EXIT_PROCESS);
	assert_int_equal(((const struct sl_exit *)(const void *)t->events[3])->flags, 0);
	assert_int_equal(((const struct sl_net *)(const void *)t->events[4])->enter_ns,
			 EVENTS_BASE_NS + 5 * MS);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(t->events[i]->seq, i);
	trace_free(t);
}

static void argv_follows_its_exec(void **state)
{
	(void)state;
	struct trace *t = events_trace("1ms exec 100 /bin/sh argv=sh,-c,a\\,b,\n");
	const struct sl_exec *exec = (const void *)t->events[0];
	const struct sl_args *args = (const void *)t->events[1];
	assert_int_equal(exec->argv_bytes, 11);
	assert_int_equal(exec->enter_ns, EVENTS_BASE_NS + 1 * MS);
	assert_int_equal(args->exec_ns, exec->event.time_ns);
	assert_int_equal(args->length, 11);
	assert_memory_equal(args->bytes, "sh\0-c\0a,b\0\0", 11);
	trace_free(t);
}

static void addresses_of_all_families(void **state)
{
	(void)state;
	struct trace *t = events_trace("1ms net 1 listen addr=127.0.0.1:80\n"
				       "2ms net 1 listen addr=[::1]:81\n"
				       "3ms net 1 listen addr=unix:/run/x type=dgram\n"
				       "4ms net 1 listen addr=unix:@x\n");
	const struct sl_addr *addr[4];
	for (size_t i = 0; i < 4; i++)
		addr[i] = &((const struct sl_net *)(const void *)t->events[i])->addr;
	assert_int_equal(addr[0]->family, AF_INET);
	assert_int_equal(addr[0]->port, 80);
	assert_memory_equal(addr[0]->bytes, "\x7f\0\0\1", 4);
	assert_int_equal(addr[1]->family, AF_INET6);
	assert_int_equal(addr[1]->length, 16);
	assert_int_equal(addr[1]->bytes[15], 1);
	assert_int_equal(addr[2]->family, AF_UNIX);
	assert_int_equal(addr[2]->type, SOCK_DGRAM);
	assert_memory_equal(addr[2]->bytes, "/run/x", 6);
	assert_int_equal(addr[3]->length, 2);
	assert_memory_equal(addr[3]->bytes, "\0x", 2);
	trace_free(t);
}

static void comments_and_blank_lines_tell_nothing(void **state)
{
	(void)state;
	struct trace *t = events_trace("# nothing\n\n   \n\t# nothing\n");
	assert_int_equal(t->n_events, 1);
	trace_free(t);
}

static void a_dump_is_relative_to_the_first_execve_and_escapes(void **state)
{
	(void)state;
	struct trace *t = events_trace("1ms task 100 parent=1\n"
				       "2ms exec 100 \"/x\\e[31m\\n\" enter=1.5ms leaf\n"
				       "3ms open 100 \"/\\xff<b>\" result=ENOENT\n");
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	assert_non_null(file);
	assert_int_equal(trace_dump(t, file), 0);
	assert_int_equal(fclose(file), 0);
	size_t n_lines = 0;
	for (size_t i = 0; i < size; i++) {
		n_lines += text[i] == '\n';
		assert_true(text[i] == '\n' || (text[i] >= ' ' && text[i] < 127));
	}
	assert_int_equal(n_lines, 4);
	assert_non_null(strstr(text, "   -0.500000 task "));
	assert_non_null(strstr(text, "    0.500000 exec "));
	assert_non_null(strstr(text, "enter=0.000000"));
	assert_non_null(strstr(text, "/x\\x1b[31m\\x0a"));
	assert_non_null(strstr(text, "'/\\xff<b>' = ENOENT"));
	free(text);
	trace_free(t);
}

static void a_dump_that_cannot_be_written_says_so(void **state)
{
	(void)state;
	struct trace *t = events_trace("1ms task 100 parent=1\n");
	FILE *full = fopen("/dev/full", "w");
	assert_non_null(full);
	(void)setvbuf(full, NULL, _IONBF, 0);
	assert_int_equal(trace_dump(t, full), -ENOSPC);
	(void)fclose(full);
	trace_free(t);
}

/* Private memory of this process now, in KiB. */
static long private_kib(void)
{
	char line[256];
	long kib = -1;
	FILE *file = fopen("/proc/self/status", "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "RssAnon: %ld", &kib) == 1)
			break;
	}
	(void)fclose(file);
	return kib;
}

static void a_long_recording_needs_no_more_memory_than_a_short_one(void **state)
{
	(void)state;
	enum { SHORT = 10000, LONG = 300000 };
	struct trace_writer *w = NULL;
	assert_int_equal(trace_writer_open(-1, NULL, &w), 0);
	struct sl_offcpu off = { .event = { .size = sizeof(off), .kind = SL_KIND_OFFCPU } };
	long after_short_kib = 0;
	for (uint32_t i = 0; i < LONG; i++) {
		off.event.time_ns += i * 7919u % 4096;
		off.event.seq = i;
		assert_int_equal(trace_append(w, &off.event), 0);
		if (i == SHORT)
			after_short_kib = private_kib();
	}
	assert_true(after_short_kib > 0);
	assert_true(private_kib() - after_short_kib < 256);
	assert_int_equal(trace_writer_close(w), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_can_be_told_and_printed),
		cmocka_unit_test(words_reach_their_fields),
		cmocka_unit_test(what_is_not_told_has_its_default),
		cmocka_unit_test(argv_follows_its_exec),
		cmocka_unit_test(addresses_of_all_families),
		cmocka_unit_test(comments_and_blank_lines_tell_nothing),
		cmocka_unit_test(a_dump_is_relative_to_the_first_execve_and_escapes),
		cmocka_unit_test(a_dump_that_cannot_be_written_says_so),
		cmocka_unit_test(a_long_recording_needs_no_more_memory_than_a_short_one),
	};
	return cmocka_run_group_tests_name("trace/events", tests, NULL, NULL);
}
