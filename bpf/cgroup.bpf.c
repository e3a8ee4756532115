/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Following control groups (version 2): what runs in one or below it is recorded as well, whoever started
 * it. Which: one that is named, and those that a container runtime makes while startline records. A
 * container's is known by its name, which has the container's id in it: docker-ID.scope, docker/ID,
 * libpod-ID.scope, cri-containerd-ID.scope, nerdctl-ID.scope. */
#include "bpf/common.bpf.h"
#include "bpf/process.bpf.h"

#define LEVELS_MAX 16
#define ID_DIGITS  64 /* of a container's id, hexadecimal; runtimes agree on that */
#define NAME_BYTES 128

const volatile bool follows_cgroups = false;
const volatile __u64 followed_cgroup = 0; /* its id; 0: none */
const volatile bool follows_containers = false;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* the id of a container's cgroup */
	__type(value, __u32);
} containers SEC(".maps");

/* Cgroups of version 1 that were made for containers, several for each. */
__u32 containers_of_v1 = 0;

static __always_inline bool is_followed(struct cgroup *cgroup)
{
	__u64 id = BPF_CORE_READ(cgroup, kn, id);

	return (followed_cgroup && id == followed_cgroup) ||
	       (follows_containers && bpf_map_lookup_elem(&containers, &id));
}

int cgroup_is_followed(__u64 address)
{
	struct task_struct *task = (void *)address;
	struct cgroup *cgroup;

	if (!follows_cgroups)
		return 0;
	cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	for (int i = 0; i < LEVELS_MAX && cgroup; i++) {
		struct cgroup_subsys_state *above;

		if (is_followed(cgroup))
			return 1;
		above = BPF_CORE_READ(cgroup, self.parent);
		cgroup = above ? BPF_CORE_READ(above, cgroup) : NULL;
	}
	return 0;
}

int is_hexadecimal(__u32 c);

/* Global, and the loop below without a branch: else the verifier follows each way through it. */
__noinline int is_hexadecimal(__u32 c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static __always_inline bool is_of_container(struct cgroup *cgroup)
{
	char name[NAME_BYTES] = {};
	__u32 digits = 0, are_enough = 0;

	if (bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(cgroup, kn, name)) < 0)
		return false;
	for (int i = 0; i < NAME_BYTES; i++) {
		digits = (digits + 1) * (__u32)is_hexadecimal((__u8)name[i]);
		are_enough |= digits & ID_DIGITS;
	}
	return are_enough;
}

/* Only loaded when containers are followed. Ids are of a hierarchy: those of version 1 mean others. */
SEC("tp_btf/cgroup_mkdir")
int handle_cgroup_mkdir(__u64 *ctx)
{
	struct cgroup *cgroup = (struct cgroup *)ctx[0];
	__u32 one = 1;
	__u64 id;

	if (!is_of_container(cgroup))
		return 0;
	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != 0) {
		__sync_fetch_and_add(&containers_of_v1, 1);
		return 0;
	}
	id = BPF_CORE_READ(cgroup, kn, id);
	bpf_map_update_elem(&containers, &id, &one, BPF_ANY);
	return 0;
}
