/* SPDX-License-Identifier: MIT */
/* Sums of system calls over processes. */
#include "userspace/model/syscalls.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *left, const void *right)
{
	const struct syscall *a = left, *b = right;
	return strcmp(a->name, b->name);
}

static int64_t cpu_of(const struct syscall *s)
{
	return s->cpu_ns == UNKNOWN ? 0 : s->cpu_ns;
}

static int by_cost(const void *left, const void *right)
{
	const struct syscall *a = left, *b = right;
	if (cpu_of(a) != cpu_of(b))
		return cpu_of(a) > cpu_of(b) ? -1 : 1;
	if (a->calls != b->calls)
		return a->calls > b->calls ? -1 : 1;
	return by_name(a, b);
}

static void merge_equal(struct syscall_list *list)
{
	size_t n = 0;
	for (size_t i = 0; i < list->n; i++) {
		const struct syscall *s = &list->items[i];
		if (n == 0 || strcmp(list->items[n - 1].name, s->name) != 0) {
			list->items[n++] = *s;
			continue;
		}
		struct syscall *last = &list->items[n - 1];
		last->calls = sum_or_unknown(last->calls, s->calls);
		last->errors = sum_or_unknown(last->errors, s->errors);
		last->total_ns = sum_or_unknown(last->total_ns, s->total_ns);
		last->cpu_ns = sum_or_unknown(last->cpu_ns, s->cpu_ns);
		/* A process that had ended before has no count of its own then. */
		if (last->ready_calls == UNKNOWN)
			last->ready_calls = s->ready_calls;
		else if (s->ready_calls != UNKNOWN)
			last->ready_calls = sum_or_unknown(last->ready_calls, s->ready_calls);
	}
	list->n = n;
}

int syscalls_sum(const struct run *run, struct syscall_list *ret)
{
	for (size_t i = 0; i < run->n_processes; i++) {
		const struct process *p = &run->processes[i];
		for (size_t k = 0; k < p->n_syscalls; k++)
			if (vec_push(ret, p->syscalls[k]) < 0)
				return -ENOMEM;
	}
	if (ret->n == 0)
		return 0;
	qsort(ret->items, ret->n, sizeof(*ret->items), by_name);
	merge_equal(ret);
	qsort(ret->items, ret->n, sizeof(*ret->items), by_cost);
	return 0;
}

double syscalls_share(const struct run *run, const struct syscall_list *sums, int64_t cpu_ns)
{
	double system_ns = 0, calls_ns = 0;
	for (size_t i = 0; i < run->n_processes; i++)
		if (run->processes[i].system_ns != UNKNOWN)
			system_ns += (double)run->processes[i].system_ns;
	vec_foreach(s, sums)
		calls_ns += (double)cpu_of(s);
	if (system_ns < calls_ns)
		system_ns = calls_ns;
	return cpu_ns == UNKNOWN || system_ns <= 0 ? (double)NAN : (double)cpu_ns / system_ns;
}
