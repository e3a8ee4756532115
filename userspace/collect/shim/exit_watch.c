/* SPDX-License-Identifier: MIT */
/* See exit_watch.h. */
#include "userspace/collect/shim/exit_watch.h"

#include <errno.h>

#include "userspace/collect/proc/synthesize.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/tree.h"

/* More children, all alive and without lanes, than any real program has: not believed. */
#define MAX_ADDED 65536

int exit_watch_add(struct exit_watch *d, uint32_t ns_pid, uint64_t alive_ns, uint64_t left_ns)
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
	return vec_push(d, ((struct pending_exit){ ns_pid, end_ns }));
}

int exit_watch_tap(void *tap, const struct sl_event *event)
{
	const struct exit_watch_tap *t = tap;
	int r = 0;

	if (event->kind == SL_KIND_TASK && event->pid != t->lane->ns_pid && t->to->n < MAX_ADDED)
		r = exit_watch_add(t->to, event->pid, 0, 0);
	return r < 0 ? r : t->next.event(t->next.data, event);
}

int exit_watch_look(struct exit_watch *d, struct sink sink)
{
	int r = 0;

	for (size_t i = 0; i < d->n && r >= 0;) {
		const struct pending_exit *gone = &d->items[i];
		if (tree_is_alive((pid_t)gone->ns_pid)) {
			i++;
			continue;
		}
		r = synthesize_gone(sink, (pid_t)gone->ns_pid,
				    gone->end_ns != 0 ? gone->end_ns : now_ns());
		d->items[i] = d->items[--d->n];
	}
	return r;
}
