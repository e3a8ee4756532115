/* SPDX-License-Identifier: MIT */
/* Reads stories: splits lines into words, words into fields of the event. */

#include "tests/lib/events.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/events_internal.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/trace/kinds.h"

#define WORDS_MAX 64
#define CPUS_MAX  64

/* The event being made, as struct sl_<token>. */
#define RECORD(s, token) ((struct sl_##token *)(void *)(s)->record)

struct word {
	char *key;  /* NULL: no "key=" */
	char *text; /* decoded; NUL-terminated, may contain NULs */
	size_t length;
};

struct story {
	const char *line; /* where we are, for messages */
	size_t line_length;
	unsigned int line_number;
	struct word words[WORDS_MAX];
	size_t n_words;
	uint32_t seq[3][CPUS_MAX];
	char *argv; /* of an EXEC: NUL-separated */
	size_t argv_length;
	bool has_seq;
	_Alignas(8) char record[SL_EVENT_MAX];
	events_sink *sink;
	void *user;
};

__attribute__((noreturn, format(printf, 2, 3))) static void mistake(const struct story *s,
								    const char *format, ...)
{
	va_list args;
	(void)fprintf(stderr, "tests/lib/events: line %u: \"%.*s\": ", s->line_number,
		      (int)s->line_length, s->line);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	abort();
}

/* ---- words ---- */

/* Decodes the escape behind a backslash; returns how many characters it took. A comma that was
 * escaped is marked, so that argv is not split there. */
static size_t decode(const struct story *s, const char *from, char *ret)
{
	static const char plain[] = "n\nt\te\033\"\"\\\\  ,\1";
	for (size_t i = 0; plain[i] != '\0'; i += 2) {
		if (plain[i] == *from) {
			*ret = plain[i + 1];
			return 1;
		}
	}
	if (*from == '0') {
		*ret = '\0';
		return 1;
	}
	unsigned int value = 0;
	if (*from != 'x' || sscanf(from + 1, "%2x", &value) != 1)
		mistake(s, "unknown escape '\\%c'", *from);
	*ret = (char)value;
	return 3;
}

/* One word from *at into @ret, which gets its own memory. */
static void read_word(const struct story *s, const char **at, const char *end, struct word *ret)
{
	char *text = malloc((size_t)(end - *at) + 1);
	if (text == NULL)
		abort();
	*ret = (struct word){ .text = text };
	bool is_quoted = false;
	char *out = text;
	while (*at < end && (is_quoted || (**at != ' ' && **at != '\t'))) {
		const char c = *(*at)++;
		if (c == '"') {
			is_quoted = !is_quoted;
		} else if (c == '\\') {
			*at += decode(s, *at, out++);
		} else if (c == '=' && ret->key == NULL && !is_quoted && out > text) {
			*out++ = '\0';
			ret->key = text;
			ret->text = out;
		} else {
			*out++ = c;
		}
	}
	if (is_quoted)
		mistake(s, "a quote is not closed");
	*out = '\0';
	ret->length = (size_t)(out - ret->text);
}

static void free_words(struct story *s)
{
	for (size_t i = 0; i < s->n_words; i++)
		free(s->words[i].key != NULL ? s->words[i].key : s->words[i].text);
	s->n_words = 0;
	free(s->argv);
	s->argv = NULL;
	s->argv_length = 0;
}

static void split_line(struct story *s)
{
	const char *at = s->line;
	const char *end = s->line + s->line_length;
	for (;;) {
		while (at < end && (*at == ' ' || *at == '\t'))
			at++;
		if (at == end)
			return;
		if (s->n_words == WORDS_MAX)
			mistake(s, "too many words");
		read_word(s, &at, end, &s->words[s->n_words++]);
	}
}

/* ---- values ---- */

static uint64_t number_of(const struct story *s, const char *text)
{
	uint64_t value = 0;
	int64_t negative = 0;
	if (parse_u64(text, &value) == 0 || parse_duration(text, &value) == 0 ||
	    parse_bytes(text, &value) == 0)
		return value;
	if (parse_i64(text, &negative) == 0)
		return (uint64_t)negative;
	if (strncmp(text, "0x", 2) == 0)
		return strtoull(text, NULL, 16);
	if (strcmp(text, "~0") == 0)
		return ~0ull;
	mistake(s, "'%s' is not a number", text);
}

static uint64_t time_of(const struct story *s, const char *text)
{
	uint64_t value = 0;
	if (strcmp(text, "0") == 0)
		return EVENTS_BASE_NS;
	/* Without a unit it would be seconds: too easily meant otherwise. */
	if (strlen(text) == strspn(text, "0123456789.") || parse_duration(text, &value) < 0)
		mistake(s, "'%s' is not a time: write 5ms, 1.5s, 30us, 7ns or 0", text);
	return EVENTS_BASE_NS + value;
}

static void task_of(const struct story *s, const char *text, uint32_t *ret_pid, uint32_t *ret_tid)
{
	char rest = '\0';
	const int n = sscanf(text, "%u/%u%c", ret_pid, ret_tid, &rest);
	if (n == 1 && strchr(text, '/') == NULL && strspn(text, "0123456789") == strlen(text))
		*ret_tid = *ret_pid;
	else if (n != 2)
		mistake(s, "'%s' is not PID or PID/TID", text);
}

static void store(struct story *s, const struct field *f, uint64_t value)
{
	/* Both sides little-endian: the low bytes come first. */
	memcpy(s->record + f->offset, &value, f->size < sizeof(value) ? f->size : sizeof(value));
}

static void store_name(struct story *s, const struct field *f, const char *text)
{
	int64_t value = 0;
	if (!name_value(f->names, text, &value)) {
		if (f->type == FIELD_NAME)
			mistake(s, "'%s' is not a %s that exists", text, f->key);
		value = (int64_t)number_of(s, text);
	}
	store(s, f, (uint64_t)value);
}

static void store_text(struct story *s, const struct field *f, const struct word *word)
{
	if (f->offset + word->length + 8 > sizeof(s->record))
		mistake(s, "too long for one event");
	memcpy(s->record + f->offset, word->text, word->length);
	/* Text is padded with NULs to the event's alignment; if it fits exactly it has none. */
	RECORD(s, event)->size = (uint32_t)((f->offset + word->length + 7) / 8 * 8);
	if (RECORD(s, event)->kind == SL_KIND_OUTPUT)
		RECORD(s, output)->length = (uint32_t)word->length;
	if (RECORD(s, event)->kind == SL_KIND_ARGS)
		RECORD(s, args)->length = (uint32_t)word->length;
}

static void store_argv(struct story *s, const struct word *word)
{
	s->argv = malloc(word->length + 1);
	if (s->argv == NULL)
		abort();
	for (size_t i = 0; i < word->length; i++)
		s->argv[i] = word->text[i] == ','    ? '\0'
			     : word->text[i] == '\1' ? ','
						     : word->text[i];
	s->argv[word->length] = '\0';
	s->argv_length = word->length + 1;
	RECORD(s, exec)->argv_bytes = (uint32_t)s->argv_length;
}

static void store_field(struct story *s, const struct field *f, const struct word *word)
{
	switch (f->type) {
	case FIELD_NUMBER:
		store(s, f, number_of(s, word->text));
		break;
	case FIELD_TIME:
		store(s, f, time_of(s, word->text));
		break;
	case FIELD_NAME:
	case FIELD_NAME_OR_NUMBER:
		store_name(s, f, word->text);
		break;
	case FIELD_FLAG:
		mistake(s, "'%s' takes no value", f->key);
	case FIELD_TASK: {
		uint32_t ids[2] = { 0, 0 };
		task_of(s, word->text, &ids[0], &ids[1]);
		memcpy(s->record + f->offset, ids, sizeof(ids));
		break;
	}
	case FIELD_STATUS_CODE:
		store(s, f, number_of(s, word->text) << 8);
		break;
	case FIELD_COMM:
		(void)snprintf(s->record + f->offset, SL_COMM_SIZE, "%s", word->text);
		break;
	case FIELD_ADDRESS:
		if (!address_parse(word->text, (void *)(s->record + f->offset)))
			mistake(s, "'%s' is not an address: 127.0.0.1:80 [::1]:80 unix:/x unix:@x",
				word->text);
		break;
	case FIELD_TEXT:
		store_text(s, f, word);
		break;
	case FIELD_ARGV:
		store_argv(s, word);
		break;
	}
}

/* ---- events ---- */

static const struct field *field_of(const struct field *fields, const char *key)
{
	for (; fields->key != NULL; fields++) {
		if (strcmp(fields->key, key) == 0)
			return fields;
	}
	return NULL;
}

static bool set_flag(struct story *s, const struct field *f)
{
	if (f == NULL || f->type != FIELD_FLAG)
		return false;
	uint64_t value = 0;
	memcpy(&value, s->record + f->offset, f->size);
	store(s, f, value | f->bits);
	return true;
}

static void read_named(struct story *s, const struct grammar *g, const struct word *word)
{
	int64_t value = 0;
	unsigned int bucket = 0;
	const struct field *f = field_of(g->fields, word->key);
	if (f == NULL)
		f = field_of(common_fields(), word->key);
	if (f != NULL) {
		s->has_seq = s->has_seq || strcmp(f->key, "seq") == 0;
		store_field(s, f, word);
	} else if (strcmp(word->key, "source") == 0) {
		if (!source_value(word->text, &value))
			mistake(s, "no source '%s': bpf, shim or collect", word->text);
		RECORD(s, event)->flags =
			(uint16_t)((RECORD(s, event)->flags & ~SL_FLAG_SOURCE) | (uint64_t)value);
	} else if (g->kind == SL_KIND_HEAP && sscanf(word->key, "b%u", &bucket) == 1 &&
		   bucket < SL_HEAP_BUCKETS) {
		RECORD(s, heap)->buckets[bucket] = number_of(s, word->text);
	} else {
		mistake(s, "%s has no key '%s'", kind_of(g->kind)->name, word->key);
	}
}

static void read_words(struct story *s, const struct grammar *g, size_t first)
{
	const struct field *position = g->fields;
	for (size_t i = first; i < s->n_words; i++) {
		const struct word *word = &s->words[i];
		if (word->key != NULL) {
			read_named(s, g, word);
			continue;
		}
		while (position->key != NULL && !position->is_positional)
			position++;
		/* What is expected in this place goes before flags: a static cover, a static exec. */
		if (position->key != NULL) {
			store_field(s, position++, word);
			continue;
		}
		if (!set_flag(s, field_of(g->fields, word->text)) &&
		    !set_flag(s, field_of(common_fields(), word->text)))
			mistake(s, "%s does not know the word '%s'", kind_of(g->kind)->name,
				word->text);
	}
}

/* What the kind's fields are when the text does not say. */
static void set_defaults(struct story *s)
{
	const struct sl_event *event = RECORD(s, event);
	if (event->kind == SL_KIND_EXEC) {
		RECORD(s, exec)->enter_ns = event->time_ns;
		RECORD(s, exec)->caller_tid = event->tid;
		RECORD(s, exec)->ns_pid = event->pid;
	} else if (event->kind == SL_KIND_TASK) {
		RECORD(s, task)->ns_pid = event->pid;
		RECORD(s, task)->ns_tid = event->tid;
	} else if (event->kind == SL_KIND_OFFCPU) {
		RECORD(s, offcpu)->state = SL_STATE_INTERRUPTIBLE;
		RECORD(s, offcpu)->syscall = SL_NO_SYSCALL;
		RECORD(s, offcpu)->fd = -1;
	} else if (event->kind == SL_KIND_NET) {
		RECORD(s, net)->enter_ns = event->time_ns;
		RECORD(s, net)->fd = -1;
	} else if (event->kind == SL_KIND_HEAP) {
		RECORD(s, heap)->ns_pid = event->pid;
	} else if (event->kind == SL_KIND_COVER) {
		RECORD(s, cover)->ns_pid = event->pid;
	} else if (event->kind == SL_KIND_SAMPLE) {
		RECORD(s, sample)->syscall = SL_NO_SYSCALL;
	} else if (event->kind == SL_KIND_MAPPING) {
		RECORD(s, mapping)->enter_ns = event->time_ns;
		RECORD(s, mapping)->fd = -1;
	} else if (event->kind == SL_KIND_MEMORY) {
		RECORD(s, memory)->cgroup_peak_bytes = SL_UNKNOWN;
	}
}

/* What follows from the other fields. */
static void finish_event(struct story *s)
{
	struct sl_event *event = RECORD(s, event);
	if (event->kind == SL_KIND_EXIT) {
		const bool is_thread = (RECORD(s, exit)->flags & 0x80000000u) != 0;
		if (event->pid == event->tid && !is_thread)
			RECORD(s, exit)->flags |= SL_EXIT_PROCESS;
		RECORD(s, exit)->flags &= 0x7fffffffu;
	}
	struct sl_offcpu *off = RECORD(s, offcpu);
	if (event->kind == SL_KIND_OFFCPU) {
		if (off->waker_tid != 0 && off->context == SL_CONTEXT_UNKNOWN)
			off->context = SL_CONTEXT_TASK;
		if (off->wake_ns == 0 && (off->flags & SL_OFFCPU_STILL) == 0)
			off->wake_ns =
				off->state == SL_STATE_PREEMPTED ? off->out_ns : event->time_ns;
	}
	/* Milestones of a process come from the shim, those of the run from the collector. */
	if (event->kind == SL_KIND_MARK &&
	    (RECORD(s, mark)->mark == SL_MARK_LINKED || RECORD(s, mark)->mark == SL_MARK_MAIN))
		event->flags = (uint16_t)((event->flags & ~SL_FLAG_SOURCE) | SL_SOURCE_SHIM);
}

static void emit(struct story *s)
{
	struct sl_event *event = RECORD(s, event);
	const unsigned int source = event->flags & SL_FLAG_SOURCE;
	if (source == SL_SOURCE_COLLECT)
		event->cpu = 0;
	if (event->cpu >= CPUS_MAX || source >= 3)
		mistake(s, "no such CPU or source");
	uint32_t *next = &s->seq[source][event->cpu];
	if (!s->has_seq)
		event->seq = *next;
	*next = event->seq + 1;
	s->sink(event, s->user);
}

static void emit_argv(struct story *s)
{
	const struct sl_event exec = *RECORD(s, event);
	for (size_t at = 0; at < s->argv_length; at += SL_ARGS_PIECE) {
		const size_t rest = s->argv_length - at;
		const size_t length = rest < SL_ARGS_PIECE ? rest : SL_ARGS_PIECE;
		memset(s->record, 0, sizeof(s->record));
		*RECORD(s, args) = (struct sl_args){ .event = exec,
						     .exec_ns = exec.time_ns,
						     .offset = (uint32_t)at,
						     .length = (uint32_t)length };
		RECORD(s, event)->kind = SL_KIND_ARGS;
		RECORD(s, event)->flags &= SL_FLAG_SOURCE | SL_FLAG_NS_IDS;
		RECORD(s, event)->size = (uint32_t)((sizeof(struct sl_args) + length + 7) / 8 * 8);
		memcpy(RECORD(s, args)->bytes, s->argv + at, length);
		s->has_seq = false;
		emit(s);
	}
}

/* The rest of the line behind "meta", unchanged. */
static void read_meta(struct story *s)
{
	char *at = memmem(s->line, s->line_length, "meta", 4);
	at += strlen("meta");
	at += strspn(at, " \t");
	const struct field text = { .key = "text", .offset = sizeof(struct sl_meta) };
	struct word word = { .text = at, .length = (size_t)(s->line + s->line_length - at) };
	if (memchr(at, '=', word.length) == NULL)
		mistake(s, "expected: TIME meta KEY=VALUE");
	store_text(s, &text, &word);
}

static void read_line(struct story *s)
{
	split_line(s);
	if (s->n_words == 0)
		return;
	if (s->n_words < 2 || s->words[0].key != NULL || s->words[1].key != NULL)
		mistake(s, "expected: TIME KIND ...");
	const struct grammar *g = grammar_of(s->words[1].text);
	if (g == NULL)
		mistake(s, "no kind of event is called '%s'", s->words[1].text);
	memset(s->record, 0, sizeof(s->record));
	struct sl_event *event = RECORD(s, event);
	*event = (struct sl_event){ .kind = (uint16_t)g->kind,
				    .size = (uint32_t)kind_of(g->kind)->size,
				    .flags = (uint16_t)g->source,
				    .time_ns = time_of(s, s->words[0].text) };
	if (g->has_subject) {
		if (s->n_words < 3 || s->words[2].key != NULL)
			mistake(s, "expected: TIME %s PID ...", s->words[1].text);
		task_of(s, s->words[2].text, &event->pid, &event->tid);
	}
	s->has_seq = false;
	set_defaults(s);
	if (g->kind == SL_KIND_META)
		read_meta(s);
	else
		read_words(s, g, g->has_subject ? 3 : 2);
	finish_event(s);
	emit(s);
	if (g->kind == SL_KIND_EXEC)
		emit_argv(s);
}

void events_each(const char *text, events_sink *sink, void *user)
{
	_cleanup_free_ struct story *s = calloc(1, sizeof(*s));
	if (s == NULL)
		abort();
	s->sink = sink;
	s->user = user;
	for (const char *line = text; *line != '\0';) {
		s->line = line;
		s->line_length = strcspn(line, "\n");
		s->line_number++;
		if (line[strspn(line, " \t")] != '#')
			read_line(s);
		free_words(s);
		line += s->line_length;
		line += *line == '\n';
	}
}

static void append(const struct sl_event *event, void *user)
{
	if (event->kind != SL_KIND_END && trace_append(user, event) < 0)
		abort();
}

struct trace *events_trace(const char *text)
{
	struct trace_writer *w = NULL;
	if (trace_writer_open(-1, NULL, &w) < 0)
		abort();
	events_each(text, append, w);
	_cleanup_close_ const int fd = trace_writer_dup(w);
	struct trace *t = NULL;
	if (fd < 0 || trace_writer_close(w) < 0 || trace_load_fd(fd, "story", &t) < 0)
		abort();
	return t;
}
