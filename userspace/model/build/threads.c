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

void thread_has_own_tid(struct builder *b, int index, uint32_t own_tid)
{
	if (index >= 0 && own_tid != 0 && id_map_set(&b->by_own_tid, own_tid, index) < 0)
		b->error = -ENOMEM;
}

/* After an execve of another thread the process goes on as that. */
static int thread_of_own(const struct builder *b, uint32_t own_tid)
{
	const int index = id_map_get(&b->by_own_tid, own_tid);
	const struct thread *t = index >= 0 ? &b->threads.items[index] : NULL;
	const struct proc *p = t != NULL ? &b->procs.items[t->proc] : NULL;
	return p != NULL && t->tid == p->pid ? p->main_thread : index;
}

int thread_of(struct builder *b, const struct sl_event *event, uint64_t since_ns)
{
	if (event->tid == 0)
		return -1;
	/* A number that kernel events do not know must not become a thread. */
	if ((event->flags & SL_FLAG_NS_IDS) != 0 && b->facts->bpf == NULL)
		return thread_of_own(b, event->tid);
	const int proc = process_of(b, event);
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
