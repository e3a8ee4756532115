/* SPDX-License-Identifier: MIT */
/* The call sites behind a change of the heap, in a line. */

#include "tests/unit/cmocka.h"
#include "tests/unit/heap_story.h"
#include "tests/unit/stories.h"
#include "userspace/base/cleanup.h"
#include "userspace/gate/cause.h"

#define SMALL HEAP_BEGIN HEAP_RUN HEAP_SITES("3000000", "547723", "30", "4100000")
#define LARGE HEAP_BEGIN HEAP_RUN HEAP_SITES("6200000", "787401", "62", "7300000")
#define ALIKE HEAP_BEGIN HEAP_RUN HEAP_SITES("3200000", "565685", "32", "4250000")

static void assert_cause(const char *base_story, const char *head_story, const char *id,
			 const char *text)
{
	_cleanup_(buf_done) struct buf out = { .limit = 4096 };
	struct session *base = build(base_story), *head = build(head_story);
	struct comparison *c = NULL;
	assert_int_equal(comparison_build(base, head, 0.99, &c), 0);
	cause_of_change(c, id, VERDICT_REGRESSED, &out);
	assert_string_equal(buf_str(&out), text);
	(void)comparison_free(c);
	(void)session_free(base);
	(void)session_free(head);
}

static void who_holds_more_is_named(void **state)
{
	(void)state;
	assert_cause(SMALL, LARGE, "heap.ready", "+3.2 MB app at ready: load_catalog +3.2 MB");
	assert_cause(SMALL, LARGE, "heap.exit", "+3.2 MB app: load_catalog +3.2 MB");
	assert_cause(SMALL, ALIKE, "heap.peak",
		     "+150 kB app; no single call site is proven to hold it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_holds_more_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
