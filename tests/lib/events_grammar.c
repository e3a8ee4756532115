/* SPDX-License-Identifier: MIT */
/* Which words each kind of event takes in a story. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tests/lib/events_internal.h"
#include "userspace/base/units.h"
#include "userspace/trace/kinds.h"

/* clang-format off */
#define E(code) { #code, -(code) }
static const struct name errnos[] = {
	E(EPERM), E(ENOENT), E(EINTR), E(EIO), E(E2BIG), E(ENOEXEC), E(EBADF), E(EAGAIN),
	E(ENOMEM), E(EACCES), E(EEXIST), E(ENOTDIR), E(EISDIR), E(EINVAL), E(EMFILE), E(ENOSPC),
	E(EPIPE), E(ELOOP), E(ETXTBSY), E(EADDRINUSE), E(EADDRNOTAVAIL), E(ENETUNREACH),
	E(ECONNABORTED), E(ECONNRESET), E(EISCONN), E(ENOTCONN), E(ETIMEDOUT), E(ECONNREFUSED),
	E(EHOSTUNREACH), E(EALREADY), E(EINPROGRESS), E(ECANCELED), { NULL, 0 },
};
#undef E
#define S(call) { #call, SYS_##call }
static const struct name syscalls[] = {
	S(read), S(write), S(open), S(close), S(poll), S(mmap), S(pread64), S(readv), S(writev),
	S(select), S(pause), S(nanosleep), S(connect), S(accept), S(sendto), S(recvfrom),
	S(sendmsg), S(recvmsg), S(clone), S(fork), S(vfork), S(execve), S(wait4), S(fsync),
	S(fdatasync), S(flock), S(futex), S(epoll_wait), S(clock_nanosleep), S(waitid), S(openat),
	S(pselect6), S(ppoll), S(epoll_pwait), S(accept4), S(rt_sigtimedwait), S(rt_sigsuspend),
	S(io_uring_enter), S(clone3), S(epoll_pwait2), S(munmap), S(exit_group), S(fallocate),
	S(io_getevents), S(statx), S(newfstatat), S(getdents64), S(fcntl), S(msgrcv), S(semop),
	{ "none", SL_NO_SYSCALL }, { NULL, 0 },
};
#undef S
static const struct name sources[] = {
	{ "bpf", SL_SOURCE_BPF }, { "shim", SL_SOURCE_SHIM }, { "collect", SL_SOURCE_COLLECT },
	{ NULL, 0 },
};
static const struct name marks[] = {
	{ "spawn", SL_MARK_SPAWN }, { "linked", SL_MARK_LINKED }, { "main", SL_MARK_MAIN },
	{ "ready", SL_MARK_READY }, { "stop", SL_MARK_STOP }, { "reaped", SL_MARK_REAPED },
	{ "gone", SL_MARK_GONE }, { "overhead", SL_MARK_OVERHEAD }, { "notified", SL_MARK_NOTIFIED },
	{ "reaped_child", SL_MARK_REAPED_CHILD },
	{ NULL, 0 },
};
static const struct name stops[] = {
	{ "ready", SL_STOP_READY }, { "timeout", SL_STOP_TIMEOUT },
	{ "duration", SL_STOP_DURATION }, { "signal", SL_STOP_SIGNAL },
	{ "loaded", SL_STOP_LOADED },	  { NULL, 0 },
};
static const struct name whens[] = {
	{ "exit", SL_WHEN_EXIT }, { "ready", SL_WHEN_READY }, { "start", SL_WHEN_START },
	{ "exec", SL_WHEN_EXEC }, { "peak", SL_WHEN_PEAK }, { "linked", SL_WHEN_LINKED },
	{ "main", SL_WHEN_MAIN }, { NULL, 0 },
};
static const struct name states[] = {
	{ "R", SL_STATE_PREEMPTED }, { "S", SL_STATE_INTERRUPTIBLE },
	{ "D", SL_STATE_UNINTERRUPTIBLE }, { "T", SL_STATE_STOPPED }, { "N", SL_STATE_NEW },
	{ NULL, 0 },
};
static const struct name contexts[] = {
	{ "unknown", SL_CONTEXT_UNKNOWN }, { "task", SL_CONTEXT_TASK },
	{ "softirq", SL_CONTEXT_SOFTIRQ }, { "hardirq", SL_CONTEXT_HARDIRQ }, { NULL, 0 },
};
static const struct name objects[] = {
	{ "none", SL_OBJECT_NONE }, { "file", SL_OBJECT_FILE }, { "tcp", SL_OBJECT_TCP },
	{ "udp", SL_OBJECT_UDP }, { "unix", SL_OBJECT_UNIX }, { "socket", SL_OBJECT_SOCKET },
	{ "pipe", SL_OBJECT_PIPE }, { "device", SL_OBJECT_DEVICE },
	{ "fault_file", SL_OBJECT_FAULT_FILE }, { "fault_anon", SL_OBJECT_FAULT_ANON },
	{ "epoll", SL_OBJECT_EPOLL }, { "other", SL_OBJECT_OTHER }, { NULL, 0 },
};
static const struct name ops[] = {
	{ "bind", SL_NET_BIND }, { "listen", SL_NET_LISTEN }, { "connect", SL_NET_CONNECT },
	{ "established", SL_NET_ESTABLISHED }, { "refused", SL_NET_REFUSED },
	{ "accept_ready", SL_NET_ACCEPT_READY }, { "accept", SL_NET_ACCEPT },
	{ "first_byte", SL_NET_FIRST_BYTE }, { "reply", SL_NET_REPLY },
	{ "inherited", SL_NET_INHERITED }, { "sendto", SL_NET_SENDTO },
	{ "closed", SL_NET_CLOSED }, { "probed", SL_NET_PROBED }, { NULL, 0 },
};
static const struct name hows[] = {
	{ "accept", SL_HOW_ACCEPT }, { "poll", SL_HOW_POLL }, { "epoll", SL_HOW_EPOLL },
	{ "epoll_edge", SL_HOW_EPOLL_EDGE }, { "io_uring", SL_HOW_IO_URING },
	{ "edge_accept", SL_HOW_EDGE_ACCEPT }, { "receive", SL_HOW_RECEIVE }, { "select", SL_HOW_SELECT }, { NULL, 0 },
};
static const struct name types[] = {
	{ "stream", SOCK_STREAM }, { "dgram", SOCK_DGRAM }, { NULL, 0 },
};
static const struct name reasons[] = {
	{ "counted", SL_COVER_COUNTED }, { "static", SL_COVER_STATIC },
	{ "secure", SL_COVER_SECURE }, { "sanitizer", SL_COVER_SANITIZER },
	{ "32bit", SL_COVER_32BIT }, { "chroot", SL_COVER_CHROOT },
	{ "own", SL_COVER_OWN_ALLOCATOR }, { "off", SL_COVER_OFF },
	{ "deepbind", SL_COVER_DEEPBIND },
	{ "user", SL_COVER_USER }, { NULL, 0 },
};
static const struct name module_types[] = {
	{ "file", SL_MODULE_FILE }, { "vdso", SL_MODULE_VDSO }, { "kernel", SL_MODULE_KERNEL },
	{ "anon", SL_MODULE_ANON }, { NULL, 0 },
};
static const struct name sample_reasons[] = {
	{ "timer", SL_SAMPLE_TIMER }, { "call", SL_SAMPLE_CALL }, { "fault", SL_SAMPLE_FAULT },
	{ "wait", SL_SAMPLE_WAIT }, { NULL, 0 },
};
static const struct name mapping_ops[] = {
	{ "map", SL_MAPPING_MAP }, { "protect", SL_MAPPING_PROTECT },
	{ "setup", SL_MAPPING_SETUP }, { "enter", SL_MAPPING_ENTER },
	{ "done", SL_MAPPING_DONE }, { "linked", SL_MAPPING_LINKED }, { NULL, 0 },
};
static const struct name allocators[] = {
	{ "jemalloc", SL_ALLOCATOR_JEMALLOC }, { "mimalloc", SL_ALLOCATOR_MIMALLOC },
	{ "tcmalloc", SL_ALLOCATOR_TCMALLOC }, { NULL, 0 },
};
static const struct name parts[] = {
	{ "all", SL_PART_ALL }, { "page_tables", SL_PART_PAGE_TABLES }, { "heap", SL_PART_HEAP },
	{ "arenas", SL_PART_ARENA }, { "malloc", SL_PART_MALLOC }, { "stack", SL_PART_STACK },
	{ "thread_stacks", SL_PART_THREAD_STACK }, { "loader", SL_PART_LOADER },
	{ "file", SL_PART_FILE }, { "shared", SL_PART_SHARED }, { "named", SL_PART_NAMED },
	{ "runtime", SL_PART_RUNTIME }, { "anonymous", SL_PART_ANONYMOUS },
	{ "kernel", SL_PART_KERNEL }, { "own", SL_PART_OWN }, { NULL, 0 },
};
static const struct name languages[] = { { "python", SL_LANGUAGE_PYTHON }, { NULL, 0 } };
static const struct name kind_names[] = {
#define KIND_NAME(number, enumerator, token, doc) { #token, number },
	SL_EVENT_KINDS(KIND_NAME)
#undef KIND_NAME
	{ "any", 0 }, { NULL, 0 },
};

#define AT(token, member) \
	.offset = offsetof(struct sl_##token, member), .size = sizeof(((struct sl_##token *)0)->member)
#define NUMBER(key_, token, member) { .key = key_, .type = FIELD_NUMBER, AT(token, member) }
#define TIME(key_, token, member) { .key = key_, .type = FIELD_TIME, AT(token, member) }
#define NAME(key_, token, member, list) \
	{ .key = key_, .type = FIELD_NAME, AT(token, member), .names = list }
#define NUMERIC(key_, token, member, list) \
	{ .key = key_, .type = FIELD_NAME_OR_NUMBER, AT(token, member), .names = list }
#define POSITION(key_, token, member, list) \
	{ .key = key_, .type = FIELD_NAME_OR_NUMBER, AT(token, member), .names = list, .is_positional = true }
#define FLAG(key_, token, member, bits_) \
	{ .key = key_, .type = FIELD_FLAG, AT(token, member), .bits = bits_ }
#define TASK(key_, token, member) { .key = key_, .type = FIELD_TASK, AT(token, member) }
#define SPECIAL(key_, type_, token, member) { .key = key_, .type = type_, AT(token, member) }
#define TEXT(key_, token, member) \
	{ .key = key_, .type = FIELD_TEXT, .offset = offsetof(struct sl_##token, member) }
#define PATH(key_, token, member) \
	{ .key = key_, .type = FIELD_TEXT, .offset = offsetof(struct sl_##token, member), .is_positional = true }
#define LAST { .key = NULL }

static const struct field common[] = {
	NUMBER("cpu", end, event.cpu), NUMBER("seq", end, event.seq),
	FLAG("cut", end, event.flags, SL_FLAG_CUT), FLAG("leaf", end, event.flags, SL_FLAG_LEAF),
	FLAG("nsids", end, event.flags, SL_FLAG_NS_IDS), LAST,
};
static const struct field none[] = { LAST };
static const struct field mark[] = {
	POSITION("mark", mark, mark, marks), NUMERIC("detail", mark, detail, stops),
	NUMBER("value", mark, value), SPECIAL("code", FIELD_STATUS_CODE, mark, value),
	NUMBER("signal", mark, value), TEXT("text", mark, text), LAST,
};
static const struct field task[] = {
	TASK("parent", task, parent_pid), TASK("ns", task, ns_pid),
	SPECIAL("comm", FIELD_COMM, task, comm), FLAG("thread", task, flags, SL_TASK_THREAD),
	FLAG("shares", task, flags, SL_TASK_SHARES_MM), FLAG("vfork", task, flags, SL_TASK_VFORK),
	FLAG("attached", task, flags, SL_TASK_ATTACHED), LAST,
};
static const struct field exec[] = {
	PATH("path", exec, text), { .key = "argv", .type = FIELD_ARGV }, TIME("enter", exec, enter_ns),
	TIME("start", exec, start_ns), NUMBER("caller", exec, caller_tid), NUMBER("ns", exec, ns_pid),
	NUMBER("argv_bytes", exec, argv_bytes), FLAG("secure", exec, flags, SL_EXEC_SECURE),
	FLAG("static", exec, flags, SL_EXEC_STATIC), FLAG("32bit", exec, flags, SL_EXEC_32BIT),
	FLAG("args_cut", exec, flags, SL_EXEC_ARGS_CUT), LAST,
};
static const struct field args[] = {
	TIME("exec", args, exec_ns), NUMBER("offset", args, offset), TEXT("bytes", args, bytes), LAST,
};
static const struct field execfail[] = {
	PATH("path", execfail, text), NUMERIC("result", execfail, result, errnos),
	TIME("enter", execfail, enter_ns), LAST,
};
static const struct field exit_fields[] = {
	SPECIAL("code", FIELD_STATUS_CODE, exit, status), NUMBER("signal", exit, status),
	NUMBER("run", exit, run_ns), FLAG("process", exit, flags, SL_EXIT_PROCESS),
	FLAG("no_status", exit, flags, SL_EXIT_NO_STATUS),
	FLAG("group", exit, flags, SL_EXIT_GROUP),
	/* Resolved by the parser, see finish_event(). */
	FLAG("thread", exit, flags, 0x80000000u), LAST,
};
static const struct field usage[] = {
	POSITION("when", usage, when, whens), NUMBER("threads", usage, threads_peak),
	NUMBER("user", usage, user_ns), NUMBER("system", usage, system_ns),
	NUMBER("run", usage, run_ns), NUMBER("minor", usage, minor_faults),
	NUMBER("major", usage, major_faults), NUMBER("voluntary", usage, voluntary_switches),
	NUMBER("involuntary", usage, involuntary_switches), NUMBER("read", usage, read_bytes),
	NUMBER("write", usage, write_bytes), NUMBER("rchar", usage, read_chars),
	NUMBER("wchar", usage, write_chars), NUMBER("rss", usage, rss_bytes),
	NUMBER("peak", usage, rss_peak_bytes), NUMBER("rx", usage, net_rx_bytes),
	NUMBER("tx", usage, net_tx_bytes), NUMBER("anonymous", usage, rss_kinds[0]),
	NUMBER("file", usage, rss_kinds[1]), NUMBER("shared", usage, rss_kinds[2]),
	NUMBER("peak_anonymous", usage, rss_peak_kinds[0]),
	NUMBER("peak_file", usage, rss_peak_kinds[1]),
	NUMBER("peak_shared", usage, rss_peak_kinds[2]), NUMBER("probe_ns", usage, probe_ns),
	NUMBER("probe_calls", usage, probe_calls), NUMBER("probe_hits", usage, probe_hits),
	NUMBER("speed_samples", usage, speed_samples), NUMBER("speed_sum", usage, speed_sum),
	FLAG("no_io", usage, flags, SL_USAGE_NO_IO),
	FLAG("no_net", usage, flags, SL_USAGE_NO_NET), FLAG("no_rss", usage, flags, SL_USAGE_NO_RSS),
	FLAG("no_cpu", usage, flags, SL_USAGE_NO_CPU), LAST,
};
static const struct field offcpu[] = {
	TIME("out", offcpu, out_ns), TIME("wake", offcpu, wake_ns), TASK("waker", offcpu, waker_pid),
	NAME("state", offcpu, state, states), NAME("context", offcpu, context, contexts),
	NUMERIC("syscall", offcpu, syscall, syscalls), NAME("object", offcpu, object, objects),
	NUMBER("fd", offcpu, fd), NUMBER("sock", offcpu, sock), NUMBER("ip", offcpu, wait_ip),
	SPECIAL("comm", FIELD_COMM, offcpu, waker_comm), TEXT("text", offcpu, text),
	FLAG("iowait", offcpu, flags, SL_OFFCPU_IOWAIT), FLAG("still", offcpu, flags, SL_OFFCPU_STILL),
	FLAG("major", offcpu, flags, SL_OFFCPU_MAJOR), FLAG("timeout", offcpu, flags, SL_OFFCPU_TIMEOUT),
	FLAG("throttled", offcpu, flags, SL_OFFCPU_THROTTLED), LAST,
};
static const struct field syscall_fields[] = {
	POSITION("number", syscall, number, syscalls), TIME("enter", syscall, enter_ns),
	NUMBER("offcpu", syscall, offcpu_ns), LAST,
};
static const struct field schedsum[] = {
	TIME("since", schedsum, since_ns), NUMBER("blocked", schedsum, blocked_ns),
	NUMBER("runnable", schedsum, runnable_ns), NUMBER("count", schedsum, count), LAST,
};
static const struct field symbol[] = {
	PATH("name", symbol, text), NUMBER("ip", symbol, ip), LAST,
};
static const struct field open_fields[] = {
	PATH("path", open, text), NUMERIC("result", open, result, errnos),
	TIME("enter", open, enter_ns), NUMBER("flags", open, flags), LAST,
};
static const struct field net[] = {
	POSITION("op", net, op, ops), NUMBER("sock", net, sock), NUMBER("other", net, other),
	SPECIAL("addr", FIELD_ADDRESS, net, addr), NUMERIC("type", net, addr.type, types),
	NAME("how", net, how, hows), NUMERIC("result", net, result, errnos), NUMBER("fd", net, fd),
	NUMBER("backlog", net, backlog), TIME("enter", net, enter_ns), LAST,
};
static const struct field heap[] = {
	POSITION("when", heap, when, whens), NUMBER("ns", heap, ns_pid), TIME("since", heap, since_ns),
	NUMBER("malloc", heap, calls[SL_HEAP_MALLOC]), NUMBER("calloc", heap, calls[SL_HEAP_CALLOC]),
	NUMBER("realloc", heap, calls[SL_HEAP_REALLOC]),
	NUMBER("memalign", heap, calls[SL_HEAP_MEMALIGN]), NUMBER("free", heap, calls[SL_HEAP_FREE]),
	NUMBER("realloc_free", heap, calls[SL_HEAP_REALLOC_FREE]),
	NUMBER("failed", heap, calls[SL_HEAP_FAILED]),
	NUMBER("unmatched", heap, calls[SL_HEAP_UNMATCHED]),
	NUMBER("requested", heap, requested_bytes), NUMBER("live", heap, live_bytes),
	NUMBER("peak", heap, peak_bytes), NUMBER("peak_error", heap, peak_error_bytes),
	NUMBER("tree_peak", heap, tree_peak_bytes), NUMBER("tree_error", heap, tree_peak_error_bytes),
	NUMBER("tree_excess", heap, tree_peak_excess_bytes), LAST,
};
static const struct field cover[] = {
	POSITION("reason", cover, reason, reasons), NUMBER("ns", cover, ns_pid),
	FLAG("next", cover, next, 1), TEXT("text", cover, text), LAST,
};
static const struct field memory[] = {
	POSITION("when", memory, when, whens), NUMBER("processes", memory, processes),
	NUMBER("now", memory, now_bytes), NUMBER("peak", memory, peak_bytes),
	TIME("at", memory, peak_ns), NUMBER("error", memory, error_bytes),
	NUMBER("cgroup", memory, cgroup_peak_bytes), LAST,
};
static const struct field host[] = {
	POSITION("when", host, when, whens), NUMBER("cpu_pressure", host, cpu_pressure_ns),
	NUMBER("io_pressure", host, io_pressure_ns),
	NUMBER("memory_pressure", host, memory_pressure_ns), NUMBER("steal", host, steal_ns),
	NUMBER("throttled", host, throttled_ns), LAST,
};
static const struct field output[] = {
	NUMBER("fd", output, fd), TEXT("bytes", output, bytes), LAST,
};
static const struct field name_fields[] = {
	PATH("text", name, text), FLAG("title", name, is_title, 1), LAST,
};
static const struct field module[] = {
	NUMBER("id", module, id), NAME("type", module, type, module_types),
	NUMBER("build_id_length", module, build_id_length), PATH("path", module, text), LAST,
};
static const struct field frame[] = {
	NUMBER("id", frame, id), NUMBER("module", frame, module), NUMBER("offset", frame, offset), LAST,
};
static const struct field function[] = {
	NUMBER("frame", function, frame), NUMBER("depth", function, depth),
	NUMBER("line", function, line), PATH("name", function, text), LAST,
};
static const struct field stack[] = {
	NUMBER("id", stack, id), NUMBER("caller", stack, caller), NUMBER("frame", stack, frame),
	FLAG("unfinished", stack, flags, SL_STACK_CUT), LAST,
};
static const struct field sample[] = {
	POSITION("reason", sample, reason, sample_reasons), NUMBER("stack", sample, stack),
	NUMERIC("syscall", sample, syscall, syscalls), TIME("since", sample, since_ns),
	NUMBER("period", sample, period_ns), LAST,
};
static const struct field calls[] = {
	POSITION("number", calls, number, syscalls), NAME("when", calls, when, whens),
	NUMBER("count", calls, count), NUMBER("errors", calls, errors),
	NUMBER("total", calls, total_ns), NUMBER("cpu", calls, cpu_ns), LAST,
};
static const struct field import[] = {
	FLAG("begin", import, op, SL_IMPORT_BEGIN), FLAG("end", import, op, SL_IMPORT_END),
	NAME("language", import, language, languages), TEXT("name", import, text), LAST,
};
#define SUM(name, part)                                                                     \
	NUMBER(name "_blocks", site, sums[part].blocks), NUMBER(name, site, sums[part].bytes), \
		NUMBER(name "_error", site, sums[part].error_bytes),                           \
		NUMBER(name "_samples", site, sums[part].samples)
static const struct field site[] = {
	POSITION("when", site, when, whens), NUMBER("stack", site, stack),
	TIME("since", site, since_ns), NUMBER("lifetime", site, lifetime_ns),
	NUMBER("image_peak", site, peak_bytes),
	SUM("total", SL_SITE_TOTAL), SUM("live", SL_SITE_LIVE), SUM("peak", SL_SITE_PEAK),
	SUM("tree_peak", SL_SITE_TREE_PEAK), SUM("temporary", SL_SITE_TEMPORARY), LAST,
};
static const struct field resident[] = {
	POSITION("when", resident, when, whens), POSITION("part", resident, part, parts),
	NUMERIC("result", resident, result, errnos), NUMBER("areas", resident, areas),
	NUMBER("size", resident, size_bytes), NUMBER("rss", resident, rss_bytes),
	NUMBER("pss", resident, pss_bytes), NUMBER("private", resident, private_bytes),
	NUMBER("dirty", resident, dirty_bytes), NUMBER("swap", resident, swap_bytes),
	TEXT("text", resident, text), LAST,
};
#define GROWTH(name, way) \
	NUMBER(name, mapped, grown[way].bytes), NUMBER(name "_calls", mapped, grown[way].calls)
static const struct field mapped[] = {
	NAME("when", mapped, when, whens), NUMBER("memory", mapped, memory),
	NUMBER("rss", mapped, rss_bytes), NUMBER("tree", mapped, tree_bytes),
	NUMBER("anonymous", mapped, tree_kinds[0]), NUMBER("file", mapped, tree_kinds[1]),
	NUMBER("shared", mapped, tree_kinds[2]), NUMBER("touched", mapped, touched_bytes),
	NUMBER("data", mapped, data_bytes), GROWTH("brk", SL_GROWTH_BRK),
	GROWTH("mmap", SL_GROWTH_MMAP), GROWTH("mremap", SL_GROWTH_MREMAP),
	TIME("grown", mapped, grown_ns), LAST,
};
static const struct field mapsite[] = {
	NUMBER("what", mapsite, what), NUMBER("stack", mapsite, stack), TIME("since", mapsite, since_ns),
	NUMBER("calls", mapsite, all.calls), NUMBER("bytes", mapsite, all.bytes),
	NUMBER("ready_calls", mapsite, ready.calls), NUMBER("ready_bytes", mapsite, ready.bytes), LAST,
};
static const struct field block[] = { NUMBER("address", block, address),
				      NUMBER("bytes", block, bytes), NUMBER("stack", block, stack),
				      LAST };
static const struct field live[] = { NUMBER("bytes", live, bytes), LAST };
static const struct field allocator[] = {
	POSITION("when", allocator, when, whens), POSITION("allocator", allocator, allocator, allocators),
	NUMBER("threads", allocator, threads), NUMBER("allocated", allocator, allocated_bytes),
	NUMBER("freed", allocator, freed_bytes), NUMBER("live", allocator, live_bytes),
	NUMBER("thread_error", allocator, thread_error_bytes), NUMBER("held", allocator, held_bytes),
	TEXT("text", allocator, text), LAST,
};
static const struct field mapping[] = {
	POSITION("op", mapping, op, mapping_ops), TIME("enter", mapping, enter_ns),
	NUMBER("address", mapping, address), NUMBER("length", mapping, length),
	NUMBER("offset", mapping, offset), NUMBER("fd", mapping, fd),
	NUMBER("protection", mapping, protection), NUMBER("flags", mapping, flags), LAST,
};
static const struct field drops[] = {
	POSITION("of", drops, source, sources), NAME("kind", drops, kind, kind_names),
	NUMBER("count", drops, count), LAST,
};
static const struct field tally[] = {
	POSITION("of", tally, source, sources), NUMBER("producer", tally, producer),
	NUMBER("count", tally, count), LAST,
};

static const struct grammar grammars[] = {
	{ SL_KIND_META, SL_SOURCE_COLLECT, false, none },
	{ SL_KIND_MARK, SL_SOURCE_COLLECT, true, mark },
	{ SL_KIND_TASK, SL_SOURCE_BPF, true, task },
	{ SL_KIND_EXEC, SL_SOURCE_BPF, true, exec },
	{ SL_KIND_ARGS, SL_SOURCE_BPF, true, args },
	{ SL_KIND_EXECFAIL, SL_SOURCE_BPF, true, execfail },
	{ SL_KIND_EXIT, SL_SOURCE_BPF, true, exit_fields },
	{ SL_KIND_USAGE, SL_SOURCE_BPF, true, usage },
	{ SL_KIND_OFFCPU, SL_SOURCE_BPF, true, offcpu },
	{ SL_KIND_SYSCALL, SL_SOURCE_BPF, true, syscall_fields },
	{ SL_KIND_OPEN, SL_SOURCE_BPF, true, open_fields },
	{ SL_KIND_NET, SL_SOURCE_BPF, true, net },
	{ SL_KIND_HEAP, SL_SOURCE_SHIM, true, heap },
	{ SL_KIND_COVER, SL_SOURCE_SHIM, true, cover },
	{ SL_KIND_MEMORY, SL_SOURCE_BPF, false, memory },
	{ SL_KIND_SCHEDSUM, SL_SOURCE_BPF, true, schedsum },
	{ SL_KIND_SYMBOL, SL_SOURCE_COLLECT, false, symbol },
	{ SL_KIND_OUTPUT, SL_SOURCE_BPF, true, output },
	{ SL_KIND_HOST, SL_SOURCE_COLLECT, false, host },
	{ SL_KIND_DROPS, SL_SOURCE_COLLECT, false, drops },
	{ SL_KIND_TALLY, SL_SOURCE_COLLECT, false, tally },
	{ SL_KIND_END, SL_SOURCE_COLLECT, false, none },
	{ SL_KIND_NAME, SL_SOURCE_BPF, true, name_fields },
	{ SL_KIND_MODULE, SL_SOURCE_COLLECT, false, module },
	{ SL_KIND_FRAME, SL_SOURCE_COLLECT, false, frame },
	{ SL_KIND_FUNCTION, SL_SOURCE_COLLECT, false, function },
	{ SL_KIND_STACK, SL_SOURCE_COLLECT, false, stack },
	{ SL_KIND_SAMPLE, SL_SOURCE_COLLECT, true, sample },
	{ SL_KIND_CALLS, SL_SOURCE_BPF, true, calls },
	{ SL_KIND_MAPPING, SL_SOURCE_BPF, true, mapping },
	{ SL_KIND_IMPORT, SL_SOURCE_BPF, true, import },
	{ SL_KIND_SITE, SL_SOURCE_COLLECT, true, site },
	{ SL_KIND_RESIDENT, SL_SOURCE_COLLECT, true, resident },
	{ SL_KIND_MAPPED, SL_SOURCE_BPF, true, mapped },
	{ SL_KIND_MAPSITE, SL_SOURCE_COLLECT, true, mapsite },
	{ SL_KIND_LIVE, SL_SOURCE_COLLECT, false, live },
	{ SL_KIND_ALLOCATOR, SL_SOURCE_SHIM, true, allocator },
	{ SL_KIND_BLOCK, SL_SOURCE_COLLECT, true, block },
};
/* clang-format on */
/* A new kind needs its row above. */
_Static_assert(sizeof(grammars) / sizeof(grammars[0]) == SL_KIND_LIMIT - 1, "a kind is missing");

const struct grammar *grammar_of(const char *token)
{
	for (size_t i = 0; i < sizeof(grammars) / sizeof(grammars[0]); i++) {
		if (strcmp(kind_of(grammars[i].kind)->name, token) == 0)
			return &grammars[i];
	}
	return NULL;
}

const struct field *common_fields(void)
{
	return common;
}

bool source_value(const char *name, int64_t *ret)
{
	return name_value(sources, name, ret);
}

bool name_value(const struct name *names, const char *name, int64_t *ret)
{
	for (; names->name != NULL; names++) {
		if (strcmp(names->name, name) == 0) {
			*ret = names->value;
			return true;
		}
	}
	return false;
}

static bool unix_address(const char *path, struct sl_addr *ret)
{
	const size_t length = strlen(path);
	if (length > sizeof(ret->bytes))
		return false;
	*ret = (struct sl_addr){ .family = AF_UNIX,
				 .length = (uint16_t)length,
				 .type = SOCK_STREAM };
	memcpy(ret->bytes, path, length);
	if (path[0] == '@')
		ret->bytes[0] = '\0';
	return true;
}

bool address_parse(const char *text, struct sl_addr *ret)
{
	if (strncmp(text, "unix:", 5) == 0)
		return unix_address(text + 5, ret);

	const char *colon = strrchr(text, ':');
	uint64_t port = 0;
	if (colon == NULL || parse_u64(colon + 1, &port) < 0 || port > UINT16_MAX)
		return false;
	char name[64] = { 0 };
	const size_t length = (size_t)(colon - text);
	if (length >= sizeof(name) || length < 2)
		return false;
	*ret = (struct sl_addr){ .port = (uint16_t)port, .type = SOCK_STREAM };
	if (text[0] == '[') {
		memcpy(name, text + 1, length - 2);
		ret->family = AF_INET6;
		ret->length = 16;
	} else {
		memcpy(name, text, length);
		ret->family = AF_INET;
		ret->length = 4;
	}
	return inet_pton(ret->family, name, ret->bytes) == 1;
}
