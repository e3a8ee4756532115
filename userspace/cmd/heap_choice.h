/* SPDX-License-Identifier: MIT */
/* How much of the heap `check` and `ab` record where nobody said. */
#ifndef USERSPACE_CMD_HEAP_CHOICE_H
#define USERSPACE_CMD_HEAP_CHOICE_H

#include <stdbool.h>

#include "userspace/base/heap_mode.h"
#include "userspace/gate/config.h"

/* Whether @id is a metric of the heap: "heap.ready", "heap.site[load_*]". */
bool metric_is_of_heap(const char *id);
/* Whether one of @ids is. */
bool are_of_heap(const struct text_list *ids);
/* Whether @s judges one: by a budget, of a step too, or against its baseline. */
bool scenario_judges_heap(const struct scenario *s);
/* What is recorded: @asked; where nobody asked and the heap is judged, stacks are sampled, so that a change
 * can be told by call site. */
struct heap_mode heap_mode_for(struct heap_mode asked, bool is_given, bool is_judged);

#endif
