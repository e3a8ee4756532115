/* SPDX-License-Identifier: MIT */
/* One call_<token>() per kind of event: hands it to the module that keeps such facts. The
 * table comes from the schema, so a kind without its function does not compile. */
#include "userspace/model/build/allocator.h"
#include "userspace/model/build/internal.h"

#include <string.h>

static void fold_mark(struct builder *b, const struct sl_mark *e)
{
	switch (e->mark) {
	case SL_MARK_LINKED:
	case SL_MARK_MAIN:
		image_mark(b, e);
		break;
	case SL_MARK_READY:
		b->ready_mark = e;
		break;
	case SL_MARK_NOTIFIED:
		if (b->notified_mark == NULL)
			b->notified_mark = e;
		break;
	case SL_MARK_STOP:
		if (b->stop_reason == 0) {
			b->stop_reason = e->detail;
			b->stop_ns = e->event.time_ns;
		}
		break;
	case SL_MARK_REAPED:
		b->reaped_ns = e->event.time_ns;
		b->wait_status = (uint32_t)e->value;
		b->has_status = true;
		break;
	case SL_MARK_GONE:
		b->gone_ns = e->event.time_ns;
		break;
	case SL_MARK_OVERHEAD:
		overhead_mark(b, e);
		break;
	case SL_MARK_REAPED_CHILD:
		wait_reaped(b, e);
		break;
	default: /* SPAWN opened the run; others are of a later version */
		break;
	}
}

static bool is_open_of_shim(const struct builder *b, const struct sl_open *e)
{
	const char *path = b->facts->shim_path;
	const size_t n = event_text_length(&e->event, e->text);
	return path != NULL && n == strlen(path) && memcmp(e->text, path, n) == 0;
}

static void note_open_of_shim(struct builder *b, const struct sl_open *e)
{
	const int proc = e->result < 0 ? -1 : process_of(b, &e->event);
	if (proc >= 0)
		b->procs.items[proc].shim_open_ns = e->event.time_ns;
}

static void fold_open(struct builder *b, const struct sl_open *e)
{
	const bool is_of_shim = is_open_of_shim(b, e);
	if (is_of_shim)
		note_open_of_shim(b, e);
	if ((e->flags & SL_OPEN_OWN) == 0)
		library_event(b, &e->event);
	/* Startline's own doing in the program: the shim's opens, and the loader's of the shim. */
	if (e->event.time_ns < b->zero_ns || is_of_shim || (e->flags & SL_OPEN_OWN) != 0)
		return;
	if (e->result < 0)
		b->n_misses++;
	else
		b->n_opens++;
	file_open(b, e);
	module_open(b, e);
}

static void fold_mapping(struct builder *b, const struct sl_mapping *e)
{
	library_event(b, &e->event);
}

static void fold_memory(struct builder *b, const struct sl_memory *e)
{
	b->memory_last = e;
	if (e->when == SL_WHEN_READY)
		b->memory_ready = e;
}

static void fold_schedsum(struct builder *b, const struct sl_schedsum *e)
{
	const int64_t count = counter(e->count);
	if (count != UNKNOWN &&
	    __builtin_add_overflow(b->switches_summed, count, &b->switches_summed))
		b->switches_summed = INT64_MAX;
}

static void fold_host(struct builder *b, const struct sl_host *e)
{
	if (b->host_first == NULL)
		b->host_first = e;
	b->host_last = e;
}

#define FOLD(token, function)                                                     \
	static void call_##token(struct builder *b, const struct sl_event *event) \
	{                                                                         \
		function(b, (const struct sl_##token *)event);                    \
	}
#define LEAVE(token)                                                              \
	static void call_##token(struct builder *b, const struct sl_event *event) \
	{                                                                         \
		(void)b;                                                          \
		(void)event;                                                      \
	}
FOLD(task, process_task)
FOLD(sample, sample_event)
FOLD(exec, process_exec)
FOLD(args, image_args)
FOLD(execfail, image_execfail)
FOLD(exit, process_exit)
FOLD(usage, process_usage)
FOLD(offcpu, wait_offcpu)
FOLD(syscall, wait_syscall)
FOLD(net, socket_event)
FOLD(heap, memory_heap)
FOLD(site, site_event)
FOLD(resident, resident_told)
FOLD(allocator, allocator_told)
FOLD(mapped, growth_mapped)
FOLD(mapsite, growth_site)
FOLD(live, growth_live)
FOLD(cover, coverage_cover)
FOLD(name, process_name)
FOLD(calls, calls_told)
FOLD(import, module_import)
FOLD(mark, fold_mark)
FOLD(open, fold_open)
FOLD(memory, fold_memory)
FOLD(schedsum, fold_schedsum)
FOLD(host, fold_host)
FOLD(mapping, fold_mapping)
/* What is about the recording (facts.c), and what only trace/ready.c looks at. */
LEAVE(meta)
LEAVE(symbol)
LEAVE(output)
LEAVE(drops)
LEAVE(tally)
LEAVE(end)
/* Call sites are what they add up to. */
LEAVE(block)
/* What only the views of code look at. */
LEAVE(module)
LEAVE(frame)
LEAVE(function)
LEAVE(stack)

static void (*const calls[SL_KIND_LIMIT])(struct builder *, const struct sl_event *) = {
#define FOLD_ROW(number, name, token, doc) [SL_KIND_##name] = call_##token,
	SL_EVENT_KINDS(FOLD_ROW)
#undef FOLD_ROW
};

/* Where the kernel tells of processes, but not of system calls, the shim tells of both. */
static bool is_told_twice(const struct builder *b, const struct sl_event *event)
{
	return b->facts->bpf == NULL && source_of(event) == SL_SOURCE_SHIM &&
	       (event->kind == SL_KIND_TASK || event->kind == SL_KIND_EXEC ||
		event->kind == SL_KIND_ARGS || event->kind == SL_KIND_EXECFAIL);
}

void fold_event(struct builder *b, const struct sl_event *event)
{
	if (event->time_ns > b->last_ns)
		b->last_ns = event->time_ns;
	if (is_told_twice(b, event))
		return;
	if (event->kind < SL_KIND_LIMIT && calls[event->kind] != NULL)
		calls[event->kind](b, event);
}
