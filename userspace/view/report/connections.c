/* SPDX-License-Identifier: MIT */
/* What the tree connected to, and what it listened on. */

#include <string.h>

#include "userspace/view/report/parts.h"

#define MAX_LABEL ((size_t)64 << 10)

static void add_connection(struct table *t, const struct run *run, const struct connection *c,
			   struct buf *label)
{
	const bool has_failed = strcmp(text_of(c->result), "ok") != 0;
	table_tone(t, has_failed ? TONE_WARN : TONE_PLAIN);
	table_text(t, process_label(run, c->process, label));
	table_count(t, c->process == 0 ? UNKNOWN : c->process);
	table_text(t, c->peer);
	table_ns(t, c->start_ns);
	table_ns(t, c->duration_ns);
	table_ns(t, c->reply_ns);
	table_count(t, (int64_t)c->n_replies);
	table_text(t, c->result);
	table_count(t, c->peer_process == 0 ? UNKNOWN : c->peer_process);
}

struct table *build_connections(const struct session *s, size_t run_index)
{
	static const struct column columns[] = {
		{ .title = "process", .key = "command" },
		{ .title = "id", .key = "process", .audience = FOR_PROGRAMS },
		{ .title = "peer", .key = "peer", .is_elastic = true },
		{ .title = "at", .key = "start_ns", .align = ALIGN_RIGHT },
		{ .title = "took", .key = "duration_ns", .align = ALIGN_RIGHT },
		{ .title = "reply", .key = "reply_ns", .align = ALIGN_RIGHT },
		{ .title = "replies", .key = "replies", .audience = FOR_PROGRAMS },
		{ .title = "result", .key = "result" },
		{ .title = "by", .key = "peer_process", .audience = FOR_PROGRAMS },
	};
	const struct run *run = &s->runs[run_index];
	struct table *t = table_new("Connections", columns, N_OF(columns));
	_cleanup_(buf_done) struct buf label = { .limit = MAX_LABEL };
	for (size_t i = 0; i < run->n_connections; i++)
		add_connection(t, run, &run->connections[i], &label);
	if (run->n_connections > 0 && run->lost_bpf == UNKNOWN)
		table_note(t, "reply: not seen without kernel probes");
	else if (run->n_connections > 0)
		table_note(t, "reply: from the last byte of the first request to the first "
			      "byte of its answer");
	return t;
}

struct table *build_listeners(const struct session *s, size_t run_index)
{
	static const struct column columns[] = {
		{ .title = "endpoint", .key = "endpoint", .is_elastic = true },
		{ .title = "id", .key = "process", .audience = FOR_PROGRAMS },
		{ .title = "bind", .key = "bind_ns", .align = ALIGN_RIGHT },
		{ .title = "listen", .key = "listen_ns", .align = ALIGN_RIGHT },
		{ .title = "accept ready", .key = "accept_ready_ns", .align = ALIGN_RIGHT },
		{ .title = "by", .key = "accept_ready_process", .audience = FOR_PROGRAMS },
		{ .title = "first accept", .key = "first_accept_ns", .align = ALIGN_RIGHT },
		{ .title = "first byte", .key = "first_byte_ns", .align = ALIGN_RIGHT },
		{ .title = "evidence", .key = "evidence", .audience = FOR_PROGRAMS },
	};
	const struct run *run = &s->runs[run_index];
	struct table *t = table_new("Listeners", columns, N_OF(columns));
	for (size_t i = 0; i < run->n_listeners; i++) {
		const struct listener *l = &run->listeners[i];
		table_text(t, l->endpoint);
		table_count(t, l->process == 0 ? UNKNOWN : l->process);
		table_ns(t, l->bind_ns);
		table_ns(t, l->listen_ns);
		table_ns(t, l->accept_ready_ns);
		table_count(t, l->accept_ready_process == 0 ? UNKNOWN : l->accept_ready_process);
		table_ns(t, l->first_accept_ns);
		table_ns(t, l->first_byte_ns);
		table_text(t, l->evidence);
	}
	return t;
}
