/* SPDX-License-Identifier: MIT */
/* "When is it ready?": the one definition, asked by the collector (when to stop) and by the
 * model (where startup ends). Pure: no clock, no I/O; time comes in with events.
 *
 * A rule is a parsed --ready SPEC. Rules on events (accept, listen, first-accept, first-byte,
 * log) are matched here. The others (notify, file, quiet, tcp, http, cmd) are watched by the
 * collector, which appends MARK READY with the spec as text; here they match that mark.
 *
 * When a listener is ready is decided by trace/listeners.h. */
#ifndef USERSPACE_TRACE_READY_H
#define USERSPACE_TRACE_READY_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/schema.h"
#include "userspace/trace/listeners.h"

/* So long after an edge-triggered wait began, an open question is asked; so long after the last time,
 * again. */
#define READY_ASK_NS	   100000000ull
#define READY_ASK_AGAIN_NS 20000000ull

enum ready_type {
	READY_ACCEPT,	    /* accept[:N]: a listener on port N, else the first that listens */
	READY_ACCEPT_ALL,   /* accept:all: every listener listening so far */
	READY_LISTEN,	    /* listen[:N] */
	READY_FIRST_ACCEPT, /* first-accept */
	READY_FIRST_BYTE,   /* first-byte */
	READY_LOG,	    /* log:REGEX (POSIX extended), on descriptors 1 and 2 */
	READY_NOTIFY,	    /* notify */
	READY_FILE,	    /* file:PATH */
	READY_QUIET,	    /* quiet */
	READY_TCP,	    /* tcp:HOST:PORT */
	READY_HTTP,	    /* http:URL[=STATUS]; as typed: "http://h/x" has the argument "//h/x",
			     * "http:http://h/x" and "http:h:80/x" have what follows "http:" */
	READY_CMD,	    /* cmd:COMMAND */
};

struct ready_rule {
	enum ready_type type;
	uint16_t port;	      /* 0: any */
	char *spec;	      /* as the user wrote it */
	const char *argument; /* into spec: what follows the colon, or "" */
	regex_t regex;	      /* READY_LOG */
	bool has_regex;
};

/* Parses @spec. -EINVAL, logged with what is allowed, when it cannot be. */
int ready_rule_parse(const char *spec, struct ready_rule *ret);
void ready_rule_done(struct ready_rule *rule);

/* Whether the collector must probe or watch for it itself; false: events decide. */
bool ready_rule_is_watched(const struct ready_rule *rule);
/* Whether it is polled (tcp, http, cmd), so its time is late by up to the poll interval. */
bool ready_rule_is_polled(const struct ready_rule *rule);
/* Whether it is about listeners. */
bool ready_rule_is_of_sockets(const struct ready_rule *rule);
/* The ladder's name for it: "accept_ready", "listen", "notified" … */
const char *ready_rule_level(const struct ready_rule *rule);

/* The state of waiting for one or several rules, all of which must hold. @rules are borrowed for
 * as long as the watch lives. */
struct ready_watch;

int ready_watch_new(const struct ready_rule *rules, size_t n_rules, struct ready_watch **ret);
struct ready_watch *ready_watch_free(struct ready_watch *w);

struct ready_point {
	uint64_t time_ns;  /* when the last of the rules came to hold; all here is about that one */
	uint32_t pid, tid; /* of the event; 0: unknown */
	uint64_t sock;	   /* the listener; 0: none */
	struct sl_addr addr;
	enum ready_type type;
};

/* Feeds one event, in order of time. True once all rules hold; @ret then says since when.
 * Feeding more is harmless. */
bool ready_watch_feed(struct ready_watch *w, const struct sl_event *event, struct ready_point *ret);

/* When the rule of that number came to hold by itself, or NULL. */
const struct ready_point *ready_watch_point(const struct ready_watch *w, size_t rule);
/* What listens. Borrowed. */
const struct listeners *ready_watch_listeners(const struct ready_watch *w);
/* Why the rule of that number, which does not hold, does not; "": nothing is known. */
void ready_watch_explain(const struct ready_watch *w, size_t rule, char *ret, size_t size);

/* A listener that is waited for and of which only a connection can tell whether it is ready, at
 * ready_watch_question_due(); NULL: none. It is none any more when NET PROBED is fed, or it is waived,
 * for a reason that lives as long as the watch. */
const struct listening *ready_watch_question(const struct ready_watch *w);
uint64_t ready_watch_question_due(const struct ready_watch *w); /* 0: there is none */
void ready_watch_waive(struct ready_watch *w, uint64_t sock, const char *why);

/* The time at which ready_watch_tick() has something to decide, or 0. */
uint64_t ready_watch_deadline(const struct ready_watch *w);
/* Tells it that it is now @now_ns; as ready_watch_feed. */
bool ready_watch_tick(struct ready_watch *w, uint64_t now_ns, struct ready_point *ret);

#endif
