/* SPDX-License-Identifier: MIT */
/* Builds a session from events that the fuzzer makes up, asks it for every kind of metric and
 * writes it out. The input is read as records of a kind, a subject and a time that are close
 * to each other, or events would hardly ever be about the same process. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzzing.h"
#include "userspace/model/document/session_json.h"
#include "userspace/model/metrics.h"
#include "userspace/model/session.h"
#include "userspace/trace/kinds.h"
#include "userspace/trace/trace.h"

#define BASE_NS	   1000000000000ull
#define MAX_EVENTS 512
#define MAX_EVENT  1024
#define MAX_TEXT   128

int LLVMFuzzerInitialize(int *argc, char ***argv);

static FILE *nowhere;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_set_sink(silence, NULL);
	nowhere = fopen("/dev/null", "w");
	return nowhere != NULL ? 0 : 1;
}

struct input {
	const uint8_t *data;
	size_t n;
};

static void take(struct input *in, void *to, size_t n)
{
	const size_t got = n < in->n ? n : in->n;
	memset(to, 0, n);
	memcpy(to, in->data, got);
	in->data += got;
	in->n -= got;
}

/* Numbers of the payload: those that could be meant as a time become one. */
static void pull_together(uint8_t *payload, size_t n)
{
	for (size_t at = 0; at + 8 <= n; at += 8) {
		uint64_t word;
		memcpy(&word, payload + at, sizeof(word));
		if (word >> 56 == 1)
			word = BASE_NS + word % 4096;
		memcpy(payload + at, &word, sizeof(word));
	}
}

/* One event into @at, or NULL when its kind does not exist or it is not valid. */
static const struct sl_event *make_event(struct input *in, void *at)
{
	struct {
		uint8_t kind, flags, pid, tid, text, cpu;
		uint16_t time;
	} head;
	take(in, &head, sizeof(head));
	const struct kind *kind = kind_of(head.kind % SL_KIND_LIMIT);
	if (kind == NULL)
		return NULL;
	const size_t n = (kind->size + head.text % MAX_TEXT + 7) / 8 * 8;
	struct sl_event *event = at;
	uint8_t *payload = (uint8_t *)at + sizeof(*event);
	take(in, payload, n - sizeof(*event));
	pull_together(payload, n - sizeof(*event));
	*event = (struct sl_event){
		.size = (uint32_t)n,
		.kind = head.kind % SL_KIND_LIMIT,
		.flags = head.flags & 0x1f,
		.time_ns = BASE_NS + head.time % 4096,
		.pid = head.pid % 8,
		.tid = head.tid % 8,
		.cpu = head.cpu % 2,
		.seq = head.cpu / 2,
	};
	/* Ids inside the payload are of the same few. */
	if (event->kind == SL_KIND_OFFCPU) {
		((struct sl_offcpu *)at)->waker_tid %= 8;
		((struct sl_offcpu *)at)->sock %= 4;
	} else if (event->kind == SL_KIND_TASK) {
		((struct sl_task *)at)->parent_pid %= 8;
		((struct sl_task *)at)->parent_tid %= 8;
	} else if (event->kind == SL_KIND_NET) {
		((struct sl_net *)at)->sock %= 4;
		((struct sl_net *)at)->other %= 4;
		((struct sl_net *)at)->op %= 12;
	}
	return event_is_valid(event, n) ? event : NULL;
}

static int by_time(const void *left, const void *right)
{
	const struct sl_event *const *a = left, *const *b = right;
	if ((*a)->time_ns != (*b)->time_ns)
		return (*a)->time_ns < (*b)->time_ns ? -1 : 1;
	return *a < *b ? -1 : *a > *b;
}

static void check(struct session *s)
{
	(void)metrics_find(s, "net.connect[*]");
	(void)metrics_find(s, "net.reply[[a-z]*]");
	(void)metrics_find(s, "time.child[*a*]");
	if (session_write_json(s, nowhere) < 0)
		abort();
	for (size_t r = 0; r < s->n_runs; r++) {
		int64_t at = 0;
		for (size_t i = 0; i < s->runs[r].n_segments; i++)
			at += s->runs[r].segments[i].duration_ns;
		if (s->runs[r].has_segments && at != s->runs[r].startup_total_ns)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t memory[MAX_EVENTS][MAX_EVENT / 8];
	static struct sl_mark spawn = {
		.event = { .size = sizeof(spawn),
			   .kind = SL_KIND_MARK,
			   .time_ns = BASE_NS,
			   .pid = 1 },
		.mark = SL_MARK_SPAWN,
	};
	static struct {
		struct sl_event event;
		char text[16];
	} bpf = { { .size = sizeof(bpf), .kind = SL_KIND_META, .time_ns = BASE_NS },
		  "source.bpf=ok" };
	const struct sl_event *events[MAX_EVENTS + 2] = { &spawn.event, &bpf.event };
	struct input in = { data, size };
	struct trace t = { .events = events, .n_events = size % 2 ? 2 : 1 };

	for (size_t i = 0; i < MAX_EVENTS && in.n > 0; i++) {
		const struct sl_event *event = make_event(&in, memory[i]);
		if (event != NULL)
			events[t.n_events++] = event;
	}
	qsort(events, t.n_events, sizeof(events[0]), by_time);
	struct session *s = NULL;
	if (session_build(&t, &s) == 0)
		check(s);
	(void)session_free(s);
	return 0;
}
