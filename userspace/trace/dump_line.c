/* SPDX-License-Identifier: MIT */
/* See dump_line.h. */
#include "userspace/trace/dump_line.h"

#include <stdio.h>
#include <string.h>

#include "userspace/base/utf8.h"
#include "userspace/trace/addr_text.h"
#include "userspace/trace/trace.h"

void line_text(struct line *l, const struct sl_event *event, const char *text)
{
	const size_t length = event_text_length(event, text);
	if (length == 0 && (event->flags & SL_FLAG_LEAF) == 0)
		return;
	(void)buf_adds(l->out, " '");
	if (event->flags & SL_FLAG_LEAF) {
		/* The components as they come, leaf first. */
		const size_t room = event->size - (size_t)(text - (const char *)event);
		for (size_t at = 0; at < room && text[at] != '\0';) {
			const size_t n = strnlen(text + at, room - at);
			(void)text_escape(l->out, text + at, n);
			(void)buf_adds(l->out, "<");
			at += n + 1;
		}
	} else {
		(void)text_escape(l->out, text, length);
	}
	(void)buf_adds(l->out, "'");
}

void line_bytes(struct line *l, const char *bytes, size_t n)
{
	(void)buf_adds(l->out, " '");
	(void)text_escape(l->out, bytes, n);
	(void)buf_adds(l->out, "'");
}

void line_comm(struct line *l, const char *comm)
{
	(void)buf_adds(l->out, " '");
	(void)text_escape(l->out, comm, strnlen(comm, SL_COMM_SIZE));
	(void)buf_adds(l->out, "'");
}

char *line_format_time(const struct line *l, char text[static UNITS_BYTES], uint64_t time_ns)
{
	const bool is_before = time_ns < l->zero_ns;
	const uint64_t distance_ns = is_before ? l->zero_ns - time_ns : time_ns - l->zero_ns;
	(void)snprintf(text, UNITS_BYTES, "%s%llu.%06llu", is_before ? "-" : "",
		       (unsigned long long)(distance_ns / NS_PER_MS),
		       (unsigned long long)(distance_ns % NS_PER_MS));
	return text;
}

void line_time(struct line *l, const char *label, uint64_t time_ns)
{
	char text[UNITS_BYTES];
	const char *value = time_ns == 0 ? "-" : line_format_time(l, text, time_ns);
	(void)buf_addf(l->out, " %s=%s", label, value);
}

void line_number(struct line *l, const char *label, uint64_t value)
{
	if (value == SL_UNKNOWN)
		(void)buf_addf(l->out, " %s=-", label);
	else
		(void)buf_addf(l->out, " %s=%llu", label, (unsigned long long)value);
}

void line_result(struct line *l, int32_t result)
{
	const char *name = result < 0 && result > -4096 ? strerrorname_np(-result) : NULL;
	if (name != NULL)
		(void)buf_addf(l->out, " = %s", name);
	else
		(void)buf_addf(l->out, " = %d", (int)result);
}

void line_flag(struct line *l, uint64_t flags, uint64_t bit, const char *name)
{
	if (flags & bit)
		(void)buf_addf(l->out, " %s", name);
}

void line_address(struct line *l, const struct sl_addr *addr)
{
	char text[ADDR_TEXT_BYTES];
	const char *endpoint = addr_text(addr, text);
	(void)buf_adds(l->out, " ");
	(void)text_escape(l->out, endpoint, strlen(endpoint));
}
