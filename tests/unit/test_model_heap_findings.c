/* SPDX-License-Identifier: MIT */
/* What call sites show that is worth a word, and that chance shows nothing. */

#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/heap_story.h"
#include "tests/unit/stories.h"

static const struct finding *finding_in(const struct session *s, const char *id)
{
	for (size_t i = 0; i < s->runs[0].n_findings; i++)
		if (strcmp(s->runs[0].findings[i].id, id) == 0)
			return &s->runs[0].findings[i];
	return NULL;
}

static void half_of_a_large_heap_is_told(void **state)
{
	(void)state;
	struct session *s =
		build(HEAP_BEGIN HEAP_RUN HEAP_SITES("50000000", "2236068", "500", "51000000"));
	const struct finding *f = finding_in(s, "large-site");
	assert_non_null(f);
	assert_non_null(
		strstr(f->evidence, "load_catalog of app holds 50.0 MB of a heap of 51.0 MB"));
	assert_int_equal(f->cost_ns, UNKNOWN);
	(void)session_free(s);
	/* Of a small one it is nothing. */
	s = build(HEAP_BEGIN HEAP_RUN HEAP_SITES("3000000", "547723", "30", "4100000"));
	assert_int_equal(s->runs[0].n_findings, 0);
	(void)session_free(s);
}

#define GROWN(when_ready, ready_error, ready_samples)                                                  \
	HEAP_BEGIN HEAP_RUN                                                                            \
		"4ms heap 9 ready since=1ms malloc=2300 live=" when_ready " peak=9000000\n"            \
		"4ms site 9 ready stack=2 since=1500us live=" when_ready                               \
		" live_error=" ready_error " live_samples=" ready_samples "\n"                         \
		"9ms heap 9 exit since=1ms malloc=4100 live=9000000 peak=9000000\n"                    \
		"9ms site 9 exit stack=2 since=1500us live=9000000 live_error=948683 live_samples=90 " \
		"peak=9000000 peak_error=948683\n9ms exit 9 code=0\n"

static void growth_after_readiness_is_told(void **state)
{
	(void)state;
	struct session *s = build(GROWN("2000000", "447214", "20"));
	const struct finding *f = finding_in(s, "heap-growth");
	assert_non_null(f);
	assert_non_null(
		strstr(f->evidence, "load_catalog of app held 2.0 MB when ready, and 9.0 MB"));
	(void)session_free(s);
	s = build(GROWN("8500000", "921954", "85"));
	assert_null(finding_in(s, "heap-growth"));
	(void)session_free(s);
}

#define TEMPORARIES(samples)                                                                            \
	HEAP_BEGIN HEAP_RUN                                                                             \
		"9ms heap 9 exit since=1ms malloc=410000 free=410000 live=0 peak=4100\n"                \
		"9ms site 9 exit stack=4 since=1500us total=9000000 total_blocks=400000 total_error=1 " \
		"total_samples=" samples                                                                \
		" temporary=9000000 temporary_blocks=400000 temporary_error=1 "                         \
		"temporary_samples=" samples "\n9ms exit 9 code=0\n"

static void blocks_that_are_freed_at_once_are_told(void **state)
{
	(void)state;
	struct session *s = build(TEMPORARIES("90"));
	const struct finding *f = finding_in(s, "temporary-blocks");
	assert_non_null(f);
	assert_non_null(
		strstr(f->evidence, "parse of app made about 400000 of 410000 allocations"));
	(void)session_free(s);
	s = build(TEMPORARIES("4"));
	assert_null(finding_in(s, "temporary-blocks"));
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_of_a_large_heap_is_told),
		cmocka_unit_test(growth_after_readiness_is_told),
		cmocka_unit_test(blocks_that_are_freed_at_once_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
