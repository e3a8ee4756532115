/* SPDX-License-Identifier: MIT */
/* What the kernel puts into memory that it shares with us: records of a perf event, one ring for each
 * CPU, and snapshots of the kernel probes (bpf/stack.bpf.c). Both are read in place and oldest first;
 * of both the time of the next record can be asked for, so that all rings can be read in the order in
 * which things happened. */
#ifndef USERSPACE_COLLECT_PERF_RING_H
#define USERSPACE_COLLECT_PERF_RING_H

#include <linux/perf_event.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/control.h"

#define RECORD_MAX 65536u /* its size has 16 bits */

struct perf_ring {
	struct perf_event_mmap_page *page; /* NULL: none */
	uint64_t tail;
	size_t bytes; /* of data: a power of two */
	uint8_t *
		whole; /* of RECORD_MAX bytes: a record that goes around the end, shared by all rings */
};

/* Maps @bytes of @fd's records; @whole is borrowed. Negative errno. */
int perf_ring_map(struct perf_ring *r, int fd, size_t bytes, uint8_t *whole);
void perf_ring_unmap(struct perf_ring *r);
/* When its next record was made; 0: there is none. The event must be one whose records end with pid, tid
 * and time, and whose samples begin with them (events.c). */
uint64_t perf_ring_time(struct perf_ring *r);
/* That record, valid until it is dropped. */
const struct perf_event_header *perf_ring_peek(struct perf_ring *r);
/* Gives its room back. What was put together of it is wiped. */
void perf_ring_drop(struct perf_ring *r);

struct snapshot_ring {
	volatile uint64_t *consumer, *producer; /* NULL: none */
	const uint8_t *data;
	size_t bytes;
};

/* Maps the kernel probes' ring @fd (-1: there is none) of @bytes. Negative errno. */
int snapshot_ring_map(struct snapshot_ring *r, int fd, size_t bytes);
void snapshot_ring_unmap(struct snapshot_ring *r);
/* Its next snapshot, valid until it is dropped; NULL: there is none. */
const struct stack_snapshot *snapshot_ring_peek(struct snapshot_ring *r);
void snapshot_ring_drop(struct snapshot_ring *r);

#endif
