/* SPDX-License-Identifier: MIT */
/* See departures.h. */
#include "userspace/collect/departures.h"

#include <errno.h>

#include "userspace/collect/emit.h"
#include "userspace/collect/standin.h"
#include "userspace/collect/tree.h"

/* More children, all alive and without lanes, than any real program has: not believed. */
#define MAX_ADDED 65536

int departures_add(struct departures *d, uint32_t ns_pid, uint64_t alive_ns, uint64_t left_ns)
{
	const uint64_t now = now_ns();
	/* Between its last word and its end a program may have gone on for long. */
	const uint64_t last_ns = left_ns > alive_ns ? left_ns : alive_ns;
	const uint64_t end_ns = left_ns == 0 || last_ns > now ? 0 : last_ns;

	vec_foreach(known, d) {
		if (known->ns_pid == ns_pid) {
			known->end_ns = end_ns;
			return 0;
		}
	}
	return vec_push(d, ((struct departure){ ns_pid, end_ns }));
}

int departures_tap(void *tap, const struct sl_event *event)
{
	const struct departures_tap *t = tap;
	int r = 0;

	if (event->kind == SL_KIND_TASK && event->pid != t->lane->ns_pid && t->to->n < MAX_ADDED)
		r = departures_add(t->to, event->pid, 0, 0);
	return r < 0 ? r : t->next.event(t->next.data, event);
}

int departures_look(struct departures *d, struct sink sink)
{
	int r = 0;

	for (size_t i = 0; i < d->n && r >= 0;) {
		const struct departure *gone = &d->items[i];
		if (tree_is_alive((pid_t)gone->ns_pid)) {
			i++;
			continue;
		}
		r = standin_gone(sink, (pid_t)gone->ns_pid,
				 gone->end_ns != 0 ? gone->end_ns : now_ns());
		d->items[i] = d->items[--d->n];
	}
	return r;
}
