/* SPDX-License-Identifier: MIT */
/* Loads the probes, in two threads: nearly all of the time is the kernel's, which verifies one
 * program after the other, and zeroes the ring. The skeleton is never loaded, its maps are made by us (maps.c);
 * programs come out of other openings of the same object on these maps, one per thread, and one more
 * whenever the kernel refused a program, since libbpf loads all that an object shall load, or nothing. */
#include "userspace/collect/bpf/load.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "startline.skel.h"

#include "userspace/base/cleanup.h"
#include "userspace/collect/bpf/kernel.h"
#include "userspace/collect/bpf/links.h"
#include "userspace/collect/bpf/maps.h"

#define RING_WAKE_DIV 8 /* the reader is woken when an eighth is full */

/* One opening of the object, and the programs it loads. */
struct batch {
	struct loading *loading;
	struct startline_bpf *object;
	bool is_in[PROBE_PROGRAMS_TOTAL];
	/* What libbpf is loading or has loaded last. */
	struct program *current;
	const struct bpf_program *current_program;
};

/* What one thread makes and the other waits for. */
enum made { COMING, THERE, NEVER };

struct loading {
	struct probes *probes;
	struct kernel kernel;
	take_record_fn *take;
	void *data;
	bool is_shared; /* by a second thread */
	pthread_t thread;
	int thread_result;
	struct batch first, second;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum made maps, ring; /* under the lock */
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
	else if (source_bpf_reads_kernel() == 0)
		(void)snprintf(
			why, why_size,
			"the kernel is locked down (confidentiality), and lets no probe read "
			"its memory: boot with lockdown=integrity");
	else
		(void)snprintf(why, why_size, "the kernel refused the probes: %s (-vv says more)",
			       strerror(-r));
	return r;
}

/* ---- the ring ---- */

static int ring_open(struct loading *l)
{
	l->probes->ring = ring_buffer__new(l->probes->ring_fd, l->take, l->data, NULL);
	return l->probes->ring == NULL ? -errno : 0;
}

/* ---- settings ---- */

static bool follows_cgroups(const struct bpf_settings *settings)
{
	return settings->cgroup_id != 0 || settings->follows_containers;
}

static void configure(struct probes *p, const struct bpf_settings *settings, struct kernel *k)
{
	struct startline_bpf *skeleton = p->skeleton;
	skeleton->rodata->follows_cgroups = follows_cgroups(settings);
	skeleton->rodata->followed_cgroup = settings->cgroup_id;
	skeleton->rodata->follows_containers = settings->follows_containers;
	skeleton->rodata->want_output = settings->want_output;
	skeleton->rodata->wake_early = settings->wake_early;
	skeleton->rodata->look_early = settings->look_early;
	skeleton->rodata->ring_wake_bytes = p->ring_bytes / RING_WAKE_DIV;
	skeleton->rodata->n_cpus = (uint32_t)p->n_cpus;
	skeleton->rodata->runqueues_offset = k->percpu.runqueues;
	skeleton->rodata->preempt_count_offset = k->percpu.preempt_count;
	skeleton->rodata->this_cpu_off_offset = k->percpu.this_cpu_off;
	skeleton->rodata->has_prev_state = kernel_arguments(k, "sched_switch") >= 4;
	skeleton->rodata->uring_submit_arguments = kernel_arguments(k, "io_uring_submit_sqe");
	skeleton->rodata->uring_poll_arguments = kernel_arguments(k, "io_uring_poll_arm");
	skeleton->rodata->uring_complete_arguments = kernel_arguments(k, "io_uring_complete");
	skeleton->rodata->want_stacks = settings->want_stacks;
	skeleton->rodata->want_blocks = settings->want_stacks && settings->want_blocks;
	skeleton->rodata->stack_wake_bytes = maps_stack_ring_bytes(p, settings) / RING_WAKE_DIV;
	skeleton->bss->switch_limit = settings->switch_limit;
}

/* What the probes must know of each other. */
static void tell_probes(struct probes *p)
{
	struct startline_bpf__bss *bss = p->skeleton->bss;
	bss->has_calls = programs_have(&p->programs, PROBE_CALLS);
	bss->has_switches = programs_have(&p->programs, PROBE_SWITCHES);
	bss->has_rss_stat = programs_have(&p->programs, PROBE_RESIDENT);
	bss->has_fault_probe = programs_have(&p->programs, PROBE_FAULTS);
	bss->has_length_probes = p->programs.way[PROBE_LENGTHS] == 0;
}

static void list_programs(struct loading *l, const struct bpf_settings *settings)
{
	struct programs *p = &l->probes->programs;
	const struct bpf_object_skeleton *skeleton = l->probes->skeleton->skeleton;
	for (int i = 0; i < skeleton->prog_cnt && p->n < PROBE_PROGRAMS_TOTAL; i++) {
		struct bpf_program *program = *skeleton->progs[i].prog;
		p->items[p->n++] = (struct program){
			.name = bpf_program__name(program),
			.section = bpf_program__section_name(program),
			.exists = kernel_has(&l->kernel, program),
			.fd = -1,
			.link_fd = -1,
		};
	}
	for (enum probe probe = 0; probe < PROBES; probe++)
		p->is_asked[probe] = (probe != PROBE_GROUP || follows_cgroups(settings)) &&
				     (probe != PROBE_CONTAINERS || settings->follows_containers) &&
				     (probe != PROBE_PYTHON || settings->want_stacks);
}

static int find_imports(struct probes *p, char *const *argv)
{
	p->imports = imports_new(&p->programs);
	if (p->imports == NULL)
		return -ENOMEM;
	imports_find(p->imports, argv);
	return 0;
}

/* ---- programs ---- */

static int open_object(struct loading *l, struct startline_bpf **ret)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = l->kernel.path);
	*ret = startline_bpf__open_opts(&options);
	return *ret == NULL ? -errno : 0;
}

/* The last program is loaded: keeps it, whatever becomes of its object. */
static void batch_keep(struct batch *b)
{
	const int fd = b->current != NULL ? bpf_program__fd(b->current_program) : -1;
	if (fd >= 0)
		b->current->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	b->current = NULL;
}

/* Those in which @program is being loaded. */
static struct batch *batch_of(struct loading *l, const struct program *program)
{
	const size_t i = (size_t)(program - l->probes->programs.items);
	return l->second.is_in[i] ? &l->second : &l->first;
}

static void program_begins(void *data, const struct bpf_program *bpf)
{
	struct loading *l = data;
	struct program *program = programs_find(&l->probes->programs, bpf_program__name(bpf));
	struct batch *b = batch_of(l, program);
	batch_keep(b);
	b->current = program;
	b->current_program = bpf;
}

static int batch_prepare(struct batch *b)
{
	const struct startline_bpf *skeleton = b->loading->probes->skeleton;
	struct bpf_program *program;
	int r = 0;
	bpf_object__for_each_program(program, b->object->obj)
	{
		struct programs *p = &b->loading->probes->programs;
		const struct program *known = programs_find(p, bpf_program__name(program));
		const bool is_in = known != NULL && b->is_in[known - p->items];
		if (r >= 0)
			r = bpf_program__set_autoload(program, is_in);
		if (r >= 0 && is_in)
			r = kernel_number(&b->loading->kernel, program);
	}
	return r < 0 ? r : maps_share(skeleton->obj, b->object->obj);
}

/* Attaching takes a fifth of a millisecond each: so as well in two threads. */
static void batch_attach(const struct batch *b)
{
	struct programs *p = &b->loading->probes->programs;
	for (size_t i = 0; i < p->n; i++)
		if (b->is_in[i] && p->items[i].fd >= 0)
			links_attach_one(&p->items[i]);
}

/* Loads and attaches what @b shall load, as far as the first program that the kernel refuses, which
 * is noted. Fails when something else goes wrong. */
static int batch_load(struct batch *b)
{
	int r = b->object == NULL ? open_object(b->loading, &b->object) : 0;
	if (r >= 0)
		r = batch_prepare(b);
	if (r >= 0)
		r = bpf_object__load(b->object->obj);
	if (r < 0 && b->current != NULL) {
		b->current->error = r;
		b->current = NULL;
		r = 0;
	}
	batch_keep(b);
	batch_attach(b);
	startline_bpf__destroy(b->object);
	b->object = NULL;
	return r < 0 ? r : 0;
}

/* Fills @b with what is wanted and not there: @is_second of it, or all. Returns how many. */
static size_t batch_fill(struct batch *b, bool is_second, bool is_all)
{
	const struct programs *p = &b->loading->probes->programs;
	size_t n = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct program *program = &p->items[i];
		b->is_in[i] = program->is_wanted && program->fd < 0 &&
			      (is_all || program->is_second == is_second);
		n += b->is_in[i];
	}
	return n;
}

/* ---- the second thread ---- */

static void tell(struct loading *l, enum made *what, enum made news)
{
	(void)pthread_mutex_lock(&l->lock);
	if (*what == COMING)
		*what = news;
	(void)pthread_cond_broadcast(&l->changed);
	(void)pthread_mutex_unlock(&l->lock);
}

static bool wait_for(struct loading *l, const enum made *what)
{
	(void)pthread_mutex_lock(&l->lock);
	while (*what == COMING)
		(void)pthread_cond_wait(&l->changed, &l->lock);
	const bool is_there = *what == THERE;
	(void)pthread_mutex_unlock(&l->lock);
	return is_there;
}

static int work_in_second(struct loading *l)
{
	int r = maps_make_ring(l->probes);
	tell(l, &l->ring, THERE);
	if (r >= 0)
		r = ring_open(l);
	if (r >= 0)
		r = open_object(l, &l->second.object);
	if (r < 0 || !wait_for(l, &l->maps))
		return r;
	return batch_load(&l->second);
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

static int join_second(struct loading *l, int r)
{
	tell(l, &l->maps, r < 0 ? NEVER : THERE);
	(void)pthread_join(l->thread, NULL);
	return r < 0 ? r : l->thread_result;
}

/* ---- loading ---- */

static int give_ring(struct loading *l)
{
	int r = 0;
	if (l->is_shared)
		(void)wait_for(l, &l->ring);
	else
		r = maps_make_ring(l->probes);
	if (r >= 0 && l->probes->ring_fd < 0)
		r = l->probes->ring_fd;
	return r < 0 ? r : bpf_map__reuse_fd(l->probes->skeleton->maps.ring, l->probes->ring_fd);
}

/* The maps, and settings in them. */
static int load_maps(struct loading *l, const struct bpf_settings *settings)
{
	struct probes *p = l->probes;
	int r = open_object(l, &p->skeleton);
	if (r >= 0)
		r = kernel_learn(&l->kernel, p->skeleton->obj);
	if (r < 0)
		return r;
	list_programs(l, settings);
	configure(p, settings, &l->kernel);
	r = find_imports(p, settings->argv);
	if (r >= 0)
		r = give_ring(l);
	return r < 0 ? r : maps_make(p, settings);
}

/* In this thread, of what is wanted, what is not the other's. */
static int load_first(struct loading *l, const struct bpf_settings *settings)
{
	const struct program *bad;
	const int r = load_maps(l, settings);
	if (r < 0 || programs_choose(&l->probes->programs, &bad) < 0)
		return r; /* settle() says which one is missing */
	if (l->is_shared)
		(void)batch_fill(&l->second, true, false);
	(void)batch_fill(&l->first, false, !l->is_shared);
	tell(l, &l->maps, THERE);
	return batch_load(&l->first);
}

static int load(struct loading *l, const struct bpf_settings *settings)
{
	int r = load_first(l, settings);
	if (l->is_shared)
		r = join_second(l, r);
	else if (r >= 0)
		r = ring_open(l);
	memset(l->second.is_in, 0, sizeof(l->second.is_in));
	return r;
}

/* ---- settling ---- */

static bool is_refused(const struct programs *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->items[i].is_wanted && p->items[i].error != 0)
			return true;
	return false;
}

static bool is_any_loaded(const struct programs *p)
{
	size_t n = 0;
	for (size_t i = 0; i < p->n; i++)
		n += p->items[i].fd >= 0;
	return n > 0;
}

/* @bad is needed and cannot be had. */
static int cannot_do_without(const struct programs *p, const struct program *bad, int r, char *why,
			     size_t why_size)
{
	if (bad == NULL || (bad->error != 0 && !is_any_loaded(p)))
		return probes_refused(r, why, why_size);
	if (bad->error == 0)
		(void)snprintf(why, why_size, "this kernel has no %s", bad->section);
	else
		(void)snprintf(why, why_size, "the kernel refused %s: %s", bad->section,
			       strerror(-r));
	return r;
}

static void drop_unwanted(struct programs *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->items[i].is_wanted)
			continue;
		links_detach_one(&p->items[i]);
		cleanup_close(&p->items[i].fd);
		p->items[i].fd = -1;
	}
}

/* Loads and attaches what is wanted; where the kernel refuses, what comes in its place; until
 * nothing is refused. Each round takes away a mechanism, so there is an end. */
static int settle(struct loading *l, char *why, size_t why_size)
{
	struct programs *p = &l->probes->programs;
	for (;;) {
		const struct program *bad = NULL;
		int r = programs_choose(p, &bad);
		if (r < 0)
			return cannot_do_without(p, bad, r, why, why_size);
		if (batch_fill(&l->first, false, true) > 0)
			r = batch_load(&l->first);
		if (r < 0)
			return probes_refused(r, why, why_size);
		if (!is_refused(p))
			break;
	}
	drop_unwanted(p);
	tell_probes(l->probes);
	return 0;
}

int probes_open(const struct bpf_settings *settings, take_record_fn *take, void *data, char *why,
		size_t why_size, struct probes *ret)
{
	struct loading l = {
		.probes = ret,
		.take = take,
		.data = data,
		.first = { .loading = &l },
		.second = { .loading = &l },
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	*ret = (struct probes){ .ring_fd = -1,
				.ring_bytes = maps_ring_bytes(settings->ring_bytes) };
	ret->n_cpus = libbpf_num_possible_cpus();
	if (ret->n_cpus < 0)
		return probes_refused(ret->n_cpus, why, why_size);
	int r = kernel_prepare(&l.kernel, program_begins, &l);
	if (r < 0)
		return probes_refused(r, why, why_size);
	l.is_shared = start_second(&l);
	r = load(&l, settings);
	if (r >= 0)
		r = settle(&l, why, why_size);
	else
		(void)probes_refused(r, why, why_size);
	startline_bpf__destroy(l.second.object);
	startline_bpf__destroy(l.first.object);
	kernel_done(&l.kernel);
	return r;
}

void probes_close(struct probes *p)
{
	for (size_t i = 0; i < p->programs.n; i++) {
		links_detach_one(&p->programs.items[i]);
		cleanup_close(&p->programs.items[i].fd);
	}
	ring_buffer__free(p->ring);
	startline_bpf__destroy(p->skeleton);
	cleanup_close(&p->ring_fd);
	p->imports = imports_free(p->imports);
	*p = (struct probes){ .ring_fd = -1 };
}
