/* build: pthread dl */
/* SPDX-License-Identifier: MIT */
/* What is hard for whoever takes samples of the heap. See hard.h. If there is a file "books", what each case allocates
 * and frees is told there: of both numbers what was begun and what was done. If it is of 0 bytes nothing is allocated. */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <ucontext.h>

#include "hard.h"

enum { LARGE = 90001, N_BLOCKS = 97 };

static struct {
	int64_t begun, done, begun_frees, done_frees;
} nowhere, *books = &nowhere;
static int is_idle;

__attribute__((constructor)) static void open_books(void)
{
	const int fd = open("books", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	is_idle = lseek(fd, 0, SEEK_END) == 0;
	if (!is_idle)
		books = mmap(NULL, sizeof(*books), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
}

static void add(int64_t *sum)
{
	(void)__atomic_fetch_add(sum, 1, __ATOMIC_RELAXED);
}

static void *take(size_t n)
{
	if (is_idle)
		return NULL;
	add(&books->begun);
	void *p = malloc(n);
	add(&books->done);
	return p;
}

static void give(void *p)
{
	if (p == NULL)
		return;
	add(&books->begun_frees);
	free(p);
	add(&books->done_frees);
}

/* Nothing is left of them. */
static void use_heap(void)
{
	for (size_t i = 1; i < N_BLOCKS; i++)
		give(take(i % 7 == 0 ? LARGE : 41 * i));
}

/* No call of the allocator asks the kernel for anything from now on. */
static void settle(void)
{
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
	(void)mallopt(M_TOP_PAD, 1 << 22);
	for (int i = 0; i < 2; i++)
		use_heap();
}

static void *guarded_stack(size_t n)
{
	char *at = mmap(NULL, n + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)mprotect(at + PAGE, n, PROT_READ | PROT_WRITE);
	return at + PAGE;
}

/* ---- filters ---- */

CASE(strict_mode)
{
	settle();
	result("strict", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	for (int i = 0; i < 41; i++)
		use_heap();
	say("done\n");
	(void)syscall(SYS_exit, 0);
}

CASE(strict_mode_from_the_start)
{
	(void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	say("done\n");
	(void)syscall(SYS_exit, 0);
}

/* Kills on anything but these, and no hook sees it come. */
static void filter_unseen(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
		/* By which the shim asks whether there is one. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	static const struct sock_fprog program = { sizeof(code) / sizeof(*code), code };
	long r;

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(SYS_seccomp), "D"(SECCOMP_SET_MODE_FILTER), "S"(0), "d"(&program)
			 : "rcx", "r11", "memory");
	say("filter: %ld\n", r);
}

CASE(killing_filter_unseen)
{
	settle();
	filter_unseen();
	for (int i = 0; i < 41; i++)
		use_heap();
	say("done\n");
	_exit(3);
}

/* ---- descriptors ---- */

CASE(descriptors_closed_between_samples)
{
	for (int i = 0; i < 7; i++) {
		(void)close_range(3, ~0u, 0);
		use_heap();
		closefrom(3);
		say("next %d\n", open("/dev/null", O_RDONLY));
		use_heap();
	}
}

CASE(every_descriptor_taken)
{
	const struct rlimit few = { 16, 16 };

	(void)setrlimit(RLIMIT_NOFILE, &few);
	while (dup(STDOUT_FILENO) >= 0)
		;
	use_heap();
	say("done\n");
}

/* ---- libraries ---- */

CASE(a_thousand_libraries)
{
	for (int i = 0; i < 1000; i++) {
		void *m = dlopen("libm.so.6", RTLD_NOW | (i % 2 != 0 ? RTLD_DEEPBIND : 0));
		give(take(LARGE));
		if (m == NULL || dlclose(m) != 0)
			say("none\n");
	}
	say("done\n");
}

/* ---- signals ---- */

static struct range {
	uintptr_t from, to;
} libc_code;

/* The allocator may not be entered again, or left, at any point; all else may. */
static void find_libc(void)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");

	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned long from, to;
		if (strstr(line, "/libc.so") == NULL || sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		if (libc_code.from == 0)
			libc_code.from = from;
		libc_code.to = to;
	}
	(void)fclose(f);
}

static int is_in_libc(void *context)
{
	const ucontext_t *c = context;
	const uintptr_t at = (uintptr_t)c->uc_mcontext.gregs[REG_RIP];

	return at >= libc_code.from && at < libc_code.to;
}

static void every_millisecond(void (*handler)(int, siginfo_t *, void *), int flags)
{
	const struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };
	const struct itimerval often = { { 0, 1000 }, { 0, 1000 } };

	find_libc();
	(void)sigaction(SIGALRM, &action, NULL);
	(void)setitimer(ITIMER_REAL, &often, NULL);
}

static volatile sig_atomic_t n_handled;

static void allocates(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	if (is_in_libc(context))
		return;
	for (int i = 1; i < 7; i++)
		give(take(i == 3 ? LARGE : 97));
	n_handled++;
}

CASE(handlers_that_sample)
{
	every_millisecond(allocates, SA_RESTART);
	while (n_handled < 211)
		use_heap();
	say("done\n");
}

CASE(handlers_that_sample_on_a_small_stack)
{
	const stack_t stack = { .ss_sp = guarded_stack(2 * PAGE), .ss_size = 2 * PAGE };

	(void)sigaltstack(&stack, NULL);
	every_millisecond(allocates, SA_RESTART | SA_ONSTACK);
	while (n_handled < 211)
		use_heap();
	say("done\n");
}

static sigjmp_buf before;
static void leaves(int number, siginfo_t *info, void *context)
{
	(void)info;
	if (is_in_libc(context))
		return;
	siglongjmp(before, number);
}

CASE(jumps_out_of_allocations)
{
	static volatile int n;

	if (sigsetjmp(before, 1) == 0)
		every_millisecond(leaves, 0);
	while (n++ < 211)
		for (;;)
			use_heap();
	say("%d\n", n);
	(void)setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	use_heap();
}

/* ---- stacks ---- */

enum { COROUTINES = 41, ROUNDS = 97 };
static ucontext_t home, coroutines[COROUTINES];
static int n_running;

static void coroutine(int i)
{
	void *p = NULL;

	for (int round = 0; round < ROUNDS; round++) {
		give(p);
		p = take(round % 7 == 0 ? LARGE : (size_t)(i + 1) * 41);
		(void)swapcontext(&coroutines[i], &home);
	}
	give(p);
	n_running--;
}

CASE(coroutines_on_8k)
{
	for (int i = 0; i < COROUTINES; i++) {
		(void)getcontext(&coroutines[i]);
		coroutines[i].uc_stack.ss_size = 2 * PAGE;
		coroutines[i].uc_stack.ss_sp = guarded_stack(2 * PAGE);
		coroutines[i].uc_link = &home;
		makecontext(&coroutines[i], (void (*)(void))coroutine, 1, i);
	}
	n_running = COROUTINES;
	while (n_running > 0)
		for (int i = 0; i < COROUTINES; i++)
			if (coroutines[i].uc_link != NULL && n_running > 0) {
				const int were = n_running;
				(void)swapcontext(&home, &coroutines[i]);
				if (n_running < were)
					coroutines[i].uc_link = NULL;
			}
	say("done\n");
}

/* ---- processes ---- */

static void forks(int n)
{
	int status = 0, n_right = 0;

	for (int i = 0; i < n; i++) {
		void *inherited = take(LARGE);
		const pid_t pid = fork();
		if (pid == 0) {
			give(inherited);
			give(take(LARGE));
			_exit(i % 97);
		}
		give(inherited);
		(void)waitpid(pid, &status, 0);
		n_right += WIFEXITED(status) && WEXITSTATUS(status) == i % 97;
	}
	say("%d\n", n_right);
}

CASE(many_forks)
{
	const char *n = getenv("FORKS");

	forks(is_idle ? 0 : n == NULL ? 211 : atoi(n));
}

CASE(vfork_and_exec)
{
	int status = 0;

	for (int i = 0; i < 97; i++) {
		void *volatile p = take(LARGE);
		const pid_t pid = vfork();
		if (pid == 0) {
			/* In the parent's memory, and so the parent's. */
			give(take(LARGE));
			(void)execl("/bin/true", "true", (char *)NULL);
			_exit(9);
		}
		(void)waitpid(pid, &status, 0);
		give(p);
		if (status != 0)
			end_of("child", status);
	}
	say("done\n");
}

CASE(spawned)
{
	static char *const arguments[] = { "true", NULL };
	int status = 0;

	for (int i = 0; i < 97; i++) {
		pid_t pid = 0;
		void *p = take(LARGE);
		const int error = posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ);
		give(p);
		(void)waitpid(pid, &status, 0);
		if (error != 0 || status != 0)
			end_of("child", status);
	}
	say("done\n");
}
