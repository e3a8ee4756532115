/* SPDX-License-Identifier: MIT */
/* The maps of the probes. All are ours and not libbpf's: programs are loaded by several objects, and any of
 * these may fail. Each returns 0 or a negative errno. */
#ifndef USERSPACE_COLLECT_BPF_MAPS_H
#define USERSPACE_COLLECT_BPF_MAPS_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/collect/bpf/load.h"

struct bpf_object;

/* How large a ring is of which @wanted is asked, 0: nothing. */
size_t maps_ring_bytes(size_t wanted);
/* Of the ring of snapshots. */
uint32_t maps_stack_ring_bytes(const struct probes *p, const struct bpf_settings *settings);

/* The ring, which takes milliseconds: into @p->ring_fd. */
int maps_make_ring(struct probes *p);
/* All others, which the skeleton then has, with its settings and its variables in them. */
int maps_make(const struct probes *p, const struct bpf_settings *settings);

/* Lets @to have the maps of @from: both were opened from the same bytes, so that they come in the same
 * order. */
int maps_share(const struct bpf_object *from, const struct bpf_object *to);

#endif
