/* SPDX-License-Identifier: MIT */
/* Events as lines of text. One function per kind prints what is behind the common header; which
 * one, the schema's table decides, so a new kind does not build before it has its function. */
#include "userspace/trace/dump.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "userspace/base/units.h"
#include "userspace/trace/dump_line.h"
#include "userspace/trace/kinds.h"

/* An event of SL_EVENT_MAX bytes in escapes of four bytes each, and its other fields. */
#define LINE_MAX_BYTES (SL_EVENT_MAX * 4 + 4096)

static const char *name_in(const char *const *names, size_t n_names, unsigned int value)
{
	return value < n_names && names[value] != NULL ? names[value] : "?";
}
#define NAME_IN(names, value) name_in(names, sizeof(names) / sizeof((names)[0]), value)

static const char *const marks[] = {
	[SL_MARK_SPAWN] = "spawn",	 [SL_MARK_LINKED] = "linked",
	[SL_MARK_MAIN] = "main",	 [SL_MARK_READY] = "ready",
	[SL_MARK_STOP] = "stop",	 [SL_MARK_REAPED] = "reaped",
	[SL_MARK_GONE] = "gone",	 [SL_MARK_OVERHEAD] = "overhead",
	[SL_MARK_NOTIFIED] = "notified", [SL_MARK_REAPED_CHILD] = "reaped_child",
};
static const char *const whens[] = {
	[SL_WHEN_EXIT] = "exit", [SL_WHEN_READY] = "ready",   [SL_WHEN_START] = "start",
	[SL_WHEN_EXEC] = "exec", [SL_WHEN_PROBED] = "probed", [SL_WHEN_PEAK] = "peak",
};
static const char *const states[] = { "preempted", "S", "D", "T", "new" };
static const char *const contexts[] = { "?", "task", "softirq", "hardirq" };
static const char *const objects[] = {
	"none", "file",	  "tcp",	"udp",	      "unix",  "socket",
	"pipe", "device", "fault_file", "fault_anon", "epoll", "other",
};
static const char *const ops[] = {
	[SL_NET_BIND] = "bind",	      [SL_NET_LISTEN] = "listen",
	[SL_NET_CONNECT] = "connect", [SL_NET_ESTABLISHED] = "established",
	[SL_NET_REFUSED] = "refused", [SL_NET_ACCEPT_READY] = "accept_ready",
	[SL_NET_ACCEPT] = "accept",   [SL_NET_FIRST_BYTE] = "first_byte",
	[SL_NET_REPLY] = "reply",     [SL_NET_INHERITED] = "inherited",
	[SL_NET_SENDTO] = "sendto",   [SL_NET_CLOSED] = "closed",
	[SL_NET_PROBED] = "probed",
};
static const char *const hows[] = {
	"-",	    "accept",	   "poll",    "epoll",	"epoll_edge",
	"io_uring", "edge_accept", "receive", "select",
};
static const char *const reasons[] = {
	"?",	  "counted",	   "static", "secure", "sanitizer", "32bit",
	"chroot", "own allocator", "off",    "?",      "deepbind",  "user",
};
static const char *const sample_reasons[] = { "?", "timer", "call", "fault", "wait" };
static const char *const mapping_ops[] = { "?", "map", "protect", "setup", "enter", "done" };
static const char *const parts[SL_PART_LIMIT] = {
	"?",	  "all",  "page_tables", "heap",  "arenas",  "malloc",	  "stack",  "thread_stacks",
	"loader", "file", "shared",	 "named", "runtime", "anonymous", "kernel", "own",
};
static const char *const sources[] = { "bpf", "shim", "collect", "?" };

/* ---- kinds ---- */

static void print_meta(struct line *l, const struct sl_meta *e)
{
	line_text(l, &e->event, e->text);
}

static void print_mark(struct line *l, const struct sl_mark *e)
{
	(void)buf_addf(l->out, " %s", NAME_IN(marks, e->mark));
	line_number(l, "value", e->value);
	line_number(l, "detail", e->detail);
	line_text(l, &e->event, e->text);
}

static void print_task(struct line *l, const struct sl_task *e)
{
	(void)buf_addf(l->out, " parent=%u/%u ns=%u/%u", e->parent_pid, e->parent_tid, e->ns_pid,
		       e->ns_tid);
	if (e->own_tid != e->ns_tid)
		(void)buf_addf(l->out, " own=%u", e->own_tid);
	line_flag(l, e->flags, SL_TASK_THREAD, "thread");
	line_flag(l, e->flags, SL_TASK_SHARES_MM, "shares_mm");
	line_flag(l, e->flags, SL_TASK_VFORK, "vfork");
	line_flag(l, e->flags, SL_TASK_ATTACHED, "attached");
	line_comm(l, e->comm);
}

static void print_exec(struct line *l, const struct sl_exec *e)
{
	line_time(l, "enter", e->enter_ns);
	line_time(l, "start", e->start_ns);
	(void)buf_addf(l->out, " caller=%u ns=%u argv_bytes=%u", e->caller_tid, e->ns_pid,
		       e->argv_bytes);
	line_flag(l, e->flags, SL_EXEC_SECURE, "secure");
	line_flag(l, e->flags, SL_EXEC_STATIC, "static");
	line_flag(l, e->flags, SL_EXEC_32BIT, "32bit");
	line_flag(l, e->flags, SL_EXEC_ARGS_CUT, "args_cut");
	line_text(l, &e->event, e->text);
}

static void print_args(struct line *l, const struct sl_args *e)
{
	line_time(l, "exec", e->exec_ns);
	(void)buf_addf(l->out, " offset=%u length=%u", e->offset, e->length);
	line_bytes(l, e->bytes, e->length);
}

static void print_execfail(struct line *l, const struct sl_execfail *e)
{
	line_time(l, "enter", e->enter_ns);
	line_text(l, &e->event, e->text);
	line_result(l, e->result);
}

static void print_exit(struct line *l, const struct sl_exit *e)
{
	if ((e->flags & SL_EXIT_NO_STATUS) == 0)
		(void)buf_addf(l->out, " status=0x%x", e->status);
	line_number(l, "run", e->run_ns);
	line_flag(l, e->flags, SL_EXIT_PROCESS, "process");
	line_flag(l, e->flags, SL_EXIT_NO_STATUS, "no_status");
	line_flag(l, e->flags, SL_EXIT_GROUP, "group");
}

static void add_kinds(struct line *l, const char *prefix, const __u64 *bytes)
{
	static const char *const names[SL_MEMORY_KINDS] = { "anonymous", "file", "shared" };
	for (int i = 0; i < SL_MEMORY_KINDS; i++) {
		char label[32];
		(void)snprintf(label, sizeof(label), "%s%s", prefix, names[i]);
		line_number(l, label, bytes[i]);
	}
}

static void print_usage(struct line *l, const struct sl_usage *e)
{
	(void)buf_addf(l->out, " %s", NAME_IN(whens, e->when));
	line_number(l, "threads_peak", e->threads_peak);
	line_number(l, "user", e->user_ns);
	line_number(l, "system", e->system_ns);
	line_number(l, "run", e->run_ns);
	line_number(l, "minor", e->minor_faults);
	line_number(l, "major", e->major_faults);
	line_number(l, "voluntary", e->voluntary_switches);
	line_number(l, "involuntary", e->involuntary_switches);
	line_number(l, "read", e->read_bytes);
	line_number(l, "write", e->write_bytes);
	line_number(l, "rchar", e->read_chars);
	line_number(l, "wchar", e->write_chars);
	line_number(l, "rss", e->rss_bytes);
	line_number(l, "peak", e->rss_peak_bytes);
	add_kinds(l, "", e->rss_kinds);
	add_kinds(l, "peak_", e->rss_peak_kinds);
	line_number(l, "rx", e->net_rx_bytes);
	line_number(l, "tx", e->net_tx_bytes);
	line_number(l, "probe_ns", e->probe_ns);
	line_number(l, "probe_calls", e->probe_calls);
	line_number(l, "probe_hits", e->probe_hits);
	line_number(l, "speed_samples", e->speed_samples);
	line_number(l, "speed_sum", e->speed_sum);
	line_flag(l, e->flags, SL_USAGE_NO_IO, "no_io");
	line_flag(l, e->flags, SL_USAGE_NO_NET, "no_net");
	line_flag(l, e->flags, SL_USAGE_NO_RSS, "no_rss");
	line_flag(l, e->flags, SL_USAGE_NO_CPU, "no_cpu");
}

static void print_offcpu(struct line *l, const struct sl_offcpu *e)
{
	line_time(l, "out", e->out_ns);
	line_time(l, "wake", e->wake_ns);
	(void)buf_addf(l->out, " %s", NAME_IN(states, e->state));
	if (e->syscall != SL_NO_SYSCALL)
		(void)buf_addf(l->out, " syscall=%u", (unsigned int)e->syscall);
	(void)buf_addf(l->out, " by=%s %u/%u", NAME_IN(contexts, e->context), e->waker_pid,
		       e->waker_tid);
	line_comm(l, e->waker_comm);
	if (e->object != SL_OBJECT_NONE)
		(void)buf_addf(l->out, " object=%s fd=%d sock=%llu", NAME_IN(objects, e->object),
			       (int)e->fd, (unsigned long long)e->sock);
	if (e->wait_ip != 0)
		(void)buf_addf(l->out, " ip=%llx", (unsigned long long)e->wait_ip);
	line_flag(l, e->flags, SL_OFFCPU_IOWAIT, "iowait");
	line_flag(l, e->flags, SL_OFFCPU_STILL, "still");
	line_flag(l, e->flags, SL_OFFCPU_MAJOR, "major");
	line_flag(l, e->flags, SL_OFFCPU_TIMEOUT, "timeout");
	line_flag(l, e->flags, SL_OFFCPU_THROTTLED, "throttled");
	line_flag(l, e->flags, SL_OFFCPU_INFERRED, "inferred");
	line_text(l, &e->event, e->text);
}

static void print_syscall(struct line *l, const struct sl_syscall *e)
{
	(void)buf_addf(l->out, " %u", e->number);
	line_time(l, "enter", e->enter_ns);
	line_number(l, "offcpu", e->offcpu_ns);
}

static void print_open(struct line *l, const struct sl_open *e)
{
	line_time(l, "enter", e->enter_ns);
	(void)buf_addf(l->out, " flags=0%o", e->flags);
	line_text(l, &e->event, e->text);
	line_result(l, e->result);
}

static void print_net(struct line *l, const struct sl_net *e)
{
	(void)buf_addf(l->out, " %s", NAME_IN(ops, e->op));
	line_address(l, &e->addr);
	(void)buf_addf(l->out, " sock=%llu other=%llu fd=%d", (unsigned long long)e->sock,
		       (unsigned long long)e->other, (int)e->fd);
	if (e->how != 0)
		(void)buf_addf(l->out, " how=%s", NAME_IN(hows, e->how));
	if (e->backlog != 0)
		(void)buf_addf(l->out, " backlog=%u", e->backlog);
	line_time(l, "enter", e->enter_ns);
	line_result(l, e->result);
}

static void print_heap(struct line *l, const struct sl_heap *e)
{
	static const char *const calls[SL_HEAP_CALLS] = {
		"malloc", "calloc",	  "realloc", "memalign",
		"free",	  "realloc_free", "failed",  "unmatched",
	};
	(void)buf_addf(l->out, " %s ns=%u", NAME_IN(whens, e->when), e->ns_pid);
	line_time(l, "since", e->since_ns);
	for (size_t i = 0; i < SL_HEAP_CALLS; i++) {
		if (e->calls[i] != 0)
			line_number(l, calls[i], e->calls[i]);
	}
	line_number(l, "requested", e->requested_bytes);
	line_number(l, "live", e->live_bytes);
	line_number(l, "peak", e->peak_bytes);
	line_number(l, "peak_error", e->peak_error_bytes);
	line_number(l, "tree_peak", e->tree_peak_bytes);
	line_number(l, "tree_error", e->tree_peak_error_bytes);
	line_number(l, "tree_excess", e->tree_peak_excess_bytes);
}

static void print_cover(struct line *l, const struct sl_cover *e)
{
	(void)buf_addf(l->out, " %s ns=%u%s", NAME_IN(reasons, e->reason), e->ns_pid,
		       e->next != 0 ? " next" : "");
	line_text(l, &e->event, e->text);
}

static void print_memory(struct line *l, const struct sl_memory *e)
{
	(void)buf_addf(l->out, " %s processes=%u", NAME_IN(whens, e->when), e->processes);
	line_number(l, "now", e->now_bytes);
	line_number(l, "peak", e->peak_bytes);
	line_time(l, "at", e->peak_ns);
	line_number(l, "error", e->error_bytes);
	line_number(l, "cgroup_peak", e->cgroup_peak_bytes);
}

static void print_schedsum(struct line *l, const struct sl_schedsum *e)
{
	line_time(l, "since", e->since_ns);
	line_number(l, "blocked", e->blocked_ns);
	line_number(l, "runnable", e->runnable_ns);
	line_number(l, "count", e->count);
}

static void print_symbol(struct line *l, const struct sl_symbol *e)
{
	(void)buf_addf(l->out, " ip=%llx", (unsigned long long)e->ip);
	line_text(l, &e->event, e->text);
}

static void print_name(struct line *l, const struct sl_name *e)
{
	if (e->is_title != 0)
		(void)buf_adds(l->out, " title");
	line_text(l, &e->event, e->text);
}

static void print_module(struct line *l, const struct sl_module *e)
{
	(void)buf_addf(l->out, " %u type=%u build_id=", e->id, (unsigned int)e->type);
	for (size_t i = 0; i < e->build_id_length && i < SL_BUILD_ID_MAX; i++)
		(void)buf_addf(l->out, "%02x", e->build_id[i]);
	line_text(l, &e->event, e->text);
}

static void print_frame(struct line *l, const struct sl_frame *e)
{
	(void)buf_addf(l->out, " %u module=%u offset=%llx", e->id, e->module,
		       (unsigned long long)e->offset);
}

static void print_function(struct line *l, const struct sl_function *e)
{
	(void)buf_addf(l->out, " frame=%u depth=%u line=%u", e->frame, e->depth, e->line);
	line_text(l, &e->event, e->text);
}

static void print_stack(struct line *l, const struct sl_stack *e)
{
	(void)buf_addf(l->out, " %u caller=%u frame=%u", e->id, e->caller, e->frame);
	line_flag(l, e->flags, SL_STACK_CUT, "cut");
}

static void print_sample(struct line *l, const struct sl_sample *e)
{
	(void)buf_addf(l->out, " stack=%u %s", e->stack, NAME_IN(sample_reasons, e->reason));
	if (e->syscall != SL_NO_SYSCALL)
		(void)buf_addf(l->out, " syscall=%u", (unsigned int)e->syscall);
	line_time(l, "since", e->since_ns);
	line_number(l, "period", e->period_ns);
}

static void print_calls(struct line *l, const struct sl_calls *e)
{
	(void)buf_addf(l->out, " %u %s", e->number, NAME_IN(whens, e->when));
	line_number(l, "count", e->count);
	line_number(l, "errors", e->errors);
	line_number(l, "total", e->total_ns);
	line_number(l, "cpu", e->cpu_ns);
}

static void print_mapping(struct line *l, const struct sl_mapping *e)
{
	line_time(l, "enter", e->enter_ns);
	(void)buf_addf(l->out, " %s address=%llx length=%llu offset=%llu fd=%d protection=%x",
		       NAME_IN(mapping_ops, e->op), (unsigned long long)e->address,
		       (unsigned long long)e->length, (unsigned long long)e->offset, (int)e->fd,
		       e->protection);
}

static void print_import(struct line *l, const struct sl_import *e)
{
	(void)buf_addf(l->out, " language=%u %s", e->language,
		       (e->op & SL_IMPORT_END) != 0 ? "end" : "begin");
	line_text(l, &e->event, e->text);
}

static void print_site(struct line *l, const struct sl_site *e)
{
	static const char *const sums[SL_SITE_PARTS] = { "total", "live", "peak", "tree_peak",
							 "temporary" };
	(void)buf_addf(l->out, " stack=%u %s", e->stack, NAME_IN(whens, e->when));
	line_time(l, "since", e->since_ns);
	line_number(l, "lifetime", e->lifetime_ns);
	line_number(l, "image_peak", e->peak_bytes);
	for (size_t i = 0; i < SL_SITE_PARTS; i++)
		(void)buf_addf(l->out, " %s=%llu/%llu+-%llu/%llu", sums[i],
			       (unsigned long long)e->sums[i].blocks,
			       (unsigned long long)e->sums[i].bytes,
			       (unsigned long long)e->sums[i].error_bytes,
			       (unsigned long long)e->sums[i].samples);
}

static void print_resident(struct line *l, const struct sl_resident *e)
{
	(void)buf_addf(l->out, " %s %s", NAME_IN(whens, e->when), NAME_IN(parts, e->part));
	if (e->result < 0)
		(void)buf_addf(l->out, " result=%d", (int)e->result);
	line_number(l, "areas", e->areas);
	line_number(l, "size", e->size_bytes);
	line_number(l, "rss", e->rss_bytes);
	line_number(l, "pss", e->pss_bytes);
	line_number(l, "private", e->private_bytes);
	line_number(l, "dirty", e->dirty_bytes);
	line_number(l, "swap", e->swap_bytes);
	line_text(l, &e->event, e->text);
}

static void print_mapped(struct line *l, const struct sl_mapped *e)
{
	static const char *const ways[SL_GROWTH_WAYS] = { "brk", "mmap", "mremap" };
	(void)buf_addf(l->out, " memory=%u", e->memory);
	if (e->when != 0)
		(void)buf_addf(l->out, " %s", NAME_IN(whens, e->when));
	line_number(l, "rss", e->rss_bytes);
	line_number(l, "tree", e->tree_bytes);
	add_kinds(l, "tree_", e->tree_kinds);
	line_number(l, "touched", e->touched_bytes);
	line_number(l, "data", e->data_bytes);
	for (size_t i = 0; i < SL_GROWTH_WAYS; i++)
		(void)buf_addf(l->out, " %s=%llu/%llu", ways[i],
			       (unsigned long long)e->grown[i].calls,
			       (unsigned long long)e->grown[i].bytes);
	line_time(l, "grown", e->grown_ns);
}

static void print_mapsite(struct line *l, const struct sl_mapsite *e)
{
	(void)buf_addf(l->out, " %sstack=%u", e->what == SL_MAPSITE_TOUCHED ? "touched " : "",
		       e->stack);
	line_time(l, "since", e->since_ns);
	line_number(l, "calls", e->all.calls);
	line_number(l, "bytes", e->all.bytes);
	line_number(l, "ready_bytes", e->ready.bytes);
}

static void print_live(struct line *l, const struct sl_live *e)
{
	line_number(l, "bytes", e->bytes);
}

static void print_block(struct line *l, const struct sl_block *e)
{
	(void)buf_addf(l->out, " 0x%llx", (unsigned long long)e->address);
	if (e->bytes == 0) {
		(void)buf_adds(l->out, " freed");
		return;
	}
	line_number(l, "bytes", e->bytes);
	(void)buf_addf(l->out, " stack=%u", e->stack);
}

static void print_allocator(struct line *l, const struct sl_allocator *e)
{
	static const char *const names[] = { "?", "jemalloc", "mimalloc", "tcmalloc" };
	(void)buf_addf(l->out, " %s %s threads=%u allocated=%llu freed=%llu",
		       NAME_IN(whens, e->when), NAME_IN(names, e->allocator), e->threads,
		       (unsigned long long)e->allocated_bytes, (unsigned long long)e->freed_bytes);
	line_number(l, "live", e->live_bytes);
	line_number(l, "thread_error", e->thread_error_bytes);
	line_number(l, "held", e->held_bytes);
	line_text(l, &e->event, e->text);
}

static void print_output(struct line *l, const struct sl_output *e)
{
	(void)buf_addf(l->out, " fd=%d length=%u", (int)e->fd, e->length);
	line_bytes(l, e->bytes, e->length);
}

static void print_host(struct line *l, const struct sl_host *e)
{
	(void)buf_addf(l->out, " %s", NAME_IN(whens, e->when));
	line_number(l, "cpu_pressure", e->cpu_pressure_ns);
	line_number(l, "io_pressure", e->io_pressure_ns);
	line_number(l, "memory_pressure", e->memory_pressure_ns);
	line_number(l, "steal", e->steal_ns);
	line_number(l, "throttled", e->throttled_ns);
}

static void print_drops(struct line *l, const struct sl_drops *e)
{
	const struct kind *kind = kind_of(e->kind);
	(void)buf_addf(l->out, " of=%s kind=%s", NAME_IN(sources, e->source),
		       kind != NULL ? kind->name : "any");
	line_number(l, "count", e->count);
}

static void print_tally(struct line *l, const struct sl_tally *e)
{
	(void)buf_addf(l->out, " of=%s:%u", NAME_IN(sources, e->source), e->producer);
	line_number(l, "count", e->count);
}

static void print_end(struct line *l, const struct sl_end *e)
{
	(void)l;
	(void)e;
}

static void print_payload(struct line *l, const struct sl_event *event)
{
	switch ((enum sl_kind)event->kind) {
#define PRINT_CASE(number, enumerator, token, doc)     \
	case SL_KIND_##enumerator:                     \
		print_##token(l, (const void *)event); \
		break;
		SL_EVENT_KINDS(PRINT_CASE)
#undef PRINT_CASE
	case SL_KIND_NONE:
	case SL_KIND_LIMIT:
		break;
	}
}

int event_print(struct buf *out, const struct sl_event *event, uint64_t zero_ns)
{
	struct line l = { .out = out, .zero_ns = zero_ns };
	const struct kind *kind = kind_of(event->kind);
	char time[UNITS_BYTES];
	(void)buf_addf(out, "%12s %-8s %u/%u %s:%u#%u", line_format_time(&l, time, event->time_ns),
		       kind != NULL ? kind->name : "unknown", event->pid, event->tid,
		       NAME_IN(sources, event->flags & SL_FLAG_SOURCE), event->cpu, event->seq);
	line_flag(&l, event->flags, SL_FLAG_NS_IDS, "ns_ids");
	line_flag(&l, event->flags, SL_FLAG_CUT, "cut");
	if (kind != NULL && event->size >= kind->size)
		print_payload(&l, event);
	return buf_addc(out, '\n');
}

/* Time zero is the command's call of execve; without one, the first event. */
static uint64_t zero_of(const struct trace *t)
{
	trace_foreach(t, event) {
		if (event->kind == SL_KIND_EXEC)
			return ((const struct sl_exec *)(const void *)event)->enter_ns;
	}
	return t->n_events > 0 ? t->events[0]->time_ns : 0;
}

int trace_dump(const struct trace *t, FILE *file)
{
	const uint64_t zero_ns = zero_of(t);
	struct buf line;
	buf_init(&line, LINE_MAX_BYTES);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < t->n_events; i++) {
		buf_clear(&line);
		rc = event_print(&line, t->events[i], zero_ns);
		if (rc == 0 && fwrite(line.data, 1, line.len, file) != line.len)
			rc = errno != 0 ? -errno : -EIO;
	}
	buf_done(&line);
	return rc;
}
