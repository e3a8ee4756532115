/* SPDX-License-Identifier: MIT */
/* Writing into the ring of sampled blocks. See block_ring.h. */
#include "preload/block_ring.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "preload/lane.h"
#include "preload/sys.h"

enum { PATH_LIMIT = 320, PAGE_BYTES = 4096, PIECES = SL_BLOCKS_STACK_BYTES / PAGE_BYTES + 1 };

_Static_assert(sizeof(((struct sl_block_record *)0)->snapshot) == sizeof(struct stack_snapshot),
	       "a record holds a snapshot");
_Static_assert(sizeof(struct sl_blocks) < UINT32_MAX, "as a size of a file");

void block_ring_init(struct sl_blocks *ring, uint32_t ns_pid)
{
	ring->header.version = SL_BLOCKS_VERSION;
	ring->header.ns_pid = ns_pid;
	/* Release: pairs with the reader, who looks at the rest once he sees it. */
	__atomic_store_n(&ring->header.magic, SL_BLOCKS_MAGIC, __ATOMIC_RELEASE);
}

struct sl_blocks *block_ring_open(const char *directory, uint32_t ns_pid, uint64_t now_ns)
{
	char path[PATH_LIMIT];
	const char *end = path + sizeof(path);
	char *at = text_append(path, end, directory);

	at = text_append(at, end, "/" SL_BLOCKS_PREFIX);
	at = text_append_number(at, end, ns_pid);
	at = text_append(at, end, "-");
	at = text_append_number(at, end, now_ns);
	if (at + 1 >= end)
		return NULL;
	struct sl_blocks *ring = shared_file_make(path, sizeof(*ring));
	if (ring == NULL)
		return NULL;
	/* As long as anybody maps it, it looks alive. */
	(void)sys_call3(SYS_madvise, (long)ring, sizeof(*ring), MADV_DONTFORK);
	ring->header.start_ns = now_ns;
	ring->header.wall_ns = wall_clock_ns();
	block_ring_init(ring, ns_pid);
	return ring;
}

/* The place of @ticket becomes its owner's, unless somebody is still, or already, there. */
static bool take_place(__u64 *state, __u64 ticket)
{
	__u64 before = __atomic_load_n(state, __ATOMIC_RELAXED);

	return before % 2 == 0 && before < SL_BLOCK_BUSY(ticket) &&
	       /* Acquire: what follows is not written earlier. */
	       __atomic_compare_exchange_n(state, &before, SL_BLOCK_BUSY(ticket), false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Release: pairs with the reader's second look at the state. */
static void leave_place(__u64 *state)
{
	__atomic_store_n(state, __atomic_load_n(state, __ATOMIC_RELAXED) + 1, __ATOMIC_RELEASE);
}

struct sl_block_record *block_ring_begin(struct sl_blocks *ring)
{
	/* Relaxed: the places' states order. */
	const __u64 ticket = __atomic_fetch_add(&ring->n_records, 1, __ATOMIC_RELAXED);
	struct sl_block_record *record = &ring->records[ticket % SL_BLOCKS_RECORDS];

	if (!take_place(&record->state, ticket))
		return NULL;
	record->stack = 0;
	return record;
}

void block_ring_commit(struct sl_block_record *record)
{
	leave_place(&record->state);
}

/* One piece for each page, since of a piece all can be read, or nothing counts. */
static unsigned int pieces_of(uintptr_t sp, uint64_t n_bytes, struct iovec *ret)
{
	unsigned int n = 0;

	while (n_bytes > 0 && n < PIECES) {
		const uint64_t to_page_end = PAGE_BYTES - sp % PAGE_BYTES;
		const uint64_t bytes = n_bytes < to_page_end ? n_bytes : to_page_end;
		ret[n++] = (struct iovec){ (void *)sp, bytes };
		sp += bytes;
		n_bytes -= bytes;
	}
	return n;
}

void block_ring_copy_stack(struct sl_blocks *ring, struct sl_block_record *record, uint32_t pid,
			   uintptr_t sp, uint64_t n_bytes)
{
	const __u64 ticket = __atomic_fetch_add(&ring->n_stacks, 1, __ATOMIC_RELAXED);
	struct sl_block_stack *stack = &ring->stacks[ticket % SL_BLOCKS_STACKS];
	struct iovec pieces[PIECES];

	if (!take_place(&stack->state, ticket))
		return;
	const unsigned int n = pieces_of(
		sp, n_bytes < SL_BLOCKS_STACK_BYTES ? n_bytes : SL_BLOCKS_STACK_BYTES, pieces);
	const struct iovec to = { stack->bytes, sizeof(stack->bytes) };
	const long read =
		sys_call6(SYS_process_vm_readv, (long)pid, (long)&to, 1, (long)pieces, n, 0);
	stack->n_bytes = read > 0 ? (__u64)read : 0;
	leave_place(&stack->state);
	record->stack = ticket + 1;
}
