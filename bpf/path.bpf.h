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
};

/* One component or mount up; enum path_step. Global, so that it is verified once. */
int path_up(struct path_position *at);

struct path_walk {
	struct path_position at;
	char *out;
	__u64 max; /* of 64 bits, so that the verifier of 6.1 keeps in mind what it is */
	__u32 components;
	__u32 length; /* bytes written */
	__u32 is_cut;
};

static long path_turn(void *map, const __u32 *turn, void *value, struct path_walk *walk)
{
	const int step = path_up(&walk->at);
	const __u32 length = walk->length;
	long n;

	if (step == PATH_END || length >= walk->max || *turn >= walk->components) {
		walk->is_cut = step != PATH_END;
		return 1;
	}
	if (step == PATH_MOUNT)
		return 0;
	n = bpf_probe_read_kernel_str(walk->out + (length & (walk->max - 1)), PATH_COMPONENT,
				      (void *)walk->at.name);
	if (n > 0)
		walk->length = length + n;
	walk->is_cut = step != PATH_LAST_NAME;
	return step == PATH_LAST_NAME;
}

/* Writes the path of @file to @out, which has room for @max + PATH_COMPONENT + PATH_PADDING bytes.
 * @max is a constant power of two, @components a constant. */
static __always_inline struct path_text path_walk(struct file *file, char *out, const __u32 max,
						  const int components)
{
	struct vfsmount *vfsmount = BPF_CORE_READ(file, f_path.mnt);
	struct path_walk walk = { .at = { .dentry = (__u64)BPF_CORE_READ(file, f_path.dentry),
					  .vfsmount = (__u64)vfsmount,
					  .root = (__u64)BPF_CORE_READ(vfsmount, mnt_root) },
				  .out = out,
				  .max = max,
				  .components = components,
				  .length = unknown_zero,
				  .is_cut = true };
	struct path_text text;

	bpf_for_each_map_elem(&turns, path_turn, &walk, 0);
	text.is_cut = walk.is_cut;
	text.length = walk.length;
	if (text.length > max + PATH_COMPONENT) /* for the verifier */
		text.length = max + PATH_COMPONENT;
	/* A record's size is a multiple of 8: what fills it up is no component. */
	__builtin_memset(out + text.length, 0, PATH_PADDING);
	return text;
}

#endif
