/* SPDX-License-Identifier: MIT */
/* Waiting for --ready conditions, as a machine that events go through. What listens is followed by
 * listeners.c; here is which of it is waited for, and the last unfinished line of each output. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "userspace/base/log.h"
#include "userspace/base/vec.h"
#include "userspace/trace/addr_text.h"
#include "userspace/trace/ready.h"
#include "userspace/trace/trace.h"

/* Both bound what a target can make us remember; real ones stay far below. */
#define OUTPUTS_MAX 256u
#define LINE_BYTES  8192u /* of a line, the last so many are matched */

/* What a process wrote to a descriptor since its last newline. */
struct output {
	uint32_t pid;
	int32_t fd;
	bool is_headless; /* the beginning of the line was let go */
	size_t length;
	char line[LINE_BYTES + 1]; /* a string: regexec wants one */
};

struct outputs VEC(struct output *);

/* A listener that need not, or cannot, be connected to. */
struct waived {
	uint64_t sock;
	const char *why;
};

struct condition {
	const struct ready_rule *rule;
	bool holds;
	struct ready_point point;
};

struct ready_watch {
	size_t n_conditions;
	struct condition *conditions;
	struct listeners *listeners;
	struct waived_list VEC(struct waived) waived;
	struct outputs outputs;
	size_t next_evicted;
	bool is_closing; /* the event at hand closed a listener */
	bool is_over;	 /* the run is being stopped: what is said now is no readiness */
};

int ready_watch_new(const struct ready_rule *rules, size_t n_rules, struct ready_watch **ret)
{
	struct ready_watch *w = calloc(1, sizeof(*w));
	struct condition *conditions = calloc(n_rules + 1, sizeof(*conditions));
	if (w == NULL || conditions == NULL || listeners_new(&w->listeners) < 0) {
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
	vec_done(&w->waived);
	(void)listeners_free(w->listeners);
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

static void hold_type(struct ready_watch *w, enum ready_type type, const struct ready_point *point)
{
	for (size_t i = 0; i < w->n_conditions; i++) {
		if (w->conditions[i].rule->type == type)
			hold(&w->conditions[i], point);
	}
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

const struct ready_point *ready_watch_point(const struct ready_watch *w, size_t rule)
{
	return w->conditions[rule].holds ? &w->conditions[rule].point : NULL;
}

const struct listeners *ready_watch_listeners(const struct ready_watch *w)
{
	return w->listeners;
}

static bool port_matches(const struct ready_rule *rule, const struct sl_addr *addr)
{
	const bool has_port = addr->family == AF_INET || addr->family == AF_INET6;
	return rule->port == 0 || (has_port && addr->port == rule->port);
}

/* ---- listeners ---- */

static struct ready_point point_at(const struct listening *s, const struct moment *at)
{
	return (struct ready_point){
		.time_ns = at->time_ns,
		.pid = at->pid,
		.tid = at->tid,
		.sock = s->sock,
		.addr = s->addr,
	};
}

/* The rung that a rule is about. */
static const struct moment *rung_of(const struct listening *s, enum ready_type type)
{
	if (type == READY_LISTEN)
		return &s->listen;
	if (type == READY_FIRST_ACCEPT)
		return &s->accept;
	if (type == READY_FIRST_BYTE)
		return &s->byte;
	return &s->ready;
}

/* The listener that got there first, or NULL. */
static const struct listening *earliest(const struct ready_watch *w, const struct ready_rule *rule)
{
	const struct listening *best = NULL;
	for (size_t i = 0; i < listeners_count(w->listeners); i++) {
		const struct listening *s = listeners_at(w->listeners, i);
		const uint64_t at_ns = rung_of(s, rule->type)->time_ns;
		if (at_ns != 0 && port_matches(rule, &s->addr) &&
		    (best == NULL || at_ns < rung_of(best, rule->type)->time_ns))
			best = s;
	}
	return best;
}

/* Of several listeners that are all ready the one that was last; NULL: not all are. */
static const struct listening *last_of_all(const struct ready_watch *w)
{
	const struct listening *last = NULL;
	for (size_t i = 0; i < listeners_count(w->listeners); i++) {
		const struct listening *s = listeners_at(w->listeners, i);
		if (s->is_datagram || s->is_closed)
			continue;
		if (s->ready.time_ns == 0)
			return NULL;
		if (last == NULL || s->ready.time_ns > last->ready.time_ns)
			last = s;
	}
	return last;
}

/* The one whose rung @rule waits for, or NULL. */
static const struct listening *awaited(const struct ready_watch *w, const struct ready_rule *rule)
{
	if (rule->type == READY_ACCEPT && rule->port == 0)
		return listeners_first(w->listeners);
	if (rule->type == READY_ACCEPT_ALL)
		return last_of_all(w);
	return earliest(w, rule);
}

/* @now_ns: when what is judged came about. */
static void judge_listeners(struct ready_watch *w, uint64_t now_ns)
{
	for (size_t i = 0; i < w->n_conditions; i++) {
		struct condition *c = &w->conditions[i];
		const struct listening *s =
			c->holds || !ready_rule_is_of_sockets(c->rule) ? NULL : awaited(w, c->rule);
		const struct moment *at = s != NULL ? rung_of(s, c->rule->type) : NULL;
		if (at == NULL || at->time_ns == 0)
			continue;
		struct ready_point point = point_at(s, at);
		/* The last that was not ready may have been closed: they all are since then. */
		if (c->rule->type == READY_ACCEPT_ALL && w->is_closing)
			point.time_ns = now_ns;
		hold(c, &point);
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
	if (mark->mark == SL_MARK_STOP)
		w->is_over = true;
	if (mark->mark == SL_MARK_NOTIFIED)
		hold_type(w, READY_NOTIFY, &point);
	if (mark->mark != SL_MARK_READY)
		return;
	if (mark->value != 0)
		point.pid = (uint32_t)mark->value;
	const size_t length = event_text_length(&mark->event, mark->text);
	for (size_t i = 0; i < w->n_conditions; i++) {
		struct condition *c = &w->conditions[i];
		/* Of log:, a redacted recording has the mark alone. */
		const bool is_told = ready_rule_is_watched(c->rule) || c->rule->type == READY_LOG;
		if (is_told && strlen(c->rule->spec) == length &&
		    memcmp(c->rule->spec, mark->text, length) == 0)
			hold(c, &point);
	}
}

/* ---- the machine ---- */

static void feed_rules(struct ready_watch *w, const struct sl_event *event)
{
	if (event->kind == SL_KIND_OUTPUT)
		feed_output(w, (const void *)event);
	else if (event->kind == SL_KIND_MARK)
		feed_mark(w, (const void *)event);
}

bool ready_watch_feed(struct ready_watch *w, const struct sl_event *event, struct ready_point *ret)
{
	const bool is_net = event->kind == SL_KIND_NET;
	/* Time goes on with every event, so what was due before this one is decided first. */
	const uint64_t due_ns = listeners_deadline(w->listeners);
	if (due_ns != 0 && due_ns <= event->time_ns)
		(void)ready_watch_tick(w, event->time_ns, ret);
	w->is_closing =
		event->kind == SL_KIND_EXIT ||
		(is_net && ((const struct sl_net *)(const void *)event)->op == SL_NET_CLOSED);
	const bool is_news = listeners_feed(w->listeners, event);
	if (!w->is_over && is_news)
		judge_listeners(w, event->time_ns);
	if (!w->is_over)
		feed_rules(w, event);
	return all_hold(w, ret);
}

uint64_t ready_watch_deadline(const struct ready_watch *w)
{
	return listeners_deadline(w->listeners);
}

bool ready_watch_tick(struct ready_watch *w, uint64_t now_ns, struct ready_point *ret)
{
	listeners_tick(w->listeners, now_ns);
	w->is_closing = false;
	if (!w->is_over)
		judge_listeners(w, now_ns);
	return all_hold(w, ret);
}

/* ---- what only a connection can tell ---- */

static const char *why_waived(const struct ready_watch *w, uint64_t sock)
{
	vec_foreach(waived, &w->waived) {
		if (waived->sock == sock)
			return waived->why;
	}
	return NULL;
}

static bool is_open_question(const struct ready_watch *w, const struct listening *s)
{
	return s->ready.time_ns == 0 && s->edge.time_ns != 0 && !s->is_closed && !s->is_probed &&
	       why_waived(w, s->sock) == NULL;
}

/* Whether @rule, which does not hold, waits for that very listener to accept. */
static bool waits_for(const struct ready_watch *w, const struct ready_rule *rule,
		      const struct listening *s)
{
	if (rule->type == READY_ACCEPT && rule->port == 0)
		return listeners_first(w->listeners) == s;
	return rule->type == READY_ACCEPT_ALL ||
	       (rule->type == READY_ACCEPT && port_matches(rule, &s->addr));
}

const struct listening *ready_watch_question(const struct ready_watch *w)
{
	const struct listening *oldest = NULL;
	for (size_t i = 0; i < w->n_conditions; i++) {
		const struct condition *c = &w->conditions[i];
		for (size_t k = 0; !c->holds && k < listeners_count(w->listeners); k++) {
			const struct listening *s = listeners_at(w->listeners, k);
			if (is_open_question(w, s) && waits_for(w, c->rule, s) &&
			    (oldest == NULL || s->edge.time_ns < oldest->edge.time_ns))
				oldest = s;
		}
	}
	return oldest;
}

uint64_t ready_watch_question_due(const struct ready_watch *w)
{
	const struct listening *s = ready_watch_question(w);
	if (s == NULL)
		return 0;
	const uint64_t first_ns = s->edge.time_ns + READY_ASK_NS;
	const uint64_t again_ns = s->probed_ns + READY_ASK_AGAIN_NS;
	return s->n_probes > 0 && again_ns > first_ns ? again_ns : first_ns;
}

void ready_watch_waive(struct ready_watch *w, uint64_t sock, const char *why)
{
	(void)vec_push(&w->waived, (struct waived){ .sock = sock, .why = why });
}

/* ---- why it does not hold ---- */

/* The first listener that @rule waits for in vain, or NULL. */
static const struct listening *in_vain(const struct ready_watch *w, const struct ready_rule *rule)
{
	for (size_t i = 0; i < listeners_count(w->listeners); i++) {
		const struct listening *s = listeners_at(w->listeners, i);
		if (!s->is_closed && s->ready.time_ns == 0 && waits_for(w, rule, s))
			return s;
	}
	return NULL;
}

static const char *state_of(const struct ready_watch *w, const struct listening *s)
{
	const char *why = why_waived(w, s->sock);
	if (s->edge.time_ns == 0)
		return "nothing waited on it";
	if (s->is_probed)
		return "edge-triggered, and it did not accept a connection";
	return why != NULL ? why : "edge-triggered, unconfirmed";
}

void ready_watch_explain(const struct ready_watch *w, size_t rule, char *ret, size_t size)
{
	const struct ready_rule *r = w->conditions[rule].rule;
	const struct listening *s = in_vain(w, r);
	const struct sl_addr *datagram = listeners_datagram(w->listeners);
	char endpoint[ADDR_TEXT_BYTES];
	ret[0] = '\0';
	if (r->type != READY_ACCEPT && r->type != READY_ACCEPT_ALL)
		return;
	if (s != NULL)
		(void)snprintf(ret, size, "%s: %s", addr_text(&s->addr, endpoint), state_of(w, s));
	else if (listeners_count(w->listeners) == 0 && datagram != NULL)
		(void)snprintf(
			ret, size,
			"nothing listens; %s is bound, but no wait to receive on it was seen",
			addr_text(datagram, endpoint));
	else if (listeners_count(w->listeners) == 0)
		(void)snprintf(ret, size, "nothing listens");
	else if (r->port != 0)
		(void)snprintf(ret, size, "nothing listens on that port");
}
