/* SPDX-License-Identifier: MIT */
/* Builds the collector's own events in place and hands them to a sink. */

#include "userspace/collect/run/emit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/clock.h"

/* Facts are short lines; a command's argument may be as long as a record allows. */
#define TEXT_MAX (SL_EVENT_MAX - sizeof(struct sl_mark) - 8)

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

struct sl_event emit_header(enum sl_kind kind, size_t size, uint64_t time_ns, pid_t pid)
{
	return (struct sl_event){
		.size = (uint32_t)((size + 7) & ~(size_t)7),
		.kind = (uint16_t)kind,
		.flags = SL_SOURCE_COLLECT,
		.time_ns = time_ns,
		.pid = (uint32_t)pid,
		.tid = (uint32_t)pid,
	};
}

int emit_meta(struct sink sink, const char *key, const char *format, ...)
{
	static union {
		struct sl_meta meta;
		char bytes[SL_EVENT_MAX];
	} record;

	const size_t head = sizeof(struct sl_meta);
	const int key_length = snprintf(record.bytes + head, TEXT_MAX, "%s=", key);
	if (key_length < 0 || (size_t)key_length >= TEXT_MAX)
		return -EINVAL;

	va_list args;
	va_start(args, format);
	const size_t room = TEXT_MAX - (size_t)key_length;
	const int value_length =
		vsnprintf(record.bytes + head + (size_t)key_length, room, format, args);
	va_end(args);
	if (value_length < 0)
		return -EINVAL;

	const size_t used = (size_t)value_length < room ? (size_t)value_length : room - 1;
	const size_t end = head + (size_t)key_length + used;
	memset(record.bytes + end, 0, 8);
	record.meta.event = emit_header(SL_KIND_META, end + 1, now_ns(), 0);
	return sink.event(sink.data, &record.meta.event);
}

int emit_mark(struct sink sink, enum sl_mark_id mark, uint64_t time_ns, pid_t pid, uint64_t value,
	      uint32_t detail, const char *text)
{
	static union {
		struct sl_mark mark;
		char bytes[SL_EVENT_MAX];
	} record;

	size_t length = text != NULL ? strlen(text) : 0;
	if (length > TEXT_MAX)
		length = TEXT_MAX;
	const size_t end = sizeof(struct sl_mark) + length;
	record.mark = (struct sl_mark){
		.event = emit_header(SL_KIND_MARK, end + 1, time_ns, pid),
		.mark = mark,
		.detail = detail,
		.value = value,
	};
	if (length > 0)
		memcpy(record.bytes + sizeof(struct sl_mark), text, length);
	memset(record.bytes + end, 0, 8);
	return sink.event(sink.data, &record.mark.event);
}

int emit_drops(struct sink sink, enum sl_source source, uint32_t kind, uint64_t count)
{
	const struct sl_drops drops = {
		.event = emit_header(SL_KIND_DROPS, sizeof(drops), now_ns(), 0),
		.source = source,
		.kind = kind,
		.count = count,
	};
	return sink.event(sink.data, &drops.event);
}
