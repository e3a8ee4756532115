/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Following a control group (version 2): what runs in it or below it is recorded as well, whoever
 * started it. */
#include "bpf/common.bpf.h"
#include "bpf/process.bpf.h"

#define LEVELS_MAX 16

const volatile __u64 followed_cgroup = 0; /* its id; 0: none */

int cgroup_is_followed(__u64 address)
{
	struct task_struct *task = (void *)address;
	struct cgroup *cgroup;

	if (!followed_cgroup)
		return 0;
	cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	for (int i = 0; i < LEVELS_MAX && cgroup; i++) {
		struct cgroup_subsys_state *above;

		if (BPF_CORE_READ(cgroup, kn, id) == followed_cgroup)
			return 1;
		above = BPF_CORE_READ(cgroup, self.parent);
		cgroup = above ? BPF_CORE_READ(above, cgroup) : NULL;
	}
	return 0;
}
