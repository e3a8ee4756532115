/* SPDX-License-Identifier: MIT */
/* See ring.h. Formats: perf_event_open(2), Documentation/bpf/ringbuf.rst. */
#include "userspace/collect/perf/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- perf events ---- */

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int perf_ring_map(struct perf_ring *r, int fd, size_t bytes, uint8_t *whole)
{
	void *memory = mmap(NULL, page_bytes() + bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	*r = (struct perf_ring){ .page = memory, .bytes = bytes, .whole = whole };
	return 0;
}

void perf_ring_unmap(struct perf_ring *r)
{
	if (r->page != NULL)
		(void)munmap(r->page, page_bytes() + r->bytes);
	*r = (struct perf_ring){ 0 };
}

/* Records are aligned to 8 bytes, so that no such word goes around the end. */
static const void *word_at(const struct perf_ring *r, uint64_t at)
{
	return (const uint8_t *)r->page + page_bytes() + (at & (r->bytes - 1));
}

/* The next record's header; NULL: there is none, or what is there makes no sense, and is dropped. */
static const struct perf_event_header *next_header(struct perf_ring *r)
{
	if (r->page == NULL)
		return NULL;
	/* Pairs with the kernel's barrier between a record and the head that covers it. */
	const uint64_t head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
	if (head == r->tail)
		return NULL;
	const struct perf_event_header *header = word_at(r, r->tail);
	if (header->size >= sizeof(*header) + sizeof(uint64_t) && header->size % 8 == 0 &&
	    header->size <= head - r->tail)
		return header;
	r->tail = head;
	__atomic_store_n(&r->page->data_tail, r->tail, __ATOMIC_RELEASE);
	return NULL;
}

uint64_t perf_ring_time(struct perf_ring *r)
{
	const struct perf_event_header *header = next_header(r);
	if (header == NULL)
		return 0;
	const uint64_t at =
		header->type == PERF_RECORD_SAMPLE ? sizeof(*header) + 8 : header->size - 8u;
	const uint64_t time = *(const uint64_t *)word_at(r, r->tail + at);
	return time > 0 ? time : 1;
}

const struct perf_event_header *perf_ring_peek(struct perf_ring *r)
{
	const struct perf_event_header *header = next_header(r);
	const size_t to_end = r->bytes - (r->tail & (r->bytes - 1));
	if (header == NULL || header->size <= to_end)
		return header;
	const size_t size = header->size;
	memcpy(r->whole, header, to_end);
	memcpy(r->whole + to_end, word_at(r, 0), size - to_end);
	return (const struct perf_event_header *)r->whole;
}

void perf_ring_drop(struct perf_ring *r)
{
	const struct perf_event_header *header = next_header(r);
	const size_t to_end = r->bytes - (r->tail & (r->bytes - 1));
	if (header == NULL)
		return;
	const size_t size = header->size;
	if (size > to_end)
		explicit_bzero(r->whole, size);
	r->tail += size;
	/* Pairs with the kernel's reading of the tail before it writes over what is behind it. */
	__atomic_store_n(&r->page->data_tail, r->tail, __ATOMIC_RELEASE);
}

/* ---- kernel probes ---- */

/* The consumer's page, which we write; the producer's; the data, mapped twice in a row so that no
 * record goes around the end. */
int snapshot_ring_map(struct snapshot_ring *r, int fd, size_t bytes)
{
	*r = (struct snapshot_ring){ 0 };
	if (fd < 0)
		return 0;
	void *consumer = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (consumer == MAP_FAILED)
		return -errno;
	void *producer = mmap(NULL, page_bytes() + 2 * bytes, PROT_READ, MAP_SHARED, fd,
			      (off_t)page_bytes());
	if (producer == MAP_FAILED) {
		const int r_errno = -errno;
		(void)munmap(consumer, page_bytes());
		return r_errno;
	}
	*r = (struct snapshot_ring){ .consumer = consumer,
				     .producer = producer,
				     .data = (const uint8_t *)producer + page_bytes(),
				     .bytes = bytes };
	return 0;
}

void snapshot_ring_unmap(struct snapshot_ring *r)
{
	if (r->consumer != NULL) {
		(void)munmap((void *)(uintptr_t)r->consumer, page_bytes());
		(void)munmap((void *)(uintptr_t)r->producer, page_bytes() + 2 * r->bytes);
	}
	*r = (struct snapshot_ring){ 0 };
}

static void step(struct snapshot_ring *r, uint32_t header)
{
	const uint64_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
	const uint64_t whole = (length + BPF_RINGBUF_HDR_SZ + 7) & ~7ull;
	__atomic_store_n(r->consumer, *r->consumer + whole, __ATOMIC_RELEASE);
}

/* The header of the next record that was not given back; 0: none is finished. */
static uint32_t next_of_probes(struct snapshot_ring *r, const uint8_t **ret)
{
	while (r->consumer != NULL &&
	       *r->consumer != __atomic_load_n(r->producer, __ATOMIC_ACQUIRE)) {
		const uint8_t *at = r->data + (*r->consumer & (r->bytes - 1));
		/* Pairs with the kernel's exchange of the length when a record is submitted. */
		const uint32_t header = __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
		if (header & BPF_RINGBUF_BUSY_BIT)
			return 0;
		*ret = at + BPF_RINGBUF_HDR_SZ;
		if (!(header & BPF_RINGBUF_DISCARD_BIT))
			return header;
		step(r, header);
	}
	return 0;
}

const struct stack_snapshot *snapshot_ring_peek(struct snapshot_ring *r)
{
	const uint8_t *at = NULL;
	return next_of_probes(r, &at) != 0 ? (const struct stack_snapshot *)at : NULL;
}

void snapshot_ring_drop(struct snapshot_ring *r)
{
	const uint8_t *at = NULL;
	const uint32_t header = next_of_probes(r, &at);
	if (header != 0)
		step(r, header);
}
