/* SPDX-License-Identifier: MIT */
/* System calls of x86-64 by number (asm/unistd_64.h): their names, and what waiting in one of
 * them is about. Calls that are not in classes[] wait for WAIT_OTHER. */
#include "userspace/model/build/internal.h"

#include <stdio.h>

/* clang-format off */
static const char *const low_names[] = { /* from 0 */
	"read", "write", "open", "close", "stat", "fstat", "lstat", "poll", "lseek", "mmap",
	"mprotect", "munmap", "brk", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "ioctl",
	"pread64", "pwrite64", "readv", "writev", "access", "pipe", "select", "sched_yield",
	"mremap", "msync", "mincore", "madvise", "shmget", "shmat", "shmctl", "dup", "dup2",
	"pause", "nanosleep", "getitimer", "alarm", "setitimer", "getpid", "sendfile", "socket",
	"connect", "accept", "sendto", "recvfrom", "sendmsg", "recvmsg", "shutdown", "bind",
	"listen", "getsockname", "getpeername", "socketpair", "setsockopt", "getsockopt", "clone",
	"fork", "vfork", "execve", "exit", "wait4", "kill", "uname", "semget", "semop", "semctl",
	"shmdt", "msgget", "msgsnd", "msgrcv", "msgctl", "fcntl", "flock", "fsync", "fdatasync",
	"truncate", "ftruncate", "getdents", "getcwd", "chdir", "fchdir", "rename", "mkdir",
	"rmdir", "creat", "link", "unlink", "symlink", "readlink", "chmod", "fchmod", "chown",
	"fchown", "lchown", "umask", "gettimeofday", "getrlimit", "getrusage", "sysinfo", "times",
	"ptrace", "getuid", "syslog", "getgid", "setuid", "setgid", "geteuid", "getegid",
	"setpgid", "getppid", "getpgrp", "setsid", "setreuid", "setregid", "getgroups",
	"setgroups", "setresuid", "getresuid", "setresgid", "getresgid", "getpgid", "setfsuid",
	"setfsgid", "getsid", "capget", "capset", "rt_sigpending", "rt_sigtimedwait",
	"rt_sigqueueinfo", "rt_sigsuspend", "sigaltstack", "utime", "mknod", "uselib",
	"personality", "ustat", "statfs", "fstatfs", "sysfs", "getpriority", "setpriority",
	"sched_setparam", "sched_getparam", "sched_setscheduler", "sched_getscheduler",
	"sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval", "mlock",
	"munlock", "mlockall", "munlockall", "vhangup", "modify_ldt", "pivot_root", "_sysctl",
	"prctl", "arch_prctl", "adjtimex", "setrlimit", "chroot", "sync", "acct", "settimeofday",
	"mount", "umount2", "swapon", "swapoff", "reboot", "sethostname", "setdomainname", "iopl",
	"ioperm", "create_module", "init_module", "delete_module", "get_kernel_syms",
	"query_module", "quotactl", "nfsservctl", "getpmsg", "putpmsg", "afs_syscall", "tuxcall",
	"security", "gettid", "readahead", "setxattr", "lsetxattr", "fsetxattr", "getxattr",
	"lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr", "removexattr",
	"lremovexattr", "fremovexattr", "tkill", "time", "futex", "sched_setaffinity",
	"sched_getaffinity", "set_thread_area", "io_setup", "io_destroy", "io_getevents",
	"io_submit", "io_cancel", "get_thread_area", "lookup_dcookie", "epoll_create",
	"epoll_ctl_old", "epoll_wait_old", "remap_file_pages", "getdents64", "set_tid_address",
	"restart_syscall", "semtimedop", "fadvise64", "timer_create", "timer_settime",
	"timer_gettime", "timer_getoverrun", "timer_delete", "clock_settime", "clock_gettime",
	"clock_getres", "clock_nanosleep", "exit_group", "epoll_wait", "epoll_ctl", "tgkill",
	"utimes", "vserver", "mbind", "set_mempolicy", "get_mempolicy", "mq_open", "mq_unlink",
	"mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr", "kexec_load", "waitid",
	"add_key", "request_key", "keyctl", "ioprio_set", "ioprio_get", "inotify_init",
	"inotify_add_watch", "inotify_rm_watch", "migrate_pages", "openat", "mkdirat", "mknodat",
	"fchownat", "futimesat", "newfstatat", "unlinkat", "renameat", "linkat", "symlinkat",
	"readlinkat", "fchmodat", "faccessat", "pselect6", "ppoll", "unshare", "set_robust_list",
	"get_robust_list", "splice", "tee", "sync_file_range", "vmsplice", "move_pages",
	"utimensat", "epoll_pwait", "signalfd", "timerfd_create", "eventfd", "fallocate",
	"timerfd_settime", "timerfd_gettime", "accept4", "signalfd4", "eventfd2", "epoll_create1",
	"dup3", "pipe2", "inotify_init1", "preadv", "pwritev", "rt_tgsigqueueinfo",
	"perf_event_open", "recvmmsg", "fanotify_init", "fanotify_mark", "prlimit64",
	"name_to_handle_at", "open_by_handle_at", "clock_adjtime", "syncfs", "sendmmsg", "setns",
	"getcpu", "process_vm_readv", "process_vm_writev", "kcmp", "finit_module", "sched_setattr",
	"sched_getattr", "renameat2", "seccomp", "getrandom", "memfd_create", "kexec_file_load",
	"bpf", "execveat", "userfaultfd", "membarrier", "mlock2", "copy_file_range", "preadv2",
	"pwritev2", "pkey_mprotect", "pkey_alloc", "pkey_free", "statx", "io_pgetevents", "rseq",
};

#define HIGH_FIRST 424
static const char *const high_names[] = {
	"pidfd_send_signal", "io_uring_setup", "io_uring_enter", "io_uring_register", "open_tree",
	"move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "pidfd_open", "clone3",
	"close_range", "openat2", "pidfd_getfd", "faccessat2", "process_madvise", "epoll_pwait2",
	"mount_setattr", "quotactl_fd", "landlock_create_ruleset", "landlock_add_rule",
	"landlock_restrict_self", "memfd_secret", "process_mrelease", "futex_waitv",
	"set_mempolicy_home_node", "cachestat", "fchmodat2", "map_shadow_stack", "futex_wake",
	"futex_wait", "futex_requeue", "statmount", "listmount", "lsm_get_self_attr",
	"lsm_set_self_attr", "lsm_list_modules", "mseal",
};
/* clang-format on */

static const unsigned short classes[] = {
	/* enum wait_class; 0: WAIT_OTHER */
	/* clang-format off */
	[35] = WAIT_SLEEP, [230] = WAIT_SLEEP,		      /* nanosleep, clock_nanosleep */
	[7] = WAIT_POLL, [271] = WAIT_POLL,			      /* poll, ppoll */
	[23] = WAIT_POLL, [270] = WAIT_POLL,			      /* select, pselect6 */
	[232] = WAIT_POLL, [281] = WAIT_POLL, [441] = WAIT_POLL,   /* epoll_wait, _pwait, _pwait2 */
	[426] = WAIT_POLL, [208] = WAIT_POLL, [333] = WAIT_POLL,   /* io_uring_enter, io_getevents */
	[61] = WAIT_CHILD, [247] = WAIT_CHILD,		      /* wait4, waitid */
	[56] = WAIT_FORK, [57] = WAIT_FORK, [58] = WAIT_FORK, [435] = WAIT_FORK,
	[202] = WAIT_FUTEX, [449] = WAIT_FUTEX, [455] = WAIT_FUTEX,
	[65] = WAIT_FUTEX, [220] = WAIT_FUTEX,		      /* semop, semtimedop */
	[0] = WAIT_READ, [17] = WAIT_READ, [19] = WAIT_READ, [295] = WAIT_READ, [327] = WAIT_READ,
	[45] = WAIT_READ, [47] = WAIT_READ, [299] = WAIT_READ,     /* recvfrom, recvmsg, recvmmsg */
	[43] = WAIT_READ, [288] = WAIT_READ,			      /* accept, accept4 */
	[187] = WAIT_READ, [78] = WAIT_READ, [217] = WAIT_READ,    /* readahead, getdents, getdents64 */
	[1] = WAIT_WRITE, [18] = WAIT_WRITE, [20] = WAIT_WRITE, [296] = WAIT_WRITE,
	[328] = WAIT_WRITE, [44] = WAIT_WRITE, [46] = WAIT_WRITE, [307] = WAIT_WRITE,
	[74] = WAIT_WRITE, [75] = WAIT_WRITE, [26] = WAIT_WRITE,   /* fsync, fdatasync, msync */
	[162] = WAIT_WRITE, [306] = WAIT_WRITE, [277] = WAIT_WRITE, /* sync, syncfs, sync_file_range */
	[40] = WAIT_WRITE, [326] = WAIT_WRITE, [285] = WAIT_WRITE, /* sendfile, copy_file_range, fallocate */
	[76] = WAIT_WRITE, [77] = WAIT_WRITE,			      /* truncate, ftruncate */
	[275] = WAIT_READ, [276] = WAIT_READ, [278] = WAIT_WRITE,  /* splice, tee, vmsplice */
	[82] = WAIT_WRITE, [264] = WAIT_WRITE, [316] = WAIT_WRITE, /* rename… */
	[87] = WAIT_WRITE, [263] = WAIT_WRITE, [83] = WAIT_WRITE, [258] = WAIT_WRITE,
	[42] = WAIT_CONNECT,
	[73] = WAIT_LOCK, [72] = WAIT_LOCK,			      /* flock, fcntl */
	[34] = WAIT_SIGNAL, [130] = WAIT_SIGNAL, [128] = WAIT_SIGNAL, /* pause, rt_sigsuspend, … */
	[2] = WAIT_FILE, [257] = WAIT_FILE, [437] = WAIT_FILE, [85] = WAIT_FILE,
	[4] = WAIT_FILE, [5] = WAIT_FILE, [6] = WAIT_FILE, [262] = WAIT_FILE, [332] = WAIT_FILE,
	[21] = WAIT_FILE, [269] = WAIT_FILE, [439] = WAIT_FILE, [89] = WAIT_FILE, [267] = WAIT_FILE,
	[59] = WAIT_FILE, [322] = WAIT_FILE,			      /* execve, execveat */
	[9] = WAIT_FILE,					      /* mmap (MAP_POPULATE) */
	/* clang-format on */
};

/* NULL: none is known. */
static const char *known_name(unsigned int number)
{
	const size_t n_low = sizeof(low_names) / sizeof(low_names[0]);
	const size_t n_high = sizeof(high_names) / sizeof(high_names[0]);
	const char *name = NULL;

	if (number < n_low)
		name = low_names[number];
	else if (number >= HIGH_FIRST && number - HIGH_FIRST < n_high)
		name = high_names[number - HIGH_FIRST];
	else if (number == SL_NO_SYSCALL)
		name = "32-bit call";
	return name != NULL && name[0] != '\0' ? name : NULL;
}

const char *syscall_name(struct arena *a, unsigned int number)
{
	const char *known = known_name(number);
	if (known != NULL)
		return known;
	char text[32];
	(void)snprintf(text, sizeof(text), "syscall %u", number);
	const char *name = arena_intern(a, text);
	return name != NULL ? name : "";
}

bool syscall_matches(const char *glob)
{
	const unsigned int end = HIGH_FIRST + sizeof(high_names) / sizeof(high_names[0]);
	for (unsigned int number = 0; number < end; number++) {
		const char *name = known_name(number);
		if (name != NULL && series_matches(glob, name))
			return true;
	}
	return series_matches(glob, known_name(SL_NO_SYSCALL));
}

enum wait_class syscall_class(unsigned int number)
{
	if (number == SL_NO_SYSCALL)
		return WAIT_FAULT;
	if (number < sizeof(classes) / sizeof(classes[0]) && classes[number] != 0)
		return (enum wait_class)classes[number];
	return WAIT_OTHER;
}
