/* SPDX-License-Identifier: MIT */
/* A mask is as long as what it covers, so that sizes stay as the kernel gave them, and sequence numbers
 * with them. The pieces of an argument vector are held, masked together and passed on one by one. */

#include "userspace/collect/run/redact.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "userspace/base/vec.h"
#include "userspace/trace/kinds.h"

/* An exec's pieces come one after the other on one CPU; so many execs may be under way at once. */
#define HELD_MAX 256u
/* No more does the kernel program write, see bpf/path.bpf.h. */
#define PATH_BYTES     8192u
#define COMPONENTS_MAX 256u

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
	union {
		struct sl_event event;
		char bytes[SL_EVENT_MAX + 1]; /* a NUL behind the longest text */
	} copy;
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

/* ---- texts ---- */

/* Path components, the last one first: what matches may reach over several. */
static void redact_leaf(const regex_t *regex, char *text, size_t room)
{
	char path[PATH_BYTES];
	size_t starts[COMPONENTS_MAX];
	size_t n = 0, length = 0;
	for (size_t at = 0; at < room && text[at] != '\0' && n < COMPONENTS_MAX;
	     at += strnlen(text + at, room - at) + 1)
		starts[n++] = at;
	for (size_t i = n; i-- > 0;) {
		const size_t size = strnlen(text + starts[i], room - starts[i]);
		if (length + size + 2 > sizeof(path)) {
			memset(text, '*', strnlen(text, room));
			return;
		}
		path[length++] = '/';
		memcpy(path + length, text + starts[i], size);
		length += size;
	}
	path[length] = '\0';
	redact_text(regex, path, length);
	length = 0;
	for (size_t i = n; i-- > 0;) {
		const size_t size = strnlen(text + starts[i], room - starts[i]);
		memcpy(text + starts[i], path + length + 1, size);
		length += size + 1;
	}
}

/* The word before the colon and a port stay: without them it could not be read back. */
static void redact_spec(const regex_t *regex, char *spec)
{
	char *colon = strchr(spec, ':');
	const size_t n = colon != NULL ? (size_t)(colon - spec) : 0;
	const bool is_port = (n == 6 && memcmp(spec, "accept", n) == 0) ||
			     (n == 6 && memcmp(spec, "listen", n) == 0);
	if (colon == NULL || is_port)
		return;
	char *end = n == 3 && memcmp(spec, "tcp", n) == 0 ? strrchr(spec, ':') : NULL;
	const bool has_port = end != NULL && end != colon;
	if (has_port)
		*end = '\0';
	redact_text(regex, colon + 1, strlen(colon + 1));
	if (has_port)
		*end = ':';
}

static void redact_meta(const regex_t *regex, char *text)
{
	/* Facts about the machine are compared, and stay. */
	static const char *const keys[] = { "command", "note",	    "source.shim.path", "directory",
					    "user",    "host.name", "host.image" };
	char *value = strchr(text, '=');
	if (value == NULL)
		return;
	const size_t n = (size_t)(value++ - text);
	if (n == strlen("design.ready") && memcmp(text, "design.ready", n) == 0)
		redact_spec(regex, value);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (strlen(keys[i]) == n && memcmp(text, keys[i], n) == 0)
			redact_text(regex, value, strlen(value));
	}
}

static void redact_net(const regex_t *regex, struct sl_net *net)
{
	char path[sizeof(net->addr.bytes) + 1] = "";
	const size_t n = net->addr.length;
	if (net->addr.family != AF_UNIX || n > sizeof(net->addr.bytes))
		return;
	/* An abstract name begins with a NUL. */
	const size_t from = n > 0 && net->addr.bytes[0] == '\0' ? 1 : 0;
	memcpy(path, net->addr.bytes + from, n - from);
	redact_text(regex, path, strlen(path));
	memcpy(net->addr.bytes + from, path, n - from);
}

static void redact_output(struct sl_output *output)
{
	for (uint32_t i = 0; i < output->length; i++)
		output->bytes[i] = output->bytes[i] == '\n' ? '\n' : '*';
}

/* Where the text of an event is; NULL: it has none that is a path. */
static char *path_in(struct sl_event *event)
{
	static const size_t places[SL_KIND_LIMIT] = {
		[SL_KIND_EXEC] = offsetof(struct sl_exec, text),
		[SL_KIND_EXECFAIL] = offsetof(struct sl_execfail, text),
		[SL_KIND_OPEN] = offsetof(struct sl_open, text),
		[SL_KIND_OFFCPU] = offsetof(struct sl_offcpu, text),
		[SL_KIND_COVER] = offsetof(struct sl_cover, text),
		[SL_KIND_NAME] = offsetof(struct sl_name, text),
		[SL_KIND_MODULE] = offsetof(struct sl_module, text),
		[SL_KIND_FUNCTION] = offsetof(struct sl_function, text),
		[SL_KIND_RESIDENT] = offsetof(struct sl_resident, text),
	};
	const size_t place = event->kind < SL_KIND_LIMIT ? places[event->kind] : 0;
	return place != 0 ? (char *)event + place : NULL;
}

static void redact_name(const regex_t *regex, char name[static SL_COMM_SIZE])
{
	char copy[SL_COMM_SIZE + 1] = "";
	memcpy(copy, name, SL_COMM_SIZE);
	redact_text(regex, copy, strlen(copy));
	memcpy(name, copy, SL_COMM_SIZE);
}

/* Behind the name. */
static void redact_source_file(const regex_t *regex, char *name, size_t room)
{
	const size_t length = strnlen(name, room);
	if (length < room)
		redact_text(regex, name + length + 1,
			    strnlen(name + length + 1, room - length - 1));
}

static void redact_event(const regex_t *regex, struct sl_event *event)
{
	void *record = event;
	char *path = path_in(event);
	const size_t room = path != NULL ? event->size - (size_t)(path - (char *)event) : 0;
	if (path != NULL && (event->flags & SL_FLAG_LEAF))
		redact_leaf(regex, path, room);
	else if (path != NULL)
		redact_text(regex, path, strnlen(path, room));
	if (event->kind == SL_KIND_FUNCTION)
		redact_source_file(regex, path, room);
	else if (event->kind == SL_KIND_OFFCPU)
		redact_name(regex, ((struct sl_offcpu *)record)->waker_comm);
	else if (event->kind == SL_KIND_TASK)
		redact_name(regex, ((struct sl_task *)record)->comm);
	else if (event->kind == SL_KIND_META)
		redact_meta(regex, ((struct sl_meta *)record)->text);
	else if (event->kind == SL_KIND_MARK)
		redact_spec(regex, ((struct sl_mark *)record)->text);
	else if (event->kind == SL_KIND_NET)
		redact_net(regex, record);
	else if (event->kind == SL_KIND_OUTPUT)
		redact_output(record);
}

/* What is no whole record is stored by nobody. */
static int pass_masked(struct redactor *r, const struct sl_event *event, struct sink sink)
{
	if (!event_is_valid(event, event->size))
		return sink.event(sink.data, event);
	memcpy(r->copy.bytes, event, event->size);
	r->copy.bytes[event->size] = '\0';
	redact_event(r->regex, &r->copy.event);
	return sink.event(sink.data, &r->copy.event);
}

/* ---- arguments ---- */

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
	if (event->kind != SL_KIND_ARGS)
		return pass_masked(r, event, sink);
	if (!is_valid(event))
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
