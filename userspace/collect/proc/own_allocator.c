/* SPDX-License-Identifier: MIT */
#include "userspace/collect/proc/own_allocator.h"

#include <dirent.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/rights.h"
#include "userspace/collect/run/emit.h"

#define PATH_ROOM    64
#define THREADS_MOST 4096

struct counters {
	uint64_t allocated, freed;
};

/* Where the C library keeps what the kernel cleans up as the thread ends; 0: nowhere (musl, as a rule). */
static uint64_t place_of(pid_t tid)
{
	void *head = NULL;
	size_t n = 0;
	return syscall(SYS_get_robust_list, tid, &head, &n) == 0 ? (uint64_t)(uintptr_t)head : 0;
}

static bool read_at(pid_t pid, uint64_t address, uint64_t *ret)
{
	const struct iovec here = { ret, sizeof(*ret) };
	const struct iovec there = { (void *)(uintptr_t)address, sizeof(*ret) };
	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)sizeof(*ret);
}

/* Those of the first thread, moved by @distance: another's. */
static bool read_counters(pid_t pid, const struct shim_allocator *a, uint64_t distance,
			  struct counters *ret)
{
	/* What was freed first: what is allocated meanwhile then counts as live, and is. */
	return read_at(pid, a->freed_at + distance, &ret->freed) &&
	       read_at(pid, a->allocated_at + distance, &ret->allocated);
}

/* False: some thread's cannot be read, so the sum would be of some only. */
static bool add_others(pid_t pid, const struct shim_allocator *a, struct counters *sum,
		       uint32_t *n_threads)
{
	char path[PATH_ROOM];
	const uint64_t first = place_of(pid);
	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	_cleanup_closedir_ DIR *threads = opendir(path);
	if (threads == NULL)
		return false;
	for (const struct dirent *d = readdir(threads); d != NULL; d = readdir(threads)) {
		const pid_t tid = (pid_t)strtol(d->d_name, NULL, 10);
		struct counters more;
		if (tid <= 0 || tid == pid)
			continue;
		const uint64_t place = place_of(tid);
		/* It is about to begin, or has ended since. */
		if (place == 0)
			continue;
		if (first == 0 || *n_threads >= THREADS_MOST ||
		    !read_counters(pid, a, place - first, &more))
			return false;
		sum->allocated += more.allocated;
		sum->freed += more.freed;
		(*n_threads)++;
	}
	return true;
}

int source_proc_allocator(pid_t pid, bool is_ns, enum sl_when when,
			  const struct shim_allocator *allocator, struct sink sink)
{
	/* A set-uid program's memory is not the caller's. */
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	struct counters sum;
	uint32_t n_threads = 1;
	const uint64_t time_ns = now_ns();
	if (!read_counters(pid, allocator, 0, &sum) ||
	    !add_others(pid, allocator, &sum, &n_threads))
		return 0;
	struct sl_allocator e = {
		.event = emit_header(SL_KIND_ALLOCATOR, sizeof(e), time_ns, pid),
		.when = when,
		.allocator = allocator->kind,
		.threads = n_threads,
		.allocated_bytes = sum.allocated,
		.freed_bytes = sum.freed,
		.live_bytes = SL_UNKNOWN,
		.held_bytes = SL_UNKNOWN,
	};
	e.event.flags |= is_ns ? SL_FLAG_NS_IDS : 0u;
	return sink.event(sink.data, &e.event);
}
