/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* Every way to execute, on the smallest stack that a thread may have and on a signal stack, with few
 * and with many variables. See hard.h. */
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/auxv.h>

#include "hard.h"

#define SHELL "/bin/sh"

enum { THREAD_STACK = 16384, SIGNAL_STACK = 8192 };

static char *const args[] = { "sh", "-c", "exit 5", NULL };
static char **many;
static void (*way)(void);

static void many_variables(int n)
{
	many = calloc((size_t)n + 2, sizeof(*many));
	for (int i = 0; i < n; i++)
		(void)asprintf(&many[i], "VARIABLE_%d=%d", i, i * i);
	many[n] = "PATH=/usr/bin:/bin";
	environ = many;
}

static void wait_for(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) == pid)
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 97);
}

static void by_execve(void)
{
	(void)execve(SHELL, args, many);
}
static void by_execv(void)
{
	(void)execv(SHELL, args);
}
static void by_execvp(void)
{
	(void)execvp("sh", args);
}
static void by_execvpe(void)
{
	(void)execvpe("sh", args, many);
}
static void by_execl(void)
{
	(void)execl(SHELL, "sh", "-c", "exit 5", (char *)NULL);
}
static void by_execlp(void)
{
	(void)execlp("sh", "sh", "-c", "exit 5", (char *)NULL);
}
static void by_execle(void)
{
	(void)execle(SHELL, "sh", "-c", "exit 5", (char *)NULL, many);
}
static void by_fexecve(void)
{
	(void)fexecve(open(SHELL, O_RDONLY), args, many);
}
static void by_execveat(void)
{
	(void)execveat(AT_FDCWD, SHELL, args, many, 0);
}

static void by_posix_spawn(void)
{
	pid_t pid = -1;
	if (posix_spawn(&pid, SHELL, NULL, NULL, args, many) == 0)
		wait_for(pid);
}

static void by_posix_spawnp(void)
{
	pid_t pid = -1;
	if (posix_spawnp(&pid, "sh", NULL, NULL, args, many) == 0)
		wait_for(pid);
}

static void by_system(void)
{
	_exit(WEXITSTATUS(system("exit 5")));
}

static void by_vfork(void)
{
	const pid_t pid = vfork();
	if (pid == 0) {
		(void)execve(SHELL, args, many);
		_exit(96);
	}
	wait_for(pid);
}

static void *on_thread(void *unused)
{
	way();
	_exit(98);
	return unused;
}

static void small_thread(void)
{
	pthread_attr_t a;
	pthread_t t;

	(void)pthread_attr_init(&a);
	(void)pthread_attr_setstacksize(&a, THREAD_STACK);
	if (pthread_create(&t, &a, on_thread, NULL) == 0)
		(void)pthread_join(t, NULL);
	_exit(99);
}

static void on_signal(int number)
{
	(void)number;
	way();
	_exit(98);
}

static void small_signal_stack(void)
{
	/* What processors have to save may leave nothing of it. */
	const size_t least = getauxval(AT_MINSIGSTKSZ) + PAGE;
	const size_t size = least > SIGNAL_STACK ? least : SIGNAL_STACK;
	char *at = mmap(NULL, PAGE + 8 * SIGNAL_STACK, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const stack_t alternate = { .ss_sp = at + PAGE, .ss_size = size };
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };

	(void)mprotect(at, PAGE, PROT_NONE);
	(void)sigaltstack(&alternate, NULL);
	(void)sigaction(SIGUSR1, &action, NULL);
	(void)raise(SIGUSR1);
}

static void on_both(void (*step)(void))
{
	static const int counts[] = { 1, 30, 120, 500, 2000 };

	way = step;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		char what[64];
		many_variables(counts[i]);
		(void)snprintf(what, sizeof(what), "thread, %d variables", counts[i]);
		in_child(what, small_thread);
		(void)snprintf(what, sizeof(what), "signal, %d variables", counts[i]);
		in_child(what, small_signal_stack);
	}
}

CASE(execve_small)
{
	on_both(by_execve);
}
CASE(execv_small)
{
	on_both(by_execv);
}
CASE(execvp_small)
{
	on_both(by_execvp);
}
CASE(execvpe_small)
{
	on_both(by_execvpe);
}
CASE(execl_small)
{
	on_both(by_execl);
}
CASE(execlp_small)
{
	on_both(by_execlp);
}
CASE(execle_small)
{
	on_both(by_execle);
}
CASE(fexecve_small)
{
	on_both(by_fexecve);
}
CASE(execveat_small)
{
	on_both(by_execveat);
}
CASE(posix_spawn_small)
{
	on_both(by_posix_spawn);
}
CASE(posix_spawnp_small)
{
	on_both(by_posix_spawnp);
}
CASE(system_small)
{
	on_both(by_system);
}
CASE(vfork_small)
{
	on_both(by_vfork);
}

CASE(vfork_often_with_many)
{
	/* Nothing may be left behind in the memory that parent and child share. */
	long before = 0;
	many_variables(2000);
	for (int i = 0; i < 60; i++) {
		int status = 0;
		const pid_t pid = vfork();
		if (pid == 0) {
			(void)execve("/bin/true", args, many);
			_exit(96);
		}
		(void)waitpid(pid, &status, 0);
		if (status != 0)
			end_of("child", status);
		FILE *f = fopen("/proc/self/maps", "r");
		long n = 0;
		for (int c = getc(f); c != EOF; c = getc(f))
			n += c == '\n';
		(void)fclose(f);
		if (i == 5)
			before = n;
		else if (i == 59)
			say("%ld mappings more\n", n - before);
	}
}

static void *spawn_often(void *unused)
{
	for (int i = 0; i < 20; i++) {
		int status = 0;
		pid_t pid = -1;
		if (posix_spawn(&pid, SHELL, NULL, NULL, args, many) != 0)
			say("not spawned\n");
		else if (waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) != 5)
			end_of("child", status);
	}
	return unused;
}

CASE(spawn_from_threads_with_many)
{
	pthread_t threads[6];
	many_variables(700);
	for (int i = 0; i < 6; i++)
		(void)pthread_create(&threads[i], NULL, spawn_often, NULL);
	for (int i = 0; i < 6; i++)
		(void)pthread_join(threads[i], NULL);
	say("done\n");
}

CASE(too_long_a_list)
{
	/* 128 KiB is the most that one string may have. */
	char *text = malloc(200000);
	memset(text, 'x', 199999);
	text[199999] = '\0';
	char *const too_long[] = { "sh", "-c", "exit 5", text, NULL };
	result("execve", execve(SHELL, too_long, many));
	pid_t pid = -1;
	say("spawn: %s\n",
	    strerrorname_np(posix_spawn(&pid, SHELL, NULL, NULL, too_long, environ)));
}

static void nearly_too_long(void)
{
	/* Up to the byte that just fits for a bare program. */
	const struct rlimit limit = { 4u << 20, 4u << 20 };
	(void)setrlimit(RLIMIT_STACK, &limit);
	char *list[64] = { "sh", "-c", "exit 5" };
	static char text[100000];
	memset(text, 'x', sizeof(text) - 1);
	char *const none[] = { NULL };
	size_t n = (1u << 20) - 4 - 8 * (3 + 10 + 2) - sizeof("/bin/sh") - sizeof("sh") -
		   sizeof("-c") - sizeof("exit 5");
	for (int i = 3; n > 0; i++) {
		const size_t take = n > sizeof(text) ? sizeof(text) : n;
		list[i] = text + sizeof(text) - take;
		n -= take;
	}
	result("execve", execve(SHELL, list, none));
}

CASE(nearly_too_long_a_list)
{
	in_child("exec", nearly_too_long);
}
