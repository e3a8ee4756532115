/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* Pointers that cannot be read, given to everything that the shim stands in front of. See hard.h. */
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hard.h"

/* What it warns of is what is wanted here. */
#pragma GCC diagnostic ignored "-Wnonnull"
#pragma GCC diagnostic ignored "-Wrestrict"
#pragma GCC diagnostic ignored "-Wstringop-overflow"

#define TRUE "/bin/true"

static char *const true_args[] = { "true", NULL };
static char *const plain[] = { "A=1", NULL };

/* Pointers that look in several ways as if they could be read. */
static void *bad(int i)
{
	switch (i) {
	case 0:
		return (void *)8;
	case 1:
		return (void *)-4096;
	case 2:
		return (void *)0x8000000000000000ul;
	case 3:
		return guarded_end();
	default: { /* a file's mapping past its end */
		const int fd = memfd_create("empty", 0);
		void *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		(void)close(fd);
		return at;
	}
	}
}
enum { N_BAD = 5 };

#define EACH_BAD(what, call)                \
	for (int i = 0; i < N_BAD; i++) {   \
		void *p = bad(i);           \
		result(what, (long)(call)); \
	}

/* ---- exec ---- */

CASE(execve_path){ EACH_BAD("execve", execve(p, true_args, plain)) } CASE(execve_arguments){
	EACH_BAD("execve", execve(TRUE, p, plain))
} CASE(execve_environment){ EACH_BAD("execve", execve(TRUE, true_args, p)) } CASE(execv_path){
	EACH_BAD("execv", execv(p, true_args))
} CASE(execv_arguments){ EACH_BAD("execv", execv(TRUE, p)) } CASE(execvpe_environment){
	EACH_BAD("execvpe", execvpe("true", true_args, p))
} CASE(execvpe_path_environment){
	EACH_BAD("execvpe", execvpe(TRUE, true_args, p))
} CASE(execl_path){ EACH_BAD("execl", execl(p, "true", (char *)NULL)) } CASE(execle_environment){
	EACH_BAD("execle", execle(TRUE, "true", (char *)NULL, p))
} CASE(execveat_path){
	EACH_BAD("execveat", execveat(AT_FDCWD, p, true_args, plain, 0))
} CASE(execveat_environment){ EACH_BAD("execveat", execveat(AT_FDCWD, TRUE, true_args, p, 0)) }

CASE(execl_argument){ EACH_BAD("execl", execl(TRUE, "true", (char *)p, (char *)NULL)) }

CASE(execve_argument_inside)
{
	for (int i = 0; i < N_BAD; i++) {
		char *args[] = { "true", bad(i), NULL };
		result("execve", execve(TRUE, args, plain));
	}
}

CASE(execve_variable_inside)
{
	for (int i = 0; i < N_BAD; i++) {
		char *envp[] = { "A=1", bad(i), NULL };
		result("execve", execve(TRUE, true_args, envp));
	}
}

CASE(execve_environment_without_end)
{
	char **envp = (char **)guarded_end() - 2;
	envp[0] = "A=1";
	envp[1] = "B=2";
	result("execve", execve(TRUE, true_args, envp));
}

CASE(execve_variable_without_end)
{
	static const char *const texts[] = { "A=1",
					     "LD_PRELOAD=",
					     "LD_PRELOAD=/x",
					     "LD_PRE",
					     "LD_TRACE_LOADED_OBJECTS=",
					     "STARTLINE_SHIM=",
					     "S" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *text = guarded_end() - strlen(texts[i]);
		memcpy(text, texts[i], strlen(texts[i]));
		char *envp[] = { text, NULL };
		result(texts[i], execve(TRUE, true_args, envp));
	}
}

CASE(execve_all_at_the_end_of_a_page)
{
	char **envp = (char **)guarded_end() - 3;
	envp[0] = at_the_end("A=1");
	envp[1] = at_the_end("LD_PRELOAD=");
	envp[2] = NULL;
	char **args = (char **)guarded_end() - 2;
	args[0] = at_the_end("env");
	args[1] = NULL;
	result("execve", execve(at_the_end("/usr/bin/env"), args, envp));
}

CASE(execve_nothing_but_null)
{
	result("execve", execve(NULL, NULL, NULL));
	result("execve", execve("", true_args, NULL));
	result("execve", execve("/nonexistent", NULL, NULL));
	result("execvpe", execvpe("", true_args, NULL));
	result("execveat", execveat(-1, NULL, NULL, NULL, 0));
}

CASE(execve_null_environment)
{
	result("execve", execve("/usr/bin/env", (char *[]){ "env", NULL }, NULL));
}

CASE(fexecve_arguments)
{
	const int fd = open(TRUE, O_RDONLY);
	EACH_BAD("arguments", fexecve(fd, p, plain))
	EACH_BAD("environment", fexecve(fd, true_args, p))
	result("no arguments", fexecve(fd, NULL, plain));
	result("no environment", fexecve(fd, true_args, NULL));
	result("no descriptor", fexecve(-1, true_args, plain));
}

CASE(execveat_empty_path)
{
	const int fd = open(TRUE, O_RDONLY);
	result("without the flag", execveat(fd, "", true_args, plain, 0));
	result("bad descriptor", execveat(-7, "", true_args, plain, AT_EMPTY_PATH));
	result("with", execveat(fd, "", true_args, plain, AT_EMPTY_PATH));
}

CASE(execv_bad_environ)
{
	for (int i = 0; i < N_BAD; i++) {
		environ = bad(i);
		const long r = execv(TRUE, true_args);
		environ = NULL;
		result("execv", r);
	}
}

CASE(execvp_slash_bad_environ)
{
	for (int i = 0; i < N_BAD; i++) {
		environ = bad(i);
		const long r = execvp(TRUE, true_args);
		environ = NULL;
		result("execvp", r);
	}
}

static void execvp_eight(void)
{
	(void)execvp((char *)8, true_args);
}
static void execvp_guarded(void)
{
	(void)execvp(guarded_end() - 3, true_args);
}

CASE(execvp_name)
{
	in_child("eight", execvp_eight);
	in_child("guarded", execvp_guarded);
}

/* ---- spawn ---- */

static void spawned(const char *what, int error, pid_t pid)
{
	int status = 0;

	if (error != 0)
		say("%s: %s\n", what, strerrorname_np(error));
	else if (waitpid(pid, &status, 0) == pid)
		end_of(what, status);
}

CASE(spawn_bad)
{
	for (int i = 0; i < N_BAD; i++) {
		char *p = bad(i);
		pid_t pid = -1;
		spawned("path", posix_spawn(&pid, p, NULL, NULL, true_args, plain), pid);
		spawned("arguments", posix_spawn(&pid, TRUE, NULL, NULL, (char **)p, plain), pid);
		spawned("environment", posix_spawn(&pid, TRUE, NULL, NULL, true_args, (char **)p),
			pid);
		spawned("p", posix_spawnp(&pid, TRUE, NULL, NULL, true_args, (char **)p), pid);
		spawned("p name", posix_spawnp(&pid, "true", NULL, NULL, true_args, (char **)p),
			pid);
	}
}

CASE(spawn_null)
{
	pid_t pid = -1;
	spawned("no pid", posix_spawn(NULL, "/nonexistent", NULL, NULL, true_args, plain), pid);
	spawned("no environment", posix_spawn(&pid, TRUE, NULL, NULL, true_args, NULL), pid);
	spawned("no path", posix_spawn(&pid, NULL, NULL, NULL, true_args, plain), pid);
	spawned("empty name", posix_spawnp(&pid, "", NULL, NULL, true_args, plain), pid);
	spawned("no arguments", posix_spawn(&pid, "/nonexistent", NULL, NULL, NULL, plain), pid);
}

CASE(spawnp_bad_name)
{
	pid_t pid = -1;
	spawned("name", posix_spawnp(&pid, (char *)8, NULL, NULL, true_args, plain), pid);
}

CASE(shell_bad_command)
{
	EACH_BAD("system", system(p))
	for (int i = 0; i < N_BAD; i++) {
		FILE *f = popen(bad(i), "r");
		say("popen: %d %s\n", f != NULL, f == NULL ? strerrorname_np(errno) : "");
		if (f != NULL)
			result("pclose", pclose(f));
	}
}

CASE(shell_bad_environ)
{
	for (int i = 0; i < N_BAD; i++) {
		environ = bad(i);
		const long r = system("exit 3");
		FILE *f = popen("exit 4", "r");
		environ = NULL;
		result("system", r);
		say("popen: %d\n", f != NULL);
		if (f != NULL)
			result("pclose", pclose(f));
	}
}

CASE(popen_bad_mode)
{
	static const char *const modes[] = { "",  "x",	"rw", "wr",  "r+", "rx",
					     "e", "re", "er", "ree", "rr", "we" };
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		errno = 0;
		FILE *f = popen("exit 4", modes[i]);
		say("%s: %d %s\n", modes[i], f != NULL, f == NULL ? strerrorname_np(errno) : "");
		if (f != NULL)
			result("pclose", pclose(f));
	}
}

/* ---- sockets; with a listener, so that waits are looked at ---- */

static int listener(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	(void)bind(fd, (struct sockaddr *)&any, sizeof(any));
	(void)listen(fd, 8);
	return fd;
}

CASE(connect_bad)
{
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	EACH_BAD("16", connect(fd, p, 16))
	EACH_BAD("2", connect(fd, p, 2))
	EACH_BAD("0", connect(fd, p, 0))
	EACH_BAD("too long", connect(fd, p, 4096))
	EACH_BAD("negative", connect(fd, p, (socklen_t)-1))
	EACH_BAD("closed", connect(-1, p, 16))
	EACH_BAD("file", connect(open("/dev/null", O_RDONLY), p, 16))
	result("null", connect(fd, NULL, 16));
}

CASE(connect_at_the_end_of_a_page)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(1) };
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	char *at = guarded_end() - sizeof(to);
	memcpy(at, &to, sizeof(to));
	result("whole", connect(fd, (struct sockaddr *)at, sizeof(to)));
	result("beyond", connect(fd, (struct sockaddr *)at, sizeof(to) + 1));
	struct sockaddr_un *un = (void *)(guarded_end() - 9);
	memcpy(un, "\1\0/no/way", 9);
	result("unix", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)un, 9));
}

CASE(bind_bad)
{
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	EACH_BAD("16", bind(fd, p, 16))
	EACH_BAD("0", bind(fd, p, 0))
	EACH_BAD("closed", bind(-1, p, 16))
	result("null", bind(fd, NULL, 16));
	result("listen", listen(-1, 5));
	result("listen", listen(open("/dev/null", O_RDONLY), 5));
}

CASE(accept_bad)
{
	const int fd = listener();
	struct sockaddr_in self;
	socklen_t n = sizeof(self);
	(void)getsockname(fd, (struct sockaddr *)&self, &n);
	EACH_BAD("length", accept(fd, (struct sockaddr *)&self, p))
	EACH_BAD("closed", accept(-1, p, p))
	for (int i = 0; i < N_BAD; i++) {
		const int client = socket(AF_INET, SOCK_STREAM, 0);
		(void)connect(client, (struct sockaddr *)&self, sizeof(self));
		result("address", accept(fd, bad(i), &n) < 0 ? -1 : 0);
		result("address", accept4(fd, bad(i), &n, SOCK_CLOEXEC) < 0 ? -1 : 0);
		(void)close(client);
	}
	result("flags", accept4(fd, NULL, NULL, -1));
}

CASE(poll_bad)
{
	(void)listener();
	EACH_BAD("1", poll(p, 1, 0))
	EACH_BAD("0", poll(p, 0, 0))
	EACH_BAD("600", poll(p, 600, 0))
	EACH_BAD("too many", poll(p, (nfds_t)-1, 0))
	EACH_BAD("ppoll", ppoll(p, 1, &(struct timespec){ 0 }, NULL))
	struct pollfd one = { .fd = -1 };
	EACH_BAD("time", ppoll(&one, 1, p, NULL))
	EACH_BAD("mask", ppoll(&one, 1, &(struct timespec){ 0 }, p))
	struct pollfd *last = (struct pollfd *)guarded_end() - 1;
	*last = (struct pollfd){ .fd = -1, .events = POLLIN };
	result("last", poll(last, 1, 0));
	result("beyond", poll(last, 2, 0));
	result("null", poll(NULL, 1, 0));
}

CASE(select_bad)
{
	const int fd = listener();
	struct timeval none = { 0 };
	EACH_BAD("read", select(fd + 1, p, NULL, NULL, &none))
	EACH_BAD("write", select(fd + 1, NULL, p, NULL, &none))
	EACH_BAD("except", select(fd + 1, NULL, NULL, p, &none))
	EACH_BAD("zero", select(0, p, p, p, &none))
	EACH_BAD("negative", select(-1, p, p, p, &none))
	EACH_BAD("huge", select(1 << 30, p, p, p, &none))
	EACH_BAD("time", select(0, NULL, NULL, NULL, p))
	EACH_BAD("pselect", pselect(fd + 1, p, NULL, NULL, &(struct timespec){ 0 }, NULL))
	EACH_BAD("pselect mask", pselect(0, NULL, NULL, NULL, &(struct timespec){ 0 }, p))
	unsigned long *last = (unsigned long *)guarded_end() - 1;
	*last = 1ul << fd;
	result("last", select(64, (fd_set *)last, NULL, NULL, &none));
	*last = 1ul << fd;
	result("many", select(1024, (fd_set *)last, NULL, NULL, &none) < 0 ? 0 : 0);
}

CASE(epoll_bad)
{
	const int fd = listener(), set = epoll_create1(0);
	EACH_BAD("add", epoll_ctl(set, EPOLL_CTL_ADD, fd, p))
	EACH_BAD("delete", epoll_ctl(set, EPOLL_CTL_DEL, fd, p))
	EACH_BAD("modify", epoll_ctl(set, EPOLL_CTL_MOD, fd, p))
	EACH_BAD("what", epoll_ctl(set, 77, fd, p))
	EACH_BAD("closed", epoll_ctl(-1, EPOLL_CTL_ADD, fd, p))
	struct epoll_event out = { .events = EPOLLOUT };
	(void)epoll_ctl(set, EPOLL_CTL_ADD, socket(AF_INET, SOCK_DGRAM, 0), &out);
	EACH_BAD("wait", epoll_wait(set, p, 4, 0))
	EACH_BAD("wait for none", epoll_wait(set, p, 0, 0))
	EACH_BAD("pwait", epoll_pwait(set, p, 4, 0, NULL))
	EACH_BAD("pwait mask", epoll_pwait(set, &out, 1, 0, p))
	result("null", epoll_ctl(set, EPOLL_CTL_ADD, fd, NULL));
}

CASE(other_calls_bad)
{
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	EACH_BAD("sendto", sendto(fd, "x", 1, 0, p, 16))
	EACH_BAD("write", write(fd, p, 1))
	EACH_BAD("syscall", syscall(SYS_write, 1, p, 1))
	EACH_BAD("syscall execve", syscall(SYS_execve, TRUE, p, plain))
	EACH_BAD("prctl", prctl(PR_GET_NAME, p, 0, 0, 0))
	EACH_BAD("seccomp", prctl(PR_SET_SECCOMP, 2, p, 0, 0))
}

/* ---- the heap ---- */

CASE(heap_refusals)
{
	void *p = (void *)1;
	volatile size_t huge = (size_t)-1;
	result("malloc", malloc(huge) == NULL ? -1 : 0);
	result("calloc", calloc(huge, 2) == NULL ? -1 : 0);
	result("calloc", calloc(huge / 2, 1) == NULL ? -1 : 0);
	result("realloc", realloc(NULL, huge) == NULL ? -1 : 0);
	result("reallocarray", reallocarray(NULL, huge, huge) == NULL ? -1 : 0);
	say("posix_memalign: %s\n", strerrorname_np(posix_memalign(&p, 3, 8)));
	say("posix_memalign: %s\n", strerrorname_np(posix_memalign(&p, 64, huge)));
	say("untouched: %d\n", p == (void *)1);
	result("aligned_alloc", aligned_alloc(huge, 8) == NULL ? -1 : 0);
	result("memalign", memalign(64, huge) == NULL ? -1 : 0);
	result("valloc", valloc(huge) == NULL ? -1 : 0);
	result("pvalloc", pvalloc(huge) == NULL ? -1 : 0);
	errno = 41;
	free(NULL);
	free(malloc(0));
	say("errno %d, %zu usable\n", errno, malloc_usable_size(NULL));
}

static void free_eight(void)
{
	free((void *)8);
}
static void free_twice(void)
{
	void *p = malloc(5000);
	void *volatile keep = malloc(1);
	(void)keep;
	free(p);
	free(p);
}
static void free_inside(void)
{
	free((char *)malloc(64) + 16);
}
static void realloc_guarded(void)
{
	(void)!realloc(guarded_end(), 5);
}

CASE(heap_misuse)
{
	(void)!freopen("/dev/null", "w", stderr); /* glibc says what it found */
	in_child("eight", free_eight);
	in_child("twice", free_twice);
	in_child("inside", free_inside);
	in_child("guarded", realloc_guarded);
}
