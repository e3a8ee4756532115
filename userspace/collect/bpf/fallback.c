/* SPDX-License-Identifier: MIT */
/* For `make BPF=0`: the same functions, and there are no kernel events. */
#include <errno.h>
#include <stdio.h>

#include "userspace/collect/run/source.h"

/* None of them has a use for what it is given. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

int source_bpf_open(const struct bpf_settings *settings, char *why, size_t why_size,
		    struct source_bpf **ret)
{
	(void)snprintf(why, why_size, "startline was built without kernel probes (make BPF=0)");
	return -ENOTSUP;
}

int source_bpf_reads_kernel(void)
{
	return -ENOTSUP;
}

int source_bpf_track(struct source_bpf *s, int pidfd)
{
	return -ENOTSUP;
}

int source_bpf_try(struct source_bpf *s, void (*work)(void *), void *data, uint64_t *ret_ns,
		   uint64_t *ret_calls)
{
	return -ENOTSUP;
}

bool source_bpf_tells(const struct source_bpf *s, enum told what)
{
	return false;
}

bool source_bpf_probe(struct source_bpf *s, size_t *cursor, struct probe_report *ret)
{
	return false;
}

int source_bpf_tell(struct source_bpf *s, bool has_shim, struct sink sink)
{
	return 0;
}

int source_bpf_fd(const struct source_bpf *s)
{
	return -1;
}

int source_bpf_drain(struct source_bpf *s, struct sink sink)
{
	return 0;
}

int source_bpf_snapshot(struct source_bpf *s, enum sl_when when)
{
	return -ENOTSUP;
}

void source_bpf_own_end(struct source_bpf *s, const struct sl_addr *end)
{
}

int source_bpf_ready(struct source_bpf *s)
{
	return -ENOTSUP;
}

int source_bpf_thin_out(struct source_bpf *s, struct sink sink)
{
	return -ENOTSUP;
}

uint64_t source_bpf_resident(const struct source_bpf *s)
{
	return 0;
}

void source_bpf_activity(const struct source_bpf *s, uint32_t *ret_threads,
			 uint64_t *ret_idle_since_ns)
{
	*ret_threads = 0;
	*ret_idle_since_ns = 0;
}

int source_bpf_finish(struct source_bpf *s, struct sink sink)
{
	return 0;
}

size_t source_bpf_ring_bytes(const struct source_bpf *s)
{
	return 0;
}

void source_bpf_take_stacks(struct source_bpf *s, uint64_t gap_ns, uint64_t wait_ns)
{
}

int source_bpf_stack_fd(const struct source_bpf *s)
{
	return -1;
}

size_t source_bpf_stack_bytes(const struct source_bpf *s)
{
	return 0;
}

uint64_t source_bpf_stacks_lost(const struct source_bpf *s)
{
	return 0;
}

int source_bpf_timer_fd(struct source_bpf *s)
{
	return -1;
}

void source_bpf_take_python(struct source_bpf *s, pid_t pid, const struct python_process *python)
{
}

bool source_bpf_kernel_names(struct source_bpf *s, const uint64_t *addresses, size_t n,
			     kernel_name_fn *found, void *data)
{
	return false;
}

struct source_bpf *source_bpf_free(struct source_bpf *s)
{
	return NULL;
}
