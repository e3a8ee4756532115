/* build: pthread static */
/* SPDX-License-Identifier: MIT */
/* System calls of a known number, shared by the first thread, a second one, a forked child and, with
 * other numbers, a child that vfork and exec made of this program:
 * 23 times openat of /dev/null, 41 getrandom, 37 fchdir and 29 close that fail, 31 getppid; then by
 * the other child 13 getpgid and 11 getcpu, and 40 calls in turn, three times, most of
 * which fail. fchdir is a rare call, getppid and getcpu are quick ones.
 * With an argument other than "child" it makes another child, which calls alarm 17 times, and both wait
 * for a signal, or 10 s. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void repeat(int n, long number, long a, long b, long c)
{
	for (int i = 0; i < n; i++)
		syscall(number, a, b, c, 0);
}

static void part(int opens, int randoms, int misses, int bad, int parents)
{
	char bytes[16];

	repeat(opens, SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDONLY);
	repeat(randoms, SYS_getrandom, (long)bytes, sizeof(bytes), 0);
	repeat(misses, SYS_fchdir, -1, 0, 0);
	repeat(bad, SYS_close, -1, 0, 0);
	repeat(parents, SYS_getppid, 0, 0, 0);
}

static void *second(void *unused)
{
	part(7, 20, 13, 10, 11);
	return unused;
}

static void all_in_turn(void)
{
	static const short numbers[] = {
		SYS_read,     SYS_write,       SYS_fstat,      SYS_lseek,      SYS_pread64,
		SYS_pwrite64, SYS_readv,       SYS_writev,     SYS_ioctl,      SYS_dup,
		SYS_dup2,     SYS_dup3,	       SYS_socket,     SYS_connect,    SYS_accept,
		SYS_accept4,  SYS_sendto,      SYS_recvfrom,   SYS_sendmsg,    SYS_recvmsg,
		SYS_bind,     SYS_getsockname, SYS_setsockopt, SYS_getsockopt, SYS_fcntl,
		SYS_flock,    SYS_fsync,       SYS_fdatasync,  SYS_getdents64, SYS_epoll_ctl,
		SYS_unlink,   SYS_uname,       SYS_stat,       SYS_lstat,      SYS_access,
		SYS_getuid,   SYS_geteuid,     SYS_getgid,     SYS_getegid,    SYS_gettid,
	};

	for (int turn = 0; turn < 3; turn++)
		for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
			syscall(numbers[i], -1, 0, 0, 0, 0, 0);
}

static int child(void)
{
	unsigned int cpu;

	repeat(13, SYS_getpgid, 0, 0, 0);
	repeat(11, SYS_getcpu, (long)&cpu, 0, 0);
	all_in_turn();
	return 0;
}

static void leave(void)
{
	if (fork() != 0)
		return;
	repeat(17, SYS_alarm, 0, 0, 0);
	sleep(10);
	_exit(0);
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc > 1 && strcmp(argv[1], "child") == 0)
		return child();
	if (pthread_create(&thread, NULL, second, NULL))
		return 1;
	part(11, 19, 17, 12, 13);
	pthread_join(thread, NULL);
	const pid_t forked = fork();
	if (forked == 0) {
		part(5, 2, 7, 7, 7);
		_exit(0);
	}
	const pid_t spawned = vfork();
	if (spawned == 0) {
		execl(argv[0], argv[0], "child", (char *)NULL);
		_exit(1);
	}
	if (waitpid(forked, NULL, 0) != forked || waitpid(spawned, NULL, 0) != spawned)
		return 1;
	if (argc > 1)
		leave();
	if (puts("done") == EOF || fflush(stdout) == EOF)
		return 1;
	return argc > 1 ? (int)sleep(10) : 0;
}
