/* SPDX-License-Identifier: MIT */
/* The path of an open file, without bpf_d_path(), which most programs may not call: its
 * components, the last one first, each ended by a NUL (SL_FLAG_LEAF). */
#ifndef SL_PATH_BPF_H
#define SL_PATH_BPF_H

#include "bpf/common.bpf.h"

#define PATH_COMPONENT 256 /* NAME_MAX and the NUL */
#define PATH_PADDING   8

struct path_text {
	__u32 length; /* at most max + PATH_COMPONENT */
	bool is_cut;  /* its head is missing */
};

enum path_step { PATH_END, PATH_NAME, PATH_LAST_NAME, PATH_MOUNT };

struct path_position { /* addresses, as numbers */
	__u64 dentry, vfsmount, root;
	__u64 name; /* of the component just passed */
	/* Bytes written. Here, because the verifier forgets what it knew of memory that it passes to
	 * a global function: else it would follow every combination of lengths. */
	__u64 length;
};

/* One component or mount up; enum path_step. Global, so that it is verified once and not in each
 * turn of each loop. */
int path_up(struct path_position *at);

/* Writes the path of @file to @out, which has room for @max + PATH_COMPONENT + PATH_PADDING bytes. @max is a
 * constant power of two, @components a constant. */
static __always_inline struct path_text path_walk(struct file *file, char *out, const __u32 max,
						  const int components)
{
	struct path_text text = { .length = 0, .is_cut = true };
	struct vfsmount *vfsmount = BPF_CORE_READ(file, f_path.mnt);
	struct path_position at = { .dentry = (__u64)BPF_CORE_READ(file, f_path.dentry),
				    .vfsmount = (__u64)vfsmount,
				    .root = (__u64)BPF_CORE_READ(vfsmount, mnt_root) };

	for (int i = 0; i < components; i++) {
		const int step = path_up(&at);
		__u32 length = at.length & (2 * max - 1);
		long n;

		if (step == PATH_END || length >= max) {
			text.is_cut = step != PATH_END;
			break;
		}
		if (step == PATH_MOUNT)
			continue;
		n = bpf_probe_read_kernel_str(out + (length & (max - 1)), PATH_COMPONENT,
					      (void *)at.name);
		at.length = n > 0 ? length + n : length;
		if (step == PATH_LAST_NAME) {
			text.is_cut = false;
			break;
		}
	}
	text.length = at.length < max + PATH_COMPONENT ? at.length : max + PATH_COMPONENT;
	/* A record's size is a multiple of 8: what fills it up is no component. */
	__builtin_memset(out + text.length, 0, PATH_PADDING);
	return text;
}

#endif
