/* SPDX-License-Identifier: MIT */
/* Where a metric of the heap is judged its call sites are recorded, unless somebody said otherwise. */

#include "tests/unit/cmocka.h"
#include "userspace/cmd/heap_choice.h"

static const struct heap_mode count = { .kind = HEAP_COUNT };

static void what_is_judged_is_sampled(void **state)
{
	(void)state;
	assert_int_equal(heap_mode_for(count, false, true).kind, HEAP_SAMPLE);
	assert_int_equal(heap_mode_for(count, false, true).sample_bytes, HEAP_SAMPLE_BYTES);
	assert_int_equal(heap_mode_for(count, false, false).kind, HEAP_COUNT);
	assert_int_equal(heap_mode_for(count, true, true).kind, HEAP_COUNT);
}

static void budgets_and_gates_of_any_step_judge(void **state)
{
	(void)state;
	const char *gate[] = { "startup.ready", "heap.peak" };
	struct budget budget = { .metric = "heap.site[load_*]" };
	struct step step = { .n_budgets = 0 };
	struct scenario s = { .steps = &step, .n_steps = 1 };
	assert_false(scenario_judges_heap(&s));
	s.gate = (struct text_list){ gate, 1 };
	assert_false(scenario_judges_heap(&s));
	s.gate.n = 2;
	assert_true(scenario_judges_heap(&s));
	s.gate.n = 0;
	step.budgets = &budget;
	step.n_budgets = 1;
	assert_true(scenario_judges_heap(&s));
	budget.metric = "mem.peak_rss";
	assert_false(scenario_judges_heap(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_judged_is_sampled),
		cmocka_unit_test(budgets_and_gates_of_any_step_judge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
