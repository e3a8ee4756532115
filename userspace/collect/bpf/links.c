/* SPDX-License-Identifier: MIT */
/* Attaching programs and taking them out again. */
#include "userspace/collect/bpf/links.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "userspace/base/cleanup.h"
#include "userspace/collect/bpf/background_close.h"

/* What is after @prefix in its section; NULL: something else. */
static const char *after(const struct program *program, const char *prefix)
{
	const size_t n = strlen(prefix);
	return strncmp(program->section, prefix, n) == 0 ? program->section + n : NULL;
}

/* Whether it can be read shows when somebody begins to. */
static int attach_iterator(const struct program *program)
{
	_cleanup_close_ int link = bpf_link_create(program->fd, 0, BPF_TRACE_ITER, NULL);
	if (link < 0)
		return link;
	_cleanup_close_ const int reader = bpf_iter_create(link);
	return reader < 0 ? reader : take_fd(link);
}

/* What is of the kernel's types knows its tracepoint from its loading, others are told. */
static int attach(const struct program *program)
{
	if (after(program, "iter/") != NULL)
		return attach_iterator(program);
	return bpf_raw_tracepoint_open(after(program, "raw_tp/"), program->fd);
}

void links_attach(struct programs *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct program *program = &p->items[i];
		if (!program->is_wanted || program->link_fd >= 0)
			continue;
		program->link_fd = attach(program);
		if (program->link_fd < 0)
			program->error = program->link_fd;
	}
}

void links_detach_one(struct program *program)
{
	cleanup_close(&program->link_fd);
	program->link_fd = -1;
}

void links_detach(struct programs *p)
{
	int fds[PROBE_PROGRAMS_TOTAL];
	size_t n_fds = 0;
	for (size_t i = 0; i < p->n; i++)
		if (p->items[i].link_fd >= 0)
			fds[n_fds++] = p->items[i].link_fd;
	background_close(fds, n_fds);
	for (size_t i = 0; i < p->n; i++)
		links_detach_one(&p->items[i]);
}

uint64_t links_skipped(const struct programs *p)
{
	uint64_t n = 0;
	for (size_t i = 0; i < p->n; i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);
		const int fd = p->items[i].fd;
		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
			n += info.recursion_misses;
	}
	return n;
}
