/* build: dl */
/* SPDX-License-Identifier: MIT */
/* usage: new_stacks SECONDS depths|processes
 *        new_stacks SECONDS libraries FILE
 *        new_stacks NUMBER keep FILE
 * Has stacks that it never had before, for so long: through 60 to 130 functions in an order of chance; in
 * processes that live for a millisecond; or in copies of the library FILE, which are loaded, called
 * (plugin_work) and gone; or in so many copies of it, which stay. The order is the same in each run. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t seed = 23;
static volatile long sink;

static int chance(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (int)(seed >> 61);
}

static void go(int depth);

/* Eight functions, each of which may be the next one. */
#define FUNCTION(n)                     \
	static void turn_##n(int depth) \
	{                               \
		go(depth);              \
		sink += n;              \
	}                               \
	static void turn_##n(int depth)

FUNCTION(0);
FUNCTION(1);
FUNCTION(2);
FUNCTION(3);
FUNCTION(4);
FUNCTION(5);
FUNCTION(6);
FUNCTION(7);

static void go(int depth)
{
	static void (*const turns[])(int) = { turn_0, turn_1, turn_2, turn_3,
					      turn_4, turn_5, turn_6, turn_7 };
	if (depth > 0)
		turns[chance()](depth - 1);
	for (int i = 0; depth == 0 && i < 2000; i++)
		sink += i;
}

static void in_depths(void)
{
	go(60 + chance() * 10);
}

static void in_process(void)
{
	const pid_t pid = fork();
	seed += 1;
	if (pid == 0) {
		for (int i = 0; i < 20; i++)
			in_depths();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static char library[1 << 20];
static ssize_t n_library;

static void in_copy(bool is_kept)
{
	static int number;
	char path[64];
	snprintf(path, sizeof(path), "./copy%d.so", number++);
	const int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0700);
	if (write(fd, library, (size_t)n_library) != n_library)
		exit(1);
	close(fd);
	void *copy = dlopen(path, RTLD_NOW);
	unlink(path);
	if (copy == NULL)
		exit(1);
	((void (*)(long))dlsym(copy, "plugin_work"))(1);
	if (!is_kept)
		dlclose(copy);
}

static void in_library(void)
{
	in_copy(false);
}

int main(int argc, char **argv)
{
	void (*step)(void) = in_depths;
	if (argc < 3)
		return 2;
	if (strcmp(argv[2], "processes") == 0)
		step = in_process;
	if (strcmp(argv[2], "libraries") == 0 || strcmp(argv[2], "keep") == 0) {
		n_library = read(open(argc > 3 ? argv[3] : "", O_RDONLY), library, sizeof(library));
		step = in_library;
	}
	for (long i = atol(argv[1]); strcmp(argv[2], "keep") == 0; i--) {
		if (i == 0)
			return 0;
		in_copy(true);
	}
	const time_t end = time(NULL) + atol(argv[1]);
	while (time(NULL) < end)
		for (int i = 0; i < 20; i++)
			step();
	return 0;
}
