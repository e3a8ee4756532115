/* SPDX-License-Identifier: MIT */
/* Traces from short text, so that tests read as stories:
 *
 *	struct trace *t = events_trace("0     mark 100 spawn\n"
 *				       "0     task 100 parent=1 comm=sh\n"
 *				       "1ms   exec 100 /bin/sh argv=sh,-c,x enter=900us\n"
 *				       "5ms   offcpu 100 out=2ms wake=5ms waker=101 syscall=wait4\n"
 *				       "9ms   exit 100 code=0 run=3ms\n");
 *
 * One event per line: TIME KIND [SUBJECT] WORDS...; '#' begins a comment at the start of a line.
 *
 * TIME is "0" or a number with ns, us, ms or s. EVENTS_BASE_NS is added to it, and to every value
 * marked TIME below, as a real clock does not start at 0 either.
 * SUBJECT is PID or PID/TID. The kinds meta, memory, symbol, module,
 * frame, function, stack, host, drops, tally and end have none.
 * WORDS are key=value, flags (bare words) and the kind's own positional words (in capitals
 * below). Values may be quoted: text="two words\n". Escapes, quoted or not: \n \t \e \0 \\ \" \,
 * \xNN. Numbers take units (64K, 5ms). Missing keys are 0, unless stated.
 *
 * All kinds: source=bpf|shim|collect (default by kind), cpu=N, seq=N (default: gapless per source
 * and CPU, in the order of the text; collect: given by the writer), cut, leaf, nsids.
 *
 *	meta KEY=VALUE                       the rest of the line as it is
 *	mark S spawn|linked|main|ready|stop|reaped|gone|overhead|notified|
 *		reaped_child value=N text=
 *		detail=ready|timeout|duration|signal|N code=N signal=N (wait status, into value)
 *	task S parent=PID[/TID] ns=PID[/TID] comm= thread shares vfork attached
 *	exec S PATH argv=a,b,c enter=TIME start=TIME caller=TID ns=PID argv_bytes=N
 *		secure static 32bit args_cut    (ARGS events for argv follow by themselves; enter
 *		defaults to the event's time, caller to the tid, ns to the pid)
 *	args S exec=TIME offset=N bytes=     (with \0 between strings)
 *	execfail S PATH result=ENOENT enter=TIME
 *	exit S code=N|signal=N run=NS no_status thread (not the end of the process; default: it is if the
 *		tid is the pid)
 *	usage S exit|ready|start|exec threads= user= system= run= minor= major= voluntary=
 *		involuntary= read= write= rchar= wchar= rss= peak= rx= tx=
 *		probe_ns= probe_calls= probe_hits= no_io no_net no_rss no_cpu
 *	offcpu S out=TIME wake=TIME waker=PID[/TID] state=R|S|D|T|N (default S)
 *		context=unknown|task|softirq|hardirq (task if there is a waker) syscall=NAME|N (default
 *		none) object=file|tcp|udp|unix|socket|pipe|device|fault_file|fault_anon|epoll|other
 *		fd=N (default -1) sock=N ip=N comm= (the waker's) text= iowait still major timeout
 *		throttled    (wake defaults to out for state R, else to the event's time)
 *	syscall S NAME|N enter=TIME offcpu=NS
 *	schedsum S since=TIME blocked=NS runnable=NS count=N
 *	symbol NAME ip=N
 *	open S PATH result=N|ENOENT enter=TIME flags=N
 *	net S bind|listen|connect|established|refused|accept_ready|accept|first_byte|reply|
 *		inherited|sendto|closed sock=N other=N addr=ADDRESS type=stream|dgram|N
 *		how=accept|poll|epoll|epoll_edge|io_uring|edge_accept|receive|select result=N|ECONNREFUSED fd=N
 *		(default -1) backlog=N enter=TIME (default the event's time)
 *		ADDRESS: 127.0.0.1:80 [::1]:80 unix:/run/x unix:@abstract
 *	heap S exit|ready|start|exec ns=PID (default the pid) since=TIME malloc= calloc= realloc=
 *		memalign= free= realloc_free= failed= unmatched= requested= live= peak= peak_error=
 *		tree_peak= tree_error= tree_excess= b0=..b47= (buckets)
 *	cover S counted|static|secure|sanitizer|32bit|chroot|own|off|deepbind|user
 *		ns=PID (default the pid) text= next
 *	memory exit|ready|start|exec processes= now= peak= at=TIME error= cgroup= (default ~0)
 *	host exit|ready|start|exec cpu_pressure= io_pressure= memory_pressure= steal= throttled=
 *	output S fd=N bytes=
 *	name S TEXT title
 *	module PATH id=N type=file|vdso|kernel|anon build_id_length=N
 *	frame id=N module=N offset=N
 *	function NAME[\\0FILE] frame=N depth=N line=N
 *	stack id=N caller=N frame=N unfinished
 *	sample S timer|call|fault|wait stack=N syscall=NAME|N (default none) since=TIME period=NS
 *	calls S NAME|N when=exit|ready count=N errors=N total=NS cpu=NS
 *	mapping S map|protect|setup|enter|done enter=TIME address=N length=N offset=N
 *		fd=N (default -1) protection=N flags=N
 *	import S begin|end name=TEXT language=python
 *	site S exit|ready|exec stack=N since=TIME lifetime=NS image_peak=N, and of each of total live peak
 *		tree_peak temporary: total=BYTES total_blocks= total_error= total_samples=
 *	resident S exit|ready|peak PART areas= size= rss= pss= private= dirty= swap= text=
 *		result=N|EACCES (PARTs: as in bpf/schema_memory.h, in small letters: all, heap …)
 *	mapped S memory=N rss= tree= anonymous= file= shared= (of the tree) touched= data=, brk= mmap= mremap= (bytes), brk_calls= …, grown=TIME when=exit|ready|exec
 *	mapsite S what=N stack=N since=TIME calls= bytes= ready_calls= ready_bytes=
 *	live bytes=N
 *	block S address=N bytes=N (none: freed) stack=N
 *	allocator S start|exit|ready|peak jemalloc|mimalloc|tcmalloc threads= allocated= freed= live=
 *		thread_error= held= text=VERSION
 *	drops bpf|shim|collect kind=TOKEN count=N
 *	tally bpf|shim|collect producer=N count=N
 *	end                                  one is always added
 *
 * A mistake in the text prints the line and aborts. */
#ifndef TESTS_LIB_EVENTS_H
#define TESTS_LIB_EVENTS_H

#include "userspace/trace/trace.h"

#define EVENTS_BASE_NS 1000000000000ull

/* Calls @sink for each event, in the order of the text. The event is valid during the call. */
typedef void events_sink(const struct sl_event *event, void *user);
void events_each(const char *text, events_sink *sink, void *user);

/* Writes the events to a temporary file and loads it back. Free with trace_free(). */
struct trace *events_trace(const char *text);

#endif
