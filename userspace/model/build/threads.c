/* SPDX-License-Identifier: MIT */
/* Threads: who created them, from when to when they lived. A tid that was used again gets a new
 * entry that points to the older one. */
#include "userspace/model/build/internal.h"

#include <errno.h>

/* Ids come back after 32768 others at the earliest; a chain this long is a made-up trace. */
#define MAX_REUSES 64

int thread_new(struct builder *b, uint32_t tid, int proc, int creator, uint64_t start_ns)
{
	const int index = (int)b->threads.n;
	const struct thread fresh = {
		.tid = tid,
		.proc = proc,
		.creator = creator,
		.older = id_map_get(&b->by_tid, tid),
		.start_ns = start_ns,
		.end_ns = FOREVER,
	};
	if (vec_push(&b->threads, fresh) < 0 || id_map_set(&b->by_tid, tid, index) < 0) {
		b->error = -ENOMEM;
		return -1;
	}
	return index;
}

int thread_lookup(const struct builder *b, uint32_t tid, uint64_t at_ns)
{
	int index = tid == 0 ? -1 : id_map_get(&b->by_tid, tid);
	for (int step = 0; index >= 0 && step < MAX_REUSES; step++) {
		if (b->threads.items[index].start_ns <= at_ns)
			return index;
		index = b->threads.items[index].older;
	}
	return -1;
}

static uint64_t ns_key(int proc, uint32_t ns_tid)
{
	return (uint64_t)proc << 32 | ns_tid;
}

void thread_has_ns_tid(struct builder *b, int index, uint32_t ns_tid)
{
	const uint64_t key = ns_key(b->threads.items[index].proc, ns_tid);
	if (ns_tid != 0 && id_map_set(&b->by_ns_tid, key, index) < 0)
		b->error = -ENOMEM;
}

static int thread_of_ns(const struct builder *b, int proc, uint32_t ns_tid)
{
	const struct proc *p = proc >= 0 ? &b->procs.items[proc] : NULL;
	if (p == NULL || ns_tid == p->ns_pid)
		return p != NULL ? p->main_thread : -1;
	return id_map_get(&b->by_ns_tid, ns_key(proc, ns_tid));
}

int thread_of(struct builder *b, const struct sl_event *event, uint64_t since_ns)
{
	if (event->tid == 0)
		return -1;
	const int proc = process_of(b, event);
	/* As with processes: see there. */
	if ((event->flags & SL_FLAG_NS_IDS) != 0 && b->facts->bpf == NULL)
		return thread_of_ns(b, proc, event->tid);
	const int known = id_map_get(&b->by_tid, event->tid);
	if (known >= 0 && b->threads.items[known].proc == proc)
		return known;
	if (proc < 0)
		return -1;
	/* Its TASK was lost. It is no older than its process. */
	struct proc *p = &b->procs.items[proc];
	if (since_ns < p->start_ns)
		since_ns = p->start_ns;
	const int index = thread_new(b, event->tid, proc, p->main_thread, since_ns);
	if (index >= 0 && b->procs.items[proc].main_thread < 0)
		b->procs.items[proc].main_thread = index;
	return index;
}
