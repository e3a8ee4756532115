/* SPDX-License-Identifier: MIT */
/* One ring of sampled blocks, read with suspicion. See block_ring.h. */
#include "userspace/collect/shim/block_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/block.h"
#include "userspace/base/cleanup.h"

/* More than any program draws: a counter beyond it is not believed. */
#define MAX_TICKETS (1ull << 40)

enum { REGISTER_OP = 8 };

_Static_assert(sizeof(((struct sl_block_record *)0)->snapshot) == sizeof(struct stack_snapshot),
	       "a record holds a snapshot");

/* A snapshot with the most bytes that it can have. */
struct whole_snapshot {
	_Alignas(struct stack_snapshot) unsigned char bytes[sizeof(struct stack_snapshot) +
							    SL_BLOCKS_STACK_BYTES];
};

enum found { FOUND, UNFINISHED, LOST };

bool block_ring_name_is_valid(const char *name)
{
	const size_t n = sizeof(SL_BLOCKS_PREFIX) - 1;

	return strncmp(name, SL_BLOCKS_PREFIX, n) == 0 && lane_name_is_valid(name + n);
}

static bool read_at(int fd, void *to, size_t n, size_t at)
{
	return pread(fd, to, n, (off_t)at) == (ssize_t)n;
}

static int read_header(struct block_ring *ring, int fd)
{
	struct sl_blocks_header h;
	struct stat s;

	if (fstat(fd, &s) < 0 || !S_ISREG(s.st_mode))
		return -EBADMSG;
	if (!read_at(fd, &h, sizeof(h), 0) || h.magic == 0)
		return -EAGAIN;
	if (h.magic != SL_BLOCKS_MAGIC || h.version != SL_BLOCKS_VERSION ||
	    (uint64_t)s.st_size < sizeof(struct sl_blocks))
		return -EBADMSG;
	ring->ns_pid = h.ns_pid;
	ring->clock_offset_ns = lane_clock_offset(h.ns_pid, h.wall_ns, h.start_ns);
	ring->has_header = true;
	return 0;
}

static uint64_t state_at(int fd, size_t at)
{
	uint64_t state = 0;

	return read_at(fd, &state, sizeof(state), at) ? state : 0;
}

/* What stood at @at between two looks at its state, which is in front; @wanted is what it has to be. */
static bool copy_whole(int fd, size_t at, uint64_t wanted, void *to, size_t n)
{
	return state_at(fd, at) == wanted && read_at(fd, to, n, at) && state_at(fd, at) == wanted;
}

/* A stack that is gone by now is unknown; the block is known all the same. */
static uint32_t copy_stack(int fd, uint64_t ticket, unsigned char *to)
{
	struct sl_block_stack stack;
	const size_t at = offsetof(struct sl_blocks, stacks) +
			  ticket % SL_BLOCKS_STACKS * sizeof(struct sl_block_stack);

	if (!copy_whole(fd, at, SL_BLOCK_WHOLE(ticket), &stack, sizeof(stack)) ||
	    stack.n_bytes > sizeof(stack.bytes))
		return 0;
	memcpy(to, stack.bytes, stack.n_bytes);
	return (uint32_t)stack.n_bytes;
}

static enum found find(struct block_ring *ring, int fd, uint64_t ticket, struct whole_snapshot *ret)
{
	struct sl_block_record record;
	struct stack_snapshot *s = (struct stack_snapshot *)(void *)ret->bytes;
	const size_t at = offsetof(struct sl_blocks, records) +
			  ticket % SL_BLOCKS_RECORDS * sizeof(struct sl_block_record);
	const uint64_t state = state_at(fd, at);

	if (state < SL_BLOCK_WHOLE(ticket))
		return UNFINISHED;
	if (!copy_whole(fd, at, SL_BLOCK_WHOLE(ticket), &record, sizeof(record)))
		return LOST;
	memcpy(s, record.snapshot, sizeof(*s));
	if (s->registers[REGISTER_OP] != SL_BLOCK_ALLOCATED &&
	    s->registers[REGISTER_OP] != SL_BLOCK_FREED)
		return LOST;
	s->pid = s->own_pid = ring->ns_pid;
	s->reason = SNAPSHOT_BLOCK;
	s->time_ns -= (uint64_t)ring->clock_offset_ns;
	s->since_ns -= (uint64_t)ring->clock_offset_ns;
	s->n_bytes =
		record.stack == 0 ? 0 : copy_stack(fd, record.stack - 1, ret->bytes + sizeof(*s));
	return FOUND;
}

/* Those that are gone are passed over. */
static int look(struct block_ring *ring, int fd)
{
	uint64_t drawn = 0;

	if (!read_at(fd, &drawn, sizeof(drawn), offsetof(struct sl_blocks, n_records)))
		return -EBADMSG;
	/* It never goes back but by somebody's hand. */
	if (drawn > MAX_TICKETS || drawn < ring->n_drawn)
		return -EBADMSG;
	ring->n_waited = ring->n_drawn;
	ring->n_drawn = drawn;
	if (drawn - ring->next > SL_BLOCKS_RECORDS)
		ring->next = drawn - SL_BLOCKS_RECORDS;
	return 0;
}

int block_ring_read(struct block_ring *ring, int fd, bool is_last, block_take_fn *take, void *data)
{
	_cleanup_free_ struct whole_snapshot *snapshot = NULL;
	int r = ring->has_header ? 0 : read_header(ring, fd), n = 0;

	if (r == 0)
		r = look(ring, fd);
	if (r < 0 || ring->next == ring->n_drawn)
		return r;
	snapshot = malloc(sizeof(*snapshot));
	if (snapshot == NULL)
		return -ENOMEM;
	for (; ring->next < ring->n_drawn; ring->next++) {
		const enum found found = find(ring, fd, ring->next, snapshot);
		/* Its writer may be dead, or have left by siglongjmp(), and in each lap of the ring nobody
		 * writes there: waited for until the next time, all at once. */
		if (found == UNFINISHED && !is_last && ring->next >= ring->n_waited)
			break;
		if (found != FOUND)
			continue;
		r = take(data, (const struct stack_snapshot *)(void *)snapshot->bytes,
			 SL_BLOCKS_STACK_BYTES);
		if (r < 0)
			return r;
		ring->n_read++;
		n++;
	}
	return n;
}

uint64_t block_ring_lost(const struct block_ring *ring)
{
	return ring->n_drawn > ring->n_read ? ring->n_drawn - ring->n_read : 0;
}
