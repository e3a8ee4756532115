/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* What takes rights and room away from a program, and from whoever is in it: filters of system calls
 * that no library function installs, Landlock, limits. See hard.h. */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "hard.h"

/* ---- filters ---- */

/* Without any function that could be stood in front of. */
static long raw(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

static void install(uint32_t action, const int *numbers, size_t n, bool is_list_allowed)
{
	struct sock_filter code[64] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr)) };
	size_t at = 1;
	for (size_t i = 0; i < n; i++) {
		code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							  (uint32_t)numbers[i], 0, 1);
		code[at++] = (struct sock_filter)BPF_STMT(
			BPF_RET | BPF_K, is_list_allowed ? SECCOMP_RET_ALLOW : action);
	}
	code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
						  is_list_allowed ? action : SECCOMP_RET_ALLOW);
	const struct sock_fprog program = { (unsigned short)at, code };
	(void)raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program, 0, 0) != 0)
		_exit(97);
}

/* Files, memory, identity: what a shim would want to ask for. */
static const int denied[] = { SYS_openat,    SYS_open,	    SYS_newfstatat,   SYS_fstat,
			      SYS_fallocate, SYS_ftruncate, SYS_memfd_create, SYS_clock_gettime,
			      SYS_getuid,    SYS_faccessat, SYS_readlink,     SYS_prlimit64,
			      SYS_getppid,   SYS_fcntl,	    SYS_getsockname,  SYS_getsockopt,
			      SYS_getpid };
enum { N_DENIED = sizeof(denied) / sizeof(denied[0]) };

static void deny_by_death(void)
{
	install(SECCOMP_RET_KILL_PROCESS, denied, N_DENIED, false);
}
static void deny_by_error(void)
{
	install(SECCOMP_RET_ERRNO | 1, denied, N_DENIED, false);
}
static void deny_by_trap(void)
{
	install(SECCOMP_RET_TRAP, denied, N_DENIED, false);
}

static void allow_few(void)
{
	static const int few[] = { SYS_read,	       SYS_write,	 SYS_exit_group,
				   SYS_exit,	       SYS_clone,	 SYS_clone3,
				   SYS_wait4,	       SYS_brk,		 SYS_mmap,
				   SYS_munmap,	       SYS_mprotect,	 SYS_futex,
				   SYS_rseq,	       SYS_prctl,	 SYS_set_robust_list,
				   SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigreturn,
				   SYS_poll,	       SYS_madvise,	 SYS_getpid,
				   SYS_gettid };
	install(SECCOMP_RET_KILL_PROCESS, few, sizeof(few) / sizeof(few[0]), true);
}

static void allocate(void)
{
	for (int i = 1; i < 2000; i++)
		free(realloc(malloc((size_t)i), (size_t)i * 2));
}

static void allocate_and_fork(void)
{
	allocate();
	in_child("grandchild", allocate);
}

static void in_filter(void (*filter)(void), void (*step)(void))
{
	/* Loaded and warm: libc itself is not what is tried. */
	allocate();
	say("before\n");
	filter();
	step();
	in_child("child", step);
}

CASE(killing_filter_fork)
{
	in_filter(deny_by_death, allocate_and_fork);
}
CASE(refusing_filter_fork)
{
	in_filter(deny_by_error, allocate_and_fork);
}
CASE(trapping_filter_fork)
{
	in_filter(deny_by_trap, allocate_and_fork);
}
CASE(narrow_filter_fork)
{
	in_filter(allow_few, allocate_and_fork);
}

static void *allocate_on_thread(void *unused)
{
	allocate();
	return unused;
}

static void on_threads(void)
{
	pthread_t t[3];
	for (int i = 0; i < 3; i++) {
		if (pthread_create(&t[i], NULL, allocate_on_thread, NULL) != 0)
			say("no thread\n");
	}
	for (int i = 0; i < 3; i++)
		(void)pthread_join(t[i], NULL);
}

CASE(killing_filter_threads)
{
	in_filter(deny_by_death, on_threads);
}

static void wait_for_sockets(void)
{
	int ends[2];
	struct pollfd one = { .events = POLLIN };
	say("pair %d\n", socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	one.fd = ends[0];
	say("poll %d\n", poll(&one, 1, 1));
	say("listen %d\n", listen(ends[0], 5));
	say("accept %d\n", accept(ends[0], NULL, NULL));
	say("connect %d\n", connect(ends[0], &(struct sockaddr){ .sa_family = AF_UNIX }, 2));
}

CASE(killing_filter_sockets)
{
	in_filter(deny_by_death, wait_for_sockets);
}

/* What the loader needs is allowed, so the image starts; what else it does is its own. */
static const int after_exec[] = { SYS_fallocate, SYS_madvise, SYS_getppid,   SYS_readlink,
				  SYS_faccessat, SYS_getuid,  SYS_ftruncate, SYS_clock_gettime };

static void filter_for_exec(void)
{
	install(SECCOMP_RET_KILL_PROCESS, after_exec, sizeof(after_exec) / sizeof(after_exec[0]),
		false);
}

static void exec_true(void)
{
	(void)execl("/bin/true", "true", (char *)NULL);
}

CASE(filtered_exec)
{
	filter_for_exec();
	in_child("exec", exec_true);
	in_child("allocate", allocate);
	int status = 0;
	pid_t pid = vfork();
	if (pid == 0) {
		(void)execl("/bin/true", "true", (char *)NULL);
		_exit(96);
	}
	(void)waitpid(pid, &status, 0);
	end_of("vfork", status);
	say("spawn %d\n",
	    posix_spawn(&pid, "/bin/true", NULL, NULL, (char *[]){ "true", NULL }, environ));
	(void)waitpid(pid, &status, 0);
	end_of("spawn", status);
}

static void by_library(const char *function)
{
	/* Not the first that is called so, but libc's own. */
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	allocate();
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (strcmp(function, "prctl") == 0) {
		int (*f)(int, ...) = (int (*)(int, ...))dlsym(libc, function);
		result(function, f(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
	} else {
		long (*f)(long, ...) = (long (*)(long, ...))dlsym(libc, function);
		result(function, f(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	}
	in_child("child", allocate_and_fork);
}

CASE(filter_by_libcs_prctl)
{
	by_library("prctl");
}
CASE(filter_by_libcs_syscall)
{
	by_library("syscall");
}

static void by_hooked(bool is_prctl)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	allocate();
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	result("filter", is_prctl ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)
				  : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	in_child("child", allocate_and_fork);
}

CASE(filter_by_prctl)
{
	by_hooked(true);
}
CASE(filter_by_syscall)
{
	by_hooked(false);
}

/* ---- Landlock ---- */

static void lock_to_system(void)
{
	const struct landlock_ruleset_attr rules = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
				     LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG,
	};
	static const char *const places[] = { "/usr", "/bin", "/lib", "/lib64", "/etc", "/proc" };
	const int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
	for (size_t i = 0; fd >= 0 && i < sizeof(places) / sizeof(places[0]); i++) {
		const struct landlock_path_beneath_attr beneath = {
			.allowed_access = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE,
			.parent_fd = open(places[i], O_PATH | O_CLOEXEC),
		};
		(void)syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	}
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	say("landlock: %d\n", fd < 0 ? -1 : (int)syscall(SYS_landlock_restrict_self, fd, 0));
}

CASE(landlock_exec)
{
	int status = 0;
	lock_to_system();
	in_child("exec", exec_true);
	in_child("allocate", allocate);
	result("system", system("/bin/true; exit 3"));
	FILE *f = popen("exit 4", "r");
	result("popen", pclose(f));
	pid_t pid = -1;
	say("spawn %d\n",
	    posix_spawn(&pid, "/bin/true", NULL, NULL, (char *[]){ "true", NULL }, environ));
	(void)waitpid(pid, &status, 0);
	end_of("spawn", status);
}

/* ---- limits ---- */

static void limit(int what, rlim_t value)
{
	const struct rlimit l = { value, value };
	result("limit", setrlimit(what, &l));
}

static void exec_shell(void)
{
	(void)execl("/bin/sh", "sh", "-c", "/bin/true; exit 7", NULL);
}

static void under_limit(int what, rlim_t value)
{
	limit(what, value);
	allocate();
	in_child("allocate", allocate_and_fork);
	in_child("exec", exec_true);
	in_child("shell", exec_shell);
	result("system", system("exit 3"));
	int status = 0;
	pid_t pid = vfork();
	if (pid == 0) {
		(void)execl("/bin/true", "true", (char *)NULL);
		_exit(96);
	}
	(void)waitpid(pid, &status, 0);
	end_of("vfork", status);
}

CASE(no_files)
{
	under_limit(RLIMIT_NOFILE, 0);
}
CASE(three_files)
{
	under_limit(RLIMIT_NOFILE, 3);
}
CASE(four_files)
{
	under_limit(RLIMIT_NOFILE, 4);
}
CASE(six_files)
{
	under_limit(RLIMIT_NOFILE, 6);
}
CASE(file_size_0)
{
	under_limit(RLIMIT_FSIZE, 0);
}
CASE(file_size_4k)
{
	under_limit(RLIMIT_FSIZE, 4096);
}
CASE(file_size_24k)
{
	under_limit(RLIMIT_FSIZE, 24576);
}
CASE(locked_0)
{
	under_limit(RLIMIT_MEMLOCK, 0);
}
CASE(data_2m)
{
	under_limit(RLIMIT_DATA, 2u << 20);
}
CASE(stack_64k)
{
	under_limit(RLIMIT_STACK, 65536);
}
CASE(stack_1m)
{
	under_limit(RLIMIT_STACK, 1u << 20);
}
CASE(address_space_64m)
{
	under_limit(RLIMIT_AS, 64u << 20);
}
CASE(address_space_16m)
{
	under_limit(RLIMIT_AS, 16u << 20);
}
CASE(no_signals_pending)
{
	under_limit(RLIMIT_SIGPENDING, 0);
}
CASE(no_priority)
{
	under_limit(RLIMIT_NICE, 0);
}

CASE(address_space_full)
{
	/* As much as the program has, and nothing more. */
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	(void)!fscanf(f, "%ld", &pages);
	(void)fclose(f);
	limit(RLIMIT_AS, (rlim_t)pages * PAGE);
	result("large", malloc(64u << 20) == NULL ? -1 : 0);
	in_child("allocate", allocate);
	in_child("fork", allocate_and_fork);
}

CASE(all_descriptors_taken)
{
	limit(RLIMIT_NOFILE, 64);
	int n = 0;
	while (dup(1) >= 0)
		n++;
	say("all taken %d\n", n > 50);
	allocate();
	in_child("allocate", allocate_and_fork);
	in_child("exec", exec_true);
	FILE *f = popen("exit 4", "r");
	say("popen %d %s\n", f != NULL, f == NULL ? strerrorname_np(errno) : "");
	result("system", system("exit 3"));
	(void)raw(SYS_close_range, 3, ~0u, 0, 0, 0);
	say("next %d\n", open("/dev/null", O_RDONLY));
}

CASE(all_locked)
{
	result("mlockall", mlockall(MCL_CURRENT | MCL_FUTURE) < 0 ? 0 : 0);
	allocate();
	in_child("allocate", allocate_and_fork);
	in_child("exec", exec_true);
}

CASE(undumpable)
{
	result("prctl", prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	allocate();
	in_child("allocate", allocate_and_fork);
	in_child("exec", exec_shell);
}

CASE(another_user)
{
	if (setgid(65534) != 0 || setuid(65534) != 0)
		say("not root\n");
	allocate();
	in_child("allocate", allocate_and_fork);
	in_child("exec", exec_shell);
	result("system", system("exit 3"));
	FILE *f = popen("exit 4", "r");
	result("popen", pclose(f));
}

CASE(another_root)
{
	if (chroot("/proc/self") != 0 || chdir("/") != 0)
		say("not root\n");
	allocate();
	in_child("allocate", allocate_and_fork);
	in_child("exec", exec_true);
	result("system", system("exit 3") != 0);
}
