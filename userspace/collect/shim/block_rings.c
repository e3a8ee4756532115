/* SPDX-License-Identifier: MIT */
/* Each ring is open only while it is read: there may be as many as processes. */
#include "userspace/collect/shim/block_rings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/collect/run/emit.h"

/* A target that floods its directory is not followed further. */
#define MAX_RINGS 16384

int block_rings_add(struct block_rings *rings, const char *name)
{
	struct block_ring ring = { .name = "" };

	vec_foreach(known, &rings->live) {
		if (strcmp(known->name, name) == 0)
			return 0;
	}
	memcpy(ring.name, name, strnlen(name, sizeof(ring.name) - 1));
	return rings->live.n >= MAX_RINGS ? 0 : vec_push(&rings->live, ring);
}

static void add_clamped(uint64_t *sum, uint64_t value)
{
	if (__builtin_add_overflow(*sum, value, sum))
		*sum = UINT64_MAX;
}

static void remove_ring(struct block_rings *rings, struct block_ring *ring, int directory_fd)
{
	add_clamped(&rings->n_lost, block_ring_lost(ring));
	(void)unlinkat(directory_fd, ring->name, 0);
	*ring = rings->live.items[--rings->live.n];
}

/* *ret_is_done: nothing more will come. */
static int visit(struct block_ring *ring, int directory_fd, block_take_fn *take, void *data,
		 bool *ret_is_done)
{
	_cleanup_close_ const int fd =
		openat(directory_fd, ring->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	*ret_is_done = fd < 0 && (errno == ENOENT || errno == ELOOP);
	if (fd < 0)
		return 0;
	/* Before reading: what an ended image left is then complete. */
	const struct lane writer = { .fd = fd, .ns_pid = ring->ns_pid };
	const bool is_over = lane_is_abandoned(&writer, fd);
	const int r = block_ring_read(ring, fd, is_over, take, data);
	*ret_is_done = is_over || r == -EBADMSG;
	return r == -EBADMSG || r == -EAGAIN ? 0 : r;
}

int block_rings_read(struct block_rings *rings, int directory_fd, block_take_fn *take, void *data)
{
	int n = 0;

	for (size_t i = 0; i < rings->live.n;) {
		bool is_done = false;
		const int r = visit(&rings->live.items[i], directory_fd, take, data, &is_done);
		if (r < 0)
			return r;
		n += r;
		if (is_done)
			remove_ring(rings, &rings->live.items[i], directory_fd);
		else
			i++;
	}
	return n;
}

uint64_t block_rings_lost(const struct block_rings *rings)
{
	uint64_t sum = rings->n_lost;

	vec_foreach(ring, &rings->live)
		add_clamped(&sum, block_ring_lost(ring));
	return sum;
}

void block_rings_done(struct block_rings *rings)
{
	vec_done(&rings->live);
}

void blocks_lost_add(struct blocks_lost *to, const struct blocks_lost *from)
{
	(void)__builtin_add_overflow(to->n_samples, from->n_samples, &to->n_samples);
	(void)__builtin_add_overflow(to->n_frees, from->n_frees, &to->n_frees);
	(void)__builtin_add_overflow(to->n_not_exact, from->n_not_exact, &to->n_not_exact);
}

int blocks_tell_lost(const struct blocks_lost *lost, struct sink sink)
{
	const unsigned long long n_samples = lost->n_samples, n_frees = lost->n_frees,
				 n_not_exact = lost->n_not_exact;

	int r = n_samples > 0 ? emit_drops(sink, SL_SOURCE_COLLECT, SL_KIND_SITE, n_samples) : 0;
	if (r >= 0 && n_samples > 0)
		r = emit_meta(
			sink, "note",
			"up to %llu samples of the heap could not be taken: there was no room for "
			"them, or a seccomp filter",
			n_samples);
	if (r >= 0 && n_frees > 0)
		r = emit_meta(sink, "note",
			      "of %llu sampled blocks nobody could tell that they were freed: the "
			      "program had installed a seccomp filter",
			      n_frees);
	if (r >= 0 && n_not_exact > 0)
		r = emit_meta(
			sink, "note",
			"%llu processes could not record every allocation: no room for a file, "
			"or limits of memory or files; their call sites are estimated from samples",
			n_not_exact);
	return r;
}
