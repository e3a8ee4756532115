/* SPDX-License-Identifier: MIT */
/* Holds the pieces of an argument vector, masks the joined text and passes the pieces on, each
 * with its own header: sizes and sequence numbers stay as the kernel gave them. */

#include "userspace/collect/run/redact.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/vec.h"

/* An exec's pieces come one after the other on one CPU; so many execs may be under way at once. */
#define HELD_MAX 256u

/* The pieces of one exec. */
struct vector {
	uint32_t pid;
	uint64_t exec_ns;
	size_t length; /* of text */
	char text[SL_ARGS_MAX + 1];
	struct pieces VEC(struct sl_event *) pieces;
};

struct redactor {
	const regex_t *regex;
	struct vectors VEC(struct vector *) vectors;
};

void redact_text(const regex_t *regex, char *text, size_t length)
{
	size_t at = 0;
	while (at <= length) {
		regmatch_t match;
		const int flags = at > 0 ? REG_NOTBOL : 0;
		if (regexec(regex, text + at, 1, &match, flags) != 0)
			return;
		const size_t n = (size_t)(match.rm_eo - match.rm_so);
		memset(text + at + match.rm_so, '*', n);
		/* An empty match must not stop us for good. */
		at += (size_t)match.rm_eo + (n == 0 ? 1 : 0);
	}
}

int redactor_new(const regex_t *regex, struct redactor **ret)
{
	struct redactor *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->regex = regex;
	*ret = r;
	return 0;
}

static void vector_free(struct vector *v)
{
	vec_foreach(piece, &v->pieces)
		free(*piece);
	vec_done(&v->pieces);
	free(v);
}

struct redactor *redactor_free(struct redactor *r)
{
	if (r == NULL)
		return NULL;
	vec_foreach(v, &r->vectors)
		vector_free(*v);
	vec_done(&r->vectors);
	free(r);
	return NULL;
}

static int pass_on(const struct redactor *r, struct vector *v, struct sink sink)
{
	for (size_t at = 0; at < v->length; at += strlen(v->text + at) + 1)
		redact_text(r->regex, v->text + at, strlen(v->text + at));
	int e = 0;
	vec_foreach(piece, &v->pieces) {
		struct sl_args *args = (struct sl_args *)*piece;
		memcpy(args->bytes, v->text + args->offset, args->length);
		if (e >= 0)
			e = sink.event(sink.data, &args->event);
	}
	return e;
}

/* Passes on and forgets the @i-th vector. */
static int finish(struct redactor *r, size_t i, struct sink sink)
{
	struct vector *v = r->vectors.items[i];
	const int e = pass_on(r, v, sink);
	r->vectors.items[i] = r->vectors.items[--r->vectors.n];
	vector_free(v);
	return e;
}

static size_t find(const struct redactor *r, const struct sl_args *args)
{
	size_t i = 0;
	while (i < r->vectors.n && (r->vectors.items[i]->pid != args->event.pid ||
				    r->vectors.items[i]->exec_ns != args->exec_ns))
		i++;
	return i;
}

/* Where the vector of @args is held; -ENOMEM. */
static int hold(struct redactor *r, const struct sl_args *args, struct sink sink, size_t *ret)
{
	*ret = find(r, args);
	if (*ret < r->vectors.n)
		return 0;
	/* Too many unfinished ones: records were lost, their ends never came. */
	if (r->vectors.n >= HELD_MAX) {
		const int e = finish(r, 0, sink);
		if (e < 0)
			return e;
	}
	struct vector *v = calloc(1, sizeof(*v));
	if (v == NULL || vec_push(&r->vectors, v) < 0) {
		free(v);
		return -ENOMEM;
	}
	v->pid = args->event.pid;
	v->exec_ns = args->exec_ns;
	*ret = r->vectors.n - 1;
	return 0;
}

static bool is_valid(const struct sl_event *event)
{
	const struct sl_args *args = (const struct sl_args *)event;
	return event->size >= sizeof(*args) && event->size <= SL_EVENT_MAX &&
	       args->length <= event->size - sizeof(*args) && args->offset <= SL_ARGS_MAX &&
	       args->length <= SL_ARGS_MAX - args->offset;
}

int redactor_event(struct redactor *r, const struct sl_event *event, struct sink sink)
{
	const struct sl_args *args = (const struct sl_args *)event;
	if (event->kind != SL_KIND_ARGS || !is_valid(event))
		return sink.event(sink.data, event);
	size_t i = 0;
	const int e = hold(r, args, sink, &i);
	if (e < 0)
		return e;
	struct vector *v = r->vectors.items[i];
	struct sl_event *copy = malloc(event->size);
	if (copy == NULL || vec_push(&v->pieces, copy) < 0) {
		free(copy);
		return -ENOMEM;
	}
	memcpy(copy, event, event->size);
	memcpy(v->text + args->offset, args->bytes, args->length);
	if (v->length < args->offset + args->length)
		v->length = args->offset + args->length;
	/* All pieces but the last are full. */
	return args->length < SL_ARGS_PIECE || v->length == SL_ARGS_MAX ? finish(r, i, sink) : 0;
}

int redactor_flush(struct redactor *r, struct sink sink)
{
	int e = 0;
	while (r->vectors.n > 0) {
		const int f = finish(r, 0, sink);
		e = e < 0 ? e : f;
	}
	return e;
}
