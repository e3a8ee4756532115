/* SPDX-License-Identifier: MIT */
/* Waiting for --ready conditions, as a machine that events go through. It remembers which sockets
 * listen, which threads wait on one edge-triggered, and the last unfinished line of each output. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "userspace/base/log.h"
#include "userspace/base/vec.h"
#include "userspace/trace/ready.h"
#include "userspace/trace/trace.h"

/* All three bound what a target can make us remember; real ones stay far below. */
#define LISTENERS_MAX  4096u
#define CANDIDATES_MAX 1024u
#define OUTPUTS_MAX    256u
#define LINE_BYTES     8192u /* of a line, the last so many are matched */

struct listener {
	uint64_t sock;
	struct sl_addr addr;
	bool is_listening;
	bool is_ready;
};

/* A thread that waits on an edge-triggered listener. */
struct candidate {
	uint64_t sock;
	uint32_t pid, tid;
	uint64_t since_ns;
};

/* What a process wrote to a descriptor since its last newline. */
struct output {
	uint32_t pid;
	int32_t fd;
	bool is_headless; /* the beginning of the line was let go */
	size_t length;
	char line[LINE_BYTES + 1]; /* a string: regexec wants one */
};

struct listeners VEC(struct listener);
struct candidates VEC(struct candidate);
struct outputs VEC(struct output *);

struct condition {
	const struct ready_rule *rule;
	bool holds;
	struct ready_point point;
};

struct ready_watch {
	size_t n_conditions;
	struct condition *conditions;
	struct listeners listeners;
	struct candidates candidates;
	struct outputs outputs;
	size_t next_evicted;
};

int ready_watch_new(const struct ready_rule *rules, size_t n_rules, struct ready_watch **ret)
{
	struct ready_watch *w = calloc(1, sizeof(*w));
	struct condition *conditions = calloc(n_rules + 1, sizeof(*conditions));
	if (w == NULL || conditions == NULL) {
		free(w);
		free(conditions);
		return fail(-ENOMEM, "no memory to wait for readiness");
	}
	for (size_t i = 0; i < n_rules; i++)
		conditions[i].rule = &rules[i];
	w->conditions = conditions;
	w->n_conditions = n_rules;
	*ret = w;
	return 0;
}

struct ready_watch *ready_watch_free(struct ready_watch *w)
{
	if (w == NULL)
		return NULL;
	vec_foreach(output, &w->outputs)
		free(*output);
	vec_done(&w->outputs);
	vec_done(&w->listeners);
	vec_done(&w->candidates);
	free(w->conditions);
	free(w);
	return NULL;
}

/* ---- conditions ---- */

static void hold(struct condition *c, const struct ready_point *point)
{
	if (c->holds)
		return;
	c->holds = true;
	c->point = *point;
	c->point.type = c->rule->type;
}

static struct ready_point point_of(const struct sl_event *event)
{
	return (struct ready_point){
		.time_ns = event->time_ns,
		.pid = event->pid,
		.tid = event->tid,
	};
}

/* The point at which the last condition came to hold. */
static bool all_hold(const struct ready_watch *w, struct ready_point *ret)
{
	const struct condition *last = NULL;
	for (size_t i = 0; i < w->n_conditions; i++) {
		const struct condition *c = &w->conditions[i];
		if (!c->holds)
			return false;
		if (last == NULL || c->point.time_ns > last->point.time_ns)
			last = c;
	}
	if (last == NULL)
		return false;
	*ret = last->point;
	return true;
}

bool ready_watch_holds(const struct ready_watch *w, size_t rule)
{
	return rule < w->n_conditions && w->conditions[rule].holds;
}

static bool port_matches(const struct ready_rule *rule, const struct sl_addr *addr)
{
	const bool has_port = addr->family == AF_INET || addr->family == AF_INET6;
	return rule->port == 0 || (has_port && addr->port == rule->port);
}

/* ---- listeners ---- */

/* NULL for an unknown socket, or when there are too many. */
static struct listener *listener_of(struct ready_watch *w, uint64_t sock)
{
	if (sock == 0)
		return NULL;
	vec_foreach(known, &w->listeners) {
		if (known->sock == sock)
			return known;
	}
	if (w->listeners.n >= LISTENERS_MAX ||
	    vec_push(&w->listeners, (struct listener){ .sock = sock }) < 0)
		return NULL;
	return vec_last(&w->listeners);
}

static bool all_listeners_are_ready(const struct ready_watch *w)
{
	bool is_any = false;
	vec_foreach(known, &w->listeners) {
		if (known->is_listening && !known->is_ready)
			return false;
		is_any = is_any || known->is_ready;
	}
	return is_any;
}

static void forget_candidates(struct ready_watch *w, uint64_t sock)
{
	size_t kept = 0;
	for (size_t i = 0; i < w->candidates.n; i++) {
		if (w->candidates.items[i].sock != sock)
			w->candidates.items[kept++] = w->candidates.items[i];
	}
	w->candidates.n = kept;
}

/* A listener stands ready: @point has its socket and address. */
static void listener_is_ready(struct ready_watch *w, const struct ready_point *point)
{
	struct listener *listener = listener_of(w, point->sock);
	if (listener != NULL)
		listener->is_ready = true;
	if (point->sock != 0)
		forget_candidates(w, point->sock);
	for (size_t i = 0; i < w->n_conditions; i++) {
		struct condition *c = &w->conditions[i];
		if ((c->rule->type == READY_ACCEPT && port_matches(c->rule, &point->addr)) ||
		    (c->rule->type == READY_ACCEPT_ALL && all_listeners_are_ready(w)))
			hold(c, point);
	}
}

static void add_candidate(struct ready_watch *w, const struct sl_net *net)
{
	const struct listener *listener = listener_of(w, net->sock);
	/* A socket that cannot be told from others cannot be confirmed later either. */
	if (listener == NULL || listener->is_ready)
		return;
	const struct candidate candidate = {
		.sock = net->sock,
		.pid = net->event.pid,
		.tid = net->event.tid,
		.since_ns = net->event.time_ns,
	};
	vec_foreach(known, &w->candidates) {
		if (known->sock == candidate.sock && known->tid == candidate.tid) {
			*known = candidate;
			return;
		}
	}
	if (w->candidates.n < CANDIDATES_MAX)
		(void)vec_push(&w->candidates, candidate);
}

/* A thread that was asleep runs again: it has left its wait. One that was only preempted, or whose
 * record is a snapshot, may still be in it. */
static void left_wait(struct ready_watch *w, const struct sl_offcpu *off)
{
	if (off->state == SL_STATE_PREEMPTED || (off->flags & SL_OFFCPU_STILL) != 0)
		return;
	size_t kept = 0;
	for (size_t i = 0; i < w->candidates.n; i++) {
		const struct candidate c = w->candidates.items[i];
		if (c.tid != off->event.tid || off->event.time_ns <= c.since_ns)
			w->candidates.items[kept++] = c;
	}
	w->candidates.n = kept;
}

static void hold_listening(struct ready_watch *w, const struct sl_net *net)
{
	struct listener *listener = listener_of(w, net->sock);
	if (listener != NULL) {
		listener->is_listening = true;
		listener->addr = net->addr;
	}
	struct ready_point point = point_of(&net->event);
	point.sock = net->sock;
	point.addr = net->addr;
	for (size_t i = 0; i < w->n_conditions; i++) {
		struct condition *c = &w->conditions[i];
		if (c->rule->type == READY_LISTEN && port_matches(c->rule, &net->addr))
			hold(c, &point);
	}
}

static void hold_type(struct ready_watch *w, enum ready_type type, const struct ready_point *point)
{
	for (size_t i = 0; i < w->n_conditions; i++) {
		if (w->conditions[i].rule->type == type)
			hold(&w->conditions[i], point);
	}
}

/* @net is about a connection: its listener is `other`, its address the peer's. */
static struct ready_point point_of_listener(struct ready_watch *w, const struct sl_net *net)
{
	struct ready_point point = point_of(&net->event);
	const struct listener *listener = listener_of(w, net->other);
	point.sock = net->other;
	if (listener != NULL)
		point.addr = listener->addr;
	return point;
}

static void feed_accept_ready(struct ready_watch *w, const struct sl_net *net)
{
	struct listener *listener = listener_of(w, net->sock);
	if (listener != NULL)
		listener->addr = net->addr;
	if (net->how == SL_HOW_EPOLL_EDGE) {
		add_candidate(w, net);
		return;
	}
	struct ready_point point = point_of(&net->event);
	point.sock = net->sock;
	point.addr = net->addr;
	listener_is_ready(w, &point);
}

/* A port that was only tried: it will not be ready, and need not be. */
static void feed_closed(struct ready_watch *w, const struct sl_net *net)
{
	const struct ready_point point = point_of(&net->event);
	struct listener *listener = listener_of(w, net->sock);
	if (listener != NULL)
		listener->is_listening = listener->is_ready = false;
	forget_candidates(w, net->sock);
	if (all_listeners_are_ready(w))
		hold_type(w, READY_ACCEPT_ALL, &point);
}

static void feed_net(struct ready_watch *w, const struct sl_net *net)
{
	struct ready_point point;
	switch ((enum sl_net_op)net->op) {
	case SL_NET_LISTEN:
	case SL_NET_INHERITED:
		if (net->result >= 0)
			hold_listening(w, net);
		break;
	case SL_NET_ACCEPT_READY:
		feed_accept_ready(w, net);
		break;
	case SL_NET_ACCEPT:
		/* Who tries to accept, with or without success, is ready to. */
		point = point_of_listener(w, net);
		listener_is_ready(w, &point);
		if (net->result >= 0)
			hold_type(w, READY_FIRST_ACCEPT, &point);
		break;
	case SL_NET_FIRST_BYTE:
		point = point_of_listener(w, net);
		hold_type(w, READY_FIRST_BYTE, &point);
		break;
	case SL_NET_CLOSED:
		feed_closed(w, net);
		break;
	case SL_NET_BIND:
	case SL_NET_CONNECT:
	case SL_NET_ESTABLISHED:
	case SL_NET_REFUSED:
	case SL_NET_REPLY:
	case SL_NET_SENDTO:
	default: /* from a newer recorder */
		break;
	}
}

/* ---- log lines ---- */

/* NULL: no memory. With too many outputs, one of the old ones is given up. */
static struct output *output_of(struct ready_watch *w, uint32_t pid, int32_t fd)
{
	vec_foreach(known, &w->outputs) {
		if ((*known)->pid == pid && (*known)->fd == fd)
			return *known;
	}
	struct output *output = NULL;
	if (w->outputs.n < OUTPUTS_MAX) {
		output = malloc(sizeof(*output));
		if (output == NULL || vec_push(&w->outputs, output) < 0) {
			free(output);
			return NULL;
		}
	} else {
		output = w->outputs.items[w->next_evicted++ % OUTPUTS_MAX];
	}
	output->pid = pid;
	output->fd = fd;
	output->is_headless = false;
	output->length = 0;
	return output;
}

static void match_line(struct ready_watch *w, struct output *output, bool is_complete,
		       const struct ready_point *point)
{
	size_t length = output->length;
	/* What a terminal or a network protocol adds is not part of the line. */
	if (is_complete && length > 0 && output->line[length - 1] == '\r')
		length--;
	output->line[length] = '\0';
	const int flags = (output->is_headless ? REG_NOTBOL : 0) | (is_complete ? 0 : REG_NOTEOL);
	for (size_t i = 0; i < w->n_conditions; i++) {
		struct condition *c = &w->conditions[i];
		if (c->rule->type == READY_LOG && !c->holds && c->rule->has_regex &&
		    regexec(&c->rule->regex, output->line, 0, NULL, flags) == 0)
			hold(c, point);
	}
}

/* Appends what fits; a line that has grown too long loses its older half. */
static size_t append_line(struct output *output, const char *bytes, size_t n)
{
	if (output->length == LINE_BYTES) {
		const size_t half = LINE_BYTES / 2;
		memmove(output->line, output->line + half, LINE_BYTES - half);
		output->length = LINE_BYTES - half;
		output->is_headless = true;
	}
	const size_t room = LINE_BYTES - output->length;
	const size_t taken = n < room ? n : room;
	/* A NUL would end the string and hide what follows. */
	for (size_t i = 0; i < taken; i++)
		output->line[output->length + i] = (char)(bytes[i] != '\0' ? bytes[i] : '\1');
	output->length += taken;
	return taken;
}

static void feed_output(struct ready_watch *w, const struct sl_output *event)
{
	struct output *output = output_of(w, event->event.pid, event->fd);
	const size_t room = event->event.size - offsetof(struct sl_output, bytes);
	size_t rest = event->length < room ? event->length : room;
	if (output == NULL)
		return;
	const struct ready_point point = point_of(&event->event);
	const char *at = event->bytes;
	while (rest > 0) {
		const char *newline = memchr(at, '\n', rest);
		const size_t n = newline != NULL ? (size_t)(newline - at) : rest;
		const size_t taken = append_line(output, at, n);
		at += taken;
		rest -= taken;
		const bool is_complete = newline == at;
		match_line(w, output, is_complete, &point);
		if (is_complete) {
			at++;
			rest--;
			output->length = 0;
			output->is_headless = false;
		}
	}
}

/* ---- what the collector saw ---- */

static void feed_mark(struct ready_watch *w, const struct sl_mark *mark)
{
	struct ready_point point = point_of(&mark->event);
	if (mark->mark == SL_MARK_NOTIFIED)
		hold_type(w, READY_NOTIFY, &point);
	if (mark->mark != SL_MARK_READY)
		return;
	if (mark->value != 0)
		point.pid = (uint32_t)mark->value;
	const size_t length = event_text_length(&mark->event, mark->text);
	for (size_t i = 0; i < w->n_conditions; i++) {
		struct condition *c = &w->conditions[i];
		if (ready_rule_is_watched(c->rule) && strlen(c->rule->spec) == length &&
		    memcmp(c->rule->spec, mark->text, length) == 0)
			hold(c, &point);
	}
}

/* ---- the machine ---- */

/* The candidate that has waited longest, or NULL. */
static const struct candidate *oldest_candidate(const struct ready_watch *w)
{
	const struct candidate *oldest = NULL;
	vec_foreach(candidate, &w->candidates) {
		if (oldest == NULL || candidate->since_ns < oldest->since_ns)
			oldest = candidate;
	}
	return oldest;
}

/* Those whose time has come are ready since they began to wait. */
static void confirm_candidates(struct ready_watch *w, uint64_t now_ns)
{
	for (;;) {
		const struct candidate *oldest = oldest_candidate(w);
		if (oldest == NULL || now_ns < oldest->since_ns ||
		    now_ns - oldest->since_ns < READY_EDGE_QUIET_NS)
			return;
		const struct listener *listener = listener_of(w, oldest->sock);
		struct ready_point point = {
			.time_ns = oldest->since_ns,
			.pid = oldest->pid,
			.tid = oldest->tid,
			.sock = oldest->sock,
			.is_unconfirmed = true,
		};
		if (listener != NULL)
			point.addr = listener->addr;
		listener_is_ready(w, &point); /* takes it off the list */
	}
}

bool ready_watch_feed(struct ready_watch *w, const struct sl_event *event, struct ready_point *ret)
{
	/* Time goes on with every event, so what was due before this one is decided first. */
	confirm_candidates(w, event->time_ns);
	if (event->kind == SL_KIND_NET)
		feed_net(w, (const void *)event);
	else if (event->kind == SL_KIND_OFFCPU)
		left_wait(w, (const void *)event);
	else if (event->kind == SL_KIND_OUTPUT)
		feed_output(w, (const void *)event);
	else if (event->kind == SL_KIND_MARK)
		feed_mark(w, (const void *)event);
	return all_hold(w, ret);
}

uint64_t ready_watch_deadline(const struct ready_watch *w)
{
	const struct candidate *oldest = oldest_candidate(w);
	return oldest != NULL ? oldest->since_ns + READY_EDGE_QUIET_NS : 0;
}

bool ready_watch_tick(struct ready_watch *w, uint64_t now_ns, struct ready_point *ret)
{
	confirm_candidates(w, now_ns);
	return all_hold(w, ret);
}
