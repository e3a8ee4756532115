/* SPDX-License-Identifier: MIT */
/* Lanes: made with raw system calls, so that no hook is entered and no errno touched. */
#include "preload/lane.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "preload/sys.h"

enum { PATH_LIMIT = 320, CLAIM_TRIES = 8 };

static uint64_t clock_read(clockid_t clock)
{
	struct timespec t = { 0 };

	(void)sys_call3(SYS_clock_gettime, clock, (long)&t, 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_ns(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

uint64_t wall_clock_ns(void)
{
	return clock_read(CLOCK_REALTIME);
}

/* Past its file size limit a process is killed by SIGXFSZ, so the limit is asked for first. */
static bool may_grow_to(uint64_t n_bytes)
{
	struct rlimit limit = { 0 };

	if (sys_call4(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit) < 0)
		return false;
	return limit.rlim_cur >= n_bytes;
}

static void *map_shared(int fd, size_t n_bytes)
{
	const long at =
		sys_call6(SYS_mmap, 0, (long)n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return sys_failed(at) ? NULL : (void *)at;
}

void lane_init(struct sl_lane *lane, const struct lane_spec *spec, uint32_t n_bytes)
{
	lane->version = SL_LANE_VERSION;
	lane->bytes = n_bytes;
	lane->records_offset = sizeof(struct sl_lane);
	lane->records_end = spec->records_end;
	lane->slots_offset = spec->records_end;
	lane->n_slots = SL_LANE_SLOTS;
	lane->ns_pid = spec->ns_pid;
	lane->flags = spec->flags;
	lane->cursor = sizeof(struct sl_lane);
	lane->start_ns = spec->start_ns;
	lane->wall_ns = wall_clock_ns();
	/* Release: pairs with the reader's acquire; who sees the magic sees the fields above. */
	__atomic_store_n(&lane->magic, SL_LANE_MAGIC, __ATOMIC_RELEASE);
}

/* ---- a lane that was made beforehand ---- */

/* The number of a lane that is now ours. Bounded, since others may be faster each time. */
static bool pool_claim(struct sl_tree *pool, uint32_t *ret)
{
	for (int i = 0; i < CLAIM_TRIES; i++) {
		/* Relaxed: the file is found by way of the kernel, not of this word. */
		uint32_t next = __atomic_load_n(&pool->pool_claimed, __ATOMIC_RELAXED);
		if (next >= __atomic_load_n(&pool->pool_made, __ATOMIC_RELAXED))
			return false;
		if (__atomic_compare_exchange_n(&pool->pool_claimed, &next, next + 1, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			*ret = next;
			return true;
		}
	}
	return false;
}

/* Also here a page that cannot be had later would be a SIGBUS, so the file is not believed. */
static bool is_whole(int fd, uint32_t n_bytes)
{
	struct stat s;

	return sys_call4(SYS_newfstatat, fd, (long)"", (long)&s, AT_EMPTY_PATH) == 0 &&
	       s.st_size >= n_bytes && s.st_blocks * 512 >= n_bytes;
}

static struct sl_lane *pool_open(const struct lane_spec *spec, uint32_t n_bytes)
{
	char path[PATH_LIMIT];
	const char *end = path + sizeof(path);
	uint32_t number = 0;

	if (spec->tree == NULL || !pool_claim(spec->tree, &number))
		return NULL;
	char *at = text_append(path, end, spec->directory);
	at = text_append(at, end, "/" SL_POOL_PREFIX);
	at = text_append_number(at, end, number);
	if (at + 1 >= end)
		return NULL;
	/* O_NONBLOCK: startline may just be asking, by a lease, whether somebody uses the file. */
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | SL_OPEN_OWN;
	const int fd = (int)sys_call4(SYS_openat, AT_FDCWD, (long)path, flags, 0);
	if (fd < 0)
		return NULL;
	struct sl_lane *lane = is_whole(fd, n_bytes) ? map_shared(fd, n_bytes) : NULL;
	(void)sys_call3(SYS_close, fd, 0, 0);
	if (lane != NULL && lane->magic != 0) {
		(void)sys_call3(SYS_munmap, (long)lane, n_bytes, 0);
		return NULL;
	}
	return lane;
}

/* ---- one of its own ---- */

/* Allocated here and now: a page that cannot be had later, on a full file system, would be a
 * SIGBUS in the program. */
static void *file_map(int fd, uint32_t n_bytes)
{
	if (sys_call4(SYS_fallocate, fd, 0, 0, n_bytes) != 0)
		return NULL;
	return map_shared(fd, n_bytes);
}

void *shared_file_make(const char *path, uint32_t n_bytes)
{
	if (!may_grow_to(n_bytes))
		return NULL;
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | SL_OPEN_OWN;
	const int fd = (int)sys_call4(SYS_openat, AT_FDCWD, (long)path, flags, 0600);
	if (fd < 0)
		return NULL;
	void *made = file_map(fd, n_bytes);
	(void)sys_call3(SYS_close, fd, 0, 0);
	if (made == NULL)
		(void)sys_call3(SYS_unlink, (long)path, 0, 0);
	return made;
}

static struct sl_lane *lane_create(const struct lane_spec *spec, uint32_t n_bytes)
{
	char path[PATH_LIMIT];
	const char *end = path + sizeof(path);
	char *at = text_append(path, end, spec->directory);

	at = text_append(at, end, "/");
	at = text_append_number(at, end, spec->ns_pid);
	at = text_append(at, end, "-");
	at = text_append_number(at, end, spec->start_ns);
	return at + 1 >= end ? NULL : shared_file_make(path, n_bytes);
}

struct sl_lane *lane_open(const struct lane_spec *spec)
{
	const uint32_t n_bytes = SL_LANE_BYTES(spec->records_end);
	struct sl_lane *lane = pool_open(spec, n_bytes);

	if (lane == NULL)
		lane = lane_create(spec, n_bytes);
	if (lane != NULL)
		lane_init(lane, spec, n_bytes);
	return lane;
}

struct sl_tree *tree_open(const char *directory)
{
	char path[PATH_LIMIT];
	const char *end = path + sizeof(path);
	char *at = text_append(path, end, directory);

	at = text_append(at, end, "/" SL_TREE_FILE);
	if (at + 1 >= end)
		return NULL;
	const int fd = (int)sys_call4(SYS_openat, AT_FDCWD, (long)path,
				      O_RDWR | O_CLOEXEC | O_NOFOLLOW | SL_OPEN_OWN, 0);
	if (fd < 0)
		return NULL;
	struct sl_tree *mapped = map_shared(fd, sizeof(struct sl_tree));
	(void)sys_call3(SYS_close, fd, 0, 0);
	return mapped;
}

static uint32_t room_of(size_t size)
{
	return (uint32_t)((size + 7) & ~(size_t)7);
}

bool lane_has_room(const struct sl_lane *lane, size_t size)
{
	return __atomic_load_n(&lane->cursor, __ATOMIC_RELAXED) % (1ull << 32) + room_of(size) <=
	       lane->records_end;
}

struct sl_event *lane_reserve(struct sl_lane *lane, size_t size)
{
	const uint32_t want = room_of(size);
	const uint32_t end = lane->records_end;

	/* Looking first keeps the low half of the cursor from running into the high half: it overshoots
	 * by at most one record per thread. */
	if (!lane_has_room(lane, size)) {
		(void)__atomic_fetch_add(&lane->refused, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	/* Relaxed: the reservation orders nothing, lane_commit's release does. */
	const uint64_t before =
		__atomic_fetch_add(&lane->cursor, (1ull << 32) | want, __ATOMIC_RELAXED);
	const uint32_t offset = (uint32_t)before;
	if (offset + want > end)
		return NULL;
	struct sl_event *event = (struct sl_event *)(void *)((unsigned char *)lane + offset);
	__atomic_store_n(&event->size, want, __ATOMIC_RELAXED);
	return event;
}

void lane_commit(struct sl_event *event, enum sl_kind kind)
{
	/* Release: pairs with the reader's acquire load of kind. */
	__atomic_store_n(&event->kind, (__u16)kind, __ATOMIC_RELEASE);
}
