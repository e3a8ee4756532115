/* SPDX-License-Identifier: MIT */
/* A small kernel's types, built by hand:
 * 1 int; 2 a prototype with 3 parameters; 3 a pointer to it; 4 the typedef of a tracepoint;
 * 5 the variable runqueues; 6 the variable pcpu_hot; 7 the per-CPU section with both. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/collect/kernel_btf.h"

static const char strings[] = "\0int\0btf_trace_sched_switch\0runqueues\0pcpu_hot\0.data..percpu";
enum { INT = 1, TRACE = 5, RUNQUEUES = 28, HOT = 38, SECTION = 47 };

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

static void tracepoints_and_places_are_found(void **state)
{
	(void)state;
	const struct image i = make();
	struct kernel_tracepoint wanted[] = { { .name = "sched_switch" }, { .name = "sched" } };
	struct kernel_percpu percpu;
	assert_int_equal(kernel_btf_parse(&i, IMAGE_BYTES, wanted, 2, &percpu), 0);
	assert_true(wanted[0].exists);
	assert_int_equal(wanted[0].arguments, 2); /* the hidden one does not count */
	assert_false(wanted[1].exists);
	assert_int_equal(percpu.runqueues, 65);
	assert_int_equal(percpu.preempt_count, 9); /* in pcpu_hot, behind a pointer */
	assert_int_equal(percpu.this_cpu_off, 0);
}

/* Whatever is cut off, nothing behind the end is read: each length has a block of its own. */
static void truncated_types_are_refused(void **state)
{
	(void)state;
	const struct image i = make();
	struct kernel_tracepoint wanted[] = { { .name = "sched_switch" } };
	struct kernel_percpu percpu;
	for (size_t size = 0; size < IMAGE_BYTES; size++) {
		void *copy = malloc(size > 0 ? size : 1);
		assert_non_null(copy);
		memcpy(copy, &i, size);
		assert_int_equal(kernel_btf_parse(copy, size, wanted, 1, &percpu), -EBADMSG);
		free(copy);
	}
}

static void lengths_that_lie_are_refused(void **state)
{
	(void)state;
	struct kernel_percpu percpu;
	struct image i = make();
	i.type_bytes -= 4; /* the last type does not fit */
	assert_int_equal(kernel_btf_parse(&i, IMAGE_BYTES, NULL, 0, &percpu), -EBADMSG);
	i = make();
	i.string_bytes = 1u << 31;
	assert_int_equal(kernel_btf_parse(&i, IMAGE_BYTES, NULL, 0, &percpu), -EBADMSG);
	i = make();
	i.magic = 0x9feb;
	assert_int_equal(kernel_btf_parse(&i, IMAGE_BYTES, NULL, 0, &percpu), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tracepoints_and_places_are_found),
		cmocka_unit_test(truncated_types_are_refused),
		cmocka_unit_test(lengths_that_lie_are_refused),
	};
	return cmocka_run_group_tests_name("collect/kernel_btf", tests, NULL, NULL);
}
