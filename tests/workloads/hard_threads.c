/* build: pthread static m32 nopie */
/* SPDX-License-Identifier: MIT */
/* Threads, signals, ends and libraries as they are seldom used. See hard.h. */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <ucontext.h>

#include "hard.h"

static void use_heap(void)
{
	for (size_t i = 1; i < 1000; i++)
		free(realloc(malloc(i), 2 * i));
}

/* ---- ends ---- */

static void first(void)
{
	say("registered first\n");
	free(malloc(41));
}
static void second(void)
{
	say("registered second\n");
}
static void on_exit_too(int status, void *unused)
{
	(void)unused;
	say("status %d\n", status);
}

static void end_in_order(void)
{
	(void)atexit(first);
	(void)on_exit(on_exit_too, NULL);
	(void)atexit(second);
	(void)at_quick_exit(second);
	exit(5);
}
static void end_quickly(void)
{
	(void)atexit(first);
	(void)at_quick_exit(second);
	quick_exit(6);
}
static void exit_again(void)
{
	say("again\n");
	_exit(7);
}
static void end_within_the_end(void)
{
	(void)atexit(exit_again);
	exit(1);
}
static void *slow_thread(void *unused)
{
	(void)usleep(30000);
	use_heap();
	say("thread ends\n");
	return unused;
}
static void end_of_first_thread(void)
{
	pthread_t t;
	(void)atexit(first);
	(void)pthread_create(&t, NULL, slow_thread, NULL);
	pthread_exit(NULL);
}
static void *exit_of_thread(void *unused)
{
	(void)unused;
	exit(8);
}
static void end_by_thread(void)
{
	pthread_t t;
	(void)atexit(first);
	(void)pthread_create(&t, NULL, exit_of_thread, NULL);
	(void)pause();
}
static void abort_with_handler(void)
{
	(void)signal(SIGABRT, SIG_IGN);
	abort();
}
static void raw_exit(void)
{
	(void)syscall(SYS_exit_group, 9);
}
static void trap_instruction(void)
{
	__builtin_trap();
}

CASE(ends)
{
	in_child("in order", end_in_order);
	in_child("quickly", end_quickly);
	in_child("again", end_within_the_end);
	in_child("first thread", end_of_first_thread);
	in_child("by a thread", end_by_thread);
	in_child("abort", abort_with_handler);
	in_child("raw", raw_exit);
	in_child("trap", trap_instruction);
}

/* ---- thread ends ---- */

static pthread_key_t key;
static void key_end(void *value)
{
	say("key %s\n", (const char *)value);
	free(value);
}
static void *with_key(void *unused)
{
	(void)pthread_setspecific(key, strdup("value"));
	return unused;
}
CASE(keys_end_with_threads)
{
	pthread_t t;
	(void)pthread_key_create(&key, key_end);
	for (int i = 0; i < 3; i++) {
		(void)pthread_create(&t, NULL, with_key, NULL);
		(void)pthread_join(t, NULL);
	}
	int n = 0;
	pthread_key_t k;
	while (n < 5000 && pthread_key_create(&k, NULL) == 0)
		n++;
	say("keys left %d\n", n);
}

static void clean(void *what)
{
	say("clean %s\n", (const char *)what);
	use_heap();
}
static void *cancelled(void *unused)
{
	pthread_cleanup_push(clean, (void *)"outer");
	pthread_cleanup_push(clean, (void *)"inner");
	for (;;) {
		use_heap();
		pthread_testcancel();
	}
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return unused;
}
static void *cancelled_anywhere(void *unused)
{
	(void)pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		__asm__ volatile("pause");
	return unused;
}
static void *cancelled_asleep(void *unused)
{
	char byte;
	int ends[2];
	(void)!pipe(ends);
	(void)!read(ends[0], &byte, 1);
	return unused;
}
CASE(threads_cancelled)
{
	void *(*const ways[])(void *) = { cancelled, cancelled_anywhere, cancelled_asleep };
	for (int i = 0; i < 3; i++) {
		pthread_t t;
		void *value = NULL;
		(void)pthread_create(&t, NULL, ways[i], NULL);
		(void)usleep(10000);
		(void)pthread_cancel(t);
		(void)pthread_join(t, &value);
		say("cancelled %d\n", value == PTHREAD_CANCELED);
	}
}

static void *detached(void *sem)
{
	use_heap();
	(void)sem_post(sem);
	return NULL;
}
CASE(two_thousand_threads)
{
	sem_t done;
	pthread_attr_t a;
	(void)sem_init(&done, 0, 0);
	(void)pthread_attr_init(&a);
	(void)pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&a, 32768);
	for (int i = 0; i < 2000; i++) {
		pthread_t t;
		while (pthread_create(&t, &a, detached, &done) != 0)
			(void)usleep(100);
	}
	for (int i = 0; i < 2000; i++)
		(void)sem_wait(&done);
	say("done\n");
}

CASE(three_hundred_threads_at_once)
{
	static pthread_t t[300];
	int n = 0;
	for (int i = 0; i < 300; i++)
		n += pthread_create(&t[i], NULL, cancelled_asleep, NULL) == 0;
	for (int i = 0; i < 300; i++)
		(void)pthread_cancel(t[i]);
	for (int i = 0; i < 300; i++)
		(void)pthread_join(t[i], NULL);
	say("%d\n", n);
}

static void *smallest(void *unused)
{
	free(malloc(41));
	int status = 0;
	const pid_t pid = fork();
	if (pid == 0) {
		free(malloc(41));
		_exit(24);
	}
	(void)waitpid(pid, &status, 0);
	end_of("child", status);
	return unused;
}
CASE(smallest_stack)
{
	pthread_attr_t a;
	pthread_t t;
	(void)pthread_attr_init(&a);
	/* Anything below is refused. */
	result("too small", pthread_attr_setstacksize(&a, 100) != 0);
	const size_t size = (size_t)sysconf(_SC_THREAD_STACK_MIN);
	(void)pthread_attr_setstacksize(&a, size < 16384 ? 16384 : size);
	const int error = pthread_create(&t, &a, smallest, NULL);
	if (error == 0)
		(void)pthread_join(t, NULL);
	result("create", error);
}

static void *forks(void *unused)
{
	for (int i = 0; i < 20; i++) {
		int status = 0;
		const pid_t pid = fork();
		if (pid == 0) {
			use_heap();
			_exit(25);
		}
		(void)waitpid(pid, &status, 0);
		if (WEXITSTATUS(status) != 25)
			end_of("child", status);
	}
	return unused;
}
static volatile bool is_over;
static void *allocates(void *unused)
{
	while (!is_over)
		use_heap();
	return unused;
}
CASE(forks_while_others_allocate)
{
	pthread_t t[3], f[2];
	for (int i = 0; i < 3; i++)
		(void)pthread_create(&t[i], NULL, allocates, NULL);
	for (int i = 0; i < 2; i++)
		(void)pthread_create(&f[i], NULL, forks, NULL);
	for (int i = 0; i < 2; i++)
		(void)pthread_join(f[i], NULL);
	is_over = true;
	for (int i = 0; i < 3; i++)
		(void)pthread_join(t[i], NULL);
	say("done\n");
}

static void *handed_on(void *block)
{
	free(block);
	return malloc(43);
}
CASE(blocks_freed_by_other_threads)
{
	void *block = malloc(41);
	for (int i = 0; i < 300; i++) {
		pthread_t t;
		(void)pthread_create(&t, NULL, handed_on, block);
		(void)pthread_join(t, &block);
	}
	free(block);
	say("done\n");
}

CASE(names_of_threads)
{
	char name[17] = "";
	(void)prctl(PR_SET_NAME, "renamed");
	(void)prctl(PR_GET_NAME, name);
	say("%s\n", name);
	result("too long", pthread_setname_np(pthread_self(), "sixteen letters!"));
	FILE *f = fopen("/proc/self/comm", "r");
	say("%s", fgets(name, sizeof(name), f));
	(void)fclose(f);
}

/* ---- signals ---- */

static volatile sig_atomic_t n_signals;
static void *volatile kept[64];
static void allocate_in_handler(int number)
{
	(void)number;
	const int i = n_signals++ & 63;
	/* As programs do that should not: between allocations of the interrupted thread, not within. */
	kept[i] = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)munmap(kept[i], PAGE);
}
CASE(handlers_between_allocations)
{
	const struct itimerval often = { { 0, 500 }, { 0, 500 } };
	(void)signal(SIGALRM, allocate_in_handler);
	(void)setitimer(ITIMER_REAL, &often, NULL);
	while (n_signals < 100)
		use_heap();
	say("done\n");
}

static void handler_mallocs(int number)
{
	(void)number;
	free(malloc(41));
	n_signals++;
}
CASE(handlers_that_allocate)
{
	(void)signal(SIGUSR1, handler_mallocs);
	for (int i = 0; i < 1000; i++)
		(void)raise(SIGUSR1);
	say("%d\n", (int)n_signals);
}

static sigjmp_buf back;
static void jump_back(int number)
{
	siglongjmp(back, number);
}
CASE(jumps_out_of_faults)
{
	(void)signal(SIGSEGV, jump_back);
	(void)signal(SIGFPE, jump_back);
	for (int i = 0; i < 100; i++) {
		const int number = sigsetjmp(back, 1);
		if (number == 0)
			*(volatile char *)guarded_end() = 1;
		else if (number != SIGSEGV)
			say("another\n");
		use_heap();
	}
	volatile int zero = 0;
	const int number = sigsetjmp(back, 1);
	if (number == 0)
		zero = 1 / zero;
	say("%d\n", number);
}

static void fault_address(int number, siginfo_t *info, void *context)
{
	(void)context;
	say("%d code %d address %d\n", number, info->si_code, info->si_addr == (void *)8);
	_exit(11);
}
static void fault(void)
{
	const struct sigaction a = { .sa_sigaction = fault_address, .sa_flags = SA_SIGINFO };
	(void)sigaction(SIGSEGV, &a, NULL);
	*(volatile char *)8 = 1;
}
static int descend(volatile int n)
{
	volatile char room[1024];
	room[0] = (char)n;
	return n < 0 ? 0 : descend(n + 1) + room[0];
}
static void overflow(void)
{
	static char stack[65536];
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const struct sigaction a = { .sa_handler = jump_back, .sa_flags = SA_ONSTACK };
	(void)sigaltstack(&alternate, NULL);
	(void)sigaction(SIGSEGV, &a, NULL);
	if (sigsetjmp(back, 1) == 0)
		(void)descend(0);
	use_heap();
	say("caught\n");
	_exit(12);
}
static void overflow_for_good(void)
{
	(void)descend(0);
}
CASE(faults)
{
	in_child("address", fault);
	in_child("stack caught", overflow);
	in_child("stack", overflow_for_good);
}

CASE(smallest_signal_stack)
{
	stack_t s = { .ss_sp = guarded_end() - PAGE, .ss_size = 100 };
	result("too small", sigaltstack(&s, NULL));
	s.ss_size = getauxval(AT_MINSIGSTKSZ) + 1024;
	s.ss_sp = malloc(s.ss_size);
	result("set", sigaltstack(&s, NULL));
	const struct sigaction a = { .sa_handler = handler_mallocs, .sa_flags = SA_ONSTACK };
	(void)sigaction(SIGUSR1, &a, NULL);
	/* Warm, as in any program. */
	free(malloc(41));
	(void)raise(SIGUSR1);
	say("%d\n", (int)n_signals);
}

CASE(waits_for_signals)
{
	sigset_t set;
	siginfo_t info;
	struct signalfd_siginfo read_info;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGRTMIN + 3);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)raise(SIGUSR1);
	result("sigwaitinfo", sigwaitinfo(&set, &info));
	for (int i = 0; i < 3; i++)
		(void)sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = i });
	const int fd = signalfd(-1, &set, SFD_CLOEXEC);
	for (int i = 0; i < 3; i++) {
		const ssize_t n = read(fd, &read_info, sizeof(read_info));
		say("%zd %u %d\n", n, read_info.ssi_signo == (unsigned int)SIGRTMIN + 3,
		    read_info.ssi_int);
	}
	const struct timespec no_time = { 0, 1000 };
	result("sigtimedwait", sigtimedwait(&set, &info, &no_time));
}

static void count(int number)
{
	(void)number;
	n_signals++;
}
static void count_value(union sigval value)
{
	n_signals += value.sival_int;
}
CASE(timers_of_all_kinds)
{
	timer_t t;
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	const struct itimerspec soon = { { 0, 0 }, { 0, 5000000 } };
	(void)signal(SIGUSR2, count);
	result("timer", timer_create(CLOCK_MONOTONIC, &e, &t));
	(void)timer_settime(t, 0, &soon, NULL);
	while (n_signals == 0)
		(void)usleep(1000);
	(void)timer_delete(t);
	e = (struct sigevent){ .sigev_notify = SIGEV_THREAD,
			       .sigev_notify_function = count_value,
			       .sigev_value.sival_int = 41 };
	result("timer", timer_create(CLOCK_MONOTONIC, &e, &t));
	(void)timer_settime(t, 0, &soon, NULL);
	while (n_signals < 41)
		(void)usleep(1000);
	say("%d\n", (int)n_signals);
	uint64_t n = 0;
	const int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	(void)timerfd_settime(fd, 0, &soon, NULL);
	say("%zd %d\n", read(fd, &n, sizeof(n)), (int)n);
	const int event = eventfd(3, EFD_SEMAPHORE);
	say("%zd %d, descriptors %d %d\n", read(event, &n, sizeof(n)), (int)n, fd, event);
}

static ucontext_t home, away;
static void elsewhere(void)
{
	use_heap();
	say("elsewhere\n");
}
CASE(other_stacks)
{
	(void)getcontext(&away);
	away.uc_stack.ss_size = 65536;
	away.uc_stack.ss_sp = malloc(away.uc_stack.ss_size);
	away.uc_link = &home;
	makecontext(&away, elsewhere, 0);
	(void)swapcontext(&home, &away);
	say("back\n");
	free(away.uc_stack.ss_sp);
}

/* ---- libraries and allocators ---- */

CASE(libraries_loaded_often)
{
	for (int i = 0; i < 200; i++) {
		void *m = dlopen("libm.so.6", RTLD_NOW | (i % 2 != 0 ? RTLD_GLOBAL : RTLD_LOCAL));
		if (m == NULL || dlsym(m, "cos") == NULL)
			say("none\n");
		use_heap();
		if (m != NULL)
			(void)dlclose(m);
	}
	say("%d %d\n", dlopen("nothing.so", RTLD_NOW) == NULL, dlsym(NULL, "nothing") == NULL);
	const char *error = dlerror();
	say("%s\n", error == NULL ? "no error" : "an error");
}

CASE(a_namespace_of_its_own)
{
	void *m = dlmopen(LM_ID_NEWLM, "libm.so.6", RTLD_NOW);
	say("%d\n", m != NULL && dlsym(m, "cos") != NULL && dlsym(m, "malloc") != NULL);
	if (m != NULL) {
		void *(*other)(size_t) = (void *(*)(size_t))dlsym(m, "malloc");
		void (*other_free)(void *) = (void (*)(void *))dlsym(m, "free");
		for (size_t i = 1; other != NULL && i < 1000; i++)
			other_free(other(i));
		(void)dlclose(m);
	}
	use_heap();
	say("done\n");
}

CASE(where_functions_are)
{
	Dl_info info = { 0 };
	(void)dladdr((void *)where_functions_are, &info);
	say("%s\n", info.dli_fname == NULL ? "unknown" : "known");
	say("%d %d\n", dlsym(RTLD_DEFAULT, "malloc") != NULL, dlsym(RTLD_NEXT, "free") != NULL);
	void *next = dlsym(RTLD_NEXT, "malloc");
	if (next != NULL)
		free(((void *(*)(size_t))next)(41));
}

CASE(sizes_of_blocks)
{
	for (size_t i = 0; i < 300; i += 41) {
		void *p = malloc(i), *q = calloc(i, 3), *r = aligned_alloc(64, i / 64 * 64);
		say("%zu %zu %zu\n", malloc_usable_size(p), malloc_usable_size(q), (size_t)r % 64);
		free(p);
		free(q);
		free(r);
	}
	say("%zu\n", malloc_usable_size(NULL));
	errno = 0;
	volatile size_t far_too_much = SIZE_MAX / 2 + 1; /* more than the compiler lets pass */
	result("calloc", calloc(far_too_much / 2, 8) == NULL ? -1 : 0);
	result("malloc", malloc(far_too_much) == NULL ? -1 : 0);
	void *p = NULL;
	say("posix_memalign %d %d\n", posix_memalign(&p, 3, 100), posix_memalign(&p, 4096, 100));
	free(p);
	errno = 77;
	free(malloc(1u << 20));
	say("errno %d\n", errno);
	say("trim %d\n", malloc_trim(0) >= 0);
	say("mallopt %d %d\n", mallopt(M_MMAP_THRESHOLD, 100000), mallopt(M_ARENA_MAX, 1));
}

CASE(statistics_of_malloc)
{
	void *kept_blocks[41];
	for (int i = 0; i < 41; i++)
		kept_blocks[i] = malloc(1000);
	const struct mallinfo2 before = mallinfo2();
	for (int i = 0; i < 41; i++)
		free(kept_blocks[i]);
	const struct mallinfo2 after = mallinfo2();
	say("%zu\n", before.uordblks - after.uordblks);
}
