/* SPDX-License-Identifier: MIT */
/* Cases that are hard for whoever is loaded into a program: each does something unusual and prints what
 * came of it, the same in each run, so that a bare run and a recorded one can be compared.
 * usage: PROGRAM list|all|CASE; "all" executes itself for each case, in process groups of their own. */
#ifndef TESTS_HARD_H
#define TESTS_HARD_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { PAGE = 4096, SECONDS = 20 };

struct hard_case {
	const char *name;
	void (*run)(void);
};

/* The linker makes a table of them. */
#define CASE(name)                                                \
	static void name(void);                                   \
	static const struct hard_case *const case_##name          \
		__attribute__((section("hard_cases"), used)) =    \
			&(const struct hard_case){ #name, name }; \
	static void name(void)

extern const struct hard_case *const __start_hard_cases[], *const __stop_hard_cases[];

/* Unbuffered: the case may be killed at its next step. */
__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
{
	const int before = errno;
	char line[8192];
	va_list list;

	va_start(list, format);
	const int n = vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	(void)!write(STDOUT_FILENO, line, n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1);
	errno = before;
}

static inline void result(const char *what, long value)
{
	const int error = errno;

	say("%s: %ld %s\n", what, value < 0 ? -1 : value, value < 0 ? strerrorname_np(error) : "");
}

static inline void end_of(const char *what, int status)
{
	if (WIFEXITED(status))
		say("%s: exit %d\n", what, WEXITSTATUS(status));
	else
		say("%s: signal %d\n", what, WTERMSIG(status));
}

/* Runs @step in a forked child and says how that ended. */
static inline void in_child(const char *what, void (*step)(void))
{
	int status = 0;
	const pid_t pid = fork();

	if (pid == 0) {
		step();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) == pid)
		end_of(what, status);
	else
		result(what, -1);
}

/* Two pages, of which only the first can be touched. Returns the second's address. */
static inline char *guarded_end(void)
{
	char *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)mprotect(at + PAGE, PAGE, PROT_NONE);
	return at + PAGE;
}

/* @text such that its NUL is the last byte that can be read. */
static inline char *at_the_end(const char *text)
{
	const size_t n = strlen(text) + 1;

	return memcpy(guarded_end() - n, text, n);
}

static int run_case(const char *name)
{
	for (const struct hard_case *const *c = __start_hard_cases; c < __stop_hard_cases; c++) {
		if (strcmp((*c)->name, name) == 0) {
			(*c)->run();
			return 0;
		}
	}
	return 2;
}

static void run_all(const char *program)
{
	for (const struct hard_case *const *c = __start_hard_cases; c < __stop_hard_cases; c++) {
		int status = 0;
		say("--- %s\n", (*c)->name);
		const pid_t pid = fork();
		if (pid == 0) {
			(void)setpgid(0, 0);
			(void)alarm(SECONDS);
			(void)execl(program, program, (*c)->name, (char *)NULL);
			_exit(98);
		}
		(void)waitpid(pid, &status, 0);
		end_of("ended", status);
	}
}

int main(int argc, char **argv)
{
	const struct rlimit no_core = { 0, 0 };

	if (argc != 2)
		return 2;
	(void)setrlimit(RLIMIT_CORE, &no_core);
	if (strcmp(argv[1], "all") == 0) {
		run_all(argv[0]);
		return 0;
	}
	if (strcmp(argv[1], "list") != 0)
		return run_case(argv[1]);
	for (const struct hard_case *const *c = __start_hard_cases; c < __stop_hard_cases; c++)
		say("%s\n", (*c)->name);
	return 0;
}

#endif
