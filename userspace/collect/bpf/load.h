/* SPDX-License-Identifier: MIT */
/* Bringing the probes into the kernel, ready to be attached. */
#ifndef USERSPACE_COLLECT_BPF_LOAD_H
#define USERSPACE_COLLECT_BPF_LOAD_H

#include <stddef.h>

#include "userspace/collect/bpf/imports.h"
#include "userspace/collect/bpf/probes.h"
#include "userspace/collect/run/source.h"

struct ring_buffer;
struct startline_bpf;

/* As libbpf wants it: @size bytes at @record; negative: stop. */
typedef int take_record_fn(void *data, void *record, size_t size);

struct probes {
	struct startline_bpf *skeleton; /* maps and settings */
	struct programs programs;
	struct ring_buffer *ring;
	size_t ring_bytes;
	int ring_fd;
	int n_cpus; /* possible ones */
	struct imports *imports;
};

/* Fills in @ret, to be released with probes_close() whatever is returned: each program is loaded and
 * attached by itself, iterators are attached as they are used. Records from the ring will go to
 * @take with @data. Returns 0, or a negative errno where not even the needed ones can be had, with a
 * line for the user in @why. */
int probes_open(const struct bpf_settings *settings, take_record_fn *take, void *data, char *why,
		size_t why_size, struct probes *ret);
void probes_close(struct probes *p);

/* Puts such a line for the errno @r into @why, and returns @r. */
int probes_refused(int r, char *why, size_t why_size);

#endif
