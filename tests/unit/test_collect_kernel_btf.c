/* SPDX-License-Identifier: MIT */
/* A small kernel's types, built by hand:
 * 1 int; 2 a prototype with 3 parameters; 3 a pointer to it; 4 the typedef of a tracepoint;
 * 5 the variable runqueues; 6 the variable pcpu_hot; 7 the per-CPU section with both;
 * 8 struct task { int pid; struct inner in[2]; struct task *next; }; 9 struct inner { int x; };
 * 10 an array of two of these; 11 a pointer to 8; 12 an iterator's function;
 * 13 struct other { int x; }. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/collect/bpf/btf.h"
#include "userspace/collect/bpf/kernel_btf.h"

static const char strings[] =
	"\0int\0btf_trace_sched_switch\0runqueues\0pcpu_hot\0.data..percpu\0task\0pid\0in\0next\0inner"
	"\0x\0other\0bpf_iter_task";
enum {
	INT = 1,
	TRACE = 5,
	RUNQUEUES = 28,
	HOT = 38,
	SECTION = 47,
	TASK = 61,
	PID = 66,
	IN = 70,
	NEXT = 73,
	INNER = 78,
	X = 84,
	OTHER = 86,
	ITERATOR = 92,
};

#define INFO(kind, n) ((uint32_t)(kind) << 24 | (n))

/* clang-format off */
static const uint32_t types[] = {
	INT, INFO(1, 0), 4, 32,				     /* 1 */
	0, INFO(13, 3), 1, 0, 1, 0, 1, 0, 1,		     /* 2 */
	0, INFO(2, 0), 2,				     /* 3 */
	TRACE, INFO(8, 0), 3,				     /* 4 */
	RUNQUEUES, INFO(14, 0), 1, 0,			     /* 5 */
	HOT, INFO(14, 0), 1, 0,				     /* 6 */
	SECTION, INFO(15, 2), 96, 5, 64, 4, 6, 0, 64,	     /* 7 */
	TASK, INFO(4, 3), 24, PID, 1, 0, IN, 10, 32, NEXT, 11, 128, /* 8 */
	INNER, INFO(4, 1), 4, X, 1, 0,			     /* 9 */
	0, INFO(3, 0), 0, 9, 1, 2,			     /* 10 */
	0, INFO(2, 0), 8,				     /* 11 */
	ITERATOR, INFO(12, 0), 2,			     /* 12 */
	OTHER, INFO(4, 1), 4, X, 1, 0,			     /* 13 */
};
/* clang-format on */

struct image {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t header_bytes, type_start, type_bytes, string_start, string_bytes;
	uint8_t types[sizeof(types)];
	char strings[sizeof(strings)];
};

static struct image make(void)
{
	struct image i = {
		.magic = 0xeb9f,
		.version = 1,
		.header_bytes = 24,
		.type_bytes = sizeof(types),
		.string_start = sizeof(types),
		.string_bytes = sizeof(strings),
	};
	memcpy(i.types, types, sizeof(types));
	memcpy(i.strings, strings, sizeof(strings));
	return i;
}

#define IMAGE_BYTES (offsetof(struct image, strings) + sizeof(strings))

static int parse(const void *data, size_t size, struct kernel_query *q)
{
	const int r = kernel_btf_parse(data, size, q);
	if (r < 0)
		buf_done(&q->excerpt);
	return r;
}

static void tracepoints_and_places_are_found(void **state)
{
	(void)state;
	const struct image i = make();
	struct kernel_tracepoint wanted[] = {
		{ .name = "sched_switch" },
		{ .name = "sched" },
		{ .name = "task", .is_iterator = true },
		{ .name = "sched_switch", .is_iterator = true },
	};
	struct kernel_query q = { .tracepoints = wanted, .n_tracepoints = 4 };
	assert_int_equal(parse(&i, IMAGE_BYTES, &q), 0);
	assert_true(wanted[0].exists);
	assert_int_equal(wanted[0].arguments, 2); /* the hidden one does not count */
	assert_int_equal(wanted[0].type_id, 4);
	assert_false(wanted[1].exists);
	assert_true(wanted[2].exists);
	assert_int_equal(wanted[2].type_id, 12);
	assert_false(wanted[3].exists);
	assert_int_equal(q.percpu.runqueues, 65);
	assert_int_equal(q.percpu.preempt_count, 9); /* in pcpu_hot, behind a pointer */
	assert_int_equal(q.percpu.this_cpu_off, 0);
	buf_done(&q.excerpt);
}

/* The type @name in @v, which has been walked over. */
static struct btf_cursor named(const struct btf_view *v, const char *name)
{
	struct btf_cursor c = { .id = 0 };
	for (uint32_t id = 1; id <= v->n_types; id++) {
		assert_true(btf_type(v, id, &c));
		if (strcmp(btf_name(v, c.type.name_off), name) == 0)
			return c;
	}
	fail_msg("no type %s", name);
	return c;
}

static struct btf_cursor type_of_member(const struct btf_view *v, const struct btf_cursor *c,
					uint32_t member, const char *name, uint32_t bits)
{
	uint32_t entry[3];
	struct btf_cursor type = { .id = 0 };
	assert_true(member < c->n_members);
	memcpy(entry, c->members + member * sizeof(entry), sizeof(entry));
	assert_string_equal(btf_name(v, entry[0]), name);
	assert_int_equal(entry[2], bits);
	assert_true(btf_type(v, entry[1], &type));
	return type;
}

static void an_excerpt_has_what_is_contained_and_no_more(void **state)
{
	(void)state;
	const struct image i = make();
	const char *const wanted[] = { "task", "nothing" };
	struct kernel_query q = { .types = wanted, .n_types = 2 };
	assert_int_equal(parse(&i, IMAGE_BYTES, &q), 0);

	struct btf_view v;
	assert_int_equal(btf_view_init(&v, buf_str(&q.excerpt), q.excerpt.len), 0);
	struct btf_cursor c = btf_start(&v);
	while (btf_next(&v, &c))
		assert_string_not_equal(btf_name(&v, c.type.name_off), "other");
	assert_ptr_equal(c.at, v.types_end);
	const struct btf_cursor task = named(&v, "task");
	assert_int_equal(task.kind, BTF_KIND_STRUCT);
	assert_int_equal(task.type.type, 24);
	assert_int_equal(type_of_member(&v, &task, 0, "pid", 0).kind, BTF_KIND_INT);
	const struct btf_cursor array = type_of_member(&v, &task, 1, "in", 32);
	assert_int_equal(array.kind, BTF_KIND_ARRAY);
	uint32_t parts[3];
	memcpy(parts, array.members, sizeof(parts));
	assert_int_equal(parts[0], named(&v, "inner").id);
	assert_int_equal(parts[2], 2);
	const struct btf_cursor pointer = type_of_member(&v, &task, 2, "next", 128);
	assert_int_equal(pointer.kind, BTF_KIND_PTR);
	assert_int_equal(pointer.type.type, 0);
	btf_view_done(&v);
	buf_done(&q.excerpt);
}

/* Whatever is cut off, nothing behind the end is read: each length has a block of its own. */
static void truncated_types_are_refused(void **state)
{
	(void)state;
	const struct image i = make();
	struct kernel_tracepoint wanted[] = { { .name = "sched_switch" } };
	for (size_t size = 0; size < IMAGE_BYTES; size++) {
		struct kernel_query q = { .tracepoints = wanted, .n_tracepoints = 1 };
		void *copy = malloc(size > 0 ? size : 1);
		assert_non_null(copy);
		memcpy(copy, &i, size);
		assert_int_equal(parse(copy, size, &q), -EBADMSG);
		free(copy);
	}
}

static void lengths_that_lie_are_refused(void **state)
{
	(void)state;
	struct kernel_query q = { .n_types = 0 };
	struct image i = make();
	i.type_bytes -= 4; /* the last type does not fit */
	assert_int_equal(parse(&i, IMAGE_BYTES, &q), -EBADMSG);
	i = make();
	i.string_bytes = 1u << 31;
	assert_int_equal(parse(&i, IMAGE_BYTES, &q), -EBADMSG);
	i = make();
	i.magic = 0x9feb;
	assert_int_equal(parse(&i, IMAGE_BYTES, &q), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tracepoints_and_places_are_found),
		cmocka_unit_test(an_excerpt_has_what_is_contained_and_no_more),
		cmocka_unit_test(truncated_types_are_refused),
		cmocka_unit_test(lengths_that_lie_are_refused),
	};
	return cmocka_run_group_tests_name("collect/kernel_btf", tests, NULL, NULL);
}
