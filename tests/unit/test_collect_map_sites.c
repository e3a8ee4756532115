/* SPDX-License-Identifier: MIT */
/* userspace/collect/heap/map_sites.c */
#include "tests/unit/cmocka.h"
#include "userspace/collect/heap/map_sites.h"

#define MOST 8

struct kept {
	struct sl_mapsite events[MOST];
	size_t n;
};

static int keep(void *data, const struct sl_event *event)
{
	struct kept *t = data;
	assert_true(t->n < MOST);
	assert_int_equal(event->kind, SL_KIND_MAPSITE);
	t->events[t->n++] = *(const struct sl_mapsite *)event;
	return 0;
}

static struct kept tell(struct map_sites *s)
{
	struct kept t = { .n = 0 };
	assert_int_equal(map_sites_tell(s, (struct sink){ keep, &t }), 0);
	(void)map_sites_free(s);
	return t;
}

static void add(struct map_sites *s, pid_t pid, uint64_t time_ns, uint32_t stack, uint64_t bytes)
{
	const struct site_owner owner = { .pid = pid, .told_pid = (uint32_t)pid + 1000 };
	assert_int_equal(map_sites_add(s, &owner, time_ns, SL_MAPSITE_MAPPED, stack, bytes), 0);
}

static void growths_add_up_by_image_and_stack(void **state)
{
	(void)state;
	struct map_sites *s = map_sites_new();
	add(s, 7, 100, 3, 23);
	add(s, 7, 200, 3, 41);
	add(s, 7, 300, 5, 11);
	add(s, 8, 400, 3, 13);
	const struct kept t = tell(s);
	assert_int_equal(t.n, 3);
	assert_int_equal(t.events[0].event.pid, 1007);
	assert_int_equal(t.events[0].stack, 3);
	assert_int_equal(t.events[0].since_ns, 100);
	assert_int_equal(t.events[0].all.calls, 2);
	assert_int_equal(t.events[0].all.bytes, 64);
	assert_int_equal(t.events[1].stack, 5);
	assert_int_equal(t.events[1].since_ns, 100);
	assert_int_equal(t.events[2].event.pid, 1008);
	assert_int_equal(t.events[2].all.bytes, 13);
}

static void what_is_touched_with_a_stack_is_apart_from_what_is_mapped_with_it(void **state)
{
	(void)state;
	const struct site_owner owner = { .pid = 7, .told_pid = 1007 };
	struct map_sites *s = map_sites_new();
	add(s, 7, 100, 3, 23);
	assert_int_equal(map_sites_add(s, &owner, 200, SL_MAPSITE_TOUCHED, 3, 41), 0);
	assert_int_equal(map_sites_add(s, &owner, 300, SL_MAPSITE_TOUCHED, 3, 43), 0);
	const struct kept t = tell(s);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.events[0].what, SL_MAPSITE_MAPPED);
	assert_int_equal(t.events[0].all.bytes, 23);
	assert_int_equal(t.events[1].what, SL_MAPSITE_TOUCHED);
	assert_int_equal(t.events[1].all.bytes, 84);
	assert_int_equal(t.events[1].since_ns, 100);
}

static void the_next_image_of_a_process_has_its_own(void **state)
{
	(void)state;
	struct map_sites *s = map_sites_new();
	add(s, 7, 100, 3, 23);
	map_sites_image_ended(s, 7);
	map_sites_image_ended(s, 9);
	add(s, 7, 200, 3, 41);
	add(s, 7, 300, 3, 41);
	const struct kept t = tell(s);
	assert_int_equal(t.n, 2);
	assert_int_equal(t.events[0].all.bytes, 23);
	assert_int_equal(t.events[1].since_ns, 200);
	assert_int_equal(t.events[1].all.bytes, 82);
}

static void what_came_until_readiness_is_told_apart(void **state)
{
	(void)state;
	struct map_sites *s = map_sites_new();
	add(s, 7, 100, 3, 23);
	map_sites_ready(s);
	add(s, 7, 200, 3, 41);
	add(s, 7, 300, 5, 11);
	const struct kept t = tell(s);
	assert_int_equal(t.events[0].ready.bytes, 23);
	assert_int_equal(t.events[0].ready.calls, 1);
	assert_int_equal(t.events[0].all.bytes, 64);
	assert_int_equal(t.events[1].ready.bytes, 0);
}

static void without_readiness_nothing_is_said_of_it(void **state)
{
	(void)state;
	struct map_sites *s = map_sites_new();
	add(s, 7, 100, 0, UINT64_MAX);
	add(s, 7, 100, 0, UINT64_MAX);
	const struct kept t = tell(s);
	assert_true(t.events[0].ready.bytes == SL_UNKNOWN);
	/* Sums end at the largest number. */
	assert_true(t.events[0].all.bytes >= INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growths_add_up_by_image_and_stack),
		cmocka_unit_test(what_is_touched_with_a_stack_is_apart_from_what_is_mapped_with_it),
		cmocka_unit_test(the_next_image_of_a_process_has_its_own),
		cmocka_unit_test(what_came_until_readiness_is_told_apart),
		cmocka_unit_test(without_readiness_nothing_is_said_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
