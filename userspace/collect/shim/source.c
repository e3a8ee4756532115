/* SPDX-License-Identifier: MIT */
/* The shim as a source: the session directory, the environment that brings the shim into the
 * command, and all lanes of the tree from their appearance to their end. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <x86intrin.h>

#include "preload/settings.h"
#include "preload/target_check.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/environment.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/rights.h"
#include "userspace/base/tick_clock.h"
#include "userspace/base/vec.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/source.h"
#include "userspace/collect/shim/block_rings.h"
#include "userspace/collect/shim/exit_watch.h"
#include "userspace/collect/shim/heap_bound.h"
#include "userspace/collect/shim/lane_pool.h"
#include "userspace/collect/shim/lane_reader.h"
#include "userspace/collect/shim/lane_tell.h"
#include "userspace/collect/shim/live_watch.h"
#include "userspace/collect/shim/session_dir.h"
#include "userspace/collect/shim/shim_path.h"

/* How often lanes are looked at: for the tier that finds readiness in them, and for totals. */
#define POLL_NETWORK_NS 4000000l
#define POLL_HEAP_NS	25000000l

/* Lanes beyond this many, or this part of the limit, are opened anew for each reading. */
#define MAX_OPEN_LANES 256
#define PART_OF_FILES  4
/* A target that floods its directory is not followed further. */
#define MAX_LANES 65536

struct lane_list VEC(struct lane);

struct source_shim {
	struct session_dir dir;
	struct shim_settings settings;
	struct lane_list lanes;	      /* of images that have not ended */
	struct block_rings rings;     /* likewise */
	struct exit_watch exit_watch; /* without kernel probes: processes that may have ended */
	struct lane_pool pool;
	int tree_fd;
	int inotify_fd; /* -1: the directory is read each time */
	bool has_changed;
	size_t max_open; /* lanes */
	int timer_fd, epoll_fd;
	uint32_t n_lanes_ever;
	uint64_t n_lost;
	struct blocks_lost blocks_lost; /* see struct sl_lane */
	int64_t departed;		/* as in struct sl_tree */
	struct heap_bound bound;	/* of the tree's peak */
	struct live_watch live;
	struct tick_clock clock;
	bool is_bound_noted;		     /* in this look */
	struct shim_environment environment; /* its texts are owned */
	char path[SETTING_LIMIT];	     /* of the shim */
};

/* In the target's directory we are the target: whatever it has put there leads nowhere else. */
static int take_rights(const struct source_shim *s, struct rights *ret_before)
{
	return rights_take(s->settings.uid, s->settings.gid, ret_before);
}

static bool wraps_network(const struct source_shim *s)
{
	return (s->settings.flags & SHIM_WRAPS_NETWORK) != 0;
}

/* ---- opening ---- */

static int watch(struct source_shim *s)
{
	const long period = wraps_network(s) ? POLL_NETWORK_NS : POLL_HEAP_NS;
	const struct itimerspec every = { .it_interval.tv_nsec = period,
					  .it_value.tv_nsec = period };
	struct epoll_event event = { .events = EPOLLIN };

	s->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (s->inotify_fd >= 0 && inotify_add_watch(s->inotify_fd, s->dir.path, IN_CREATE) < 0)
		cleanup_close(&s->inotify_fd), s->inotify_fd = -1;
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->timer_fd < 0 || s->epoll_fd < 0 ||
	    timerfd_settime(s->timer_fd, 0, &every, NULL) < 0 ||
	    epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->timer_fd, &event) < 0)
		return -errno;
	return 0;
}

static int find_shim(struct source_shim *s, char *why, size_t why_size)
{
	char path[SETTING_LIMIT];
	const int r = shim_path_find(&s->dir, path, sizeof(path));
	if (r < 0) {
		(void)snprintf(why, why_size, "libstartline.so not found or not usable (%s)",
			       strerror(-r));
		return r;
	}
	(void)snprintf(s->path, sizeof(s->path), "%s", path);
	return 0;
}

int source_shim_open(const struct shim_settings *settings, char *why, size_t why_size,
		     struct source_shim **ret)
{
	struct source_shim *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->settings = *settings;
	const size_t n_files = (size_t)sysconf(_SC_OPEN_MAX) / PART_OF_FILES;
	s->max_open = n_files < MAX_OPEN_LANES ? n_files : MAX_OPEN_LANES;
	s->dir.fd = s->tree_fd = s->inotify_fd = s->timer_fd = s->epoll_fd = -1;

	_cleanup_(rights_give_back) struct rights before;
	int r = take_rights(s, &before);
	if (r == 0)
		r = session_dir_make(shim_path_is_copied(), why, why_size, &s->dir);
	if (r == 0) {
		r = session_dir_make_tree(&s->dir, settings->sample_bytes, settings->exact,
					  &s->tree_fd);
		if (r == 0)
			r = watch(s);
		if (r < 0)
			(void)snprintf(why, why_size, "cannot use '%s' for shared memory: %s",
				       s->dir.path, strerror(-r));
	}
	if (r == 0)
		r = find_shim(s, why, why_size);
	if (r == 0)
		lane_pool_init(&s->pool, &s->dir, s->tree_fd, wraps_network(s), LANE_POOL_SIZE);
	if (r < 0) {
		(void)source_shim_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* The padding is made of leading zeros. */
static int set_variables(struct source_shim *s, size_t pad_bytes, const char *users_load)
{
	char **variables = s->environment.variables;

	free(take_ptr(variables[0]));
	free(take_ptr(variables[1]));
	if (asprintf(&variables[0], SHIM_VARIABLE "%0*x:%s", (int)pad_bytes + 1, s->settings.flags,
		     s->dir.path) < 0)
		variables[0] = NULL;
	if (asprintf(&variables[1], LOAD_VARIABLE "%s%s%s", s->path, users_load == NULL ? "" : ":",
		     users_load == NULL ? "" : users_load) < 0)
		variables[1] = NULL;
	return variables[0] != NULL && variables[1] != NULL ? 0 : -ENOMEM;
}

const struct shim_environment *
source_shim_environment(struct source_shim *s, const struct shim_program *program, struct sink sink)
{
	char *const *environment = program->environment != NULL ? program->environment : environ;
	const char *users_load = environment_find(environment, "LD_PRELOAD");
	const struct execution e = { AT_FDCWD, program->path, program->argv, environment };
	struct reader reader = { 0 };
	const enum target target = target_check_exec(&e, &reader, NULL);

	if (target_fits(target) && set_variables(s, program->pad_bytes, users_load) == 0) {
		s->environment.is_in_front = target != TARGET_FITS && users_load != NULL;
		return &s->environment;
	}
	if (target_reason(target) == 0)
		return NULL;
	const struct sl_cover cover = {
		.event = emit_header(SL_KIND_COVER, sizeof(cover), now_ns(), 0),
		.reason = target_reason(target),
		.next = 1,
	};
	(void)sink.event(sink.data, &cover.event);
	return NULL;
}

void source_shim_begin(struct source_shim *s)
{
	session_tree_restart(s->tree_fd);
	s->bound = (struct heap_bound){ 0 };
	s->live = (struct live_watch){ .begin_ns = now_ns() };
	tick_clock_look(&s->clock, __rdtsc(), s->live.begin_ns);
}

const char *source_shim_path(const struct source_shim *s)
{
	return s->path;
}

int source_shim_fd(const struct source_shim *s)
{
	return s->epoll_fd;
}

/* ---- lanes come ---- */

static bool is_known(const struct source_shim *s, const char *name)
{
	vec_foreach(l, &s->lanes) {
		if (strcmp(l->name, name) == 0)
			return true;
	}
	return false;
}

static int add_lane(struct source_shim *s, const char *name, bool is_pooled)
{
	if (s->lanes.n >= MAX_LANES || is_known(s, name))
		return 0;
	struct lane l = {
		.fd = -1,
		.number = s->n_lanes_ever,
		.announces = wraps_network(s),
		.is_unsettled = is_pooled,
	};
	memcpy(l.name, name, strnlen(name, sizeof(l.name) - 1));
	const int r = vec_push(&s->lanes, l);
	if (r == 0)
		s->n_lanes_ever++;
	return r;
}

/* Whether something was created since the directory was read. */
static bool directory_changed(struct source_shim *s)
{
	char events[4096];

	s->has_changed |= s->inotify_fd < 0;
	while (s->inotify_fd >= 0 && read(s->inotify_fd, events, sizeof(events)) > 0)
		s->has_changed = true;
	return s->has_changed;
}

static int find_pooled(struct source_shim *s)
{
	uint32_t number = 0;
	const uint32_t end = lane_pool_taken(&s->pool, &number);
	int r = 0;

	for (; number < end && r == 0; number++) {
		char name[LANE_NAME_SIZE];
		(void)snprintf(name, sizeof(name), SL_POOL_PREFIX "%u", number);
		r = add_lane(s, name, true);
	}
	lane_pool_refill(&s->pool);
	return r;
}

static int find_created(struct source_shim *s)
{
	if (!directory_changed(s))
		return 0;
	_cleanup_closedir_ DIR *d = fs_list(s->dir.fd);
	if (d == NULL) /* no descriptor to be had now */
		return 0;
	int r = 0;
	s->has_changed = false;
	for (const struct dirent *e = readdir(d); e != NULL && r == 0; e = readdir(d)) {
		if (lane_name_is_valid(e->d_name))
			r = add_lane(s, e->d_name, false);
		else if (block_ring_name_is_valid(e->d_name))
			r = block_rings_add(&s->rings, e->d_name);
	}
	return r;
}

static int acquire(struct source_shim *s, struct lane *l)
{
	return lane_acquire(l, s->dir.fd, s->lanes.n <= s->max_open);
}

/* ---- what they say ---- */

/* To be called before an image goes, while those it lived with are still there: once in a look, since all
 * that were there at one time are known when it begins. */
static void note_bound(struct source_shim *s)
{
	struct heap_bound at_once = { 0 };

	if (s->is_bound_noted)
		return;
	s->is_bound_noted = true;
	for (size_t i = 0; i < s->lanes.n; i++) {
		struct lane *l = &s->lanes.items[i];
		const int fd = i < MAX_OPEN_LANES ? acquire(s, l) : -1;
		heap_bound_read(&at_once, l, fd);
		if (fd >= 0)
			lane_release(l, fd);
	}
	heap_bound_raise(&s->bound, &at_once);
}

static struct tree_peak tree_peak_of(const struct source_shim *s)
{
	const int64_t bytes = session_tree_peak(s->tree_fd);

	return (struct tree_peak){
		.bytes = at_least_zero(bytes),
		.error_bytes = at_least_zero(s->bound.lacking),
		.excess_bytes = at_least_zero(bytes - s->bound.least),
	};
}

static int tell_sums(struct source_shim *s, const struct lane *l, struct lane_sums *sums,
		     enum sl_when when, struct sink sink)
{
	const struct tree_peak tree = tree_peak_of(s);

	tick_clock_look(&s->clock, __rdtsc(), now_ns());
	sums->own_ns += tick_clock_length_ns(&s->clock, sums->own_ticks);
	return lane_tell_sums(l, sums, &tree, when, sink);
}

/* ---- lanes go ---- */

/* Takes the image's part out of the tree's sum. */
static void depart(struct source_shim *s, int64_t bytes)
{
	heap_bound_ended(&s->bound, bytes);
	if (bytes != 0 && !__builtin_add_overflow(s->departed, bytes, &s->departed))
		session_tree_depart(s->tree_fd, s->departed);
}

static int fold(struct source_shim *s, struct lane *l, int fd, struct sink sink)
{
	struct lane_sums sums;
	int n = lane_read_records(l, fd, true, sink);
	int r = n;

	note_bound(s);
	if (n >= 0 && lane_read_sums(l, fd, &sums) == 0) {
		r = tell_sums(s, l, &sums, SL_WHEN_EXIT, sink);
		n += r;
		depart(s, sums.tree_bytes);
		blocks_lost_add(&s->blocks_lost, &sums.blocks_lost);
		if (r >= 0 && l->announces)
			r = lane_tell_peak(l, &sums, sink);
		if (r >= 0 && l->announces && (l->flags & SL_LANE_NOTICES) == 0)
			r = exit_watch_add(&s->exit_watch, l->ns_pid, l->alive_ns, sums.left_ns);
	}
	s->n_lost += lane_lost(l);
	if (r >= 0)
		r = lane_tell_tally(l, sink);
	return r < 0 ? r : n + 1;
}

static void remove_lane(struct source_shim *s, struct lane *l)
{
	(void)unlinkat(s->dir.fd, l->name, 0);
	cleanup_close(&l->fd);
	*l = s->lanes.items[--s->lanes.n];
}

/* Reads one lane. *ret_is_done: it is to be removed. */
static int visit(struct source_shim *s, struct lane *l, bool is_last, struct sink sink,
		 bool *ret_is_done)
{
	*ret_is_done = is_last;
	const int fd = acquire(s, l);
	if (fd < 0) {
		/* Removed by the target, or no descriptor to be had now. */
		*ret_is_done = is_last || errno == ENOENT || errno == ELOOP;
		return 0;
	}
	int r = l->has_header ? 0 : lane_read_header(l, fd);
	if (r == -EAGAIN && l->is_unsettled)
		lane_settle(l, s->dir.fd, fd);
	/* Before reading: what an ended image left is then complete. */
	const uint64_t now = now_ns();
	const bool is_over = is_last || lane_is_abandoned(l, fd);
	if (!is_over)
		l->alive_ns = now;
	if (r == -EAGAIN)
		r = lane_read_header(l, fd);
	struct exit_watch_tap tap = { &s->exit_watch, l, sink };
	const struct sink watching = { exit_watch_tap, &tap };
	if (r == 0 && is_over)
		r = fold(s, l, fd, watching);
	else if (r == 0)
		r = lane_read_records(l, fd, false, watching);
	else
		r = r == -EBADMSG || r == -EAGAIN ? (*ret_is_done = r == -EBADMSG || is_over, 0)
						  : r;
	*ret_is_done |= is_over;
	lane_release(l, fd);
	return r;
}

static int visit_all(struct source_shim *s, bool is_last, struct sink sink)
{
	_cleanup_(rights_give_back) struct rights before;
	const int64_t tree_peak = session_tree_peak(s->tree_fd);
	int r = take_rights(s, &before), n = 0;

	if (r >= 0)
		r = find_pooled(s);
	if (r >= 0)
		r = find_created(s);
	s->is_bound_noted = false;
	for (size_t i = 0; r >= 0 && i < s->lanes.n;) {
		bool is_done = false;
		r = visit(s, &s->lanes.items[i], is_last, sink, &is_done);
		n += r;
		if (is_done)
			remove_lane(s, &s->lanes.items[i]);
		else
			i++;
	}
	heap_bound_looked(&s->bound, tree_peak);
	if (r >= 0)
		r = exit_watch_look(&s->exit_watch, sink);
	return r < 0 ? r : n;
}

int source_shim_drain(struct source_shim *s, struct sink sink)
{
	(void)!read(s->timer_fd, &(uint64_t){ 0 }, sizeof(uint64_t));
	const int r = visit_all(s, false, sink);
	return r < 0 ? r : live_watch_look(&s->live, s->tree_fd, sink);
}

/* ---- sampled blocks ---- */

int source_shim_blocks(struct source_shim *s, block_take_fn *take, void *data)
{
	_cleanup_(rights_give_back) struct rights before;
	int r = take_rights(s, &before);

	if (r >= 0)
		r = find_created(s);
	return r < 0 ? r : block_rings_read(&s->rings, s->dir.fd, take, data);
}

/* The last that said so: an image before it may have had the same pid. */
bool source_shim_allocator(const struct source_shim *s, pid_t pid, struct shim_allocator *ret)
{
	const struct lane *found = NULL;

	vec_foreach(l, &s->lanes)
		if (l->ns_pid == (uint32_t)pid && l->allocated_at != 0 && l->freed_at != 0 &&
		    (found == NULL || l->start_ns > found->start_ns))
			found = l;
	if (found != NULL)
		*ret = (struct shim_allocator){ found->allocator, found->allocated_at,
						found->freed_at };
	return found != NULL;
}

void source_shim_end_exact(struct source_shim *s)
{
	session_tree_end_exact(s->tree_fd);
}

const char *source_shim_directory(const struct source_shim *s)
{
	return s->dir.path;
}

int source_shim_snapshot(struct source_shim *s, enum sl_when when, struct sink sink)
{
	_cleanup_(rights_give_back) struct rights before;
	int r = take_rights(s, &before), n = 0;

	if (r >= 0)
		r = visit_all(s, false, sink);
	s->is_bound_noted = false;
	note_bound(s);
	for (size_t i = 0; r >= 0 && i < s->lanes.n; i++) {
		struct lane *l = &s->lanes.items[i];
		struct lane_sums sums;
		const int fd = acquire(s, l);
		if (fd < 0)
			continue;
		if (l->has_header && lane_read_sums(l, fd, &sums) == 0) {
			r = tell_sums(s, l, &sums, when, sink);
			n += r;
		}
		lane_release(l, fd);
	}
	return r < 0 ? r : n;
}

static void remove_directory(struct source_shim *s)
{
	_cleanup_(rights_give_back) struct rights before;
	if (take_rights(s, &before) == 0)
		session_dir_remove(&s->dir);
}

int source_shim_finish(struct source_shim *s, struct sink sink)
{
	int r = visit_all(s, true, sink);
	if (r >= 0 && s->has_changed) /* by now there are descriptors */
		r = visit_all(s, true, sink);
	if (r < 0)
		return r;
	const struct blocks_lost unread = { .n_samples = block_rings_lost(&s->rings) };
	blocks_lost_add(&s->blocks_lost, &unread);
	r = emit_drops(sink, SL_SOURCE_SHIM, SL_KIND_NONE, s->n_lost);
	if (r >= 0)
		r = blocks_tell_lost(&s->blocks_lost, sink);
	remove_directory(s);
	return r;
}

struct source_shim *source_shim_free(struct source_shim *s)
{
	if (s == NULL)
		return NULL;
	vec_foreach(l, &s->lanes)
		cleanup_close(&l->fd);
	vec_done(&s->lanes);
	block_rings_done(&s->rings);
	vec_done(&s->exit_watch);
	cleanup_close(&s->tree_fd);
	cleanup_close(&s->inotify_fd);
	cleanup_close(&s->timer_fd);
	cleanup_close(&s->epoll_fd);
	remove_directory(s);
	free(s->environment.variables[0]);
	free(s->environment.variables[1]);
	free(s);
	return NULL;
}
