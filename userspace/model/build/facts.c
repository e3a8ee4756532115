/* SPDX-License-Identifier: MIT */
/* What holds for the whole recording: META facts about command, machine and design, the names
 * of kernel addresses, and the sums producers left behind. Keys: docs/trace-format.md. */
#include "userspace/model/build/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/units.h"
#include "userspace/model/hosts.h"

#define MAX_RULES 32
#define MAX_NOTES 64
#define MAX_ITEMS 65536 /* of a numbered list in META: words of a command line */

enum fact_type { FACT_TEXT, FACT_NUMBER, FACT_LIST };

/* "key" or, for lists, "key" repeated or "key.N"; where it goes in struct session. */
static const struct {
	const char *key;
	enum fact_type type;
	size_t offset;
} fact_rows[] = {
	{ "design.ready", FACT_LIST, offsetof(struct session, design.ready) }, /* ROW_READY */
	{ "version", FACT_TEXT, offsetof(struct session, version) },
	{ "command", FACT_LIST, offsetof(struct session, command) },
	{ "design.runs", FACT_NUMBER, offsetof(struct session, design.runs) },
	{ "design.warmup", FACT_NUMBER, offsetof(struct session, design.warmup) },
	{ "design.probes", FACT_LIST, offsetof(struct session, design.probes) },
	{ "design.heap", FACT_TEXT, offsetof(struct session, design.heap) },
	{ "design.until", FACT_TEXT, offsetof(struct session, design.until) },
	{ "design.stacks", FACT_TEXT, offsetof(struct session, design.stacks) },
	{ "source.stacks.remedy", FACT_TEXT, offsetof(struct session, no_stacks_remedy) },
};
#define N_FACT_ROWS (sizeof(fact_rows) / sizeof(fact_rows[0]))
#define ROW_READY   0

/* Words of the lists while they come in; numbers may be missing or out of order. */
struct growing_list VEC(const char *);

/* The row that @key belongs to, or -1. For lists *ret_index is the number after the dot, or
 * SIZE_MAX for the next one. */
static int row_of(const char *key, size_t length, uint64_t *ret_index)
{
	for (size_t i = 0; i < N_FACT_ROWS; i++) {
		const size_t n = strlen(fact_rows[i].key);
		if (strncmp(fact_rows[i].key, key, n) != 0)
			continue;
		*ret_index = SIZE_MAX;
		if (length == n)
			return (int)i;
		if (fact_rows[i].type != FACT_LIST || length < n + 2 || length > n + 8 ||
		    key[n] != '.')
			continue;
		char digits[8] = "";
		memcpy(digits, key + n + 1, length - n - 1);
		if (parse_u64(digits, ret_index) == 0 && *ret_index < MAX_ITEMS)
			return (int)i;
	}
	return -1;
}

static bool is_key(const char *text, size_t length, const char *key)
{
	return strlen(key) == length && memcmp(text, key, length) == 0;
}

/* A cost of the recording itself. */
static void read_overhead(struct facts *f, const char *key, size_t length, const char *value)
{
	const struct {
		const char *key;
		int64_t *number;
	} rows[] = {
		{ "overhead.call_ps", &f->overhead.call_ps },
		{ "overhead.call_error_ps", &f->overhead.call_error_ps },
		{ "overhead.hit_ps", &f->overhead.hit_ps },
		{ "overhead.hit_error_ps", &f->overhead.hit_error_ps },
		{ "overhead.image_ns", &f->overhead.image_ns },
		{ "overhead.image_error_ns", &f->overhead.image_error_ns },
		{ "overhead.hook_ps", &f->overhead.hook_ps },
		{ "overhead.hook_error_ps", &f->overhead.hook_error_ps },
		{ "stacks.sample_ns", &f->overhead.sample_ns },
		{ "stacks.sample_error_ns", &f->overhead.sample_error_ns },
	};
	int64_t number;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (is_key(key, length, rows[i].key) && parse_i64(value, &number) == 0 &&
		    number >= 0)
			*rows[i].number = number;
}

/* "ok" or "on": NULL, there is nothing to explain. */
static const char *source_state(const char *value)
{
	return strcmp(value, "ok") == 0 || strcmp(value, "on") == 0 ? NULL : value;
}

static int list_put(struct growing_list *list, size_t index, const char *text)
{
	/* Lists come in order, so a hole is damage: what follows it is moved up. */
	if (index < list->n) {
		list->items[index] = text;
		return 0;
	}
	return vec_push(list, text);
}

/* Both keys may name the same rule. */
static int add_rule(struct growing_list *list, const char *spec)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i], spec) == 0)
			return 0;
	return list->n < MAX_RULES ? vec_push(list, spec) : 0;
}

/* What a line would have been matched with is masked: it holds by MARK READY alone. */
static int parse_told(const char *spec, struct ready_rule *ret)
{
	const int r = ready_rule_parse("log:never$ever", ret);
	char *copy = r == 0 ? strdup(spec) : NULL;
	if (copy == NULL)
		return r < 0 ? r : -ENOMEM;
	free(ret->spec);
	ret->spec = copy;
	ret->argument = copy + strlen("log:");
	return 0;
}

static int read_rule(struct facts *f, const char *spec)
{
	if (f->n_rules == MAX_RULES)
		return 0;
	if (f->rules == NULL)
		f->rules = arena_alloc_array(f->session->arena, MAX_RULES, sizeof(*f->rules));
	if (f->rules == NULL)
		return -ENOMEM;
	const bool is_told = f->is_redacted && strncmp(spec, "log:", 4) == 0;
	struct ready_rule *rule = &f->rules[f->n_rules];
	if ((is_told ? parse_told(spec, rule) : ready_rule_parse(spec, rule)) == 0)
		f->n_rules++;
	return 0;
}

static int read_meta(struct facts *f, struct growing_list *lists, const struct sl_meta *meta)
{
	struct session *s = f->session;
	const char *text = text_of(s->arena, &meta->event, meta->text);
	const char *equals = strchr(text, '=');
	if (equals == NULL)
		return 0;
	const size_t length = (size_t)(equals - text);
	const char *value = equals + 1;

	if (is_key(text, length, "note"))
		return f->notes.n < MAX_NOTES ? vec_push(&f->notes, value) : 0;
	if (length >= 5 && memcmp(text, "probe", 5) == 0 && (length == 5 || text[5] == '.'))
		return probes_read(f, arena_strndup(s->arena, text + 5, length - 5), value);
	if (is_key(text, length, "source.bpf") || is_key(text, length, "bpf"))
		f->bpf = source_state(value);
	if (is_key(text, length, "source.bpf.imports")) {
		const unsigned long number = strtoul(value, NULL, 10);
		if (number < SL_INTERPRETERS)
			f->imports_since_ns[number] = meta->event.time_ns;
	}
	if (is_key(text, length, "source.shim") || is_key(text, length, "shim"))
		f->shim = source_state(value);
	if (is_key(text, length, "source.stacks")) {
		s->no_stacks = source_state(value);
		f->has_stacks |= s->no_stacks == NULL;
	}
	if (is_key(text, length, "source.shim.path"))
		f->shim_path = value;
	if (length > 4 && memcmp(text, "env.", 4) == 0 && own_allocator_is_off(text + 4))
		f->environment = text + 4;
	if (is_key(text, length, "design.redacted"))
		f->is_redacted = true;
	if (is_key(text, length, "ready"))
		return add_rule(&lists[ROW_READY], value);

	if (length > 5 && memcmp(text, "host.", 5) == 0)
		host_read(&s->host, text + 5, length - 5, value);
	read_overhead(f, text, length, value);
	uint64_t index = 0;
	const int row = row_of(text, length, &index);
	if (row < 0)
		return 0;
	void *field = (char *)s + fact_rows[row].offset;
	int64_t number;
	switch (fact_rows[row].type) {
	case FACT_TEXT:
		*(const char **)field = value;
		return 0;
	case FACT_NUMBER:
		if (parse_i64(value, &number) == 0)
			*(int64_t *)field = number;
		return 0;
	case FACT_LIST:
		if (row == ROW_READY)
			return add_rule(&lists[row], value);
		return list_put(&lists[row], (size_t)index, value);
	}
	return 0;
}

static int read_symbol(struct facts *f, const struct sl_symbol *e)
{
	const char *name = text_of(f->session->arena, &e->event, e->text);
	if (name[0] == '\0' || id_map_get(&f->symbols, e->ip) >= 0)
		return 0;
	const int index = (int)f->symbol_names.n;
	const int rc = vec_push(&f->symbol_names, name);
	return rc < 0 ? rc : id_map_set(&f->symbols, e->ip, index);
}

static void read_drops(struct facts *f, const struct sl_drops *e)
{
	if (e->source > SL_FLAG_SOURCE)
		return;
	const unsigned int kind = e->kind < SL_KIND_LIMIT ? e->kind : SL_KIND_NONE;
	uint64_t *sum = &f->drops[e->source][kind];
	if (__builtin_add_overflow(*sum, e->count, sum))
		*sum = UINT64_MAX;
}

static struct producer *producer_of(struct facts *f, uint32_t source, uint32_t id)
{
	const uint64_t key = (uint64_t)source << 32 | id;
	int index = id_map_get(&f->producer_index, key);
	if (index < 0) {
		index = (int)f->producers.n;
		const struct producer fresh = { .source = source, .id = id, .tally = UINT64_MAX };
		if (vec_push(&f->producers, fresh) < 0 ||
		    id_map_set(&f->producer_index, key, index) < 0)
			return NULL;
	}
	return &f->producers.items[index];
}

void producers_see(struct facts *f, const struct sl_event *event)
{
	/* The collector writes the file itself: what it could not write, nobody could. HEAP is
	 * its copy of counters in shared memory, no record of a lane. */
	if (source_of(event) == SL_SOURCE_COLLECT ||
	    (source_of(event) == SL_SOURCE_SHIM && event->kind == SL_KIND_HEAP))
		return;
	struct producer *p = producer_of(f, source_of(event), event->cpu);
	if (p == NULL)
		return;
	if (p->run != f->run) {
		p->run = f->run;
		p->n_seen = 0;
		p->next_before = p->next;
		(void)vec_push(&f->active, (int)(p - f->producers.items));
	}
	p->n_seen++;
	if (p->next <= event->seq)
		p->next = (uint64_t)event->seq + 1;
}

void producers_begin(struct facts *f)
{
	f->run++;
	f->active.n = 0;
}

static int read_event(struct facts *f, struct growing_list *lists, const struct sl_event *event)
{
	struct producer *p;

	if (source_of(event) == SL_SOURCE_BPF)
		f->n_bpf++;
	else if (source_of(event) == SL_SOURCE_SHIM)
		f->n_shim++;
	switch (event->kind) {
	case SL_KIND_META:
		return read_meta(f, lists, (const struct sl_meta *)event);
	case SL_KIND_SYMBOL:
		return read_symbol(f, (const struct sl_symbol *)event);
	case SL_KIND_DROPS:
		read_drops(f, (const struct sl_drops *)event);
		return 0;
	case SL_KIND_TALLY:
		p = producer_of(f, ((const struct sl_tally *)event)->source,
				((const struct sl_tally *)event)->producer);
		if (p == NULL)
			return -ENOMEM;
		p->tally = ((const struct sl_tally *)event)->count;
		return 0;
	case SL_KIND_END:
		f->has_end = true;
		return 0;
	case SL_KIND_MODULE:
		code_module(&f->code, (const struct sl_module *)event);
		return f->code.error;
	case SL_KIND_FRAME:
		code_frame(&f->code, (const struct sl_frame *)event);
		return f->code.error;
	case SL_KIND_FUNCTION:
		code_function(&f->code, (const struct sl_function *)event);
		return f->code.error;
	case SL_KIND_STACK:
		code_stack(&f->code, (const struct sl_stack *)event);
		return f->code.error;
	case SL_KIND_SAMPLE:
		f->has_stacks = true;
		return 0;
	default:
		return 0;
	}
}

/* Why a source that left no word about itself is missing. */
static const char *silence_of(const struct session *s, const char *probe)
{
	for (size_t i = 0; i < s->design.probes.n; i++)
		if (strcmp(s->design.probes.items[i], probe) == 0)
			return "";
	return s->design.probes.n > 0 || s->design.runs != UNKNOWN ? "not asked for (--probes)"
								   : "";
}

int facts_read(const struct trace *trace, struct session *session, struct facts *ret)
{
	struct growing_list lists[N_FACT_ROWS] = { 0 };
	struct facts *f = ret;
	int rc = 0;

	*f = (struct facts){
		.trace = trace,
		.session = session,
		.bpf = "",
		.shim = "",
		.overhead = { UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN,
			      UNKNOWN, UNKNOWN, UNKNOWN },
	};
	for (size_t i = 0; i < trace->n_events && rc == 0; i++)
		rc = read_event(f, lists, trace->events[i]);
	for (size_t i = 0; i < lists[ROW_READY].n && rc == 0; i++)
		rc = read_rule(f, lists[ROW_READY].items[i]);
	if (rc == 0)
		rc = probes_keep(f);
	session->host.fingerprint = host_fingerprint(session->arena, &session->host);
	/* Older or damaged recordings may lack the word, not the events. */
	if (f->n_bpf > 0 && f->bpf != NULL && f->bpf[0] == '\0')
		f->bpf = NULL;
	if (f->n_shim > 0 && f->shim != NULL && f->shim[0] == '\0')
		f->shim = NULL;

	for (size_t i = 0; i < N_FACT_ROWS; i++) {
		if (lists[i].n > 0 && rc == 0) {
			struct text_list *list = (void *)((char *)session + fact_rows[i].offset);
			list->items = arena_memdup(session->arena, lists[i].items,
						   lists[i].n * sizeof(lists[i].items[0]));
			list->n = list->items != NULL ? lists[i].n : 0;
			rc = list->items != NULL ? 0 : -ENOMEM;
		}
		vec_done(&lists[i]);
	}
	if (f->bpf != NULL && f->bpf[0] == '\0')
		f->bpf = silence_of(session, "bpf");
	if (f->shim != NULL && f->shim[0] == '\0')
		f->shim = silence_of(session, "shim");
	return rc;
}

void facts_done(struct facts *f)
{
	for (size_t i = 0; i < f->n_rules; i++)
		ready_rule_done(&f->rules[i]);
	code_done(&f->code);
	id_map_done(&f->symbols);
	vec_done(&f->symbol_names);
	vec_done(&f->notes);
	vec_done(&f->probes);
	id_map_done(&f->producer_index);
	vec_done(&f->producers);
	vec_done(&f->active);
}

const char *facts_symbol(const struct facts *f, uint64_t ip)
{
	const int index = ip == 0 ? -1 : id_map_get(&f->symbols, ip);
	return index < 0 ? NULL : f->symbol_names.items[index];
}
