/* SPDX-License-Identifier: MIT */
/* See exact.h. Words are copied out of the rings, so that these have room again, and taken later, in order. */
#include "userspace/collect/heap/exact.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bpf/exact.h"
#include "userspace/base/fs.h"
#include "userspace/base/rights.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"
#include "userspace/collect/heap/row_store.h"
#include "userspace/collect/run/emit.h"
#include "userspace/stacks/unwind.h"

#define PERIOD_NS (1 * NS_PER_MS)

enum {
	FILES_MAX = 200,     /* images at a time that are read; what is beyond waits */
	WORDS_MAX = 1 << 22, /* of one ring, kept until they are taken */
	NAME_SIZE = 64,
	DEPTH_MAX = 1024, /* frames of a stack; the shims make fewer */
};

struct ring {
	uint64_t tail, grown_at;
	struct VEC(uint64_t) words;
	size_t at;	   /* the first that is not taken yet */
	uint64_t last_new; /* the block that the last record tells of; 0: it was a free */
};

struct file {
	char name[NAME_SIZE];
	int fd; /* -1: not opened yet */
	bool has_header;
	pid_t pid;
	uint64_t start_ns;
	uint32_t *stacks;     /* by node: its STACK id + 1; 0: not asked for yet */
	struct sl_exact lost; /* as last read */
	struct ring rings[SL_LANE_SLOTS];
};

struct exact {
	struct exact_target target;
	struct exact_users users;
	struct row_store *rows;
	int directory, timer;
	struct VEC(struct file *) files;
	uint64_t clock, clock_ns; /* one instant by both clocks … */
	double ns_per_tick;	  /* … and since then */
	struct exact_lost lost;	  /* of images that have ended */
};

/* ---- clocks ---- */

static void clocks_look(struct exact *x)
{
	const uint64_t clock = __rdtsc(), now = now_ns();

	if (x->clock == 0) {
		x->clock = clock;
		x->clock_ns = now;
	} else if (clock > x->clock) {
		x->ns_per_tick = (double)(now - x->clock_ns) / (double)(clock - x->clock);
	}
}

static uint64_t time_of(const struct exact *x, uint64_t word)
{
	const int64_t ticks = (int64_t)((word >> SL_EXACT_KIND_BITS) - x->clock);

	return x->clock_ns + (uint64_t)(int64_t)((double)ticks * x->ns_per_tick);
}

/* ---- files ---- */

static struct file *file_free(struct file *f)
{
	if (f == NULL)
		return NULL;
	for (size_t i = 0; i < SL_LANE_SLOTS; i++)
		vec_done(&f->rings[i].words);
	if (f->fd >= 0)
		(void)close(f->fd);
	free(f->stacks);
	free(f);
	return NULL;
}

int exact_new(const struct exact_target *target, const struct exact_users *users,
	      struct exact **ret)
{
	const struct itimerspec every = { .it_interval.tv_nsec = PERIOD_NS,
					  .it_value.tv_nsec = PERIOD_NS };
	struct exact *x = calloc(1, sizeof(*x));
	if (x == NULL)
		return -ENOMEM;
	_cleanup_(rights_give_back) struct rights before;
	int r = rights_take(target->uid, target->gid, &before);
	x->target = *target;
	x->users = *users;
	x->directory = r < 0 ? -1 : open(target->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	x->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	x->rows = row_store_new(x->directory);
	if (r >= 0 &&
	    (x->directory < 0 || x->timer < 0 || timerfd_settime(x->timer, 0, &every, NULL) < 0))
		r = -errno;
	if (r >= 0 && x->rows == NULL)
		r = -ENOMEM;
	clocks_look(x);
	if (r >= 0 && target->shim_path != NULL)
		row_store_add_path(x->rows, target->shim_path);
	if (r < 0) {
		(void)exact_free(x);
		return r;
	}
	*ret = x;
	return 0;
}

struct exact *exact_free(struct exact *x)
{
	if (x == NULL)
		return NULL;
	vec_foreach(f, &x->files)
		(void)file_free(*f);
	vec_done(&x->files);
	(void)row_store_free(x->rows);
	if (x->directory >= 0)
		(void)close(x->directory);
	if (x->timer >= 0)
		(void)close(x->timer);
	free(x);
	return NULL;
}

int exact_fd(const struct exact *x)
{
	return x->timer;
}

void exact_add_module(struct exact *x, struct modules *modules, struct module *module, pid_t pid)
{
	_cleanup_(rights_give_back) struct rights before;

	if (rights_take(x->target.uid, x->target.gid, &before) >= 0)
		row_store_add(x->rows, modules, module, pid);
}

static bool is_known(const struct exact *x, const char *name)
{
	vec_foreach(f, &x->files)
		if (strcmp((*f)->name, name) == 0)
			return true;
	return false;
}

static int find_files(struct exact *x)
{
	_cleanup_closedir_ DIR *d = fs_list(x->directory);
	if (d == NULL)
		return 0;
	for (const struct dirent *e = readdir(d); e != NULL && x->files.n < FILES_MAX;
	     e = readdir(d)) {
		if (strncmp(e->d_name, SL_EXACT_PREFIX, strlen(SL_EXACT_PREFIX)) != 0 ||
		    strlen(e->d_name) >= NAME_SIZE || is_known(x, e->d_name))
			continue;
		struct file *f = calloc(1, sizeof(*f));
		if (f == NULL)
			return -ENOMEM;
		(void)snprintf(f->name, sizeof(f->name), "%s", e->d_name);
		f->fd = openat(x->directory, f->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (vec_push(&x->files, f) < 0) {
			(void)file_free(f);
			return -ENOMEM;
		}
	}
	return 0;
}

static bool read_at(const struct file *f, uint64_t offset, void *ret, size_t n)
{
	return f->fd >= 0 && pread(f->fd, ret, n, (off_t)offset) == (ssize_t)n;
}

/* False: it is not there yet. */
static bool read_header(struct file *f)
{
	if (!read_at(f, 0, &f->lost, sizeof(f->lost)) || f->lost.magic != SL_EXACT_MAGIC ||
	    f->lost.version != SL_EXACT_VERSION)
		return false;
	f->has_header = true;
	f->pid = (pid_t)f->lost.ns_pid;
	f->start_ns = f->lost.start_ns;
	return true;
}

/* ---- rings ---- */

static uint64_t ring_offset(size_t i)
{
	return SL_EXACT_RINGS_AT + i * SL_EXACT_RING_BYTES;
}

/* As many words as lie in one piece from the tail on. */
static size_t piece_of(const struct ring *ring, uint64_t head, uint64_t *ret_offset)
{
	const bool is_small = ring->tail < ring->grown_at;
	const uint64_t size = is_small ? SL_EXACT_SMALL : SL_EXACT_LARGE;
	const uint64_t at = ring->tail % size;
	uint64_t end = is_small && head > ring->grown_at ? ring->grown_at : head;

	if (end - ring->tail > size - at)
		end = ring->tail + size - at;
	*ret_offset = sizeof(struct sl_exact_ring) +
		      (is_small ? 0 : SL_EXACT_SMALL * sizeof(uint64_t)) + at * sizeof(uint64_t);
	return end - ring->tail;
}

static int fetch_ring(struct file *f, size_t i)
{
	struct ring *ring = &f->rings[i];
	struct sl_exact_ring header;
	if (!read_at(f, ring_offset(i), &header, offsetof(struct sl_exact_ring, pad_writer)) ||
	    header.head <= ring->tail || header.head - ring->tail > SL_EXACT_SMALL + SL_EXACT_LARGE)
		return 0;
	ring->grown_at = header.grown_at;
	if (ring->at > 0) {
		memmove(ring->words.items, ring->words.items + ring->at,
			(ring->words.n - ring->at) * sizeof(uint64_t));
		ring->words.n -= ring->at;
		ring->at = 0;
	}
	while (ring->tail < header.head) {
		uint64_t offset = 0;
		const size_t n = piece_of(ring, header.head, &offset);
		if (ring->words.n + n > WORDS_MAX)
			break;
		if (vec_reserve(&ring->words, ring->words.n + n) < 0)
			return -ENOMEM;
		if (!read_at(f, ring_offset(i) + offset, ring->words.items + ring->words.n,
			     n * sizeof(uint64_t)))
			return 0;
		ring->words.n += n;
		ring->tail += n;
	}
	/* From now on there is room. */
	(void)!pwrite(f->fd, &ring->tail, sizeof(ring->tail),
		      (off_t)(ring_offset(i) + offsetof(struct sl_exact_ring, tail)));
	return 0;
}

static int fetch_file(struct file *f)
{
	int r = 0;
	if (!read_header(f))
		return 0;
	for (size_t i = 0; i < SL_LANE_SLOTS && r == 0; i++)
		r = fetch_ring(f, i);
	return r;
}

int exact_fetch(struct exact *x)
{
	_cleanup_(rights_give_back) struct rights before;
	uint64_t n_ticks;
	(void)!read(x->timer, &n_ticks, sizeof(n_ticks));
	int r = rights_take(x->target.uid, x->target.gid, &before);
	clocks_look(x);
	if (r >= 0)
		r = find_files(x);
	for (size_t i = 0; i < x->files.n && r >= 0; i++)
		r = fetch_file(x->files.items[i]);
	return r < 0 ? r : 0;
}

/* ---- stacks ---- */

static bool is_shims(const struct exact *x, const struct module *module)
{
	return module != NULL && x->target.shim_path != NULL &&
	       strcmp(module->path, x->target.shim_path) == 0;
}

/* The STACK of a node. Callers first; those that are known already end the search. */
static int stack_of(struct exact *x, struct file *f, uint32_t number, uint64_t time_ns,
		    uint32_t *ret)
{
	struct sl_exact_node nodes[DEPTH_MAX];
	uint32_t numbers[DEPTH_MAX];
	size_t n = 0;
	*ret = 0;
	if (f->stacks == NULL)
		f->stacks = calloc(SL_EXACT_NODES + 1, sizeof(*f->stacks));
	if (f->stacks == NULL)
		return -ENOMEM;
	while (number >= 1 && number <= SL_EXACT_NODES && f->stacks[number] == 0) {
		if (n == DEPTH_MAX ||
		    !read_at(f, SL_EXACT_NODES_AT + (number - 1) * sizeof(*nodes), &nodes[n],
			     sizeof(*nodes)) ||
		    nodes[n].is_there == 0)
			return 0;
		numbers[n] = number;
		number = nodes[n++].caller;
	}
	bool is_cut = number == SL_EXACT_CUT;
	uint32_t stack = number >= 1 && number <= SL_EXACT_NODES ? f->stacks[number] - 1 : 0;
	*x->users.told_ns = time_ns;
	while (n-- > 0) {
		const uint64_t address = nodes[n].address & ~SL_EXACT_INTERRUPTED;
		const bool is_call = (nodes[n].address & SL_EXACT_INTERRUPTED) == 0;
		struct code_frame frame;
		struct module *module = unwinder_place(x->users.unwinder, f->pid, time_ns,
						       address - is_call, &frame);
		if (!is_shims(x, module)) {
			const int r = intern_called(x->users.intern, stack, &frame, is_cut, &stack);
			if (r < 0)
				return r;
			is_cut = false;
		}
		f->stacks[numbers[n]] = stack + 1;
	}
	*ret = stack;
	return 0;
}

/* ---- records ---- */

static bool has_record(const struct ring *ring)
{
	const size_t n = ring->words.n - ring->at;
	if (n < 2)
		return false;
	const uint64_t kind = ring->words.items[ring->at] & ((1u << SL_EXACT_KIND_BITS) - 1);
	return kind != SL_EXACT_ALLOCATED || n >= 3;
}

static int take_record(struct exact *x, struct file *f, struct ring *ring)
{
	const uint64_t *words = ring->words.items + ring->at;
	const uint64_t kind = words[0] & ((1u << SL_EXACT_KIND_BITS) - 1);
	const uint64_t time_ns = time_of(x, words[0]);
	if (kind == SL_EXACT_FREED) {
		sites_freed(x->users.sites, f->pid, time_ns, words[1], words[1] == ring->last_new);
		ring->last_new = 0;
		ring->at += 2;
		return 0;
	}
	if (kind != SL_EXACT_ALLOCATED || words[1] == 0) {
		/* It makes no sense: nor does what follows. */
		ring->at = ring->words.n;
		return 0;
	}
	struct site_block block = {
		.owner = { .pid = f->pid, .told_pid = (uint32_t)f->pid, .flags = SL_FLAG_NS_IDS },
		.time_ns = time_ns,
		.address = words[1],
		.bytes = words[2] & SL_EXACT_USABLE_MAX,
		.p = 1,
	};
	const int r =
		stack_of(x, f, (uint32_t)(words[2] >> SL_EXACT_USABLE_BITS), time_ns, &block.stack);
	ring->last_new = words[1];
	ring->at += 3;
	return r < 0 ? r : sites_allocated(x->users.sites, &block);
}

/* The ring with the oldest record, of @only or of all; *ret_second: the oldest of all others. */
static struct ring *oldest(const struct exact *x, struct file *only, struct file **ret_file,
			   uint64_t *ret_first, uint64_t *ret_second)
{
	struct ring *found = NULL;
	*ret_first = *ret_second = UINT64_MAX;
	vec_foreach(f, &x->files) {
		for (size_t i = 0; i < SL_LANE_SLOTS && (only == NULL || *f == only); i++) {
			struct ring *ring = &(*f)->rings[i];
			if (!has_record(ring))
				continue;
			const uint64_t at = ring->words.items[ring->at];
			if (found != NULL && at >= *ret_first) {
				*ret_second = at < *ret_second ? at : *ret_second;
				continue;
			}
			*ret_second = *ret_first;
			*ret_first = at;
			*ret_file = *f;
			found = ring;
		}
	}
	return found;
}

static int take(struct exact *x, struct file *only, uint64_t until_ns)
{
	struct file *f = NULL;
	uint64_t first, second;
	int r = 0, n = 0;
	for (struct ring *ring = oldest(x, only, &f, &first, &second); r >= 0 && ring != NULL;
	     ring = oldest(x, only, &f, &first, &second)) {
		if (time_of(x, first) > until_ns)
			break;
		while (r >= 0 && has_record(ring)) {
			const uint64_t at = ring->words.items[ring->at];
			if (at > second || time_of(x, at) > until_ns)
				break;
			r = take_record(x, f, ring);
			n++;
		}
	}
	return r < 0 ? r : n;
}

int exact_take(struct exact *x, uint64_t until_ns)
{
	return take(x, NULL, until_ns);
}

/* ---- the end ---- */

static void add_lost(struct exact_lost *to, const struct sl_exact *from)
{
	to->n_stopped += from->is_over != 0;
	to->n_unrecorded += from->n_unrecorded;
	to->n_refused += from->n_refused;
	to->n_cut += from->n_cut;
}

int exact_image_ended(struct exact *x, pid_t pid, uint64_t time_ns)
{
	_cleanup_(rights_give_back) struct rights before;
	int r = rights_take(x->target.uid, x->target.gid, &before);
	if (r >= 0)
		r = find_files(x);
	for (size_t i = 0; i < x->files.n && r >= 0;) {
		struct file *f = x->files.items[i];
		if (!f->has_header)
			(void)read_header(f);
		if (f->has_header && f->pid == pid && f->start_ns < time_ns) {
			r = fetch_file(f);
			if (r >= 0)
				r = take(x, f, UINT64_MAX);
			add_lost(&x->lost, &f->lost);
			(void)unlinkat(x->directory, f->name, 0);
			(void)file_free(f);
			x->files.items[i] = x->files.items[--x->files.n];
		} else {
			i++;
		}
	}
	return r < 0 ? r : 0;
}

void exact_lost(const struct exact *x, struct exact_lost *ret)
{
	*ret = x->lost;
	vec_foreach(f, &x->files)
		if ((*f)->has_header)
			add_lost(ret, &(*f)->lost);
}
