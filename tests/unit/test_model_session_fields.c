/* SPDX-License-Identifier: MIT */
/* The tables of the session document: every member of every struct has its key, is written and
 * is read again. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/document.h"
#include "tests/unit/cmocka.h"
#include "tests/unit/sample_session.h"
#include "userspace/model/document/session_fields.h"
#include "userspace/model/document/session_json.h"

/* Fills a struct through its table with values that are all different. */
struct filling {
	struct session *s;
	int64_t next;
	int depth;
};

static void *at(void *object, size_t offset)
{
	return (char *)object + offset;
}

static const char *next_text(struct filling *f)
{
	/* Bytes that are no text, and what must not be taken for an escape of them. */
	return arena_printf(f->s->arena, "text %d \xff\\xfe\033[1m\n\"", (int)f->next++);
}

static void fill(struct filling *f, const struct record *record, void *object);

static size_t fill_texts(struct filling *f, const char ***ret)
{
	const char *texts[] = { next_text(f), "", next_text(f) };
	*ret = sample_copy(f->s, texts, sizeof(texts));
	return 3;
}

static void fill_array(struct filling *f, const struct field *field, void *object)
{
	const size_t n = field->record == &run_record ? 1 : 2;
	char *items = arena_alloc_array(f->s->arena, n, field->record->size);
	for (size_t i = 0; i < n; i++)
		fill(f, field->record, items + i * field->record->size);
	*(void **)at(object, field->offset) = items;
	*(size_t *)at(object, field->count_offset) = n;
}

static void fill_field(struct filling *f, const struct field *field, void *object)
{
	void *value = at(object, field->offset);
	/* Up to 2^53 whole numbers come back exactly. */
	const int64_t numbers[] = { f->next++, UNKNOWN, INT64_C(9007199254740992) - f->next++ };
	if (field->has_gate)
		*(bool *)at(object, field->gate_offset) = true;
	switch (field->kind) {
	case FIELD_INT:
		*(int64_t *)value = numbers[0] & 1 ? numbers[2] : -f->next;
		break;
	case FIELD_PROCESS:
	case FIELD_PARENT:
		*(int *)value = 1 + (int)(f->next++ & 1);
		break;
	case FIELD_BOOL:
		*(bool *)value = true;
		break;
	case FIELD_TEXT:
	case FIELD_DETAIL:
		*(const char **)value = next_text(f);
		break;
	case FIELD_TEXTS:
		*(size_t *)at(object, field->count_offset) = fill_texts(f, value);
		break;
	case FIELD_INTS:
		*(void **)value = sample_copy(f->s, numbers, sizeof(numbers));
		*(size_t *)at(object, field->count_offset) = 3;
		break;
	case FIELD_NAME:
		*(unsigned int *)value = (unsigned int)f->next++ % field->names->n;
		break;
	case FIELD_OBJECT:
		fill(f, field->record, value);
		break;
	case FIELD_ARRAY:
		fill_array(f, field, object);
		break;
	case FIELD_HISTOGRAM:
		for (int i = 0; i < HEAP_BUCKETS; i++)
			((int64_t *)value)[i] = f->next++;
		break;
	/* Of series: filled by metrics_collect(). */
	case FIELD_DOUBLE:
	case FIELD_SIZE:
	case FIELD_INTERVAL:
	case FIELD_DOUBLES:
	case FIELD_METRICS:
		break;
	}
}

static void fill(struct filling *f, const struct record *record, void *object)
{
	for (const struct field *field = record->fields; field->key != NULL; field++)
		fill_field(f, field, object);
}

static void number_processes(struct session *s)
{
	for (size_t run = 0; run < s->n_runs; run++)
		for (size_t i = 0; i < s->runs[run].n_processes; i++)
			s->runs[run].processes[i].id = (int)i + 1;
	for (size_t i = 0; i < s->n_steps; i++)
		number_processes(&s->steps[i].session);
}

static struct session *filled_session(void)
{
	struct session *s = sample_new(1);
	double *values = s->runs[0].values;
	struct filling f = { .s = s, .next = 3 };
	fill(&f, &session_record, s);
	s->runs[0].values = values;
	for (size_t i = 0; i < metrics_count(); i++)
		values[i] = i % 3 == 0 || metrics[i].get == NULL ? NAN : (double)i * 1000.25;
	number_processes(s);
	assert_int_equal(metrics_collect(s), 0);
	return s;
}

static void compare(const struct record *record, void *a, void *b);

static void compare_texts(const struct text_list *a, const struct text_list *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		assert_string_equal(a->items[i], b->items[i]);
}

static void compare_field(const struct field *field, void *a, void *b)
{
	void *x = at(a, field->offset);
	void *y = at(b, field->offset);
	const bool has_count = field->count_offset != 0;
	const size_t n = has_count ? *(size_t *)at(a, field->count_offset) : 0;
	if (has_count)
		assert_int_equal(n, *(size_t *)at(b, field->count_offset));
	if (field->has_gate)
		assert_int_equal(*(bool *)at(a, field->gate_offset),
				 *(bool *)at(b, field->gate_offset));
	switch (field->kind) {
	case FIELD_INT:
		assert_true(*(int64_t *)x == *(int64_t *)y);
		break;
	case FIELD_PROCESS:
	case FIELD_PARENT:
	case FIELD_NAME:
		assert_int_equal(*(int *)x, *(int *)y);
		break;
	case FIELD_BOOL:
		assert_int_equal(*(bool *)x, *(bool *)y);
		break;
	case FIELD_TEXT:
	case FIELD_DETAIL:
		assert_string_equal(*(const char **)x, *(const char **)y);
		break;
	case FIELD_TEXTS:
		compare_texts(&(struct text_list){ *(const char ***)x, n },
			      &(struct text_list){ *(const char ***)y, n });
		break;
	case FIELD_INTS:
		assert_memory_equal(*(void **)x, *(void **)y, n * sizeof(int64_t));
		break;
	case FIELD_OBJECT:
		compare(field->record, x, y);
		break;
	case FIELD_ARRAY:
		for (size_t i = 0; i < n; i++)
			compare(field->record, *(char **)x + i * field->record->size,
				*(char **)y + i * field->record->size);
		break;
	case FIELD_HISTOGRAM:
		assert_memory_equal(x, y, HEAP_BUCKETS * sizeof(int64_t));
		break;
	/* Of series: filled by metrics_collect(). */
	case FIELD_DOUBLE:
	case FIELD_SIZE:
	case FIELD_INTERVAL:
	case FIELD_DOUBLES:
	case FIELD_METRICS:
		break;
	}
}

static void compare(const struct record *record, void *a, void *b)
{
	for (const struct field *field = record->fields; field->key != NULL; field++)
		compare_field(field, a, b);
}

static void every_field_comes_back(void **state)
{
	(void)state;
	struct session *s = filled_session();
	char *first = document_of(s, NULL);
	struct session *again = NULL;
	assert_int_equal(session_read_json(first, strlen(first), "x.json", &again), 0);
	compare(&session_record, s, again);
	assert_memory_equal(s->runs[0].values, again->runs[0].values,
			    metrics_count() * sizeof(double));
	char *second = document_of(again, NULL);
	assert_string_equal(first, second);
	free(first);
	free(second);
	session_free(s);
	session_free(again);
}

/* Sizes of what a kind of field occupies in its struct. */
static size_t size_of(const struct field *field)
{
	switch (field->kind) {
	case FIELD_INT:
		return sizeof(int64_t);
	case FIELD_PROCESS:
	case FIELD_PARENT:
	case FIELD_NAME:
		return sizeof(int);
	case FIELD_BOOL:
		return sizeof(bool);
	case FIELD_TEXT:
	case FIELD_DETAIL:
	case FIELD_TEXTS:
	case FIELD_INTS:
	case FIELD_ARRAY:
		return sizeof(void *);
	case FIELD_HISTOGRAM:
		return HEAP_BUCKETS * sizeof(int64_t);
	case FIELD_OBJECT:
	/* Of series: filled by metrics_collect(). */
	case FIELD_DOUBLE:
	case FIELD_SIZE:
	case FIELD_INTERVAL:
	case FIELD_DOUBLES:
	case FIELD_METRICS:
		break;
	}
	return 0;
}

static void mark(const struct record *record, size_t base, char *covered)
{
	for (const struct field *field = record->fields; field->key != NULL; field++) {
		memset(covered + base + field->offset, 1, size_of(field));
		if (field->count_offset != 0)
			memset(covered + base + field->count_offset, 1, sizeof(size_t));
		if (field->has_gate)
			covered[base + field->gate_offset] = 1;
		if (field->kind == FIELD_OBJECT)
			mark(field->record, base + field->offset, covered);
	}
}

/* Members of more than padding's size that no key of the document stands for. */
static size_t n_forgotten(const struct record *record)
{
	char *covered = calloc(1, record->size + 1);
	size_t n = 0;
	mark(record, 0, covered);
	for (size_t i = 0; i + 8 <= record->size; i += 8)
		n += memcmp(covered + i, "\0\0\0\0\0\0\0", 8) == 0;
	for (const struct field *field = record->fields; field->key != NULL; field++) {
		if (field->kind == FIELD_ARRAY && field->record != &run_record)
			n += n_forgotten(field->record);
	}
	free(covered);
	return n;
}

static void every_member_has_a_key(void **state)
{
	(void)state;
	/* Of a run: values and its session. Of a session: arena, series, n_series; they are in "metrics". Of a
	 * step's session these, and that it has no steps. */
	assert_int_equal(n_forgotten(&run_record), 2);
	assert_int_equal(n_forgotten(&session_record), 3 + 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_comes_back),
		cmocka_unit_test(every_member_has_a_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
