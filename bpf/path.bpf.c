/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* One step from a directory entry towards the root. */
#include "bpf/path.bpf.h"

__noinline int path_up(struct path_position *at)
{
	struct dentry *dentry, *parent;
	struct mount *mount, *above;

	if (!at)
		return PATH_END;
	dentry = (struct dentry *)at->dentry;
	if (at->dentry == at->root) {
		mount = (void *)at->vfsmount - bpf_core_field_offset(struct mount, mnt);
		above = BPF_CORE_READ(mount, mnt_parent);
		if (above == mount || !above)
			return PATH_END;
		at->dentry = (__u64)BPF_CORE_READ(mount, mnt_mountpoint);
		at->vfsmount = (__u64)above + bpf_core_field_offset(struct mount, mnt);
		at->root = (__u64)BPF_CORE_READ(above, mnt.mnt_root);
		return PATH_MOUNT;
	}
	parent = BPF_CORE_READ(dentry, d_parent);
	at->name = (__u64)BPF_CORE_READ(dentry, d_name.name);
	at->dentry = (__u64)parent;
	/* memfd and the like have no directory. */
	return parent == dentry || !parent ? PATH_LAST_NAME : PATH_NAME;
}
