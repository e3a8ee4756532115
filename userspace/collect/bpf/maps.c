/* SPDX-License-Identifier: MIT */
/* See maps.h. */
#include "userspace/collect/bpf/maps.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "startline.skel.h"

#include "userspace/base/cleanup.h"

#define RING_DEFAULT	(16u << 20) /* zeroing it takes time at every start: 0.2 ms a MiB */
#define RING_MIN	(64u << 10)
#define RING_MAX	(1u << 30)
#define STACK_RING_PART 8 /* for snapshots: small, so that it stays in the caches */

/* ---- rings ---- */

size_t maps_ring_bytes(size_t wanted)
{
	size_t size = RING_MIN;
	if (wanted == 0)
		return RING_DEFAULT;
	while (size < wanted && size < RING_MAX)
		size *= 2;
	return size;
}

int maps_make_ring(struct probes *p)
{
	p->ring_fd =
		bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, (uint32_t)p->ring_bytes, NULL);
	return p->ring_fd < 0 ? p->ring_fd : 0;
}

uint32_t maps_stack_ring_bytes(const struct probes *p, const struct bpf_settings *settings)
{
	if (!settings->want_stacks)
		return (uint32_t)getpagesize();
	const size_t whole = p->ring_bytes < RING_DEFAULT ? p->ring_bytes : RING_DEFAULT;
	return (uint32_t)(whole / STACK_RING_PART < RING_MIN ? RING_MIN : whole / STACK_RING_PART);
}

static int size_for_stacks(const struct probes *p, const struct bpf_settings *settings)
{
	const uint32_t rooms = settings->want_stacks ? (uint32_t)p->n_cpus : 1;
	const int r = bpf_map__set_max_entries(p->skeleton->maps.stack_rooms, rooms);
	return r < 0 ? r
		     : bpf_map__set_max_entries(p->skeleton->maps.stack_ring,
						maps_stack_ring_bytes(p, settings));
}

/* ---- all ---- */

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

/* All maps are ours: programs are loaded by several objects, and any of these may fail. */
static int make_all(const struct probes *p)
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

/* Lets skeleton->bss be the map's memory, as libbpf does when it loads. */
static int variables_map(const struct probes *p)
{
	const struct bpf_map *map = p->skeleton->maps.bss;
	const size_t size = bpf_map__value_size(map);
	return mmap(p->skeleton->bss, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    bpf_map__fd(map), 0) == MAP_FAILED
		       ? -errno
		       : 0;
}

int maps_make(const struct probes *p, const struct bpf_settings *settings)
{
	int r = size_for_stacks(p, settings);
	if (r >= 0)
		r = make_all(p);
	return r < 0 ? r : variables_map(p);
}

int maps_share(const struct bpf_object *from, const struct bpf_object *to)
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
