/* SPDX-License-Identifier: MIT */
/* Making lanes beforehand. See lane_pool.h. */
#include "userspace/collect/shim/lane_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "bpf/lane.h"
#include "userspace/base/cleanup.h"

/* At most this part of what is free is taken for lanes that may never be used. */
#define SHARE_OF_FREE 16

static bool has_room(const struct lane_pool *pool)
{
	struct statvfs fs;

	if (fstatvfs(pool->dir->fd, &fs) < 0)
		return false;
	/* A tmpfs without a limit says that it has no blocks at all. */
	return fs.f_blocks == 0 ||
	       fs.f_bavail * fs.f_frsize / SHARE_OF_FREE >= (uint64_t)pool->bytes * pool->size;
}

static bool make_one(const struct lane_pool *pool, uint32_t number)
{
	char name[32];

	(void)snprintf(name, sizeof(name), SL_POOL_PREFIX "%u", number);
	const int fd = openat(pool->dir->fd, name,
			      O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	const bool is_made = fchmod(fd, 0600) == 0 && posix_fallocate(fd, 0, pool->bytes) == 0;
	(void)close(fd);
	if (!is_made)
		(void)unlinkat(pool->dir->fd, name, 0);
	return is_made;
}

void lane_pool_init(struct lane_pool *pool, const struct session_dir *dir, int tree_fd,
		    bool is_network, uint32_t size)
{
	*pool = (struct lane_pool){
		.dir = dir,
		.tree_fd = tree_fd,
		.bytes = SL_LANE_BYTES(is_network ? SL_LANE_RECORDS_NET : SL_LANE_RECORDS),
		.size = is_network && size > LANE_POOL_NETWORK ? LANE_POOL_NETWORK : size,
	};
	if (!has_room(pool))
		pool->size = 0;
	lane_pool_refill(pool);
}

uint32_t lane_pool_taken(struct lane_pool *pool, uint32_t *ret_first)
{
	uint32_t claimed = 0;

	*ret_first = pool->next;
	if (pool->next == pool->end ||
	    pread(pool->tree_fd, &claimed, sizeof(claimed),
		  offsetof(struct sl_tree, pool_claimed)) != sizeof(claimed))
		return pool->next;
	/* Somebody else has written there: all may be taken, and there will be no more. */
	if (claimed < pool->next || claimed > pool->end) {
		claimed = pool->end;
		pool->size = 0;
	}
	pool->next = claimed;
	return claimed;
}

void lane_pool_refill(struct lane_pool *pool)
{
	const uint32_t before = pool->end;

	while (pool->end - pool->next < pool->size && pool->end < UINT32_MAX) {
		if (!make_one(pool, pool->end)) {
			pool->size = 0; /* no space, no descriptor, or it is not ours any more */
			break;
		}
		pool->end++;
	}
	if (pool->end != before)
		(void)!pwrite(pool->tree_fd, &pool->end, sizeof(pool->end),
			      offsetof(struct sl_tree, pool_made));
}
