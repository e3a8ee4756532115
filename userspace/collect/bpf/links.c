/* SPDX-License-Identifier: MIT */
/* Attaching programs and taking them out again. */
#include "userspace/collect/bpf/links.h"

#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "userspace/collect/bpf/background_close.h"
#include "userspace/collect/bpf/kernel.h"

#define LINKS_MAX 64

int links_attach(const struct bpf_object_skeleton *skeleton)
{
	for (int i = 0; i < skeleton->prog_cnt; i++) {
		const struct bpf_program *program = *skeleton->progs[i].prog;
		if (!bpf_program__autoload(program) || tracepoint_of(program) == NULL ||
		    *skeleton->progs[i].link != NULL)
			continue;
		*skeleton->progs[i].link = bpf_program__type(program) == BPF_PROG_TYPE_TRACING
						   ? bpf_program__attach_trace(program)
						   : bpf_program__attach(program);
		if (*skeleton->progs[i].link == NULL)
			return -errno;
	}
	return 0;
}

void links_detach_one(struct bpf_link **link)
{
	(void)bpf_link__destroy(*link);
	*link = NULL;
}

void links_detach(const struct bpf_object_skeleton *skeleton)
{
	int fds[LINKS_MAX];
	size_t n_fds = 0;
	for (int i = 0; i < skeleton->prog_cnt && n_fds < LINKS_MAX; i++)
		if (*skeleton->progs[i].link != NULL)
			fds[n_fds++] = bpf_link__fd(*skeleton->progs[i].link);
	background_close(fds, n_fds);
	for (int i = 0; i < skeleton->prog_cnt; i++)
		links_detach_one(skeleton->progs[i].link);
}

uint64_t links_skipped(const struct bpf_object_skeleton *skeleton)
{
	uint64_t n = 0;
	for (int i = 0; i < skeleton->prog_cnt; i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);
		const int fd = bpf_program__fd(*skeleton->progs[i].prog);
		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
			n += info.recursion_misses;
	}
	return n;
}
