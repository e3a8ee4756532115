/* SPDX-License-Identifier: MIT */
/* See heap_choice.h. */
#include "userspace/cmd/heap_choice.h"

#include <string.h>

bool metric_is_of_heap(const char *id)
{
	return strncmp(id, "heap.", strlen("heap.")) == 0;
}

bool are_of_heap(const struct text_list *ids)
{
	for (size_t i = 0; i < ids->n; i++)
		if (metric_is_of_heap(ids->items[i]))
			return true;
	return false;
}

static bool have_heap(const struct budget *budgets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (metric_is_of_heap(budgets[i].metric))
			return true;
	return false;
}

bool scenario_judges_heap(const struct scenario *s)
{
	for (size_t i = 0; i < s->n_steps; i++)
		if (have_heap(s->steps[i].budgets, s->steps[i].n_budgets))
			return true;
	return have_heap(s->budgets, s->n_budgets) || are_of_heap(&s->gate);
}

struct heap_mode heap_mode_for(struct heap_mode asked, bool is_given, bool is_judged)
{
	if (is_given || !is_judged || asked.kind != HEAP_COUNT)
		return asked;
	return (struct heap_mode){ .kind = HEAP_SAMPLE, .sample_bytes = HEAP_SAMPLE_BYTES };
}
