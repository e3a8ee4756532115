/* SPDX-License-Identifier: MIT */
/* Loads the probes, in two threads: nearly all of the time is the kernel's, which verifies one
 * program after the other, and zeroes the ring. A second thread makes the ring, and then loads its
 * share of the programs, out of a second opening of the same object on the same maps. */
#include "userspace/collect/bpf/load.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "startline.skel.h"

#include "userspace/base/cleanup.h"
#include "userspace/collect/bpf/kernel.h"

#define RING_DEFAULT  (16u << 20) /* zeroing it takes time at every start: 0.2 ms a MiB */
#define RING_MIN      (64u << 10)
#define RING_MAX      (1u << 30)
#define RING_WAKE_DIV 8 /* the reader is woken when an eighth is full */
#define PROGRAMS_MAX  64

/* The second thread's, chosen so that both are done at about the same time. The first programs of
 * the object must not be among them. */
static const char *const second_share[] = {
	"handle_exit",
	"handle_inet_sock_set_state",
	"handle_io_uring_complete",
	"handle_io_uring_poll_arm",
	"handle_io_uring_submit_req",
	"handle_io_uring_submit_sqe",
	"handle_rss_stat",
	"handle_sock_recv_length",
	"handle_sock_send_length",
	"handle_switch",
	"handle_waking",
};

/* Whether the first object's maps are there, so that the second can have them. */
enum maps { MAPS_COMING, MAPS_THERE, MAPS_NEVER };

struct loading {
	struct probes *probes;
	struct kernel kernel;
	take_record_fn *take;
	void *data;
	bool is_shared; /* by a second thread */
	pthread_t thread;
	int thread_result;
	bool is_second[PROGRAMS_MAX]; /* programs, in the skeleton's order */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum maps maps; /* these two under the lock */
	bool is_ring_made;
};

int probes_refused(int r, char *why, size_t why_size)
{
	/* A verifier that does not like a program says EACCES, who lacks the right gets EPERM. */
	if (geteuid() != 0 && (r == -EPERM || r == -EACCES))
		(void)snprintf(why, why_size, "not root");
	else if (r == -EPERM)
		(void)snprintf(why, why_size,
			       "not permitted here, although root (a container without CAP_BPF?)");
	else if (r == -ENOENT)
		(void)snprintf(why, why_size, "this kernel has no BTF (/sys/kernel/btf/vmlinux)");
	else if (r == -EFBIG)
		(void)snprintf(why, why_size, "the file size limit is too small (`ulimit -f`)");
	else
		(void)snprintf(why, why_size, "the kernel refused the probes: %s (-vv says more)",
			       strerror(-r));
	return r;
}

/* ---- the ring ---- */

static size_t ring_size(size_t wanted)
{
	size_t size = RING_MIN;
	if (wanted == 0)
		return RING_DEFAULT;
	while (size < wanted && size < RING_MAX)
		size *= 2;
	return size;
}

static int ring_make(struct probes *p)
{
	p->ring_fd =
		bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, (uint32_t)p->ring_bytes, NULL);
	return p->ring_fd < 0 ? p->ring_fd : 0;
}

static int ring_open(struct loading *l)
{
	l->probes->ring = ring_buffer__new(l->probes->ring_fd, l->take, l->data, NULL);
	return l->probes->ring == NULL ? -errno : 0;
}

/* ---- what is loaded, and with which settings ---- */

/* Sections with a question mark: the kernel may lack that tracepoint. Without one of the others
 * nothing works. libbpf drops the mark from the name and keeps it as "not to be loaded", so this
 * holds until choose_programs() has decided. */
static bool is_optional(const struct bpf_program *program)
{
	return !bpf_program__autoload(program);
}

static void configure(struct probes *p, const struct bpf_settings *settings, const struct kernel *k)
{
	struct startline_bpf *skeleton = p->skeleton;
	skeleton->rodata->want_output = settings->want_output;
	skeleton->rodata->wake_early = settings->wake_early;
	skeleton->rodata->ring_wake_bytes = p->ring_bytes / RING_WAKE_DIV;
	skeleton->rodata->n_cpus = (uint32_t)p->n_cpus;
	skeleton->rodata->runqueues_offset = k->percpu.runqueues;
	skeleton->rodata->preempt_count_offset = k->percpu.preempt_count;
	skeleton->rodata->this_cpu_off_offset = k->percpu.this_cpu_off;
	skeleton->rodata->has_rss_stat = bpf_program__autoload(skeleton->progs.handle_rss_stat);
	skeleton->rodata->has_fault_probe =
		bpf_program__autoload(skeleton->progs.handle_page_fault);
	skeleton->rodata->has_length_probes =
		bpf_program__autoload(skeleton->progs.handle_sock_send_length) &&
		bpf_program__autoload(skeleton->progs.handle_sock_recv_length);
	skeleton->rodata->has_prev_state = kernel_arguments(k, "sched_switch") >= 4;
	skeleton->rodata->uring_submit_arguments = kernel_arguments(k, "io_uring_submit_sqe");
	skeleton->rodata->uring_poll_arguments = kernel_arguments(k, "io_uring_poll_arm");
	skeleton->rodata->uring_complete_arguments = kernel_arguments(k, "io_uring_complete");
	skeleton->bss->switch_limit = settings->switch_limit;
}

/* Returns 0, or -ENOTSUP with the name of what is missing in @why. */
static int choose_programs(struct probes *p, struct kernel *k, bool only_needed, char *why,
			   size_t why_size)
{
	struct bpf_program *program;
	bpf_object__for_each_program(program, p->skeleton->obj)
	{
		const char *name = tracepoint_of(program);
		if (name == NULL) {
			const int r = kernel_number(k, program);
			if (r < 0)
				return r;
			continue;
		}
		const bool optional = is_optional(program);
		bool load = kernel_has(k, name) && !(only_needed && optional);
		if (program == p->skeleton->progs.handle_cgroup_attach)
			load = load && p->skeleton->rodata->followed_cgroup != 0;
		if (!load && !optional) {
			(void)snprintf(why, why_size, "this kernel has no tracepoint %s", name);
			return -ENOTSUP;
		}
		(void)bpf_program__set_autoload(program, load);
		if (load && kernel_number(k, program) < 0)
			return -EINVAL;
	}
	return 0;
}

static bool is_in_second_share(const char *name)
{
	for (size_t i = 0; i < sizeof(second_share) / sizeof(second_share[0]); i++)
		if (strcmp(second_share[i], name) == 0)
			return true;
	return false;
}

/* Takes from the first object what the second one will load. */
static void share_programs(struct loading *l)
{
	const struct bpf_object_skeleton *first = l->probes->skeleton->skeleton;
	for (int i = 0; i < first->prog_cnt && i < PROGRAMS_MAX; i++) {
		struct bpf_program *program = *first->progs[i].prog;
		l->is_second[i] =
			bpf_program__autoload(program) && is_in_second_share(first->progs[i].name);
		if (l->is_second[i])
			(void)bpf_program__set_autoload(program, false);
	}
}

/* ---- the second thread ---- */

static void tell_maps(struct loading *l, enum maps maps)
{
	(void)pthread_mutex_lock(&l->lock);
	if (l->maps == MAPS_COMING)
		l->maps = maps;
	(void)pthread_cond_broadcast(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
}

static bool wait_for_maps(struct loading *l)
{
	(void)pthread_mutex_lock(&l->lock);
	while (l->maps == MAPS_COMING)
		(void)pthread_cond_wait(&l->changed, &l->lock);
	const bool are_there = l->maps == MAPS_THERE;
	(void)pthread_mutex_unlock(&l->lock);
	return are_there;
}

static void tell_ring(struct loading *l)
{
	(void)pthread_mutex_lock(&l->lock);
	l->is_ring_made = true;
	(void)pthread_cond_broadcast(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
}

static void wait_for_ring(struct loading *l)
{
	(void)pthread_mutex_lock(&l->lock);
	while (!l->is_ring_made)
		(void)pthread_cond_wait(&l->changed, &l->lock);
	(void)pthread_mutex_unlock(&l->lock);
}

/* The kernel wants to know the type of what a task's storage holds; that it is a structure will do. */
static struct btf *storage_types(uint32_t size)
{
	struct btf *types = btf__new_empty();
	if (types != NULL && btf__add_int(types, "int", 4, BTF_INT_SIGNED) == 1 &&
	    btf__add_struct(types, "task_state", size) == 2 && btf__load_into_kernel(types) == 0)
		return types;
	btf__free(types);
	return NULL;
}

static int map_make(const struct bpf_map *map)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = bpf_map__map_flags(map));
	struct btf *types = NULL;
	if (bpf_map__type(map) == BPF_MAP_TYPE_TASK_STORAGE) {
		types = storage_types(bpf_map__value_size(map));
		if (types == NULL)
			return -errno;
		options.btf_fd = (uint32_t)btf__fd(types);
		options.btf_key_type_id = 1;
		options.btf_value_type_id = 2;
	}
	const int fd =
		bpf_map_create(bpf_map__type(map), bpf_map__name(map), bpf_map__key_size(map),
			       bpf_map__value_size(map), bpf_map__max_entries(map), &options);
	btf__free(types);
	return fd;
}

/* What libbpf does for the global variables of the probes in a map of its own making. */
static int map_fill(const struct bpf_map *map, int fd)
{
	static const uint32_t key = 0;
	size_t size = 0;
	const void *values = bpf_map__initial_value((struct bpf_map *)(uintptr_t)map, &size);
	int r = values != NULL ? bpf_map_update_elem(fd, &key, values, BPF_ANY) : 0;
	if (r >= 0 && (bpf_map__map_flags(map) & BPF_F_RDONLY_PROG) != 0)
		r = bpf_map_freeze(fd);
	return r;
}

/* All maps are ours, since libbpf 1.4 and 1.5 tell nobody about theirs before all is loaded, and the
 * second thread cannot wait so long. */
static int maps_make(const struct probes *p)
{
	struct bpf_map *map;
	bpf_object__for_each_map(map, p->skeleton->obj)
	{
		if (map == p->skeleton->maps.ring)
			continue;
		_cleanup_close_ int fd = map_make(map);
		int r = fd < 0 ? fd : map_fill(map, fd);
		if (r >= 0)
			r = bpf_map__reuse_fd(map, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Lets skeleton->bss be the map's memory, as libbpf does for maps of its own making (until 1.4, for
 * all). */
static int variables_map(const struct probes *p)
{
	const struct bpf_map *map = p->skeleton->maps.bss;
	const size_t size = bpf_map__value_size(map);
	return mmap(p->skeleton->bss, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    bpf_map__fd(map), 0) == MAP_FAILED
		       ? -errno
		       : 0;
}

/* Both were opened from the same bytes, so that their maps come in the same order. */
static int share_maps(const struct bpf_object *from, const struct bpf_object *to)
{
	const struct bpf_map *theirs = NULL;
	struct bpf_map *map;
	bpf_object__for_each_map(map, to)
	{
		theirs = bpf_object__next_map(from, theirs);
		const int fd = theirs != NULL ? bpf_map__fd(theirs) : -1;
		const int r = fd >= 0 ? bpf_map__reuse_fd(map, fd) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int load_second(struct loading *l)
{
	struct startline_bpf *const second = l->probes->second;
	const struct bpf_object_skeleton *programs = second->skeleton;
	for (int i = 0; i < programs->prog_cnt && i < PROGRAMS_MAX; i++) {
		struct bpf_program *program = *programs->progs[i].prog;
		int r = bpf_program__set_autoload(program, l->is_second[i]);
		if (r >= 0 && l->is_second[i])
			r = kernel_number(&l->kernel, program);
		if (r < 0)
			return r;
	}
	const int r = share_maps(l->probes->skeleton->obj, second->obj);
	return r < 0 ? r : bpf_object__load(second->obj);
}

static int open_object(struct loading *l, struct startline_bpf **ret)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = l->kernel.path);
	*ret = startline_bpf__open_opts(&options);
	return *ret == NULL ? -errno : 0;
}

static int work_in_second(struct loading *l)
{
	int r = ring_make(l->probes);
	tell_ring(l);
	if (r >= 0)
		r = ring_open(l);
	if (r >= 0)
		r = open_object(l, &l->probes->second);
	if (r < 0 || !wait_for_maps(l))
		return r;
	return load_second(l);
}

static void *second_thread(void *data)
{
	struct loading *l = data;
	l->thread_result = work_in_second(l);
	return NULL;
}

static bool has_one_cpu(void)
{
	cpu_set_t cpus;
	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) < 2;
}

/* Signals are the first thread's, in which somebody waits for them. */
static bool start_second(struct loading *l)
{
	sigset_t all, before;
	if (has_one_cpu())
		return false;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	const int r = pthread_create(&l->thread, NULL, second_thread, l);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r == 0;
}

/* The programs that it loaded take the places of those that the first object did not. */
static int join_second(struct loading *l, int r)
{
	const struct probes *p = l->probes;
	tell_maps(l, MAPS_NEVER);
	(void)pthread_join(l->thread, NULL);
	if (r < 0 || l->thread_result < 0)
		return r < 0 ? r : l->thread_result;
	for (int i = 0; i < p->skeleton->skeleton->prog_cnt && i < PROGRAMS_MAX; i++)
		if (l->is_second[i])
			*p->skeleton->skeleton->progs[i].prog = *p->second->skeleton->progs[i].prog;
	return 0;
}

/* ---- loading ---- */

static int give_ring(struct loading *l)
{
	int r = 0;
	if (l->is_shared)
		wait_for_ring(l);
	else
		r = ring_make(l->probes);
	if (r >= 0 && l->probes->ring_fd < 0)
		r = l->probes->ring_fd;
	return r < 0 ? r : bpf_map__reuse_fd(l->probes->skeleton->maps.ring, l->probes->ring_fd);
}

static int load_first(struct loading *l, const struct bpf_settings *settings, bool only_needed,
		      char *why, size_t why_size)
{
	struct probes *p = l->probes;
	int r = open_object(l, &p->skeleton);
	if (r < 0)
		return probes_refused(r, why, why_size);
	p->skeleton->rodata->followed_cgroup = settings->cgroup_id;
	r = kernel_learn(&l->kernel, p->skeleton->obj);
	if (r >= 0)
		r = choose_programs(p, &l->kernel, only_needed, why, why_size);
	if (r == -ENOTSUP)
		return r;
	if (r >= 0) {
		configure(p, settings, &l->kernel);
		r = give_ring(l);
	}
	if (r >= 0)
		r = maps_make(p);
	if (r >= 0 && l->is_shared) {
		share_programs(l);
		tell_maps(l, MAPS_THERE);
	}
	if (r >= 0)
		r = startline_bpf__load(p->skeleton);
	if (r >= 0)
		r = variables_map(p);
	return r < 0 ? probes_refused(r, why, why_size) : 0;
}

static int load(struct probes *p, const struct bpf_settings *settings, bool only_needed,
		take_record_fn *take, void *data, char *why, size_t why_size)
{
	struct loading l = {
		.probes = p,
		.take = take,
		.data = data,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	*p = (struct probes){ .ring_fd = -1, .ring_bytes = ring_size(settings->ring_bytes) };
	p->n_cpus = libbpf_num_possible_cpus();
	if (p->n_cpus < 0)
		return probes_refused(p->n_cpus, why, why_size);
	int r = kernel_prepare(&l.kernel);
	if (r < 0)
		return probes_refused(r, why, why_size);
	l.is_shared = start_second(&l);
	r = load_first(&l, settings, only_needed, why, why_size);
	const int first = r;
	if (l.is_shared)
		r = join_second(&l, r);
	else if (r >= 0)
		r = ring_open(&l);
	kernel_done(&l.kernel);
	return first >= 0 && r < 0 ? probes_refused(r, why, why_size) : r;
}

int probes_load(const struct bpf_settings *settings, take_record_fn *take, void *data, char *why,
		size_t why_size, struct probes *ret)
{
	const int r = load(ret, settings, false, take, data, why, why_size);
	if (r >= 0 || r == -EPERM || r == -ENOENT || r == -ENOTSUP)
		return r;
	probes_unload(ret);
	return load(ret, settings, true, take, data, why, why_size);
}

void probes_unload(struct probes *p)
{
	ring_buffer__free(p->ring);
	startline_bpf__destroy(p->skeleton);
	startline_bpf__destroy(p->second);
	cleanup_close(&p->ring_fd);
	*p = (struct probes){ .ring_fd = -1 };
}
