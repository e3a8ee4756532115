/* build: pthread static nopie */
/* SPDX-License-Identifier: MIT */
/* System calls that libraries do not wrap, or seldom: processes made raw, traced, sealed in; memory that
 * user space serves; rings. Where the kernel refuses one it refuses it both times. See hard.h. */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "hard.h"

static void use_heap(void)
{
	for (size_t i = 1; i < 1000; i++)
		free(realloc(malloc(i), 2 * i));
}

static void waited(const char *what, pid_t pid)
{
	int status = 0;
	if (waitpid(pid, &status, __WALL) == pid)
		end_of(what, status);
	else
		result(what, -1);
}

static void exec_shell(void)
{
	(void)execl("/bin/sh", "sh", "-c", "/bin/true; exit 23", (char *)NULL);
	_exit(96);
}

/* ---- processes ---- */

static pid_t clone3(uint64_t flags, uint64_t signal, int *pidfd)
{
	struct clone_args a = { .flags = flags, .exit_signal = signal };
	a.pidfd = (uintptr_t)pidfd;
	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

CASE(clone3_by_hand)
{
	int pidfd = -1;
	pid_t pid = clone3(CLONE_PIDFD, SIGCHLD, &pidfd);
	if (pid == 0) {
		use_heap();
		exec_shell();
	}
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	say("poll %d\n", poll(&p, 1, 10000));
	siginfo_t info = { 0 };
	result("waitid", waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED));
	say("%d %d\n", info.si_status, pidfd);
	pid = clone3(0, 0, NULL);
	if (pid == 0)
		_exit(24);
	waited("without a signal", pid);
	pid = clone3(CLONE_CLEAR_SIGHAND, SIGCHLD, NULL);
	if (pid == 0)
		exec_shell();
	waited("cleared", pid);
	result("impossible", clone3(CLONE_FS | CLONE_NEWNS, SIGCHLD, NULL));
}

CASE(clone3_like_vfork)
{
	const pid_t pid = clone3(CLONE_VFORK, SIGCHLD, NULL);
	if (pid == 0)
		exec_shell();
	waited("vfork", pid);
}

static int on_new_stack(void *unused)
{
	(void)unused;
	use_heap();
	return 25;
}
CASE(clone_with_shared_memory)
{
	const size_t size = 1u << 18;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Stopped meanwhile: two that share thread storage must not allocate at once. */
	waited("vm", clone(on_new_stack, stack + size, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
	waited("files", clone(on_new_stack, stack + size, CLONE_FILES | CLONE_FS | SIGCHLD, NULL));
	use_heap();
}

CASE(pidfds)
{
	const pid_t pid = fork();
	if (pid == 0)
		(void)pause();
	const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	say("pidfd %d\n", fd);
	const int got = (int)syscall(SYS_pidfd_getfd, fd, 1, 0);
	say("from there %d\n", got);
	result("signal", syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
	waited("child", pid);
}

/* ---- tracing ---- */

static void be_traced(void)
{
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	(void)raise(SIGSTOP);
	exec_shell();
}
CASE(traced_child)
{
	int status = 0;
	const pid_t pid = fork();
	if (pid == 0)
		be_traced();
	(void)waitpid(pid, &status, 0);
	say("stopped %d\n", WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	result("options", ptrace(PTRACE_SETOPTIONS, pid, NULL,
				 PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
					 PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL));
	int n_execs = 0, n_children = 0;
	(void)ptrace(PTRACE_CONT, pid, NULL, NULL);
	for (;;) {
		const pid_t who = waitpid(-1, &status, __WALL);
		if (who < 0 || (who == pid && !WIFSTOPPED(status)))
			break;
		if (!WIFSTOPPED(status))
			continue;
		const int event = status >> 16;
		n_execs += event == PTRACE_EVENT_EXEC;
		n_children += event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
			      event == PTRACE_EVENT_CLONE;
		const int signal = event == 0 && WSTOPSIG(status) != SIGSTOP ? WSTOPSIG(status) : 0;
		(void)ptrace(PTRACE_CONT, who, NULL, signal);
	}
	end_of("traced", status);
	say("%d execs, %d children\n", n_execs, n_children);
}

CASE(traced_by_the_child)
{
	int ends[2];
	char byte = 0;
	(void)!pipe(ends);
	(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	const pid_t pid = fork();
	if (pid == 0) {
		const pid_t parent = getppid();
		result("seize", ptrace(PTRACE_SEIZE, parent, NULL, NULL));
		result("interrupt", ptrace(PTRACE_INTERRUPT, parent, NULL, NULL));
		(void)waitpid(parent, NULL, __WALL);
		result("detach", ptrace(PTRACE_DETACH, parent, NULL, NULL));
		(void)!write(ends[1], "x", 1);
		_exit(0);
	}
	(void)!read(ends[0], &byte, 1);
	use_heap();
	waited("tracer", pid);
}

CASE(memory_of_another)
{
	static char text[] = "before";
	const pid_t pid = fork();
	if (pid == 0)
		(void)pause();
	char copy[sizeof(text)] = "";
	const struct iovec here = { copy, sizeof(copy) }, there = { text, sizeof(text) };
	say("%zd %s\n", process_vm_readv(pid, &here, 1, &there, 1, 0), copy);
	result("madvise", syscall(SYS_kcmp, getpid(), pid, 0, 1, 1));
	(void)kill(pid, SIGKILL);
	waited("child", pid);
}

/* ---- what is taken away ---- */

static void strict(void)
{
	use_heap();
	(void)syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	say("strict\n");
	free(malloc(41));
	free(malloc(100));
	(void)syscall(SYS_exit, 26);
}
static void strict_by_library(void)
{
	use_heap();
	(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	free(malloc(41));
	(void)syscall(SYS_getpid);
}
CASE(strict_seccomp)
{
	in_child("raw", strict);
	in_child("by prctl", strict_by_library);
}

CASE(prctls)
{
	result("dumpable", prctl(PR_GET_DUMPABLE));
	result("keepcaps", prctl(PR_GET_KEEPCAPS));
	result("seccomp", prctl(PR_GET_SECCOMP));
	result("timing", prctl(PR_GET_TIMING));
	result("no new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	result("huge pages", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	result("slack", prctl(PR_GET_TIMERSLACK));
	result("nothing", prctl(9999));
	int reaper = -1, signal = -1;
	result("reaper", prctl(PR_GET_CHILD_SUBREAPER, &reaper));
	result("signal", prctl(PR_GET_PDEATHSIG, &signal));
	say("%d %d\n", reaper, signal);
	result("mdwe", prctl(65, 1, 0, 0, 0));
	result("exec after", mprotect(guarded_end() - PAGE, PAGE, PROT_READ | PROT_EXEC));
	use_heap();
	in_child("shell", exec_shell);
}

CASE(undumpable_and_unprivileged)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0);
	in_child("shell", exec_shell);
	const int fd = open("/proc/self/environ", O_RDONLY);
	say("environ %d\n", fd >= 0);
	result("dumpable", prctl(PR_GET_DUMPABLE));
}

static void in_namespaces(void)
{
	result("unshare", unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC));
	use_heap();
	in_child("shell", exec_shell);
}
CASE(namespaces)
{
	in_child("user", in_namespaces);
}

static void first_of_its_kind(void)
{
	say("pid %d\n", getpid());
	in_child("shell", exec_shell);
	in_child("shell", exec_shell);
}
static void with_new_pids(void)
{
	result("unshare", unshare(CLONE_NEWUSER | CLONE_NEWPID));
	in_child("first", first_of_its_kind);
}
CASE(processes_of_their_own)
{
	in_child("ids", with_new_pids);
}

CASE(personalities)
{
	const unsigned long kinds[] = { ADDR_NO_RANDOMIZE, ADDR_COMPAT_LAYOUT, READ_IMPLIES_EXEC,
					MMAP_PAGE_ZERO,	   ADDR_LIMIT_3GB,     UNAME26 };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const pid_t pid = fork();
		if (pid == 0) {
			(void)personality(kinds[i]);
			exec_shell();
		}
		waited("shell", pid);
	}
}

/* ---- programs without a file ---- */

static int copy_of(const char *path, unsigned int flags)
{
	char bytes[65536];
	const int memory = (int)syscall(SYS_memfd_create, "copy", flags);
	const int file = open(path, O_RDONLY);
	for (ssize_t n; (n = read(file, bytes, sizeof(bytes))) > 0;)
		(void)!write(memory, bytes, (size_t)n);
	(void)close(file);
	return memory;
}
CASE(sealed_program_in_memory)
{
	char *const args[] = { "echo", "from memory", NULL };
	const int fd = copy_of("/bin/echo", 3 /* close-on-exec, sealable */);
	result("seal", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW));
	const pid_t pid = fork();
	if (pid == 0) {
		(void)fexecve(fd, args, environ);
		_exit(errno);
	}
	waited("program", pid);
}

CASE(script_in_memory)
{
	char *const args[] = { "script", NULL };
	const int fd = (int)syscall(SYS_memfd_create, "script", 0);
	static const char text[] = "#!/bin/sh\nexit 27\n";
	(void)!write(fd, text, sizeof(text) - 1);
	pid_t pid = fork();
	if (pid == 0) {
		(void)fexecve(fd, args, environ);
		_exit(errno);
	}
	waited("script", pid);
	pid = fork();
	if (pid == 0) {
		char path[64];
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		(void)execv(path, args);
		_exit(errno);
	}
	waited("by name", pid);
}

CASE(deleted_program)
{
	char path[64];
	char *const args[] = { "true", NULL };
	(void)snprintf(path, sizeof(path), "/tmp/hard-deleted-%d", getpid());
	const int from = copy_of("/bin/true", 0),
		  to = open(path, O_WRONLY | O_CREAT | O_EXCL, 0755);
	char bytes[65536];
	(void)lseek(from, 0, SEEK_SET);
	for (ssize_t n; (n = read(from, bytes, sizeof(bytes))) > 0;)
		(void)!write(to, bytes, (size_t)n);
	const pid_t busy = fork();
	if (busy == 0) {
		(void)execv(path, args);
		_exit(errno == ETXTBSY ? 28 : 29);
	}
	waited("still written", busy);
	(void)close(to);
	const int fd = open(path, O_PATH | O_CLOEXEC);
	(void)unlink(path);
	const pid_t pid = fork();
	if (pid == 0) {
		(void)execveat(fd, "", args, environ, AT_EMPTY_PATH);
		_exit(errno);
	}
	waited("deleted", pid);
}

CASE(no_name_at_all)
{
	/* Linux puts an empty one there since 5.18, and says so in its log. */
	pid_t pid = fork();
	if (pid == 0) {
		(void)syscall(SYS_execve, "/bin/true", NULL, environ);
		_exit(errno);
	}
	waited("NULL", pid);
	pid = fork();
	if (pid == 0) {
		(void)execve("/bin/sh", (char *[]){ NULL }, environ);
		_exit(errno);
	}
	waited("empty", pid);
	pid = fork();
	if (pid == 0) {
		(void)execve("/bin/sh", (char *[]){ "", "-c", "echo \"[$0]\"; exit 30", NULL },
			     NULL);
		_exit(errno);
	}
	waited("empty name", pid);
}

/* ---- memory and rings ---- */

static int fault_fd;
static void *serve_fault(void *page)
{
	struct uffd_msg m;
	(void)!read(fault_fd, &m, sizeof(m));
	static char filled[PAGE] __attribute__((aligned(PAGE)));
	memset(filled, 'u', sizeof(filled));
	struct uffdio_copy c = { .dst = (uintptr_t)page, .src = (uintptr_t)filled, .len = PAGE };
	(void)ioctl(fault_fd, UFFDIO_COPY, &c);
	return NULL;
}
CASE(faults_served_by_a_thread)
{
	pthread_t t;
	fault_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	result("userfaultfd", fault_fd < 0 ? -1 : 0);
	if (fault_fd < 0)
		return;
	struct uffdio_api api = { .api = UFFD_API };
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register r = { .range = { (uintptr_t)page, PAGE },
				     .mode = UFFDIO_REGISTER_MODE_MISSING };
	result("api", ioctl(fault_fd, UFFDIO_API, &api));
	result("register", ioctl(fault_fd, UFFDIO_REGISTER, &r));
	(void)pthread_create(&t, NULL, serve_fault, page);
	say("%c\n", *(volatile char *)page);
	(void)pthread_join(t, NULL);
	/* And given to the shim, which must not wait for a page that nobody serves. */
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r.range.start = (uintptr_t)page;
	(void)ioctl(fault_fd, UFFDIO_REGISTER, &r);
	errno = 0;
	result("execve", execve(page, (char *[]){ "true", NULL }, environ));
}

CASE(ring)
{
	struct io_uring_params p = { 0 };
	const int fd = (int)syscall(SYS_io_uring_setup, 4, &p);
	result("setup", fd < 0 ? -1 : 0);
	if (fd < 0)
		return;
	say("descriptor %d\n", fd);
	const size_t n = p.sq_off.array + p.sq_entries * sizeof(uint32_t);
	const size_t m = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	char *sq = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	char *cq = mmap(NULL, m, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_CQ_RING);
	struct io_uring_sqe *e = mmap(NULL, p.sq_entries * sizeof(*e), PROT_READ | PROT_WRITE,
				      MAP_SHARED, fd, IORING_OFF_SQES);
	e[0] = (struct io_uring_sqe){ .opcode = IORING_OP_WRITE,
				      .fd = 1,
				      .addr = (uintptr_t) "by a ring\n",
				      .len = 10,
				      .off = (uint64_t)-1,
				      .user_data = 41 };
	e[1] = (struct io_uring_sqe){ .opcode = IORING_OP_CLOSE, .fd = 999, .user_data = 43 };
	for (uint32_t i = 0; i < 2; i++)
		((uint32_t *)(void *)(sq + p.sq_off.array))[i] = i;
	__atomic_store_n((uint32_t *)(void *)(sq + p.sq_off.tail), 2, __ATOMIC_RELEASE);
	result("enter", syscall(SYS_io_uring_enter, fd, 2, 2, IORING_ENTER_GETEVENTS, NULL, 0));
	const struct io_uring_cqe *c = (const void *)(cq + p.cq_off.cqes);
	long sum = 0;
	for (int i = 0; i < 2; i++)
		sum += (long)c[i].user_data * 1000 + c[i].res;
	say("%ld\n", sum);
}

CASE(memory_of_all_kinds)
{
	const size_t size = 1u << 21;
	char *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	result("protect", mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	*p = 1;
	result("dontneed", madvise(p, size, MADV_DONTNEED));
	say("%d\n", *p);
	result("wipe", madvise(p, size, MADV_WIPEONFORK));
	result("dontfork", madvise(p, size, MADV_DONTFORK));
	result("fixed", mmap(p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			     -1, 0) == MAP_FAILED
				? -1
				: 0);
	result("zero",
	       mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
	void *moved = mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	result("mremap", moved == MAP_FAILED ? -1 : 0);
	result("lock", mlock2(moved, PAGE, MLOCK_ONFAULT));
	char *before = sbrk(0);
	say("brk %d %d\n", sbrk(PAGE) == before, brk(before));
	use_heap();
}

CASE(system_calls_that_do_not_exist)
{
	result("nothing", syscall(9999));
	result("negative", syscall(-5));
	result("afs", syscall(SYS_afs_syscall));
	result("x32", syscall(0x40000000 | SYS_getpid));
}

CASE(ports_and_options)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	say("descriptor %d\n", fd);
	const int one = 1;
	int value = 0;
	socklen_t n = sizeof(value);
	result("set", setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
	result("listen", listen(fd, 0));
	result("get", getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &n));
	say("%d\n", value);
	result("again", listen(fd, 4096));
	result("accept", accept4(fd, NULL, NULL, 0x12345));
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	result("none", accept4(fd, NULL, NULL, SOCK_CLOEXEC));
	result("shutdown", shutdown(fd, SHUT_RDWR));
	result("after", accept(fd, NULL, NULL));
	result("family", socket(99, 0, 0));
	int pair[2];
	result("pair", socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	result("send", send(pair[0], "x", 1, MSG_NOSIGNAL));
	(void)close(pair[1]);
	result("broken", send(pair[0], "x", 1, MSG_NOSIGNAL));
	(void)write(pair[0], "x", 1);
	say("never\n");
}
