/* SPDX-License-Identifier: MIT */
/* Reading the kernel's type information in libbpf's place. */
#include "userspace/collect/bpf/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"

#define FLAVOUR	   "___" /* what follows tells apart the shapes that one type has had */
#define TYPE_NAMES 512

static const char *after_prefix(const char *text, const char *prefix)
{
	const size_t length = strlen(prefix);
	return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

const char *tracepoint_of(const struct bpf_program *program)
{
	const char *section = bpf_program__section_name(program);
	const char *name = after_prefix(section, "tp_btf/");
	return name != NULL ? name : after_prefix(section, "raw_tp/");
}

static const char *iterator_of(const struct bpf_program *program)
{
	return after_prefix(bpf_program__section_name(program), "iter/");
}

static struct kernel_tracepoint *find(struct kernel *k, const char *name, bool is_iterator)
{
	for (size_t i = 0; name != NULL && i < k->n; i++)
		if (k->tracepoints[i].is_iterator == is_iterator &&
		    strcmp(k->tracepoints[i].name, name) == 0)
			return &k->tracepoints[i];
	return NULL;
}

unsigned int kernel_arguments(struct kernel *k, const char *name)
{
	const struct kernel_tracepoint *t = find(k, name, false);
	return t != NULL && t->exists ? t->arguments : 0;
}

static const struct kernel_tracepoint *target_of(struct kernel *k,
						 const struct bpf_program *program)
{
	const char *iterator = iterator_of(program);
	return iterator != NULL ? find(k, iterator, true) : find(k, tracepoint_of(program), false);
}

bool kernel_has(struct kernel *k, const struct bpf_program *program)
{
	if (strcmp(bpf_program__section_name(program), "uprobe") == 0)
		return true;
	const struct kernel_tracepoint *t = target_of(k, program);
	/* What hangs on an event asks for no tracepoint. */
	return bpf_program__type(program) == BPF_PROG_TYPE_PERF_EVENT || (t != NULL && t->exists);
}

/* ---- numbers ---- */

/* libbpf looks for the number unless the program is to be attached to another program: so that
 * is what it is told, and here, when it has nothing left to do but load, it is corrected. */
int kernel_number(struct kernel *k, struct bpf_program *program)
{
	if (bpf_program__type(program) != BPF_PROG_TYPE_TRACING || target_of(k, program) == NULL)
		return 0;
	return bpf_program__set_attach_target(program, k->excerpt_fd, NULL);
}

/* libbpf's handlers of sections are the whole process's. They are never taken back: libbpf before
 * 1.4 frees its table twice when the last one goes and another comes. */
static struct handlers {
	bool are_there;
	struct kernel *kernel; /* of what is being loaded */
} handlers;

static int prepare(struct bpf_program *program, struct bpf_prog_load_opts *options, long cookie)
{
	const struct handlers *h = (const struct handlers *)cookie;
	if (h->kernel == NULL)
		return -ESRCH;
	h->kernel->begins(h->kernel->begins_data, program);
	if (bpf_program__type(program) != BPF_PROG_TYPE_TRACING)
		return 0;
	const struct kernel_tracepoint *target = target_of(h->kernel, program);
	if (target == NULL || !target->exists)
		return -ESRCH;
	options->attach_prog_fd = 0;
	options->attach_btf_id = target->type_id;
	return 0;
}

/* ---- the excerpt ---- */

static int add_targets(struct kernel *k, const struct bpf_object *object)
{
	struct bpf_program *program;
	bpf_object__for_each_program(program, object)
	{
		const char *name = tracepoint_of(program);
		const bool is_iterator = name == NULL;
		if (is_iterator)
			name = iterator_of(program);
		if (name == NULL || find(k, name, is_iterator) != NULL)
			continue;
		if (k->n == KERNEL_TRACEPOINTS_MAX)
			return -E2BIG;
		k->tracepoints[k->n++] =
			(struct kernel_tracepoint){ .name = name, .is_iterator = is_iterator };
	}
	return 0;
}

struct type_names {
	char *names[TYPE_NAMES];
	size_t n;
};

static void type_names_done(struct type_names *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->names[i]);
}

/* The names of all types the probes know, their own among them. */
static int collect_type_names(const struct bpf_object *object, struct type_names *ret)
{
	const struct btf *types = bpf_object__btf(object);
	for (uint32_t id = 1; types != NULL && id < btf__type_cnt(types); id++) {
		const struct btf_type *type = btf__type_by_id(types, id);
		const char *name = btf__name_by_offset(types, type->name_off);
		const bool is_named = name != NULL && *name != '\0';
		if (!is_named ||
		    !(btf_is_composite(type) || btf_is_any_enum(type) || btf_is_typedef(type)))
			continue;
		if (ret->n == TYPE_NAMES)
			return -E2BIG;
		const char *flavour = strstr(name, FLAVOUR);
		char *copy =
			flavour != NULL ? strndup(name, (size_t)(flavour - name)) : strdup(name);
		if (copy == NULL)
			return -ENOMEM;
		ret->names[ret->n++] = copy;
	}
	return 0;
}

int kernel_learn(struct kernel *k, struct bpf_object *object)
{
	_cleanup_(type_names_done) struct type_names types = { .n = 0 };
	int r = add_targets(k, object);
	if (r >= 0)
		r = collect_type_names(object, &types);
	if (r < 0)
		return r;
	struct kernel_query q = {
		.tracepoints = k->tracepoints,
		.n_tracepoints = k->n,
		.types = (const char *const *)types.names,
		.n_types = types.n,
	};
	r = kernel_btf_read(&q);
	k->percpu = q.percpu;
	if (r >= 0)
		r = write_all(k->excerpt_fd, buf_str(&q.excerpt), q.excerpt.len);
	buf_done(&q.excerpt);
	return r;
}

static int handlers_register(void)
{
	if (handlers.are_there)
		return 0;
	LIBBPF_OPTS(libbpf_prog_handler_opts, options, .cookie = (long)&handlers,
		    .prog_prepare_load_fn = prepare);
	int r = libbpf_register_prog_handler("tp_btf+", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP,
					     &options);
	if (r >= 0)
		r = libbpf_register_prog_handler("raw_tp+", BPF_PROG_TYPE_RAW_TRACEPOINT, 0,
						 &options);
	if (r >= 0)
		r = libbpf_register_prog_handler("iter+", BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER,
						 &options);
	if (r >= 0)
		r = libbpf_register_prog_handler("uprobe", BPF_PROG_TYPE_KPROBE, 0, &options);
	if (r >= 0)
		r = libbpf_register_prog_handler("perf_event", BPF_PROG_TYPE_PERF_EVENT, 0,
						 &options);
	handlers.are_there = r >= 0;
	return r < 0 ? r : 0;
}

int kernel_prepare(struct kernel *k, kernel_begins_fn *begins, void *data)
{
	*k = (struct kernel){
		.excerpt_fd = memfd_create("kernel-types", MFD_CLOEXEC),
		.begins = begins,
		.begins_data = data,
	};
	if (k->excerpt_fd < 0)
		return -errno;
	(void)snprintf(k->path, sizeof(k->path), "/proc/self/fd/%d", k->excerpt_fd);
	handlers.kernel = k;
	return handlers_register();
}

void kernel_done(struct kernel *k)
{
	handlers.kernel = NULL;
	cleanup_close(&k->excerpt_fd);
	*k = (struct kernel){ .excerpt_fd = -1 };
}
