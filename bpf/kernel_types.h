/* SPDX-License-Identifier: MIT */
/* The kernel's structures, cut down to the fields the probes read. libbpf finds each field's
 * real place on the running kernel by its name (CO-RE), so neither order nor size matters here.
 * A name ending in ___<word> is the shape another kernel version has; bpf_core_field_exists()
 * and bpf_core_type_exists() choose. */
#ifndef SL_KERNEL_TYPES_H
#define SL_KERNEL_TYPES_H

#include <linux/types.h>

#ifndef bool
#define bool _Bool
#define true 1
#define false 0
#endif
#ifndef NULL
#define NULL ((void *)0)
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	__s64 counter;
} atomic_long_t;

struct pt_regs {
	unsigned long di, si, dx, r10, r8, r9;
	unsigned long bx, cx, bp, orig_ax;
	unsigned long ax, r11, r12, r13, r14, r15, ip, sp;
};

struct thread_info {
	unsigned int status; /* x86 */
};

/* ---- files ---- */

struct super_block {
	unsigned long s_magic;
};

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
	struct super_block *i_sb;
};

struct qstr {
	__u32 len;
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	void *private_data;
	struct inode *f_inode;
	struct path f_path;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
	unsigned long *open_fds;
};

struct files_struct {
	struct fdtable *fdt;
};

/* ---- memory ---- */

struct percpu_counter { /* >= 6.2 */
	__s64 count;
	__s32 *counters;
};

struct mm_rss_stat { /* < 6.2 */
	atomic_long_t count[4];
};

struct mm_struct {
	unsigned long task_size;
	unsigned long start_stack; /* what the kernel put on the main thread's stack begins here */
	unsigned long arg_start, arg_end;
	unsigned long brk, data_vm;
	unsigned long saved_auxv[44];
	struct percpu_counter rss_stat[4];
	struct file *exe_file;
};

struct mm_struct___atomic {
	struct mm_rss_stat rss_stat;
};

struct vm_area_struct {
	struct file *vm_file;
};

/* ---- tasks ---- */

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct task_io_accounting {
	__u64 rchar, wchar;
	__u64 read_bytes, write_bytes;
};

struct signal_struct {
	atomic_t live;
	int group_exit_code;
	unsigned int flags;
};

struct kernfs_node {
	__u64 id;
	const char *name;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct rq;

struct cfs_rq {
	struct rq *rq;
	int throttle_count;
};

struct sched_entity {
	__u64 sum_exec_runtime;
	struct cfs_rq *cfs_rq;
};

struct thread_struct {
	unsigned long
		fsbase; /* x86-64: the thread pointer, as of the last system call that set it */
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state;
	unsigned int flags;
	struct sched_entity se;
	struct mm_struct *mm;
	int exit_code;
	unsigned int in_iowait : 1;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	__u64 utime, stime;
	unsigned long nvcsw, nivcsw;
	__u64 start_time;
	unsigned long min_flt, maj_flt;
	char comm[16];
	struct files_struct *files;
	struct signal_struct *signal;
	struct task_io_accounting ioac;
	struct css_set *cgroups;
	struct thread_struct thread;
};

struct task_struct___old { /* < 5.14, and back-ports */
	volatile long state;
};

struct task_struct___throttled { /* >= 6.18: one by one */
	bool throttled;
};

struct rq {
	int cpu;
};

struct linux_binprm {
	unsigned int secureexec : 1;
};

#pragma clang attribute pop

#endif
