/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* Ways to start, stop and signal processes that few programs use. See hard.h. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "hard.h"

static char *const true_args[] = { "true", NULL };

static void waited(const char *what, pid_t pid)
{
	int status = 0;
	const pid_t r = waitpid(pid, &status, 0);
	if (r == pid)
		end_of(what, status);
	else
		result(what, -1);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	(void)!write(fd, text, strlen(text));
	(void)fchmod(fd, mode);
	(void)close(fd);
}

static char place[64];

/* A directory of its own, which the case leaves empty. */
static void enter_place(void)
{
	(void)snprintf(place, sizeof(place), "/tmp/hard-%d", getpid());
	(void)mkdir(place, 0777);
	(void)!chdir(place);
}

static void leave_place(const char *const *files)
{
	for (; *files != NULL; files++)
		(void)unlink(*files);
	(void)rmdir(place);
}

/* ---- what can be executed ---- */

CASE(scripts)
{
	static const char *const files[] = {
		"plain", "own", "chain", "none", "loop", "locked", NULL
	};
	enter_place();
	write_file("plain", "exit 11\n", 0700);
	write_file("own", "#!/bin/sh\nexit 12\n", 0700);
	write_file("chain", "#!./own\n", 0700);
	write_file("none", "#!/nonexistent\n", 0700);
	write_file("loop", "#!./loop\n", 0700);
	write_file("locked", "#!/bin/sh\n", 0600);
	for (int i = 0; files[i] != NULL; i++) {
		char path[32];
		(void)snprintf(path, sizeof(path), "./%s", files[i]);
		for (int way = 0; way < 3; way++) {
			const pid_t pid = fork();
			if (pid == 0) {
				char *const args[] = { path, NULL };
				if (way == 0)
					(void)execv(path, args);
				else if (way == 1)
					(void)execvp(path, args);
				else
					(void)execvpe(path, args, (char *[]){ "A=1", NULL });
				say("%s: %s\n", path, strerrorname_np(errno));
				_exit(90 + way);
			}
			waited(path, pid);
		}
		pid_t pid = -1;
		const int error =
			posix_spawn(&pid, path, NULL, NULL, (char *[]){ path, NULL }, environ);
		say("spawn %s\n", error == 0 ? "done" : strerrorname_np(error));
		if (error == 0)
			waited(path, pid);
	}
	leave_place(files);
}

CASE(names_that_cannot_be_executed)
{
	static char long_name[5000];
	memset(long_name, 'x', sizeof(long_name) - 1);
	static const char *const names[] = {
		"",  "/",	  "/tmp",	    "/nonexistent/x",  "/bin/true/x",
		".", "/dev/null", "/proc/self/mem", "nonexistent-name"
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		result(names[i], execv(names[i], true_args));
		result(names[i], execvp(names[i], true_args));
		pid_t pid;
		say("spawn %s\n",
		    strerrorname_np(posix_spawn(&pid, names[i], NULL, NULL, true_args, environ)));
		say("spawnp %s\n",
		    strerrorname_np(posix_spawnp(&pid, names[i], NULL, NULL, true_args, environ)));
	}
	result("long", execv(long_name, true_args));
	result("long", execvp(long_name, true_args));
}

CASE(search_path)
{
	static const char *const paths[] = { "",
					     ":",
					     "/nonexistent:/bin",
					     "/bin:/nonexistent",
					     "/etc:/bin",
					     "/dev/null:/bin",
					     "relative" };
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		(void)setenv("PATH", paths[i], 1);
		const pid_t pid = fork();
		if (pid == 0) {
			(void)execlp("true", "true", (char *)NULL);
			_exit(errno);
		}
		waited(paths[i], pid);
	}
	(void)unsetenv("PATH");
	const pid_t pid = fork();
	if (pid == 0) {
		(void)execlp("true", "true", (char *)NULL);
		_exit(errno);
	}
	waited("none", pid);
}

CASE(exec_from_a_descriptor)
{
	const int memory = (int)syscall(SYS_memfd_create, "program", 0);
	char bytes[65536];
	const int file = open("/bin/true", O_RDONLY);
	for (ssize_t n; (n = read(file, bytes, sizeof(bytes))) > 0;)
		(void)!write(memory, bytes, (size_t)n);
	pid_t pid = fork();
	if (pid == 0) {
		(void)fexecve(memory, true_args, environ);
		_exit(errno);
	}
	waited("memory", pid);
	pid = fork();
	if (pid == 0) {
		(void)execveat(open("/bin", O_PATH), "true", true_args, environ, 0);
		_exit(errno);
	}
	waited("relative", pid);
	pid = fork();
	if (pid == 0) {
		(void)execveat(open("/bin/true", O_PATH), "", true_args, environ, AT_EMPTY_PATH);
		_exit(errno);
	}
	waited("path only", pid);
}

CASE(exec_without_arguments)
{
	const pid_t pid = fork();
	if (pid == 0) {
		(void)execve("/bin/true", (char *[]){ NULL }, (char *[]){ NULL });
		_exit(errno);
	}
	waited("none", pid);
}

static void *exec_on_thread(void *unused)
{
	(void)execl("/bin/sh", "sh", "-c", "exit 21", (char *)NULL);
	return unused;
}

static void exec_while_threads_run(void)
{
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		(void)pthread_create(&t[i], NULL, exec_on_thread, NULL);
	(void)pause();
}

CASE(exec_from_a_thread)
{
	in_child("exec", exec_while_threads_run);
}

static void exec_without_randomness(void)
{
	(void)personality(ADDR_NO_RANDOMIZE);
	(void)execl("/bin/sh", "sh", "-c", "exit 22", (char *)NULL);
}

CASE(exec_without_randomised_addresses)
{
	in_child("exec", exec_without_randomness);
}

/* ---- spawning ---- */

CASE(spawn_attributes)
{
	posix_spawnattr_t a;
	sigset_t set;
	pid_t pid = -1;
	static const short flags[] = { 0,
				       POSIX_SPAWN_SETPGROUP,
				       POSIX_SPAWN_SETSIGMASK,
				       POSIX_SPAWN_SETSIGDEF,
				       POSIX_SPAWN_RESETIDS,
				       POSIX_SPAWN_SETSCHEDULER,
				       POSIX_SPAWN_SETSCHEDPARAM,
				       POSIX_SPAWN_SETSID,
				       POSIX_SPAWN_USEVFORK };
	(void)signal(SIGUSR1, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		(void)posix_spawnattr_init(&a);
		(void)posix_spawnattr_setflags(&a, flags[i]);
		(void)posix_spawnattr_setsigmask(&a, &set);
		(void)posix_spawnattr_setsigdefault(&a, &set);
		say("flags %d\n", flags[i]);
		static char script[] =
			"grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; "
			"read -r p c s pp g sid rest </proc/self/stat; echo $((p == g)) $((p == sid))";
		const int error = posix_spawn(&pid, "/bin/sh", NULL, &a,
					      (char *[]){ "sh", "-c", script, NULL }, environ);
		if (error != 0)
			say("%s\n", strerrorname_np(error));
		else
			waited("spawned", pid);
		(void)posix_spawnattr_destroy(&a);
	}
}

CASE(spawn_file_actions)
{
	posix_spawn_file_actions_t a;
	pid_t pid = -1;
	(void)posix_spawn_file_actions_init(&a);
	(void)posix_spawn_file_actions_addopen(&a, 7, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&a, 7, 0);
	(void)posix_spawn_file_actions_addclose(&a, 7);
	(void)posix_spawn_file_actions_addchdir_np(&a, "/usr");
	static char script[] = "pwd; readlink /proc/self/fd/0; ls /proc/self/fd | wc -l";
	const int error = posix_spawn(&pid, "bin/env", &a, NULL,
				      (char *[]){ "env", "sh", "-c", script, NULL }, environ);
	if (error != 0)
		say("%s\n", strerrorname_np(error));
	waited("spawned", pid);
	(void)posix_spawn_file_actions_addopen(&a, 8, "/nonexistent", O_RDONLY, 0);
	say("%s\n", strerrorname_np(posix_spawn(&pid, "/bin/true", &a, NULL, true_args, environ)));
}

CASE(vfork_and_exit)
{
	for (int i = 0; i < 5; i++) {
		const pid_t pid = vfork();
		if (pid == 0)
			_exit(i);
		waited("vfork", pid);
	}
}

CASE(vfork_allocates_and_closes)
{
	static void *volatile p;
	const pid_t pid = vfork();
	if (pid == 0) {
		p = malloc(100);
		for (int fd = 3; fd < 64; fd++)
			(void)close(fd);
		(void)execl("/bin/sh", "sh", "-c", "exit 31", (char *)NULL);
		_exit(1);
	}
	waited("vfork", pid);
	free(p);
}

CASE(clone_raw)
{
	const pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		free(malloc(41));
		_exit(32);
	}
	waited("clone", pid);
}

static void before_fork(void)
{
	say("prepare\n");
}
static void in_parent(void)
{
	free(malloc(5));
}
static void in_forked(void)
{
	free(malloc(5));
	say("forked\n");
}

CASE(fork_handlers)
{
	(void)pthread_atfork(before_fork, in_parent, in_forked);
	const pid_t pid = fork();
	if (pid == 0)
		_exit(33);
	waited("fork", pid);
}

static int depth;
static void fork_deeper(void)
{
	free(malloc(41));
	if (depth++ < 20)
		in_child("deeper", fork_deeper);
}

CASE(fork_twenty_deep)
{
	fork_deeper();
}

CASE(daemon_like)
{
	int ends[2];
	char byte = 0;
	(void)!pipe(ends);
	if (fork() == 0) {
		(void)setsid();
		if (fork() == 0) {
			free(malloc(41));
			(void)!write(ends[1], "d", 1);
			_exit(0);
		}
		_exit(0);
	}
	(void)wait(NULL);
	say("%zd %c\n", read(ends[0], &byte, 1), byte);
}

/* ---- signals ---- */

static volatile sig_atomic_t n_signals;
static void count_signal(int number)
{
	(void)number;
	n_signals++;
}

CASE(signal_to_the_group)
{
	(void)setpgid(0, 0);
	(void)signal(SIGUSR1, count_signal);
	pid_t child = fork();
	if (child == 0) {
		while (n_signals == 0)
			(void)usleep(1000);
		_exit(40 + n_signals);
	}
	(void)usleep(20000);
	result("kill", kill(0, SIGUSR1));
	waited("child", child);
	say("here %d\n", (int)n_signals);
}

CASE(death_of_the_group)
{
	(void)setpgid(0, 0);
	for (int i = 0; i < 3; i++) {
		if (fork() == 0)
			(void)pause();
	}
	(void)kill(0, SIGTERM);
	(void)pause();
}

CASE(signals_through_exec)
{
	sigset_t set;
	(void)sigfillset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	(void)signal(SIGHUP, SIG_IGN);
	(void)raise(SIGUSR2);
	(void)alarm(0);
	(void)execl("/bin/grep", "grep", "-E", "^(Sig[BIPC]|Shd)", "/proc/self/status",
		    (char *)NULL);
}

/* ---- descriptors ---- */

CASE(every_descriptor_closed)
{
	const int kept = dup(1);
	for (int fd = 3; fd < 1024; fd++) {
		if (fd != kept)
			(void)close(fd);
	}
	say("next %d\n", open("/dev/null", O_RDONLY));
	in_child("child", fork_deeper);
	(void)syscall(SYS_close_range, 3, ~0u, 0);
	say("next %d\n", open("/dev/null", O_RDONLY));
	result("close", close(-1));
	result("close", close(999));
	result("dup2", dup2(999, 5));
	result("dup3", dup3(1, 1, 0));
	result("fcntl", fcntl(1, F_DUPFD, 40));
	result("fcntl", fcntl(-1, F_GETFL));
}

CASE(epoll_of_all_kinds)
{
	const int outer = epoll_create1(EPOLL_CLOEXEC), inner = epoll_create(5);
	struct epoll_event e = { .events = EPOLLIN };
	result("create", epoll_create(0));
	result("create", epoll_create1(77));
	result("add", epoll_ctl(outer, EPOLL_CTL_ADD, inner, &e));
	result("loop", epoll_ctl(inner, EPOLL_CTL_ADD, outer, &e));
	result("self", epoll_ctl(inner, EPOLL_CTL_ADD, inner, &e));
	result("again", epoll_ctl(outer, EPOLL_CTL_ADD, inner, &e));
	result("file", epoll_ctl(outer, EPOLL_CTL_ADD, open("/bin/true", O_RDONLY), &e));
	result("none", epoll_ctl(outer, EPOLL_CTL_DEL, 0, NULL));
	result("wait", epoll_wait(outer, &e, 1, 0));
	result("wait", epoll_wait(0, &e, 1, 0));
	result("closed", close(inner));
	result("wait", epoll_wait(outer, &e, 1, 0));
	result("delete", epoll_ctl(outer, EPOLL_CTL_DEL, inner, NULL));
}
