/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* What a program sees of itself: its variables at every moment, its descriptors, signals, auxiliary
 * vector. See hard.h. */
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <sys/auxv.h>

#include "hard.h"

static char early[65536];
static size_t n_early;

static bool is_ours(const char *variable)
{
	return strncmp(variable, "LD_PRELOAD", 10) == 0 || strncmp(variable, "STARTLINE", 9) == 0;
}

static void show(const char *when, char *const *envp)
{
	size_t n = 0, bytes = 0;

	for (; envp != NULL && envp[n] != NULL; n++) {
		bytes += strlen(envp[n]);
		if (is_ours(envp[n]))
			say("%s: %s\n", when, envp[n]);
	}
	say("%s: %zu variables, %zu bytes\n", when, n, bytes);
}

static void keep(const char *when, char *const *envp)
{
	for (; envp != NULL && *envp != NULL && n_early + 300 < sizeof(early); envp++) {
		if (is_ours(*envp))
			n_early +=
				(size_t)snprintf(early + n_early, 300, "%s: %.200s\n", when, *envp);
	}
}

/* Nothing runs before it; and nothing is allocated. */
static void before_all(int argc, char **argv, char **envp)
{
	(void)argc;
	(void)argv;
	keep("preinit", envp);
}
static void (*const preinit)(int, char **, char **)
	__attribute__((section(".preinit_array"), used)) = before_all;

__attribute__((constructor(101))) static void constructed(int argc, char **argv, char **envp)
{
	(void)argc;
	(void)argv;
	keep("constructor", envp);
	keep("environ in a constructor", environ);
}

CASE(before_main)
{
	say("%s", early);
}
CASE(in_main)
{
	show("environ", environ);
}

static void show_file(const char *path)
{
	char bytes[65536];
	const int fd = open(path, O_RDONLY);
	const ssize_t n = read(fd, bytes, sizeof(bytes));
	size_t n_empty = 0;

	for (ssize_t i = 1; i < n; i++)
		n_empty += bytes[i] == '\0' && bytes[i - 1] == '\0';
	say("%s: %zd bytes, %zu empty, first %d\n", path, n, n_empty, n > 0 ? bytes[0] : -1);
	(void)close(fd);
}

CASE(proc_environ)
{
	show_file("/proc/self/environ");
}
CASE(proc_cmdline)
{
	show_file("/proc/self/cmdline");
}

static void execute_self(char *const *envp, const char *name)
{
	char path[4096] = "";
	(void)!readlink("/proc/self/exe", path, sizeof(path) - 1);
	(void)execve(path, (char *[]){ path, (char *)name, NULL }, envp);
}

static void with_users_preload(void)
{
	execute_self((char *[]){ "A=1", "LD_PRELOAD=/lib/x86_64-linux-gnu/libm.so.6", "B=2", NULL },
		     "everything_in_order");
}
static void with_empty_preload(void)
{
	execute_self((char *[]){ "A=1", "LD_PRELOAD=", "B=2", NULL }, "everything_in_order");
}
static void with_two_preloads(void)
{
	execute_self((char *[]){ "LD_PRELOAD=/lib/x86_64-linux-gnu/libm.so.6", "A=1",
				 "LD_PRELOAD=", "LD_LIBRARY_PATH=/lib", NULL },
		     "everything_in_order");
}
static void with_nothing(void)
{
	execute_self((char *[]){ NULL }, "everything_in_order");
}
static void with_odd_ones(void)
{
	execute_self((char *[]){ "", "=", "noequals", "A=1", "A=2", "LD_PRELOADED=1", NULL },
		     "everything_in_order");
}
CASE(users_preload)
{
	in_child("exec", with_users_preload);
}
CASE(users_empty_preload)
{
	in_child("exec", with_empty_preload);
}
CASE(users_two_preloads)
{
	in_child("exec", with_two_preloads);
}
CASE(no_variables)
{
	in_child("exec", with_nothing);
}
CASE(odd_variables)
{
	in_child("exec", with_odd_ones);
}

CASE(everything_in_order)
{
	char bytes[4096];
	for (char **e = environ; *e != NULL; e++)
		say("[%s]\n", *e);
	const int fd = open("/proc/self/environ", O_RDONLY);
	const ssize_t n = read(fd, bytes, sizeof(bytes));
	for (ssize_t i = 0; i < n; i++)
		say("%c", bytes[i] == '\0' ? '|' : bytes[i]);
	(void)close(fd);
	say("\n%s", early);
	show_file("/proc/self/cmdline");
	/* Whoever walks on from the variables finds the auxiliary vector. */
	char **e = environ;
	while (*e != NULL)
		e++;
	bool has_page_size = false, has_entry = false;
	for (const Elf64_auxv_t *a = (const void *)(e + 1); a->a_type != AT_NULL; a++) {
		has_page_size |= a->a_type == AT_PAGESZ && a->a_un.a_val == getauxval(AT_PAGESZ);
		has_entry |= a->a_type == AT_ENTRY && a->a_un.a_val == getauxval(AT_ENTRY);
	}
	say("auxiliary vector: %d %d\n", has_page_size, has_entry);
}

/* ---- while a shell runs ---- */

static void *shells(void *how)
{
	for (int i = 0; i < 5; i++) {
		if (*(const char *)how == 's') {
			if (system("sleep 0.05") != 0)
				say("system failed\n");
		} else {
			FILE *f = popen("sleep 0.02", "r");
			(void)pclose(f);
		}
	}
	return NULL;
}

static void watched(const char *how)
{
	pthread_t t;
	int n = 0;
	char **const first = environ;
	(void)pthread_create(&t, NULL, shells, (void *)how);
	while (pthread_tryjoin_np(t, NULL) != 0) {
		for (char **e = __atomic_load_n(&environ, __ATOMIC_ACQUIRE); *e != NULL; e++)
			n += is_ours(*e);
		n += __atomic_load_n(&environ, __ATOMIC_ACQUIRE) != first;
	}
	say("seen %s\n", n != 0 ? "often" : "never");
	show("after", environ);
}

CASE(during_system)
{
	watched("system");
}
CASE(during_popen)
{
	watched("popen");
}

static sigjmp_buf back;
static void jump(int number)
{
	(void)number;
	siglongjmp(back, 1);
}

CASE(jumped_out_of_system)
{
	char **const first = environ;
	(void)signal(SIGALRM, jump);
	if (sigsetjmp(back, 1) == 0) {
		(void)ualarm(100000, 0);
		(void)system("exec sleep 0.3");
	}
	show("after", environ);
	say("same %d\n", environ == first);
	result("again", system("exit 4"));
	show("after", environ);
}

static void *slow_shell(void *unused)
{
	(void)system("exec sleep 7.77");
	return unused;
}

CASE(cancelled_in_system)
{
	pthread_t t;
	void *value = NULL;
	struct sigaction action;
	sigset_t mask;

	(void)pthread_create(&t, NULL, slow_shell, NULL);
	(void)usleep(100000);
	(void)pthread_cancel(t);
	(void)pthread_join(t, &value);
	say("cancelled %d\n", value == PTHREAD_CANCELED);
	show("after", environ);
	(void)sigaction(SIGINT, NULL, &action);
	say("SIGINT default %d\n", action.sa_handler == SIG_DFL);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	say("SIGCHLD blocked %d\n", sigismember(&mask, SIGCHLD));
	result("children", waitpid(-1, NULL, WNOHANG));
	result("again", system("exit 4"));
}

CASE(setenv_around_system)
{
	(void)setenv("OWN", "1", 1);
	result("system", system("test $OWN = 1"));
	(void)putenv("OTHER=2");
	result("system", system("test $OTHER = 2"));
	(void)unsetenv("OWN");
	result("system", system("test -z \"$OWN\""));
	(void)clearenv();
	result("system", system("exit 6"));
	FILE *f = popen("exit 7", "w");
	result("popen", pclose(f));
	(void)setenv("OWN", "3", 1);
	result("system", system("test $OWN = 3"));
	show("after", environ);
}

CASE(shell_sees_no_more)
{
	result("system", system("env | grep -c 'LD_PRELOAD\\|STARTLINE'"));
	result("system", system("tr '\\0' '\\n' </proc/$$/environ | grep -c '^$'"));
	result("system", system("xargs -0 echo <\"/proc/$$/cmdline\""));
	char line[512];
	FILE *f = popen("xargs -0 echo <\"/proc/$$/cmdline\"", "r");
	say("popen: %s", fgets(line, sizeof(line), f));
	result("pclose", pclose(f));
}

/* ---- what else there is ---- */

CASE(descriptors)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		n += e->d_name[0] != '.';
	(void)closedir(d);
	say("%d, next %d\n", n, open("/dev/null", O_RDONLY));
}

CASE(signals)
{
	sigset_t mask;
	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int i = 1; i < 65; i++) {
		struct sigaction a;
		if (sigismember(&mask, i) == 1)
			say("%d blocked\n", i);
		if (sigaction(i, NULL, &a) == 0 && a.sa_handler != SIG_DFL)
			say("%d not default\n", i);
	}
}

CASE(limits)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit l;
		(void)getrlimit(i, &l);
		say("%d: %ld %ld\n", i, (long)l.rlim_cur, (long)l.rlim_max);
	}
}

CASE(status_file)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");
	/* not FDSize: each fork shrinks the table to what its parent has open then */
	static const char *const lines[] = { "Name",	"Umask",  "TracerPid",	"Uid",	  "Gid",
					     "Threads", "SigPnd", "ShdPnd",	"SigBlk", "SigIgn",
					     "SigCgt",	"CapEff", "NoNewPrivs", "Seccomp" };
	while (fgets(line, sizeof(line), f) != NULL) {
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
			if (strncmp(line, lines[i], strlen(lines[i])) == 0)
				say("%s", line);
		}
	}
	(void)fclose(f);
}

CASE(auxiliary_vector)
{
	say("secure %lu, page %lu\n", getauxval(AT_SECURE), getauxval(AT_PAGESZ));
	say("%s\n", strrchr((const char *)getauxval(AT_EXECFN), '/'));
	say("name %s\n", program_invocation_short_name);
}

CASE(stat_file)
{
	/* argv and variables lie where the kernel says. */
	char bytes[2048] = "";
	const int fd = open("/proc/self/stat", O_RDONLY);
	(void)!read(fd, bytes, sizeof(bytes) - 1);
	unsigned long f[53] = { 0 };
	char *at = strrchr(bytes, ')') + 4;
	for (int i = 4; i < 53; i++)
		f[i] = strtoul(at, &at, 10);
	extern char __executable_start, etext, edata;
	say("code %d %d\n", f[26] >= (uintptr_t)&__executable_start, f[27] >= (uintptr_t)&etext);
	say("data %d break %d %d\n", f[46] == (uintptr_t)&edata, f[47] >= f[46],
	    (uintptr_t)sbrk(0) >= f[47]);
	say("variables %d %d\n", f[50] == (uintptr_t)environ[0], f[49] == f[50]);
	say("stack %d\n", f[28] < f[48]);
	FILE *maps = fopen("/proc/self/maps", "r");
	while (fgets(bytes, sizeof(bytes), maps) != NULL) {
		if (strstr(bytes, "[heap]") != NULL || strstr(bytes, "[stack]") != NULL)
			say("%s", strchr(bytes, '['));
	}
}

static void *one_thread(void *unused)
{
	(void)malloc(41);
	return unused;
}

CASE(threads_and_forks)
{
	for (int i = 0; i < 200; i++) {
		pthread_t t;
		(void)pthread_create(&t, NULL, one_thread, NULL);
		(void)pthread_join(t, NULL);
	}
	for (int i = 0; i < 20; i++) {
		int status = 0;
		const pid_t pid = fork();
		if (pid == 0) {
			free(malloc(41));
			show("child", environ);
			_exit(i);
		}
		(void)waitpid(pid, &status, 0);
		end_of("child", status);
	}
}
