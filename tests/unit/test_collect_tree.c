/* SPDX-License-Identifier: MIT */
/* The set of live processes, from births and deaths. */

#include <unistd.h>

#include "tests/unit/cmocka.h"
#include "userspace/collect/run/tree.h"

static void born_of(struct tree *t, uint32_t parent, uint32_t pid, uint32_t flags)
{
	const struct sl_task task = {
		.event = { .size = sizeof(task), .kind = SL_KIND_TASK, .pid = pid, .tid = pid },
		.parent_pid = parent,
		.ns_pid = 2, /* in a namespace further in */
		.own_tid = pid + 1000,
		.flags = flags,
	};
	assert_int_equal(tree_feed(t, &task.event), 0);
}

static void born(struct tree *t, uint32_t pid, uint32_t flags)
{
	born_of(t, 0, pid, flags);
}

static void died(struct tree *t, uint32_t pid, uint32_t flags)
{
	const struct sl_exit ended = {
		.event = { .size = sizeof(ended), .kind = SL_KIND_EXIT, .pid = pid, .tid = pid },
		.flags = flags,
	};
	assert_int_equal(tree_feed(t, &ended.event), 0);
}

static struct tree *fresh(void)
{
	static struct tree t;
	tree_done(&t);
	tree_init(&t, true);
	t.use_ns_pids = false;
	return &t;
}

static void processes_come_and_go(void **state)
{
	(void)state;
	struct tree *t = fresh();
	assert_int_equal(tree_add(t, 41), 0);
	born(t, 23, 0);
	born(t, 97, 0);
	assert_true(tree_has(t, 23));
	assert_true(tree_has(t, 41));
	assert_true(tree_has(t, 97));
	died(t, 41, SL_EXIT_PROCESS);
	assert_false(tree_has(t, 41));
	assert_int_equal(t->pids.n, 2);
	tree_done(t);
}

static void threads_are_not_processes(void **state)
{
	(void)state;
	struct tree *t = fresh();
	assert_int_equal(tree_add(t, 41), 0);
	born(t, 42, SL_TASK_THREAD);
	assert_false(tree_has(t, 42));
	died(t, 41, 0);
	assert_true(tree_has(t, 41));
	tree_done(t);
}

static void being_born_twice_counts_once(void **state)
{
	(void)state;
	struct tree *t = fresh();
	born(t, 41, 0);
	born(t, 41, SL_TASK_ATTACHED);
	assert_int_equal(t->pids.n, 1);
	tree_done(t);
}

static void in_a_pid_namespace_the_ids_of_that_count(void **state)
{
	(void)state;
	struct tree *t = fresh();
	t->use_ns_pids = true;
	born(t, 41, 0);
	assert_true(tree_has(t, 1041));
	assert_false(tree_has(t, 41));
	tree_done(t);
}

static void init_is_never_a_member(void **state)
{
	(void)state;
	struct tree *t = fresh();
	assert_int_equal(tree_add(t, 1), 0);
	assert_int_equal(tree_add(t, 0), 0);
	assert_int_equal(tree_add(t, -1), 0);
	assert_int_equal(t->pids.n, 0);
	tree_done(t);
}

static void nothing(void *data)
{
	(void)data;
}

static void forget_all(void *data)
{
	struct tree *t = data;
	t->pids.n = 0;
}

static void who_ended_a_moment_ago_is_still_known(void **state)
{
	(void)state;
	struct tree *t = fresh();
	born(t, 41, 0);
	born(t, 23, 0);
	died(t, 41, SL_EXIT_PROCESS);
	assert_true(tree_knows(t, 23));
	assert_true(tree_knows(t, 41));
	assert_false(tree_knows(t, 97));
	for (size_t i = 0; i < TREE_ENDED; i++)
		t->ended[i].time_ns = 0;
	assert_false(tree_knows(t, 41));
	tree_done(t);
}

static void what_died_meanwhile_gets_no_signal(void **state)
{
	(void)state;
	struct tree *t = fresh();
	assert_int_equal(tree_add(t, getpid()), 0);
	assert_int_equal(tree_signal(t, 0, nothing, t), 1);
	assert_int_equal(tree_signal(t, 0, forget_all, t), 0);
	tree_done(t);
}

static void what_others_started_is_not_of_the_tree(void **state)
{
	(void)state;
	struct tree *t = fresh();
	t->has_strangers = true;
	assert_int_equal(tree_add(t, 41), 0);
	born_of(t, 41, 42, 0);
	born_of(t, 7, 23, SL_TASK_ATTACHED);
	born_of(t, 23, 24, 0);
	born_of(t, 42, 43, 0);
	assert_true(tree_has(t, 42) && tree_has(t, 43));
	assert_false(tree_has(t, 23) || tree_has(t, 24));
	tree_done(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_come_and_go),
		cmocka_unit_test(what_others_started_is_not_of_the_tree),
		cmocka_unit_test(threads_are_not_processes),
		cmocka_unit_test(being_born_twice_counts_once),
		cmocka_unit_test(in_a_pid_namespace_the_ids_of_that_count),
		cmocka_unit_test(init_is_never_a_member),
		cmocka_unit_test(who_ended_a_moment_ago_is_still_known),
		cmocka_unit_test(what_died_meanwhile_gets_no_signal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
